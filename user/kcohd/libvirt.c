// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt.c - which VMs are libvirt's, and what their migrations are at, if the configuration says `libvirt = URI`.
 *
 * What libvirt tells changes what can be done: a VM without a `qmp =` of its own whose domain is known can have its migration cancelled. The
 * core is told by the VM's policy, as if the configuration had changed. A VM with a `qmp =` is cancelled by QMP, and libvirt is not asked.
 */
#include <string.h>

#include "act/libvirt.h"
#include "kcohd/daemon.h"

static void on_say(void *ctx, int priority, const char *sentence)
{
	(void)ctx;
	say(priority, "%s", sentence);
}

static void on_changed(void *ctx)
{
	struct daemon *daemon = ctx;

	kcoh_relay_policies(daemon->relay, now_ns());
}

/* QEMU makes a second VM of the same process for some ms when it starts: the one with memory is meant. */
static const struct kcoh_ident *ident_find(struct daemon *daemon, const char *uuid, uint32_t pid)
{
	const struct kcoh_ident *found = NULL;
	struct kcoh_roster_vm *vm;

	for (size_t i = 0; (vm = kcoh_roster_at(daemon->roster, i)); i++) {
		if (vm->ident->pid == pid && !strcmp(vm->ident->uuid, uuid) &&
		    (!found || vm->shown.has_memory))
			found = vm->ident;
	}
	return found;
}

static void on_phase(void *ctx, const char *uuid, uint32_t pid, enum kcoh_phase phase)
{
	struct daemon *daemon = ctx;
	const struct kcoh_ident *ident = ident_find(daemon, uuid, pid);
	struct kcoh_ev_phase ev = { .hdr = header_now(KCOH_EV_PHASE, sizeof(ev)), .phase = phase };

	if (!ident)
		return;
	ev.hdr.vm = ident->id;
	push(daemon, &ev);
}

bool libvirt_has(const struct daemon *daemon, const struct kcoh_ident *ident)
{
	return daemon->libvirt && kcoh_libvirt_has(daemon->libvirt, ident->uuid, ident->pid);
}

json_t *libvirt_json(const struct daemon *daemon)
{
	struct kcoh_libvirt_status status;

	if (!daemon->libvirt)
		return json_null();
	kcoh_libvirt_status(daemon->libvirt, &status);
	return json_pack("{s:s, s:b, s:s?, s:s?, s:I, s:i, s:i, s:I, s:I, s:I}", "uri", status.uri,
			 "up", (int)status.up, "version", *status.version ? status.version : NULL,
			 "error", *status.error ? status.error : NULL, "since_ns",
			 (json_int_t)status.since_ns, "vms", (int)status.domains, "unmatched",
			 (int)status.unmatched, "connects", (json_int_t)status.connects, "cancels",
			 (json_int_t)status.cancels, "cancels_failed",
			 (json_int_t)status.cancels_failed);
}

int libvirt_up(struct daemon *daemon)
{
	const struct kcoh_libvirt_config config = {
		.event = daemon->event,
		.uri = kcoh_config_libvirt(daemon->config),
		.say = on_say,
		.changed = on_changed,
		.phase = on_phase,
		.ctx = daemon,
	};
	int err;

	if (!config.uri)
		return 0;
	err = kcoh_libvirt_new(&config, &daemon->libvirt);
	if (err < 0)
		say(LOG_ERR, "cannot set up what talks to libvirt: %s", strerror(-err));
	return err;
}

/* After acts_down(), so that no cancel is under way. */
void libvirt_down(struct daemon *daemon)
{
	kcoh_libvirt_free(daemon->libvirt);
	daemon->libvirt = NULL;
}
