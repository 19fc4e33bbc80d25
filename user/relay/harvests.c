// SPDX-License-Identifier: GPL-2.0-only
/*
 * harvests.c - what the harvests of a VM add up to.
 *
 * The rate. A harvest takes the pages dirtied since the one before it. So over the harvests kept, the pages of all but the
 * oldest were dirtied between the oldest's time and the last one's:
 *
 *   at 0.0 s 9000 pages, at 1.5 s 300, at 3.0 s 500  ->  800 pages in 3 s: 266 pages/s
 *
 * QEMU takes a large slot in pieces of 1 GiB as it sends them; over a whole pass that evens out, and 64 pieces are kept.
 *
 * The first pass. With KVM_DIRTY_LOG_INITIALLY_SET every page counts as dirty when its logging starts, so as many pages
 * as are logged are taken once whatever the guest does. They are counted down at the beginning of each epoch; of that
 * pass only the time at which it began enters the rate, which is therefore not known before the second pass.
 *
 * Limit: a harvest that takes nothing makes no record, so a guest that stops writing shows its old rate for up to 60 s.
 */
#include <string.h>

#include "relay/harvests.h"

#define SEC_NS 1000000000ull
#define RATE_NS (60 * SEC_NS)
#define SHOW_EPOCH_NS (SEC_NS / 10) /* at most so often a VM and source … */
#define SHOW_NS SEC_NS /* … and outside of an epoch */

static void sum_add(struct kcoh_harvest_sum *sum, const struct kcoh_ev_harvest *ev)
{
	struct kcoh_ev_harvest before = sum->sum;

	sum->sum = *ev;
	if (sum->count++) {
		sum->sum.pages += before.pages;
		sum->sum.ns += before.ns;
		sum->sum.cleaned += before.cleaned;
		sum->sum.absent += before.absent;
		sum->sum.no_ram += before.no_ram;
		sum->sum.unclean += before.unclean;
		sum->sum.extra += before.extra;
		sum->sum.untainted += before.untainted;
		if (before.slot_id != ev->slot_id)
			sum->sum.slot_id = KCOH_SLOT_NONE;
	}
}

/* How many of these pages the guest dirtied: those of the first pass of an epoch it need not have. */
static uint64_t dirtied(struct kcoh_harvests *harvests, const struct kcoh_ev_harvest *ev,
			const struct kcoh_vm_view *view)
{
	uint64_t first;

	if (harvests->epochs != view->epochs) {
		harvests->epochs = view->epochs;
		harvests->first_pass = view->logged_pages;
		harvests->kept = 0;
	}
	if (!ev->initially_set || !view->in_epoch)
		return ev->pages;
	first = ev->pages < harvests->first_pass ? ev->pages : harvests->first_pass;
	harvests->first_pass -= first;
	return ev->pages - first;
}

static void rate_add(struct kcoh_harvests *harvests, const struct kcoh_ev_harvest *ev,
		     const struct kcoh_vm_view *view)
{
	uint64_t pages = dirtied(harvests, ev, view), i = harvests->kept % KCOH_HARVESTS_KEPT;

	if (!pages && harvests->kept)
		return;
	harvests->at_ns[i] = ev->hdr.ts_ns;
	harvests->pages[i] = pages;
	harvests->kept++;
}

bool kcoh_harvests_add(struct kcoh_harvests *harvests, const struct kcoh_ev_harvest *ev,
		       const struct kcoh_vm_view *view, struct kcoh_harvest_sum *ret_before)
{
	struct kcoh_harvest_sum *unshown = &harvests->unshown[ev->source];
	bool before = unshown->count && (unshown->sum.kind != ev->kind ||
					 (view->in_epoch && unshown->sum.slot_id != ev->slot_id));

	if (before) {
		*ret_before = *unshown;
		*unshown = (struct kcoh_harvest_sum){ 0 };
	}
	sum_add(&harvests->total[ev->source], ev);
	sum_add(unshown, ev);
	if (ev->source == KCOH_HARVEST_BY_KVM)
		rate_add(harvests, ev, view);
	kcoh_harvests_tick(harvests, ev->hdr.ts_ns);
	return before;
}

bool kcoh_harvests_due(struct kcoh_harvests *harvests, enum kcoh_harvest_source source,
		       bool in_epoch, bool all, struct kcoh_harvest_sum *ret_due)
{
	struct kcoh_harvest_sum *unshown = &harvests->unshown[source];
	uint64_t wait = in_epoch ? SHOW_EPOCH_NS : SHOW_NS;

	if (!unshown->count)
		return false;
	if (!all && harvests->shown_ns[source] &&
	    harvests->now_ns < harvests->shown_ns[source] + wait)
		return false;
	*ret_due = *unshown;
	*unshown = (struct kcoh_harvest_sum){ 0 };
	harvests->shown_ns[source] = harvests->now_ns;
	return true;
}

void kcoh_harvests_tick(struct kcoh_harvests *harvests, uint64_t now_ns)
{
	if (now_ns > harvests->now_ns)
		harvests->now_ns = now_ns;
}

bool kcoh_harvests_rate(const struct kcoh_harvests *harvests, uint64_t *ret_pages_per_s)
{
	uint64_t kept = harvests->kept < KCOH_HARVESTS_KEPT ? harvests->kept : KCOH_HARVESTS_KEPT;
	uint64_t pages = 0, last_ns = 0, oldest_ns = 0, before = 0;

	for (uint64_t i = 1; i <= kept; i++) { /* from the last one back */
		uint64_t at = (harvests->kept - i) % KCOH_HARVESTS_KEPT;

		if (harvests->at_ns[at] + RATE_NS < harvests->now_ns)
			break;
		pages += before;
		before = harvests->pages[at];
		oldest_ns = harvests->at_ns[at];
		if (i == 1)
			last_ns = oldest_ns;
	}
	if (last_ns <= oldest_ns)
		return false;
	*ret_pages_per_s =
		(uint64_t)((double)pages * (double)SEC_NS / (double)(last_ns - oldest_ns));
	return true;
}
