/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * unmap.h - private to user/feed: what followed when a VM's stage 2 was unmapped.
 */
#ifndef KCOH_FEED_UNMAP_H
#define KCOH_FEED_UNMAP_H

#include <bpf/libbpf.h>

#include "feed.h"

struct kcoh_feed_unmap; /* opaque */

/* The object of bpf/reset.bpf.c, loaded. 0 or a negative errno. */
int kcoh_feed_unmap_new(const struct bpf_object *obj, struct kcoh_feed_unmap **ret_unmap);
void kcoh_feed_unmap_free(struct kcoh_feed_unmap *unmap);

/* At each emptying of the ring: hands out an UNMAP record of kind FOLLOWED for each VM whose time is over. Returns how many. */
int kcoh_feed_unmap_poll(struct kcoh_feed_unmap *unmap, uint64_t now_ns, kcoh_feed_fn fn,
			 void *ctx);

#endif
