// SPDX-License-Identifier: GPL-2.0-only
/*
 * core.c - one step: a record in, acts out. The table of contents of the decision core.
 *
 *   record.c   is it a record at all?          vcpu.c    cache state of each vCPU
 *   vm.c       which VMs there are             slots.c   their memslots
 *   host.c     what the host can do            epoch.c   dirty epochs, and arming in them
 *   window.c   incoherent windows              sync.c    losses and re-reading
 *   verdict.c  facts -> verdict                acts.c    verdict -> acts
 *   give.c     what the module is told to do   override.c an operator knows better
 *   view.c     what callers may see            memory.c  where it is all kept
 *   image.c    all of it as bytes, and back
 *
 * A worked example. VM 3 migrates under `veto`, enforced; its vCPU 1 is trapped and cached, the
 * verdict is allow:
 *
 *   TOGGLE vm=3 vcpu=1 cached->uncached
 *     -> vCPU 1 uncached -> window mmu-off opens -> veto/mmu-off -> CANCEL vm=3, ALERT vm=3
 *   TOGGLE vm=3 vcpu=1 uncached->cached
 *     -> window closes, but was open in this epoch -> veto/mmu-off-earlier; no second cancel
 *   MEMSLOT vm=3 flags: LOG_DIRTY gone
 *     -> the epoch ends -> allow/not-yet-cleaning
 *
 * A step costs a binary search for the VM and work on that VM; records about the host, a loss or
 * a tick touch all. Records of one vCPU come in its program order, for they are made by its own
 * thread, and memslot records of a VM in theirs; everything else may be out of order by a little,
 * which vcpu.c, slots.c and epoch.c say how to bear.
 */
#include <errno.h>

#include "core/record.h"
#include "core/state.h"

static void apply_host(struct kcoh_core *core, const union kcoh_ev *ev)
{
	switch (ev->hdr.type) {
	case KCOH_EV_SCAN:
		kcoh_sync_scan(core, &ev->scan);
		break;
	case KCOH_EV_HOST:
		kcoh_host_changed(core, &ev->host);
		break;
	case KCOH_EV_POLICY:
		kcoh_vm_default_policy(core, &ev->policy);
		break;
	case KCOH_EV_TICK:
		kcoh_sync_tick(core);
		break;
	case KCOH_EV_UNCLEAN:
		kcoh_epochs_unclean(core);
		break;
	case KCOH_EV_ACT_DONE:
		if (ev->act_done.act == KCOH_ACT_RESCAN)
			kcoh_sync_answered(core);
		return;
	}
	kcoh_vms_settle(core);
}

static void apply_vm(struct kcoh_core *core, struct vm *vm, const union kcoh_ev *ev)
{
	switch (ev->hdr.type) {
	case KCOH_EV_VCPU:
		kcoh_vcpu_told(core, vm, &ev->vcpu);
		break;
	case KCOH_EV_TOGGLE:
		kcoh_vcpu_toggled(core, vm, &ev->toggle);
		break;
	case KCOH_EV_SET_WAY:
		vm->set_ways++;
		break;
	case KCOH_EV_RESET:
		kcoh_vcpu_reset(core, vm, &ev->reset);
		break;
	case KCOH_EV_MEMSLOT:
		kcoh_slot_changed(core, vm, &ev->memslot);
		break;
	case KCOH_EV_EPOCH:
		kcoh_epoch_told(core, vm, &ev->epoch);
		break;
	case KCOH_EV_HARVEST:
		kcoh_epoch_harvested(core, vm, &ev->harvest);
		break;
	case KCOH_EV_SMMU:
		kcoh_epoch_faulted(vm, &ev->smmu);
		break;
	case KCOH_EV_HOLD:
		kcoh_vcpu_held(core, vm, &ev->hold);
		break;
	case KCOH_EV_POLICY:
		kcoh_vm_policy(vm, &ev->policy);
		break;
	case KCOH_EV_OVERRIDE:
		kcoh_override_told(core, vm, &ev->override);
		break;
	case KCOH_EV_PHASE:
		kcoh_override_phase(vm, ev->phase.phase);
		kcoh_acts_phase(vm, ev->phase.phase);
		break;
	case KCOH_EV_ACT_DONE:
		kcoh_acts_done(core, vm, &ev->act_done);
		break;
	}
	kcoh_vm_settle(core, vm);
}

static void apply(struct kcoh_core *core, const union kcoh_ev *ev)
{
	struct vm *vm;

	if (ev->hdr.vm == KCOH_VM_NONE) {
		apply_host(core, ev);
		return;
	}
	if (ev->hdr.type == KCOH_EV_VM_NEW) {
		kcoh_vm_new(core, &ev->vm_new);
		return;
	}
	if (ev->hdr.type == KCOH_EV_VM_GONE) {
		kcoh_vm_gone(core, ev->hdr.vm);
		return;
	}
	vm = kcoh_vm_find(core, ev->hdr.vm);
	if (vm)
		apply_vm(core, vm, ev);
	else
		core->stats.strays++;
}

int kcoh_core_step(struct kcoh_core *core, const struct kcoh_ev_hdr *ev, size_t len,
		   struct kcoh_act *acts, size_t n)
{
	union kcoh_ev record;
	enum scope scope;
	int err;

	if (n < KCOH_CORE_MAX_ACTS)
		return -ENOSPC;
	err = kcoh_record_read(ev, len, &record, &scope);
	if (err)
		return err;
	core->stats.records++;
	core->record_ns = record.hdr.ts_ns;
	if (record.hdr.ts_ns > core->now_ns)
		core->now_ns = record.hdr.ts_ns;
	if (record.hdr.gap)
		kcoh_sync_lost(core, record.hdr.gap);
	if (scope == SCOPE_UNKNOWN)
		core->stats.skipped++;
	else
		apply(core, &record);
	return (int)kcoh_acts_emit(core, acts, n);
}
