// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_strategies.c - clean-tainted, hold, defer and retry, and how the module is given what they need.
 */
#include <errno.h>

#include "stream.h"

#define CLEANER (MODULE | KCOH_HOST_CLEAN)

#define HOLD(vm, index, held_)                                                                     \
	{                                                                                          \
		.hold = { HDR(hold, HOLD, vm, index), .held = (held_) }                            \
	}

/* A VM with a policy of its own, on a host with these features; its acts are all looked at. */
#define RUNNING(features, strategy, guard)                                                         \
	{ 0, HOST(features), NO_VM, "" }, { 0, POLICY(0, strategy, guard, 1), NO_VM, "" },         \
		{ 1, VM_NEW(1), ANY, "" },                                                         \
	{                                                                                          \
		2, RAM(1), ANY, NULL                                                               \
	}

static void armed_case(const struct line *lines, size_t n, const char *where)
{
	struct world world;

	world_make(&world, 2, 4, 4);
	world.arms = true;
	run_lines(&world, lines, n, where);
	world_free(&world);
}

#define ARMED_CASE(lines) armed_case(lines, COUNT(lines), __func__)

/* --- what the module is given ------------------------------------------------------------------ */

static void given_what_it_needs(void **state)
{
	static const struct {
		uint32_t features, strategy, guard;
		int act; /* KCOH_ACT_ARM, or 0: none */
		uint32_t given, hold_ms;
	} cases[] = {
		{ CLEANER, KCOH_STRATEGY_OBSERVE, 1, 0 },
		{ CLEANER, KCOH_STRATEGY_CLEAN, 1, 0 },
		{ CLEANER, KCOH_STRATEGY_VETO, 1, 0 },
		{ CLEANER, KCOH_STRATEGY_DEFER, 1, 0 },
		{ CLEANER, KCOH_STRATEGY_RETRY, 1, 0 },
		{ CLEANER, KCOH_STRATEGY_CLEAN_TAINTED, 0, KCOH_ACT_ARM,
		  KCOH_STRATEGY_CLEAN_TAINTED },
		{ CLEANER, KCOH_STRATEGY_HOLD, 1, KCOH_ACT_ARM, KCOH_STRATEGY_HOLD, 30000 },
		{ CLEANER, KCOH_STRATEGY_HOLD, 0, 0 },
		{ MODULE, KCOH_STRATEGY_OBSERVE, 1, 0 },
		{ MODULE, KCOH_STRATEGY_CLEAN, 0, KCOH_ACT_ARM, KCOH_STRATEGY_CLEAN },
		{ MODULE, KCOH_STRATEGY_VETO, 1, KCOH_ACT_ARM, KCOH_STRATEGY_CLEAN },
		{ MODULE, KCOH_STRATEGY_HOLD, 0, KCOH_ACT_ARM, KCOH_STRATEGY_CLEAN },
		{ CLEANER | KCOH_HOST_S2FWB, KCOH_STRATEGY_CLEAN_TAINTED, 1, 0 },
		{ KCOH_HOST_MODULE, KCOH_STRATEGY_CLEAN_TAINTED, 1, 0 },
		{ 0, KCOH_STRATEGY_CLEAN_TAINTED, 1, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		union kcoh_ev host = HOST(cases[i].features);
		union kcoh_ev policy = POLICY(0, VETO, WARN, 0), born = VM_NEW(1), ram = RAM(1);
		struct kcoh_act *act;
		struct world world;
		int n = 0;

		policy.policy.strategy = cases[i].strategy;
		policy.policy.guard = cases[i].guard;
		world_make(&world, 1, 1, 1);
		world_step(&world, &host);
		world_step(&world, &policy);
		world_step(&world, &born);
		world_step(&world, &ram);
		for (act = world.acts; act < world.acts + world.n_acts; act++) {
			if (act->type == KCOH_ACT_ALERT)
				continue;
			n++;
			assert_int_equal(act->type, cases[i].act);
			assert_int_equal(act->strategy, cases[i].given);
			assert_int_equal(act->hold_ms, cases[i].hold_ms);
			assert_false(act->dry);
		}
		assert_int_equal(n, cases[i].act ? 1 : 0);
		world_free(&world);
	}
}

static void given_again_when_it_fails(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, CLEAN_TAINTED, WARN),
		{ 10, DONE(1, ARM, -16), ALLOW(TAINTED_ONLY), "" },
		{ 900, TICK, ALLOW(TAINTED_ONLY), "" },
		{ 1010, TICK, ALLOW(TAINTED_ONLY), "arm:1" },
		{ 11009, TICK, ALLOW(TAINTED_ONLY), "" }, /* no answer for 10 s: failed */
		{ 11010, TICK, ALLOW(TAINTED_ONLY), "" },
		{ 12010, TICK, ALLOW(TAINTED_ONLY), "arm:1" },
		{ 12011, DONE(1, ARM, -16), ALLOW(TAINTED_ONLY), "" },
		{ 13011, TICK, ALLOW(TAINTED_ONLY), "arm:1" },
		{ 13012, DONE(1, DISARM, 0), ALLOW(TAINTED_ONLY), "" }, /* no answer to that */
		{ 13012, DONE(1, ARM, -16), ALLOW(TAINTED_ONLY), "" },
		{ 60000, TICK, ALLOW(TAINTED_ONLY), "" }, /* given up … */
		/* … until something changes */
		{ 60001, POLICY(1, CLEAN, WARN, 1), ALLOW(TAINTED_ONLY), "disarm:1" },
		{ 60001, DONE(1, DISARM, 0), ALLOW(CLEANING), "" },
		{ 60002, POLICY(1, CLEAN_TAINTED, WARN, 1), ALLOW(TAINTED_ONLY), "arm:1" },
		{ 60003, DONE(1, ARM, 0), ALLOW(TAINTED_ONLY), "" },
		{ 60004, POLICY(1, CLEAN, WARN, 1), ALLOW(TAINTED_ONLY), "disarm:1" },
		{ 60005, DONE(1, DISARM, 0), ALLOW(CLEANING), "" },
		{ 99000, TICK, ALLOW(CLEANING), "" },
	};

	(void)state;
	ARMED_CASE(lines);
}

/* What it was given goes with the module, and an epoch that was cleaned by that is not clean. */
static void given_and_gone(void **state)
{
	static const struct line lines[] = {
		RUNNING(MODULE, CLEAN, ENFORCE),
		{ 3, DONE(1, ARM, 0), ALLOW(CLEANING), "" },
		{ 4, VCPU(1, 0, UNCACHED, SAMPLE), REPAIR(CLEANING), "" },
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 20, HOST(0), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 30, HOST(MODULE), VETO(MMU_OFF), "arm:1" },
		{ 31, DONE(1, ARM, 0), VETO(UNCLEAN), "" },
		{ 40, LOG_OFF(1), REPAIR(CLEANING), "" },
	};

	(void)state;
	ARMED_CASE(lines);
}

/* Taken back in mid-epoch: what follows is not cleaned. */
static void taken_back(void **state)
{
	static const struct line lines[] = {
		RUNNING(MODULE, CLEAN, ENFORCE),
		{ 3, DONE(1, ARM, 0), ALLOW(CLEANING), "" },
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 20, POLICY(1, OBSERVE, ENFORCE, 1), ALLOW(NOT_YET_CLEANING), "disarm:1" },
		{ 21, DONE(1, DISARM, 0), ALLOW(NOT_YET_CLEANING), "" },
		{ 22, POLICY(1, CLEAN, ENFORCE, 1), ALLOW(NOT_YET_CLEANING), "arm:1" },
		{ 23, DONE(1, ARM, 0), VETO(UNCLEAN), "cancel:1 alert:1" },
	};

	(void)state;
	ARMED_CASE(lines);
}

/* --- clean-tainted ------------------------------------------------------------------------------ */

static void tainted_says_what_it_leaves_out(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, CLEAN_TAINTED, ENFORCE),
		{ 3, DONE(1, ARM, 0), ALLOW(TAINTED_ONLY), "" },
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(TAINTED_ONLY), "" },
		{ 10, LOG_ON(1), REPAIR(TAINTED_ONLY), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(TAINTED_ONLY), "" },
		{ 12, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), REPAIR(TAINTED_ONLY), "" },
		{ 13, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), REPAIR(TAINTED_ONLY), "" },
		{ 20, LOG_OFF(1), ALLOW(TAINTED_ONLY), "" },
		{ 30, HOST(CLEANER | KCOH_HOST_PKVM), VETO(PKVM), "alert:1" },
	};

	(void)state;
	ARMED_CASE(lines);
}

/* --- a page that could not be cleaned ------------------------------------------------------------ */

static void unclean_pages_veto(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, CLEAN, ENFORCE),
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 20, HARVEST(1, 0), ALLOW(CLEANING), "" },
		{ 21, HARVEST(1, 2), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 22, HARVEST(1, 0), VETO(UNCLEAN), "" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 40, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 41, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* The migration may have completed with it: whoever waited for its end is told, and the next one is another matter. */
static void unclean_pages_told_after_the_end(void **state)
{
	static const struct line passes[] = {
		RUNNING(CLEANER, CLEAN, ENFORCE),
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 31, HARVEST(1, 2), VETO(UNCLEAN), "alert:1" },
		{ 10030, TICK, VETO(UNCLEAN), "" },
		{ 10031, TICK, ALLOW(CLEANING), "" },
		{ 10040, HARVEST(1, 2), ALLOW(CLEANING),
		  "" }, /* of no epoch that there was lately */
	};
	static const struct line another[] = {
		RUNNING(CLEANER, CLEAN, ENFORCE),
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 20, HARVEST(1, 2), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 31, HARVEST(1, 2), VETO(UNCLEAN), "alert:1" },
		{ 40, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 41, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
	};
	static const struct line another_begins[] = {
		RUNNING(CLEANER, CLEAN, ENFORCE),
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 31, HARVEST(1, 2), VETO(UNCLEAN), "alert:1" },
		{ 40, PHASE(1, SETUP), ALLOW(CLEANING), "" }, /* before its epoch does */
		{ 41, UNCLEAN(2), ALLOW(CLEANING), "" },
	};
	struct world world;

	(void)state;
	CASE(passes);
	CASE(another);
	CASE(another_begins);
	world_make(&world, 1, 2, 1);
	run_lines(&world, passes, COUNT(passes) - 2, __func__);
	assert_int_equal(vm_view(&world, 1).verdict.until_ns, 10031 * 1000000ull);
	world_free(&world);
}

/* What the module counted and no record told of may be any VM's that is, or just was, in an epoch. */
static void unclean_pages_of_somebody(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, CLEAN, ENFORCE),
		{ 3, UNCLEAN(1), ALLOW(CLEANING), "" },
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 20, UNCLEAN(3), VETO(UNCLEAN), "cancel:1 alert:1" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 40, UNCLEAN(3), VETO(UNCLEAN), "alert:1" },
		{ 11000, TICK, ALLOW(CLEANING), "" },
		{ 11001, UNCLEAN(3), ALLOW(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* --- hold ---------------------------------------------------------------------------------------- */

static void held_until_the_end(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, HOLD, ENFORCE),
		{ 3, DONE(1, ARM, 0), ALLOW(CLEANING), "" },
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(CLEANING), "" },
		{ 10, LOG_ON(1), REPAIR(CLEANING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 12, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), REPAIR(CLEANING), "" },
		{ 12, HOLD(1, 0, 1), REPAIR(HELD), "" },
		{ 12, HOLD(1, 0, 1), REPAIR(HELD), "" }, /* told twice: held once */
		{ 20, HOLD(1, 0, 0), REPAIR(CLEANING), "" },
		{ 20, HOLD(1, 0, 0), REPAIR(CLEANING), "" },
		{ 21, HOLD(1, 1, 1), REPAIR(HELD), "" },
		{ 22, TICK, REPAIR(CLEANING), NULL, .gap = 1 }, /* who knows who is held */
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 1);
	world.arms = true;
	RUN(&world, lines);
	assert_int_equal(vm_view(&world, 1).vcpus_held, 0);
	world_free(&world);
}

/* Another deadline is given anew. */
static void hold_deadline_changes(void **state)
{
	union kcoh_ev policy = POLICY(1, HOLD, ENFORCE, 1);
	static const struct line lines[] = {
		RUNNING(CLEANER, HOLD, ENFORCE),
		{ 3, DONE(1, ARM, 0), ALLOW(CLEANING), "" },
		{ 4, POLICY(1, HOLD, ENFORCE, 1), ALLOW(CLEANING), "" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 2, 1);
	world.arms = true;
	RUN(&world, lines);
	policy.policy.hold_ms = 5;
	world_step(&world, &policy);
	assert_int_equal(world.n_acts, 1);
	assert_int_equal(world.acts[0].type, KCOH_ACT_ARM);
	assert_int_equal(world.acts[0].hold_ms, 5);
	policy.policy.hold_ms = 0;
	world_step(&world, &policy);
	assert_int_equal(world.n_acts, -EINVAL);
	policy.policy.hold_ms = 600001;
	world_step(&world, &policy);
	assert_int_equal(world.n_acts, -EINVAL);
	world_free(&world);
}

/* --- defer --------------------------------------------------------------------------------------- */

static void deferred_until_cached(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, DEFER, ENFORCE),
		{ 4, VCPU(1, 0, UNCACHED, SAMPLE), WAIT(DEFERRED), "" },
		{ 1000, PHASE(1, SETUP), WAIT(DEFERRED), "" },
		{ 1001, LOG_ON(1), WAIT(DEFERRED), "" },
		{ 1002, VCPU(1, 0, UNCACHED, TRAP), WAIT(DEFERRED), "" },
		{ 1003, EPOCH(1, 1, 1, 0), WAIT(DEFERRED), "" },
		{ 2500, TICK, WAIT(DEFERRED), "" }, /* the migration's own wait: 1000 + 2000 */
		{ 2600, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), REPAIR(CLEANING), "" },
		{ 2700, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), WAIT(DEFERRED), "" },
		{ 2800, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), REPAIR(CLEANING), "" },
		{ 9000, LOG_OFF(1), ALLOW(CLEANING), NULL },
	};

	(void)state;
	ARMED_CASE(lines);
}

static void deferred_for_too_long(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, DEFER, ENFORCE),
		{ 4, VCPU(1, 0, UNCACHED, SAMPLE), WAIT(DEFERRED), "" },
		{ 1000, PHASE(1, SETUP), WAIT(DEFERRED), "" },
		{ 2999, TICK, WAIT(DEFERRED), "" },
		{ 3000, TICK, VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 3001, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 3002, PHASE(1, CANCELLED), VETO(MMU_OFF), "" },
		{ 4000, TICK, VETO(MMU_OFF), "" }, /* the end of a migration is no new wait */
		{ 5000, PHASE(1, SETUP), WAIT(DEFERRED), "" },
		{ 6000, RESET(1, 0, INIT, 1), WAIT(DEFERRED), "" },
		{ 7000, TICK, VETO(STATE_UNKNOWN), "cancel:1 alert:1" },
	};
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	world_free(&world);
}

/* Where nothing is cleaned a window inside the epoch cannot be repaired. */
static void deferred_in_vain(void **state)
{
	static const struct line lines[] = {
		RUNNING(MODULE, DEFER, ENFORCE),
		{ 4, VCPU(1, 0, UNCACHED, SAMPLE), WAIT(DEFERRED), NULL },
		{ 5, TOGGLE(1, 0, UNCACHED, CACHED, KVM), ALLOW(NOT_YET_CLEANING), NULL },
		{ 10, LOG_ON(1), WAIT(ARMING), NULL },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(NOT_YET_CLEANING), NULL },
		{ 12, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF_EARLIER), NULL },
		{ 20, LOG_OFF(1), WAIT(DEFERRED), NULL },
		{ 30, HOST(0), VETO(NO_MODULE), NULL },
	};

	(void)state;
	CASE(lines);
}

/* --- retry --------------------------------------------------------------------------------------- */

static void retried_after_a_window(void **state)
{
	static const struct line lines[] = {
		RUNNING(CLEANER, RETRY, ENFORCE),
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(CLEANING), "" },
		{ 10, LOG_ON(1), WAIT(ARMING), "" },
		{ 11, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), "" },
		{ 12, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
		{ 13, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(RETRY), "" },
		{ 14, DONE(1, CANCEL, 0), VETO(RETRY), "" },
		{ 20, LOG_OFF(1), ALLOW(CLEANING), "" }, /* now it may be tried again */
		{ 30, TICK, VETO(EVENTS_LOST), NULL, .gap = 1 },
	};

	(void)state;
	ARMED_CASE(lines);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(given_what_it_needs),
		cmocka_unit_test(given_again_when_it_fails),
		cmocka_unit_test(given_and_gone),
		cmocka_unit_test(taken_back),
		cmocka_unit_test(tainted_says_what_it_leaves_out),
		cmocka_unit_test(unclean_pages_veto),
		cmocka_unit_test(unclean_pages_told_after_the_end),
		cmocka_unit_test(unclean_pages_of_somebody),
		cmocka_unit_test(held_until_the_end),
		cmocka_unit_test(hold_deadline_changes),
		cmocka_unit_test(deferred_until_cached),
		cmocka_unit_test(deferred_for_too_long),
		cmocka_unit_test(deferred_in_vain),
		cmocka_unit_test(retried_after_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
