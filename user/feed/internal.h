/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - private to user/feed: what a feed is.
 */
#ifndef KCOH_FEED_INTERNAL_H
#define KCOH_FEED_INTERNAL_H

#include "../../bpf/maps.h"
#include "exits.h"
#include "feed.h"
#include "hooks.h"
#include "smmu.h"
#include "unmap.h"

/* The first one makes the maps that all share. */
enum kcoh_object {
	KCOH_OBJECT_VCPU,
	KCOH_OBJECT_EXIT,
	KCOH_OBJECT_MEMSLOT,
	KCOH_OBJECT_HARVEST,
	KCOH_OBJECT_MODULE,
	KCOH_OBJECT_VMLIST,
	KCOH_OBJECT_SMMU,
	KCOH_OBJECT_RESET,
	KCOH_OBJECT_MAPPING,
	KCOH_OBJECTS,
};

struct kcoh_feed {
	struct kcoh_feed_config config;
	struct bpf_object *objs[KCOH_OBJECTS];
	struct kcoh_hook_state hooks[KCOH_HOOKS_MAX];
	struct ring_buffer *ring;
	struct ring_buffer *exit_ring;
	struct kcoh_feed_smmu *smmu;
	struct kcoh_feed_unmap *unmap;
	struct kcoh_shared *shared; /* mapped */
	struct kcoh_exit_table exits; /* mapped */
	int cpus;
	uint32_t attachments; /* of the module's hooks, ever */
	uint64_t misses; /* recursion_misses reported so far */
	int consumed; /* records of a ring in the current kcoh_feed_consume() */
};

#endif
