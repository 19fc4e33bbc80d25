// SPDX-License-Identifier: GPL-2.0-only
/*
 * speculate.c - random pages into the cache at random moments, in a thread of its own.
 *
 * It also reads the journal the moment something is in it, in the midst of a harvest too: a line may be fetched again as
 * soon as it was cleaned, and whether that was too soon is what the test is about.
 */
#include <time.h>

#include "../vmm/say.h"
#include "draw.h"
#include "speculate.h"

#define DEADLINE_S 30

static void warm_up(struct speculation *s)
{
	uint64_t share = draw_below(&s->random, 5);
	uint32_t page;

	for (page = 0; page < s->cache->ram->pages; page++)
		if (draw_below(&s->random, 4) < share)
			cache_prefetch(s->cache, page);
}

/* Returns true if there shall be no more. */
static bool pass_ended(struct speculation *s)
{
	bool stop;

	pthread_mutex_lock(&s->lock);
	s->passes++;
	stop = s->stop;
	pthread_cond_broadcast(&s->passed);
	pthread_mutex_unlock(&s->lock);
	return stop;
}

static void *speculate(void *arg)
{
	struct speculation *s = arg;
	uint64_t n;

	do {
		guard_poll(s->guard, draw_below(&s->random, 1000));
		guard_drain(s->guard);
		for (n = 1 + draw_below(&s->random, 31); n; n--)
			cache_prefetch(s->cache, draw_below(&s->random, s->cache->ram->pages));
	} while (!pass_ended(s));
	return NULL;
}

/* One pass may be half through, so the second from here is whole. */
void speculation_must_pass(struct speculation *s)
{
	struct timespec deadline;
	uint64_t goal;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&s->lock);
	goal = s->passes + 2;
	while (s->passes < goal)
		if (pthread_cond_timedwait(&s->passed, &s->lock, &deadline))
			die("nothing was prefetched in %d s", DEADLINE_S);
	pthread_mutex_unlock(&s->lock);
}

void speculation_must_start(struct speculation *s, struct cache *cache, struct guard *guard,
			    uint64_t seed)
{
	*s = (struct speculation){ .cache = cache, .guard = guard, .random = seed };
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->passed, NULL);
	warm_up(s);
	if (pthread_create(&s->thread, NULL, speculate, s))
		die("cannot start a thread");
	speculation_must_pass(s);
}

void speculation_end(struct speculation *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
}
