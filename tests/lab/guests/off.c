// SPDX-License-Identifier: GPL-2.0-only
/*
 * off.c - a guest whose MMU is off for ever: prints an A, then writes a byte in each page of 1-100 MB round and
 * round, with a B after each round. Every one of its stores goes around the caches.
 */
#include "guest.h"

void guest_main(u64 vcpu, u64 context)
{
	(void)vcpu;
	(void)context;
	timer_prepare();
	print_byte('A');
	for (;;) {
		write_round();
		round_done();
	}
}
