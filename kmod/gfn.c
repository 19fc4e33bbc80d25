// SPDX-License-Identifier: GPL-2.0-only
/*
 * gfn.c - pages that somebody asks for by guest frame number: clean them, or mark them dirty.
 *
 * A translation from gfn to host virtual address holds for one memslot layout only. It is made and used under
 * kvm->srcu, 64 pages at a time (some 13 us of cleaning): a longer hold would stall whoever changes a memslot.
 */
#include <linux/bitops.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "clean.h"
#include "kcoh.h"
#include "trace.h"

#define WORD_PAGES 64

struct gfn_ctx {
	struct kcoh_vm *vm;
	struct kvm *kvm;
	u32 slot_id;
};

static void on_cleaned(u64 gfn, u64 pages, void *data)
{
	struct gfn_ctx *ctx = data;

	kcoh_journal_add(ctx->vm, ctx->slot_id, gfn, pages);
	trace_kcoh_clean(ctx->kvm, ctx->slot_id, gfn, pages);
}

/* Cleans up to 64 pages from gfn on that are in one slot; how many pages it dealt with, 1 at least. */
static u64 word_clean(struct kcoh_vm *vm, struct kvm *kvm, u64 gfn, u64 pages,
		      struct kcoh_cleaned *sum, u64 *ret_no_slot)
{
	struct gfn_ctx ctx = { .vm = vm, .kvm = kvm };
	struct kcoh_clean_report report = { .cleaned = on_cleaned, .ctx = &ctx };
	struct kvm_memory_slot *slot;
	u64 offset;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);
	if (slot) {
		ctx.slot_id = slot->id;
		offset = gfn - slot->base_gfn;
		pages = min3(pages, (u64)WORD_PAGES, slot->npages - offset);
		kcoh_clean_word(kvm->mm, slot->userspace_addr + (offset << PAGE_SHIFT),
				GENMASK_ULL(pages - 1, 0), gfn, &report, sum);
	} else {
		pages = 1;
		++*ret_no_slot;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return pages;
}

static int range_check(const struct kcoh_vm_range *range)
{
	if (!range->pages || range->pages > KCOH_RANGE_MAX_PAGES ||
	    range->gfn + range->pages < range->gfn || range->done || range->absent ||
	    range->skipped)
		return -EINVAL;
	return 0;
}

int kcoh_clean_gfns(struct kcoh_vm *vm, struct kvm *kvm, struct kcoh_vm_range *range)
{
	struct kcoh_cleaned sum = {};
	u64 done = 0, no_slot = 0;
	int err = range_check(range);

	if (err)
		return err;
	if (!mmget_not_zero(kvm->mm))
		return -ESRCH;
	while (done < range->pages && !err) {
		done += word_clean(vm, kvm, range->gfn + done, range->pages - done, &sum, &no_slot);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	mmput(kvm->mm);
	range->done = sum.cleaned;
	range->absent = sum.absent;
	range->skipped = no_slot + sum.no_ram + sum.unclean;
	return err;
}

int kcoh_mark_gfns(struct kvm *kvm, struct kcoh_vm_range *range)
{
	struct kvm_memory_slot *slot;
	int err = range_check(range);
	u64 i;

	if (err)
		return err;
	mutex_lock(&kvm->slots_lock);
	for (i = 0; i < range->pages; i++) {
		slot = __gfn_to_memslot(kvm_memslots(kvm), range->gfn + i);
		if (slot && slot->dirty_bitmap) {
			set_bit_le(range->gfn + i - slot->base_gfn, slot->dirty_bitmap);
			range->done++;
		} else {
			range->skipped++;
		}
	}
	mutex_unlock(&kvm->slots_lock);
	return 0;
}
