/* SPDX-License-Identifier: GPL-2.0-only */
/* guard.h - the module, as this test sees it: a strategy for its VM, and the journal of what was cleaned. */
#ifndef KCOH_LAB_GUARD_H
#define KCOH_LAB_GUARD_H

#include "cache.h"
#include "kcoh/event.h"
#include "kcoh/ioctl.h"

struct guard {
	int fd; /* the VM's file, or -1: without the module */
	struct cache *cache;
	pthread_mutex_t lock; /* reading entries and acting on them is one act */
	uint64_t random;
	uint64_t entries;
	uint64_t pages;
};

/* strategy: KCOH_STRATEGY_OBSERVE, _CLEAN or _CLEAN_TAINTED. Returns false if this host needs no cleaning (S2FWB). */
bool guard_must_open(struct guard *guard, struct cache *cache, uint32_t strategy, uint64_t seed);
/* Without the module: nothing is ever cleaned. */
void guard_without(struct guard *guard);
/* Tells the cache what was cleaned since the last time. */
void guard_drain(struct guard *guard);
/* Waits until there is something to drain, at most `us` microseconds. */
void guard_poll(const struct guard *guard, uint64_t us);
/* Waits until the module has seen a window in this epoch. */
void guard_must_await_taint(const struct guard *guard);
void guard_must_status(const struct guard *guard, struct kcoh_vm_status *ret_status);

#endif
