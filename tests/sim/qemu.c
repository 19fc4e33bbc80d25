// SPDX-License-Identifier: GPL-2.0-only
/*
 * qemu.c - a VM's memslots and its migration, one step at a time.
 *
 *   LOG_ON    a slot: KVM_MEM_LOG_DIRTY_PAGES; automatic: all is write-protected; manual: all is dirty
 *             TLBI, then the module's job in this thread: arm, and clean what no harvest will return
 *   GET       a slot's dirty log; automatic protect harvests here …
 *   CLEAR     … manual here: write-protect, TLBI, the module's job
 *   SEND      reads a page through the cache
 *   NEXT      slot, round, or pause and once more
 *   COMPLETE  the oracle compares
 *   LOG_OFF   a slot
 *
 * Between any two steps vCPUs and the cache do theirs.
 */
#include "oracle.h"
#include "world.h"

bool vm_in_epoch(const struct vm *vm)
{
	uint64_t logged = 0, total = 0;

	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		const struct slot *slot = &vm->slot[s];

		if (!slot->alive || slot->flags & KCOH_SLOT_READONLY)
			continue;
		total += slot->pages;
		if (slot->flags & KCOH_SLOT_LOG_DIRTY)
			logged += slot->pages;
	}
	return kcoh_epoch_covers_ram(logged, total);
}

static void pages_forget(struct slot *slot)
{
	for (uint32_t p = 0; p < MAX_PAGES; p++) {
		slot->page[p].protected = false;
		slot->page[p].tlb = false;
		slot->page[p].dirty = false;
		slot->page[p].todo = false;
		slot->page[p].taken = false;
	}
}

void slot_change(struct world *world, struct vm *vm, struct slot *slot, uint32_t flags,
		 enum kcoh_slot_change change)
{
	bool epoch;
	union kcoh_ev ev = { .memslot = { .hdr = { .vcpu = KCOH_VCPU_NONE,
						   .type = KCOH_EV_MEMSLOT,
						   .size = sizeof(ev.memslot) },
					  .base_gfn = slot->base_gfn,
					  .pages = slot->pages,
					  .generation = ++vm->generation,
					  .slot_id = slot->id,
					  .flags = change == KCOH_SLOT_DELETE ? slot->flags : flags,
					  .old_flags = slot->flags,
					  .change = (uint8_t)change } };

	slot->alive = change != KCOH_SLOT_DELETE;
	slot->flags = slot->alive ? flags : 0;
	epoch = vm_in_epoch(vm);
	if (epoch != !!vm->epoch_ns)
		vm->epoch_ns = epoch ? world->now_ns : 0;
	say(world, "vm %u slot %u change %u flags %u generation %u%s", vm->id, slot->id, change,
	    slot->flags, vm->generation, epoch ? ", in an epoch" : "");
	if (vm->qemu.stage == Q_IDLE && !epoch)
		feed_late(world, vm, &ev);
	else
		feed_record(world, vm, &ev);
}

static void log_on(struct world *world, struct vm *vm, struct slot *slot)
{
	pages_forget(slot);
	for (uint32_t p = 0; p < slot->pages; p++) {
		slot->page[p].todo = slot->ram;
		slot->page[p].dirty = vm->manual;
		slot->page[p].protected = !vm->manual;
		slot->page[p].tlb = !vm->manual;
	}
	slot_change(world, vm, slot, slot->flags | KCOH_SLOT_LOG_DIRTY, KCOH_SLOT_FLAGS);
}

static void log_off(struct world *world, struct vm *vm, struct slot *slot)
{
	pages_forget(slot);
	slot_change(world, vm, slot, slot->flags & ~KCOH_SLOT_LOG_DIRTY, KCOH_SLOT_FLAGS);
	module_epoch(world, vm);
}

void qemu_start(struct world *world, struct vm *vm)
{
	struct migration *qemu = &vm->qemu;

	*qemu = (struct migration){ .stage = Q_LOG_ON,
				    .measures = chance(world->tape, 8),
				    .want_rounds = 1 + draw(world->tape, 4),
				    .gone_after = chance(world->tape, 8),
				    .started_ns = world->now_ns };
	say(world, "vm %u %s starts, %s protect", vm->id,
	    qemu->measures ? "a measurement" : "a migration", vm->manual ? "manual" : "automatic");
	if (qemu->measures)
		return;
	world->migrations++;
	daemon_phase(world, vm, KCOH_PHASE_SETUP);
}

static void resume(struct world *world, struct vm *vm)
{
	if (!vm->paused)
		return;
	vm->paused = false;
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		if (vm->vcpu[i].run == RUN_GUEST)
			vcpu_load(world, vm, i);
	}
}

static void pause(struct world *world, struct vm *vm)
{
	vm->paused = true;
	vm->qemu.paused_ns = world->now_ns;
	say(world, "vm %u is paused", vm->id);
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		if (vm->vcpu[i].run == RUN_GUEST)
			vcpu_put(world, vm, i);
	}
}

bool qemu_cancel(struct world *world, struct vm *vm)
{
	struct migration *qemu = &vm->qemu;

	if (qemu->stage == Q_IDLE || qemu->stage == Q_LOG_OFF || qemu->measures)
		return false;
	say(world, "vm %u its migration is cancelled", vm->id);
	qemu->stage = Q_LOG_OFF;
	qemu->slot = 0;
	qemu->cancelled = true;
	qemu->gone_after = false;
	resume(world, vm);
	daemon_phase(world, vm, KCOH_PHASE_CANCELLED);
	return true;
}

/* The next slot to work on, from the present one on; false if there is none. */
static bool slot_next(struct vm *vm, bool logged)
{
	struct migration *qemu = &vm->qemu;

	for (; qemu->slot < MAX_SLOTS; qemu->slot++) {
		const struct slot *slot = &vm->slot[qemu->slot];

		if (slot->alive && !(slot->flags & KCOH_SLOT_READONLY) &&
		    !!(slot->flags & KCOH_SLOT_LOG_DIRTY) == logged)
			return true;
	}
	qemu->slot = 0;
	return false;
}

static void harvest(struct slot *slot, bool todo)
{
	for (uint32_t p = 0; p < slot->pages; p++) {
		struct page *page = &slot->page[p];

		if (!page->dirty || (todo && !page->todo))
			continue;
		page->todo = true;
		page->dirty = false;
		page->protected = true;
		page->tlb = true;
		page->taken = true;
	}
}

static void step_get(struct world *world, struct vm *vm, struct slot *slot)
{
	struct migration *qemu = &vm->qemu;

	module_get(world, vm, slot);
	if (!vm->manual) {
		harvest(slot, false);
		qemu->stage = world->early ? Q_CLEAN : Q_TLBI;
		return;
	}
	for (uint32_t p = 0; p < slot->pages; p++)
		slot->page[p].todo |= slot->page[p].dirty;
	qemu->stage = qemu->last && vm->quick_end ? Q_SEND : Q_CLEAR;
}

static void step_tlbi(struct world *world, struct vm *vm, struct slot *slot)
{
	for (uint32_t p = 0; p < slot->pages; p++) {
		slot->page[p].tlb = false;
		if (world->early)
			slot->page[p].taken = false;
	}
	vm->qemu.stage = world->early ? Q_SEND : Q_CLEAN;
}

static void step_clean(struct world *world, struct vm *vm, struct slot *slot)
{
	module_harvested(world, vm, slot);
	for (uint32_t p = 0; !world->early && p < slot->pages; p++)
		slot->page[p].taken = false;
	vm->qemu.stage = world->early ? Q_TLBI : Q_SEND;
}

static void step_send(struct world *world, struct vm *vm, struct slot *slot)
{
	for (uint32_t p = 0; slot->ram && p < slot->pages; p++) {
		struct page *page = &slot->page[p];

		if (!page->todo)
			continue;
		page->todo = false;
		page->sent = page_host_read(page);
		if (!vm->qemu.measures)
			say(world, "vm %u sends slot %u page %u: %u of %u", vm->id, slot->id, p,
			    page->sent, page->last);
		return;
	}
	vm->qemu.stage = Q_NEXT;
}

static void step_next(struct world *world, struct vm *vm)
{
	struct migration *qemu = &vm->qemu;

	qemu->stage = Q_GET;
	qemu->slot++;
	if (slot_next(vm, true))
		return;
	if (qemu->last) {
		qemu->stage = Q_COMPLETE;
	} else if (++qemu->rounds >= qemu->want_rounds) {
		if (qemu->measures) {
			qemu->stage = Q_LOG_OFF;
			return;
		}
		pause(world, vm);
		qemu->stage = Q_PAUSED;
		if (vm->pre_switchover)
			daemon_phase(world, vm, KCOH_PHASE_PRE_SWITCHOVER);
	}
}

static void step_paused(struct world *world, struct vm *vm)
{
	struct migration *qemu = &vm->qemu;

	if (vm->pre_switchover && !qemu->continued)
		return;
	qemu->last = true;
	qemu->slot = 0;
	slot_next(vm, true);
	qemu->stage = Q_GET;
	daemon_phase(world, vm, KCOH_PHASE_DEVICE);
}

static void step_complete(struct world *world, struct vm *vm)
{
	say(world, "vm %u its migration completes", vm->id);
	world->completed++;
	oracle_completed(world, vm);
	vm->qemu.stage = Q_LOG_OFF;
	vm->qemu.slot = 0;
	daemon_phase(world, vm, KCOH_PHASE_COMPLETED);
}

static void step_log_off(struct world *world, struct vm *vm)
{
	if (slot_next(vm, true)) {
		log_off(world, vm, &vm->slot[vm->qemu.slot]);
		return;
	}
	vm->qemu.stage = Q_IDLE;
	resume(world, vm);
	if (vm->qemu.gone_after) {
		union kcoh_ev ev = { .vm_gone = { .hdr = { .vcpu = KCOH_VCPU_NONE,
							   .type = KCOH_EV_VM_GONE,
							   .size = sizeof(ev.vm_gone) } } };

		say(world, "vm %u ends", vm->id);
		vm->epoch_ns = 0;
		feed_record(world, vm, &ev);
		vm->alive = false;
	}
}

static void step_log_on(struct world *world, struct vm *vm)
{
	struct migration *qemu = &vm->qemu;

	if (slot_next(vm, false)) {
		log_on(world, vm, &vm->slot[qemu->slot]);
		qemu->stage = Q_LOG_ON_TLBI;
		return;
	}
	qemu->stage = slot_next(vm, true) ? Q_GET : Q_LOG_OFF;
	if (!qemu->measures)
		daemon_phase(world, vm, KCOH_PHASE_ACTIVE);
}

void qemu_step(struct world *world, struct vm *vm)
{
	struct migration *qemu = &vm->qemu;
	struct slot *slot = &vm->slot[qemu->slot];

	switch (qemu->stage) {
	case Q_LOG_ON:
		step_log_on(world, vm);
		break;
	case Q_LOG_ON_TLBI:
		for (uint32_t p = 0; p < slot->pages; p++)
			slot->page[p].tlb = false;
		qemu->stage = Q_LOG_ON_CLEAN;
		break;
	case Q_LOG_ON_CLEAN:
		module_slot_starts(world, vm, slot);
		module_epoch(world, vm);
		qemu->stage = Q_LOG_ON;
		break;
	case Q_GET:
		step_get(world, vm, slot);
		break;
	case Q_CLEAR:
		harvest(slot, true);
		qemu->stage = world->early ? Q_CLEAN : Q_TLBI;
		break;
	case Q_TLBI:
		step_tlbi(world, vm, slot);
		break;
	case Q_CLEAN:
		step_clean(world, vm, slot);
		break;
	case Q_SEND:
		step_send(world, vm, slot);
		break;
	case Q_NEXT:
		step_next(world, vm);
		break;
	case Q_PAUSED:
		step_paused(world, vm);
		break;
	case Q_COMPLETE:
		step_complete(world, vm);
		break;
	case Q_LOG_OFF:
		step_log_off(world, vm);
		break;
	}
}

/* Flash flips at any time; memory is plugged in and out, and slots move, while nothing is migrated. */
void qemu_slots_step(struct world *world, struct vm *vm)
{
	struct slot *flash = &vm->slot[0], *plug = &vm->slot[MAX_SLOTS - 1];
	uint32_t log = vm->qemu.stage > Q_LOG_ON_CLEAN && vm->qemu.stage < Q_LOG_OFF ?
			       KCOH_SLOT_LOG_DIRTY :
			       0;

	switch (draw(world->tape, 4)) {
	case 0: /* read-only by turns, as between commands and array mode; a busy slot is not changed */
		if (vm->qemu.stage != Q_IDLE && (!log || vm->qemu.slot == 0))
			return;
		if (flash->alive)
			slot_change(world, vm, flash, flash->flags, KCOH_SLOT_DELETE);
		else
			slot_change(world, vm, flash,
				    log | (draw(world->tape, 2) ? KCOH_SLOT_READONLY : 0),
				    KCOH_SLOT_CREATE);
		module_epoch(world, vm);
		break;
	case 1:
		if (vm->qemu.stage != Q_IDLE)
			return;
		slot_change(world, vm, plug, 0, plug->alive ? KCOH_SLOT_DELETE : KCOH_SLOT_CREATE);
		break;
	case 2:
		if (vm->qemu.stage != Q_IDLE || !plug->alive)
			return;
		plug->base_gfn += 0x1000;
		slot_change(world, vm, plug, plug->flags, KCOH_SLOT_MOVE);
		break;
	}
}
