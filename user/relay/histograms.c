// SPDX-License-Identifier: GPL-2.0-only
/*
 * histograms.c - the bounds of buckets. See histograms.h.
 *
 * About three buckets for two powers of ten: a quantile that Prometheus reads from them is wrong by a factor of 1.7 at
 * most, and a window of a vCPU's bring-up (tens of microseconds) stands as clear of a reboot's (seconds) as of a guest that never
 * turns its MMU on (minutes, and longer).
 */
#include "relay/histograms.h"

#define US 1000ull
#define MS 1000000ull
#define S 1000000000ull

static const struct kcoh_bounds window_bounds = {
	.ns = true,
	.n = 15,
	.at = { 10 * US, 100 * US, 300 * US, 1 * MS, 3 * MS, 10 * MS, 30 * MS, 100 * MS, 300 * MS,
		1 * S, 3 * S, 10 * S, 30 * S, 100 * S, 1000 * S },
};

static const struct kcoh_bounds harvest_bounds = {
	.ns = true,
	.n = 12,
	.at = { 10 * US, 30 * US, 100 * US, 300 * US, 1 * MS, 3 * MS, 10 * MS, 30 * MS, 100 * MS,
		300 * MS, 1 * S, 3 * S },
};

/* Up to 1 GiB of 4 KiB pages, which is what QEMU takes at a time. */
static const struct kcoh_bounds page_bounds = {
	.n = 10,
	.at = { 1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144 },
};

void kcoh_histogram_add(struct kcoh_histogram *histogram, uint64_t value)
{
	uint32_t i = 0;

	while (i < histogram->bounds->n && value > histogram->bounds->at[i])
		i++;
	histogram->counts[i]++;
	histogram->sum += value;
}

struct kcoh_histograms kcoh_histograms_new(void)
{
	struct kcoh_histograms histograms = { .harvest_time = { .bounds = &harvest_bounds },
					      .harvest_pages = { .bounds = &page_bounds },
					      .cleaning_time = { .bounds = &harvest_bounds } };

	for (int i = 0; i < KCOH_WINDOW_CLASSES; i++)
		histograms.windows[i].bounds = &window_bounds;
	return histograms;
}
