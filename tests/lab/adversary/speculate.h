/* SPDX-License-Identifier: GPL-2.0-only */
/* speculate.h - a CPU that fetches guest RAM whenever it likes. */
#ifndef KCOH_LAB_SPECULATE_H
#define KCOH_LAB_SPECULATE_H

#include "guard.h"

struct speculation {
	struct cache *cache;
	struct guard *guard;
	pthread_t thread;
	pthread_mutex_t lock; /* passes, stop */
	pthread_cond_t passed;
	uint64_t passes; /* each fetched a page at least */
	bool stop;
	uint64_t random;
};

/*
 * Some of RAM, from nothing to all of it, was cached when it returns, and a first pass has been made; more follow at
 * random moments.
 */
void speculation_must_start(struct speculation *s, struct cache *cache, struct guard *guard,
			    uint64_t seed);
/* Waits until a pass that began after the call has ended. However busy the machine, none is left out. */
void speculation_must_pass(struct speculation *s);
void speculation_end(struct speculation *s);

#endif
