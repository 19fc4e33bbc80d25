// SPDX-License-Identifier: GPL-2.0-only
/*
 * puppet.c - a guest that does what kcoh-vmm tells it, one command at a time, and says what it did.
 *
 * So a test decides exactly what falls inside one dirty epoch: the VMM starts dirty logging, orders
 * `off`, `noise`, `on`, `noise`, …, and ends it; the guest reports each write of SCTLR_EL1 with its pc and both
 * values, and how many registers it wrote that HCR_EL2.TVM traps. It starts with its MMU off; each vCPU that
 * CPU_ON starts becomes a puppet of its own.
 */
#include "guest.h"

static void report(u64 code, u64 arg0, u64 arg1, u64 arg2)
{
	store64(GUEST_BELL + BELL_ARG(0), arg0);
	store64(GUEST_BELL + BELL_ARG(1), arg1);
	store64(GUEST_BELL + BELL_ARG(2), arg2);
	store64(GUEST_BELL + BELL_REPORT, code);
}

/* Returns how many trapped registers it wrote. */
static u64 mmu_change(u64 bits)
{
	u64 was = read_sysreg(sctlr_el1);
	u64 pc = mmu_set(bits);

	report(REPORT_EDGE, pc, read_sysreg(sctlr_el1), was);
	return 1;
}

#define REWRITE(name) write_sysreg(name, read_sysreg(name))

/* Every register that TVM traps, with what it holds: no edge of anything. */
static u64 noise(u64 times)
{
	u64 i;

	for (i = 0; i < times; i++) {
		REWRITE(sctlr_el1);
		REWRITE(ttbr0_el1);
		REWRITE(ttbr1_el1);
		REWRITE(tcr_el1);
		REWRITE(esr_el1);
		REWRITE(far_el1);
		REWRITE(afsr0_el1);
		REWRITE(afsr1_el1);
		REWRITE(mair_el1);
		REWRITE(amair_el1);
		REWRITE(contextidr_el1);
		asm volatile("isb");
	}
	return 11 * times;
}

static u64 toggle(u64 times)
{
	u64 i, writes = 0;

	for (i = 0; i < times; i++) {
		writes += mmu_change(0);
		writes += noise(1);
		writes += mmu_change(MMU_M | MMU_C);
		writes += noise(1);
	}
	return writes;
}

/* One level of cache, by CCSIDR in the old layout or FEAT_CCIDX's. */
static void clean_level(u64 level)
{
	u64 ccidx = read_sysreg(id_aa64mmfr2_el1) >> 20 & 0xf;
	u64 ccsidr, line_shift, ways, sets, way_shift = 32, way, set;

	write_sysreg(csselr_el1, level << 1);
	asm volatile("isb");
	ccsidr = read_sysreg(ccsidr_el1);
	line_shift = (ccsidr & 7) + 4;
	ways = (ccsidr >> 3 & (ccidx ? 0x1fffff : 0x3ff)) + 1;
	sets = (ccidx ? ccsidr >> 32 & 0xffffff : ccsidr >> 13 & 0x7fff) + 1;
	while ((1ul << (32 - way_shift)) < ways)
		way_shift--;
	for (way = 0; way < ways; way++)
		for (set = 0; set < sets; set++)
			asm volatile("dc cisw, %0"
				     :
				     : "r"(way << way_shift | set << line_shift | level << 1)
				     : "memory");
}

static void set_way(u64 operations)
{
	u64 level, type, clidr = read_sysreg(clidr_el1), i;

	asm volatile("dsb sy" : : : "memory");
	for (i = 0; i < operations; i++)
		asm volatile("dc cisw, xzr" : : : "memory");
	for (level = 0; !operations && level < 7; level++) {
		type = clidr >> (3 * level) & 7;
		if (type >= 2)
			clean_level(level);
	}
	asm volatile("dsb sy; isb" : : : "memory");
}

static void write_pages(u64 first, u64 pages)
{
	volatile u8 *at = (u8 *)GUEST_IMAGE_END + first;

	for (; pages; pages--, at += 4096)
		++*at;
}

static void psci(u64 function, u64 target, u64 entry, u64 context)
{
	register u64 x0 asm("x0") = function;
	register u64 x1 asm("x1") = target;
	register u64 x2 asm("x2") = entry;
	register u64 x3 asm("x3") = context;

	asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
}

static void spin(u64 vcpu)
{
	u64 word = GUEST_PARAM + 8 * (PARAM_SPIN + vcpu);

	report(REPORT_BUSY, 0, 0, 0);
	while (load64(word))
		asm volatile("dc civac, %0; dsb sy" : : "r"(word) : "memory");
}

static void exits(u64 kind, u64 times)
{
	for (; times; times--) {
		if (kind == EXIT_HVC)
			psci(0x84000000, 0, 0, 0);
		else if (kind == EXIT_MMIO_WRITE)
			store64(GUEST_BELL + BELL_ARG(3), times);
		else if (kind == EXIT_MMIO_READ)
			load64(GUEST_BELL + BELL_OPERAND(0));
		else if (kind == EXIT_ID)
			read_sysreg(id_aa64isar1_el1);
	}
}

/* Runs one command and returns how many registers it wrote that TVM traps. */
static u64 obey(u64 vcpu, u64 command)
{
	u64 a = load64(GUEST_BELL + BELL_OPERAND(0));
	u64 b = load64(GUEST_BELL + BELL_OPERAND(1));

	switch (command) {
	case CMD_MMU:
		return mmu_change(a);
	case CMD_NOISE:
		return noise(a);
	case CMD_BUSY_NOISE:
		report(REPORT_BUSY, 0, 0, 0);
		return noise(a);
	case CMD_TOGGLE:
		return toggle(a);
	case CMD_SET_WAY:
		set_way(a);
		return 0;
	case CMD_WRITE:
		write_pages(a, b);
		return 0;
	case CMD_CPU_ON:
		psci(0xc4000003, a, GUEST_ENTRY, 0);
		return 0;
	case CMD_CPU_OFF:
		report(REPORT_BUSY, 0, 0, 0);
		psci(0x84000002, 0, 0, 0);
		return 0;
	case CMD_PSCI:
		psci(a, 0, 0, 0);
		return 0;
	case CMD_SPIN:
		spin(vcpu);
		return 0;
	case CMD_EXITS:
		exits(a, b);
		return 0;
	case CMD_WFI:
		report(REPORT_BUSY, 0, 0, 0);
		asm volatile("dsb sy; wfi" : : : "memory");
		return 0;
	}
	return 0;
}

void guest_main(u64 vcpu, u64 context)
{
	(void)context;
	mmu_prepare();
	for (;;) {
		u64 writes = obey(vcpu, load64(GUEST_BELL + BELL_WAIT));

		report(REPORT_DONE, writes, read_sysreg(isr_el1), 0);
	}
}
