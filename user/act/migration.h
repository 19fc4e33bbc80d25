/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * migration.h - one job: a live migration of one VM by QMP, from its start, or from where a kcohd before this one left it, to its end.
 *
 * The job carries out; whoever owns it decides: when QEMU stands before the switchover (phase PRE_SWITCHOVER, the guest is paused) it
 * waits for kcoh_migration_continue() or kcoh_migration_cancel(), for ever. So the owner must have a deadline.
 */
#ifndef KCOH_MIGRATION_H
#define KCOH_MIGRATION_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "kcoh/event.h"

struct kcoh_migration; /* opaque */

enum kcoh_migration_end {
	KCOH_MIGRATION_COMPLETED = 0, /* the guest has left */
	KCOH_MIGRATION_CANCELLED = 1, /* it runs on here, as before */
	KCOH_MIGRATION_FAILED = 2, /* QEMU says so; the sentence says where the guest is */
	KCOH_MIGRATION_REFUSED = 3, /* none was begun */
	KCOH_MIGRATION_GONE = 4, /* QEMU has ended */
};

/* As QEMU told it last. */
struct kcoh_migration_progress {
	uint64_t total_bytes, remaining_bytes, sent_bytes;
	uint64_t total_ms, downtime_ms; /* 0: not known yet */
};

/* What must be known of a migration to take it over, and is told before it is begun. */
struct kcoh_migration_past {
	bool was_running; /* the guest ran when it began */
	bool had_pause; /* the capability pause-before-switchover was on before */
};

struct kcoh_migration_config {
	sd_event *event;
	const char *path; /* of the VM's QMP socket */
	uint32_t pid; /* of the VM, 0: do not check */
	const char *uri; /* where to; NULL: it was begun before, and is taken over */
	struct kcoh_migration_past past; /* if it is taken over */
	uint64_t command_ns; /* deadline of each command; 0: 5 s */
	uint64_t connect_ns; /* how long to try to connect before it is begun; 0: 10 s */
	/* It is about to be begun: 0, or a negative errno that prevents it. */
	int (*starting)(void *ctx, const struct kcoh_migration_past *past);
	/* QEMU told another phase, or progress. Not from inside of a call into the job. */
	void (*news)(void *ctx, enum kcoh_phase phase,
		     const struct kcoh_migration_progress *progress);
	/* The end, once, with one sentence. The job is still to be freed, also from here. */
	void (*over)(void *ctx, enum kcoh_migration_end end, const char *sentence);
	void *ctx;
};

/* Callbacks come from the loop, never from inside of this call. -ENOMEM or another errno of the loop's. */
int kcoh_migration_start(const struct kcoh_migration_config *config,
			 struct kcoh_migration **ret_job);

/* Lets it switch over, or ends it. Each is said until QEMU has taken it; a cancel comes before a continue that was not sent. */
void kcoh_migration_continue(struct kcoh_migration *job);
void kcoh_migration_cancel(struct kcoh_migration *job);

/* Lets go of it as it is. NULL is allowed. */
void kcoh_migration_free(struct kcoh_migration *job);

#endif
