/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * relay.h - the way of each record: into the log, into the core, and what the core makes of it out again.
 *
 * The core tells its state when asked, and acts; it tells no news. The relay compares what it shows of a VM before and
 * after each record, and writes the difference to the log: a window opened, a verdict changed, an epoch began.
 */
#ifndef KCOH_RELAY_H
#define KCOH_RELAY_H

#include "core/core.h"
#include "names/roster.h"
#include "relay/histograms.h"
#include "relay/smmu_counts.h"
#include "serve/log.h"

struct kcoh_relay_config {
	struct kcoh_core *core;
	struct kcoh_roster *roster;
	struct kcoh_log *log;
	/* Who a new VM is: a new reference, or NULL without memory. */
	struct kcoh_ident *(*identify)(void *ctx, const struct kcoh_ev_vm_new *ev);
	/* Its policy: fills all but the header. */
	void (*policy)(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev);
	/* An operator's override of a VM that was just met: fills all but the header. False: there is none. May be NULL. */
	bool (*override)(void *ctx, const struct kcoh_ident *ident,
			 struct kcoh_ev_override *ret_ev);
	/* An act of the core's. It may not push records before it returns. */
	void (*act)(void *ctx, const struct kcoh_act *act);
	/* The core took a record, with these acts. Not told of what it refused. May be NULL. */
	void (*took)(void *ctx, const union kcoh_ev *ev, const struct kcoh_act *acts, int n);
	/* A VM is gone; its identity is valid until this returns. */
	void (*gone)(void *ctx, const struct kcoh_ident *ident);
	void *ctx;
};

struct kcoh_relay; /* opaque */

int kcoh_relay_new(const struct kcoh_relay_config *config, struct kcoh_relay **ret_relay);
void kcoh_relay_free(struct kcoh_relay *relay);

/* One record, from the feed or made by the daemon. 0, or -EINVAL if it is malformed: that counts as a loss. */
int kcoh_relay_push(struct kcoh_relay *relay, const struct kcoh_ev_hdr *ev, size_t len);

/* The configuration changed: gives the core the policy of each VM that has another one now. How many that were. */
size_t kcoh_relay_policies(struct kcoh_relay *relay, uint64_t ts_ns);

/* Time has passed: a TICK of that time, which also tells the core of records that were none. */
void kcoh_relay_tick(struct kcoh_relay *relay, uint64_t ts_ns);

/* Events of SMMUs so far, of all devices. Valid as long as the relay. */
const struct kcoh_smmu_counts *kcoh_relay_smmu(const struct kcoh_relay *relay);

/* Windows and harvests so far, of VMs that are gone too. Valid as long as the relay. */
const struct kcoh_histograms *kcoh_relay_histograms(const struct kcoh_relay *relay);

/* Records that were no records. */
uint64_t kcoh_relay_malformed(const struct kcoh_relay *relay);

#endif
