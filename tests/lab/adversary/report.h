/* SPDX-License-Identifier: GPL-2.0-only */
/* report.h - was it the same, and was it a test at all. */
#ifndef KCOH_LAB_REPORT_H
#define KCOH_LAB_REPORT_H

#include "scenario.h"

enum strategy { WITHOUT, OBSERVE, CLEAN, CLEAN_TAINTED };

struct run {
	const struct scenario *scenario;
	enum mode mode;
	enum strategy strategy;
	const char *mode_name;
	const char *strategy_name;
	uint64_t seed;
	uint64_t happened; /* what scenario->run returned */
};

/* Compares, prints one line of JSON and one for people, and returns the exit status. */
int report(const struct run *run, struct migration *m);

#endif
