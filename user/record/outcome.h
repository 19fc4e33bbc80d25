/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * outcome.h - what a step of the core came to, as one number.
 *
 * kcohd writes it beside each record that it keeps, and `kcoh replay` compares: so a replay knows whether it went as it did then.
 */
#ifndef KCOH_RECORD_OUTCOME_H
#define KCOH_RECORD_OUTCOME_H

#include "core/core.h"

/* After kcoh_core_step() of `ev`, which gave these acts: a CRC-32 of them, and of the VM that the record is about. */
uint32_t kcoh_outcome(const struct kcoh_core *core, const struct kcoh_ev_hdr *ev,
		      const struct kcoh_act *acts, int n);

#endif
