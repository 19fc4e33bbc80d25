/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verdict_print.h - a verdict as kcohd gives it, as one line for people.
 */
#ifndef KCOH_VERDICT_PRINT_H
#define KCOH_VERDICT_PRINT_H

#include <jansson.h>

/* "web-1: veto: mmu-off: a vCPU runs …"; of an override who gave it, for how long, and why. */
void verdict_print(const json_t *verdict);

#endif
