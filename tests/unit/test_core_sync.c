// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_sync.c - losses, scans, VMs that come and go, and bounds: what is not known is never
 * taken for good.
 */
#include <errno.h>

#include "stream.h"

#define READY                                                                                      \
	{ 0, HOST(MODULE), NO_VM, "" },                                                            \
	{                                                                                          \
		0, ENFORCED, NO_VM, ""                                                             \
	}
#define KNOWN                                                                                      \
	READY, { 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },                                      \
		{ 2, SLOT(1, CREATE, 3, RAM_PAGES, 0, 0, 2), ALLOW(NOT_YET_CLEANING), "" },        \
	{                                                                                          \
		3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), ""                         \
	}
#define FOUND_RAM(flags, generation) SLOT(1, FOUND, 3, RAM_PAGES, flags, flags, generation)

/* --- scans at the start --------------------------------------------------------------------- */

/* A framebuffer that is found before the RAM is no epoch. */
static void found_outside_an_epoch(void **state)
{
	static const struct line lines[] = {
		READY,
		{ 1, SCAN(0), NO_VM, "" },
		{ 2, VM_MET(1), VETO(WATCHED_LATE), "" },
		{ 2, SLOT(1, FOUND, 2, 4096, LOGS, LOGS, 9), VETO(WATCHED_LATE), "" },
		{ 2, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 2, FOUND_RAM(0, 9), VETO(MMU_OFF), "" },
		{ 3, SCAN(1), VETO(MMU_OFF), "alert:1" },
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).epochs, 0);
	assert_int_equal(vm_view(&world, 1).slots, 2);
	world_free(&world);
}

/* Met before any scan: blind until one has read it. */
static void met_outside_a_scan(void **state)
{
	static const struct line lines[] = {
		READY,
		{ 1, VM_MET(1), VETO(WATCHED_LATE), "rescan:0" },
		{ 2, VCPU(1, 0, CACHED, SAMPLE), VETO(WATCHED_LATE), "" },
		{ 3, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 5), VETO(WATCHED_LATE), "" },
		{ 3, EPOCH(1, 1, 1, 0), VETO(WATCHED_LATE), "" },
		{ 4, SCAN(0), VETO(WATCHED_LATE), "" },
		{ 4, FOUND_RAM(LOGS, 5), VETO(WATCHED_LATE), "" },
		{ 5, SCAN(1), VETO(WATCHED_LATE), "cancel:1 alert:1" },
		{ 6, SLOT(1, FLAGS, 3, RAM_PAGES, 0, LOGS, 6), ALLOW(NOT_YET_CLEANING), "" },
		{ 2000, TICK, ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* No scan comes: it is told after all. */
static void met_and_never_read(void **state)
{
	static const struct line lines[] = {
		READY,
		{ 1, VM_MET(1), VETO(WATCHED_LATE), "rescan:0" },
		{ 2, DONE(0, RESCAN, -EIO), VETO(WATCHED_LATE), "" },
		{ 1001, TICK, VETO(WATCHED_LATE), "rescan:0" },
		{ 1002, PHASE(1, ACTIVE), VETO(WATCHED_LATE), "" },
		{ 10000, TICK, VETO(WATCHED_LATE), "" },
		{ 10001, TICK, VETO(WATCHED_LATE), "cancel:1 alert:1" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	run_lines(&world, lines, 3, __func__);
	assert_int_equal(world.acts[0].reason, KCOH_RSN_WATCHED_LATE);
	run_lines(&world, lines + 3, COUNT(lines) - 3, __func__);
	world_free(&world);
}

/* A VM without slots: whether it has none, or the scan had passed it, only another scan can say. */
static void found_without_slots(void **state)
{
	static const struct line lines[] = {
		READY,
		{ 1, SCAN(0), NO_VM, "" },
		{ 2, VM_MET(1), VETO(WATCHED_LATE), "" },
		{ 3, SCAN(1), VETO(WATCHED_LATE), "rescan:0" },
		{ 4, SCAN(0), VETO(WATCHED_LATE), "" },
		{ 5, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2000, TICK, ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* Slots found outside a scan are judged at once, and late. */
static void found_without_a_scan(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 4, FOUND_RAM(LOGS, 3), VETO(WATCHED_LATE), "cancel:1 alert:1" },
		{ 5, SCAN(1), VETO(WATCHED_LATE), "" }, /* no scan is on */
		{ 6, FOUND_RAM(0, 4), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* --- losses --------------------------------------------------------------------------------- */

/* What was lost is noticed: slots that went, vCPUs that cannot be read, edges of epochs. */
static void scan_brings_back_the_truth(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 4, SLOT(1, CREATE, 1, 512, 0, 0, 3), ALLOW(NOT_YET_CLEANING), "" },
		{ 5, VCPU(1, 1, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, SET_WAY(1, 0), VETO(EVENTS_LOST), "rescan:0 alert:1", .gap = 7 },
		{ 11, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 11, FOUND_RAM(0, 8), VETO(EVENTS_LOST), "" },
		{ 11, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "" },
		{ 12, SCAN(1), VETO(STATE_UNKNOWN), "" },
		{ 13, VCPU(1, 1, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		/* an old record of the slot that went */
		{ 14, SLOT(1, CREATE, 1, 512, LOGS, 0, 3), ALLOW(NOT_YET_CLEANING), "" },
		/* the start of an epoch is lost, then its end */
		{ 20, TICK, VETO(EVENTS_LOST), "", .gap = 1 },
		{ 1010, TICK, VETO(EVENTS_LOST), "rescan:0" },
		{ 1011, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 1011, FOUND_RAM(LOGS, 9), VETO(EVENTS_LOST), "" },
		{ 1011, VCPU(1, 0, CACHED, SAMPLE), ANY, "" },
		{ 1011, VCPU(1, 1, CACHED, SAMPLE), ANY, "" },
		{ 1012, SCAN(1), VETO(EVENTS_LOST), "cancel:1" },
		{ 1013, DONE(1, CANCEL, 0), VETO(EVENTS_LOST), "" },
		{ 2011, TICK, VETO(EVENTS_LOST), "rescan:0", .gap = 1 },
		{ 2012, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 2012, FOUND_RAM(0, 10), VETO(EVENTS_LOST), "" },
		{ 2012, VCPU(1, 0, CACHED, SAMPLE), ANY, "" },
		{ 2012, VCPU(1, 1, CACHED, SAMPLE), ANY, "" },
		{ 2013, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct kcoh_core_stats stats;
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 2);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).slots, 1);
	assert_int_equal(vm_view(&world, 1).epochs, 1);
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_BLIND], 2);
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.lost, 9);
	assert_int_equal(stats.rescans, 3);
	assert_int_equal(stats.stale, 1);
	assert_int_equal(stats.records, COUNT(lines));
	world_free(&world);
}

/* A loss while the scan is on, and a scan that did not read everything: another one. */
static void scans_that_do_not_suffice(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, TICK, VETO(EVENTS_LOST), "rescan:0 alert:1", .gap = 1 },
		{ 11, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 12, FOUND_RAM(0, 3), VETO(EVENTS_LOST), "" },
		{ 12, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "", .gap = 1 },
		{ 13, SCAN(1), VETO(EVENTS_LOST), "" },
		{ 14, DONE(0, RESCAN, 0), VETO(EVENTS_LOST), "" },
		{ 1009, TICK, VETO(EVENTS_LOST), "" },
		{ 1010, TICK, VETO(EVENTS_LOST), "rescan:0" },
		/* fails at once */
		{ 1011, DONE(0, RESCAN, -EIO), VETO(EVENTS_LOST), "" },
		{ 3009, TICK, VETO(EVENTS_LOST), "" },
		{ 3010, TICK, VETO(EVENTS_LOST), "rescan:0" },
		/* is never answered */
		{ 17009, TICK, VETO(EVENTS_LOST), "" },
		{ 17010, TICK, VETO(EVENTS_LOST), "rescan:0" },
		/* does not see the VM's slots */
		{ 17011, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 17011, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "" },
		{ 17012, SCAN(1), VETO(EVENTS_LOST), "" },
		{ 25010, TICK, VETO(EVENTS_LOST), "rescan:0" },
		/* begins and does not end */
		{ 25011, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 35010, TICK, VETO(EVENTS_LOST), "" },
		{ 35011, TICK, VETO(EVENTS_LOST), "" },
		{ 51010, TICK, VETO(EVENTS_LOST), "rescan:0" },
		{ 51011, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 51011, FOUND_RAM(0, 3), VETO(EVENTS_LOST), "" },
		{ 51011, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "" },
		{ 51012, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 99999, TICK, ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* A scan that nobody asked for: in time, and not ended in time. */
static void scans_of_the_daemons_own(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 60000, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 60001, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 60002, FOUND_RAM(LOGS, 9), ALLOW(NOT_YET_CLEANING), "" },
		{ 69999, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 70000, TICK, ALLOW(NOT_YET_CLEANING), "rescan:0" },
		{ 70001, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 70002, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 70003, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 70004, FOUND_RAM(LOGS, 9), ALLOW(NOT_YET_CLEANING), "" },
		{ 70005, SCAN(1), VETO(WATCHED_LATE), "cancel:1 alert:1" },
	};

	(void)state;
	CASE(lines);
}

/* The wait between two RESCANs does not grow for ever. */
static void patience_has_an_end(void **state)
{
	static const union kcoh_ev host = HOST(MODULE);
	union kcoh_ev tick = TICK, answer = DONE(0, RESCAN, -EIO);
	unsigned int s, rescans = 0;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	world_step(&world, &host);
	tick.hdr.gap = 1;
	for (s = 0; s < 640; s++) {
		tick.hdr.ts_ns = answer.hdr.ts_ns = s * 1000000000ull;
		world_step(&world, &tick);
		rescans += (unsigned int)world.n_acts;
		tick.hdr.gap = 0;
		world_step(&world, &answer);
	}
	assert_int_equal(rescans, 7 + (640 - 127) / 64 + 1); /* 0 1 3 7 15 31 63, then each 64 s */
	world_free(&world);
}

/* The epoch ends before a scan: what it left behind is still not known. */
static void epoch_ends_before_the_scan(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 3), WAIT(ARMING), "" },
		{ 11, TICK, VETO(EVENTS_LOST), "rescan:0 cancel:1 alert:1", .gap = 1 },
		{ 12, SLOT(1, FLAGS, 3, RAM_PAGES, 0, LOGS, 4), VETO(EVENTS_LOST), "" },
		{ 13, SCAN(0), VETO(EVENTS_LOST), "" },
		/* is born meanwhile: known completely, though no scan read it */
		{ 13, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 13, RAM(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 13, FOUND_RAM(0, 4), VETO(EVENTS_LOST), "" },
		{ 13, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "" },
		{ 14, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 99999, TICK, ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* The trap of a vCPU is not believed after a loss: its end may be among what was lost. */
static void traps_after_a_loss(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 3), WAIT(ARMING), "" },
		{ 11, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SLOT(1, FLAGS, 3, RAM_PAGES, 0, LOGS, 4), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, TICK, VETO(EVENTS_LOST), "rescan:0 alert:1", .gap = 1 },
		{ 14, SCAN(0), ANY, "" },
		{ 14, FOUND_RAM(0, 4), ANY, "" },
		{ 14, VCPU(1, 0, CACHED, SAMPLE), ANY, "" },
		{ 15, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 16, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 5), WAIT(ARMING), "" },
		{ 17, VCPU(1, 1, CACHED, TRAP), WAIT(ARMING), "" },
		{ 516, TICK, VETO(ARM_TIMEOUT), "cancel:1 alert:1" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 1);
	run_lines(&world, lines, 9, __func__);
	assert_int_equal(world.acts[0].reason, KCOH_RSN_EVENTS_LOST);
	run_lines(&world, lines + 9, COUNT(lines) - 9, __func__);
	world_free(&world);
}

/* A loss is told by whatever record comes next: of an unknown type, or of an unknown VM. */
static void losses_on_strangers(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, VCPU(9, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "rescan:0 alert:1", .gap = 1 },
	};
	union kcoh_ev strange = { .hdr = { .type = 999, .size = sizeof(strange.hdr), .gap = 1 } };
	struct kcoh_core_stats stats;
	struct world world;

	(void)state;
	CASE(lines);
	world_make(&world, 1, 1, 1);
	run_lines(&world, lines, 5, __func__);
	world_step(&world, &strange);
	assert_int_equal(world.n_acts, 2);
	assert_int_equal(vm_view(&world, 1).verdict.reason, KCOH_RSN_EVENTS_LOST);
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.skipped, 1);
	world_free(&world);
}

/* A VM that two complete scans did not see is gone; one that was born meanwhile is not. */
static void ends_that_were_lost(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 4, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 10, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, FOUND_RAM(0, 3), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 14, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 15, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 16, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 17, SCAN(1), NO_VM, "" },
		/* VM 2 never had anything that a scan could see */
		{ 18, TICK, ALLOW(NOT_YET_CLEANING), "", .look = 2 },
	};
	static const struct line seen_somehow[] = {
		KNOWN,
		{ 9, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 9, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, VM_MET(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line slots_only[] = {
		READY,
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, SCAN(1), NO_VM, "" },
	};

	(void)state;
	CASE(lines);
	CASE(seen_somehow);
	CASE(slots_only);
}

/* --- slots and generations ------------------------------------------------------------------ */

static void generations(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 1ull << 63 | 4), WAIT(ARMING), "" },
		{ 10, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		/* older than what is known */
		{ 11, SLOT(1, DELETE, 3, RAM_PAGES, 0, 0, 3), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SLOT(1, FLAGS, 3, RAM_PAGES, 0, LOGS, 3), ALLOW(NOT_YET_CLEANING), "" },
		/* a scan walks the slots while they change, gives up, and walks again */
		{ 20, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, SLOT(1, FOUND, 1, 16, 0, 0, 4), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, SLOT(1, FOUND, 2, 16, 0, 0, 4), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, SLOT(1, DELETE, 1, 16, 0, 0, 5), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, SLOT(1, MOVE, 2, 16, 0, 0, 6), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, SLOT(1, FOUND, 1, 16, 0, 0, 4), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, SLOT(1, FOUND, 2, 16, 0, 0, 5), ALLOW(NOT_YET_CLEANING), "" },
		{ 21, SLOT(1, FOUND, 2, 16, 0, 0, 6), ALLOW(NOT_YET_CLEANING), "" },
		{ 21, FOUND_RAM(LOGS, 6), ALLOW(NOT_YET_CLEANING), "" },
		/* seen by the scan before its own record comes */
		{ 21, SLOT(1, CREATE, 5, 16, 0, 0, 7), ALLOW(NOT_YET_CLEANING), "" },
		{ 22, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 23, SLOT(1, DELETE, 7, 16, 0, 0, 8), ALLOW(NOT_YET_CLEANING), "" },
		/* the scan began at its generation and did not see it: deleted meanwhile */
		{ 24, SLOT(1, CREATE, 8, 16, 0, 0, 4), ALLOW(NOT_YET_CLEANING), "" },
		/* a scan reads an older layout than we know: seen all the same */
		{ 30, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 30, SLOT(1, FOUND, 2, 16, 0, 0, 5), ALLOW(NOT_YET_CLEANING), "" },
		{ 30, SLOT(1, FOUND, 5, 16, 0, 0, 6), ALLOW(NOT_YET_CLEANING), "" },
		{ 30, FOUND_RAM(LOGS, 6), ALLOW(NOT_YET_CLEANING), "" },
		{ 31, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct kcoh_core_stats stats;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 4);
	run_lines(&world, lines, 20, __func__);
	assert_int_equal(vm_view(&world, 1).slots, 3); /* nothing is left of slot 1 */
	run_lines(&world, lines + 20, COUNT(lines) - 20, __func__);
	assert_int_equal(vm_view(&world, 1).slots, 3); /* 2, 3 and 5 */
	assert_int_equal(vm_view(&world, 1).ram_pages, RAM_PAGES + 32);
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.stale, 6);
	world_free(&world);
}

/*
 * A scan shows the new flags just before the change's own record: the epoch begins with that
 * record.
 */
static void found_before_told(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, FOUND_RAM(LOGS, 3), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 3), WAIT(ARMING), "" },
		{ 12, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* A scan shows the logging, the module says the epoch, the slot goes: so does the epoch. */
static void found_told_and_gone(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, FOUND_RAM(LOGS, 3), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SLOT(1, DELETE, 3, RAM_PAGES, LOGS, LOGS, 4), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	run_lines(&world, lines, COUNT(lines) - 2, __func__);
	assert_true(vm_view(&world, 1).in_epoch);
	run_lines(&world, lines + COUNT(lines) - 2, 1, __func__);
	assert_false(vm_view(&world, 1).in_epoch);
	run_lines(&world, lines + COUNT(lines) - 1, 1, __func__);
	world_free(&world);
}

/* --- bounds --------------------------------------------------------------------------------- */

static void too_many_vcpus_or_slots(void **state)
{
	static const struct line vcpus[] = {
		KNOWN,
		{ 4, VCPU(1, 1, CACHED, SAMPLE), VETO(TOO_MANY), "alert:1" },
		{ 5, TOGGLE(1, 1, CACHED, UNCACHED, KVM), VETO(TOO_MANY), "" },
		{ 6, RESET(1, 1, INIT, 1), VETO(TOO_MANY), "" },
		{ 7, POLICY(1, OBSERVE, WARN, 0), ALLOW(TOO_MANY), "" },
	};
	static const struct line slots[] = {
		KNOWN,
		{ 4, SLOT(1, CREATE, 1, 16, 0, 0, 3), VETO(TOO_MANY), "alert:1" },
		{ 5, SLOT(1, DELETE, 1, 16, 0, 0, 4), VETO(TOO_MANY), "" },
		{ 6, PHASE(1, SETUP), VETO(TOO_MANY), "cancel:1" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, vcpus);
	assert_int_equal(vm_view(&world, 1).vcpus, 1);
	assert_int_equal(vm_view(&world, 1).toggles, 1);
	assert_true(vm_view(&world, 1).windows_open & (1u << KCOH_WINDOW_BLIND));
	world_free(&world);
	world_make(&world, 1, 1, 1);
	RUN(&world, slots);
	assert_int_equal(vm_view(&world, 1).slots, 1);
	world_free(&world);
}

static int note_id(const struct kcoh_vm_view *view, void *ctx)
{
	char *text = ctx;

	snprintf(text + strlen(text), 64 - strlen(text), "%u%s ", view->id,
		 view->tracked ? "" : "-");
	return view->id == 12;
}

static void too_many_vms(void **state)
{
	static const struct line lines[] = {
		READY,
		{ 1, VM_NEW(7), ALLOW(NOT_YET_CLEANING), "", .look = 7 },
		{ 2, VM_NEW(9), ALLOW(NOT_YET_CLEANING), "", .look = 9 },
		{ 3, VM_NEW(8), VETO(TOO_MANY), "alert:8", .look = 8 },
		{ 4, VM_NEW(8), VETO(TOO_MANY), "", .look = 8 },
		{ 5, RAM(8), VETO(TOO_MANY), "", .look = 8 },
		{ 6, LOG_ON(8), VETO(TOO_MANY), "", .look = 8 },
		{ 7, VM_NEW(10), VETO(TOO_MANY), "alert:10", .look = 10 },
		{ 8, TICK, NO_VM, "", .look = 11 },
		/* no room for its id either: now any id may be such a VM */
		{ 9, VM_NEW(12), VETO(TOO_MANY), "alert:12", .look = 12 },
		{ 10, TICK, VETO(TOO_MANY), "", .look = 11 },
		{ 12, VM_GONE(8), VETO(TOO_MANY), "", .look = 8 },
		{ 13, POLICY(0, OBSERVE, WARN, 0), ALLOW(TOO_MANY), "", .look = 10 },
		{ 14, VM_NEW(13), ALLOW(TOO_MANY), "", .look = 13 },
		/* room again: for VMs that are born now */
		{ 15, VM_GONE(7), ALLOW(NOT_YET_CLEANING), "", .look = 9 },
	};
	struct kcoh_core_stats stats;
	struct world world;
	char ids[64] = "";

	(void)state;
	world_make(&world, 2, 1, 1);
	run_lines(&world, lines, 12, __func__);
	kcoh_core_each_vm(world.core, note_id, ids);
	assert_string_equal(ids, "7 8- 9 10- ");
	run_lines(&world, lines + 12, COUNT(lines) - 12, __func__);
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.vms, 1);
	assert_int_equal(stats.vms_untracked, 2);
	assert_int_equal(stats.vms_refused, 4);
	assert_int_equal(stats.alerts, 3);
	assert_int_equal(stats.strays, 2);
	assert_int_equal(stats.records, COUNT(lines));
	world_free(&world);
}

/* VM 1 has all the vCPUs that fit; those of VM 2 follow in memory and are none of its business. */
static void neighbours(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 4, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 5, VCPU(2, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 6, VCPU(2, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		/* contradicts what is known of VM 1 */
		{ 7, EPOCH(1, 1, 1, 0), VETO(EVENTS_LOST), "rescan:0 alert:1" },
		{ 8, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 8, FOUND_RAM(0, 4), VETO(EVENTS_LOST), "" },
		{ 8, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "" },
		{ 9, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 9, TICK, ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 10, VCPU(2, 0, CACHED, DISARM), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 11, LOG_ON(1), WAIT(ARMING), "" },
		{ 12, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, EPOCH(1, 0, 1, 0), WAIT(ARMING), "" },
		{ 14, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct kcoh_vcpu_view view;
	struct world world;

	(void)state;
	world_make(&world, 2, 1, 1);
	run_lines(&world, lines, 14, __func__);
	assert_int_equal(vcpu_view(&world, 2, 0).source, KCOH_SRC_TRAP);
	assert_int_equal(vcpu_view(&world, 2, 0).state, KCOH_CACHED);
	run_lines(&world, lines + 14, COUNT(lines) - 14, __func__);
	assert_int_equal(kcoh_core_vcpu(world.core, 1, 1, &view), -ENOENT);
	world_free(&world);
}

/* Bodies of VMs are used again, and nothing of the former VM is left in them. */
static void bodies_are_used_again(void **state)
{
	static const union kcoh_ev host = HOST(MODULE);
	union kcoh_ev born = VM_NEW(1), ram = RAM(1), on = LOG_ON(1), gone = VM_GONE(1);
	union kcoh_ev vcpu = VCPU(1, 2, UNCACHED, SAMPLE);
	struct kcoh_vcpu_view view;
	struct kcoh_core_stats stats;
	struct world world;
	uint32_t vm;

	(void)state;
	world_make(&world, 2, 4, 4);
	world_step(&world, &host);
	for (vm = 1; vm <= 100; vm++) {
		born.hdr.vm = ram.hdr.vm = on.hdr.vm = vcpu.hdr.vm = vm;
		world_step(&world, &born);
		assert_int_equal(vm_view(&world, vm).verdict.kind, KCOH_VERDICT_ALLOW);
		assert_int_equal(vm_view(&world, vm).slots, 0);
		assert_int_equal(kcoh_core_vcpu(world.core, vm, 2, &view), -ENOENT);
		world_step(&world, &vcpu);
		world_step(&world, &ram);
		world_step(&world, &on);
		assert_true(vm_view(&world, vm).in_epoch);
		gone.hdr.vm = vm % 3 ? vm : vm - 1;
		world_step(&world, &gone);
		gone.hdr.vm = vm;
		world_step(&world, &gone);
	}
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.vms, 0);
	assert_int_equal(stats.vms_refused, 0);
	assert_int_equal(stats.strays, 100); /* each was ended twice, or the one before it again */
	world_free(&world);
}

static void one_vm_told_twice(void **state)
{
	static const struct line lines[] = {
		KNOWN,
		{ 10, VM_MET(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	union kcoh_ev again = VM_NEW(1);
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	run_lines(&world, lines, 5, __func__);
	assert_int_equal(vm_view(&world, 1).pid, 101);
	assert_string_equal(vm_view(&world, 1).comm, "qemu");
	run_lines(&world, lines + 5, 1, __func__);
	again.vm_new.pid = 4711;
	memcpy(again.vm_new.comm, "renamed", 8);
	world_step(&world, &again);
	assert_int_equal(vm_view(&world, 1).pid, 4711);
	assert_string_equal(vm_view(&world, 1).comm, "renamed");
	assert_int_equal(vm_view(&world, 1).slots, 1);
	world_free(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(found_outside_an_epoch),
		cmocka_unit_test(met_outside_a_scan),
		cmocka_unit_test(met_and_never_read),
		cmocka_unit_test(found_without_slots),
		cmocka_unit_test(found_without_a_scan),
		cmocka_unit_test(scan_brings_back_the_truth),
		cmocka_unit_test(scans_that_do_not_suffice),
		cmocka_unit_test(scans_of_the_daemons_own),
		cmocka_unit_test(patience_has_an_end),
		cmocka_unit_test(epoch_ends_before_the_scan),
		cmocka_unit_test(traps_after_a_loss),
		cmocka_unit_test(losses_on_strangers),
		cmocka_unit_test(ends_that_were_lost),
		cmocka_unit_test(generations),
		cmocka_unit_test(found_before_told),
		cmocka_unit_test(found_told_and_gone),
		cmocka_unit_test(too_many_vcpus_or_slots),
		cmocka_unit_test(too_many_vms),
		cmocka_unit_test(neighbours),
		cmocka_unit_test(bodies_are_used_again),
		cmocka_unit_test(one_vm_told_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
