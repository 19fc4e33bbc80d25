/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evacuation.h - what is known of an evacuation: a migration that kcohd itself carries out, guarded by the VM's verdict.
 */
#ifndef KCOH_EVACUATION_H
#define KCOH_EVACUATION_H

#include <stdbool.h>
#include <stdint.h>

#include "act/migration.h"
#include "core/core.h"

struct kcoh_ident;

/*
 *   waiting ──► starting ──► migrating ──► paused ──► switching ──► completed
 *      │ ▲          │            │            │           │
 *      │ └─ again ──┴────────────┴─ cancelling◄───────────┘ (only if it hangs)
 *      ▼                             │
 *   refused                          └──► cancelled, failed
 */
enum kcoh_evacuation_state {
	KCOH_EVACUATION_WAITING = 0, /* for the verdict, or for another try */
	KCOH_EVACUATION_STARTING, /* QEMU is being talked to */
	KCOH_EVACUATION_MIGRATING, /* RAM is being copied, the guest runs */
	KCOH_EVACUATION_PAUSED, /* before the switchover: the verdict decides */
	KCOH_EVACUATION_SWITCHING, /* it was let go */
	KCOH_EVACUATION_CANCELLING,
	KCOH_EVACUATION_COMPLETED, /* from here on it is over: the guest has left */
	KCOH_EVACUATION_REFUSED, /* it was not begun */
	KCOH_EVACUATION_CANCELLED, /* the guest runs on here */
	KCOH_EVACUATION_FAILED, /* the sentence says where the guest is */
	KCOH_EVACUATION_STATES,
};

/* Why it did not complete. */
enum kcoh_evacuation_cause {
	KCOH_CAUSE_NONE = 0,
	KCOH_CAUSE_VERDICT, /* `reason` says which */
	KCOH_CAUSE_TIME, /* it took too long, or waited for too long */
	KCOH_CAUSE_ASKED, /* somebody cancelled it */
	KCOH_CAUSE_QEMU, /* QEMU refused, failed, or ended */
	KCOH_CAUSES,
};

struct kcoh_evacuation_view {
	uint32_t id; /* from 1 since kcohd's start */
	const struct kcoh_ident *ident;
	const char *destination; /* QEMU's URI */
	enum kcoh_evacuation_state state;
	enum kcoh_evacuation_cause cause;
	enum kcoh_reason reason; /* of the verdict that decided last */
	uint32_t attempt; /* migrations begun */
	uint64_t since_ns, state_since_ns, deadline_ns; /* CLOCK_MONOTONIC */
	uint64_t end_ns; /* 0: not over */
	uint64_t paused_ns; /* how long the guest stood before a switchover, all attempts */
	bool taken_over; /* a kcohd before this one began it */
	struct kcoh_migration_progress progress;
	const char *sentence; /* what is going on, or how it ended; "": nothing to say */
};

static inline bool kcoh_evacuation_is_over(enum kcoh_evacuation_state state)
{
	return state >= KCOH_EVACUATION_COMPLETED;
}

/* Never NULL. */
const char *kcoh_evacuation_state_name(uint32_t state);
const char *kcoh_evacuation_cause_name(uint32_t cause);

#endif
