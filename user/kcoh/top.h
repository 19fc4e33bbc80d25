/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * top.h - kcoh top: what its two forms, on a screen and printed once, share.
 */
#ifndef KCOH_TOP_H
#define KCOH_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "kcoh/client.h"
#include "rates/rates.h"

struct top {
	struct common_options common;
	double interval_s;
	enum kcoh_rate sort;
	bool latency;
	bool classes; /* rows are exception classes, not VMs */
	bool once;
	bool json;
	json_t *before, *now; /* answers of kcohd */
	uint64_t before_ns, now_ns; /* CLOCK_MONOTONIC, when they came */
	struct kcoh_rates *rates; /* of what is shown; NULL before the second answer */
};

/* Asks kcohd. STATUS_OK, or another status, and a sentence was said. */
int top_sample(struct top *top);

/* Rows anew, after a sample or when something else is to be shown. STATUS_OK or STATUS_ERROR. */
int top_rates(struct top *top);

/* On the screen, until `q` or Ctrl-C. Returns the exit status. */
int top_screen(struct top *top);

/* A number for a column of six: "0", "812", "12.3k", "1.2M". */
void top_number(char *cell, size_t len, double value);
/* A time: "-", "1.0us", "16us", "1.2ms", "4.3s". */
void top_time(char *cell, size_t len, uint64_t ns);

#endif
