/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * shrink.h - a shorter run that fails alike.
 */
#ifndef SIM_SHRINK_H
#define SIM_SHRINK_H

#include "world.h"

struct shrunk {
	uint32_t from; /* choices before */
};

/* Runs what is on the tape, or what the seed draws, in a fresh world. */
void run_again(struct world *world);

/* The world has just failed. Afterwards its tape is the shortest that was found, and it has been run. */
void shrink(struct world *world, struct shrunk *ret_shrunk);

#endif
