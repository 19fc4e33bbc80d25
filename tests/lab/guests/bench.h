/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bench.h - what bench.c and kcoh-bench say to each other, in the doorbell's page behind the bell's own registers.
 *
 * Loads and stores are 64 bits wide. The guest loads BENCH_ORDER, which blocks until there is one, then its operand
 * BENCH_TIMES; when it is done it stores to BENCH_DONE.
 */
#ifndef KCOH_LAB_BENCH_H
#define KCOH_LAB_BENCH_H

#define BENCH_ORDER 0x200 /* load, blocks: enum of BENCH_… below */
#define BENCH_TIMES 0x208 /* load: how often; BENCH_TOUCH: how many pages */
#define BENCH_NOTHING 0x210 /* store: an exit to user space that does nothing there */
#define BENCH_DONE 0x218 /* store: ticks of CNTVCT_EL0 for all of it */

/* Each of these is timed one by one, too: ticks as 32-bit words from BENCH_SAMPLES on. */
#define BENCH_HVC 1 /* PSCI_VERSION: an exit that KVM answers by itself */
#define BENCH_MMIO 2 /* a store to BENCH_NOTHING */
#define BENCH_TTBR0 3 /* TTBR0_EL1 written with what it holds */
#define BENCH_LOOP 4 /* nothing: the loop and its two reads of the counter */
#define BENCH_KINDS 5
/* The rest is not. */
#define BENCH_CACHES_ON 5
#define BENCH_TOUCH 6 /* writes a byte in each page from BENCH_PAGES on */

#define BENCH_SAMPLES GUEST_IMAGE_END
#define BENCH_SAMPLES_MAX 1000000
#define BENCH_PAGES (GUEST_IMAGE_END + (4 << 20))

#endif
