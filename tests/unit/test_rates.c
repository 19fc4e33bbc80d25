// SPDX-License-Identifier: GPL-2.0-only
/*
 * From two answers of kcohd to exits a second and quantiles of times.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "rates/rates.h"

static json_t *answer(const char *text)
{
	json_error_t error;
	json_t *json = json_loads(text, 0, &error);

	if (!json)
		fail_msg("%s", error.text);
	return json;
}

static struct kcoh_rates *vms(const char *before, const char *now, double seconds)
{
	json_t *a = before ? answer(before) : NULL, *b = answer(now);
	struct kcoh_rates *rates = kcoh_rates_vms(a, b, seconds);

	assert_non_null(rates);
	json_decref(a);
	json_decref(b);
	return rates;
}

#define VM(id, name, total, rest)                                                                  \
	"{\"vms\":[{\"id\":" #id ",\"name\":\"" name "\",\"exits\":{\"total\":" #total "," rest    \
	"}}]}"

static void a_second(void **state)
{
	struct kcoh_rates *rates =
		vms(VM(3, "web-1", 1000,
		       "\"classes\":{\"WFx\":400,\"HVC64\":500,\"DABT_LOW\":100},"
		       "\"aborts\":{\"memslot-write\":60,\"mmio-user-write\":40}"),
		    VM(3, "web-1", 1900,
		       "\"classes\":{\"WFx\":700,\"HVC64\":700,\"SMC64\":100,\"DABT_LOW\":300,"
		       "\"SVE\":100},"
		       "\"aborts\":{\"memslot-write\":160,\"mmio-user-write\":90,\"mmio-kernel-"
		       "read\":50}"),
		    2);
	const struct kcoh_rate_row *row = &rates->rows[0];

	(void)state;
	assert_int_equal(rates->count, 1);
	assert_string_equal(row->name, "web-1");
	assert_true(row->counted);
	assert_true(row->per_s[KCOH_RATE_ALL] == 450);
	assert_true(row->per_s[KCOH_RATE_WFX] == 150);
	assert_true(row->per_s[KCOH_RATE_HVC] == 150);
	assert_true(row->per_s[KCOH_RATE_FAULT] == 50);
	assert_true(row->per_s[KCOH_RATE_MMIO] == 50);
	assert_true(row->per_s[KCOH_RATE_OTHER] == 50);
	free(rates);
}

/* What a VM did before we looked is not of this interval, unless it, or kcohd, began in it. */
static void beginnings(void **state)
{
	struct kcoh_rates *rates;

	(void)state;
	rates = vms("{\"vms\":[]}", VM(4, "new", 10, "\"classes\":{\"IRQ\":10}"), 1);
	assert_true(rates->rows[0].per_s[KCOH_RATE_IRQ] == 10);
	free(rates);
	rates = vms(VM(4, "again", 500, "\"classes\":{\"IRQ\":5}"),
		    VM(4, "again", 20, "\"classes\":{\"IRQ\":20}"), 1);
	assert_true(rates->rows[0].per_s[KCOH_RATE_ALL] == 20);
	assert_true(rates->rows[0].per_s[KCOH_RATE_IRQ] == 20);
	free(rates);
	rates = vms(NULL, VM(5, "apart", null, "\"classes\":{}"), 1);
	assert_false(rates->rows[0].counted);
	free(rates);
}

/* 100 exits in 4 to 8 us, 2 in 1 to 2 ms; WFx does not count, and what was before neither. */
static void times(void **state)
{
	struct kcoh_rates *rates =
		vms(VM(3, "a", 1, "\"times\":{\"hvc\":[[30,1000]]}"),
		    VM(3, "a", 2,
		       "\"times\":{\"hvc\":[[12,60],[30,1000]],\"dabt\":[[12,40],[20,2]],"
		       "\"wfx\":[[29,5000]],\"inside\":[[10,3],[16,4]]}"),
		    1);

	(void)state;
	assert_int_equal(rates->rows[0].outside_p50_ns, 8191);
	assert_int_equal(rates->rows[0].outside_p99_ns, 2097151);
	assert_int_equal(rates->rows[0].inside_p50_ns, 131071);
	free(rates);
}

static void by_class_and_sorted(void **state)
{
	json_t *before = answer("{\"vms\":[]}");
	json_t *now = answer("{\"vms\":[{\"id\":1,\"exits\":{\"classes\":{\"IRQ\":1,\"WFx\":5}}},"
			     "{\"id\":2,\"exits\":{\"classes\":{\"IRQ\":2,\"HVC64\":3}}}]}");
	struct kcoh_rates *rates = kcoh_rates_classes(before, now, 1);

	(void)state;
	kcoh_rates_sort(rates, KCOH_RATE_ALL);
	assert_int_equal(rates->count, 3);
	assert_string_equal(rates->rows[0].name, "WFx");
	assert_string_equal(rates->rows[1].name, "HVC64"); /* equal: by name */
	assert_string_equal(rates->rows[2].name, "IRQ");
	assert_true(rates->rows[2].per_s[KCOH_RATE_ALL] == 3);
	free(rates);
	json_decref(before);
	json_decref(now);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second),
		cmocka_unit_test(beginnings),
		cmocka_unit_test(times),
		cmocka_unit_test(by_class_and_sorted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
