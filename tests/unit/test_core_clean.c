// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_clean.c - the strategy `clean`: no window vetoes, an epoch that was not cleaned does.
 *
 * With the module cleaning at every harvest the stream is right whatever the guest does, so a window,
 * seen or missed, only turns `allow` into `repair`. What vetoes is doubt about the cleaning itself: a module that
 * came or stopped in mid-epoch, or an epoch whose start nobody watched.
 */
#include "stream.h"

#define CLEANER (MODULE | KCOH_HOST_CLEAN)
#define CLEANED POLICY(0, CLEAN, ENFORCE, 1)
#define REPAIR(reason) KCOH_VERDICT_REPAIR, KCOH_RSN_##reason

#define RUNNING_VM                                                                                 \
	{ 0, HOST(CLEANER), NO_VM, "" }, { 0, CLEANED, NO_VM, "" },                                \
		{ 1, VM_NEW(1), ALLOW(CLEANING), "" }, { 2, RAM(1), ALLOW(CLEANING), "" },         \
	{                                                                                          \
		3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(CLEANING), ""                                 \
	}

#define MIGRATING_VM                                                                               \
	RUNNING_VM, { 100, LOG_ON(1), REPAIR(CLEANING), "" },                                      \
		{ 101, VCPU(1, 0, CACHED, TRAP), ALLOW(CLEANING), "" },                            \
	{                                                                                          \
		102, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), ""                                        \
	}

/* Off for ever, migrated: repaired, never cancelled. */
static void uncached_is_repaired(void **state)
{
	static const struct line lines[] = {
		RUNNING_VM,
		{ 10, VCPU(1, 0, UNCACHED, SAMPLE), REPAIR(CLEANING), "" },
		{ 100, PHASE(1, ACTIVE), REPAIR(CLEANING), "" },
		{ 101, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 102, VCPU(1, 0, UNCACHED, TRAP), REPAIR(CLEANING), "" },
		{ 103, EPOCH(1, 1, 1, 0), REPAIR(CLEANING), "" },
		{ 900, PHASE(1, COMPLETED), REPAIR(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* A window inside the epoch is told to its end, and then forgotten. */
static void toggles_are_repaired(void **state)
{
	static const struct line lines[] = {
		MIGRATING_VM,
		{ 110, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), REPAIR(CLEANING), "" },
		{ 120, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), REPAIR(CLEANING), "" },
		{ 200, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 300, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 301, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* It needs no detection: lost records and a vCPU that never arms do not matter. */
static void blindness_is_repaired(void **state)
{
	static const struct line lines[] = {
		MIGRATING_VM,
		{ 110, TICK, REPAIR(CLEANING), NULL, .gap = 3 },
		{ 2000, TICK, REPAIR(CLEANING), NULL },
		{ 3000, LOG_OFF(1), REPAIR(CLEANING), NULL },
		{ 3001, LOG_ON(1), REPAIR(CLEANING), NULL },
		{ 9000, TICK, REPAIR(CLEANING), NULL },
	};

	(void)state;
	CASE(lines);
}

/* Cleaning that begins or stops inside an epoch leaves pages in doubt, to its end. */
static void cleaning_begins_too_late(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, CLEANED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 100, LOG_ON(1), WAIT(ARMING), "" },
		{ 101, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 110, HOST(CLEANER), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 120, DONE(1, CANCEL, 0), VETO(UNCLEAN), "" },
		{ 200, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 300, LOG_ON(1), REPAIR(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

static void cleaning_stops_too_early(void **state)
{
	static const struct line lines[] = {
		MIGRATING_VM,
		{ 110, HOST(MODULE), ALLOW(NOT_YET_CLEANING), "" },
		{ 120, HOST(CLEANER), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 200, LOG_OFF(1), ALLOW(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* An epoch that the scan finds: whether it was cleaned from its start nobody can tell. */
static void found_in_an_epoch(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(CLEANER), NO_VM, "" },
		{ 0, CLEANED, NO_VM, "" },
		{ 1, SCAN(0), NO_VM, "" },
		{ 1, VM_MET(1), ANY, NULL },
		{ 1, SLOT(1, FOUND, 3, RAM_PAGES, LOGS, LOGS, 2), ANY, NULL },
		{ 1, VCPU(1, 0, CACHED, SAMPLE), ANY, NULL },
		{ 2, SCAN(1), VETO(UNCLEAN), NULL },
		{ 9, LOG_OFF(1), ALLOW(CLEANING), NULL },
	};

	(void)state;
	CASE(lines);
}

static void hardware_needs_none(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(CLEANER | KCOH_HOST_S2FWB), NO_VM, "" },
		{ 0, CLEANED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(HARDWARE_COHERENT), "" },
		{ 2, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(HARDWARE_COHERENT), "" },
	};

	(void)state;
	CASE(lines);
}

/* Without the module it is as strict as veto. */
static void no_module(void **state)
{
	static const struct line lines[] = {
		{ 0, CLEANED, NO_VM, "" },
		{ 1, VM_NEW(1), VETO(NO_MODULE), NULL },
		{ 2, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), NULL },
		{ 3, HOST(CLEANER), REPAIR(CLEANING), NULL },
	};

	(void)state;
	CASE(lines);
}

/* A veto adds to the cleaning; what it allows is cleaned, unless the epoch began without. */
static void veto_is_cleaned_too(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(CLEANER), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(CLEANING), "" },
		{ 2, RAM(1), ALLOW(CLEANING), "" },
		{ 3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(CLEANING), "" },
		{ 10, LOG_ON(1), WAIT(ARMING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 12, HOST(MODULE), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, HOST(CLEANER), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 30, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
	};

	(void)state;
	CASE(lines);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uncached_is_repaired),
		cmocka_unit_test(toggles_are_repaired),
		cmocka_unit_test(blindness_is_repaired),
		cmocka_unit_test(cleaning_begins_too_late),
		cmocka_unit_test(cleaning_stops_too_early),
		cmocka_unit_test(found_in_an_epoch),
		cmocka_unit_test(hardware_needs_none),
		cmocka_unit_test(no_module),
		cmocka_unit_test(veto_is_cleaned_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
