/* SPDX-License-Identifier: GPL-2.0-only */
/* cache.h - the host's worst cache: what is in it stays, however old, until the module says that it cleaned it. */
#ifndef KCOH_LAB_CACHE_H
#define KCOH_LAB_CACHE_H

#include <pthread.h>
#include <stdatomic.h>

#include "ram.h"

#define CACHE_LOCKS 64

struct cache {
	const struct ram *ram;
	bool coherent; /* every guest access goes through it: a read finds memory as it is */
	char *lines; /* what is cached of each page */
	uint64_t *filled_ns; /* CLOCK_MONOTONIC of each page's fill; 0: not cached */
	pthread_mutex_t locks[CACHE_LOCKS]; /* of the page with this remainder */
	atomic_ullong fills; /* before anybody asked for the page */
};

void cache_must_init(struct cache *cache, const struct ram *ram, bool coherent);
/*
 * The host reads a page into `to`. Two readers of one page take turns, so that the later one's bytes stay, and they are
 * never older than the earlier one's: a cache goes forward.
 */
void cache_read(struct cache *cache, uint32_t page, void *to);
/* Something made the CPU fetch the page. Nothing happens if it is there. */
void cache_prefetch(struct cache *cache, uint32_t page);
/* The page's cleaning was complete at ns. */
void cache_cleaned(struct cache *cache, uint32_t page, uint64_t ns);

#endif
