// SPDX-License-Identifier: GPL-2.0-only
/*
 * cached.c - the same as off.c, with an identity map and MMU and caches on: nothing goes around the caches,
 * and a migration of it needs no help.
 */
#include "guest.h"

void guest_main(u64 vcpu, u64 context)
{
	(void)vcpu;
	(void)context;
	mmu_prepare();
	mmu_set(MMU_M | MMU_C);
	timer_prepare();
	print_byte('A');
	for (;;) {
		write_round();
		round_done();
	}
}
