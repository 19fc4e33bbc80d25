/* SPDX-License-Identifier: GPL-2.0-only */
/* guest.h - the VMM's side of guests/storm.h: tells each vCPU what to do, counts what it did, resets it. */
#ifndef KCOH_LAB_GUEST_SIDE_H
#define KCOH_LAB_GUEST_SIDE_H

#include "../guests/storm.h"
#include "../vmm/vm.h"

#define GUEST_DEADLINE_MS 30000

/* Fields are guarded by vm->lock. */
struct guest {
	struct vm *vm;
	uint64_t flavour[GUEST_MAX_VCPUS];
	uint64_t long_burst; /* stores; a multiple of 16 */
	uint64_t base[STORM_REGIONS], bytes[STORM_REGIONS];
	uint64_t random;
	uint64_t bursts;
	uint64_t writes; /* stores that reached RAM */
	uint64_t dropped; /* stores to where no slot was */
	uint64_t edges;
	uint64_t resets; /* of single vCPUs */
	bool reset[GUEST_MAX_VCPUS]; /* at its next store to the doorbell */
	bool full[GUEST_MAX_VCPUS]; /* waits for its dirty ring to be reset */
};

bool guest_mmio(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value, void *ctx);
void guest_ring_full(struct vm_vcpu *vcpu, void *ctx);

/* Slot 0 from GUEST_IMAGE_END on, and slot 1, are what the guest writes. */
void guest_must_start(struct guest *guest, struct vm *vm, uint64_t seed);
/* A region lies elsewhere from the next burst on. */
void guest_move(struct guest *guest, unsigned int region, uint64_t base);

enum guest_wait { GUEST_GOT_THERE, GUEST_RING_FULL };

/*
 * Waits until guests are through with that many more bursts and no reset is pending. Comes back early if the dirty
 * ring of a vCPU in `rings` (bit n: vCPU n) is full. Ends the program at the deadline.
 */
enum guest_wait guest_must_wait(struct guest *guest, uint64_t bursts, uint64_t rings);
/* The dirty rings of these vCPUs were reset. */
void guest_rings_reset(struct guest *guest, uint64_t rings);
/* Has every vCPU initialised again, as a reset does, at its next chance. */
void guest_reset(struct guest *guest);
uint64_t guest_writes(struct guest *guest);

#endif
