// SPDX-License-Identifier: GPL-2.0-only
/*
 * sender.c - kcoh-sender: a process with a VM that harvests, and sends on sockets, as QEMU does when it migrates; and as
 * something that is no migration does. What the kernel refuses of it is counted (bpf/refuse.bpf.c says what that should be).
 *
 *   kcoh-sender -name NAME
 *
 * One case a line of standard input, in two steps: `begin CASE` switches dirty logging on and harvests, `send` sends, ends the
 * logging, and prints what came of it:
 *
 *   {"case":"stream","stream":"7 sent, 993 refused, 0 failed","events":"…","main":"…"}
 *
 * The thread that harvests in each case sends 32 MB on one socket (`stream`), and between them short messages on another one on which
 * the main thread sends, too (`events`, as QMP's). The main thread sends 100 of 32 KB on a third one (`main`, as VNC's).
 *
 *   stream       all as in a migration
 *   main         the main thread harvests and sends the stream
 *   threads      another thread harvests, too
 *   few          a third of the RAM is harvested
 *   shared       the main thread has sent a byte on the stream's socket
 *   little       the stream is 100 bytes a message
 *   vcpu         the thread that harvests has run a vCPU
 *   stopped      the VM's vCPUs stand still
 *
 * The guest sleeps in WFI with its MMU off. Each socket's other end is read, and thrown away, by a child.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../vmm/say.h"
#include "../vmm/vm.h"

#define RAM_BYTES (64ul << 20)
#define SENDS 1000
#define SEND_BYTES (32 << 10)
#define MAIN_SENDS 100

static const char *const cases[] = { "stream", "main",   "threads", "few",
				     "shared", "little", "vcpu",    "stopped" };
enum { STREAM, MAIN, THREADS, FEW, SHARED, LITTLE, VCPU, STOPPED, CASES };

struct line {
	int fd;
	unsigned int sent, refused, failed;
};

static struct vm vm;
static uint64_t *bitmap;
static struct line stream, events, mains;
static char data[SEND_BYTES];
static int now; /* the case */

/* The thread that harvests lives from `begin` to `send`. */
static pthread_t thread;
static pthread_barrier_t harvested, may_send;

static bool mmio(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value, void *ctx)
{
	(void)vcpu;
	(void)ipa;
	(void)is_store;
	(void)value;
	(void)ctx;
	return true;
}

static void must_open(struct line *line)
{
	static char thrown[1 << 16];
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		die("cannot make a socket: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fds[0]);
		while (read(fds[1], thrown, sizeof(thrown)) > 0)
			;
		_exit(0);
	}
	close(fds[1]);
	*line = (struct line){ .fd = fds[0] };
}

static void line_send(struct line *line, size_t bytes)
{
	if (send(line->fd, data, bytes, MSG_NOSIGNAL) == (ssize_t)bytes)
		line->sent++;
	else if (errno == EPERM)
		line->refused++;
	else
		line->failed++;
}

static void harvest(uint64_t first, uint64_t pages)
{
	uint64_t dirty;
	int error = vm_dirty_get(&vm, 0, bitmap, &dirty);

	if (!error)
		error = vm_dirty_clear(&vm, 0, bitmap + first / 64, first, (uint32_t)pages);
	if (error)
		die("cannot harvest: %s", strerror(-error));
}

/* So many 64ths of the RAM's pages. */
static uint64_t pages_of(unsigned int share)
{
	return RAM_BYTES / (uint64_t)sysconf(_SC_PAGESIZE) / 64 * share;
}

/* Makes this thread the one that ran vCPU 1 last, which is powered off. */
static void run_vcpu(void)
{
	struct vm_vcpu *vcpu = &vm.vcpus[1];

	vcpu->run->immediate_exit = 1;
	if (ioctl(vcpu->fd, KVM_RUN, 0) && errno != EINTR)
		die("KVM_RUN: %s", strerror(errno));
}

static void stream_send(void)
{
	for (int i = 0; i < SENDS; i++) {
		line_send(&stream, now == LITTLE ? 100 : SEND_BYTES);
		if (i % 100 == 0)
			line_send(&events, 100);
	}
}

static void *migrate(void *arg)
{
	(void)arg;
	pthread_setname_np(pthread_self(), "live_migration");
	if (now == VCPU)
		run_vcpu();
	harvest(0, pages_of(now == FEW ? 20 : now == THREADS ? 48 : 64));
	pthread_barrier_wait(&harvested);
	pthread_barrier_wait(&may_send);
	stream_send();
	return NULL;
}

static void *harvest_once(void *arg)
{
	harvest(pages_of(48), pages_of(16));
	return arg;
}

static void must_start(pthread_t *ret_thread, void *(*fn)(void *arg))
{
	if (pthread_create(ret_thread, NULL, fn, NULL))
		die("cannot start a thread");
}

static void begin(const char *name)
{
	pthread_t other;

	for (now = 0; now < CASES && strcmp(cases[now], name) != 0; now++)
		;
	if (now == CASES)
		die("there is no case %s", name);
	stream = (struct line){ .fd = stream.fd };
	events = (struct line){ .fd = events.fd };
	mains = (struct line){ .fd = mains.fd };
	if (vm_slot_log(&vm, 0, true))
		die("cannot log");
	if (now == MAIN) {
		harvest(0, pages_of(64));
	} else {
		must_start(&thread, migrate);
		pthread_barrier_wait(&harvested);
	}
	if (now == THREADS) { /* what the first one left */
		must_start(&other, harvest_once);
		pthread_join(other, NULL);
	}
	line_send(&events, 1);
	if (now == SHARED)
		line_send(&stream, 1);
	say("{\"begun\":\"%s\"}", name);
}

static void line_text(const struct line *line, char *ret_text, size_t len)
{
	snprintf(ret_text, len, "%u sent, %u refused, %u failed", line->sent, line->refused,
		 line->failed);
}

static void finish(void)
{
	char texts[3][64];

	if (now == STOPPED)
		vm_stop(&vm);
	if (now == MAIN)
		stream_send();
	else
		pthread_barrier_wait(&may_send);
	for (int i = 0; i < MAIN_SENDS; i++)
		line_send(&mains, SEND_BYTES);
	if (now != MAIN)
		pthread_join(thread, NULL);
	if (now == STOPPED)
		vm_continue(&vm);
	if (vm_slot_log(&vm, 0, false))
		die("cannot end logging");
	line_text(&stream, texts[0], sizeof(texts[0]));
	line_text(&events, texts[1], sizeof(texts[1]));
	line_text(&mains, texts[2], sizeof(texts[2]));
	say("{\"case\":\"%s\",\"stream\":\"%s\",\"events\":\"%s\",\"main\":\"%s\"}", cases[now],
	    texts[0], texts[1], texts[2]);
}

static void vm_make(void)
{
	static const struct vm_config config = {
		.vcpus = 2,
		.slots = 1,
		.slot_bytes = { RAM_BYTES },
		.manual_protect = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET,
		.mmio = mmio,
	};
	static const uint32_t code[] = { 0xd503207f, 0x17ffffff }; /* wfi; b to it */
	void *entry;

	vm_must_create(&vm, &config);
	entry = vm_hva(&vm, GUEST_ENTRY);
	memcpy(entry, code, sizeof(code));
	vm_clean(entry, sizeof(code));
	bitmap = calloc(1, vm_bitmap_bytes(&vm.slots[0]));
	if (!bitmap || vm_vcpu_start(&vm.vcpus[0]))
		die("cannot start the VM");
}

int main(int argc, char **argv)
{
	char text[64];

	if (argc != 3 || strcmp(argv[1], "-name") != 0)
		die("usage: kcoh-sender -name NAME");
	must_open(&stream); /* before the VM: children are not to keep it alive */
	must_open(&events);
	must_open(&mains);
	pthread_barrier_init(&harvested, NULL, 2);
	pthread_barrier_init(&may_send, NULL, 2);
	vm_make();
	say("{\"ready\":\"%s\"}", argv[2]);
	while (fgets(text, sizeof(text), stdin)) {
		text[strcspn(text, "\n")] = 0;
		if (!strncmp(text, "begin ", 6))
			begin(text + 6);
		else if (!strcmp(text, "send"))
			finish();
		else
			die("neither begin nor send: %s", text);
	}
	return 0;
}
