/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - a table on standard output: columns as wide as their widest cell, verdicts in colour.
 */
#ifndef KCOH_TABLE_H
#define KCOH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "kcoh/paint.h"

#define TABLE_CELL 200
#define TABLE_COLUMNS 16

/* A column, as it is asked for. */
struct table_column {
	const char *title;
	bool right;
	bool wide; /* hidden until table_show() */
	enum paint (*colour)(const char *text); /* NULL: plain */
};

/* A table; its owner ends with table_free(). */
struct table {
	const struct table_column *columns; /* up to TABLE_COLUMNS; they outlive the table */
	size_t count, rows;
	char (*cells)[TABLE_CELL]; /* rows times count */
	int widths[TABLE_COLUMNS]; /* characters of the widest cell */
	bool shown[TABLE_COLUMNS];
};

#define TABLE(array)                                                                               \
	{                                                                                          \
		.columns = (array), .count = sizeof(array) / sizeof((array)[0])                    \
	}

/*
 * A row for each of the JSON array `objects`: `fill` writes into its cells, which are empty and have TABLE_CELL bytes each. Once a table.
 * STATUS_OK, or one sentence and STATUS_ERROR; then there is nothing to free.
 */
int table_fill(struct table *table, const json_t *objects,
	       void (*fill)(char (*cells)[TABLE_CELL], const json_t *object));

void table_show(struct table *table, size_t column);
/* Characters that the table is wide, and that one more column would add. */
int table_width(const struct table *table);
int table_column_width(const struct table *table, size_t column);

void table_print(const struct table *table);
void table_free(struct table *table);

/* "2.0 GiB" */
void table_bytes(char *cell, int64_t bytes);

#endif
