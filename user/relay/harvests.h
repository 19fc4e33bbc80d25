/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harvests.h - the harvests of one VM: added up, the rate at which it dirties pages, and which of them are news.
 *
 * A migration harvests some ten times a second at most; a VMM that refreshes a picture of the guest's screen harvests the
 * framebuffer 30 times a second for as long as somebody looks, and that would push everything else out of the backlog. So
 * harvests that follow each other too closely are shown as one, with their number.
 */
#ifndef KCOH_HARVESTS_H
#define KCOH_HARVESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

#define KCOH_HARVEST_SOURCES 2 /* enum kcoh_harvest_source */
#define KCOH_HARVESTS_KEPT 64

/* Harvests of one source, as one. */
struct kcoh_harvest_sum {
	struct kcoh_ev_harvest
		sum; /* header, slot, tid and kind of the last; slot_id: KCOH_SLOT_NONE if not all had one */
	uint64_t count; /* 0: none */
};

struct kcoh_harvests {
	struct kcoh_harvest_sum total[KCOH_HARVEST_SOURCES]; /* since the VM was first seen */
	struct kcoh_harvest_sum unshown[KCOH_HARVEST_SOURCES];
	uint64_t shown_ns[KCOH_HARVEST_SOURCES]; /* when the last one was shown */
	uint64_t now_ns;
	uint64_t epochs; /* the VM's count of epochs at the last harvest */
	uint64_t first_pass; /* pages of this epoch that are still to be taken for the first time */
	uint64_t at_ns[KCOH_HARVESTS_KEPT]; /* a ring of the last harvests */
	uint64_t pages[KCOH_HARVESTS_KEPT];
	uint64_t kept; /* ever */
};

/* A harvest of the VM. True if *ret_before, harvests of another kind (in an epoch: or slot) not yet shown, must be shown first. */
bool kcoh_harvests_add(struct kcoh_harvests *harvests, const struct kcoh_ev_harvest *ev,
		       const struct kcoh_vm_view *view, struct kcoh_harvest_sum *ret_before);

/* What is to be shown of a source now; false: nothing. All of it if `all`, else what has waited long enough. */
bool kcoh_harvests_due(struct kcoh_harvests *harvests, enum kcoh_harvest_source source,
		       bool in_epoch, bool all, struct kcoh_harvest_sum *ret_due);

/* Time passes. */
void kcoh_harvests_tick(struct kcoh_harvests *harvests, uint64_t now_ns);

/*
 * Pages a second that the guest dirties, by the last harvests (64 at most, of the last 60 s); false if they do not tell. Where
 * all pages count as dirty when logging starts (QEMU), the first pass says nothing about the guest and is left out.
 */
bool kcoh_harvests_rate(const struct kcoh_harvests *harvests, uint64_t *ret_pages_per_s);

#endif
