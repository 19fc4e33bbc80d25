// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c - a table on standard output.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcoh/cmd.h"
#include "kcoh/table.h"

#define BETWEEN 2 /* spaces between two columns */

void table_show(struct table *table, size_t column)
{
	table->shown[column] = true;
}

static bool is_shown(const struct table *table, size_t column)
{
	return !table->columns[column].wide || table->shown[column];
}

/* Row 0 are the titles. */
static const char *text_at(const struct table *table, size_t row, size_t column)
{
	return row ? table->cells[(row - 1) * table->count + column] : table->columns[column].title;
}

/* Characters of UTF-8, which is what all names are. */
static int characters(const char *text)
{
	int count = 0;

	for (; *text; text++)
		count += (*text & 0xc0) != 0x80;
	return count;
}

static int widest(const struct table *table, size_t column)
{
	int most = 0;

	for (size_t row = 0; row <= table->rows; row++) {
		int width = characters(text_at(table, row, column));

		most = width > most ? width : most;
	}
	return most;
}

int table_fill(struct table *table, const json_t *objects,
	       void (*fill)(char (*cells)[TABLE_CELL], const json_t *object))
{
	const json_t *object;
	size_t i;

	table->rows = json_array_size(objects);
	table->cells = calloc(table->rows * table->count + 1, TABLE_CELL);
	if (!table->cells)
		return complain("no memory for a table of %zu lines", table->rows);
	json_array_foreach(objects, i, object) fill(&table->cells[i * table->count], object);
	for (size_t column = 0; column < table->count; column++)
		table->widths[column] = widest(table, column);
	return STATUS_OK;
}

int table_column_width(const struct table *table, size_t column)
{
	return table->widths[column] + BETWEEN;
}

int table_width(const struct table *table)
{
	int width = -BETWEEN;

	for (size_t column = 0; column < table->count; column++) {
		if (is_shown(table, column))
			width += table_column_width(table, column);
	}
	return width;
}

static enum paint colour_of(const struct table *table, size_t row, size_t column)
{
	if (!row)
		return PAINT_BOLD;
	if (!table->columns[column].colour)
		return PAINT_PLAIN;
	return table->columns[column].colour(text_at(table, row, column));
}

/* With what is missing to its width before or behind it. */
static void cell_print(const struct table *table, size_t row, size_t column, bool last)
{
	const char *text = text_at(table, row, column);
	enum paint colour = colour_of(table, row, column);
	int missing = table->widths[column] - characters(text);
	bool right = table->columns[column].right;

	printf("%*s", right ? missing : 0, "");
	if (colour == PAINT_PLAIN)
		fputs(text, stdout);
	else
		printf("%s%s%s", paint(colour), text, paint(PAINT_PLAIN));
	if (!last)
		printf("%*s", (right ? 0 : missing) + BETWEEN, "");
}

void table_print(const struct table *table)
{
	size_t last = 0;

	for (size_t column = 0; column < table->count; column++)
		last = is_shown(table, column) ? column : last;
	for (size_t row = 0; row <= table->rows; row++) {
		for (size_t column = 0; column <= last; column++) {
			if (is_shown(table, column))
				cell_print(table, row, column, column == last);
		}
		putchar('\n');
	}
}

void table_free(struct table *table)
{
	free(table->cells);
	table->cells = NULL;
}

void table_bytes(char *cell, int64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1024 && unit < 5) {
		value /= 1024;
		unit++;
	}
	snprintf(cell, TABLE_CELL, value < 10 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
