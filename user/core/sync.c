// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync.c - records were lost: who is blind, and when sight is back.
 *
 * A loss (hdr.gap != 0) may have hidden any edge of any VM, and VMs themselves. So every VM
 * becomes blind, what is known of traps is forgotten (a DISARM may be among the lost), and one
 * RESCAN is asked for. The scan reads again which VMs, slots and vCPU states there are; when it
 * is complete and nothing was lost since it began:
 *
 * - slots that it did not find are dropped, vCPUs that it did not read are unknown (if something was
 *   lost meanwhile, a slot that it did not find may be there all the same, and stays);
 * - a VM outside an epoch sees again;
 * - a VM inside one stays blind until the epoch ends: a window of it may have been missed, and
 *   the state of a vCPU that runs cannot be read from outside;
 * - an epoch that began or ended unseen is noticed now; one that began so is WATCHED_LATE.
 *
 * An example: 10 ms TOGGLE with gap 3: VMs 1 and 2 blind, RESCAN. 12 ms SCAN done=0, MEMSLOT and
 * VCPU records, SCAN done=1: VM 1 (no epoch) allow again; VM 2 (in an epoch) veto/events-lost
 * until the epoch's end at 900 ms.
 *
 * RESCAN is asked for again if the scan did not bring back everything, after 1, 2, 4 … 64 s. A VM
 * that two complete scans in a row did not see, although it has slots or vCPUs, is gone: the
 * record of its end was lost. (One scan may miss a VM that is just being born: its file is not
 * yet in the table of files.)
 */
#include "core/state.h"

#define SCAN_LIMIT_NS (10 * SEC_NS) /* a scan or a RESCAN that takes longer has failed */
#define MAX_BACKOFF 6 /* 2^6 s */
#define GONE_AFTER 2 /* complete scans that did not see a VM */

static void blind_vm(struct kcoh_core *core, struct vm *vm)
{
	vm->blind |= BLIND_LOST;
	vm->known = false;
	kcoh_vcpus_demote(core, vm);
}

/* A VM that existed before its first record: only a scan knows its slots. */
void kcoh_sync_met(struct kcoh_core *core, struct vm *vm)
{
	vm->blind |= BLIND_SYNC;
	vm->known = false;
	if (!core->sync.wanted)
		core->sync.why = KCOH_RSN_WATCHED_LATE;
	core->sync.wanted = true;
}

static void note_loss(struct kcoh_core *core)
{
	core->sync.losses++;
	core->sync.wanted = true;
	core->sync.why = KCOH_RSN_EVENTS_LOST;
}

void kcoh_sync_lost(struct kcoh_core *core, uint32_t records)
{
	uint32_t i;
	struct vm *vm;

	core->stats.lost += records;
	note_loss(core);
	for (i = 0; i < core->entries; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (vm)
			blind_vm(core, vm);
	}
	kcoh_vms_settle(core);
}

/*
 * What is known of this VM contradicts itself: as if records of it had been lost, and of no other. A
 * scan that is on may have passed it already, so that only the next one counts.
 */
void kcoh_sync_suspect(struct kcoh_core *core, struct vm *vm)
{
	core->sync.wanted = true;
	core->sync.why = KCOH_RSN_EVENTS_LOST;
	vm->suspect = core->sync.on ? core->sync.scan : 0;
	blind_vm(core, vm);
}

static bool was_seen(const struct kcoh_core *core, const struct vm *vm)
{
	return vm->scan == core->sync.scan || (!vm->slots && !vm->vcpus);
}

/*
 * Did the scan read its slots? If it found none, there are none, unless the scan may have passed
 * the VM before it was known.
 */
static bool slots_were_read(const struct kcoh_core *core, const struct vm *vm)
{
	return vm->found == core->sync.scan || (!vm->slots && vm->born != core->sync.scan);
}

static void adopt(struct kcoh_core *core, struct vm *vm)
{
	if (!slots_were_read(core, vm))
		return;
	vm->blind &= ~BLIND_SYNC;
	if (core->sync.losses == core->sync.losses_at_begin && vm->suspect != core->sync.scan)
		vm->known = true;
	if (vm->known)
		kcoh_slots_drop_unseen(core, vm);
	else
		vm->blind |= BLIND_LOST; /* met while records were lost: some may be of its slots */
	if (vm->blind & BLIND_LOST)
		kcoh_vcpus_forget_unseen(core, vm);
	kcoh_epoch_judge(core, vm, true);
	vm->epoch.doubtful &= !vm->known;
	if (vm->known && !vm->epoch.on)
		vm->blind &= ~BLIND_LOST;
}

/* The scan is complete: what does it mean for this VM? False: the VM is gone. */
static bool conclude(struct kcoh_core *core, struct vm *vm)
{
	if (was_seen(core, vm)) {
		vm->missed = 0;
		adopt(core, vm);
		return true;
	}
	return ++vm->missed < GONE_AFTER;
}

static void begin_scan(struct kcoh_core *core)
{
	struct sync *sync = &core->sync;

	sync->on = true;
	sync->begun_ns = core->now_ns;
	sync->losses_at_begin = sync->losses;
	sync->scan++;
}

static void end_scan(struct kcoh_core *core)
{
	struct sync *sync = &core->sync;
	bool known = sync->losses == sync->losses_at_begin;
	uint32_t i = core->entries;
	struct vm *vm;

	sync->on = false;
	sync->sent = false;
	while (i--) {
		vm = kcoh_vm_of_entry(core, i);
		if (!vm)
			continue;
		if (!conclude(core, vm))
			kcoh_vm_gone(core, vm->id);
		else if (!vm->known)
			known = false;
	}
	if (known) {
		sync->wanted = false;
		sync->tries = 0;
	}
}

void kcoh_sync_scan(struct kcoh_core *core, const struct kcoh_ev_scan *ev)
{
	if (!ev->done)
		begin_scan(core);
	else if (core->sync.on)
		end_scan(core);
}

void kcoh_sync_tick(struct kcoh_core *core)
{
	struct sync *sync = &core->sync;

	if (sync->on && core->now_ns >= after_ns(sync->begun_ns, SCAN_LIMIT_NS)) {
		sync->on = false;
		sync->wanted = true;
	}
	if (sync->sent && core->now_ns >= after_ns(sync->next_ns, SCAN_LIMIT_NS))
		sync->sent = false;
}

void kcoh_sync_answered(struct kcoh_core *core)
{
	core->sync.sent = false;
}

/* Is a RESCAN to be asked for now? Then it is taken as asked. */
bool kcoh_sync_ask(struct kcoh_core *core)
{
	struct sync *sync = &core->sync;
	uint32_t backoff = sync->tries < MAX_BACKOFF ? sync->tries : MAX_BACKOFF;

	if (!sync->wanted || sync->sent || sync->on || core->now_ns < sync->next_ns)
		return false;
	sync->sent = true;
	sync->next_ns = after_ns(core->now_ns, SEC_NS << backoff);
	sync->tries++;
	core->stats.rescans++;
	return true;
}
