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
#include "kcoh/paint.h"

#define CELL_BYTES 160

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

static const struct {
	const char *title;
	bool right;
	bool wide; /* with --wide only */
} columns[COLUMNS] = {
	[ID] = { "ID", true, false },
	[NAME] = { "NAME", false, false },
	[UUID] = { "UUID", false, true },
	[PID] = { "PID", true, false },
	[VCPUS] = { "VCPUS", false, false },
	[RAM] = { "RAM", true, false },
	[EPOCH] = { "EPOCH", true, false },
	[DIRTY] = { "DIRTY/S", true, true },
	[WINDOW] = { "WINDOW", false, false },
	[VERDICT] = { "VERDICT", false, false },
	[REASON] = { "REASON", false, false },
	[EXITS] = { "EXITS", true, true },
	[EXIT_RATE] = { "EXITS/S", true, false },
};

struct row {
	char cells[COLUMNS][CELL_BYTES];
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

/* "2.0 GiB" */
static void bytes_print(char *cell, json_int_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	snprintf(cell, CELL_BYTES, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

/* "81234", then "901k", "12M": four or five digits are as many as one reads at a glance. */
static void count_print(char *cell, const json_t *count)
{
	json_int_t value = json_integer_value(count);
	static const char suffixes[] = " kMGTPE";
	size_t i = 0;

	if (!json_is_integer(count)) {
		snprintf(cell, CELL_BYTES, "-");
		return;
	}
	while (value >= 100000 && i < sizeof(suffixes) - 2) {
		value /= 1000;
		i++;
	}
	snprintf(cell, CELL_BYTES, i ? "%" JSON_INTEGER_FORMAT "%c" : "%" JSON_INTEGER_FORMAT,
		 value, suffixes[i]);
}

/* "4: 3 cached, 1 uncached" */
static void vcpus_print(char *cell, const json_t *vm)
{
	const json_t *states = json_object_get(vm, "vcpu_states"), *count;
	const char *state, *between = ": ";
	size_t len;

	len = (size_t)snprintf(cell, CELL_BYTES, "%zu",
			       json_array_size(json_object_get(vm, "vcpus")));
	json_object_foreach((json_t *)states, state, count)
	{
		if (!json_integer_value(count) || len >= CELL_BYTES)
			continue;
		len += (size_t)snprintf(cell + len, CELL_BYTES - len,
					"%s%" JSON_INTEGER_FORMAT " %s", between,
					json_integer_value(count), state);
		between = ", ";
	}
}

static void windows_print(char *cell, const json_t *windows)
{
	const json_t *window;
	size_t i, len = 0;

	snprintf(cell, CELL_BYTES, "-");
	json_array_foreach(windows, i, window)
	{
		if (!json_is_true(json_object_get(window, "open")) || len >= CELL_BYTES)
			continue;
		len += (size_t)snprintf(cell + len, CELL_BYTES - len, "%s%s", len ? "," : "",
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
		snprintf(cell, CELL_BYTES, "-");
	else
		snprintf(cell, CELL_BYTES, seconds < 100 ? "%.1fs" : "%.0fs", seconds);
}

static void uuid_print(char *cell, const json_t *uuid)
{
	snprintf(cell, CELL_BYTES, "%s", json_is_string(uuid) ? json_string_value(uuid) : "-");
}

static void dirty_print(char *cell, const json_t *bytes)
{
	if (json_is_integer(bytes))
		bytes_print(cell, json_integer_value(bytes));
	else
		snprintf(cell, CELL_BYTES, "-");
}

/* "override of mmu-off"; "cleaning, override": one is in force that has nothing to do now. */
static void reason_print(char *cell, const json_t *vm, const json_t *verdict)
{
	const char *reason = text_of(verdict, "reason");
	const char *overrides = json_string_value(json_object_get(verdict, "overrides"));
	bool stands_by = json_is_object(json_object_get(vm, "override"));

	if (overrides)
		snprintf(cell, CELL_BYTES, "%s of %s", reason, overrides);
	else
		snprintf(cell, CELL_BYTES, "%s%s", reason, stands_by ? ", override" : "");
}

static void row_fill(struct row *row, const json_t *vm)
{
	const json_t *verdict = json_object_get(vm, "verdict");

	snprintf(row->cells[ID], CELL_BYTES, "%" JSON_INTEGER_FORMAT, number_of(vm, "id"));
	snprintf(row->cells[NAME], CELL_BYTES, "%s", text_of(vm, "name"));
	uuid_print(row->cells[UUID], json_object_get(vm, "uuid"));
	snprintf(row->cells[PID], CELL_BYTES, "%" JSON_INTEGER_FORMAT, number_of(vm, "pid"));
	vcpus_print(row->cells[VCPUS], vm);
	bytes_print(row->cells[RAM], number_of(vm, "ram_bytes"));
	epoch_print(row->cells[EPOCH], json_object_get(vm, "epoch"));
	windows_print(row->cells[WINDOW], json_object_get(vm, "windows"));
	snprintf(row->cells[VERDICT], CELL_BYTES, "%s", text_of(verdict, "verdict"));
	reason_print(row->cells[REASON], vm, verdict);
	dirty_print(row->cells[DIRTY],
		    json_object_get(json_object_get(vm, "harvests"), "dirty_bytes_per_s"));
	count_print(row->cells[EXITS], json_object_get(json_object_get(vm, "exits"), "total"));
	count_print(row->cells[EXIT_RATE], json_object_get(json_object_get(vm, "exits"), "per_s"));
}

static enum paint cell_colour(const struct row *row, size_t column)
{
	if (column == VERDICT)
		return paint_of(row->cells[column]);
	if (column == WINDOW && strcmp(row->cells[column], "-"))
		return PAINT_BAD;
	return PAINT_PLAIN;
}

/* Characters of UTF-8, which is what all names are. */
static int width_of(const char *text)
{
	int width = 0;

	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

/* A width of 0: the column is not shown. */
static void row_print(const struct row *row, const int *widths, bool title)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		int pad = widths[i] - width_of(row->cells[i]);
		enum paint colour = title ? PAINT_BOLD : cell_colour(row, i);

		if (!widths[i])
			continue;
		printf("%s%*s", i ? "  " : "", columns[i].right ? pad : 0, "");
		if (colour == PAINT_PLAIN)
			printf("%s", row->cells[i]);
		else
			printf("%s%s%s", paint(colour), row->cells[i], paint(PAINT_PLAIN));
		printf("%*s", columns[i].right ? 0 : pad, "");
	}
	putchar('\n');
}

static void widths_add(int *widths, const struct row *row)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		int width = width_of(row->cells[i]);

		if (width > widths[i])
			widths[i] = width;
	}
}

/* Columns of a terminal; 0: standard output is none. */
static int terminal_width(void)
{
	struct winsize size;

	return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col :
										       0;
}

/* Hides what was not asked for, but for the UUID if there is room for it. */
static void columns_choose(int *widths, bool wide)
{
	int uuid = widths[UUID], sum = 0;

	for (size_t i = 0; i < COLUMNS; i++) {
		if (columns[i].wide && !wide)
			widths[i] = 0;
		sum += widths[i] ? widths[i] + 2 : 0;
	}
	if (sum + uuid <= terminal_width())
		widths[UUID] = uuid;
}

static int table_print(const json_t *vms, bool wide)
{
	size_t count = json_array_size(vms);
	struct row *rows = calloc(count + 1, sizeof(*rows));
	int widths[COLUMNS] = { 0 };

	if (!rows)
		return complain("no memory for a table of %zu VMs", count);
	for (size_t i = 0; i < COLUMNS; i++)
		snprintf(rows[0].cells[i], CELL_BYTES, "%s", columns[i].title);
	for (size_t i = 0; i < count; i++)
		row_fill(&rows[i + 1], json_array_get(vms, i));
	for (size_t i = 0; i <= count; i++)
		widths_add(widths, &rows[i]);
	columns_choose(widths, wide);
	for (size_t i = 0; i <= count; i++)
		row_print(&rows[i], widths, i == 0);
	free(rows);
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
		status = table_print(json_object_get(json, "vms"), options.wide);
	}
	json_decref(json);
	return output_finish(status);
}
