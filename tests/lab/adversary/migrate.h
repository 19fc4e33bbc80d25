/* SPDX-License-Identifier: GPL-2.0-only */
/* migrate.h - pre-copy migration of a running VM into a buffer, by any of KVM's ways to log dirty pages. */
#ifndef KCOH_LAB_MIGRATE_H
#define KCOH_LAB_MIGRATE_H

#include "cache.h"
#include "guard.h"
#include "guest.h"
#include "ring.h"
#include "speculate.h"

enum mode {
	MODE_AUTO, /* GET protects what it returns */
	MODE_MANUAL, /* GET, and CLEAR protects a chunk just before it is sent */
	MODE_MANUAL_INIT, /* the same, and everything counts as dirty at first: what QEMU uses */
	MODE_RING,
	MODES
};

#define MAX_HARVESTERS 2

struct migration;

/* One thread's part: the pages that its own ioctls returned, and nobody else sends. */
struct harvester {
	struct migration *m;
	unsigned int index;
	uint64_t random;
	uint64_t *to_send[VM_MAX_SLOTS]; /* a bit a page */
	uint64_t *scratch;
	uint64_t harvests; /* ioctls that write-protected something or may have */
	uint64_t sent; /* pages */
};

struct migration {
	struct vm *vm;
	struct ram ram;
	struct cache cache;
	struct guard guard;
	struct guest guest;
	struct rings rings;
	struct speculation *speculation;
	enum mode mode;
	unsigned int harvesters;
	uint32_t chunk_pages; /* of a CLEAR, and of what is sent at a time */
	uint64_t random;
	bool await_taint; /* strategy clean-tainted: what this cache makes stale is tainted, not coherent */
	bool paused;
	bool last_without_clear; /* manual modes: what GET returns in the pause is sent as it is */
	char *destination;
	struct harvester harvester[MAX_HARVESTERS];
	uint64_t writes_at_start;
	uint64_t fills_at_start;
	uint64_t epochs;
};

/* vm runs already; seed decides chunks and moments. */
void migration_must_init(struct migration *m, struct vm *vm, enum mode mode,
			 unsigned int harvesters, uint64_t seed);
/* Logging starts, and every page is to be sent. */
void migration_start(struct migration *m);
/* Logging ends, what was sent is worth nothing. */
void migration_cancel(struct migration *m);
/* Every page of a slot is to be sent again. */
void migration_resend(struct migration *m, unsigned int slot_id);
/* Lets guests write for a while, harvesting what must be harvested for them to go on. */
void migration_wait(struct harvester *h, uint64_t bursts);
/* Harvests once, and sends. */
void migration_round(struct harvester *h);
/* Harvests once and sends nothing. */
void migration_sync(struct harvester *h);
/* Rounds of all harvesters at once, each in a thread of its own. */
void migration_rounds(struct migration *m, unsigned int rounds);
/* Pauses the guest and sends the rest. The destination is complete then. */
void migration_finish(struct migration *m);

#endif
