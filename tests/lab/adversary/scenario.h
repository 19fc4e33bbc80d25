/* SPDX-License-Identifier: GPL-2.0-only */
/* scenario.h - guests, and what befalls them while they are migrated. */
#ifndef KCOH_LAB_SCENARIO_H
#define KCOH_LAB_SCENARIO_H

#include "migrate.h"

#define LONG_BURST 16384 /* a millisecond or two */

enum backing { BACKING_SMALL, BACKING_THP, BACKING_HUGETLB };

struct scenario {
	const char *name;
	const char *what;
	unsigned int vcpus;
	uint64_t flavours[GUEST_MAX_VCPUS]; /* STORM_* */
	uint64_t long_burst; /* stores; 0: LONG_BURST */
	enum backing backing;
	bool coherent; /* the guest never goes around the cache */
	bool unseen; /* it does, and SCTLR_EL1 shows nothing of it: clean-tainted does not help (P7n) */
	unsigned int harvesters;
	/* From start to finish. Returns how often that happened which makes this scenario one. */
	uint64_t (*run)(struct migration *m);
};

extern const struct scenario scenarios[];
extern const unsigned int scenarios_n;

const struct scenario *scenario_find(const char *name);

#endif
