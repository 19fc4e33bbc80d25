/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * phase.h - QEMU's words for what a migration is at, as phases.
 */
#ifndef KCOH_PHASE_H
#define KCOH_PHASE_H

#include <stdbool.h>

#include "kcoh/event.h"

/* `status` of query-migrate; NULL: none. A word that a later QEMU invents is a phase in which something goes on. */
enum kcoh_phase kcoh_phase_parse(const char *status);

/* Nothing goes on. */
bool kcoh_phase_is_over(enum kcoh_phase phase);

#endif
