/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tape.h - every choice of a run, in order: drawn from a seed, or read from a tape that an earlier run wrote.
 *
 * A run asks for a choice by draw(tape, n) and gets 0 to n-1; nothing else in it is random. So the list of what was drawn is
 * the run, and a shorter list with smaller numbers is a simpler run: that is how a failing seed is shrunk (shrink.c).
 * Everything is written so that 0 is the dull choice: no fault, one VM, the guest writes. An example, the first words of a
 * tape: 0 (no S2FWB), 2 (module loaded, cleaning), 0 (one VM), 1 (two vCPUs), …
 *
 * A tape that is read to its end gives zeros from there on and says so; the run then ends at its next step.
 */
#ifndef SIM_TAPE_H
#define SIM_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_WORDS 65536

struct tape {
	uint64_t state;
	uint32_t len; /* words written, or to be read */
	uint32_t at;
	bool reads;
	bool ended;
	uint32_t words[TAPE_WORDS];
};

static inline void tape_from_seed(struct tape *tape, uint64_t seed)
{
	tape->state = seed * 0x9e3779b97f4a7c15ull + 0x1234567;
	tape->len = 0;
	tape->at = 0;
	tape->reads = false;
	tape->ended = false;
}

static inline void tape_rewind(struct tape *tape)
{
	tape->at = 0;
	tape->reads = true;
	tape->ended = false;
}

/* splitmix64 */
static inline uint32_t tape_random(struct tape *tape)
{
	uint64_t z = tape->state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return (uint32_t)((z ^ (z >> 31)) >> 32);
}

static inline uint32_t draw(struct tape *tape, uint32_t n)
{
	uint32_t word;

	if (tape->reads) {
		tape->ended |= tape->at >= tape->len;
		return tape->ended ? 0 : tape->words[tape->at++] % n;
	}
	word = tape_random(tape) % n;
	if (tape->len < TAPE_WORDS)
		tape->words[tape->len++] = word;
	else
		tape->ended = true;
	return word;
}

/* True once in n; never for n = 0. */
static inline bool chance(struct tape *tape, uint32_t n)
{
	return n && draw(tape, n) == n - 1;
}

#endif
