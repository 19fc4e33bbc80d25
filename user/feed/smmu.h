/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smmu.h - private to user/feed: what the SMMU's programs counted and did not send.
 */
#ifndef KCOH_FEED_SMMU_H
#define KCOH_FEED_SMMU_H

#include <bpf/libbpf.h>

#include "feed.h"

struct kcoh_feed_smmu; /* opaque */

/* The BPF object, loaded. 0 or a negative errno. */
int kcoh_feed_smmu_new(const struct bpf_object *obj, struct kcoh_feed_smmu **ret_smmu);
void kcoh_feed_smmu_free(struct kcoh_feed_smmu *smmu);

/*
 * At each emptying of the ring: follows queues that are being worked on, and once a second hands out
 * a record of kind FOLDED, UNREAD or LOST for what was counted and not sent. Returns how many.
 */
int kcoh_feed_smmu_poll(struct kcoh_feed_smmu *smmu, uint64_t now_ns, kcoh_feed_fn fn, void *ctx);

int kcoh_feed_smmu_each(const struct kcoh_feed_smmu *smmu,
			int (*fn)(const struct kcoh_device_view *device, void *ctx), void *ctx);

#endif
