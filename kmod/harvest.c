// SPDX-License-Identifier: GPL-2.0-only
/*
 * harvest.c - clean what a harvest returns, before anybody reads it.
 *
 * The rule: a page that a harvest returned is cleaned and invalidated after its write-protection and the
 * TLB invalidation are complete, and before the thread that harvested it is back in user mode. Whatever that
 * thread then reads is at least as new as the write-protect; a later write faults and is harvested again.
 *
 *   VMM thread   KVM_CLEAR_DIRTY_LOG -> KVM write-protects 64 pages at a time, under mmu_lock:
 *                kvm_arch_mmu_enable_log_dirty_pt_masked() -> on_protect() notes slot, offset and mask
 *                -> KVM invalidates the TLBs -> the ioctl returns -> harvest_clean(), a job of this very
 *                thread, cleans exactly what was noted -> user mode
 *
 * All three kinds of harvest (GET with automatic protect, CLEAR, dirty ring reset) pass that one function.
 *
 * What is noted belongs to the task and the ioctl that noted it, never to another harvester: cleaning somebody
 * else's pages before their TLB invalidation would be no cleaning at all. on_protect() is atomic and runs once per
 * 64 pages, so it takes a set prepared beforehand and merges neighbours: a whole slot whose pages are all dirty is
 * one span. A set that is full cleans what lies between, or every logged slot. With no memory for a set the pages
 * are marked dirty again on the spot, so that the VMM cannot end without asking for them once more.
 *
 * Where the VMM sends pages that no harvest returned (everything but manual protect with INITIALLY_SET) the slot
 * is cleaned once when its logging starts, in the same way.
 *
 * Two more things happen where KVM is about to look at a dirty log, in on_sync():
 *
 *   QEMU from 10.2 on sends what KVM_GET_DIRTY_LOG returned after the vCPUs stopped without a CLEAR, so nothing
 *   write-protects those pages. A GET of a manually protected slot while no vCPU is loaded therefore has every dirty
 *   page of the slot cleaned. With no vCPU to write them they need no protection (tests/model, P3l and P3g).
 *
 *   A second thread that harvests the same slot may find a page's bit taken by a first one that has not cleaned it
 *   yet. It waits until those are done, after its own cleaning, so that nobody waits in a circle (P3u, P3w). A reset
 *   of the dirty rings is of the whole VM, so there it waits for every slot (on_ring_reset).
 */
#define pr_fmt(fmt) "kcoh: " fmt

#include <linux/hashtable.h>
#include <linux/kvm_host.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "clean.h"
#include "fail.h"
#include "kcoh.h"
#include "trace.h"

#define SPANS 2048 /* of a set: 64 KiB */
#define SPARE_SETS 2 /* wanted, for the next harvesters */
#define MAX_SPARE_SETS 16 /* kept when many harvesters are through */
#define WORD_PAGES 64
#define ALL_SLOTS U32_MAX /* of a harvest: more than one */
#define HOWEVER_OLD U64_MAX

/* `words` times 64 pages with the same mask, from a page of a slot on. */
struct span {
	u64 gfn;
	unsigned long hva;
	u64 mask;
	u32 words;
	u32 slot_id;
};

/* What one ioctl of one task write-protected. */
struct harvest {
	struct kcoh_job job;
	struct hlist_node node; /* in `open` while it may still grow, keyed by task */
	struct list_head spare; /* in `spares` while unused */
	struct list_head flight; /* in `flights` until it is cleaned */
	u64 number; /* in the order they began */
	u32 slot_id; /* whose log is being read or harvested, or ALL_SLOTS */
	bool stopped; /* the log was read while no vCPU was loaded */
	u64 protected_pages;
	u32 used;
	bool whole; /* more than fits: clean every logged slot */
	struct span span[SPANS];
};

static DEFINE_HASHTABLE(open, 6);
static LIST_HEAD(spares);
static unsigned int spares_n;
static LIST_HEAD(flights);
static u64 flights_n; /* ever */
static DECLARE_WAIT_QUEUE_HEAD(flights_wait);
static DEFINE_SPINLOCK(harvest_lock); /* open, spares, flights */

static struct harvest *open_find(const struct kvm *kvm)
{
	struct harvest *h;

	hash_for_each_possible(open, h, node, (unsigned long)current) {
		if (h->job.task == current && h->job.kvm == kvm)
			return h;
	}
	return NULL;
}

/* It does not grow any more: what its task write-protects from here on is another harvest. */
static void open_close(struct harvest *h)
{
	unsigned long flags;

	spin_lock_irqsave(&harvest_lock, flags);
	hash_del(&h->node);
	spin_unlock_irqrestore(&harvest_lock, flags);
}

static struct harvest *set_alloc(gfp_t gfp)
{
	return kcoh_fail(KCOH_FAIL_SET) ? NULL :
					  kmalloc(sizeof(struct harvest), gfp | __GFP_NOWARN);
}

static struct harvest *spare_take(void)
{
	struct harvest *h = list_first_entry_or_null(&spares, struct harvest, spare);

	if (h) {
		list_del(&h->spare);
		spares_n--;
	}
	return h;
}

/* Returns h if it is not wanted. */
static struct harvest *spare_put(struct harvest *h, unsigned int limit)
{
	unsigned long flags;

	spin_lock_irqsave(&harvest_lock, flags);
	if (spares_n < limit) {
		list_add(&h->spare, &spares);
		spares_n++;
		h = NULL;
	}
	spin_unlock_irqrestore(&harvest_lock, flags);
	return h;
}

static struct harvest *spare_get(void)
{
	struct harvest *h;
	unsigned long flags;

	spin_lock_irqsave(&harvest_lock, flags);
	h = spare_take();
	spin_unlock_irqrestore(&harvest_lock, flags);
	return h;
}

/* In process context: so that the hook, which is not, finds one. */
static void spares_fill(void)
{
	while (READ_ONCE(spares_n) < SPARE_SETS) {
		struct harvest *h = set_alloc(GFP_KERNEL);

		if (!h) {
			atomic64_inc(&kcoh_count.no_memory);
			return;
		}
		kfree(spare_put(h, SPARE_SETS));
	}
}

/* Its pages are clean, or nobody will read them. */
static void flight_end(struct harvest *h)
{
	unsigned long flags;

	spin_lock_irqsave(&harvest_lock, flags);
	list_del_init(&h->flight);
	spin_unlock_irqrestore(&harvest_lock, flags);
	wake_up_all(&flights_wait);
}

/* True if another task's harvest, older than `number`, of this slot (ALL_SLOTS: of any) is not cleaned yet. */
static bool flight_older(const struct kvm *kvm, u32 slot_id, u64 number)
{
	struct harvest *h;
	unsigned long flags;
	bool older = false;

	spin_lock_irqsave(&harvest_lock, flags);
	list_for_each_entry(h, &flights, flight) {
		if (h->job.kvm == kvm && h->job.task != current &&
		    (h->slot_id == ALL_SLOTS || slot_id == ALL_SLOTS || h->slot_id == slot_id) &&
		    h->number < number)
			older = true;
	}
	spin_unlock_irqrestore(&harvest_lock, flags);
	return older;
}

static void harvest_release(struct kcoh_job *job)
{
	struct harvest *h = container_of(job, struct harvest, job);

	open_close(h);
	flight_end(h);
	kfree(spare_put(h, MAX_SPARE_SETS));
}

/* Neighbours with the same mask become one span; a full set grows by cleaning what lies between, too. */
static void harvest_add(struct harvest *h, const struct kvm_memory_slot *slot, u64 offset, u64 mask,
			u32 words)
{
	u64 gfn = slot->base_gfn + offset;
	struct span *last = h->used ? &h->span[h->used - 1] : NULL;
	bool same_slot = last && last->slot_id == slot->id && last->gfn <= gfn;

	h->protected_pages += (u64)hweight64(mask) * words;
	if (h->slot_id != slot->id)
		h->slot_id = ALL_SLOTS;
	if (same_slot && last->mask == mask && gfn == last->gfn + last->words * (u64)WORD_PAGES) {
		last->words += words;
	} else if (h->used < SPANS) {
		h->span[h->used++] = (struct span){
			.gfn = gfn,
			.hva = slot->userspace_addr + (offset << PAGE_SHIFT),
			.mask = mask,
			.words = words,
			.slot_id = slot->id,
		};
	} else if (same_slot) {
		last->mask = ~0ull;
		last->words = DIV_ROUND_UP(gfn - last->gfn, WORD_PAGES) + words;
	} else {
		h->whole = true;
	}
}

struct clean_ctx {
	struct kvm *kvm;
	struct kcoh_vm *vm; /* or NULL */
	u32 slot_id;
	bool see; /* strategy clean-tainted, and the VM is watched */
};

static void on_cleaned(u64 gfn, u64 pages, void *data)
{
	struct clean_ctx *ctx = data;

	if (ctx->vm)
		kcoh_journal_add(ctx->vm, ctx->slot_id, gfn, pages);
	if (ctx->see)
		kcoh_taint_see(ctx->vm, ctx->slot_id, gfn, pages);
	trace_kcoh_clean(ctx->kvm, ctx->slot_id, gfn, pages);
}

/* The stream cannot end without another try at this page. The dirty ring has no bitmap to mark. */
static void on_unclean(u64 gfn, void *data)
{
	struct clean_ctx *ctx = data;
	struct kvm_memory_slot *slot;

	mutex_lock(&ctx->kvm->slots_lock);
	slot = __gfn_to_memslot(kvm_memslots(ctx->kvm), gfn);
	if (slot && slot->dirty_bitmap) {
		set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
		atomic64_inc(&kcoh_count.pages_marked);
	}
	mutex_unlock(&ctx->kvm->slots_lock);
}

static void span_clean(struct kvm *kvm, const struct span *r, struct kcoh_cleaned *sum)
{
	struct kcoh_vm *vm = kcoh_vm_held(kvm);
	struct clean_ctx ctx = { kvm, vm, r->slot_id,
				 vm && kcoh_cleaning_tainted(vm) && READ_ONCE(vm->watched) };
	struct kcoh_clean_report report = { on_cleaned, on_unclean, &ctx };
	u32 i;

	for (i = 0; i < r->words; i++)
		kcoh_clean_word(current->mm, r->hva + ((unsigned long)i * WORD_PAGES << PAGE_SHIFT),
				r->mask, r->gfn + (u64)i * WORD_PAGES, &report, sum);
}

/* The same without the pages that were cleaned before and are not tainted since; how many those are. */
static u64 span_clean_tainted(struct kvm *kvm, const struct span *r, struct kcoh_cleaned *sum)
{
	struct kcoh_vm *vm = kcoh_vm_held(kvm);
	u64 untainted = 0, seen;
	u32 i;

	for (i = 0; i < r->words; i++) {
		struct span word = *r;

		word.gfn += (u64)i * WORD_PAGES;
		word.hva += (unsigned long)i * WORD_PAGES << PAGE_SHIFT;
		word.words = 1;
		seen = kcoh_taint_seen(vm, r->slot_id, word.gfn);
		untainted += hweight64(word.mask & seen);
		word.mask &= ~seen;
		span_clean(kvm, &word, sum);
	}
	return untainted;
}

/* A slot as spans: its words, and what is left over. */
static void slot_clean(struct kvm *kvm, const struct span *slot, u64 pages,
		       struct kcoh_cleaned *sum)
{
	struct span r = *slot;

	r.mask = ~0ull;
	r.words = pages / WORD_PAGES;
	span_clean(kvm, &r, sum);
	if (pages % WORD_PAGES) {
		r.gfn += (u64)r.words * WORD_PAGES;
		r.hva += (unsigned long)r.words * WORD_PAGES << PAGE_SHIFT;
		r.mask = GENMASK_ULL(pages % WORD_PAGES - 1, 0);
		r.words = 1;
		span_clean(kvm, &r, sum);
	}
}

/* The logged slot with the smallest id from *id on, as a span; its pages, or 0: there is none. */
static u64 logged_slot_next(struct kvm *kvm, u32 id, struct span *ret_slot)
{
	struct kvm_memory_slot *slot;
	u64 pages = 0;
	int idx, bkt;

	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm)) {
		if (!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES) || (u32)slot->id < id ||
		    (pages && (u32)slot->id > ret_slot->slot_id))
			continue;
		ret_slot->slot_id = slot->id;
		ret_slot->gfn = slot->base_gfn;
		ret_slot->hva = slot->userspace_addr;
		pages = slot->npages;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return pages;
}

static void logged_slots_clean(struct kvm *kvm, struct kcoh_cleaned *sum)
{
	struct span slot;
	u32 id = 0;
	u64 pages;

	while ((pages = logged_slot_next(kvm, id, &slot))) {
		atomic64_inc(&kcoh_count.whole_slots);
		slot_clean(kvm, &slot, pages, sum);
		id = slot.slot_id + 1;
	}
}

static void add2(atomic64_t *all, atomic64_t *vm, u64 n)
{
	atomic64_add(n, all);
	if (vm)
		atomic64_add(n, vm);
}

#define count2(field, n) add2(&kcoh_count.field, vm ? &vm->field : NULL, n)

static void harvest_count(struct kcoh_vm *vm, const struct harvest *h,
			  const struct kcoh_cleaned *sum, const struct kcoh_cleaned *extra,
			  u64 untainted)
{
	count2(harvests, 1);
	count2(pages_protected, h->protected_pages);
	count2(pages_cleaned, sum->cleaned);
	count2(pages_absent, sum->absent);
	count2(pages_no_ram, sum->no_ram);
	count2(pages_unclean, sum->unclean + extra->unclean);
	count2(pages_extra, extra->cleaned);
	count2(pages_untainted, untainted);
}

/* From here on the harvests of every logged slot are known to be complete. */
static void logged_slots_know(struct kvm *kvm)
{
	struct kcoh_vm *vm = kcoh_vm_get(kvm);
	struct kcoh_slot *record;
	struct span slot;
	u32 id = 0;

	while (vm && logged_slot_next(kvm, id, &slot)) {
		record = kcoh_slot_get(vm, slot.slot_id);
		if (record)
			WRITE_ONCE(record->stale, false);
		id = slot.slot_id + 1;
	}
}

/* The next 64 pages of a slot from *word on that are dirty, as a span; false: there are none. */
static bool dirty_word_next(struct kvm *kvm, u32 slot_id, u64 *word, struct span *ret_span)
{
	struct kvm_memory_slot *slot;
	u64 mask = 0, words;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = id_to_memslot(kvm_memslots(kvm), slot_id);
	words = slot && slot->dirty_bitmap ? DIV_ROUND_UP(slot->npages, WORD_PAGES) : 0;
	for (; *word < words && !mask; ++*word)
		mask = READ_ONCE(slot->dirty_bitmap[*word]);
	if (mask)
		*ret_span = (struct span){
			.gfn = slot->base_gfn + (*word - 1) * WORD_PAGES,
			.hva = slot->userspace_addr + ((*word - 1) * WORD_PAGES << PAGE_SHIFT),
			.mask = mask,
			.words = 1,
			.slot_id = slot_id,
		};
	srcu_read_unlock(&kvm->srcu, idx);
	return mask;
}

static void dirty_pages_clean(struct kvm *kvm, u32 slot_id, struct kcoh_cleaned *sum)
{
	struct span span;
	u64 word = 0;

	while (dirty_word_next(kvm, slot_id, &word, &span))
		span_clean(kvm, &span, sum);
}

/* True if a hook was missed since this was last asked: what was write-protected is not all noted. */
static bool misses_grew(void)
{
	static atomic64_t seen;
	u64 misses = kcoh_harvest_misses();

	if (likely(misses == atomic64_read(&seen)))
		return false;
	pr_warn_once("a hook was missed; whole slots are cleaned\n");
	return atomic64_xchg(&seen, misses) != misses;
}

/* Job of the task that harvested, after its ioctl and before user mode. */
static void harvest_clean(struct kcoh_job *job)
{
	struct harvest *h = container_of(job, struct harvest, job);
	struct kcoh_vm *vm = kcoh_vm_held(job->kvm);
	struct kcoh_cleaned sum = {}, extra = {};
	u64 start = ktime_get_ns(), untainted = 0, unclean;
	bool all;
	u32 i;

	open_close(h);
	h->whole |= misses_grew();
	all = h->whole || !kcoh_taint_is_clear(vm);
	for (i = 0; i < h->used; i++) {
		if (all)
			span_clean(job->kvm, &h->span[i], &sum);
		else
			untainted += span_clean_tainted(job->kvm, &h->span[i], &sum);
	}
	if (h->stopped && !h->used)
		dirty_pages_clean(job->kvm, h->slot_id, &extra);
	if (h->whole) {
		logged_slots_clean(job->kvm, &extra);
		logged_slots_know(job->kvm);
	}
	flight_end(h);
	wait_event_killable(flights_wait, !flight_older(job->kvm, h->slot_id, h->number));
	harvest_count(vm, h, &sum, &extra, untainted);
	/* Those of a whole slot are told, too: the one that this harvest returned may be among them. */
	unclean = sum.unclean + sum.cut_short + extra.unclean + extra.cut_short;
	trace_kcoh_harvest(job->kvm, h->used ? h->span[0].slot_id : 0, h->protected_pages,
			   sum.cleaned, sum.absent, sum.no_ram, unclean, extra.cleaned, untainted,
			   ktime_get_ns() - start);
	spares_fill();
}

/* The set of the current task's ioctl, made if this is its first; NULL: there is none to be had. */
static struct harvest *harvest_current(struct kvm *kvm, u32 slot_id)
{
	struct harvest *h;
	unsigned long flags;
	bool fresh = false;

	spin_lock_irqsave(&harvest_lock, flags);
	h = open_find(kvm);
	if (!h) {
		h = spare_take() ?: set_alloc(GFP_ATOMIC);
		fresh = h;
	}
	if (fresh) {
		h->used = 0;
		h->whole = h->stopped = false;
		h->protected_pages = 0;
		h->slot_id = slot_id;
		h->number = ++flights_n;
		list_add_tail(&h->flight, &flights);
		h->job = (struct kcoh_job){
			.task = current,
			.kvm = kvm,
			.fn = harvest_clean,
			.release = harvest_release,
			.must_run = true,
		};
		hash_add(open, &h->node, (unsigned long)current);
	}
	spin_unlock_irqrestore(&harvest_lock, flags);
	if (fresh && kcoh_job_submit(&h->job))
		return NULL; /* this task is on its way out: it reads nothing any more */
	if (!h)
		atomic64_inc(&kcoh_count.no_memory);
	return h;
}

/* Nowhere to note them: what was just taken from the dirty log goes back into it. */
static void mark_dirty_again(const struct kvm_memory_slot *slot, u64 offset, u64 mask)
{
	atomic64_add(hweight64(mask), &kcoh_count.pages_unclean);
	if (!slot->dirty_bitmap)
		return; /* the dirty ring has nothing to mark */
	for (; mask; mask &= mask - 1) {
		set_bit_le(offset + __ffs64(mask), slot->dirty_bitmap);
		atomic64_inc(&kcoh_count.pages_marked);
	}
}

/*
 * True if this harvest is to be cleaned; *ret_whole if earlier ones of this slot may not have been, because we
 * were not there (loaded in mid-epoch) or told not to.
 */
static bool is_cleaned(struct kvm *kvm, u32 slot_id, bool *ret_whole)
{
	struct kcoh_slot *record;
	struct kcoh_vm *vm;
	bool cleaned;

	rcu_read_lock();
	vm = kcoh_vm_find(kvm);
	record = vm ? kcoh_slot_find(vm, slot_id) : NULL;
	cleaned = kcoh_cleaning(vm);
	*ret_whole = cleaned && (!record || READ_ONCE(record->stale));
	if (record && !cleaned)
		WRITE_ONCE(record->stale, true);
	rcu_read_unlock();
	return cleaned;
}

/* kvm_arch_mmu_enable_log_dirty_pt_masked(kvm, slot, offset, mask), under mmu_lock, before the TLBI. */
static void on_protect(const struct kcoh_hook_args *args)
{
	struct kvm *kvm = (struct kvm *)args->arg[0];
	const struct kvm_memory_slot *slot = (const struct kvm_memory_slot *)args->arg[1];
	struct harvest *h;
	bool whole;

	if (!is_cleaned(kvm, slot->id, &whole))
		return;
	h = harvest_current(kvm, slot->id);
	if (h) {
		harvest_add(h, slot, args->arg[2], args->arg[3], 1);
		h->whole |= whole;
	} else if (!(current->flags & PF_EXITING)) {
		mark_dirty_again(slot, args->arg[2], args->arg[3]);
	}
}

/* True if harvests of this VM are cleaned. */
static bool vm_is_cleaned(const struct kvm *kvm)
{
	bool cleaned;

	rcu_read_lock();
	cleaned = kcoh_cleaning(kcoh_vm_find(kvm));
	rcu_read_unlock();
	return cleaned;
}

void kcoh_harvest_log_starts(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	u64 words = slot->npages / WORD_PAGES, rest = slot->npages % WORD_PAGES;
	struct harvest *h;

	/* A read-only slot is written by the host alone, through its caches. */
	if (!vm_is_cleaned(kvm) || (slot->flags & KVM_MEM_READONLY) ||
	    kvm_dirty_log_manual_protect_and_init_set(kvm))
		return;
	h = harvest_current(kvm, slot->id);
	if (h && words)
		harvest_add(h, slot, 0, ~0ull, words);
	if (h && rest)
		harvest_add(h, slot, words * WORD_PAGES, GENMASK_ULL(rest - 1, 0), 1);
}

static bool vcpu_is_loaded(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (READ_ONCE(vcpu->cpu) != -1)
			return true;
	}
	return false;
}

static DEFINE_MUTEX(canary_lock);
static struct task_struct *canary_task;
static bool canary_fired;

/* kvm_arch_sync_dirty_log(kvm, slot): KVM is about to read or clear a dirty log, kvm->slots_lock held. */
static void on_sync(const struct kcoh_hook_args *args)
{
	struct kvm *kvm = (struct kvm *)args->arg[0];
	const struct kvm_memory_slot *slot = (const struct kvm_memory_slot *)args->arg[1];
	struct harvest *h;
	bool stopped;

	if (READ_ONCE(canary_task) == current) {
		canary_fired = true;
		return;
	}
	if (!vm_is_cleaned(kvm))
		return;
	stopped = kvm->manual_dirty_log_protect && !vcpu_is_loaded(kvm);
	if (!stopped && !flight_older(kvm, slot->id, HOWEVER_OLD))
		return;
	h = harvest_current(kvm, slot->id);
	if (h)
		h->stopped |= stopped;
}

/* kvm_dirty_ring_reset(kvm, ring): KVM is about to take back what was harvested from a ring, slots_lock held. */
static void on_ring_reset(const struct kcoh_hook_args *args)
{
	struct kvm *kvm = (struct kvm *)args->arg[0];

	if (vm_is_cleaned(kvm) && flight_older(kvm, ALL_SLOTS, HOWEVER_OLD))
		harvest_current(kvm, ALL_SLOTS);
}

enum { HOOK_PROTECT, HOOK_SYNC, HOOK_RING_RESET };

static struct kcoh_hook hooks[] = {
	[HOOK_PROTECT] = { .name = "kvm_arch_mmu_enable_log_dirty_pt_masked", .fn = on_protect },
	[HOOK_SYNC] = { .name = "kvm_arch_sync_dirty_log", .fn = on_sync },
	[HOOK_RING_RESET] = { .name = "kvm_dirty_ring_reset",
			      .fn = on_ring_reset,
			      .optional = true },
};

u64 kcoh_harvest_misses(void)
{
	return kcoh_hooks_missed(hooks, ARRAY_SIZE(hooks));
}

const struct kcoh_hook *kcoh_harvest_hook_gone(void)
{
	return kcoh_hooks_gone(hooks, ARRAY_SIZE(hooks));
}

typedef void (*sync_fn)(struct kvm *kvm, struct kvm_memory_slot *slot);

/*
 * kvm_arch_sync_dirty_log() is empty on arm64, and KVM calls it before each look at a dirty log: a call more does
 * nothing but fire the hook.
 */
bool kcoh_harvest_canary(struct kvm *kvm)
{
	sync_fn sync = (sync_fn)hooks[HOOK_SYNC].addr;
	struct kvm_memory_slot *slot;
	bool fired;
	int bkt;

	mutex_lock(&canary_lock);
	canary_fired = false;
	WRITE_ONCE(canary_task, current);
	mutex_lock(&kvm->slots_lock);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm)) {
		if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
			sync(kvm, slot);
			break;
		}
	}
	fired = canary_fired || !slot;
	mutex_unlock(&kvm->slots_lock);
	WRITE_ONCE(canary_task, NULL);
	mutex_unlock(&canary_lock);
	return fired;
}

/* No new harvests from here on; those noted are cleaned by their tasks (kcoh_jobs_exit waits for them). */
void kcoh_harvest_stop(void)
{
	kcoh_hooks_detach(hooks, ARRAY_SIZE(hooks));
}

/* After kcoh_jobs_exit(). */
void kcoh_harvest_exit(void)
{
	struct harvest *h;

	while ((h = spare_get()))
		kfree(h);
}

int kcoh_harvest_init(void)
{
	int err;

	kcoh_clean_init();
	spares_fill();
	err = kcoh_hooks_attach(hooks, ARRAY_SIZE(hooks));
	if (err)
		kcoh_harvest_exit();
	return err;
}
