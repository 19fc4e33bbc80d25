// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_override.c - what an operator's override changes, what it does not, and when it ends.
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

static void lets_through_and_ends(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, OVERRIDE(1, 1000, 0), ALLOW(OVERRIDE), "" },
		{ 20, PHASE(1, SETUP), ALLOW(OVERRIDE), "" },
		{ 999, TICK, ALLOW(OVERRIDE), "" },
		/* at its time; the migration that it let go on is cancelled like any other */
		{ 1000, TICK, VETO(MMU_OFF), "cancel:1 alert:1" },
	};

	(void)state;
	CASE(lines);
}

static void says_of_what(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, OVERRIDE(1, 5000, 1000), ALLOW(OVERRIDE), "" },
	};
	static const struct line cached[] = {
		{ 11, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
	};
	static const struct line taken_back[] = {
		{ 12, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(OVERRIDE), "" },
		{ 13, OVERRIDE(1, 0, 1000), VETO(MMU_OFF), NULL },
	};
	struct kcoh_vm_view view;
	struct world world;

	(void)state;
	world_make(&world, 2, 2, 2);
	RUN(&world, lines);
	view = vm_view(&world, 1);
	assert_int_equal(view.verdict.overrides, KCOH_RSN_MMU_OFF);
	assert_int_equal(view.verdict.until_ns, 5000000000);
	assert_int_equal(view.verdict.since_ns, 10000000);
	assert_int_equal(view.override.until_ns, 5000000000);
	assert_int_equal(view.override.uid, 1000);
	assert_int_equal(view.override.number, 7);
	RUN(&world, cached);
	view = vm_view(&world, 1);
	assert_int_equal(view.verdict.overrides, KCOH_RSN_NONE);
	assert_int_equal(view.verdict.until_ns, 0);
	assert_int_equal(view.override.until_ns, 5000000000);
	RUN(&world, taken_back);
	view = vm_view(&world, 1);
	assert_int_equal(view.override.until_ns, 0);
	assert_int_equal(view.override.number, 0);
	world_free(&world);
}

/* What is allowed anyway stays what it is; a wait is overridden like a veto. */
static void of_wait_and_not_of_repair(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE | KCOH_HOST_CLEAN), NO_VM, "" },
		{ 0, POLICY(0, DEFER, ENFORCE, 1), NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(CLEANING), "" },
		{ 2, RAM(1), ALLOW(CLEANING), "" },
		{ 3, OVERRIDE(1, 60000, 0), ALLOW(CLEANING), "" },
		{ 4, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(OVERRIDE), "" },
		{ 5, POLICY(1, CLEAN, ENFORCE, 1), REPAIR(CLEANING), "" },
		{ 6, POLICY(1, OBSERVE, ENFORCE, 1), ALLOW(OBSERVE_ONLY), "" },
		{ 7, POLICY(1, VETO, ENFORCE, 1), ALLOW(OVERRIDE), "" },
		{ 8, HOST(MODULE | KCOH_HOST_S2FWB), ALLOW(HARDWARE_COHERENT), "" },
	};

	(void)state;
	CASE(lines);
}

/* The migration that it let through completes: it has done what it was given for. */
static void ends_with_the_migration(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, OVERRIDE(1, 60000, 0), ALLOW(OVERRIDE), "" },
		/* one that fails, or is cancelled, may be tried again */
		{ 20, PHASE(1, SETUP), ALLOW(OVERRIDE), "" },
		{ 30, PHASE(1, FAILED), ALLOW(OVERRIDE), "" },
		{ 40, PHASE(1, SETUP), ALLOW(OVERRIDE), "" },
		{ 41, LOG_ON(1), ALLOW(OVERRIDE), "" },
		{ 42, EPOCH(1, 1, 1, 0), ALLOW(OVERRIDE), "" },
		{ 50, LOG_OFF(1), ALLOW(OVERRIDE), "" },
		{ 60, PHASE(1, COMPLETED), VETO(MMU_OFF), NULL },
		{ 70, PHASE(1, SETUP), VETO(MMU_OFF), "cancel:1" },
	};

	(void)state;
	CASE(lines);
}

/* A migration for which it was not needed leaves it. */
static void stays_when_not_needed(void **state)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), NO_VM, "" },
		{ 0, ENFORCED, NO_VM, "" },
		{ 1, VM_NEW(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 2, RAM(1), ALLOW(NOT_YET_CLEANING), "" },
		{ 3, VCPU(1, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), NULL },
		{ 4, OVERRIDE(1, 60000, 0), ALLOW(OVERRIDE), "" },
		{ 5, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 20, PHASE(1, SETUP), ALLOW(NOT_YET_CLEANING), "" },
		{ 60, PHASE(1, COMPLETED), ALLOW(NOT_YET_CLEANING), "" },
		{ 61, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(OVERRIDE), "" },
		/* it was used in the one before: not a reason to end with the next, which does not need it */
		{ 70, PHASE(1, SETUP), ALLOW(OVERRIDE), "" },
		{ 71, PHASE(1, CANCELLED), ALLOW(OVERRIDE), "" },
		{ 72, VCPU(1, 0, CACHED, SAMPLE), ALLOW(NOT_YET_CLEANING), "" },
		{ 80, PHASE(1, SETUP), ALLOW(NOT_YET_CLEANING), "" },
		{ 81, PHASE(1, COMPLETED), ALLOW(NOT_YET_CLEANING), "" },
		{ 82, VCPU(1, 0, UNCACHED, SAMPLE), ALLOW(OVERRIDE), "" },
	};

	(void)state;
	CASE(lines);
}

/* That a migration has completed may be told after an override was given that it did not see: a monitor that is asked late. */
static void stays_when_given_later(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, OVERRIDE(1, 60000, 0), ALLOW(OVERRIDE), "" },
		{ 20, PHASE(1, COMPLETED), ALLOW(OVERRIDE), "" },
	};

	(void)state;
	CASE(lines);
}

/* Of one VM, for that VM's life, and not if it comes too late. */
static void of_one_vm(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 4, VM_NEW(2), ANY, NULL },
		{ 5, VCPU(2, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), NULL, .look = 2 },
		{ 10, OVERRIDE(2, 60000, 0), ALLOW(OVERRIDE), "", .look = 2 },
		{ 11, TICK, VETO(MMU_OFF), NULL },
		{ 12, VM_GONE(2), VETO(MMU_OFF), "" },
		{ 13, VM_NEW(2), ANY, NULL },
		{ 14, VCPU(2, 0, UNCACHED, SAMPLE), VETO(MMU_OFF), NULL, .look = 2 },
		{ 15, OVERRIDE(1, 15, 0), VETO(MMU_OFF), "" },
		/* a later one takes the place of an earlier one */
		{ 16, OVERRIDE(1, 60000, 0), ALLOW(OVERRIDE), "" },
		{ 17, OVERRIDE(1, 20, 0), ALLOW(OVERRIDE), "" },
		{ 20, TICK, VETO(MMU_OFF), NULL },
		/* of a VM that is not known */
		{ 21, OVERRIDE(3, 60000, 0), VETO(MMU_OFF), "" },
	};
	static const union kcoh_ev host = OVERRIDE(0, 60000, 0);
	struct world world;

	(void)state;
	CASE(lines);
	world_make(&world, 1, 1, 1);
	assert_int_equal(
		kcoh_core_step(world.core, &host.hdr, sizeof(host), world.acts, KCOH_CORE_MAX_ACTS),
		-EINVAL);
	world_free(&world);
}

/* What an image has of it. */
static void is_saved(void **state)
{
	static const struct line lines[] = {
		VETOED,
		{ 10, OVERRIDE(1, 1000, 0), ALLOW(OVERRIDE), "" },
		{ 20, PHASE(1, SETUP), ALLOW(OVERRIDE), "" },
	};
	static const struct line more[] = {
		{ 30, PHASE(1, COMPLETED), VETO(MMU_OFF), NULL },
	};
	struct world world, twin;
	size_t size;
	void *image;

	(void)state;
	world_make(&world, 2, 2, 2);
	world_make(&twin, 2, 2, 2);
	RUN(&world, lines);
	size = kcoh_core_image_size(world.core);
	image = malloc(size);
	assert_int_equal(kcoh_core_save(world.core, image, size), size);
	assert_int_equal(kcoh_core_load(twin.core, image, size), 0);
	assert_int_equal(vm_view(&twin, 1).override.until_ns, 1000000000);
	RUN(&twin, more);
	free(image);
	world_free(&world);
	world_free(&twin);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lets_through_and_ends),
		cmocka_unit_test(says_of_what),
		cmocka_unit_test(of_wait_and_not_of_repair),
		cmocka_unit_test(ends_with_the_migration),
		cmocka_unit_test(stays_when_not_needed),
		cmocka_unit_test(stays_when_given_later),
		cmocka_unit_test(of_one_vm),
		cmocka_unit_test(is_saved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
