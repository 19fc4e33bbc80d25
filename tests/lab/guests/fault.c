// SPDX-License-Identifier: GPL-2.0-only
/* fault.c - what every guest does with an exception: print a !, tell the VMM if there is one, and stop. */
#include "guest.h"

void guest_fault(u64 esr, u64 elr, u64 far)
{
	print_byte('!');
	if (param(PARAM_MAGIC) == PARAM_MAGIC_VALUE) {
		store64(GUEST_BELL + BELL_ARG(0), esr);
		store64(GUEST_BELL + BELL_ARG(1), elr);
		store64(GUEST_BELL + BELL_ARG(2), far);
		store64(GUEST_BELL + BELL_REPORT, REPORT_FAULT);
	}
	for (;;)
		asm volatile("wfi");
}
