// SPDX-License-Identifier: GPL-2.0-only
/*
 * rates.c - from two answers of GET /v1/vms to exits a second.
 *
 *   before  {"vms":[{"id":3,"name":"web-1","exits":{"total":1000,"classes":{"WFx":400,"HVC64":600}, …}}]}
 *   now, 2 s later                                  1900,                   700,      1200
 *   row     web-1: 450 exits/s, 150 wfx/s, 300 hvc/s
 *
 * The total only grows; one that is smaller than before belongs to a kcohd that was started in between, and began at 0.
 */
#include "rates/rates.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 64

static const char *const names[KCOH_RATES] = {
	[KCOH_RATE_ALL] = "exits/s",  [KCOH_RATE_WFX] = "wfx/s",     [KCOH_RATE_HVC] = "hvc/s",
	[KCOH_RATE_SYSREG] = "sys/s", [KCOH_RATE_FAULT] = "fault/s", [KCOH_RATE_MMIO] = "mmio/s",
	[KCOH_RATE_IRQ] = "irq/s",    [KCOH_RATE_OTHER] = "other/s",
};

const char *kcoh_rate_name(enum kcoh_rate rate)
{
	return (unsigned int)rate < KCOH_RATES ? names[rate] : "?";
}

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

/* A fault on a memslot may turn out to have been MMIO: then that counter shrinks by one. */
static uint64_t grown(uint64_t before, uint64_t now)
{
	return now >= before ? now - before : 0;
}

/* How much one counter of `exits` grew; `part` NULL: it stands in `exits` itself. */
static uint64_t grown_of(const json_t *before, const json_t *now, const char *part, const char *key)
{
	if (part) {
		before = json_object_get(before, part);
		now = json_object_get(now, part);
	}
	return grown(number_of(before, key), number_of(now, key));
}

/* The exits of the same VM in an earlier answer; NULL: it, or its counters, began later. */
static const json_t *exits_before(const json_t *answer, const json_t *now)
{
	json_int_t id = json_integer_value(json_object_get(now, "id"));
	const json_t *vm, *exits;
	size_t i;

	json_array_foreach(json_object_get(answer, "vms"), i, vm)
	{
		if (json_integer_value(json_object_get(vm, "id")) != id)
			continue;
		exits = json_object_get(vm, "exits");
		return number_of(exits, "total") <=
				       number_of(json_object_get(now, "exits"), "total") ?
			       exits :
			       NULL;
	}
	return NULL;
}

/* --- times ------------------------------------------------------------------------------------ */

struct times {
	uint64_t buckets[BUCKETS];
	uint64_t count;
};

static uint64_t bucket_of(const json_t *pairs, json_int_t n)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(pairs, i, pair)
	{
		if (json_integer_value(json_array_get(pair, 0)) == n)
			return (uint64_t)json_integer_value(json_array_get(pair, 1));
	}
	return 0;
}

static void times_add(struct times *times, const json_t *before, const json_t *now)
{
	const json_t *pair;
	size_t i;

	json_array_foreach(now, i, pair)
	{
		json_int_t n = json_integer_value(json_array_get(pair, 0));
		uint64_t more = grown(bucket_of(before, n),
				      (uint64_t)json_integer_value(json_array_get(pair, 1)));

		if (n < 0 || n >= BUCKETS)
			continue;
		times->buckets[n] += more;
		times->count += more;
	}
}

/* The upper end of the bucket in which that many percent of all are reached. */
static uint64_t quantile(const struct times *times, unsigned int percent)
{
	uint64_t seen = 0;

	for (unsigned int n = 0; times->count && n < BUCKETS - 1; n++) {
		seen += times->buckets[n];
		if (seen * 100 >= times->count * percent)
			return (2ull << n) - 1;
	}
	return 0;
}

static void times_fill(struct kcoh_rate_row *row, const json_t *before, const json_t *now)
{
	const json_t *were = json_object_get(before, "times"), *pairs;
	struct times inside = { 0 }, outside = { 0 };
	const char *name;

	json_object_foreach(json_object_get(now, "times"), name, pairs)
	{
		if (!strcmp(name, "inside"))
			times_add(&inside, json_object_get(were, name), pairs);
		else if (strcmp(name, "wfx"))
			times_add(&outside, json_object_get(were, name), pairs);
	}
	row->inside_p50_ns = quantile(&inside, 50);
	row->outside_p50_ns = quantile(&outside, 50);
	row->outside_p99_ns = quantile(&outside, 99);
}

/* --- rows ------------------------------------------------------------------------------------- */

static struct kcoh_rates *rates_new(size_t max)
{
	return calloc(1, sizeof(struct kcoh_rates) + max * sizeof(struct kcoh_rate_row));
}

static void row_fill(struct kcoh_rate_row *row, const json_t *before, const json_t *vm,
		     double seconds)
{
	static const char *const mmio[] = { "mmio-user-read", "mmio-user-write", "mmio-kernel-read",
					    "mmio-kernel-write" };
	static const char *const calls[] = { "HVC32", "HVC64", "SMC32", "SMC64" };
	const json_t *now = json_object_get(vm, "exits");
	const char *name = json_string_value(json_object_get(vm, "name"));
	uint64_t sums[KCOH_RATES] = { 0 }, known = 0;

	row->id = (uint32_t)number_of(vm, "id");
	snprintf(row->name, sizeof(row->name), "%s", name ? name : "?");
	row->counted = json_is_integer(json_object_get(now, "total"));
	sums[KCOH_RATE_ALL] = grown_of(before, now, NULL, "total");
	sums[KCOH_RATE_WFX] = grown_of(before, now, "classes", "WFx");
	sums[KCOH_RATE_SYSREG] = grown_of(before, now, "classes", "SYS64");
	sums[KCOH_RATE_IRQ] = grown_of(before, now, "classes", "IRQ");
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		sums[KCOH_RATE_HVC] += grown_of(before, now, "classes", calls[i]);
	for (size_t i = 0; i < sizeof(mmio) / sizeof(mmio[0]); i++)
		sums[KCOH_RATE_MMIO] += grown_of(before, now, "aborts", mmio[i]);
	sums[KCOH_RATE_FAULT] = grown_of(before, now, "classes", "IABT_LOW") +
				grown_of(before, now, "aborts", "memslot-read") +
				grown_of(before, now, "aborts", "memslot-write");
	for (int i = KCOH_RATE_WFX; i < KCOH_RATE_OTHER; i++)
		known += sums[i];
	sums[KCOH_RATE_OTHER] = sums[KCOH_RATE_ALL] > known ? sums[KCOH_RATE_ALL] - known : 0;
	for (int i = 0; i < KCOH_RATES; i++)
		row->per_s[i] = (double)sums[i] / seconds;
	times_fill(row, before, now);
}

struct kcoh_rates *kcoh_rates_vms(const json_t *before, const json_t *now, double seconds)
{
	const json_t *vms = json_object_get(now, "vms"), *vm;
	struct kcoh_rates *rates = rates_new(json_array_size(vms));
	size_t i;

	if (!rates)
		return NULL;
	json_array_foreach(vms, i, vm)
	{
		row_fill(&rates->rows[rates->count++], exits_before(before, vm), vm, seconds);
	}
	return rates;
}

#define CLASSES_MAX 128

static struct kcoh_rate_row *class_row(struct kcoh_rates *rates, const char *name)
{
	size_t i;

	for (i = 0; i < rates->count; i++) {
		if (!strcmp(rates->rows[i].name, name))
			return &rates->rows[i];
	}
	if (i == CLASSES_MAX)
		return NULL;
	snprintf(rates->rows[i].name, sizeof(rates->rows[i].name), "%s", name);
	rates->rows[i].counted = true;
	rates->count++;
	return &rates->rows[i];
}

struct kcoh_rates *kcoh_rates_classes(const json_t *before, const json_t *now, double seconds)
{
	struct kcoh_rates *rates = rates_new(CLASSES_MAX);
	const json_t *vm, *count;
	struct kcoh_rate_row *row;
	const char *name;
	size_t i;

	if (!rates)
		return NULL;
	json_array_foreach(json_object_get(now, "vms"), i, vm)
	{
		const json_t *was = exits_before(before, vm);
		const json_t *exits = json_object_get(vm, "exits");

		json_object_foreach(json_object_get(exits, "classes"), name, count)
		{
			row = class_row(rates, name);
			if (row)
				row->per_s[KCOH_RATE_ALL] +=
					(double)grown_of(was, exits, "classes", name) / seconds;
		}
	}
	return rates;
}

static int compare(const void *a, const void *b, void *by)
{
	const struct kcoh_rate_row *x = a, *y = b;
	enum kcoh_rate rate = *(enum kcoh_rate *)by;

	if (x->per_s[rate] != y->per_s[rate])
		return x->per_s[rate] < y->per_s[rate] ? 1 : -1;
	return strcmp(x->name, y->name);
}

void kcoh_rates_sort(struct kcoh_rates *rates, enum kcoh_rate by)
{
	qsort_r(rates->rows, rates->count, sizeof(rates->rows[0]), compare, &by);
}
