// SPDX-License-Identifier: GPL-2.0-only
/*
 * Harvests added up, and the rate of dirty pages that they tell.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "relay/harvests.h"

#define MS 1000000ull
#define SEC (1000 * MS)

/* A harvest at `ms` of an epoch of 1000 logged pages. */
static void take(struct kcoh_harvests *harvests, uint64_t ms, uint64_t pages, int initially_set,
		 uint64_t epoch)
{
	const struct kcoh_vm_view view = { .in_epoch = epoch,
					   .epochs = epoch,
					   .logged_pages = 1000 };
	const struct kcoh_ev_harvest ev = { .hdr = { .ts_ns = SEC + ms * MS },
					    .pages = pages,
					    .kind = KCOH_HARVEST_CLEAR,
					    .initially_set = initially_set };
	struct kcoh_harvest_sum before;

	assert_false(kcoh_harvests_add(harvests, &ev, &view, &before));
}

static long rate(const struct kcoh_harvests *harvests)
{
	uint64_t pages;

	return kcoh_harvests_rate(harvests, &pages) ? (long)pages : -1;
}

static void by_the_last_harvests(void **state)
{
	struct kcoh_harvests harvests = { 0 };

	(void)state;
	assert_int_equal(rate(&harvests), -1);
	take(&harvests, 0, 9000, 0, 0);
	assert_int_equal(rate(&harvests), -1); /* since when? */
	take(&harvests, 1500, 300, 0, 0);
	assert_int_equal(rate(&harvests), 200);
	take(&harvests, 3000, 500, 0, 0);
	assert_int_equal(rate(&harvests), 266);
	kcoh_harvests_tick(&harvests, SEC + 61 * SEC); /* the first one is too old */
	assert_int_equal(rate(&harvests), 333);
	kcoh_harvests_tick(&harvests, SEC + 62 * SEC);
	assert_int_equal(rate(&harvests), -1);
}

/* Only the last 64 are kept. */
static void many(void **state)
{
	struct kcoh_harvests harvests = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		take(&harvests, 100 * i, 1000000, 0, 0);
	for (uint64_t i = 100; i < 164; i++)
		take(&harvests, 100 * i, 5, 0, 0);
	assert_int_equal(rate(&harvests), 50);
	assert_int_equal(harvests.total[KCOH_HARVEST_BY_KVM].count, 164);
	assert_int_equal(harvests.total[KCOH_HARVEST_BY_KVM].sum.pages, 100 * 1000000 + 64 * 5);
}

/* All of them at the same moment: no rate, and no division by zero. */
static void at_once(void **state)
{
	struct kcoh_harvests harvests = { 0 };

	(void)state;
	take(&harvests, 0, 10, 0, 0);
	take(&harvests, 0, 10, 0, 0);
	assert_int_equal(rate(&harvests), -1);
}

/* QEMU takes all 1000 pages once, in pieces; what the guest dirtied comes after that. */
static void first_pass(void **state)
{
	struct kcoh_harvests harvests = { 0 };

	(void)state;
	take(&harvests, 0, 400, 1, 1);
	take(&harvests, 1000, 500, 1, 1);
	assert_int_equal(rate(&harvests), -1);
	take(&harvests, 1500, 130, 1, 1); /* 100 are of the first pass */
	assert_int_equal(rate(&harvests), 20);
	take(&harvests, 2000, 70, 1, 1);
	assert_int_equal(rate(&harvests), 50);
	take(&harvests, 5000, 1000, 1, 2); /* the next epoch */
	assert_int_equal(rate(&harvests), -1);
	take(&harvests, 6000, 8, 1, 2);
	assert_int_equal(rate(&harvests), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_the_last_harvests),
		cmocka_unit_test(many),
		cmocka_unit_test(at_once),
		cmocka_unit_test(first_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
