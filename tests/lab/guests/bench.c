// SPDX-License-Identifier: GPL-2.0-only
/*
 * bench.c - a guest that leaves itself over and over, in the way it is told, and takes the time of it.
 *
 * Under -icount a tick of CNTVCT_EL0 is one instruction executed, by whichever CPU: what lies between two reads of it is
 * what an exit costs the whole machine. It starts with its MMU off, as every vCPU does, and KVM then traps its
 * VM-register writes until it is told BENCH_CACHES_ON.
 */
#include "guest.h"
#include "bench.h"

static u64 told(u64 offset)
{
	return load64(GUEST_BELL + offset);
}

static void hvc(void)
{
	register u64 x0 asm("x0") = 0x84000000; /* PSCI_VERSION */

	/* SMCCC: x1 to x17 may change */
	asm volatile("hvc #0"
		     : "+r"(x0)
		     :
		     : "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12",
		       "x13", "x14", "x15", "x16", "x17", "memory");
}

/*
 * Inlined once for each kind, so that nothing but it is between the two reads. The samples' memory is touched first: its
 * stage-2 faults are not what is measured.
 */
static inline __attribute__((always_inline)) u64 times(u64 kind, u64 n)
{
	volatile u32 *sample = (u32 *)BENCH_SAMPLES;
	u64 ttbr0 = read_sysreg(ttbr0_el1), start, before, i;

	for (i = 0; i < n; i++)
		sample[i] = 0;
	start = read_sysreg(cntvct_el0);
	for (i = 0; i < n; i++) {
		before = read_sysreg(cntvct_el0);
		if (kind == BENCH_HVC)
			hvc();
		else if (kind == BENCH_MMIO)
			store64(GUEST_BELL + BENCH_NOTHING, 0);
		else if (kind == BENCH_TTBR0)
			write_sysreg(ttbr0_el1, ttbr0);
		sample[i] = read_sysreg(cntvct_el0) - before;
	}
	return read_sysreg(cntvct_el0) - start;
}

static u64 touch(u64 pages)
{
	u64 start = read_sysreg(cntvct_el0);
	volatile u8 *at = (u8 *)BENCH_PAGES;

	for (; pages; pages--, at += 4096)
		++*at;
	return read_sysreg(cntvct_el0) - start;
}

static u64 obey(u64 order, u64 n)
{
	switch (order) {
	case BENCH_HVC:
		return times(BENCH_HVC, n);
	case BENCH_MMIO:
		return times(BENCH_MMIO, n);
	case BENCH_TTBR0:
		return times(BENCH_TTBR0, n);
	case BENCH_LOOP:
		return times(BENCH_LOOP, n);
	case BENCH_CACHES_ON:
		mmu_set(MMU_M | MMU_C);
		return 0;
	case BENCH_TOUCH:
		return touch(n);
	}
	return 0;
}

void guest_main(u64 vcpu, u64 context)
{
	(void)vcpu;
	(void)context;
	mmu_prepare();
	for (;;) {
		u64 order = told(BENCH_ORDER);

		store64(GUEST_BELL + BENCH_DONE, obey(order, told(BENCH_TIMES)));
	}
}
