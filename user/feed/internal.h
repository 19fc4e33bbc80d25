/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - private to user/feed: what a feed is.
 */
#ifndef KCOH_FEED_INTERNAL_H
#define KCOH_FEED_INTERNAL_H

#include <stdbool.h>

#include "../../bpf/maps.h"
#include "exits.h"
#include "feed.h"
#include "hooks.h"
#include "smmu.h"
#include "unmap.h"

struct kcoh_feed {
	struct kcoh_feed_config config;
	struct bpf_object *obj;
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
	uint64_t misses_ns; /* when they were last looked up */
	int refuse_err; /* why no stream can be refused here; 0: it was tried, and can */
	const char *refuse_why; /* in words */
	bool refuse_wanted;
	bool mapping_attached;
	uint64_t mapping_ns; /* when it was last looked whether they should be */
	int consumed; /* records of a ring in the current kcoh_feed_consume() */
};

/*
 * refuse.c. Before load: is the program loaded? After it: attaches it, has a send of our own refused, and detaches it; what came of
 * it stands in feed->refuse_err.
 */
struct btf;
void kcoh_feed_refuse_choose(struct kcoh_feed *feed, const struct btf *vmlinux, int trampoline_err);
void kcoh_feed_refuse_try(struct kcoh_feed *feed);

/* Whether VFIO or iommufd is there: only then userspace maps memory for devices. */
bool kcoh_feed_maps_devices(void);
/* Attaches the hooks of kind KCOH_HOOK_MAPPING when there is something to see; cheap, for a timer. */
void kcoh_feed_mapping_poll(struct kcoh_feed *feed, uint64_t now_ns);

#endif
