/* SPDX-License-Identifier: GPL-2.0-only */
/* speculate.h - a CPU that fetches guest RAM whenever it likes. */
#ifndef KCOH_LAB_SPECULATE_H
#define KCOH_LAB_SPECULATE_H

#include "guard.h"

struct speculation {
	struct cache *cache;
	struct guard *guard;
	pthread_t thread;
	atomic_bool stop;
	uint64_t random;
};

/* Some of RAM, from nothing to all of it, is cached when it returns; more follows at random moments. */
void speculation_must_start(struct speculation *s, struct cache *cache, struct guard *guard,
			    uint64_t seed);
void speculation_end(struct speculation *s);

#endif
