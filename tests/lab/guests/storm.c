// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm.c - a guest that writes random bytes to random places for ever, in the way it is told: with its MMU off, with
 * RAM mapped Non-cacheable, with caches on, or now so and now so. Any number of vCPUs, each in its own way.
 *
 * First it touches every page, so that KVM has mapped it. Then it works in bursts around a spot that changes now and
 * then (most pages that a guest writes it has written before), and tells the VMM after each: so a test knows how much was written, and between two bursts a
 * region may move. A burst is 64 stores all over 64 KiB, or one in each of 64 pages on end, or 16 pages made dirty
 * and then written for a while each, one after the other: a page whose last store falls into the middle of its harvest
 * is what a cleaning that came too early misses.
 */
#include "guest.h"
#include "storm.h"

#define SHORT 64 /* stores of other bursts */
#define HAMMERED 16 /* pages */
#define AROUND 64 /* pages of a spot */
#define PAGE 0x1000
#define ALIAS 0x40000000 /* added to an address of RAM: the same byte, mapped Non-cacheable */
#define PSCI_CPU_ON 0xc4000003

struct storm {
	u64 flavour;
	u64 random; /* state, never 0 */
	u64 stores; /* of a long burst */
	u64 bytes[STORM_REGIONS];
	u64 region, spot; /* where it works just now */
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
	storm->stores = told(STORM_LONG);
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

enum kind { STRETCH, STRETCH_TOO, SWEEP, HAMMER, KINDS };

/* Where the i-th of n stores goes, from the burst's first page on. */
static u64 place(u64 kind, u64 i, u64 n, u64 value)
{
	switch (kind) {
	case SWEEP:
		return i * PAGE + value % PAGE;
	case HAMMER:
		return (i < HAMMERED ? i : i / (n / HAMMERED)) * PAGE + value % PAGE;
	default:
		return value % (HAMMERED * PAGE);
	}
}

static void change_spot(struct storm *storm)
{
	storm->region = draw(storm) >> 62 == 0;
	storm->spot = draw_below(storm, storm->bytes[storm->region] / PAGE) * PAGE;
}

/* Returns the number of stores. */
static u64 burst(struct storm *storm)
{
	u64 base = told(STORM_BASE(storm->region)), bytes = storm->bytes[storm->region];
	u64 at = storm->spot + draw_below(storm, AROUND - HAMMERED) * PAGE;
	u64 kind = draw_below(storm, KINDS), n = kind == HAMMER ? storm->stores : SHORT, i;

	if (storm->flavour == STORM_NC)
		base += ALIAS;
	for (i = 0; i < n; i++) {
		u64 value = draw(storm);

		store64(base + (at + place(kind, i, n, value)) % bytes / 8 * 8, value);
	}
	return n;
}

static void touch_all(struct storm *storm)
{
	u64 region, at;

	for (region = 0; region < STORM_REGIONS; region++) {
		u64 base = told(STORM_BASE(region));

		for (at = 0; at < storm->bytes[region]; at += PAGE)
			store64(base + at, draw(storm));
	}
}

void guest_main(u64 vcpu, u64 context)
{
	struct storm storm;
	u64 i, stores;

	(void)context;
	prepare(&storm);
	touch_all(&storm);
	change_spot(&storm);
	for (i = 0;; i++) {
		if (vcpu == 0 && i % 8 == 0)
			start_others();
		if (storm.flavour == STORM_TOGGLE && draw(&storm) >> 62)
			set_caches(&storm, storm.bits ? 0 : MMU_M | MMU_C);
		if (draw(&storm) >> 61 == 0)
			change_spot(&storm);
		stores = burst(&storm);
		store64(GUEST_BELL + STORM_DONE, stores | storm.edges << 32);
		storm.edges = 0;
	}
}
