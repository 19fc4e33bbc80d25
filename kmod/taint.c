// SPDX-License-Identifier: GPL-2.0-only
/*
 * taint.c - which pages need cleaning under strategy clean-tainted.
 *
 * A page is tainted if a window was open at some moment since its previous clean in this epoch, and at its first
 * harvest always. Two things are kept for that:
 *
 *   per VM    `watched`: every edge of SCTLR_EL1 is seen, and `tainted`: a window was open since. Once tainted, every
 *             later harvest of the epoch is cleaned; no window is ever taken back
 *   per slot  a bit a page: cleaned in this epoch while the VM was watched. A slot that is deleted, moved or logged anew
 *             begins without any
 *
 * When in doubt a page is tainted: no memory for the bits, a trap that could not be set, a vCPU that was reset, a VM over
 * its trap budget. A guest that maps RAM Non-cacheable with its MMU on is not seen at all: P7n of PROBLEM.md, which is
 * why this strategy is chosen by hand and never the default (docs/model.md has its rows).
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "fail.h"
#include "kcoh.h"

struct kcoh_seen {
	struct rcu_head rcu;
	u64 base_gfn, pages;
	unsigned long bits[];
};

static void seen_replace(struct kcoh_slot *slot, struct kcoh_seen *seen)
{
	struct kcoh_seen *old = unrcu_pointer(xchg(&slot->seen, RCU_INITIALIZER(seen)));

	if (old)
		kvfree_rcu(old, rcu);
}

void kcoh_taint_slot_starts(struct kcoh_vm *vm, struct kcoh_slot *slot, u64 base_gfn, u64 pages)
{
	struct kcoh_seen *seen = NULL;

	if (kcoh_cleaning_tainted(vm)) {
		seen = kcoh_fail(KCOH_FAIL_SEEN) ?
			       NULL :
			       kvzalloc(struct_size(seen, bits, BITS_TO_LONGS(pages)),
					GFP_KERNEL_ACCOUNT);
		if (!seen)
			atomic64_inc(&kcoh_count.no_memory);
	}
	if (seen) {
		seen->base_gfn = base_gfn;
		seen->pages = pages;
	}
	seen_replace(slot, seen);
}

void kcoh_taint_slot_ends(struct kcoh_slot *slot)
{
	seen_replace(slot, NULL);
}

void kcoh_taint(struct kcoh_vm *vm)
{
	WRITE_ONCE(vm->tainted, true);
}

bool kcoh_taint_is_clear(struct kcoh_vm *vm)
{
	return vm && kcoh_cleaning_tainted(vm) && READ_ONCE(vm->watched) && !READ_ONCE(vm->tainted);
}

/* The bits of a slot, if they are about this page. RCU read lock held. */
static struct kcoh_seen *seen_of(struct kcoh_vm *vm, u32 slot_id, u64 gfn)
{
	struct kcoh_slot *slot = kcoh_slot_find(vm, slot_id);
	struct kcoh_seen *seen = slot ? rcu_dereference(slot->seen) : NULL;

	if (!seen || gfn < seen->base_gfn || gfn - seen->base_gfn >= seen->pages)
		return NULL;
	return seen;
}

u64 kcoh_taint_seen(struct kcoh_vm *vm, u32 slot_id, u64 gfn)
{
	struct kcoh_seen *seen;
	u64 bits = 0;

	rcu_read_lock();
	seen = seen_of(vm, slot_id, gfn);
	if (seen && !((gfn - seen->base_gfn) % BITS_PER_LONG))
		bits = READ_ONCE(seen->bits[(gfn - seen->base_gfn) / BITS_PER_LONG]);
	rcu_read_unlock();
	return bits;
}

void kcoh_taint_see(struct kcoh_vm *vm, u32 slot_id, u64 gfn, u64 pages)
{
	struct kcoh_seen *seen;

	rcu_read_lock();
	seen = seen_of(vm, slot_id, gfn);
	for (; seen && pages && gfn - seen->base_gfn < seen->pages; gfn++, pages--)
		set_bit(gfn - seen->base_gfn, seen->bits);
	rcu_read_unlock();
}
