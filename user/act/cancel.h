/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cancel.h - one job: end the migration of one VM, by QMP, and tell how that went.
 */
#ifndef KCOH_CANCEL_H
#define KCOH_CANCEL_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "kcoh/event.h"

struct kcoh_cancel; /* opaque */

struct kcoh_cancel_config {
	sd_event *event;
	const char *path; /* of the VM's QMP socket */
	uint32_t pid; /* of the VM, 0: do not check */
	uint64_t command_ns; /* deadline of each command; 0: 5 s */
	uint64_t total_ns; /* of all tries together; 0: 30 s */
	/* QEMU told the phase. May be NULL. */
	void (*phase)(void *ctx, enum kcoh_phase phase);
	/*
	 * The end, once: 0 if the migration is over without having completed, else a negative errno
	 * (-EALREADY it had completed, -ENOENT there was none, -EBUSY it may not be cancelled any more, those of
	 * qmp.h); and one sentence either way. The job is still to be freed, also from here.
	 */
	void (*done)(void *ctx, int result, const char *sentence);
	void *ctx;
};

/* Callbacks come from the loop, never from inside of this call. -ENOMEM or another errno of the loop's. */
int kcoh_cancel_start(const struct kcoh_cancel_config *config, struct kcoh_cancel **ret_job);

/* Gives up if it is not over. NULL is allowed. */
void kcoh_cancel_free(struct kcoh_cancel *job);

#endif
