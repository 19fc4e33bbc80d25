// SPDX-License-Identifier: GPL-2.0-only
/*
 * ps.c - kcoh ps: the virtual machines of this host.
 *
 *   ID NAME    PID   VCPUS                    RAM      EPOCH WINDOW   VERDICT REASON           EXITS/S
 *    3 web-1   4711  4: 3 cached, 1 uncached  2.0 GiB  4.2s  mmu-off  veto    mmu-off             1234
 *    4 db-1    4802  8: 8 cached              64 GiB   -     -        allow   not-yet-cleaning     901
 *
 * Columns are as wide as their widest cell. EPOCH is for how long most of the RAM has been logged. The UUID comes along where
 * the terminal is wide enough, and with --wide, which also adds all exits and how fast the guest dirties its RAM.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "kcoh/client.h"
#include "kcoh/table.h"

enum column {
	ID,
	NAME,
	UUID,
	PID,
	VCPUS,
	RAM,
	EPOCH,
	DIRTY,
	WINDOW,
	VERDICT,
	REASON,
	EXITS,
	EXIT_RATE,
	COLUMNS
};

static enum paint window_colour(const char *text)
{
	return strcmp(text, "-") ? PAINT_BAD : PAINT_PLAIN;
}

static const struct table_column columns[COLUMNS] = {
	[ID] = { .title = "ID", .right = true },
	[NAME] = { .title = "NAME" },
	[UUID] = { .title = "UUID", .wide = true },
	[PID] = { .title = "PID", .right = true },
	[VCPUS] = { .title = "VCPUS" },
	[RAM] = { .title = "RAM", .right = true },
	[EPOCH] = { .title = "EPOCH", .right = true },
	[DIRTY] = { .title = "DIRTY/S", .right = true, .wide = true },
	[WINDOW] = { .title = "WINDOW", .colour = window_colour },
	[VERDICT] = { .title = "VERDICT", .colour = paint_of },
	[REASON] = { .title = "REASON" },
	[EXITS] = { .title = "EXITS", .right = true, .wide = true },
	[EXIT_RATE] = { .title = "EXITS/S", .right = true },
};

struct ps_options {
	struct common_options common;
	bool json;
	bool wide;
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "?";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "81234", then "901k", "12M": four or five digits are as many as one reads at a glance. */
static void count_print(char *cell, const json_t *count)
{
	json_int_t value = json_integer_value(count);
	static const char suffixes[] = " kMGTPE";
	size_t i = 0;

	if (!json_is_integer(count)) {
		snprintf(cell, TABLE_CELL, "-");
		return;
	}
	while (value >= 100000 && i < sizeof(suffixes) - 2) {
		value /= 1000;
		i++;
	}
	snprintf(cell, TABLE_CELL, i ? "%" JSON_INTEGER_FORMAT "%c" : "%" JSON_INTEGER_FORMAT,
		 value, suffixes[i]);
}

/* "4: 3 cached, 1 uncached" */
static void vcpus_print(char *cell, const json_t *vm)
{
	const json_t *states = json_object_get(vm, "vcpu_states"), *count;
	const char *state, *between = ": ";
	size_t len;

	len = (size_t)snprintf(cell, TABLE_CELL, "%zu",
			       json_array_size(json_object_get(vm, "vcpus")));
	json_object_foreach((json_t *)states, state, count)
	{
		if (!json_integer_value(count) || len >= TABLE_CELL)
			continue;
		len += (size_t)snprintf(cell + len, TABLE_CELL - len,
					"%s%" JSON_INTEGER_FORMAT " %s", between,
					json_integer_value(count), state);
		between = ", ";
	}
}

static void windows_print(char *cell, const json_t *windows)
{
	const json_t *window;
	size_t i, len = 0;

	snprintf(cell, TABLE_CELL, "-");
	json_array_foreach(windows, i, window)
	{
		if (!json_is_true(json_object_get(window, "open")) || len >= TABLE_CELL)
			continue;
		len += (size_t)snprintf(cell + len, TABLE_CELL - len, "%s%s", len ? "," : "",
					text_of(window, "class"));
	}
}

static void epoch_print(char *cell, const json_t *epoch)
{
	struct timespec now;
	double seconds;

	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
		  (double)number_of(epoch, "since_ns") / 1e9;
	if (!json_is_object(epoch))
		snprintf(cell, TABLE_CELL, "-");
	else
		snprintf(cell, TABLE_CELL, seconds < 100 ? "%.1fs" : "%.0fs", seconds);
}

static void uuid_print(char *cell, const json_t *uuid)
{
	snprintf(cell, TABLE_CELL, "%s", json_is_string(uuid) ? json_string_value(uuid) : "-");
}

static void dirty_print(char *cell, const json_t *bytes)
{
	if (json_is_integer(bytes))
		table_bytes(cell, json_integer_value(bytes));
	else
		snprintf(cell, TABLE_CELL, "-");
}

/* "override of mmu-off"; "cleaning, override": one is in force that has nothing to do now. */
static void reason_print(char *cell, const json_t *vm, const json_t *verdict)
{
	const char *reason = text_of(verdict, "reason");
	const char *overrides = json_string_value(json_object_get(verdict, "overrides"));
	bool stands_by = json_is_object(json_object_get(vm, "override"));

	if (overrides)
		snprintf(cell, TABLE_CELL, "%s of %s", reason, overrides);
	else
		snprintf(cell, TABLE_CELL, "%s%s", reason, stands_by ? ", override" : "");
}

static void row_fill(char (*cells)[TABLE_CELL], const json_t *vm)
{
	const json_t *verdict = json_object_get(vm, "verdict");

	snprintf(cells[ID], TABLE_CELL, "%" JSON_INTEGER_FORMAT, number_of(vm, "id"));
	snprintf(cells[NAME], TABLE_CELL, "%s", text_of(vm, "name"));
	uuid_print(cells[UUID], json_object_get(vm, "uuid"));
	snprintf(cells[PID], TABLE_CELL, "%" JSON_INTEGER_FORMAT, number_of(vm, "pid"));
	vcpus_print(cells[VCPUS], vm);
	table_bytes(cells[RAM], number_of(vm, "ram_bytes"));
	epoch_print(cells[EPOCH], json_object_get(vm, "epoch"));
	windows_print(cells[WINDOW], json_object_get(vm, "windows"));
	snprintf(cells[VERDICT], TABLE_CELL, "%s", text_of(verdict, "verdict"));
	reason_print(cells[REASON], vm, verdict);
	dirty_print(cells[DIRTY],
		    json_object_get(json_object_get(vm, "harvests"), "dirty_bytes_per_s"));
	count_print(cells[EXITS], json_object_get(json_object_get(vm, "exits"), "total"));
	count_print(cells[EXIT_RATE], json_object_get(json_object_get(vm, "exits"), "per_s"));
}

/* Columns of a terminal; 0: standard output is none. */
static int terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col :
										       0;
}

/* The UUID comes along where there is room for it. */
static void columns_choose(struct table *table, bool wide)
{
	for (size_t i = 0; i < COLUMNS && wide; i++)
		table_show(table, i);
	if (table_width(table) + table_column_width(table, UUID) <= terminal_width())
		table_show(table, UUID);
}

static int vms_print(const json_t *vms, bool wide)
{
	struct table table = TABLE(columns);
	int status = table_fill(&table, vms, row_fill);

	if (status != STATUS_OK)
		return status;
	columns_choose(&table, wide);
	table_print(&table);
	table_free(&table);
	return STATUS_OK;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct ps_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'w':
		options->wide = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: kcoh ps takes options only", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "json", 'j', NULL, 0, "Print what kcohd answered, as JSON", 0 },
	{ "wide", 'w', NULL, 0, "Print UUIDs, all exits, and how fast guests dirty their RAM, too",
	  0 },
	{ 0 },
};

int cmd_ps(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Lists the virtual machines of this host.\vEXITS/S: exits from the guest in the "
		"last "
		"second; EXITS: since kcohd saw the VM; DIRTY/S: by the last harvests of dirty "
		"pages. Exit status: 0, or 2 and one sentence.",
		children,
		NULL,
		NULL
	};
	struct ps_options options = { 0 };
	json_t *json = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = client_ask(&options.common, "GET", "/v1/vms", &json);
	if (status != STATUS_OK)
		return status;
	if (options.json) {
		json_dumpf(json, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		status = vms_print(json_object_get(json, "vms"), options.wide);
	}
	json_decref(json);
	return output_finish(status);
}
