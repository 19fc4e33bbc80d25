/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * publish.h - keeps what the fleet's store says of this host equal to what this host says.
 *
 * All that a host publishes hangs on one lease that it keeps alive; when the host dies, the store forgets it lease_s later. Only what changed
 * is written. Of a VM that changes faster than the store takes it, the last state is written and those between are not: so what waits
 * is one change a VM at most, however long the store is away. A verdict that became stricter goes at once; a milder one not
 * sooner than 1 s after the last write about that VM, so that a guest that toggles in a loop costs 2 writes a second and reads as vetoed.
 *
 *   t = 0     web-1 turns its MMU off: veto            written 20 ms later, with all else that changed meanwhile
 *   t = 0.1   … and on again: allow                    written at t = 1
 *   t = 5     the store hangs                          tried again after 0.5 s, 1 s, 2 s, … lease_s / 3 (10 s at most), each time
 *                                                      25 % to 50 % of that earlier, so that 200 hosts do not come at once
 *   t = 60    it is back; the lease has died           a new lease, and everything is written once
 */
#ifndef KCOH_FLEET_PUBLISH_H
#define KCOH_FLEET_PUBLISH_H

#include <systemd/sd-event.h>

#include "config/config.h"
#include "fleet/record.h"

struct kcoh_publish; /* opaque */

struct kcoh_publish_config {
	sd_event *event;
	const struct kcoh_fleet_config *fleet; /* must live as long */
	uint32_t max_vms; /* how many VMs of one time are published at most */
	/* The store can no longer be written, or again: a syslog priority and one sentence. May be NULL. */
	void (*say)(void *ctx, int priority, const char *sentence);
	/* The store has confirmed the present state of that VM, which changed `ns` ago, by its UUID. May be NULL. */
	void (*confirmed)(void *ctx, const char *uuid, uint64_t ns);
	void *ctx;
};

struct kcoh_publish_stats {
	bool up; /* the store took all that was to be written last */
	const char *endpoint; /* the server that is asked */
	const char *error; /* why it is not up; "": it has not been tried yet */
	int64_t lease; /* 0: none */
	uint32_t vms; /* published or to be */
	uint32_t without_uuid; /* VMs that can be looked up by name only */
	uint32_t pending; /* VMs whose change is not confirmed yet */
	uint64_t lag_ns; /* how long the oldest of these waits */
	uint64_t writes; /* transactions that were confirmed */
	uint64_t records; /* … in these: two a VM's state, by UUID and by name */
	uint64_t merged; /* changes that a later one overtook before they were written */
	uint64_t failures; /* requests that failed */
	uint64_t resyncs; /* times that everything was written anew */
	uint64_t refused; /* VMs beyond max_vms */
};

int kcoh_publish_new(const struct kcoh_publish_config *config, struct kcoh_publish **ret_publish);

/* What is published stays until the lease has run out. NULL is allowed. */
void kcoh_publish_free(struct kcoh_publish *publish);

/* Tells all VMs that there are: begin, one call for each, end. Those not told between are gone. */
void kcoh_publish_begin(struct kcoh_publish *publish);
/* 0, or -ENOMEM, or -ENOSPC. Of several with the same UUID, or of the same name, the strictest verdict counts. */
int kcoh_publish_vm(struct kcoh_publish *publish, const struct kcoh_fleet_vm *vm);
void kcoh_publish_end(struct kcoh_publish *publish);

/* The wall clock was set: the times in all records are to be told anew. */
void kcoh_publish_clock_set(struct kcoh_publish *publish);

/* Pointers are valid until the loop runs. */
void kcoh_publish_stats(const struct kcoh_publish *publish, struct kcoh_publish_stats *ret_stats);

#endif
