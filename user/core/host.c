// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - what the host can do, and what changes for VMs when that changes.
 *
 * Features are facts of the whole host; the daemon sends HOST at its start and whenever the
 * module comes or goes. A module that comes in the middle of a VM's dirty epoch has not seen that
 * epoch from its start, so the epoch stays blind (WATCHED_LATE). A module that goes takes its
 * traps along: states are samples from then on. Likewise an epoch is right only if it was cleaned from
 * its start to its end; when the module began or ceased to clean by itself is known to a second only, so that an epoch of
 * that time counts only if the module had been given the VM's strategy before.
 */
#include "core/state.h"

static void change_vm(struct kcoh_core *core, struct vm *vm, uint32_t gained, uint32_t dropped)
{
	if (gained & KCOH_HOST_PKVM)
		vm->blind |= BLIND_PKVM;
	if (dropped & KCOH_HOST_PKVM)
		vm->blind &= ~BLIND_PKVM;
	if ((gained & KCOH_HOST_TRAP) && vm->epoch.on)
		vm->blind |= BLIND_LATE;
	if ((gained | dropped) & KCOH_HOST_CLEAN && !kcoh_given_then(vm, vm->epoch.begun_ns))
		vm->epoch.unclean = true;
	if (dropped & KCOH_HOST_TRAP) {
		kcoh_vcpus_demote(core, vm);
		if (vm->give.given != GIVEN_NONE)
			vm->epoch.unclean = true;
		kcoh_give_forget(vm);
	}
}

void kcoh_host_changed(struct kcoh_core *core, const struct kcoh_ev_host *ev)
{
	uint32_t gained = ev->features & ~core->host;
	uint32_t dropped = core->host & ~ev->features;
	uint32_t i;
	struct vm *vm;

	core->host = ev->features;
	for (i = 0; i < core->entries; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (vm)
			change_vm(core, vm, gained, dropped);
	}
}
