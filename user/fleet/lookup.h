/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * lookup.h - asks the fleet's store: what does the host that runs this VM say of it?
 *
 * A server that does not answer costs a third of the deadline, then the next one is asked; after three tries it is over. What is read
 * is what the cluster agreed upon: a member that lost the others does not answer, and an old verdict is never taken for a new one.
 */
#ifndef KCOH_FLEET_LOOKUP_H
#define KCOH_FLEET_LOOKUP_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "fleet/http.h"

/* What was found: new references that the callback may keep. */
struct kcoh_found {
	json_t *records; /* array, of VMs or of hosts (record.h), by key; never NULL */
	json_t *refused; /* array of sentences about records that cannot be read; never NULL */
};

/* 0 and what was found; or a negative errno as kcoh_http_done_fn has them, one sentence, and `found` NULL. */
typedef void (*kcoh_lookup_done_fn)(void *ctx, int error, const struct kcoh_found *found,
				    const char *sentence);

struct kcoh_lookup; /* opaque: one look-up */

/*
 * Starts one over a client whose configuration is `fleet`: the records of the VM with that UUID, or of that name, one a host that has it; of
 * all VMs of a host; of all hosts. `deadline_ms` is that of all of it. 0, or a negative errno (-ENAMETOOLONG: no record has such a
 * name) and then `done` is not called.
 */
int kcoh_lookup_vm(struct kcoh_http *http, sd_event *event, const struct kcoh_fleet_config *fleet,
		   const char *uuid, uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx,
		   struct kcoh_lookup **ret_lookup);
int kcoh_lookup_name(struct kcoh_http *http, sd_event *event, const struct kcoh_fleet_config *fleet,
		     const char *name, uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx,
		     struct kcoh_lookup **ret_lookup);
int kcoh_lookup_host(struct kcoh_http *http, sd_event *event, const struct kcoh_fleet_config *fleet,
		     const char *host, uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx,
		     struct kcoh_lookup **ret_lookup);
int kcoh_lookup_hosts(struct kcoh_http *http, sd_event *event,
		      const struct kcoh_fleet_config *fleet, uint32_t deadline_ms,
		      kcoh_lookup_done_fn done, void *ctx, struct kcoh_lookup **ret_lookup);

/* After its end, or to give it up: then no callback follows. May be called from `done`. NULL is allowed. */
void kcoh_lookup_free(struct kcoh_lookup *lookup);

#endif
