/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - a table on standard output: columns as wide as their widest cell, verdicts in colour.
 */
#ifndef KCOH_TABLE_H
#define KCOH_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* A table that is being filled; its owner ends with table_free(). */
struct table {
	const struct table_column *columns; /* up to TABLE_COLUMNS; they outlive the table */
	size_t count, rows;
	char (*cells)[TABLE_CELL]; /* rows times count */
	bool shown[TABLE_COLUMNS];
};

#define TABLE(array)                                                                               \
	{                                                                                          \
		.columns = (array), .count = sizeof(array) / sizeof((array)[0])                    \
	}

/* Adds a row of empty cells. Its cells, of TABLE_CELL bytes each, valid until the next row; NULL if there is no memory. */
char (*table_row(struct table *table))[TABLE_CELL];

void table_show(struct table *table, size_t column);
/* Characters that the table is wide, and that one more column would add. */
int table_width(const struct table *table);
int table_column_width(const struct table *table, size_t column);

void table_print(const struct table *table);
void table_free(struct table *table);

/* "2.0 GiB" */
void table_bytes(char *cell, int64_t bytes);

#endif
