// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm.c - a guest that writes random bytes to random places for ever, in the way it is told: with its MMU off, with
 * RAM mapped Non-cacheable, with caches on, or now so and now so. Any number of vCPUs, each in its own way.
 *
 * It works in bursts of 64 stores, either all in one stretch of 64 KiB or one in each of 64 pages on end, and
 * tells the VMM after each: so a test knows how much was written, and between two bursts a region may move.
 */
#include "guest.h"
#include "storm.h"

#define STORES 64
#define STRETCH 0x10000
#define PAGE 0x1000
#define ALIAS 0x40000000 /* added to an address of RAM: the same byte, mapped Non-cacheable */
#define PSCI_CPU_ON 0xc4000003

struct storm {
	u64 flavour;
	u64 random; /* state, never 0 */
	u64 bytes[STORM_REGIONS];
	u64 bits; /* SCTLR_EL1.M and .C as they are now */
	u64 edges;
};

static u64 told(u64 offset)
{
	return load64(GUEST_BELL + offset);
}

/* xorshift64* */
static u64 draw(struct storm *storm)
{
	storm->random ^= storm->random >> 12;
	storm->random ^= storm->random << 25;
	storm->random ^= storm->random >> 27;
	return storm->random * 0x2545f4914f6cdd1dul;
}

static u64 draw_below(struct storm *storm, u64 n)
{
	return (draw(storm) >> 32) * n >> 32;
}

/* Adds VA 0x80000000 -> RAM, Normal Non-cacheable (index 2 into MAIR), to the identity map. */
static void map_alias(void)
{
	store64((u64)&page_table[2], GUEST_RAM | 0x701ul | (2 << 2));
	write_sysreg(mair_el1, 0x44ff00);
	asm volatile("dsb sy; isb; tlbi vmalle1; dsb sy; isb" : : : "memory");
}

static void set_caches(struct storm *storm, u64 bits)
{
	storm->edges += storm->bits != bits;
	storm->bits = bits;
	mmu_set(bits);
}

static void prepare(struct storm *storm)
{
	u64 region;

	storm->flavour = told(STORM_FLAVOUR);
	storm->random = told(STORM_SEED) | 1;
	for (region = 0; region < STORM_REGIONS; region++)
		storm->bytes[region] = told(STORM_BYTES(region));
	storm->bits = 0;
	storm->edges = 0;
	mmu_prepare();
	map_alias();
	if (storm->flavour == STORM_NC || storm->flavour == STORM_CACHED)
		set_caches(storm, MMU_M | MMU_C);
}

/* Those that are on already stay on; after a reset they are off. */
static void start_others(void)
{
	u64 cpu, n = told(STORM_VCPUS);

	for (cpu = 1; cpu < n; cpu++) {
		register u64 x0 asm("x0") = PSCI_CPU_ON;
		register u64 x1 asm("x1") = cpu;
		register u64 x2 asm("x2") = GUEST_ENTRY;
		register u64 x3 asm("x3") = 0;

		asm volatile("hvc #0" : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3) : : "memory");
	}
}

static void burst(struct storm *storm)
{
	u64 region = draw(storm) >> 62 == 0;
	u64 base = told(STORM_BASE(region)), bytes = storm->bytes[region];
	u64 at = draw_below(storm, bytes / PAGE) * PAGE;
	u64 sweep = draw(storm) >> 61 == 0, i;

	if (storm->flavour == STORM_NC)
		base += ALIAS;
	for (i = 0; i < STORES; i++) {
		u64 value = draw(storm);
		u64 offset = at + (sweep ? i * PAGE + value % PAGE : value % STRETCH);

		store64(base + offset % bytes / 8 * 8, value);
	}
}

void guest_main(u64 vcpu, u64 context)
{
	struct storm storm;
	u64 i;

	(void)context;
	prepare(&storm);
	for (i = 0;; i++) {
		if (vcpu == 0 && i % 8 == 0)
			start_others();
		if (storm.flavour == STORM_TOGGLE && draw(&storm) >> 62)
			set_caches(&storm, storm.bits ? 0 : MMU_M | MMU_C);
		burst(&storm);
		store64(GUEST_BELL + STORM_DONE, STORES | storm.edges << 32);
		storm.edges = 0;
	}
}
