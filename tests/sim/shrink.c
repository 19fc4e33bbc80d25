// SPDX-License-Identifier: GPL-2.0-only
/*
 * shrink.c - makes a failing run shorter: fewer choices, and duller ones.
 *
 * A run is the list of its choices (tape.h). Parts of the list are cut out, from halves down to single ones, and what is left is
 * replaced by zeros; whatever still ends in the same violation is kept. Cutting shifts the meaning of what follows, and
 * mostly gives another run altogether: that is fine, the oracle judges that one, too. An example: seed 4711, 9120 choices,
 * becomes 96 after some 3000 runs, a tenth of a second.
 */
#include <string.h>

#include "shrink.h"

#define MAX_RUNS 20000

void run_again(struct world *world)
{
	struct world fresh = { .tape = world->tape,
			       .driver = world->driver,
			       .oracle = world->oracle,
			       .early = world->early,
			       .verbose = world->verbose };

	*world = fresh;
	world_run(world);
}

/* What a run must end in to be kept. */
struct failure {
	const char *violation;
	uint32_t reason;
};

static bool fails_alike(struct world *world, const struct failure *failure)
{
	tape_rewind(world->tape);
	run_again(world);
	return world->violation && !strcmp(world->violation, failure->violation) &&
	       world->violation_reason == failure->reason;
}

/* Keeps the change that was made to the tape, or takes it back. */
static bool keep(struct world *world, struct tape *best, const struct failure *failure)
{
	if (fails_alike(world, failure)) {
		if (world->tape->at < world->tape->len)
			world->tape->len = world->tape->at; /* the rest was not read */
		*best = *world->tape;
		return true;
	}
	*world->tape = *best;
	return false;
}

static void cut(struct tape *tape, uint32_t at, uint32_t n)
{
	memmove(&tape->words[at], &tape->words[at + n],
		(tape->len - at - n) * sizeof(tape->words[0]));
	tape->len -= n;
}

static bool zero(struct tape *tape, uint32_t at, uint32_t n)
{
	bool changed = false;

	for (uint32_t i = at; i < at + n; i++) {
		changed |= tape->words[i] != 0;
		tape->words[i] = 0;
	}
	return changed;
}

/* One pass over the tape with pieces of n. True if something was gained. */
static bool pass(struct world *world, struct tape *best, const struct failure *failure, uint32_t n,
		 uint32_t *runs)
{
	bool gained = false;

	for (uint32_t at = best->len; at-- && *runs;) {
		if (at % n || at + n > best->len)
			continue;
		--*runs;
		cut(world->tape, at, n);
		if (keep(world, best, failure)) {
			gained = true;
			continue;
		}
		if (!zero(world->tape, at, n))
			continue;
		gained |= keep(world, best, failure);
	}
	return gained;
}

void shrink(struct world *world, struct shrunk *ret_shrunk)
{
	static struct tape best;
	const struct failure found = { world->violation, world->violation_reason };
	const struct failure *failure = &found;
	uint32_t runs = MAX_RUNS;
	bool verbose = world->verbose, gained;

	world->verbose = false;
	ret_shrunk->from = world->tape->len;
	best = *world->tape;
	if (fails_alike(world, failure)) {
		do {
			gained = false;
			for (uint32_t n = best.len / 2 ? best.len / 2 : 1; n; n /= 2)
				gained |= pass(world, &best, failure, n, &runs);
		} while (gained && runs);
	}
	*world->tape = best;
	fails_alike(world, failure);
	world->verbose = verbose;
}
