// SPDX-License-Identifier: GPL-2.0-only
/*
 * toggle.c - a guest that writes one round with its caches on, one with them off, and so on: runs by itself, under
 * QEMU too. Half of its stores go around the caches; at any one moment it may look innocent.
 */
#include "guest.h"

void guest_main(u64 vcpu, u64 context)
{
	(void)vcpu;
	(void)context;
	mmu_prepare();
	timer_prepare();
	print_byte('A');
	for (;;) {
		mmu_set(MMU_M | MMU_C);
		write_round();
		mmu_set(0);
		write_round();
		round_done();
	}
}
