/* SPDX-License-Identifier: GPL-2.0-only */
/* step.h - the steps that a script for kcoh-vmm is made of; step.c has their table. */
#ifndef KCOH_LAB_STEP_H
#define KCOH_LAB_STEP_H

#include "bell.h"

struct machine {
	struct vm vm;
	struct bell bell;
	unsigned int deadline_ms; /* of a step */
};

/* Runs one step, e.g. "toggle:0:2", and prints its line. Returns 0 or a negative errno. */
int step_run(struct machine *machine, const char *text);
void step_help(void);

#endif
