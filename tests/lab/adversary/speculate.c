// SPDX-License-Identifier: GPL-2.0-only
/*
 * speculate.c - random pages into the cache at random moments, in a thread of its own.
 *
 * It also reads the journal the moment something is in it, in the midst of a harvest too: a line may be fetched again as
 * soon as it was cleaned, and whether that was too soon is what the test is about.
 */
#include "../vmm/say.h"
#include "draw.h"
#include "speculate.h"

static void warm_up(struct speculation *s)
{
	uint64_t share = draw_below(&s->random, 5);
	uint32_t page;

	for (page = 0; page < s->cache->ram->pages; page++)
		if (draw_below(&s->random, 4) < share)
			cache_prefetch(s->cache, page);
}

static void *speculate(void *arg)
{
	struct speculation *s = arg;
	uint64_t n;

	while (!atomic_load(&s->stop)) {
		guard_drain(s->guard);
		for (n = draw_below(&s->random, 32); n; n--)
			cache_prefetch(s->cache, draw_below(&s->random, s->cache->ram->pages));
		guard_poll(s->guard, draw_below(&s->random, 1000));
	}
	return NULL;
}

void speculation_must_start(struct speculation *s, struct cache *cache, struct guard *guard,
			    uint64_t seed)
{
	*s = (struct speculation){ .cache = cache, .guard = guard, .random = seed };
	warm_up(s);
	if (pthread_create(&s->thread, NULL, speculate, s))
		die("cannot start a thread");
}

void speculation_end(struct speculation *s)
{
	atomic_store(&s->stop, true);
	pthread_join(s->thread, NULL);
}
