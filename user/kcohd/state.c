// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - what kcohd keeps: core, names, events; and the feed that fills them.
 *
 * The core's memory is one mapping for the bounds below, 60 MB of address space of which a host with 20 VMs touches less
 * than 1 MB: untouched pages of a fresh mapping cost nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clean/inventory.h"
#include "kcohd/daemon.h"
#include "names/vmname.h"

#define LOG_ENTRIES 8192
#define EXITS_LOG_ENTRIES                                                                          \
	32768 /* what comes in 10 ms from 3 million exits a second; untouched until it is needed */

const struct kcoh_core_config core_config = {
	.max_vms = 1024,
	.max_vcpus = 512,
	.max_slots = 512,
};

static int fail(int error, const char *what)
{
	say(LOG_ERR, "%s: %s", what, strerror(-error));
	return error;
}

int listen_up(struct daemon *daemon)
{
	char sentence[512];
	int err = kcoh_listen_open(kcoh_config_socket(daemon->config), &daemon->listen, sentence,
				   sizeof(sentence));

	if (err < 0)
		say(LOG_ERR, "%s", sentence);
	return err;
}

void listen_down(struct daemon *daemon)
{
	kcoh_listen_close(daemon->listen);
}

static int core_make(struct daemon *daemon)
{
	size_t size = kcoh_core_size(&core_config);
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	daemon->core_memory = memory;
	daemon->core = kcoh_core_init(memory, size, &core_config);
	return daemon->core ? 0 : -EINVAL;
}

int qmp_path(struct daemon *daemon, const struct kcoh_ident *ident, char *ret_path, size_t len)
{
	struct kcoh_policy policy = kcoh_config_policy(daemon->config, ident->name, ident->uuid);

	if (!policy.qmp)
		return -ENOENT;
	return kcoh_config_qmp_path(policy.qmp, ident->name, ident->uuid, ident->pid, ret_path,
				    len);
}

static struct kcoh_ident *identify(void *ctx, const struct kcoh_ev_vm_new *ev)
{
	struct kcoh_vmname name;
	struct kcoh_ident *ident;

	(void)ctx;
	kcoh_vmname_read("/proc", ev->pid, &name); /* without a name it is called by comm and pid */
	ident = kcoh_ident_new(ev->hdr.vm, ev->pid, ev->comm, name.name, name.uuid);
	free(name.name);
	return ident;
}

static void policy_of(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev)
{
	struct daemon *daemon = ctx;
	struct kcoh_policy policy = kcoh_config_policy(daemon->config, ident->name, ident->uuid);
	char path[256];
	int err = qmp_path(daemon, ident, path, sizeof(path));
	bool can_cancel;

	if (err < 0 && err != -ENOENT)
		say_vm(LOG_WARNING, ident, KCOH_RSN_NONE,
		       "qmp = %s gives no usable path for this VM, so its migration cannot be "
		       "cancelled",
		       policy.qmp);
	can_cancel = err == 0 || (err == -ENOENT && libvirt_has(daemon, ident));
	kcoh_policy_event(&policy, can_cancel && !daemon->options.dry_run, ret_ev);
}

static void took(void *ctx, const union kcoh_ev *ev, const struct kcoh_act *acts, int n)
{
	struct daemon *daemon = ctx;

	recorder_take(daemon, ev, acts, n);
	if (daemon->inventory)
		kcoh_inventory_take(daemon->inventory, ev);
}

static int relay_make(struct daemon *daemon)
{
	const struct kcoh_relay_config config = {
		.core = daemon->core,
		.roster = daemon->roster,
		.log = daemon->log,
		.identify = identify,
		.policy = policy_of,
		.override = override_of,
		.act = act_start,
		.took = took,
		.gone = acts_forget,
		.ctx = daemon,
	};

	return kcoh_relay_new(&config, &daemon->relay);
}

void default_policy_push(struct daemon *daemon)
{
	struct kcoh_policy policy = kcoh_config_defaults(daemon->config);
	struct kcoh_ev_policy ev = { .hdr = header_now(KCOH_EV_POLICY, sizeof(ev)) };

	kcoh_policy_event(&policy, false, &ev);
	push(daemon, &ev);
}

int state_up(struct daemon *daemon)
{
	int err = core_make(daemon);

	if (err == 0)
		err = kcoh_roster_new(&daemon->roster);
	if (err == 0)
		err = kcoh_log_new(LOG_ENTRIES, &daemon->log);
	if (err == 0)
		err = kcoh_log_new(EXITS_LOG_ENTRIES, &daemon->exits_log);
	if (err == 0)
		err = recorder_up(daemon);
	if (err == 0)
		err = relay_make(daemon);
	if (err < 0) {
		state_down(daemon);
		return fail(err, "cannot set up the core");
	}
	clock_look(daemon);
	default_policy_push(daemon);
	return 0;
}

void state_down(struct daemon *daemon)
{
	kcoh_relay_free(daemon->relay);
	recorder_down(daemon);
	kcoh_log_free(daemon->log);
	kcoh_log_free(daemon->exits_log);
	kcoh_roster_free(daemon->roster);
	if (daemon->core_memory)
		munmap(daemon->core_memory, kcoh_core_size(&core_config));
}

static void on_record(const struct kcoh_ev_hdr *ev, size_t len, void *ctx)
{
	struct daemon *daemon = ctx;

	unclean_heard(daemon, ev, len);
	kcoh_relay_push(daemon->relay, ev, len);
}

static struct kcoh_entry exit_entry(struct daemon *daemon, const struct kcoh_ev_hdr *hdr,
				    uint16_t type)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(daemon->roster, hdr->vm);

	return (struct kcoh_entry){ .ts_ns = hdr->ts_ns,
				    .vm = hdr->vm,
				    .vcpu = KCOH_VCPU_NONE,
				    .type = type,
				    .ident = vm ? vm->ident : NULL };
}

/* A single exit is news for who asked, and nothing to decide by. */
static void on_exit_record(const struct kcoh_ev_hdr *ev, size_t len, void *ctx)
{
	struct daemon *daemon = ctx;
	struct kcoh_entry entry;

	if (len != sizeof(entry.ev.exit))
		return;
	if (ev->gap) {
		entry = exit_entry(daemon, ev, KCOH_ENTRY_LOST);
		entry.vm = KCOH_VM_NONE;
		entry.ident = NULL;
		entry.lost.count = ev->gap;
		entry.lost.exits = true;
		kcoh_log_add(daemon->exits_log, &entry);
	}
	entry = exit_entry(daemon, ev, KCOH_EV_EXIT);
	entry.vcpu = ev->vcpu;
	memcpy(&entry.ev.exit, ev, sizeof(entry.ev.exit));
	kcoh_log_add(daemon->exits_log, &entry);
}

int feed_up(struct daemon *daemon)
{
	const struct kcoh_feed_config config = {
		.bpf_dir = kcoh_config_bpf_dir(daemon->config),
		.verbose = daemon->options.verbose,
		.exit_vcpus = kcoh_config_exit_vcpus(daemon->config),
		.fn = on_record,
		.exit_fn = on_exit_record,
		.ctx = daemon,
	};
	char sentence[512] = "";
	int err = kcoh_feed_open(&config, &daemon->feed, sentence, sizeof(sentence));

	if (err < 0)
		say(LOG_ERR, "%s", *sentence ? sentence : strerror(-err));
	return err;
}

void feed_down(struct daemon *daemon)
{
	kcoh_feed_close(daemon->feed);
}
