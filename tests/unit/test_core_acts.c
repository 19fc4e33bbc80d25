// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_acts.c - when cancels and alerts are handed out, how often, and what their failing
 * leads to.
 */
#include <errno.h>

#include "stream.h"

/* A VM whose only vCPU runs uncached, told once. */
#define VETOED                                                                                     \
	{ 0, HOST(MODULE), NO_VM, "" }, { 0, ENFORCED, NO_VM, "" },                                \
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },                                     \
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },                                        \
	{                                                                                          \
		3, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1"                          \
	}

static void cancel_is_retried_and_given_up(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 1000, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 1001, DONE(1, CANCEL, -ECONNREFUSED), VETO(MMU_OFF), "" },
		{ 2000, TICK, VETO(MMU_OFF), "" },
		{ 2001, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 2002, DONE(1, CANCEL, -ECONNREFUSED), VETO(MMU_OFF), "" },
		{ 3002, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 3002, DONE(1, CANCEL, -ECONNREFUSED), VETO(MMU_OFF), "" },
		{ 4002, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 4003, DONE(1, CANCEL, -ECONNREFUSED), VETO(MMU_OFF), "alert:1" },
		{ 5003, TICK, VETO(MMU_OFF), "" },
		{ 9003, DONE(1, CANCEL, -ECONNREFUSED), VETO(MMU_OFF), "" },
		/* the migration goes on: tried afresh */
		{ 9004, PHASE(1, ACTIVE), VETO(MMU_OFF), "cancel:1" },
		{ 9005, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 9006, PHASE(1, ACTIVE), VETO(MMU_OFF), "" },
		/* it was said to have worked, and did not */
		{ 9007, PHASE(1, PRE_SWITCHOVER), VETO(MMU_OFF), "cancel:1" },
		{ 9008, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		/* answered twice, and differently */
		{ 9009, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 10009, TICK, VETO(MMU_OFF), "cancel:1" },
	};

	(void)state;
	CASE(lines);
}

static void cancel_is_not_answered(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 1000, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 5000, TICK, VETO(MMU_OFF), "" },
		{ 8000, TICK, VETO(MMU_OFF), "" },
		{ 10999, TICK, VETO(MMU_OFF), "" },
		{ 11000, TICK, VETO(MMU_OFF), "" },
		{ 12000, TICK, VETO(MMU_OFF), "cancel:1" },
	};

	(void)state;
	CASE(lines);
}

/* The answer comes when the matter is over, or is about something else. */
static void answers_out_of_place(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 900, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 1000, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 1001, DONE(1, ALERT, -EIO), VETO(MMU_OFF), "" },
		{ 1002, DONE(0, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 1003, PHASE(1, FAILED), VETO(MMU_OFF), "" },
		{ 1004, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 9000, TICK, VETO(MMU_OFF), "" },
		/* the veto is over before the next try */
		{ 9100, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 9101, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 9102, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 11000, TICK, ALLOW(NOT_YET_CLEANING), "" },
		/* failures of one migration do not count for the next */
		{ 11001, PHASE(1, CANCELLED), ALLOW(NOT_YET_CLEANING), "" },
		{ 11002, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
		{ 11003, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 11004, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 12004, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 12004, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 13004, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 13004, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 14004, TICK, VETO(MMU_OFF), "cancel:1" },
	};

	(void)state;
	CASE(lines);
}

/* Given up when the veto is over already: nothing to alert about. */
static void given_up_in_peace(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 1000, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
		{ 1001, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 2001, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 2001, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 3001, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 3001, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 4001, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 4002, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 4003, DONE(1, CANCEL, -EIO), ALLOW(NOT_YET_CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

/* Once for an epoch and its phases; again for the next epoch. */
static void cancel_once(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 11, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 12, VCPU(1, 0, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 13, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), "" },
		{ 14, TICK, VETO(MMU_OFF), "" },
		{ 15, LOG_OFF(1), VETO(MMU_OFF), "" },
		{ 16, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 17, LOG_OFF(1), VETO(MMU_OFF), "" },
		/* a phase that is stuck does not swallow the cancel of the next epoch */
		{ 20, PHASE(1, ACTIVE), VETO(MMU_OFF), "cancel:1" },
		{ 21, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 22, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 23, PHASE(1, DEVICE), VETO(MMU_OFF), "" },
	};

	(void)state;
	CASE(lines);
}

/* The veto comes and goes while a phase goes on: once, all the same. */
static void cancel_once_a_phase(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, PHASE(1, ACTIVE), VETO(MMU_OFF), "cancel:1" },
		{ 11, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 12, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 13, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
		{ 14, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 15, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
	};

	(void)state;
	CASE(lines);
}

/* A guard that warns, or no way to cancel: it is said instead. */
static void dry(void **state)
{
	static const struct line warn[] = {
		VETOED,
		{ 4, POLICY(1, VETO, WARN, 1), VETO(MMU_OFF), "" },
		{ 10, PHASE(1, SETUP), VETO(MMU_OFF), "dry-cancel:1 alert:1" },
		{ 11, DONE(1, CANCEL, -EIO), VETO(MMU_OFF), "" },
		{ 12000, TICK, VETO(MMU_OFF), "" },
		{ 12001, LOG_ON(1), VETO(MMU_OFF), "dry-cancel:1 alert:1" },
		/* an operator turns it on in the middle */
		{ 12002, POLICY(1, VETO, ENFORCE, 1), VETO(MMU_OFF), "cancel:1" },
		{ 12003, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 12004, POLICY(1, VETO, WARN, 1), VETO(MMU_OFF), "" },
	};
	static const struct line no_way[] = {
		VETOED,
		{ 4, POLICY(1, VETO, ENFORCE, 0), VETO(MMU_OFF), "" },
		{ 10, LOG_ON(1), VETO(MMU_OFF), "dry-cancel:1 alert:1" },
	};

	(void)state;
	CASE(warn);
	CASE(no_way);
}

/* The same news is told once a minute, and at each migration. */
static void alerts_are_quiet(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 4, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 5, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "" },
		{ 6, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 7, VCPU(1, 0, UNKNOWN, SAMPLE), VETO(STATE_UNKNOWN), "alert:1" },
		{ 8, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 60006, VCPU(1, 0, UNKNOWN, SAMPLE), VETO(STATE_UNKNOWN), "" },
		{ 60006, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 60007, VCPU(1, 0, UNKNOWN, SAMPLE), VETO(STATE_UNKNOWN), "alert:1" },
		{ 60009, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 60010, LOG_ON(1), WAIT(ARMING), "" },
		{ 60011, RESET(1, 0, INIT, 1), VETO(STATE_UNKNOWN), "cancel:1 alert:1" },
	};
	struct kcoh_core_stats stats;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	RUN(&world, lines);
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.alerts, 4);
	assert_int_equal(stats.alerts_quiet, 2);
	assert_int_equal(stats.cancels, 1);
	world_free(&world);
}

/* `vms` VMs in epochs, all vetoed at once by the last step, which hands out the first 64 acts. */
static void make_crowd(struct world *world, uint32_t vms)
{
	static const union kcoh_ev host = HOST(MODULE), bare = HOST(0), policy = ENFORCED;
	union kcoh_ev born = VM_NEW(1), ram = RAM(1), on = LOG_ON(1), epoch = EPOCH(1, 1, 1, 0);
	uint32_t vm;

	world_make(world, vms, 1, 1);
	world_step(world, &host);
	world_step(world, &policy);
	for (vm = 1; vm <= vms; vm++) {
		born.hdr.vm = ram.hdr.vm = on.hdr.vm = epoch.hdr.vm = vm;
		world_step(world, &born);
		world_step(world, &ram);
		world_step(world, &on);
		world_step(world, &epoch);
		assert_int_equal(world->n_acts, 0);
	}
	world_step(world, &bare);
	assert_int_equal(world->n_acts, KCOH_CORE_MAX_ACTS);
}

/* The acts of 100 VMs come in as many steps as they need, none twice. */
static void more_acts_than_fit(void **state)
{
	enum { VMS = 100 };
	static const union kcoh_ev tick = TICK;
	unsigned int seen[VMS + 1][4] = { 0 }, steps = 0;
	struct world world;
	uint32_t vm;
	int i;

	(void)state;
	for (make_crowd(&world, VMS); world.n_acts; world_step(&world, &tick), steps++)
		for (i = 0; i < world.n_acts; i++)
			seen[world.acts[i].vm][world.acts[i].type]++;
	assert_int_equal(steps, 4); /* 200 acts, 64 a step */
	for (vm = 1; vm <= VMS; vm++) {
		assert_int_equal(seen[vm][KCOH_ACT_CANCEL], 1);
		assert_int_equal(seen[vm][KCOH_ACT_ALERT], 1);
	}
	world_free(&world);
}

/* What cannot be cancelled is refused in the kernel, while it lasts. */
#define RESORT(can_cancel_, guard_)                                                                \
	{                                                                                          \
		.policy = {                                                                        \
			HDR(policy, POLICY, 0, KCOH_VCPU_NONE),                                    \
			.strategy = KCOH_STRATEGY_VETO,                                            \
			.guard = KCOH_GUARD_##guard_,                                              \
			.can_cancel = (can_cancel_),                                               \
			.arm_deadline_ms = 500,                                                    \
			.last_resort = 1                                                           \
		}                                                                                  \
	}

static void last_resort(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 4, RESORT(0, ENFORCE), VETO(MMU_OFF), "" },
		/* a phase is no epoch: nothing is harvested yet */
		{ 9, PHASE(1, SETUP), VETO(MMU_OFF), "dry-cancel:1 alert:1" },
		{ 10, LOG_ON(1), VETO(MMU_OFF), "dry-cancel:1 alert:1 refuse:1" },
		{ 11, TICK, VETO(MMU_OFF), "" },
		{ 12, VCPU(1, 0, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
		{ 13, PHASE(1, FAILED), VETO(MMU_OFF_EARLIER), "" },
		{ 14, LOG_OFF(1), ALLOW(NOT_YET_CLEANING), "admit:1" },
		{ 15, TICK, ALLOW(NOT_YET_CLEANING), "" },
		{ 16, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), "alert:1" },
		{ 17, LOG_ON(1), VETO(MMU_OFF), "dry-cancel:1 alert:1 refuse:1" },
		/* an operator answers for it */
		{ 18, OVERRIDE(1, 1000, 0), ALLOW(OVERRIDE), "admit:1" },
		{ 1000, TICK, VETO(MMU_OFF), "refuse:1" },
		/* the policy is another one */
		{ 1001, RESORT(0, WARN), VETO(MMU_OFF), "admit:1" },
		{ 1002, RESORT(0, ENFORCE), VETO(MMU_OFF), "refuse:1" },
		{ 1003, ENFORCED, VETO(MMU_OFF), "cancel:1 admit:1" },
		{ 1004, VM_GONE(1), NO_VM, "" },
	};

	(void)state;
	CASE(lines);
}

/* A cancel comes first, and is tried again beside it. */
static void last_resort_after_cancel(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 4, RESORT(1, ENFORCE), VETO(MMU_OFF), "" },
		{ 10, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 11, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 12, LOG_OFF(1), VETO(MMU_OFF), "" },
		{ 20, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 21, DONE(1, CANCEL, -ECONNREFUSED), VETO(MMU_OFF), "refuse:1" },
		{ 1021, TICK, VETO(MMU_OFF), "cancel:1" },
		{ 1022, LOG_OFF(1), VETO(MMU_OFF), "admit:1" },
		{ 1023, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		/* one that is not answered, */
		{ 2000, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 11999, TICK, VETO(MMU_OFF), "" },
		{ 12000, TICK, VETO(MMU_OFF), "refuse:1" },
		{ 12001, LOG_OFF(1), VETO(MMU_OFF), "admit:1" },
		/* or that was carried out, and did not help */
		{ 13000, LOG_ON(1), VETO(MMU_OFF), "cancel:1" },
		{ 13001, DONE(1, CANCEL, 0), VETO(MMU_OFF), "" },
		{ 23000, TICK, VETO(MMU_OFF), "" },
		{ 23001, TICK, VETO(MMU_OFF), "refuse:1" },
	};

	(void)state;
	CASE(lines);
}

/* VMs 33 to 40 wait for the next step. What is over by then is not handed out. */
static void acts_taken_back(void **state)
{
	static const union kcoh_ev gone = VM_GONE(40), coherent = HOST(KCOH_HOST_S2FWB);
	struct world world;
	int i;

	(void)state;
	make_crowd(&world, 40);
	world_step(&world, &gone);
	assert_int_equal(world.n_acts, 14);
	for (i = 0; i < world.n_acts; i++)
		assert_int_not_equal(world.acts[i].vm, 40);
	world_free(&world);

	make_crowd(&world, 40);
	world_step(&world, &coherent);
	assert_int_equal(world.n_acts, 8);
	for (i = 0; i < world.n_acts; i++) {
		assert_int_equal(world.acts[i].type, KCOH_ACT_ALERT);
		assert_int_equal(world.acts[i].reason, KCOH_RSN_NO_MODULE);
	}
	world_free(&world);
}

static void no_room_for_acts(void **state)
{
	static const union kcoh_ev born = VM_NEW(1);
	struct kcoh_vm_view view;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 1);
	assert_int_equal(kcoh_core_step(world.core, &born.hdr, sizeof(born), world.acts,
					KCOH_CORE_MAX_ACTS - 1),
			 -ENOSPC);
	assert_int_equal(kcoh_core_vm(world.core, 1, &view), -ENOENT);
	world_free(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cancel_is_retried_and_given_up),
		cmocka_unit_test(cancel_is_not_answered),
		cmocka_unit_test(answers_out_of_place),
		cmocka_unit_test(given_up_in_peace),
		cmocka_unit_test(cancel_once),
		cmocka_unit_test(cancel_once_a_phase),
		cmocka_unit_test(dry),
		cmocka_unit_test(alerts_are_quiet),
		cmocka_unit_test(last_resort),
		cmocka_unit_test(last_resort_after_cancel),
		cmocka_unit_test(more_acts_than_fit),
		cmocka_unit_test(acts_taken_back),
		cmocka_unit_test(no_room_for_acts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
