/* SPDX-License-Identifier: GPL-2.0-only */
/* measure.h - what kcoh-bench measures, and how it was told to. */
#ifndef KCOH_BENCH_MEASURE_H
#define KCOH_BENCH_MEASURE_H

#include "rig.h"

#define WORD_PAGES 64 /* KVM's dirty log goes by that */

struct options {
	const char *guest;
	const char *kind_name;
	uint64_t kind;
	uint64_t times;
	uint64_t pages;
	uint64_t warm_ups, warm_times;
	uint64_t rounds;
	bool epoch; /* the VM's RAM is being dirty logged */
	bool caches_off; /* the guest's, so that KVM itself traps its register writes */
	const char *strategy; /* of the module for our VM: observe or clean; NULL: it is not asked */
	bool stay; /* until the end of standard input, with the VM as it is */
};

/* Print one line of JSON for each thing measured; end the program if it cannot be. */
void measure_exits(const struct options *options);
void measure_harvests(const struct options *options);

#endif
