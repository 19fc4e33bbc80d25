/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * draw.h - random numbers from a seed (splitmix64): the same seed makes the same choices. What it cannot fix is how
 * the threads of guest, harvesters and speculation interleave: a failing seed may need a few runs.
 */
#ifndef KCOH_LAB_DRAW_H
#define KCOH_LAB_DRAW_H

#include <stdint.h>

static inline uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static inline uint64_t draw_below(uint64_t *state, uint64_t n)
{
	return draw(state) % n;
}

/* A stream of its own for each purpose. */
static inline uint64_t draw_stream(uint64_t seed, uint64_t purpose)
{
	uint64_t state = seed * 0x100000001b3ull + purpose;

	return draw(&state);
}

#endif
