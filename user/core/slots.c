// SPDX-License-Identifier: GPL-2.0-only
/*
 * slots.c - the memslots of a VM, sorted by id, and the sums that decide what is a dirty epoch.
 *
 * Only writable slots count: `ram_pages` adds up their pages, `logged_pages` those with
 * KVM_MEM_LOG_DIRTY_PAGES. An example (QEMU's virt machine, 1 GiB): two flash banks of 16384
 * pages (read-only), a slot of 1 page, RAM of 262144 pages. ram_pages = 262145. Logging of the
 * small slot makes logged_pages = 1, no epoch; of RAM 262145, an epoch.
 *
 * Each change carries the whole slot, so a record repairs what an earlier one that was lost left
 * behind. Old records must not undo newer ones: a scan reads slots as they are, while records of
 * changes made before it may still be on their way. A record is old if its generation is below
 * that of the slot as known, or, when the slot is not known, not above the generation of the
 * first slot that the last scan found. Generation 0 means that none was read.
 *
 * Slots that a scan finds are not judged one by one: half the slots read would look like an epoch
 * over most of the RAM as soon as the framebuffer is among them. sync.c judges when the scan is
 * complete.
 */
#include <string.h>

#include "core/state.h"

#define GENERATION_MASK (~(1ull << 63)) /* KVM's bit for `update in progress` */

static uint64_t key_of(const struct kcoh_ev_memslot *ev)
{
	return (uint64_t)ev->as_id << 32 | ev->slot_id;
}

/* The index of the first slot whose key is not below `key`. */
static uint32_t slot_index(const struct slot *slots, uint32_t count, uint64_t key)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (slots[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct slot *slot_find(const struct kcoh_core *core, const struct vm *vm, uint64_t key)
{
	struct slot *slots = kcoh_slots_of(core, vm);
	uint32_t i = slot_index(slots, vm->slots, key);

	return i < vm->slots && slots[i].key == key ? &slots[i] : NULL;
}

static uint64_t ram_of(const struct slot *slot)
{
	return slot->flags & KCOH_SLOT_READONLY ? 0 : slot->pages;
}

static uint64_t logged_of(const struct slot *slot)
{
	return slot->flags & KCOH_SLOT_LOG_DIRTY ? ram_of(slot) : 0;
}

static struct slot *slot_insert(struct kcoh_core *core, struct vm *vm, uint64_t key)
{
	struct slot *slots = kcoh_slots_of(core, vm);
	uint32_t i = slot_index(slots, vm->slots, key);

	if (vm->slots == core->config.max_slots) {
		vm->blind |= BLIND_TOO_MANY;
		return NULL;
	}
	memmove(&slots[i + 1], &slots[i], (vm->slots - i) * sizeof(*slots));
	memset(&slots[i], 0, sizeof(slots[i]));
	slots[i].key = key;
	vm->slots++;
	return &slots[i];
}

static void slot_remove(const struct kcoh_core *core, struct vm *vm, struct slot *slot)
{
	struct slot *slots = kcoh_slots_of(core, vm);
	uint32_t i = (uint32_t)(slot - slots);

	vm->ram_pages -= ram_of(slot);
	vm->logged_pages -= logged_of(slot);
	vm->slots--;
	memmove(slot, slot + 1, (vm->slots - i) * sizeof(*slot));
}

static void slot_set(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_memslot *ev,
		     struct slot *slot)
{
	vm->ram_pages -= ram_of(slot);
	vm->logged_pages -= logged_of(slot);
	slot->base_gfn = ev->base_gfn;
	slot->pages = ev->pages;
	slot->flags = ev->flags;
	slot->generation = ev->generation & GENERATION_MASK;
	slot->scan = core->sync.scan;
	vm->ram_pages += ram_of(slot);
	vm->logged_pages += logged_of(slot);
}

static bool is_stale(const struct vm *vm, const struct slot *slot, uint64_t generation)
{
	if (!generation)
		return false;
	return slot ? generation < slot->generation : generation <= vm->found_first;
}

/* The scan that is on found a slot. */
static void note_found(struct kcoh_core *core, struct vm *vm, struct slot *slot,
		       uint64_t generation)
{
	if (slot)
		slot->scan = core->sync.scan;
	vm->scan = core->sync.scan;
	if (vm->found != core->sync.scan) {
		vm->found = core->sync.scan;
		vm->found_first = generation;
		vm->found_newest = generation;
	}
	if (generation > vm->found_newest)
		vm->found_newest = generation;
}

static void slot_apply(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_memslot *ev,
		       struct slot *slot)
{
	if (ev->change == KCOH_SLOT_DELETE) {
		if (slot)
			slot_remove(core, vm, slot);
		return;
	}
	if (!slot)
		slot = slot_insert(core, vm, key_of(ev));
	if (slot)
		slot_set(core, vm, ev, slot);
}

void kcoh_slot_changed(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_memslot *ev)
{
	bool found = ev->change == KCOH_SLOT_FOUND;
	uint64_t generation = ev->generation & GENERATION_MASK;
	struct slot *slot = slot_find(core, vm, key_of(ev));

	if (found && core->sync.on)
		note_found(core, vm, slot, generation);
	if (is_stale(vm, slot, generation) && (slot || !found)) {
		core->stats.stale++;
		return;
	}
	slot_apply(core, vm, ev, slot);
	if (ev->change == KCOH_SLOT_FLAGS && ev->flags & ~ev->old_flags & KCOH_SLOT_LOG_DIRTY)
		kcoh_acts_epoch(vm);
	if (!(found && core->sync.on))
		kcoh_epoch_judge(core, vm, found);
}

/*
 * Drops the slots that the scan did not see. One that it saw only in a walk that it then gave up
 * and repeated (older generation) is gone too.
 */
void kcoh_slots_drop_unseen(struct kcoh_core *core, struct vm *vm)
{
	struct slot *slots = kcoh_slots_of(core, vm);
	uint32_t i, kept = 0;

	for (i = 0; i < vm->slots; i++) {
		if (slots[i].scan == core->sync.scan && slots[i].generation >= vm->found_newest) {
			slots[kept++] = slots[i];
			continue;
		}
		vm->ram_pages -= ram_of(&slots[i]);
		vm->logged_pages -= logged_of(&slots[i]);
	}
	vm->slots = kept;
}
