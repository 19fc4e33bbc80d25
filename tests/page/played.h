/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * played.h - a host from a recording of kcohd (docs/recorder.md), in place of a made-up one: its records in their order and at their
 * distances, given to a relay as kcohd gives them.
 *
 * The recording must begin with the kcohd that wrote it: images of a core are passed over, so that any build can play it. What is in no
 * record (exits, counters of the module, hooks) is not there.
 */
#ifndef KCOH_TESTS_PAGE_PLAYED_H
#define KCOH_TESTS_PAGE_PLAYED_H

#include "relay/relay.h"

struct played; /* opaque */

/*
 * Opens a recording, whose last record will be at `end_ns` (CLOCK_MONOTONIC). 0, or a negative errno; `err` then holds one
 * sentence.
 */
int played_open(const char *path, uint64_t end_ns, struct played **ret_played, char *err,
		size_t err_len);
void played_close(struct played *played);

/* What a VM is called, and its policy, for the relay, before and while it is played. */
struct kcoh_ident *played_identify(const struct played *played, const struct kcoh_ev_vm_new *ev);
void played_policy(const struct played *played, const struct kcoh_ident *ident,
		   struct kcoh_ev_policy *ret_ev);

/* When its first record is, as played. */
uint64_t played_begin_ns(const struct played *played);

/* Gives the relay all records up to now_ns, and after the last one ticks. */
void played_run(struct played *played, struct kcoh_relay *relay, struct kcoh_roster *roster,
		uint64_t now_ns);

/* What the host said of itself last: KCOH_HOST_*. */
uint32_t played_features(const struct played *played);

#endif
