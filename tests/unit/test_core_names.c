// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_names.c - every value of every enum has a name of its own, and others have "?".
 */
#include <errno.h>

#include "stream.h"

static const char *reason(uint32_t i)
{
	return kcoh_reason_name(i);
}

static const char *sentence(uint32_t i)
{
	return kcoh_reason_sentence(i);
}

static const char *verdict(uint32_t i)
{
	return kcoh_verdict_name(i);
}

static const char *act(uint32_t i)
{
	return kcoh_act_name(i);
}

static const struct {
	const char *(*name)(uint32_t i);
	uint32_t first, last;
	const char *of_first, *of_last;
} tables[] = {
	{ reason, KCOH_RSN_NONE, KCOH_RSN_DEVICE, "none", "device" },
	{ sentence, KCOH_RSN_NONE, KCOH_RSN_DEVICE, "nothing stands in the way", NULL },
	{ verdict, KCOH_VERDICT_ALLOW, KCOH_VERDICT_VETO, "allow", "veto" },
	{ act, KCOH_ACT_CANCEL, KCOH_ACT_ADMIT, "cancel", "admit" },
	{ kcoh_guard_name, KCOH_GUARD_WARN, KCOH_GUARD_ENFORCE, "warn", "enforce" },
	{ kcoh_strategy_name, KCOH_STRATEGY_OBSERVE, KCOH_STRATEGY_RETRY, "observe", "retry" },
	{ kcoh_window_name, KCOH_WINDOW_MMU_OFF, KCOH_WINDOW_CLASSES - 1, "mmu-off", "device" },
	{ kcoh_cache_state_name, KCOH_UNKNOWN, KCOH_OFF, "unknown", "off" },
	{ kcoh_phase_name, KCOH_PHASE_NONE, KCOH_PHASE_POSTCOPY, "none", "postcopy" },
	{ kcoh_source_name, KCOH_SRC_SAMPLE, KCOH_SRC_DISARM, "sample", "disarm" },
	{ kcoh_ev_name, KCOH_EV_VM_NEW, KCOH_EV_ACT_DONE, "vm-new", "act-done" },
};

static void all_have_names(void **state)
{
	uint32_t t, i, k;

	(void)state;
	for (t = 0; t < COUNT(tables); t++) {
		for (i = tables[t].first; i <= tables[t].last; i++) {
			assert_string_not_equal(tables[t].name(i), "?");
			for (k = tables[t].first; k < i; k++)
				assert_string_not_equal(tables[t].name(i), tables[t].name(k));
		}
		assert_string_equal(tables[t].name(tables[t].first), tables[t].of_first);
		if (tables[t].of_last)
			assert_string_equal(tables[t].name(tables[t].last), tables[t].of_last);
	}
}

static void others_have_none(void **state)
{
	uint32_t t;

	(void)state;
	for (t = 0; t < COUNT(tables); t++) {
		assert_string_equal(tables[t].name(tables[t].last + 1), "?");
		assert_string_equal(tables[t].name(UINT32_MAX), "?");
	}
	assert_string_equal(kcoh_act_name(0), "?");
	assert_string_equal(kcoh_ev_name(KCOH_EV_NONE), "?");
	assert_string_equal(kcoh_ev_name(KCOH_EV_OVERRIDE), "override");
	assert_string_equal(kcoh_ev_name(KCOH_EV_UNCLEAN), "unclean");
	assert_string_equal(kcoh_ev_name(KCOH_EV_UNCLEAN + 1), "?");
}

static void strategies_are_parsed(void **state)
{
	static const char *const bad[] = { "", "?", "vet", "vetoo", "VETO", "clean-", " clean" };
	uint32_t i;

	(void)state;
	for (i = KCOH_STRATEGY_OBSERVE; i <= KCOH_STRATEGY_RETRY; i++)
		assert_int_equal(kcoh_strategy_parse(kcoh_strategy_name(i)), i);
	for (i = 0; i < COUNT(bad); i++)
		assert_int_equal(kcoh_strategy_parse(bad[i]), -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_have_names),
		cmocka_unit_test(others_have_none),
		cmocka_unit_test(strategies_are_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
