// SPDX-License-Identifier: GPL-2.0-only
/*
 * cache.c - a cache that the emulator does not have, as bad as the architecture allows.
 *
 * The host may fetch a line of guest RAM into its cache at any time, through its cacheable mapping, without being
 * asked; and a line that is there may stay for ever. A guest that then writes around the cache changes memory and
 * not the line, and whoever reads guest RAM on the host gets the old bytes. So:
 *
 *   memory   the guest's RAM in the lab, where no real cache is between guest and host
 *   cache    a copy of each page taken when it was first read or prefetched. Reads are answered from it. It goes
 *            when the journal says that the page was cleaned and invalidated after that moment, and for no other reason
 *
 * Which guest accesses go around the cache? All of them, but for a guest that is declared fully cached. A cached write
 * would bring the line up to date, so leaving it out makes the cache staler than any hardware. KVM's own cleaning (when it
 * maps or unmaps a page) is left out too: a line that it cleaned may be fetched again the moment after. Nor is anything ever
 * evicted. With a rule that holds here it holds on hardware for any mix of accesses. The one thing not modelled is a
 * *dirty* line: the host only reads, and what becomes of a guest's own dirty lines when it turns its caches off is
 * that guest's business (it reaches memory before or at the cleaning, so the reader sees what memory ends up with).
 *
 * Time decides whether a cleaning took a copy with it: the journal's stamp is taken after the DSB, a fill's before its
 * first byte is read. A fill with a later stamp read memory after the cleaning, and stays.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "../vmm/say.h"
#include "cache.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

void cache_must_init(struct cache *cache, const struct ram *ram, bool coherent)
{
	size_t bytes = ram->pages * ram->page_bytes;
	unsigned int i;

	cache->ram = ram;
	cache->coherent = coherent;
	cache->lines = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	cache->filled_ns = calloc(ram->pages, sizeof(*cache->filled_ns));
	if (cache->lines == MAP_FAILED || !cache->filled_ns)
		die("no memory for a cache of %zu bytes", bytes);
	for (i = 0; i < CACHE_LOCKS; i++)
		pthread_mutex_init(&cache->locks[i], NULL);
}

static pthread_mutex_t *lock_of(struct cache *cache, uint32_t page)
{
	return &cache->locks[page % CACHE_LOCKS];
}

/* What is cached of the page, fetched if it is not there. The page's lock is held. */
static const char *line_get(struct cache *cache, uint32_t page)
{
	size_t bytes = cache->ram->page_bytes;
	char *line = cache->lines + page * bytes;

	if (!cache->filled_ns[page]) {
		cache->filled_ns[page] = now_ns();
		atomic_thread_fence(memory_order_seq_cst);
		memcpy(line, ram_memory(cache->ram, page), bytes);
	}
	return line;
}

void cache_read(struct cache *cache, uint32_t page, void *to)
{
	size_t bytes = cache->ram->page_bytes;

	pthread_mutex_lock(lock_of(cache, page));
	if (cache->coherent)
		memcpy(to, ram_memory(cache->ram, page), bytes);
	else
		memcpy(to, line_get(cache, page), bytes);
	pthread_mutex_unlock(lock_of(cache, page));
}

void cache_prefetch(struct cache *cache, uint32_t page)
{
	pthread_mutex_lock(lock_of(cache, page));
	if (!cache->filled_ns[page]) {
		line_get(cache, page);
		atomic_fetch_add(&cache->fills, 1);
	}
	pthread_mutex_unlock(lock_of(cache, page));
}

void cache_cleaned(struct cache *cache, uint32_t page, uint64_t ns)
{
	pthread_mutex_lock(lock_of(cache, page));
	if (cache->filled_ns[page] <= ns)
		cache->filled_ns[page] = 0;
	pthread_mutex_unlock(lock_of(cache, page));
}
