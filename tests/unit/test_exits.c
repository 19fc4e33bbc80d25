// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the counters of slots to what a VM or a vCPU did; and every count has a name of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "feed/exits.h"

#define SLOTS 5
#define OWNER(vm, vcpu) ((uint64_t)(vm) << 32 | (vcpu))
#define DABT_LOW 0x24

static struct kcoh_exits exits[SLOTS];
static uint64_t owners[SLOTS];
static const struct kcoh_exit_table table = { .exits = exits, .owners = owners, .slots = SLOTS };

/* VM 3 has slots 1 and 4, VM 7 slot 2, 3 is free but was somebody's a moment ago. */
static int fill(void **state)
{
	(void)state;
	memset(exits, 0, sizeof(exits));
	memset(owners, 0, sizeof(owners));
	owners[1] = OWNER(3, 0);
	owners[2] = OWNER(7, 0);
	owners[4] = OWNER(3, 1);
	for (uint32_t i = 0; i < SLOTS; i++) {
		exits[i].count[0x16] = 1u << i;
		exits[i].call[KCOH_CALL_PSCI] = 1u << i;
		exits[i].sysreg[KCOH_SYSREG_GIC] = 10u << i;
		exits[i].time[KCOH_TIME_INSIDE * KCOH_TIME_BUCKETS + 31] = 100u << i;
	}
	return 0;
}

static void vm_is_its_vcpus(void **state)
{
	struct kcoh_exit_counts counts;

	(void)state;
	assert_int_equal(kcoh_exit_table_sum(&table, 3, KCOH_VCPU_NONE, &counts), 0);
	assert_int_equal(counts.classes[0x16], 2 + 16);
	assert_int_equal(counts.calls[KCOH_CALL_PSCI], 2 + 16);
	assert_int_equal(counts.sysregs[KCOH_SYSREG_GIC], 20 + 160);
	assert_int_equal(counts.times[KCOH_TIME_INSIDE][31], 200 + 1600);
	assert_int_equal(kcoh_exit_table_sum(&table, 3, 1, &counts), 0);
	assert_int_equal(counts.classes[0x16], 16);
	assert_int_equal(kcoh_exit_table_used(&table), 3);
}

static void unknown(void **state)
{
	struct kcoh_exit_counts counts;

	(void)state;
	assert_int_equal(kcoh_exit_table_sum(&table, 4, KCOH_VCPU_NONE, &counts), -ENOENT);
	assert_int_equal(kcoh_exit_table_sum(&table, 3, 2, &counts), -ENOENT);
	assert_int_equal(counts.classes[0x16], 0);
}

/* Slot 0 is nobody's: its exits are told for VM 0, and for no other. */
static void apart(void **state)
{
	struct kcoh_exit_counts counts;

	(void)state;
	assert_int_equal(kcoh_exit_table_sum(&table, KCOH_VM_NONE, KCOH_VCPU_NONE, &counts), 0);
	assert_int_equal(counts.classes[0x16], 1);
}

static uint64_t sum(const struct kcoh_exit_counts *counts)
{
	uint64_t all = 0;

	for (uint32_t i = 0; i < KCOH_EXIT_ABORTS; i++)
		all += counts->aborts[i];
	return all;
}

/* 100 aborts, 60 of them writes; MMIO: 5 and 20 by user space, 10 and 30 by KVM. */
static void aborts_add_up(void **state)
{
	static const uint64_t expected[KCOH_EXIT_ABORTS] = { 25, 10, 5, 20, 10, 30 };
	struct kcoh_exit_counts counts;

	(void)state;
	exits[2].count[DABT_LOW] = 100;
	exits[2].abort[KCOH_ABORT_WRITE] = 60;
	exits[2].abort[KCOH_ABORT_USER_READ] = 5;
	exits[2].abort[KCOH_ABORT_USER_WRITE] = 20;
	exits[2].abort[KCOH_ABORT_KERNEL_READ] = 10;
	exits[2].abort[KCOH_ABORT_KERNEL_WRITE] = 30;
	assert_int_equal(kcoh_exit_table_sum(&table, 7, KCOH_VCPU_NONE, &counts), 0);
	assert_memory_equal(counts.aborts, expected, sizeof(expected));
	assert_int_equal(sum(&counts), 100);
}

/* Read while the kernel counts: one more MMIO than there seem to have been aborts. */
static void aborts_while_counting(void **state)
{
	struct kcoh_exit_counts counts;

	(void)state;
	exits[2].count[DABT_LOW] = 9;
	exits[2].abort[KCOH_ABORT_WRITE] = 9;
	exits[2].abort[KCOH_ABORT_USER_WRITE] = 10;
	assert_int_equal(kcoh_exit_table_sum(&table, 7, KCOH_VCPU_NONE, &counts), 0);
	assert_int_equal(sum(&counts), 10);
}

static void names_differ(const char *(*name)(uint32_t i), uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		assert_string_not_equal(name(i), "?");
		for (uint32_t j = 0; j < i; j++)
			assert_string_not_equal(name(i), name(j));
	}
	assert_string_equal(name(n), "?");
}

static void names(void **state)
{
	(void)state;
	names_differ(kcoh_exit_class_name, KCOH_EXIT_CLASSES);
	names_differ(kcoh_exit_sysreg_name, KCOH_EXIT_SYSREGS);
	names_differ(kcoh_exit_call_name, KCOH_EXIT_CALLS);
	names_differ(kcoh_exit_abort_name, KCOH_EXIT_ABORTS);
	names_differ(kcoh_exit_time_name, KCOH_EXIT_TIMES);
	assert_string_equal(kcoh_exit_sysreg_name(KCOH_SYSREG_SET_WAY), "set-way");
	assert_string_equal(kcoh_exit_call_name(KCOH_CALL_VENDOR), "vendor-hyp");
	assert_string_equal(kcoh_exit_time_name(KCOH_TIME_INSIDE), "inside");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(vm_is_its_vcpus, fill),
		cmocka_unit_test_setup(unknown, fill),
		cmocka_unit_test_setup(apart, fill),
		cmocka_unit_test_setup(aborts_add_up, fill),
		cmocka_unit_test_setup(aborts_while_counting, fill),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
