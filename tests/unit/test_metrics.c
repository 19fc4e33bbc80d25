// SPDX-License-Identifier: GPL-2.0-only
/*
 * OpenMetrics' text format: names, escapes, numbers. tests/metrics has the rest: a strict parser and a real Prometheus.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/metrics.h"

static void expect(struct kcoh_om *om, const char *text)
{
	size_t len;
	char *taken = kcoh_om_take(om, &len);

	assert_non_null(taken);
	assert_string_equal(taken, text);
	assert_int_equal(len, strlen(text));
	free(taken);
}

static void families(void **state)
{
	struct kcoh_om om = { 0 };

	(void)state;
	kcoh_om_family(&om, "a_seconds", KCOH_METRIC_COUNTER, "seconds", "Says \"so\".\nTwice \\.");
	kcoh_om_family(&om, "b", KCOH_METRIC_GAUGE, "", "B.");
	expect(&om, "# TYPE a_seconds counter\n# UNIT a_seconds seconds\n"
		    "# HELP a_seconds Says \\\"so\\\".\\nTwice \\\\.\n"
		    "# TYPE b gauge\n# HELP b B.\n# EOF\n");
}

static void samples(void **state)
{
	struct kcoh_om om = { 0 };

	(void)state;
	kcoh_om_u64(&om, "a", KCOH_METRIC_COUNTER, "", NULL, NULL, UINT64_MAX);
	kcoh_om_u64(&om, "b", KCOH_METRIC_GAUGE, "vm=\"3\"", "state", "a\"b", 0);
	kcoh_om_u64(&om, "c", KCOH_METRIC_INFO, "", "x", "y", 1);
	kcoh_om_ns(&om, "d_seconds", KCOH_METRIC_COUNTER, "vm=\"3\"", NULL, NULL, 1000000007);
	kcoh_om_ns(&om, "e_seconds", KCOH_METRIC_GAUGE, "", NULL, NULL, UINT64_MAX);
	expect(&om,
	       "a_total 18446744073709551615\nb{vm=\"3\",state=\"a\\\"b\"} 0\nc_info{x=\"y\"} 1\n"
	       "d_seconds_total{vm=\"3\"} 1.000000007\ne_seconds 18446744073.709551615\n# EOF\n");
}

/* Buckets count those before them, too; bounds are written as the format wants them. */
static void histogram(void **state)
{
	static const struct kcoh_bounds times = { .ns = true,
						  .n = 3,
						  .at = { 10000, 3000000, 1000000000 } };
	static const struct kcoh_bounds pages = { .n = 2, .at = { 1, 262144 } };
	struct kcoh_histogram a = { .bounds = &times }, b = { .bounds = &pages };
	struct kcoh_om om = { 0 };

	(void)state;
	kcoh_histogram_add(&a, 0);
	kcoh_histogram_add(&a, 10000);
	kcoh_histogram_add(&a, 10001);
	kcoh_histogram_add(&a, 1000000001);
	kcoh_histogram_add(&b, 262144);
	kcoh_om_histogram(&om, "a_seconds", "class=\"x\"", &a);
	kcoh_om_histogram(&om, "b", "", &b);
	expect(&om, "a_seconds_bucket{class=\"x\",le=\"1e-05\"} 2\n"
		    "a_seconds_bucket{class=\"x\",le=\"0.003\"} 3\n"
		    "a_seconds_bucket{class=\"x\",le=\"1.0\"} 3\n"
		    "a_seconds_bucket{class=\"x\",le=\"+Inf\"} 4\n"
		    "a_seconds_count{class=\"x\"} 4\n"
		    "a_seconds_sum{class=\"x\"} 1.000020002\n"
		    "b_bucket{le=\"1.0\"} 0\nb_bucket{le=\"262144.0\"} 1\nb_bucket{le=\"+Inf\"} 1\n"
		    "b_count 1\nb_sum 262144\n# EOF\n");
}

static void labels(void **state)
{
	char out[24] = "";

	(void)state;
	assert_true(kcoh_om_label(out, sizeof(out), "a", "x\\y\"\n"));
	assert_string_equal(out, "a=\"x\\\\y\\\"\\n\"");
	/* 12 characters are taken; comma, name, '=', two quotes and the NUL leave room for 6. */
	assert_false(kcoh_om_label(out, sizeof(out), "b", "1234567"));
	assert_string_equal(out, "a=\"x\\\\y\\\"\\n\"");
	assert_true(kcoh_om_label(out, sizeof(out), "b", "123456"));
	assert_string_equal(out, "a=\"x\\\\y\\\"\\n\",b=\"123456\"");
	assert_int_equal(strlen(out), sizeof(out) - 1);
	assert_false(kcoh_om_label(out, sizeof(out), "c", ""));
}

static void grows(void **state)
{
	struct kcoh_om om = { 0 };
	size_t len;
	char *text;

	(void)state;
	for (int i = 0; i < 100000; i++)
		kcoh_om_u64(&om, "a", KCOH_METRIC_GAUGE, "", NULL, NULL, 7);
	text = kcoh_om_take(&om, &len);
	assert_int_equal(len, 100000 * 4 + 6);
	assert_memory_equal(text + len - 10, "a 7\n# EOF\n", 10);
	free(text);
}

/* A unit is the end of the name, and no name has the suffix that its samples get. */
static void table_is_well_named(void **state)
{
	struct kcoh_metric_view metric, other;
	size_t i, j;

	(void)state;
	for (i = 0; kcoh_metrics_at(i, &metric); i++) {
		size_t len = strlen(metric.name), unit = strlen(metric.unit);
		const char *suffix = kcoh_metric_suffix(metric.type);

		assert_true(unit < len && !strcmp(metric.name + len - unit, metric.unit));
		assert_true(!*suffix || !strstr(metric.name, suffix));
		assert_true(metric.help[strlen(metric.help) - 1] == '.');
		for (j = 0; j < i && kcoh_metrics_at(j, &other); j++)
			assert_string_not_equal(metric.name, other.name);
	}
	assert_true(i > 40);
}

static void process(void **state)
{
	struct kcoh_metrics_process process;

	(void)state;
	assert_int_equal(kcoh_metrics_process_read(&process), 0);
	assert_true(process.resident_bytes > 100000 && process.resident_bytes < 1ull << 40);
	assert_true(process.open_fds >= 3 && process.open_fds < 1000);
	assert_true(process.cpu_ns > 0);
	assert_true(process.start_ns / 1000000000 > 1700000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families),  cmocka_unit_test(samples),
		cmocka_unit_test(histogram), cmocka_unit_test(labels),
		cmocka_unit_test(grows),     cmocka_unit_test(table_is_well_named),
		cmocka_unit_test(process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
