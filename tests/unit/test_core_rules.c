// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_rules.c - each rule of the core by itself: facts to verdicts, arming, states,
 * windows, policy.
 */
#include <errno.h>

#include "stream.h"

#define BORN(features)                                                                             \
	{ 0, HOST(features), NO_VM, "" }, { 0, ENFORCED, NO_VM, "" }, { 1, VM_NEW(1), ANY },       \
		{ 2, RAM(1), ANY },                                                                \
	{                                                                                          \
		3, VCPU(1, 0, CACHED, SAMPLE), ANY, NULL                                           \
	}

/* --- hosts ---------------------------------------------------------------------------------- */

static void without_module(void **state)
{
	static const struct line veto[] = {
		{ 1, VM_NEW(1), VETO(NO_MODULE), "" },
		{ 2, RAM(1), VETO(NO_MODULE), "alert:1" },
		{ 3, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 4, VCPU(1, 0, CACHED, SAMPLE), VETO(NO_MODULE), "" },
		{ 5, LOG_ON(1), VETO(NO_MODULE), "dry-cancel:1 alert:1" },
		{ 6, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 7, VCPU(1, 0, CACHED, SAMPLE), VETO(NO_MODULE), "" },
		{ 9000, TICK, VETO(NO_MODULE), "" },
		{ 9001, LOG_OFF(1), VETO(NO_MODULE), "" },
	};
	static const struct line observe[] = {
		{ 0, POLICY(0, OBSERVE, WARN, 0), NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NO_MODULE), "" },
		{ 2, RAM(1), ALLOW(NO_MODULE), "" },
		{ 3, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(OBSERVE_ONLY), "" },
		{ 4, LOG_ON(1), ALLOW(OBSERVE_ONLY), "" },
		{ 5, VCPU(1, 0, CACHED, SAMPLE), ALLOW(OBSERVE_ONLY), "" },
		{ 6, LOG_OFF(1), ALLOW(NO_MODULE), "" },
	};

	struct world world;

	(void)state;
	CASE(observe);
	world_make(&world, 1, 1, 1);
	run_lines(&world, veto, 8, __func__);
	assert_true(vm_view(&world, 1).in_epoch);
	assert_false(vm_view(&world, 1).armed);
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_BLIND], 0); /* no deadline */
	run_lines(&world, veto + 8, COUNT(veto) - 8, __func__);
	world_free(&world);
}

static void protected_kvm(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE | KCOH_HOST_PKVM), NO_VM, "" },
		{ 1, VM_NEW(1), VETO(PKVM), "" },
		{ 1, VM_NEW(2), VETO(PKVM), "" },
		{ 2, VCPU(1, 0, UNCACHED, SAMPLE), VETO(PKVM), "alert:1" },
		{ 3, POLICY(1, OBSERVE, WARN, 0), ALLOW(PKVM), "" },
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(PKVM), "" },
		{ 5, HOST(MODULE), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 5, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 6, HOST(MODULE | KCOH_HOST_PKVM), ALLOW(PKVM), "alert:2" },
		{ 7, HOST(MODULE | KCOH_HOST_PKVM | KCOH_HOST_S2FWB), ALLOW(HARDWARE_COHERENT),
		  "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 2, 1, 1);
	RUN(&world, lines);
	assert_true(vm_view(&world, 1).windows_open & (1u << KCOH_WINDOW_BLIND));
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_BLIND], 2);
	world_free(&world);
}

static void module_comes_and_goes(void **state)
{
	static const struct line lines[] = {
		BORN(0),
		{ 10, LOG_ON(1), VETO(NO_MODULE), NULL },
		{ 20, HOST(MODULE), VETO(WATCHED_LATE), "" },
		{ 21, VCPU(1, 0, CACHED, TRAP), VETO(WATCHED_LATE), "" },
		{ 22, EPOCH(1, 1, 1, 0), VETO(WATCHED_LATE), "" },
		{ 9000, TICK, VETO(WATCHED_LATE), NULL },
		{ 9001, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 9002, LOG_ON(1), WAIT(ARMING), "" },
		{ 9003, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 9003, VCPU(1, 1, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 9003, HOST(MODULE | KCOH_HOST_CLEAN), ALLOW(NOT_YET_CLEANING), "" },
		{ 9003, VCPU(1, 1, UNKNOWN, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 9004, HOST(0), VETO(NO_MODULE), "cancel:1 alert:1" },
		/* the trap went with it: a sample is believed again */
		{ 9005, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 9006, VCPU(1, 0, CACHED, SAMPLE), VETO(NO_MODULE), "" },
		{ 9006, VCPU(1, 1, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 9006, VCPU(1, 1, CACHED, SAMPLE), VETO(NO_MODULE), "" },
		{ 9007, HOST(MODULE), VETO(WATCHED_LATE), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 1);
	RUN(&world, lines);
	assert_int_equal(vcpu_view(&world, 1, 0).source, KCOH_SRC_SAMPLE);
	assert_false(vm_view(&world, 1).armed);
	world_free(&world);
}

/* --- policy --------------------------------------------------------------------------------- */

static void observing(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, POLICY(0, OBSERVE, ENFORCE, 1), NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 4, LOG_ON(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 5, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 6, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), ALLOW(OBSERVE_ONLY), "" },
		{ 7, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), ALLOW(OBSERVE_ONLY), "" },
		{ 8, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 9, RESET(1, 0, INIT, 1), ALLOW(OBSERVE_ONLY), "" },
		{ 10, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, TICK, ALLOW(OBSERVE_ONLY), "rescan:0", .gap = 1 },
		{ 12, POLICY(1, VETO, ENFORCE, 1), VETO(EVENTS_LOST), "alert:1" },
		/* its own policy stays, whatever the default becomes */
		{ 13, POLICY(0, OBSERVE, WARN, 0), VETO(EVENTS_LOST), "" },
		{ 14, POLICY(1, OBSERVE, WARN, 0), ALLOW(OBSERVE_ONLY), "" },
	};

	(void)state;
	CASE(lines);
}

static void default_policy(void **state)
{
	static const struct line lines[] = {
		{ 0, VM_NEW(1), VETO(NO_MODULE), NULL },
		{ 0, HOST(MODULE), ALLOW(NOT_YET_CLEANING), "" },
		{ 1, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, LOG_ON(1), WAIT(ARMING), "" },
		/* a new default is that of all VMs without their own */
		{ 3, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 4, VCPU(2, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:2", .look = 2 },
		{ 5, POLICY(0, OBSERVE, WARN, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 6, TICK, ALLOW(OBSERVE_ONLY), "", .look = 2 },
	};
	struct world world;

	(void)state;
	world_make(&world, 2, 1, 1);
	run_lines(&world, lines, 4, __func__);
	assert_int_equal(vm_view(&world, 1).strategy, KCOH_STRATEGY_VETO);
	assert_int_equal(vm_view(&world, 1).guard, KCOH_GUARD_WARN);
	assert_int_equal(vm_view(&world, 1).verdict.until_ns, 1002 * 1000000ull);
	run_lines(&world, lines + 4, COUNT(lines) - 4, __func__);
	world_free(&world);
}

/* --- arming --------------------------------------------------------------------------------- */

static void arming_times_out(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, CACHED, SAMPLE), ANY, "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), WAIT(ARMING), "" },
		{ 599, TICK, WAIT(ARMING), "" },
		{ 600, TICK, VETO(ARM_TIMEOUT), "cancel:1 alert:1" },
		/* too late: the epoch stays blind */
		{ 601, VCPU(1, 1, CACHED, TRAP), VETO(ARM_TIMEOUT), "" },
		{ 602, EPOCH(1, 1, 2, 0), VETO(ARM_TIMEOUT), "" },
		{ 700, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 1);
	run_lines(&world, lines, 7, __func__);
	assert_int_equal(vm_view(&world, 1).verdict.since_ns, 100 * 1000000ull);
	assert_int_equal(vm_view(&world, 1).verdict.until_ns, 600 * 1000000ull);
	assert_false(vm_view(&world, 1).armed);
	run_lines(&world, lines + 7, COUNT(lines) - 7, __func__);
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_BLIND], 1);
	assert_int_equal(vm_view(&world, 1).window_ns[KCOH_WINDOW_BLIND], 100 * 1000000ull);
	assert_int_equal(vm_view(&world, 1).window_since_ns[KCOH_WINDOW_BLIND], 0);
	world_free(&world);
}

/* All report by themselves, without the module's word. */
static void all_report(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, CACHED, SAMPLE), ANY, "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 1, CACHED, TRAP), WAIT(ARMING), "" },
		{ 102, TOGGLE(1, 1, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), NULL },
		{ 103, TOGGLE(1, 1, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), NULL },
	};
	static const struct line clean[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, CACHED, SAMPLE), ANY, "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 1, CACHED, TRAP), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, OFF, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 9000, TICK, ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	CASE(lines);
	world_make(&world, 1, 2, 1);
	RUN(&world, clean);
	assert_true(vm_view(&world, 1).armed);
	world_free(&world);
}

/* vCPUs that were never heard of owe nothing, whatever lies between those that were. */
static void indexes_with_holes(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 5, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), WAIT(ARMING), "" },
		{ 102, VCPU(1, 5, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 103, EPOCH(1, 0, 2, 0), WAIT(ARMING), "" },
		{ 104, VCPU(1, 0, CACHED, TRAP), WAIT(ARMING), "" },
		{ 105, VCPU(1, 5, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* Where a window decides the verdict, the debt goes on beside it. */
static void debts_beside_windows(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, TOGGLE(1, 0, CACHED, UNCACHED, KVM), VETO(MMU_OFF), NULL },
		{ 102, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), NULL },
		{ 103, RESET(1, 0, INIT, 1), VETO(STATE_UNKNOWN), NULL },
		{ 104, VCPU(1, 0, CACHED, SAMPLE), VETO(MMU_OFF_EARLIER), NULL },
		{ 105, RESET(1, 0, INIT, 0), VETO(MMU_OFF_EARLIER), NULL },
	};
	static const bool armed[] = { false, false, true, false, false, true };
	static const struct line by_kvm[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, OFF, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, EPOCH(1, 1, 2, 1), ALLOW(NOT_YET_CLEANING), "" },
		/* was counted out: KVM's own trap shows an edge before ours is set */
		{ 102, TOGGLE(1, 0, UNCACHED, CACHED, KVM), VETO(MMU_OFF_EARLIER), NULL },
		/* was off: it runs, and is not trapped */
		{ 103, TOGGLE(1, 1, UNCACHED, CACHED, KVM), VETO(MMU_OFF_EARLIER), NULL },
	};
	struct world world;
	size_t i;

	(void)state;
	world_make(&world, 1, 1, 1);
	run_lines(&world, lines, 5, __func__);
	for (i = 0; i < COUNT(armed); i++) {
		run_lines(&world, lines + 5 + i, 1, __func__);
		assert_int_equal(vm_view(&world, 1).armed, armed[i]);
	}
	world_free(&world);
	world_make(&world, 1, 2, 1);
	run_lines(&world, by_kvm, COUNT(by_kvm) - 1, __func__);
	assert_true(vm_view(&world, 1).armed);
	run_lines(&world, by_kvm + COUNT(by_kvm) - 1, 1, __func__);
	assert_false(vm_view(&world, 1).armed);
	world_free(&world);
}

/* vCPUs asleep in the kernel: pending, their sample is exact, they report when they wake. */
static void sleepers(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, CACHED, SAMPLE), ANY, "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), WAIT(ARMING), "" },
		{ 102, EPOCH(1, 1, 2, 1), ALLOW(NOT_YET_CLEANING), "" },
		{ 103, VCPU(1, 1, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 60000, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 60001, VCPU(1, 1, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line uncached[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
		{ 100, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 102, EPOCH(1, 1, 2, 1), VETO(MMU_OFF), "" },
		{ 60001, VCPU(1, 1, CACHED, TRAP), VETO(MMU_OFF_EARLIER), NULL },
	};

	(void)state;
	CASE(lines);
	CASE(uncached);
}

/* The module's first sign of life is waited for even if no vCPU is known to run. */
static void nobody_is_known_to_run(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 3, RESET(1, 0, INIT, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 4, LOG_ON(1), WAIT(ARMING), "" },
		{ 5, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 6, LOG_OFF(1), VETO(MMU_OFF), "" },
		{ 7, VCPU(1, 0, OFF, DISARM), ALLOW(NOT_YET_CLEANING), "" },
		{ 8, LOG_ON(1), WAIT(ARMING), "" },
		{ 508, TICK, VETO(ARM_TIMEOUT), "cancel:1 alert:1" },
	};

	(void)state;
	CASE(lines);
}

/* Records around an edge in another order. */
static void orders(void **state)
{
	static const struct line trap_first[] = {
		BORN(MODULE),
		{ 99, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line disarm_first[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 200, VCPU(1, 0, CACHED, DISARM), WAIT(ARMING), "" },
		{ 201, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 202, EPOCH(1, 0, 1, 1), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line epoch_end_first[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, EPOCH(1, 0, 1, 0), WAIT(ARMING), "" },
		{ 103, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line trap_left_from_before[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 103, LOG_ON(1), WAIT(ARMING), "" },
		{ 104, VCPU(1, 0, CACHED, DISARM), WAIT(ARMING), "" },
		{ 105, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
	};

	static const struct line trap_first_again[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 103, VCPU(1, 0, CACHED, DISARM), ALLOW(NOT_YET_CLEANING), "" },
		{ 104, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 105, LOG_ON(1), WAIT(ARMING), "" },
		{ 106, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(trap_first);
	CASE(trap_first_again);
	CASE(disarm_first);
	CASE(epoch_end_first);
	CASE(trap_left_from_before);
}

/* A trap that was given back in mid-epoch is a hole, whether it comes back or not. */
static void holes(void **state)
{
	static const struct line comes_back[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, VCPU(1, 0, CACHED, DISARM), WAIT(ARMING), "" },
		{ 103, VCPU(1, 0, CACHED, SAMPLE), WAIT(ARMING), "" },
		{ 104, VCPU(1, 0, CACHED, TRAP), VETO(ARM_TIMEOUT), "cancel:1 alert:1" },
		{ 105, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line stays_away[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 1000, VCPU(1, 0, CACHED, DISARM), WAIT(ARMING), "" },
		{ 1499, TICK, WAIT(ARMING), "" },
		{ 1500, TICK, VETO(ARM_TIMEOUT), "cancel:1 alert:1" },
	};
	static const struct line two_stay_away[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, EPOCH(1, 1, 2, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 1000, VCPU(1, 0, CACHED, DISARM), WAIT(ARMING), "" },
		{ 1400, VCPU(1, 1, CACHED, DISARM), WAIT(ARMING), "" },
		{ 1500, TICK, VETO(ARM_TIMEOUT), "cancel:1 alert:1" },
	};
	static const struct line goes_off[] = {
		BORN(MODULE),
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, VCPU(1, 0, OFF, DISARM), ALLOW(NOT_YET_CLEANING), "" },
		/* it runs again, and is not trapped */
		{ 103, VCPU(1, 0, CACHED, SAMPLE), WAIT(ARMING), "" },
	};

	(void)state;
	CASE(comes_back);
	CASE(stays_away);
	CASE(two_stay_away);
	CASE(goes_off);
}

/* The module says that an epoch began which the slots did not show. */
static void module_knows_better(void **state)
{
	static const struct line ram_taken_away[] = {
		BORN(MODULE),
		{ 4, SLOT(1, CREATE, 4, 4096, LOGS, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 5, SLOT(1, DELETE, 3, RAM_PAGES, 0, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 6, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 7, SLOT(1, DELETE, 4, 4096, LOGS, LOGS, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 8, EPOCH(1, 0, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line slots_are_wrong[] = {
		BORN(MODULE),
		{ 6, EPOCH(1, 1, 1, 0), VETO(EVENTS_LOST), "rescan:0 alert:1" },
		{ 7, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 8, SLOT(1, FOUND, 3, RAM_PAGES, LOGS, LOGS, 9), VETO(EVENTS_LOST), "" },
		{ 9, SCAN(1), VETO(STATE_UNKNOWN), "cancel:1" }, /* it did not read vCPU 0 */
		{ 10, LOG_OFF(1), VETO(STATE_UNKNOWN), "" },
		{ 11, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, ram_taken_away);
	assert_int_equal(vm_view(&world, 1).epochs, 1);
	world_free(&world);
	CASE(slots_are_wrong);
}

/* --- states and windows --------------------------------------------------------------------- */

/* What a record makes of a vCPU that is trapped and cached, or trapped and uncached. */
static void samples_of_the_trapped(void **state)
{
	static const struct {
		uint8_t was, told, source, now, now_source;
	} table[] = {
		{ KCOH_CACHED, KCOH_CACHED, KCOH_SRC_SAMPLE, KCOH_CACHED, KCOH_SRC_TRAP },
		{ KCOH_CACHED, KCOH_UNCACHED, KCOH_SRC_SAMPLE, KCOH_UNCACHED, KCOH_SRC_TRAP },
		{ KCOH_CACHED, KCOH_UNKNOWN, KCOH_SRC_SAMPLE, KCOH_CACHED, KCOH_SRC_TRAP },
		{ KCOH_CACHED, KCOH_OFF, KCOH_SRC_SAMPLE, KCOH_OFF, KCOH_SRC_TRAP },
		{ KCOH_UNCACHED, KCOH_CACHED, KCOH_SRC_SAMPLE, KCOH_UNCACHED, KCOH_SRC_TRAP },
		{ KCOH_UNCACHED, KCOH_CACHED, KCOH_SRC_KVM, KCOH_UNCACHED, KCOH_SRC_TRAP },
		{ KCOH_UNCACHED, KCOH_CACHED, KCOH_SRC_TRAP, KCOH_CACHED, KCOH_SRC_TRAP },
		{ KCOH_UNCACHED, KCOH_CACHED, KCOH_SRC_DISARM, KCOH_CACHED, KCOH_SRC_DISARM },
		{ KCOH_OFF, KCOH_CACHED, KCOH_SRC_SAMPLE, KCOH_CACHED, KCOH_SRC_TRAP },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(table); i++) {
		struct line lines[] = {
			BORN(MODULE),
			{ 10, VCPU(1, 1, CACHED, TRAP), ANY, NULL },
			{ 11, VCPU(1, 1, CACHED, TRAP), ANY, NULL },
		};
		struct world world;

		lines[5].ev.vcpu.state = table[i].was;
		lines[6].ev.vcpu.state = table[i].told;
		lines[6].ev.vcpu.source = table[i].source;
		world_make(&world, 1, 2, 1);
		RUN(&world, lines);
		assert_int_equal(vcpu_view(&world, 1, 1).state, table[i].now);
		assert_int_equal(vcpu_view(&world, 1, 1).source, table[i].now_source);
		world_free(&world);
	}
}

/* A scan's sample may be as old as the last put: it does not open a window on a trapped vCPU. */
static void scans_of_the_trapped(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 10, LOG_ON(1), WAIT(ARMING), "" },
		{ 11, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SCAN(0), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, SLOT(1, FOUND, 3, RAM_PAGES, LOGS, LOGS, 4), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 14, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "cancel:1 alert:1" },
	};

	(void)state;
	CASE(lines);
}

/* A toggle whose `was` is not what was known shows a window that nobody saw begin. */
static void edges_that_were_missed(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 10, TOGGLE(1, 0, UNCACHED, CACHED, KVM), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, LOG_ON(1), WAIT(ARMING), "" },
		{ 12, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), NULL },
		{ 14, SET_WAY(1, 0), VETO(MMU_OFF_EARLIER), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_MMU_OFF], 2);
	assert_int_equal(vm_view(&world, 1).window_ns[KCOH_WINDOW_MMU_OFF], 0);
	assert_int_equal(vm_view(&world, 1).set_ways, 1);
	assert_int_equal(vcpu_view(&world, 1, 0).sctlr, 0x30d0180d);
	world_free(&world);
}

static void windows_of_two_vcpus(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 4, VCPU(1, 1, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, TOGGLE(1, 0, CACHED, UNCACHED, KVM), VETO(MMU_OFF), "alert:1" },
		{ 12, RESET(1, 1, SET_SCTLR, 1), VETO(MMU_OFF), "" },
		{ 15, TOGGLE(1, 0, UNCACHED, CACHED, KVM), VETO(STATE_UNKNOWN), "" },
		{ 20, VCPU(1, 1, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 30, VCPU(1, 1, UNKNOWN, SAMPLE), VETO(STATE_UNKNOWN), "alert:1" },
	};
	struct kcoh_vm_view view;
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 1);
	run_lines(&world, lines, 8, __func__);
	assert_int_equal(vm_view(&world, 1).verdict.since_ns, 10000000);
	run_lines(&world, lines + 8, 1, __func__);
	assert_int_equal(vm_view(&world, 1).verdict.since_ns, 15000000);
	run_lines(&world, lines + 9, COUNT(lines) - 9, __func__);
	view = vm_view(&world, 1);
	assert_int_equal(view.verdict.since_ns, 30000000);
	assert_int_equal(view.windows[KCOH_WINDOW_MMU_OFF], 2);
	assert_int_equal(view.window_ns[KCOH_WINDOW_MMU_OFF], 10000000);
	assert_int_equal(view.window_since_ns[KCOH_WINDOW_MMU_OFF], 30000000);
	assert_int_equal(view.window_since_ns[KCOH_WINDOW_BLIND], 0);
	assert_int_equal(view.vcpus_unknown, 1);
	assert_int_equal(view.resets, 1);
	assert_int_equal(vcpu_view(&world, 1, 1).since_ns, 30000000);
	world_free(&world);
}

/* RESET of one that never ran leaves it off; CPU_ON starts it whatever was known. */
static void resets(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 10, RESET(1, 1, INIT, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, RESET(1, 2, SET_SCTLR, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 12, RESET(1, 1, CPU_ON, 0), VETO(STATE_UNKNOWN), "alert:1" },
		{ 13, VCPU(1, 1, OFF, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 14, RESET(1, 0, SET_SCTLR, 1), VETO(STATE_UNKNOWN), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 3, 1);
	RUN(&world, lines);
	assert_int_equal(vcpu_view(&world, 1, 0).sctlr, 0);
	assert_int_equal(vcpu_view(&world, 1, 2).since_ns, 11000000);
	assert_int_equal(vm_view(&world, 1).resets, 4);
	world_free(&world);
}

/* --- time ----------------------------------------------------------------------------------- */

static void time_goes_backwards(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ 100, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
		{ 50, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 0, LOG_ON(1), WAIT(ARMING), "" },
		{ 1, TICK, WAIT(ARMING), "" },
	};
	struct kcoh_vm_view view;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	view = vm_view(&world, 1);
	assert_int_equal(view.window_ns[KCOH_WINDOW_MMU_OFF], 0);
	assert_int_equal(view.epoch_since_ns, 100000000);
	assert_int_equal(view.verdict.until_ns, 600000000);
	world_free(&world);
}

static void time_ends(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE),
		{ UINT64_MAX / 1000000, LOG_ON(1), WAIT(ARMING), "" },
	};
	union kcoh_ev tick = TICK;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	assert_true(vm_view(&world, 1).verdict.until_ns == UINT64_MAX);
	tick.hdr.ts_ns = UINT64_MAX;
	world_step(&world, &tick);
	assert_int_equal(vm_view(&world, 1).verdict.kind, KCOH_VERDICT_VETO);
	world_free(&world);
}

/* Flash that is larger than the RAM: read-only it cannot be dirtied, so the RAM alone makes the epoch. */
static void read_only_slots_do_not_count(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ANY, "" },
		{ 2, RAM(1), ANY, "" },
		{ 3, SLOT(1, CREATE, 4, 4 * RAM_PAGES, KCOH_SLOT_READONLY, 0, 0),
		  ALLOW(NOT_YET_CLEANING), "" },
		{ 4, SLOT(1, FLAGS, 4, 4 * RAM_PAGES, KCOH_SLOT_READONLY | LOGS, 0, 0),
		  ALLOW(NOT_YET_CLEANING), "" },
		{ 5, LOG_ON(1), WAIT(ARMING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).ram_pages, RAM_PAGES);
	assert_int_equal(vm_view(&world, 1).logged_pages, RAM_PAGES);
	world_free(&world);
}

/* --- what the policy tolerates ------------------------------------------------------------------ */

#define TOLERANT(vm, strategy_, tolerate_)                                                         \
	{                                                                                          \
		.policy = {                                                                        \
			HDR(policy, POLICY, vm, KCOH_VCPU_NONE),                                   \
			.strategy = KCOH_STRATEGY_##strategy_,                                     \
			.guard = KCOH_GUARD_ENFORCE,                                               \
			.can_cancel = 1,                                                           \
			.arm_deadline_ms = 500,                                                    \
			.defer_ms = 2000,                                                          \
			.hold_ms = 30000,                                                          \
			.tolerate = (tolerate_)                                                    \
		}                                                                                  \
	}

static void tolerates_no_module(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(0), NO_VM, "" },
		{ 0, TOLERANT(0, VETO, KCOH_TOLERATE_NO_MODULE), NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NO_MODULE), "" },
		{ 2, RAM(1), ALLOW(NO_MODULE), "" },
		{ 3, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF),
		  "alert:1" }, /* what is seen counts */
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NO_MODULE), "" },
		{ 10, LOG_ON(1), ALLOW(NO_MODULE), "" },
		{ 11, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 12, VCPU(1, 0, CACHED, SAMPLE), VETO(MMU_OFF_EARLIER), "" },
		{ 20, LOG_OFF(1), ALLOW(NO_MODULE), "" },
		{ 30, TICK, VETO(EVENTS_LOST), NULL, .gap = 1 },
		{ 31, TOLERANT(1, RETRY, KCOH_TOLERATE_NO_MODULE), VETO(EVENTS_LOST), NULL },
		{ 32, TOLERANT(1, VETO, 3), ALLOW(EVENTS_LOST), "" },
		{ 33, TOLERANT(1, DEFER, 3), ALLOW(EVENTS_LOST), "" },
		{ 34, TOLERANT(1, CLEAN, 3), ALLOW(EVENTS_LOST), "" },
		{ 35, TOLERANT(1, CLEAN, KCOH_TOLERATE_BLIND), VETO(NO_MODULE), NULL },
		{ 36, HOST(KCOH_HOST_PKVM), VETO(PKVM), NULL },
		{ 37, TOLERANT(1, CLEAN, 3), VETO(PKVM), NULL }, /* that is tolerated by nobody */
	};

	(void)state;
	CASE(lines);
}

static void tolerates_being_blind(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, TOLERANT(0, VETO, KCOH_TOLERATE_BLIND), NO_VM, "" },
		{ 1, VM_MET(1), ALLOW(WATCHED_LATE), NULL },
		{ 2, SCAN(0), ANY, NULL },
		{ 2, SLOT(1, FOUND, 3, RAM_PAGES, 0, 0, 1), ANY, NULL },
		{ 2, VCPU(1, 0, CACHED, SAMPLE), ANY, NULL },
		{ 3, SCAN(1), ANY, NULL },
		{ 10, LOG_ON(1), WAIT(ARMING), "" },
		{ 511, TICK, ALLOW(ARM_TIMEOUT), "" },
		{ 520, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 530, LOG_ON(1), WAIT(ARMING), "" },
		{ 531, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 532, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), NULL },
		{ 533, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), NULL },
		{ 540, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), NULL },
		{ 600, TICK, ALLOW(EVENTS_LOST), NULL, .gap = 1 },
		{ 601, LOG_ON(1), ANY, NULL },
		{ 602, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), NULL },
		{ 603, HOST(0), VETO(MMU_OFF), NULL },
		{ 604, VCPU(1, 0, CACHED, SAMPLE), VETO(NO_MODULE), NULL },
		{ 605, HOST(KCOH_HOST_S2FWB), ALLOW(HARDWARE_COHERENT), NULL },
	};
	union kcoh_ev policy = TOLERANT(1, VETO, 4), born = VM_NEW(2);
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 4);
	RUN(&world, lines);
	world_step(&world, &policy);
	assert_int_equal(world.n_acts, -EINVAL);
	policy = (union kcoh_ev)HOST(MODULE);
	world_step(&world, &policy);
	world_step(&world, &born); /* no room for it */
	assert_int_equal(vm_view(&world, 2).verdict.kind, KCOH_VERDICT_ALLOW);
	assert_int_equal(vm_view(&world, 2).verdict.reason, KCOH_RSN_TOO_MANY);
	world_free(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_module),
		cmocka_unit_test(protected_kvm),
		cmocka_unit_test(module_comes_and_goes),
		cmocka_unit_test(observing),
		cmocka_unit_test(default_policy),
		cmocka_unit_test(arming_times_out),
		cmocka_unit_test(all_report),
		cmocka_unit_test(indexes_with_holes),
		cmocka_unit_test(debts_beside_windows),
		cmocka_unit_test(sleepers),
		cmocka_unit_test(nobody_is_known_to_run),
		cmocka_unit_test(orders),
		cmocka_unit_test(holes),
		cmocka_unit_test(module_knows_better),
		cmocka_unit_test(samples_of_the_trapped),
		cmocka_unit_test(scans_of_the_trapped),
		cmocka_unit_test(edges_that_were_missed),
		cmocka_unit_test(windows_of_two_vcpus),
		cmocka_unit_test(resets),
		cmocka_unit_test(time_goes_backwards),
		cmocka_unit_test(time_ends),
		cmocka_unit_test(read_only_slots_do_not_count),
		cmocka_unit_test(tolerates_no_module),
		cmocka_unit_test(tolerates_being_blind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
