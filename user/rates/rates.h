/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rates.h - from two answers of GET /v1/vms to exits a second, and how long they took.
 */
#ifndef KCOH_RATES_H
#define KCOH_RATES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What exits are summed up as; the columns of kcoh top. */
enum kcoh_rate {
	KCOH_RATE_ALL,
	KCOH_RATE_WFX,
	KCOH_RATE_HVC, /* SMC, too */
	KCOH_RATE_SYSREG,
	KCOH_RATE_FAULT, /* aborts but for MMIO */
	KCOH_RATE_MMIO,
	KCOH_RATE_IRQ,
	KCOH_RATE_OTHER,
	KCOH_RATES,
};

#define KCOH_RATE_NAME_BYTES 64

struct kcoh_rate_row {
	uint32_t id; /* of the VM; 0: a class */
	char name[KCOH_RATE_NAME_BYTES]; /* of the VM or the class */
	bool counted; /* false: its exits are not counted apart */
	double per_s[KCOH_RATES];
	/* Upper ends of the buckets that hold these quantiles, in ns; 0: nothing was timed. */
	uint64_t inside_p50_ns;
	uint64_t outside_p50_ns, outside_p99_ns; /* WFx left out: sleeping is no cost */
};

struct kcoh_rates {
	size_t count;
	struct kcoh_rate_row rows[];
};

/*
 * A row for each VM of `now`, of what it did since `before` (an answer `seconds` older; a VM that is not in it began at 0).
 * NULL without memory. To be freed.
 */
struct kcoh_rates *kcoh_rates_vms(const json_t *before, const json_t *now, double seconds);

/* The same by exception class, over all VMs; only per_s[KCOH_RATE_ALL] is filled. */
struct kcoh_rates *kcoh_rates_classes(const json_t *before, const json_t *now, double seconds);

/* "exits/s", "wfx/s" …; never NULL. */
const char *kcoh_rate_name(enum kcoh_rate rate);

/* Sorts by a rate, the largest first; equal ones by name. */
void kcoh_rates_sort(struct kcoh_rates *rates, enum kcoh_rate by);

#endif
