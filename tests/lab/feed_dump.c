// SPDX-License-Identifier: GPL-2.0-only
/*
 * feed_dump.c - prints what the feed delivers, one line a record: the feed alone, without daemon or
 * core.
 *
 *   kcoh-feed [--bpf-dir DIR] [--ring BYTES] [--no-scan] [--module] [--verbose]
 *
 * It opens the feed, says `ready` with the method of each hook and the size of each program, scans for VMs, and prints records
 * until it gets SIGTERM; then what is left in the BPF maps. SIGUSR1 prints exit counters, SIGUSR2
 * scans again.
 *
 *   $ kcoh-feed
 *   feed hook kvm_exit: raw_tp
 *   feed ready after 412 ms
 *   vm=1 vm-new pid=212 comm=kcoh-vmm existing=1
 *   vm=1 slot=0 found base=0x40000 pages=32768 flags=0 gen=2
 *   …
 *   feed left: vms 0, vcpus 0, exit slots 0, lost 0
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "feed/feed.h"
#include "kcoh/smmu.h"

static volatile sig_atomic_t stop, want_exits, want_scan;
static uint32_t last_vm;

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		want_exits = 1;
	else if (sig == SIGUSR2)
		want_scan = 1;
	else
		stop = 1;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static const char *state_name(unsigned int state)
{
	static const char *const names[] = { "unknown", "cached", "uncached", "off" };

	return state < 4 ? names[state] : "?";
}

static const char *source_name(unsigned int source)
{
	static const char *const names[] = { "sample", "kvm", "trap", "disarm" };

	return source < 4 ? names[source] : "?";
}

static void print_memslot(const struct kcoh_ev_memslot *ev)
{
	static const char *const names[] = { "create", "delete", "move", "flags", "found" };

	printf("slot=%u %s base=0x%llx pages=%llu flags=%x old=%x gen=%llu\n", ev->slot_id,
	       ev->change < 5 ? names[ev->change] : "?", ev->base_gfn, ev->pages, ev->flags,
	       ev->old_flags, ev->generation);
}

static void print_harvest(const struct kcoh_ev_harvest *ev)
{
	static const char *const kinds[] = { "?", "get", "clear", "ring", "start" };

	printf("harvest %s by %s slot=%d pages=%llu cleaned=%llu absent=%llu unclean=%llu "
	       "extra=%llu initially_set=%u\n",
	       ev->kind < 5 ? kinds[ev->kind] : "?", ev->source ? "module" : "kvm",
	       (int)ev->slot_id, ev->pages, ev->cleaned, ev->absent, ev->unclean, ev->extra,
	       ev->initially_set);
}

static void print_smmu(const struct kcoh_ev_smmu *ev)
{
	static const char *const kinds[] = { "event", "folded", "unread", "lost" };
	struct kcoh_smmu_fault fault;

	kcoh_smmu_decode(ev->raw, &fault);
	printf("smmu %s count=%llu id=%x sid=%x address=0x%llx group=%d device=%s smmu=%s\n",
	       kinds[ev->kind % 4], ev->count, fault.id, fault.sid, fault.address, (int)ev->group,
	       ev->device, ev->smmu);
}

static void print_device(const struct kcoh_ev_device *ev)
{
	static const char *const states[] = { "taken", "found", "released" };

	printf("device %s %s sid=%x group=%u via=%s smmu=%s\n", states[ev->state % 3], ev->device,
	       ev->sid, ev->group, ev->via == KCOH_VIA_GROUP ? "group" : "iommufd", ev->smmu);
}

static void print_record(const struct kcoh_ev_hdr *hdr, size_t len, void *ctx)
{
	const union kcoh_ev *ev = (const union kcoh_ev *)hdr;
	static const char *const resets[] = { "init", "cpu-on", "set-sctlr" };

	(void)len;
	(void)ctx;
	if (hdr->vm > last_vm)
		last_vm = hdr->vm;
	if (hdr->gap)
		printf("gap=%u ", hdr->gap);
	if (hdr->vm)
		printf("vm=%u ", hdr->vm);
	if (hdr->vcpu != KCOH_VCPU_NONE)
		printf("vcpu=%u ", hdr->vcpu);
	switch (hdr->type) {
	case KCOH_EV_VM_NEW:
		printf("vm-new pid=%u comm=%s existing=%u\n", ev->vm_new.pid, ev->vm_new.comm,
		       ev->vm_new.existing);
		break;
	case KCOH_EV_VM_GONE:
		printf("vm-gone\n");
		break;
	case KCOH_EV_VCPU:
		printf("state %s source=%s sctlr=0x%llx tid=%u\n", state_name(ev->vcpu.state),
		       source_name(ev->vcpu.source), ev->vcpu.sctlr, ev->vcpu.tid);
		break;
	case KCOH_EV_TOGGLE:
		printf("toggle %s->%s source=%s pc=0x%llx sctlr=0x%llx\n",
		       state_name(ev->toggle.was), state_name(ev->toggle.now),
		       source_name(ev->toggle.source), ev->toggle.pc, ev->toggle.sctlr);
		break;
	case KCOH_EV_SET_WAY:
		printf("set-way pc=0x%llx cached=%u cleaned=%u\n", ev->set_way.pc,
		       ev->set_way.cached, ev->set_way.cleaned);
		break;
	case KCOH_EV_RESET:
		printf("reset %s has_run=%u\n", resets[ev->reset.kind % 3], ev->reset.has_run);
		break;
	case KCOH_EV_MEMSLOT:
		print_memslot(&ev->memslot);
		break;
	case KCOH_EV_EPOCH:
		printf("epoch %s logged=%llu total=%llu vcpus=%u armed=%u pending=%u\n",
		       ev->epoch.start ? "start" : "end", ev->epoch.logged_pages,
		       ev->epoch.total_pages, ev->epoch.vcpus, ev->epoch.armed, ev->epoch.pending);
		break;
	case KCOH_EV_HARVEST:
		print_harvest(&ev->harvest);
		break;
	case KCOH_EV_HOLD:
		printf("%s why=%u\n", ev->hold.held ? "held" : "released", ev->hold.why);
		break;
	case KCOH_EV_UNMAP:
		printf("unmap kind=%u unmaps=%u faults=%llu bytes=%llu\n", ev->unmap.kind,
		       ev->unmap.unmaps, ev->unmap.faults, ev->unmap.bytes);
		break;
	case KCOH_EV_PSCI:
		printf("psci call=%u function=%x\n", ev->psci.call, ev->psci.function);
		break;
	case KCOH_EV_SMMU:
		print_smmu(&ev->smmu);
		break;
	case KCOH_EV_DEVICE:
		print_device(&ev->device);
		break;
	default:
		printf("type=%u\n", hdr->type);
	}
}

static int print_hook(const struct kcoh_hook_view *hook, void *ctx)
{
	(void)ctx;
	printf("feed hook %s: %s%s\n", hook->name,
	       hook->method ? hook->method : "not attached: ", hook->method ? "" : hook->why);
	return 0;
}

static void print_exits(struct kcoh_feed *feed)
{
	struct kcoh_exit_counts counts;
	uint32_t vm, i;

	for (vm = 0; vm <= last_vm; vm++) {
		if (kcoh_feed_exits(feed, vm, KCOH_VCPU_NONE, &counts))
			continue;
		printf("exits vm=%u", vm);
		for (i = 0; i < KCOH_EXIT_CLASSES; i++)
			if (counts.classes[i])
				printf(" %s=%" PRIu64, kcoh_exit_class_name(i), counts.classes[i]);
		printf("\n");
	}
	printf("exits end\n");
}

static long count_in(int fd, uint32_t key_size, bool filled)
{
	char key[64], next[64];
	uint64_t value = 0;
	bool first = true;
	long count = 0;

	while (!bpf_map_get_next_key(fd, first ? NULL : key, next)) {
		memcpy(key, next, key_size);
		first = false;
		if (!filled || (!bpf_map_lookup_elem(fd, key, &value) && value))
			count++;
	}
	return count;
}

/* How many keys a map of this name has, or how many values that are not 0. */
static long count_keys(const char *name, bool filled)
{
	uint32_t id = 0, len;
	long count = -1;
	int fd;

	while (!bpf_map_get_next_id(id, &id)) {
		struct bpf_map_info info = {};

		fd = bpf_map_get_fd_by_id(id);
		len = sizeof(info);
		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && !strcmp(info.name, name))
			count = count_in(fd, info.key_size, filled);
		if (fd >= 0)
			close(fd);
	}
	return count;
}

/* What the verifier went through to accept each program, of all that the kernel has now. */
static void print_programs(void)
{
	uint32_t id = 0;

	while (!bpf_prog_get_next_id(id, &id)) {
		struct bpf_prog_info info = {};
		uint32_t len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(id);

		if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len))
			printf("feed program %s: %u instructions, %u verified\n", info.name,
			       info.xlated_prog_len / 8, info.verified_insns);
		if (fd >= 0)
			close(fd);
	}
}

static void scan(struct kcoh_feed *feed)
{
	uint64_t start = now_ms();
	int found = kcoh_feed_scan(feed);

	printf("feed scan: %d VMs in %" PRIu64 " ms\n", found, now_ms() - start);
}

static void run(struct kcoh_feed *feed)
{
	while (!stop) {
		poll(NULL, 0, 50);
		if (want_scan) {
			want_scan = 0;
			scan(feed);
		}
		if (kcoh_feed_consume(feed) < 0)
			printf("feed consume failed\n");
		if (want_exits) {
			want_exits = 0;
			print_exits(feed);
		}
		fflush(stdout);
	}
	kcoh_feed_consume(feed);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "bpf-dir", 1, NULL, 'd' }, { "ring", 1, NULL, 'r' },
		{ "no-scan", 0, NULL, 'n' }, { "verbose", 0, NULL, 'v' },
		{ "module", 0, NULL, 'm' },  { NULL, 0, NULL, 0 },
	};
	struct kcoh_feed_config config = { .bpf_dir = "/usr/lib/kcoh/bpf", .fn = print_record };
	bool module = false, no_scan = false;
	uint64_t start = now_ms();
	struct kcoh_feed *feed;
	char err[512] = "";
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd')
			config.bpf_dir = optarg;
		else if (c == 'r')
			config.ring_bytes = strtoul(optarg, NULL, 0);
		else if (c == 'n')
			no_scan = true;
		else if (c == 'v')
			config.verbose = true;
		else if (c == 'm')
			module = true;
		else
			return 2;
	}
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	c = kcoh_feed_open(&config, &feed, err, sizeof(err));
	if (c) {
		printf("feed error %d: %s\n", c, err);
		return 2;
	}
	if (module)
		printf("feed module: %d\n", kcoh_feed_module_attach(feed));
	kcoh_feed_each_hook(feed, print_hook, NULL);
	print_programs();
	printf("feed ready after %" PRIu64 " ms\n", now_ms() - start);
	if (!no_scan)
		scan(feed);
	fflush(stdout);
	run(feed);
	print_exits(feed);
	printf("feed left: vms %ld, vcpus %ld, exit slots %ld, lost %" PRIu64 "\n",
	       count_keys("kcoh_vms", false), count_keys("kcoh_vcpus", false),
	       count_keys("kcoh_slots", true), kcoh_feed_lost(feed, NULL));
	kcoh_feed_close(feed);
	return 0;
}
