/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * start.S - entry, exception vectors, and the one place where SCTLR_EL1.M and .C change.
 *
 * A guest that turns its caches off while its stack has dirty lines loses them, on hardware, and one that turns them
 * on may find stale lines that were there before it wrote around the cache. mmu_off_write and mmu_on_write
 * therefore clean and invalidate its image on both sides of the switch and touch no memory between: what a well-behaved guest does. (PROBLEM.md's point is that this is not enough for the host.)
 */
	.section .text.start, "ax"
	.global _start
_start:
	mov	x19, x0 /* CPU_ON's context; QEMU's device tree */
	adr	x1, vectors
	msr	vbar_el1, x1
	isb
	mrs	x0, mpidr_el1
	and	x0, x0, #7
	adrp	x1, stacks
	add	x2, x0, #1
	add	x1, x1, x2, lsl #12
	mov	sp, x1
	mov	x1, x19
	bl	guest_main
1:	wfi
	b	1b

/*
 * u64 mmu_off_write(u64 sctlr, u64 first, u64 end) and u64 mmu_on_write(…): the same, at two addresses, so that a trace
 * can be told from one that guesses. They return the pc of the write that made the edge.
 */
	.macro	mmu_write name
	.global \name
\name:
	mrs	x4, ctr_el0
	ubfx	x4, x4, #16, #4
	mov	x5, #4
	lsl	x4, x5, x4
	mov	x5, x1
1:	dc	civac, x5
	add	x5, x5, x4
	cmp	x5, x2
	b.lo	1b
	dsb	sy
2:	msr	sctlr_el1, x0
	isb
	ic	iallu
	mov	x5, x1
3:	dc	civac, x5
	add	x5, x5, x4
	cmp	x5, x2
	b.lo	3b
	dsb	sy
	isb
	adr	x0, 2b
	ret
	.endm

	.text
	mmu_write mmu_off_write
	mmu_write mmu_on_write

/* Sixteen vectors, all the same: nothing here is expected. */
	.balign 2048
vectors:
	.rept	16
	.balign	128
	mrs	x0, esr_el1
	mrs	x1, elr_el1
	mrs	x2, far_el1
	b	guest_fault
	.endr
