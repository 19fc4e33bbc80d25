// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_found.c - what the simulator (tests/sim) found in the core, each as the shortest stream that shows it.
 *
 * Most have to do with records that are lost or late, or with traps and cleaning that begin or end unseen: what is known then is
 * a mixture of old and new, and each piece of it must be judged by what it is worth.
 */
#include "stream.h"

#define CLEANER (MODULE | KCOH_HOST_CLEAN)

#define RUNNING(features)                                                                          \
	{ 0, HOST(features), NO_VM, "" }, { 0, ENFORCED, NO_VM, "" }, { 1, VM_NEW(1), ANY },       \
		{ 2, RAM(1), ANY },                                                                \
	{                                                                                          \
		3, VCPU(1, 0, CACHED, SAMPLE), ANY, NULL                                           \
	}

/* The module goes, and its trap with it, a moment before anybody hears of it: the sample of that moment counts. */
static void traps_that_end_unseen(void **state)
{
	static const struct line lines[] = {
		RUNNING(MODULE),
		{ 10, LOG_ON(1), WAIT(ARMING), "" },
		{ 11, VCPU(1, 0, CACHED, TRAP), ANY, "" },
		{ 12, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), NULL },
		{ 30, VCPU(1, 0, CACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 40, HOST(0), VETO(NO_MODULE), "" },
		{ 50, LOG_OFF(1), VETO(NO_MODULE), "" },
	};

	(void)state;
	CASE(lines);
}

/* … unless something better came after it. */
static void samples_that_are_outdated(void **state)
{
	static const struct line lines[] = {
		RUNNING(MODULE),
		{ 10, LOG_ON(1), WAIT(ARMING), "" },
		{ 12, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), NULL },
		{ 30, VCPU(1, 0, CACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 31, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 40, HOST(0), VETO(MMU_OFF), "" },
	};

	(void)state;
	CASE(lines);
}

/* What contradicts itself about one VM spoils nothing for another. */
static void suspicion_is_of_one_vm(void **state)
{
	static const struct line lines[] = {
		RUNNING(MODULE),
		{ 4, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 4, RAM(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 5, TICK, VETO(EVENTS_LOST), "rescan:0 alert:1 alert:2", .gap = 1 },
		{ 6, SCAN(0), ANY, "" },
		{ 6, SLOT(1, FOUND, 3, RAM_PAGES, 0, 0, 4), ANY, "" },
		{ 6, VCPU(1, 0, CACHED, SAMPLE), ANY, "" },
		{ 6, SLOT(2, FOUND, 3, RAM_PAGES, 0, 0, 4), ANY, "" },
		/* an epoch without one logged page, when the scan has passed it: the next scan helps VM 1 */
		{ 7, EPOCH(1, 1, 1, 0), VETO(EVENTS_LOST), "" },
		{ 8, SCAN(1), VETO(EVENTS_LOST), "" },
		{ 8, DONE(0, RESCAN, 0), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 1100, TICK, VETO(EVENTS_LOST), "rescan:0" },
		{ 1101, SCAN(0), ANY, "" },
		{ 1101, SLOT(1, FOUND, 3, RAM_PAGES, 0, 0, 4), ANY, "" },
		{ 1101, VCPU(1, 0, CACHED, SAMPLE), ANY, "" },
		{ 1101, SLOT(2, FOUND, 3, RAM_PAGES, 0, 0, 4), ANY, "" },
		{ 1102, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* The RAM's slot was lost, so a framebuffer that is logged looks like an epoch over all there is; a scan knows better. */
static void an_epoch_that_was_none(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ANY, "" },
		{ 2, SLOT(1, CREATE, 4, 16, LOGS, 0, 5), VETO(EVENTS_LOST), NULL, .gap = 1 },
		{ 3, SCAN(0), ANY, "" },
		{ 3, SLOT(1, FOUND, 3, RAM_PAGES, 0, 0, 5), ANY, "" },
		{ 3, SLOT(1, FOUND, 4, 16, LOGS, LOGS, 5), ANY, "" },
		{ 4, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	assert_false(vm_view(&world, 1).in_epoch);
	world_free(&world);
}

/* The other way round: RAM that is gone was still counted. */
static void an_epoch_that_was_hidden(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ANY, "" },
		{ 2, SLOT(1, CREATE, 3, RAM_PAGES, 0, 0, 1), ANY, "" },
		{ 2, SLOT(1, CREATE, 5, RAM_PAGES * 4, 0, 0, 2), ANY, "" },
		{ 3, SLOT(1, FLAGS, 3, RAM_PAGES, LOGS, 0, 3), ALLOW(NOT_YET_CLEANING), "" },
		{ 4, TICK, VETO(EVENTS_LOST), NULL, .gap = 1 }, /* the end of slot 5 */
		{ 5, SCAN(0), ANY, "" },
		{ 5, SLOT(1, FOUND, 3, RAM_PAGES, LOGS, LOGS, 4), ANY, "" },
		{ 6, SCAN(1), VETO(EVENTS_LOST), NULL },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	assert_true(vm_view(&world, 1).in_epoch);
	world_free(&world);
}

/* A scan that lost records itself: what it did not find may be there all the same. */
static void slots_survive_a_spoilt_scan(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(CLEANER), NO_VM, "" },
		{ 0, POLICY(0, CLEAN, ENFORCE, 1), NO_VM, "" },
		{ 1, VM_NEW(1), ANY, "" },
		{ 2, SLOT(1, CREATE, 3, RAM_PAGES, 0, 0, 1), ANY, "" },
		{ 2, SLOT(1, CREATE, 4, 16, LOGS, 0, 2), ANY, "" },
		{ 3, VCPU(1, 0, CACHED, SAMPLE), ALLOW(CLEANING), "" },
		{ 4, TICK, REPAIR(CLEANING), "rescan:0", .gap = 1 },
		{ 5, SCAN(0), ANY, "" },
		/* that of slot 3 was lost: what is left would be an epoch, met late, and a veto */
		{ 5, SLOT(1, FOUND, 4, 16, LOGS, LOGS, 2), ANY, "", .gap = 1 },
		{ 5, VCPU(1, 0, CACHED, SAMPLE), ANY, "" },
		{ 6, SCAN(1), REPAIR(CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).slots, 2);
	world_free(&world);
}

/* A VM met by a scan that lost records: nobody knows which. One born after the loss is known. */
static void met_while_records_are_lost(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, SCAN(0), NO_VM, "" },
		{ 1, VM_MET(1), VETO(WATCHED_LATE), "", .gap = 1 },
		{ 1, SLOT(1, FOUND, 3, RAM_PAGES, 0, 0, 5), ANY, "" },
		{ 2, VM_NEW(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 2, RAM(2), ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 2, SLOT(2, FOUND, 3, RAM_PAGES, 0, 0, 1), ALLOW(NOT_YET_CLEANING), "",
		  .look = 2 },
		{ 3, SCAN(1), VETO(EVENTS_LOST), "rescan:0 alert:1" },
		{ 3, TICK, ALLOW(NOT_YET_CLEANING), "", .look = 2 },
		{ 4, SCAN(0), ANY, "" },
		{ 4, SLOT(1, FOUND, 3, RAM_PAGES, 0, 0, 5), ANY, "" },
		{ 4, SLOT(2, FOUND, 3, RAM_PAGES, 0, 0, 1), ANY, "" },
		{ 5, SCAN(1), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

#define OFF_AND_CANCELLED                                                                          \
	RUNNING(MODULE), { 10, LOG_ON(1), WAIT(ARMING), "" },                                      \
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), "" },                            \
		{ 20, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },   \
	{                                                                                          \
		30, DONE(1, CANCEL, 0), VETO(MMU_OFF), ""                                          \
	}

/* The end of the cancelled migration was lost, and the next one begins: it is cancelled, too. */
static void the_next_migration_unseen(void **state)
{
	static const struct line lines[] = {
		OFF_AND_CANCELLED,
		{ 40, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 50, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
	};

	(void)state;
	CASE(lines);
}

/* A cancel that was carried out and ended nothing is as good as failed. */
static void cancels_that_do_not_help(void **state)
{
	static const struct line lines[] = {
		OFF_AND_CANCELLED,
		{ 9000, TICK, VETO(MMU_OFF), "" },
		{ 10030, TICK, VETO(MMU_OFF), "" },
		{ 11030, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 11040, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 21040, TICK, VETO(MMU_OFF), "" },
		{ 22040, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 22050, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 32050, TICK, VETO(MMU_OFF), "" },
		{ 33050, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 33060, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 43060, TICK, VETO(MMU_OFF), "alert:1" }, /* given up */
		{ 99000, TICK, VETO(MMU_OFF), "" },
	};

	(void)state;
	CASE(lines);
}

#define BORN(features, strategy)                                                                   \
	{ 0, HOST(features), NO_VM, "" }, { 0, POLICY(0, strategy, ENFORCE, 1), NO_VM, "" },       \
		{ 1, VM_NEW(1), ANY, "" },                                                         \
	{                                                                                          \
		2, RAM(1), ANY, ""                                                                 \
	}

/* The epoch began before the module was given what it is to do, but is told only afterwards. */
static void given_in_an_epoch_not_yet_told(void **state)
{
	static const struct line lines[] = {
		BORN(MODULE, CLEAN_TAINTED),
		{ 20, DONE(1, ARM, 0), ALLOW(TAINTED_ONLY), "" },
		{ 10, LOG_ON(1), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 30, LOG_OFF(1), ALLOW(TAINTED_ONLY), "" },
		{ 40, LOG_ON(1), REPAIR(TAINTED_ONLY), "" },
	};

	(void)state;
	CASE(lines);
}

/* Until it was given that, the epoch rested on the module's own cleaning, of which a HOST record tells a second late that it ended. */
static void cleaning_that_had_ended(void **state)
{
	static const struct line lines[] = {
		BORN(CLEANER, CLEAN_TAINTED),
		{ 10, LOG_ON(1), REPAIR(TAINTED_ONLY), "" },
		{ 20, DONE(1, ARM, 0), REPAIR(TAINTED_ONLY), "" },
		{ 1000, HOST(MODULE), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 1010, LOG_OFF(1), ALLOW(TAINTED_ONLY), "" },
		{ 1020, LOG_ON(1), REPAIR(TAINTED_ONLY), "" },
		{ 2000, HOST(CLEANER), REPAIR(TAINTED_ONLY),
		  "" }, /* given before: it made no difference */
	};

	(void)state;
	CASE(lines);
}

/* A page that could not be cleaned spoils the epoch for those too who merely watch windows: it was taken uncleaned. */
static void failed_pages_under_each_strategy(void **state)
{
	static const uint32_t strategies[] = { KCOH_STRATEGY_VETO, KCOH_STRATEGY_RETRY,
					       KCOH_STRATEGY_DEFER };
	static const struct line lines[] = {
		{ 1, VM_NEW(1), ANY, "" },
		{ 2, RAM(1), ALLOW(CLEANING), "" },
		{ 10, LOG_ON(1), ANY, "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 20, HARVEST(1, 1), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
	};
	union kcoh_ev host = HOST(CLEANER), policy = ENFORCED;
	struct world world;

	(void)state;
	for (size_t i = 0; i < COUNT(strategies); i++) {
		policy.policy.strategy = strategies[i];
		world_make(&world, 1, 1, 1);
		world_step(&world, &host);
		world_step(&world, &policy);
		RUN(&world, lines);
		world_free(&world);
	}
}

/* Under clean-tainted Non-cacheable mappings are left out, so nothing better is claimed of that epoch when the policy changes. */
static void tainted_for_a_part_of_it(void **state)
{
	static const struct line lines[] = {
		BORN(CLEANER, CLEAN),
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 20, POLICY(1, CLEAN_TAINTED, ENFORCE, 1), ALLOW(TAINTED_ONLY), "" },
		{ 21, DONE(1, ARM, 0), ALLOW(TAINTED_ONLY), "" },
		{ 30, POLICY(1, CLEAN, ENFORCE, 1), ALLOW(TAINTED_ONLY), "" },
		{ 31, DONE(1, DISARM, 0), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 32, POLICY(1, VETO, ENFORCE, 1), ALLOW(NOT_YET_CLEANING), "" },
		{ 33, POLICY(1, CLEAN, ENFORCE, 1), VETO(UNCLEAN), NULL },
		/* who wants no more has no less */
		{ 34, POLICY(1, CLEAN_TAINTED, ENFORCE, 1), ALLOW(TAINTED_ONLY), NULL },
		{ 35, POLICY(1, CLEAN, ENFORCE, 1), ALLOW(TAINTED_ONLY), "" },
		{ 36, DONE(1, ARM, 0), ALLOW(TAINTED_ONLY), "" },
		{ 37, DONE(1, DISARM, 0), VETO(UNCLEAN), NULL },
		{ 40, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 50, LOG_ON(1), REPAIR(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(traps_that_end_unseen),
		cmocka_unit_test(samples_that_are_outdated),
		cmocka_unit_test(suspicion_is_of_one_vm),
		cmocka_unit_test(an_epoch_that_was_none),
		cmocka_unit_test(an_epoch_that_was_hidden),
		cmocka_unit_test(slots_survive_a_spoilt_scan),
		cmocka_unit_test(met_while_records_are_lost),
		cmocka_unit_test(the_next_migration_unseen),
		cmocka_unit_test(cancels_that_do_not_help),
		cmocka_unit_test(given_in_an_epoch_not_yet_told),
		cmocka_unit_test(cleaning_that_had_ended),
		cmocka_unit_test(failed_pages_under_each_strategy),
		cmocka_unit_test(tainted_for_a_part_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
