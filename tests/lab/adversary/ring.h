/* SPDX-License-Identifier: GPL-2.0-only */
/* ring.h - KVM's dirty rings: one a vCPU, shared with the kernel, of (slot, page) pairs. */
#ifndef KCOH_LAB_RING_H
#define KCOH_LAB_RING_H

#include <pthread.h>

#include "ram.h"

#define RING_ENTRIES 512 /* few, so that rings do get full */
#define RING_BYTES (RING_ENTRIES * 16) /* at least; KVM wants a whole page */

struct kvm_dirty_gfn;

struct rings {
	struct vm *vm;
	struct {
		struct kvm_dirty_gfn *entry;
		uint32_t next;
	} of[GUEST_MAX_VCPUS];
};

/* Whether this kernel's KVM has dirty rings. */
bool rings_exist(int kvm_fd);
void rings_must_map(struct rings *rings, struct vm *vm);
/*
 * Takes what is in the rings of these vCPUs (bit n: vCPU n), calls fn for each entry, and resets them, after which
 * the pages are write-protected again. Returns how many entries there were.
 */
uint64_t rings_must_harvest(struct rings *rings, uint64_t which,
			    void (*fn)(unsigned int slot_id, uint64_t page, void *ctx), void *ctx);

#endif
