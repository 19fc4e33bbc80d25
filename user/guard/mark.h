/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mark.h - a file for each migration that kcohd has begun, for the kcohd after it.
 *
 * Without it a kcohd that was killed would leave a guest paused before its switchover, and the next one could not tell that migration
 * from one of libvirt's, which is none of its business.
 */
#ifndef KCOH_MARK_H
#define KCOH_MARK_H

#include <stdint.h>

#include "act/migration.h"

struct kcoh_mark {
	uint32_t pid; /* of the VM */
	uint64_t start_time; /* of that process, in ticks since boot */
	char *name; /* of the VM */
	char *qmp; /* path of its socket */
	char *destination;
	uint64_t deadline_ns; /* of all, CLOCK_MONOTONIC, which goes on from one kcohd to the next */
	uint64_t pause_ns; /* how long the guest may stand for a verdict */
	struct kcoh_migration_past past;
};

/* Writes DIR/PID.json, whole or not at all. 0 or a negative errno. */
int kcoh_mark_write(const char *dir, const struct kcoh_mark *mark);
void kcoh_mark_remove(const char *dir, uint32_t pid);

/* Calls fn with each mark, which it takes over; a file that makes no sense is removed. 0 or a negative errno. */
int kcoh_marks_read(const char *dir, void (*fn)(void *ctx, struct kcoh_mark *mark), void *ctx);
void kcoh_mark_free(struct kcoh_mark *mark); /* NULL is allowed */

/* Does that process still run? */
bool kcoh_mark_lives(const struct kcoh_mark *mark);

#endif
