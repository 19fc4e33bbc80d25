/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * histograms.h - how long windows and harvests of this host were, and how many pages a harvest took: for /metrics.
 *
 * Of the host and not of each VM. A VM's last window often ends with the VM, whose own series are gone then; and a window
 * class, a harvest or a VM more costs no series: 15 bounds for each class are all that there ever is.
 *
 * Example: windows of 0.4 ms, 2 s and 2 s, of class mmu-off. In /metrics each bucket counts those before it, too:
 *
 *   kcoh_window_duration_seconds_bucket{class="mmu-off",le="0.0003"} 0
 *   kcoh_window_duration_seconds_bucket{class="mmu-off",le="0.001"} 1
 *   kcoh_window_duration_seconds_bucket{class="mmu-off",le="3.0"} 3
 *   kcoh_window_duration_seconds_sum{class="mmu-off"} 4.000400000
 */
#ifndef KCOH_HISTOGRAMS_H
#define KCOH_HISTOGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/core.h"

#define KCOH_BOUNDS_MAX 16

/* Upper ends of buckets, themselves in. */
struct kcoh_bounds {
	bool ns; /* nanoseconds; else just a number */
	uint32_t n;
	uint64_t at[KCOH_BOUNDS_MAX]; /* ascending */
};

struct kcoh_histogram {
	const struct kcoh_bounds *bounds;
	uint64_t counts[KCOH_BOUNDS_MAX +
			1]; /* of each bucket alone; the last one is beyond all bounds */
	uint64_t sum;
};

/* One value more. */
void kcoh_histogram_add(struct kcoh_histogram *histogram, uint64_t value);

struct kcoh_histograms {
	struct kcoh_histogram windows[KCOH_WINDOW_CLASSES]; /* ns; each when it closes */
	struct kcoh_histogram harvest_time; /* ns, the ioctl's, of those that took pages */
	struct kcoh_histogram harvest_pages; /* pages */
	struct kcoh_histogram cleaning_time; /* ns, which the module spends after each of them */
};

/* All empty. */
struct kcoh_histograms kcoh_histograms_new(void);

#endif
