/* SPDX-License-Identifier: GPL-2.0-only */
/* rig.h - a VM with the guest that takes the time (tests/lab/guests/bench.c), and the orders it obeys. */
#ifndef KCOH_BENCH_RIG_H
#define KCOH_BENCH_RIG_H

#include "../lab/guests/bench.h"
#include "../lab/vmm/vm.h"

#define RIG_SLOT 0
#define RIG_BYTES (128ul << 20)

struct rig {
	struct vm vm;
	/* Guarded by vm.lock. */
	uint64_t order, times; /* order 0: none */
	uint64_t ticks; /* of the last one */
	bool idle; /* the guest waits for an order */
};

/* A VM with one vCPU that waits for its first order, with its MMU off. Ends the program if it cannot be had. */
void rig_must_start(struct rig *rig, const char *guest, uint32_t manual_protect);
/* Has the guest obey and waits until it did; ticks of CNTVCT_EL0. */
uint64_t rig_obey(struct rig *rig, uint64_t order, uint64_t times);
/* Starts the dirty logging of all its memory. */
void rig_must_log(struct rig *rig);

static inline uint64_t ticks_now(void)
{
	uint64_t ticks;

	asm volatile("isb; mrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
	return ticks;
}

#endif
