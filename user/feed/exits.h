/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exits.h - private to user/feed: the counters of exits, as the BPF side keeps them.
 */
#ifndef KCOH_FEED_EXITS_H
#define KCOH_FEED_EXITS_H

#include "../../bpf/maps.h"
#include "feed.h"

/* Both are memory of maps, or of a test. */
struct kcoh_exit_table {
	struct kcoh_exits *exits; /* [0]: of vCPUs without a slot */
	const uint64_t *owners; /* of each slot: VM id << 32 | vCPU index; 0: nobody's */
	uint32_t slots; /* with slot 0 */
};

/* As kcoh_feed_exits(). */
int kcoh_exit_table_sum(const struct kcoh_exit_table *table, uint32_t vm, uint16_t vcpu,
			struct kcoh_exit_counts *ret_counts);
uint32_t kcoh_exit_table_used(const struct kcoh_exit_table *table);

#endif
