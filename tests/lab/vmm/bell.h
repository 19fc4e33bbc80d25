/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bell.h - the VMM's side of guests/doorbell.h: orders for puppets, what they report, and what guests print.
 */
#ifndef KCOH_LAB_BELL_H
#define KCOH_LAB_BELL_H

#include "vm.h"

#define BELL_REINIT 0x100 /* an order to the VMM, not the guest: KVM_ARM_VCPU_INIT */

enum bell_state {
	BELL_RUNNING = 0, /* in the guest, with something to do */
	BELL_WAITING = 1, /* out of the guest, waiting for an order */
	BELL_BUSY = 2, /* in the guest, in something that may not end by itself */
};

struct bell_line {
	enum bell_state state;
	uint64_t command; /* 0: none */
	uint64_t operand[2];
	uint64_t arg[4];
};

struct bell {
	struct bell_line lines[GUEST_MAX_VCPUS];
	uint64_t edges; /* of SCTLR_EL1.M && .C, reported by the guest */
	uint64_t writes; /* of registers that TVM traps, reported by the guest */
	uint64_t bytes; /* printed */
};

/* The vm_mmio_fn of lab guests; ctx is the struct bell. Its fields are guarded by vm->lock. */
bool bell_mmio(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value, void *ctx);

/*
 * Waits until the vCPU asks for an order, gives it this one, and waits until it asks for the next, or
 * (if may_stay) says that it is busy. 0, -ETIMEDOUT after ms, or -EINVAL if the vCPU has no thread.
 */
int bell_order(struct vm_vcpu *vcpu, struct bell *bell, const uint64_t order[3], bool may_stay,
	       unsigned int ms);
/* Waits until the vCPU asks for an order. */
int bell_wait(struct vm_vcpu *vcpu, struct bell *bell, unsigned int ms);
/* Waits until guests have printed `bytes` more. */
int bell_wait_bytes(struct vm *vm, struct bell *bell, uint64_t bytes, unsigned int ms);

#endif
