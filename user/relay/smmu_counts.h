/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smmu_counts.h - events of SMMUs, counted as they come by: what /metrics tells of them.
 *
 * A record stands for one event or, of a storm, for many: then only the last one's id is known, and all count as that.
 */
#ifndef KCOH_SMMU_COUNTS_H
#define KCOH_SMMU_COUNTS_H

#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"
#include "kcoh/smmu.h"

struct kcoh_smmu_counts {
	uint64_t events[256]; /* by id (kcoh/smmu.h) */
	uint64_t unread; /* written over in the queue before they could be read */
	uint64_t lost; /* at least so many were never written, since the queue was full */
};

static inline void kcoh_smmu_counts_add(struct kcoh_smmu_counts *counts,
					const struct kcoh_ev_smmu *ev)
{
	if (ev->kind == KCOH_SMMU_UNREAD)
		counts->unread += ev->count;
	else if (ev->kind == KCOH_SMMU_LOST)
		counts->lost += ev->count;
	else
		counts->events[kcoh_smmu_id(ev->raw)] += ev->count;
}

#define KCOH_SMMU_TEXT 24 /* bytes that hold any name */

/* "F_TRANSLATION", by the architecture (IHI 0070, 7.3), "IMPDEF_EVENT3" or "EVENT_2A"; cut if it does not fit. */
void kcoh_smmu_text(uint8_t id, char *out, size_t room);

#endif
