// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard-daemon - kcohd without a kernel under it: its real server, core, relay, configuration and carriers, and VMs by order.
 *
 *   guard-daemon DIR CONFIG       serves DIR/kcohd.sock (for everybody: rights are what is tested) and a TCP port, which it prints
 *
 * Orders are lines on standard input; each is answered with "done", or with "no: " and why:
 *
 *   vm ID PID NAME      a VM with one vCPU, cached, 256 MiB of RAM and that process
 *   off ID | on ID      its vCPU turns its MMU off, on
 *   epoch ID | end ID   all its RAM is logged from now on, or no more, and the module's trap is set
 *   gone ID             it ends
 *
 * The end of its input, or a signal, ends it in order; kill -9 at once.
 */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admission/admission.h"
#include "clean/clean.h"
#include "config/config.h"
#include "fleet/view.h"
#include "host/clock.h"
#include "relay/relay.h"
#include "serve/listen.h"
#include "serve/policy_json.h"
#include "serve/serve.h"
#include "serve/tcp.h"

#define MAX_VMS 1024
#define LOG_ENTRIES 8192
#define TICK_US 100000
#define RAM_PAGES (256ull << 8)

static const struct kcoh_core_config bounds = { MAX_VMS, 4, 8 };

struct daemon {
	sd_event *event;
	struct kcoh_config *config;
	void *core_memory;
	struct kcoh_core *core;
	struct kcoh_roster *roster;
	struct kcoh_log *log;
	struct kcoh_relay *relay;
	struct kcoh_listen *listen;
	struct kcoh_polkit *polkit;
	struct kcoh_evacuations *evacuations;
	struct kcoh_admission *admission;
	struct kcoh_serve *serve;
	uint64_t generation;
	char name[64]; /* of the VM that is being made */
	char held[4096]; /* orders, up to the last whole line */
	size_t held_len;
};

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static int die(const char *what, const char *why)
{
	fprintf(stderr, "guard-daemon: %s: %s\n", what, why);
	return 2;
}

static void push(struct daemon *daemon, union kcoh_ev *ev, uint16_t type, size_t size, uint32_t vm,
		 uint16_t vcpu)
{
	ev->hdr = (struct kcoh_ev_hdr){
		.ts_ns = now_ns(), .vm = vm, .vcpu = vcpu, .type = type, .size = (uint16_t)size
	};
	if (kcoh_relay_push(daemon->relay, &ev->hdr, size) < 0)
		abort();
}

#define PUSH(TYPE, member, vm, vcpu, ...)                                                          \
	push(daemon, &(union kcoh_ev){ .member = { .hdr = { 0 }, ##__VA_ARGS__ } },                \
	     KCOH_EV_##TYPE, sizeof(((union kcoh_ev *)0)->member), vm, vcpu)

static struct kcoh_ident *identify(void *ctx, const struct kcoh_ev_vm_new *ev)
{
	const struct daemon *daemon = ctx;

	return kcoh_ident_new(ev->hdr.vm, ev->pid, ev->comm, daemon->name, NULL);
}

static int qmp_path(void *ctx, const struct kcoh_ident *ident, char *ret_path, size_t len)
{
	const struct daemon *daemon = ctx;
	struct kcoh_policy policy = kcoh_config_policy(daemon->config, ident->name, ident->uuid);

	if (!policy.qmp)
		return -ENOENT;
	return kcoh_config_qmp_path(policy.qmp, ident->name, ident->uuid, ident->pid, ret_path,
				    len);
}

static void policy_of(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev)
{
	const struct daemon *daemon = ctx;
	struct kcoh_policy policy = kcoh_config_policy(daemon->config, ident->name, ident->uuid);
	char path[256];

	kcoh_policy_event(&policy, qmp_path(ctx, ident, path, sizeof(path)) == 0, ret_ev);
}

/* Of what the core wants done only the cancel of an evacuation is carried out. */
static void on_act(void *ctx, const struct kcoh_act *act)
{
	struct daemon *daemon = ctx;

	if (act->type == KCOH_ACT_CANCEL && !act->dry)
		kcoh_evacuations_veto(daemon->evacuations, act->vm);
}

static void on_gone(void *ctx, const struct kcoh_ident *ident)
{
	struct daemon *daemon = ctx;

	kcoh_evacuations_gone(daemon->evacuations, ident);
}

static void on_phase(void *ctx, const struct kcoh_ident *ident, enum kcoh_phase phase)
{
	struct daemon *daemon = ctx;

	if (ident->id != KCOH_VM_NONE)
		PUSH(PHASE, phase, ident->id, KCOH_VCPU_NONE, .phase = phase);
}

static void on_vetoed(void *ctx, const struct kcoh_ident *ident, int result, const char *sentence)
{
	struct daemon *daemon = ctx;

	(void)sentence;
	PUSH(ACT_DONE, act_done, ident->id, KCOH_VCPU_NONE, .act = KCOH_ACT_CANCEL,
	     .result = result);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)usec;
	kcoh_relay_tick(daemon->relay, now_ns());
	kcoh_evacuations_tick(daemon->evacuations);
	sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void slot_push(struct daemon *daemon, uint32_t vm, bool logs, uint8_t change)
{
	PUSH(MEMSLOT, memslot, vm, KCOH_VCPU_NONE, .base_gfn = 0x40000, .pages = RAM_PAGES,
	     .hva = 0xffff00000000, .generation = ++daemon->generation,
	     .flags = logs ? KCOH_SLOT_LOG_DIRTY : 0,
	     .old_flags = change == KCOH_SLOT_FLAGS && !logs ? KCOH_SLOT_LOG_DIRTY : 0,
	     .change = change);
}

static void epoch_push(struct daemon *daemon, uint32_t vm, bool start)
{
	slot_push(daemon, vm, start, KCOH_SLOT_FLAGS);
	PUSH(EPOCH, epoch, vm, KCOH_VCPU_NONE, .logged_pages = start ? RAM_PAGES : 0,
	     .total_pages = RAM_PAGES, .start = start, .vcpus = 1, .armed = 1);
}

static void vm_push(struct daemon *daemon, uint32_t vm, uint32_t pid)
{
	PUSH(VM_NEW, vm_new, vm, KCOH_VCPU_NONE, .pid = pid, .comm = "qemu");
	slot_push(daemon, vm, false, KCOH_SLOT_CREATE);
	PUSH(VCPU, vcpu, vm, 0, .sctlr = 0x30d0198d, .tid = pid, .state = KCOH_CACHED,
	     .source = KCOH_SRC_TRAP);
}

static void toggle_push(struct daemon *daemon, uint32_t vm, bool on)
{
	PUSH(TOGGLE, toggle, vm, 0, .pc = 0x40080154, .sctlr = on ? 0x30d0198d : 0x30d00800,
	     .was = on ? KCOH_UNCACHED : KCOH_CACHED, .now = on ? KCOH_CACHED : KCOH_UNCACHED,
	     .source = KCOH_SRC_TRAP);
}

static const char *order(struct daemon *daemon, const char *line)
{
	unsigned int vm, pid;

	if (sscanf(line, "vm %u %u %63s", &vm, &pid, daemon->name) == 3)
		vm_push(daemon, vm, pid);
	else if (sscanf(line, "off %u", &vm) == 1)
		toggle_push(daemon, vm, false);
	else if (sscanf(line, "on %u", &vm) == 1)
		toggle_push(daemon, vm, true);
	else if (sscanf(line, "epoch %u", &vm) == 1)
		epoch_push(daemon, vm, true);
	else if (sscanf(line, "end %u", &vm) == 1)
		epoch_push(daemon, vm, false);
	else if (sscanf(line, "gone %u", &vm) == 1)
		PUSH(VM_GONE, vm_gone, vm, KCOH_VCPU_NONE);
	else
		return "no: that is no order";
	return "done";
}

static int on_order(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct daemon *daemon = ctx;
	ssize_t n = read(fd, daemon->held + daemon->held_len,
			 sizeof(daemon->held) - 1 - daemon->held_len);
	char *start = daemon->held, *newline;

	(void)source;
	(void)events;
	if (n <= 0)
		return sd_event_exit(daemon->event, 0);
	daemon->held_len += (size_t)n;
	daemon->held[daemon->held_len] = '\0';
	while ((newline = strchr(start, '\n'))) {
		*newline = '\0';
		puts(order(daemon, start));
		start = newline + 1;
	}
	fflush(stdout);
	daemon->held_len = strlen(start);
	memmove(daemon->held, start, daemon->held_len);
	return 0;
}

static int state_make(struct daemon *daemon)
{
	struct kcoh_relay_config relay = { .identify = identify,
					   .policy = policy_of,
					   .act = on_act,
					   .gone = on_gone,
					   .ctx = daemon };
	struct kcoh_policy defaults = kcoh_config_defaults(daemon->config);
	struct kcoh_ev_policy policy = { 0 };

	daemon->core_memory = calloc(1, kcoh_core_size(&bounds));
	if (!daemon->core_memory || kcoh_roster_new(&daemon->roster) < 0 ||
	    kcoh_log_new(LOG_ENTRIES, &daemon->log) < 0)
		return -ENOMEM;
	daemon->core = kcoh_core_init(daemon->core_memory, kcoh_core_size(&bounds), &bounds);
	relay.core = daemon->core;
	relay.roster = daemon->roster;
	relay.log = daemon->log;
	if (kcoh_relay_new(&relay, &daemon->relay) < 0)
		return -ENOMEM;
	kcoh_log_set_clock(daemon->log, (int64_t)(kcoh_clock_ns(CLOCK_REALTIME) - now_ns()));
	kcoh_policy_event(&defaults, false, &policy);
	PUSH(HOST, host, 0, KCOH_VCPU_NONE,
	     .features = KCOH_HOST_MODULE | KCOH_HOST_TRAP | KCOH_HOST_CLEAN, .page_size = 4096);
	push(daemon, &(union kcoh_ev){ .policy = policy }, KCOH_EV_POLICY, sizeof(policy), 0,
	     KCOH_VCPU_NONE);
	PUSH(SCAN, scan, 0, KCOH_VCPU_NONE, .done = 0);
	PUSH(SCAN, scan, 0, KCOH_VCPU_NONE, .done = 1);
	return 0;
}

static json_t *policy(void *ctx, const struct kcoh_ident *ident)
{
	const struct daemon *daemon = ctx;

	return kcoh_policy_json(daemon->config, ident, json_object());
}

/* --- cleaning: the real job, of VMs whose vCPUs never ran and whose pages are all cleaned at once ----------- */

struct cleaning {
	uint32_t vm;
	struct kcoh_clean *job;
	kcoh_serve_cleaned_fn done;
	void *ctx;
};

static int clean_scan(void *ctx, struct kcoh_inventory *inventory, char *err, size_t err_len)
{
	const struct cleaning *cleaning = ctx;
	union kcoh_ev begin = { .scan = { .hdr.type = KCOH_EV_SCAN } }, end = begin;
	union kcoh_ev slot = { .memslot = { .hdr = { .type = KCOH_EV_MEMSLOT, .vm = cleaning->vm },
					    .base_gfn = 0x40000,
					    .pages = RAM_PAGES,
					    .hva = 0xffff00000000,
					    .generation = 1,
					    .change = KCOH_SLOT_FOUND } };
	union kcoh_ev vcpu = { .vcpu = { .hdr = { .type = KCOH_EV_VCPU, .vm = cleaning->vm } } };

	(void)err;
	(void)err_len;
	end.scan.done = 1;
	kcoh_inventory_take(inventory, &begin);
	kcoh_inventory_take(inventory, &slot);
	kcoh_inventory_take(inventory, &vcpu);
	kcoh_inventory_take(inventory, &end);
	return 0;
}

static int clean_vcpus(void *ctx, uint32_t *ret_vcpus, char *err, size_t err_len)
{
	(void)ctx;
	(void)err;
	(void)err_len;
	*ret_vcpus = 1;
	return 0;
}

static int clean_exits(void *ctx, uint64_t *ret_exits)
{
	(void)ctx;
	*ret_exits = 0;
	return 0;
}

static int clean_pages(void *ctx, struct kcoh_vm_range *range, char *err, size_t err_len)
{
	(void)ctx;
	(void)err;
	(void)err_len;
	range->done = range->pages;
	return 0;
}

static void clean_done(void *ctx, int result, const struct kcoh_clean_result *ret_result,
		       const char *sentence)
{
	struct cleaning *cleaning = ctx;

	cleaning->done(cleaning->ctx, result, ret_result, sentence);
	kcoh_clean_free(cleaning->job);
	free(cleaning);
}

static int clean(void *ctx, struct kcoh_ident *ident, kcoh_serve_cleaned_fn done, void *done_ctx,
		 char *err, size_t err_len)
{
	const struct daemon *daemon = ctx;
	struct cleaning *cleaning = calloc(1, sizeof(*cleaning));
	const struct kcoh_clean_config config = { .event = daemon->event,
						  .vm = ident->id,
						  .pid = ident->pid,
						  .page_size = 4096,
						  .proc = "/proc",
						  .scan = clean_scan,
						  .vcpus = clean_vcpus,
						  .exits = clean_exits,
						  .clean = clean_pages,
						  .done = clean_done,
						  .ctx = cleaning };

	snprintf(err, err_len, "no memory");
	if (!cleaning)
		return -ENOMEM;
	*cleaning = (struct cleaning){ .vm = ident->id, .done = done, .ctx = done_ctx };
	return kcoh_clean_start(&config, &cleaning->job);
}

static int evacuations_make(struct daemon *daemon, const char *dir)
{
	char marks[100];
	const struct kcoh_evacuations_config config = { .event = daemon->event,
							.core = daemon->core,
							.roster = daemon->roster,
							.log = daemon->log,
							.marks = marks,
							.qmp_path = qmp_path,
							.phase = on_phase,
							.vetoed = on_vetoed,
							.ctx = daemon };

	snprintf(marks, sizeof(marks), "%s/evacuations", dir);
	return kcoh_evacuations_new(&config, &daemon->evacuations);
}

static void local(void *ctx, const char *name, json_t *records)
{
	struct daemon *daemon = ctx;

	kcoh_fleet_view_named(daemon->core, daemon->roster, "arm-1", 0, name, records);
}

static int admission_make(struct daemon *daemon)
{
	const struct kcoh_admission_config config = {
		.event = daemon->event, .config = daemon->config, .local = local, .ctx = daemon
	};

	return kcoh_admission_new(&config, &daemon->admission);
}

static int listen_make(struct daemon *daemon, const char *dir, char *err, size_t err_len)
{
	char path[100];
	int ret;

	snprintf(path, sizeof(path), "%s/kcohd.sock", dir);
	ret = kcoh_listen_open(path, &daemon->listen, err, err_len);
	if (ret == 0)
		chmod(path, 0666);
	return ret;
}

static int serve_make(struct daemon *daemon, char *err, size_t err_len)
{
	struct kcoh_serve_config config = {
		.event = daemon->event,
		.roster = daemon->roster,
		.core = daemon->core,
		.log = daemon->log,
		.page_size = 4096,
		.evacuations = daemon->evacuations,
		.policy = policy,
		.clean = clean,
		.admission = daemon->admission,
		.ctx = daemon,
	};
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	int ret;

	config.tcp_fd = kcoh_tcp_open("127.0.0.1:0", err, err_len);
	if (config.tcp_fd < 0)
		return config.tcp_fd;
	getsockname(config.tcp_fd, (struct sockaddr *)&address, &len);
	config.listen_fd = kcoh_listen_fd(daemon->listen);
	ret = kcoh_polkit_new(daemon->event, &daemon->polkit);
	config.polkit = daemon->polkit;
	if (ret == 0)
		ret = kcoh_serve_new(&config, &daemon->serve);
	printf("127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return ret;
}

static int loop_make(struct daemon *daemon)
{
	sigset_t set;
	int err = sd_event_default(&daemon->event);

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (err >= 0)
		err = sd_event_add_signal(daemon->event, NULL, SIGTERM, NULL, NULL);
	if (err >= 0)
		err = sd_event_add_io(daemon->event, NULL, STDIN_FILENO, EPOLLIN, on_order, daemon);
	if (err >= 0)
		err = sd_event_add_time_relative(daemon->event, NULL, CLOCK_MONOTONIC, TICK_US, 0,
						 on_tick, daemon);
	return err;
}

/* In kcohd's order: what another daemon serves is not touched. */
static int up(struct daemon *daemon, char **argv)
{
	char err[512] = "no memory";

	if (kcoh_config_load(argv[2], &daemon->config, err, sizeof(err)) < 0)
		return die(argv[2], err);
	if (listen_make(daemon, argv[1], err, sizeof(err)) < 0)
		return die("cannot serve", err);
	if (loop_make(daemon) < 0 || state_make(daemon) < 0 ||
	    evacuations_make(daemon, argv[1]) < 0 || admission_make(daemon) < 0)
		return die("cannot start", err);
	if (serve_make(daemon, err, sizeof(err)) < 0)
		return die("cannot serve", err);
	return 0;
}

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	int status;

	if (argc != 3)
		return die("usage", "DIR CONFIG");
	status = up(&daemon, argv);
	if (status == 0)
		sd_event_loop(daemon.event);
	kcoh_serve_free(daemon.serve);
	kcoh_admission_free(daemon.admission);
	kcoh_polkit_free(daemon.polkit);
	kcoh_listen_close(daemon.listen);
	kcoh_evacuations_free(daemon.evacuations);
	kcoh_relay_free(daemon.relay);
	kcoh_roster_free(daemon.roster);
	kcoh_log_free(daemon.log);
	kcoh_config_free(daemon.config);
	free(daemon.core_memory);
	sd_event_unref(daemon.event);
	return status;
}
