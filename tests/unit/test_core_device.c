// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_device.c - what the SMMU says of a VM's device, and what follows in a dirty epoch.
 */
#include "stream.h"

#define CLEANS (MODULE | KCOH_HOST_CLEAN)

/* A VM whose vCPU is cached, in an epoch, under `strategy`. */
#define MIGRATING(features, strategy)                                                              \
	{ 0, HOST(features), NO_VM, "" }, { 0, POLICY(0, strategy, ENFORCE, 1), NO_VM, "" },       \
		{ 1, VM_NEW(1), ANY, NULL }, { 2, RAM(1), ANY, NULL },                             \
		{ 3, VCPU(1, 0, CACHED, TRAP), ANY, NULL }, { 10, LOG_ON(1), ANY, NULL },          \
	{                                                                                          \
		11, EPOCH(1, 1, 1, 0), ANY, NULL                                                   \
	}

static void a_write_vetoes(void **state)
{
	static const struct line lines[] = {
		MIGRATING(CLEANS, CLEAN),
		{ 19, TICK, ALLOW(CLEANING), "" },
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), "cancel:1 alert:1" },
		/* nothing that the guest does makes it good */
		{ 21, HARVEST(1, 0), VETO(DEVICE), "" },
		{ 22, TICK, VETO(DEVICE), "" },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 40, LOG_ON(1), REPAIR(CLEANING), NULL },
	};

	(void)state;
	CASE(lines);
}

static void which_faults(void **state)
{
	static const struct line lines[] = {
		MIGRATING(CLEANS, CLEAN),
		/* a read that was ended changes no memory; one that waits is a device that is not done */
		{ 20, FAULT(1, EVENT, READS), ALLOW(CLEANING), "" },
		{ 21, FAULT(1, EVENT, READS | STALLS), VETO(DEVICE), NULL },
		{ 30, LOG_OFF(1), ALLOW(CLEANING), "" },
		{ 40, LOG_ON(1), ANY, NULL },
		{ 41, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), NULL },
		/* several: not known what they were */
		{ 50, FAULT(1, FOLDED, READS), VETO(DEVICE), NULL },
		{ 60, LOG_OFF(1), ALLOW(CLEANING), "" },
		/* out of an epoch, or another VM's */
		{ 61, FAULT(1, EVENT, 0), ALLOW(CLEANING), "" },
		{ 70, LOG_ON(1), ANY, NULL },
		{ 71, EPOCH(1, 1, 1, 0), ALLOW(CLEANING), NULL },
		{ 80, FAULT(2, EVENT, 0), ALLOW(CLEANING), "" },
		{ 81, FAULT(0, EVENT, 0), ALLOW(CLEANING), "" },
	};

	(void)state;
	CASE(lines);
}

static void under_each_strategy(void **state)
{
	static const struct line observe[] = {
		MIGRATING(CLEANS, OBSERVE),
		{ 20, FAULT(1, EVENT, 0), ALLOW(OBSERVE_ONLY), "" },
	};
	static const struct line defer[] = {
		MIGRATING(CLEANS, DEFER),
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), NULL },
	};
	static const struct line defer_unclean[] = {
		MIGRATING(MODULE, DEFER),
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), NULL },
	};
	static const struct line veto[] = {
		MIGRATING(MODULE, VETO),
		{ 15, VCPU(1, 0, UNCACHED, TRAP), VETO(MMU_OFF), NULL },
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), NULL },
	};
	static const struct line retry[] = {
		MIGRATING(MODULE, RETRY),
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), NULL },
	};

	(void)state;
	CASE(observe);
	CASE(defer);
	CASE(defer_unclean);
	CASE(veto);
	CASE(retry);
}

/* S2FWB makes accesses of vCPUs coherent; it brings no write back that a device did not do. */
static void on_coherent_hosts(void **state)
{
	static const struct line lines[] = {
		MIGRATING(MODULE | KCOH_HOST_S2FWB, CLEAN),
		{ 19, TICK, ALLOW(HARDWARE_COHERENT), "" },
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), NULL },
		{ 30, LOG_OFF(1), ALLOW(HARDWARE_COHERENT), "" },
	};

	(void)state;
	CASE(lines);
}

static void is_a_window(void **state)
{
	static const struct line lines[] = {
		MIGRATING(CLEANS, CLEAN),
		{ 20, FAULT(1, EVENT, 0), VETO(DEVICE), NULL },
	};
	static const struct line end[] = {
		{ 50, LOG_OFF(1), ALLOW(CLEANING), NULL },
	};
	struct kcoh_vm_view view;
	struct world world;

	(void)state;
	world_make(&world, 1, 1, 2);
	RUN(&world, lines);
	view = vm_view(&world, 1);
	assert_int_equal(view.windows_open, 1u << KCOH_WINDOW_DEVICE);
	assert_int_equal(view.window_since_ns[KCOH_WINDOW_DEVICE], 20000000);
	RUN(&world, end);
	view = vm_view(&world, 1);
	assert_int_equal(view.windows_open, 0);
	assert_int_equal(view.windows[KCOH_WINDOW_DEVICE], 1);
	assert_int_equal(view.window_ns[KCOH_WINDOW_DEVICE], 30000000);
	world_free(&world);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_write_vetoes),      cmocka_unit_test(which_faults),
		cmocka_unit_test(under_each_strategy), cmocka_unit_test(on_coherent_hosts),
		cmocka_unit_test(is_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
