// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that lives: it counts, and writes the count into each page of 16 MiB in turn. Loaded at 0x40200000: RAM of QEMU's
 * machine `virt` begins at 0x40000000, with its device tree. The count is at 0x40300000.
 */
	.text
	.globl _start
_start:
	mov	x0, #0x40000000
	add	x0, x0, #0x300000
	mov	x1, #0
	mov	x2, #0x1000000
1:	mov	x3, #0x1000
2:	add	x1, x1, #1
	str	x1, [x0]
	str	x1, [x0, x3]
	add	x3, x3, #0x1000
	cmp	x3, x2
	b.lo	2b
	b	1b
