/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * replay.h - a recording through the core again: windows, verdicts and acts, as lines.
 *
 *       12.500000 web-1 window mmu-off opens
 *       12.500000 web-1 veto/mmu-off (allow/cleaning before)
 *       12.500000 web-1 act cancel (mmu-off)
 *
 * Times are CLOCK_MONOTONIC of the host that was recorded, in seconds.
 */
#ifndef KCOH_RECORD_REPLAY_H
#define KCOH_RECORD_REPLAY_H

#include <stdio.h>

#include "config/config.h"
#include "record/file.h"

/* What became of it. */
struct kcoh_replay_result {
	uint64_t events, windows, verdicts, acts; /* that were told */
	uint64_t first_ns, last_ns; /* of the events */
	uint64_t differs; /* events whose outcome was another one than then */
	uint64_t differs_first; /* the first of them, counted from 1; 0: none */
	bool without_state; /* the image is of another build: what came before is not known */
	bool damaged; /* kcoh_recording_damage() */
};

/*
 * Plays `recording` from its beginning, and writes lines to `out` (NULL: none). With `config` each VM gets the policy that it has by
 * that configuration in place of the recorded one; outcomes are not compared then. 0, -ENOMEM, or -EINVAL if the bounds in
 * the header make no sense.
 */
int kcoh_replay(struct kcoh_recording *recording, const struct kcoh_config *config, FILE *out,
		struct kcoh_replay_result *ret_result);

#endif
