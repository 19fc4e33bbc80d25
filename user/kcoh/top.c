// SPDX-License-Identifier: GPL-2.0-only
/*
 * top.c - kcoh top: how often the virtual machines leave their guests, and why, live.
 *
 *   VM                 exits/s   wfx/s   hvc/s   sys/s fault/s  mmio/s   irq/s other/s  in p50 out p50 out p99
 *   web-1#3              12.3k    8.1k     120       0     310    3.6k     170       0    65us   2.0us    33us
 *
 * On a terminal a screen that is drawn anew every --interval seconds (top_screen.c); with --once one table of what happened in
 * one interval. Times are asked for with --latency only, because two programs then read the clock at each exit of every VM; kcohd
 * stops that 15 s after the last question.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "kcoh/top.h"

#define INTERVAL_MIN_S 0.1
#define INTERVAL_MAX_S 10.0 /* times are taken until 15 s after the last question */

int top_sample(struct top *top)
{
	json_t *answer = NULL;
	int status;

	status = client_ask(&top->common, "GET", top->latency ? "/v1/vms?times=1" : "/v1/vms",
			    &answer);
	if (status != STATUS_OK)
		return status;
	json_decref(top->before);
	top->before = top->now;
	top->before_ns = top->now_ns;
	top->now = answer;
	top->now_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	return STATUS_OK;
}

int top_rates(struct top *top)
{
	double seconds = (double)(top->now_ns - top->before_ns) / 1e9;

	free(top->rates);
	top->rates = NULL;
	if (!top->before || seconds <= 0)
		return STATUS_OK;
	top->rates = top->classes ? kcoh_rates_classes(top->before, top->now, seconds) :
				    kcoh_rates_vms(top->before, top->now, seconds);
	if (!top->rates)
		return complain("no memory for a table of %zu VMs",
				json_array_size(json_object_get(top->now, "vms")));
	kcoh_rates_sort(top->rates, top->classes ? KCOH_RATE_ALL : top->sort);
	return STATUS_OK;
}

void top_number(char *cell, size_t len, double value)
{
	static const char suffixes[] = " kMGT";
	size_t i = 0;

	while (value >= 9999.5 && i < sizeof(suffixes) - 2) {
		value /= 1000;
		i++;
	}
	if (i)
		snprintf(cell, len, value < 99.95 ? "%.1f%c" : "%.0f%c", value, suffixes[i]);
	else
		snprintf(cell, len, value < 9.95 && value >= 0.05 ? "%.1f" : "%.0f", value);
}

void top_time(char *cell, size_t len, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	size_t i = 0;

	while (value >= 999.5 && i < 3) {
		value /= 1000;
		i++;
	}
	if (ns)
		snprintf(cell, len, value < 9.95 && i ? "%.1f%s" : "%.0f%s", value, units[i]);
	else
		snprintf(cell, len, "-");
}

/* --- once ------------------------------------------------------------------------------------- */

static void table_print(const struct top *top)
{
	char cell[32];

	printf("%-20s", "VM");
	for (int i = 0; i < KCOH_RATES; i++)
		printf(" %8s", kcoh_rate_name(i));
	puts(top->latency ? "   in p50  out p50  out p99" : "");
	for (size_t i = 0; i < top->rates->count; i++) {
		const struct kcoh_rate_row *row = &top->rates->rows[i];
		const uint64_t times[] = { row->inside_p50_ns, row->outside_p50_ns,
					   row->outside_p99_ns };
		char name[KCOH_RATE_NAME_BYTES + 16];

		snprintf(name, sizeof(name), "%s#%u", row->name, row->id);
		printf("%-20s", name);
		for (int r = 0; r < KCOH_RATES; r++) {
			top_number(cell, sizeof(cell), row->per_s[r]);
			printf(" %8s", row->counted ? cell : "-");
		}
		for (size_t t = 0; top->latency && t < 3; t++) {
			top_time(cell, sizeof(cell), times[t]);
			printf(" %8s", cell);
		}
		putchar('\n');
	}
}

static json_t *row_json(const struct top *top, const struct kcoh_rate_row *row)
{
	json_t *o = json_pack("{s:I, s:s, s:b}", "id", (json_int_t)row->id, "name", row->name,
			      "counted", (int)row->counted);
	json_t *per_s = json_object();
	char key[16];

	for (int i = 0; i < KCOH_RATES; i++) {
		snprintf(key, sizeof(key), "%.*s", (int)strcspn(kcoh_rate_name(i), "/"),
			 kcoh_rate_name(i));
		json_object_set_new(per_s, key, json_real(row->per_s[i]));
	}
	json_object_set_new(o, "per_s", per_s);
	if (top->latency)
		json_object_set_new(o, "latency_ns",
				    json_pack("{s:I, s:I, s:I}", "inside_p50",
					      (json_int_t)row->inside_p50_ns, "outside_p50",
					      (json_int_t)row->outside_p50_ns, "outside_p99",
					      (json_int_t)row->outside_p99_ns));
	return o;
}

static int json_print(struct top *top)
{
	json_t *vms = json_array(), *classes = json_object();
	double seconds = (double)(top->now_ns - top->before_ns) / 1e9;
	int status;

	for (size_t i = 0; i < top->rates->count; i++)
		json_array_append_new(vms, row_json(top, &top->rates->rows[i]));
	top->classes = true;
	status = top_rates(top);
	for (size_t i = 0; status == STATUS_OK && i < top->rates->count; i++)
		json_object_set_new(classes, top->rates->rows[i].name,
				    json_real(top->rates->rows[i].per_s[KCOH_RATE_ALL]));
	json_t *all =
		json_pack("{s:f, s:o, s:o}", "interval_s", seconds, "vms", vms, "classes", classes);

	json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6));
	putchar('\n');
	json_decref(all);
	return status;
}

static int once(struct top *top)
{
	const struct timespec interval = {
		.tv_sec = (time_t)top->interval_s,
		.tv_nsec = (long)((top->interval_s - (double)(time_t)top->interval_s) * 1e9)
	};
	int status = top_sample(top);

	if (status == STATUS_OK) {
		nanosleep(&interval, NULL);
		status = top_sample(top);
	}
	if (status == STATUS_OK)
		status = top_rates(top);
	if (status != STATUS_OK)
		return status;
	if (top->json)
		status = json_print(top);
	else
		table_print(top);
	return output_finish(status);
}

/* --- options ---------------------------------------------------------------------------------- */

static double must_interval(struct argp_state *state, const char *arg)
{
	char *end;
	double value = strtod(arg, &end);

	if (end == arg || *end || !(value >= INTERVAL_MIN_S && value <= INTERVAL_MAX_S))
		usage_error(state, "--interval takes seconds from %.1f to %.0f, not '%s'",
			    INTERVAL_MIN_S, INTERVAL_MAX_S, arg);
	return value;
}

static enum kcoh_rate must_rate(struct argp_state *state, const char *arg)
{
	for (int i = 0; i < KCOH_RATES; i++) {
		size_t len = strcspn(kcoh_rate_name(i), "/");

		if (strlen(arg) == len && !strncmp(kcoh_rate_name(i), arg, len))
			return i;
	}
	usage_error(state, "--sort takes exits, wfx, hvc, sys, fault, mmio, irq or other, not '%s'",
		    arg);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct top *top = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &top->common;
		return 0;
	case 'i':
		top->interval_s = must_interval(state, arg);
		return 0;
	case 'S':
		top->sort = must_rate(state, arg);
		return 0;
	case 'l':
		top->latency = true;
		return 0;
	case 'o':
		top->once = true;
		return 0;
	case 'j':
		top->json = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: kcoh top takes options only", arg);
	case ARGP_KEY_END:
		if (top->json && !top->once)
			usage_error(state, "--json goes with --once");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "interval", 'i', "SECONDS", 0, "Between two looks, 0.1 to 10 (2)", 0 },
	{ "sort", 'S', "COLUMN", 0, "exits (default), wfx, hvc, sys, fault, mmio, irq or other",
	  0 },
	{ "latency", 'l', NULL, 0, "Also how long exits take; costs something at each exit", 0 },
	{ "once", 'o', NULL, 0, "Look at one interval, print a table, and end", 0 },
	{ "json", 'j', NULL, 0, "With --once: print JSON", 0 },
	{ 0 },
};

int cmd_top(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Shows how often and why the virtual machines of this host leave their guests.\v"
		"Exits a second: all, WFx, HVC and SMC, system registers, faults on memory, MMIO, "
		"interrupts, others. Times: in the guest, and outside it for other reasons than "
		"WFx, upper ends of buckets of powers of two. Exit status: 0, or 2 and one "
		"sentence.",
		children,
		NULL,
		NULL
	};
	struct top top = { .interval_s = 2 };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &top);
	if (top.once)
		status = once(&top);
	else if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		status = complain(
			"top draws on a terminal, and this is none: kcoh top --once prints "
			"a table");
	else
		status = top_screen(&top);
	free(top.rates);
	json_decref(top.before);
	json_decref(top.now);
	return status;
}
