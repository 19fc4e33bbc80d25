// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_cases.c - the cases of the problem, as the streams that the kernel makes of them.
 *
 * Each case is what BPF, the module and the daemon send in that situation, and the verdict after
 * each record. All run under `veto`, enforced, with a way to cancel, unless the case is about
 * something else.
 */
#include "stream.h"

/* Boots with its MMU off and is migrated then. */
static void boots_uncached_and_is_migrated(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 3, RESET(1, 0, INIT, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 10, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
		{ 100, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 101, LOG_ON(1), VETO(MMU_OFF), "" },
		{ 101, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 102, EPOCH(1, 1, 1, 0), VETO(MMU_OFF), "" },
		{ 103, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 104, PHASE(1, CANCELLING), VETO(MMU_OFF), "" },
		{ 105, LOG_OFF(1), VETO(MMU_OFF), "" },
		{ 105, VCPU(1, 0, UNCACHED, DISARM), VETO(MMU_OFF), "" },
		{ 106, EPOCH(1, 0, 1, 0), VETO(MMU_OFF), "" },
		{ 107, PHASE(1, CANCELLED), VETO(MMU_OFF), "" },
		{ 200, TOGGLE(1, 0, UNCACHED, CACHED, KVM), ALLOW(NOT_YET_CLEANING), "" },
		{ 300, VM_GONE(1), NO_VM, "" },
	};

	(void)state;
	CASE(lines);
}

/* What every case needs that begins with a guest that runs cached. */
#define CACHED_VM                                                                                  \
	{ 0, HOST(MODULE), NO_VM, "" }, { 0, ENFORCED, NO_VM, "" },                                \
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },                                     \
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },                                        \
	{                                                                                          \
		3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), ""                         \
	}

#define ARMED_VM                                                                                   \
	CACHED_VM, { 100, LOG_ON(1), WAIT(ARMING), "" },                                           \
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },                    \
	{                                                                                          \
		102, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), ""                                \
	}

/* Toggles off, writes, toggles on, all inside one epoch; and once more. */
static void toggles_inside_an_epoch(void **state)
{
	static const struct line lines[] = {
		ARMED_VM,
		{ 110, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 111, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 112, DONE(1, CANCEL, 0), VETO(MMU_OFF_EARLIER), "" },
		{ 113, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 114, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 115, TICK, VETO(MMU_OFF_EARLIER), "" },
		{ 120, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).toggles, 4);
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_MMU_OFF], 2);
	assert_int_equal(vm_view(&world, 1).window_ns[KCOH_WINDOW_MMU_OFF], 2000000);
	world_free(&world);
}

/*
 * Toggles between the epoch's start and arming. Off and not back: the exact record says so. Off
 * and back before the ioctl returned: nobody saw it, nothing was harvested yet, and it is no
 * window of the epoch.
 */
static void toggles_before_arming(void **state)
{
	static const struct line stays_off[] = {
		CACHED_VM,
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 102, EPOCH(1, 1, 1, 0), VETO(MMU_OFF), "" },
		{ 103, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 104, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line comes_back[] = {
		CACHED_VM,
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(stays_off);
	CASE(comes_back);
}

/* One vCPU off, others on; one never started; then the off one is started. */
static void off_is_no_window(void **state)
{
	static const struct line lines[] = {
		CACHED_VM,
		{ 4, RESET(1, 1, INIT, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 5, VCPU(1, 1, OFF, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 6, RESET(1, 2, INIT, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, EPOCH(1, 1, 3, 2), ALLOW(NOT_YET_CLEANING), "" },
		{ 5000, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 5001, VCPU(1, 2, OFF, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 6000, RESET(1, 1, CPU_ON, 1), VETO(STATE_UNKNOWN), "cancel:1 alert:1" },
		{ 6001, VCPU(1, 1, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 6002, VCPU(1, 1, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 6003, TOGGLE(1, 1, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 3, 1);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).vcpus, 3);
	assert_int_equal(vm_view(&world, 1).vcpus_off, 1);
	assert_int_equal(vm_view(&world, 1).vcpus_cached, 2);
	world_free(&world);
}

/* A reset during an epoch: unknown, then known, then back. */
static void resets_inside_an_epoch(void **state)
{
	static const struct line lines[] = {
		ARMED_VM,
		{ 110, RESET(1, 0, INIT, 1), VETO(STATE_UNKNOWN), "cancel:1 alert:1" },
		{ 111, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 112, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 150, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 160, RESET(1, 0, SET_SCTLR, 1), VETO(STATE_UNKNOWN), "" },
		{ 170, LOG_OFF(1), VETO(STATE_UNKNOWN), "" },
		{ 171, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* Memslots change in mid-epoch: flash flips, memory is plugged in, and the epoch goes on. */
static void slots_change_inside_an_epoch(void **state)
{
	static const struct line lines[] = {
		ARMED_VM,
		{ 110, SLOT(1, DELETE, 0, 16384, 0, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 111, SLOT(1, CREATE, 0, 16384, LOGS | KCOH_SLOT_READONLY, 0, 0),
		  ALLOW(NOT_YET_CLEANING), "" },
		{ 112, SLOT(1, DELETE, 0, 16384, LOGS | KCOH_SLOT_READONLY, 0, 0),
		  ALLOW(NOT_YET_CLEANING), "" },
		{ 113, SLOT(1, CREATE, 0, 16384, LOGS, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 114, SLOT(1, CREATE, 5, 4 * RAM_PAGES, 0, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 115, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 116, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 117, SLOT(1, FLAGS, 5, 4 * RAM_PAGES, LOGS, 0, 0), VETO(MMU_OFF_EARLIER), "" },
		{ 118, SLOT(1, MOVE, 5, 4 * RAM_PAGES, LOGS, LOGS, 0), VETO(MMU_OFF_EARLIER), "" },
		{ 120, SLOT(1, FLAGS, 5, 4 * RAM_PAGES, 0, LOGS, 0), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 3);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).slots, 3);
	assert_int_equal(vm_view(&world, 1).ram_pages, 5 * RAM_PAGES + 16384);
	assert_int_equal(vm_view(&world, 1).logged_pages, RAM_PAGES + 16384);
	world_free(&world);
}

/* The daemon was killed and is started again in mid-epoch. */
static void daemon_restarts_inside_an_epoch(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, SCAN(0), NO_VM, "" },
		{ 2, VM_MET(1), VETO(WATCHED_LATE), "" },
		{ 2, SLOT(1, FOUND, 0, 16, LOGS, LOGS, 7), VETO(WATCHED_LATE), "" },
		{ 2, SLOT(1, FOUND, 3, RAM_PAGES, LOGS, LOGS, 7), VETO(WATCHED_LATE), "" },
		{ 2, VCPU(1, 0, CACHED, SAMPLE), VETO(WATCHED_LATE), "" },
		{ 3, SCAN(1), VETO(WATCHED_LATE), "cancel:1 alert:1" },
		{ 4, DONE(1, CANCEL, 0), VETO(WATCHED_LATE), "" },
		{ 900, TICK, VETO(WATCHED_LATE), "" },
		{ 950, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 960, LOG_ON(1), WAIT(ARMING), "" },
		{ 961, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* Records are lost: outside an epoch a scan brings sight back, inside one the epoch is spoilt. */
static void records_are_lost(void **state)
{
	static const struct line lines[] = {
		ARMED_VM,
		{ 103, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 103, RAM(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 104, TICK, VETO(EVENTS_LOST), "rescan:0 cancel:1 alert:1 alert:2", .gap = 3 },
		{ 105, SCAN(0), VETO(EVENTS_LOST), "" },
		{ 106, SLOT(1, FOUND, 3, RAM_PAGES, LOGS, LOGS, 7), VETO(EVENTS_LOST), "" },
		{ 106, VCPU(1, 0, CACHED, SAMPLE), VETO(EVENTS_LOST), "" },
		{ 106, SLOT(2, FOUND, 3, RAM_PAGES, 0, 0, 4), VETO(EVENTS_LOST), "" },
		{ 107, SCAN(1), VETO(EVENTS_LOST), "" },
		{ 107, DONE(0, RESCAN, 0), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 200, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 201, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(EVENTS_LOST), "" },
		{ 300, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* A migration is cancelled and started again; savevm; a memory dump: each epoch is judged anew. */
static void migrates_again(void **state)
{
	static const struct line lines[] = {
		CACHED_VM,
		{ 90, PHASE(1, SETUP), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 102, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 110, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 111, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 112, PHASE(1, CANCELLING), VETO(MMU_OFF), "" },
		{ 113, LOG_OFF(1), VETO(MMU_OFF), "" },
		{ 114, VCPU(1, 0, UNCACHED, DISARM), VETO(MMU_OFF), "" },
		{ 115, PHASE(1, CANCELLED), VETO(MMU_OFF), "" },
		/* again, too early: the veto stands, and is carried out again */
		{ 200, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 201, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 202, PHASE(1, CANCELLED), VETO(MMU_OFF), "" },
		{ 250, TOGGLE(1, 0, UNCACHED, CACHED, KVM), ALLOW(NOT_YET_CLEANING), "" },
		/* savevm: no phase is seen, logging is */
		{ 300, LOG_ON(1), WAIT(ARMING), "" },
		{ 301, VCPU(1, 0, CACHED, TRAP), ALLOW(NOT_YET_CLEANING), "" },
		{ 302, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 390, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		/* and once more, and it completes */
		{ 400, PHASE(1, SETUP), ALLOW(NOT_YET_CLEANING), "" },
		{ 401, LOG_ON(1), WAIT(ARMING), "" },
		{ 402, EPOCH(1, 1, 1, 1), ALLOW(NOT_YET_CLEANING), "" },
		{ 403, PHASE(1, ACTIVE), ALLOW(NOT_YET_CLEANING), "" },
		{ 500, PHASE(1, PRE_SWITCHOVER), ALLOW(NOT_YET_CLEANING), "" },
		{ 501, PHASE(1, DEVICE), ALLOW(NOT_YET_CLEANING), "" },
		{ 502, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 503, PHASE(1, COMPLETED), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).epochs, 3);
	world_free(&world);
}

/* A host with S2FWB: windows are recorded, and nothing follows from them. */
static void coherent_hardware(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(KCOH_HOST_S2FWB | KCOH_HOST_VHE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(HARDWARE_COHERENT), "" },
		{ 2, RAM(1), ALLOW(HARDWARE_COHERENT), "" },
		{ 3, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(HARDWARE_COHERENT), "" },
		{ 4, LOG_ON(1), ALLOW(HARDWARE_COHERENT), "" },
		{ 5, TICK, ALLOW(HARDWARE_COHERENT), "rescan:0", .gap = 1 },
		{ 6, RESET(1, 0, INIT, 1), ALLOW(HARDWARE_COHERENT), "" },
		{ 7, VM_NEW(5), ALLOW(HARDWARE_COHERENT), "", .look = 5 },
		{ 900, TICK, ALLOW(HARDWARE_COHERENT), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1); /* VM 5 finds no room: coherent all the same */
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).windows[KCOH_WINDOW_MMU_OFF], 1);
	assert_true(vm_view(&world, 1).windows_open & (1u << KCOH_WINDOW_MMU_OFF));
	world_free(&world);
}

/* Dirty logging that is no migration: a framebuffer for ever; a measurement of the dirty rate. */
static void logging_without_migration(void **state)
{
	static const struct line lines[] = {
		CACHED_VM,
		{ 10, SLOT(1, CREATE, 4, 4096, LOGS, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 11, TOGGLE(1, 0, CACHED, UNCACHED, KVM), VETO(MMU_OFF), "alert:1" },
		{ 12, TOGGLE(1, 0, UNCACHED, CACHED, KVM), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, SLOT(1, FLAGS, 4, 4096, 0, LOGS, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 14, SLOT(1, FLAGS, 4, 4096, LOGS, 0, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, LOG_ON(1), WAIT(ARMING), "" },
		{ 21, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 22, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).epochs, 1);
	assert_int_equal(vm_view(&world, 1).logged_pages, 4096);
	world_free(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(boots_uncached_and_is_migrated), /* S1 */
		cmocka_unit_test(toggles_inside_an_epoch), /* S2, S17 */
		cmocka_unit_test(toggles_before_arming), /* S3 */
		cmocka_unit_test(off_is_no_window), /* S4 */
		cmocka_unit_test(resets_inside_an_epoch), /* S5, S11 */
		cmocka_unit_test(slots_change_inside_an_epoch), /* S6 */
		cmocka_unit_test(daemon_restarts_inside_an_epoch), /* S10 */
		cmocka_unit_test(records_are_lost), /* S10 */
		cmocka_unit_test(migrates_again), /* S12 */
		cmocka_unit_test(coherent_hardware), /* S15 */
		cmocka_unit_test(logging_without_migration), /* S8, S16 */
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
