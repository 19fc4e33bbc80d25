/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * store.h - the history: events that are kept for months, in a SQLite database.
 *
 * Adding a row costs a copy: a thread of the store's own writes, so that a slow or full disk never holds up kcohd. Rows that
 * cannot be written wait in memory, QUEUE_ROWS of them; beyond that the oldest are dropped and counted. What was written
 * survives a kill at any moment.
 *
 * A row is an event as docs/events.md has it, with the columns that one searches by beside it. A database that turns out to be
 * damaged is moved aside (PATH.damaged-UNIXTIME), and a new one begun.
 *
 * The thread is the store's only one, and no function here may be called by two threads at a time.
 */
#ifndef KCOH_STORE_H
#define KCOH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct kcoh_store; /* opaque */

struct kcoh_store_config {
	const char *path;
	uint32_t max_days; /* older rows are removed, once the wall clock was not set for a day; 0: never */
	uint64_t max_bytes; /* the oldest rows are removed when the database is larger; 0: no limit */
	uint32_t queue_rows; /* 0: 65536 */
	uint32_t retry_ms; /* after a failed write; 0: 5000 */
	uint64_t (*clock_ns)(
		clockid_t clock); /* CLOCK_REALTIME and CLOCK_BOOTTIME, asked by the thread too; NULL: the kernel's */
};

struct kcoh_store_row {
	uint64_t unix_ns;
	uint32_t vm; /* kcoh's id; 0: the host */
	const char *name; /* NULL or empty: none */
	const char *uuid; /* likewise */
	const char *type; /* of the event */
	const char *event; /* JSON, one line */
};

/* 0, or a negative errno and one sentence for a person. Makes the file (0640) if it is not there, not its directory. */
int kcoh_store_open(const struct kcoh_store_config *config, struct kcoh_store **ret_store,
		    char *err, size_t err_len);

/* Writes what waits, if it can be written at once, and ends. NULL is allowed. */
void kcoh_store_close(struct kcoh_store *store);

/* Takes a copy of the row. Never blocks. */
void kcoh_store_add(struct kcoh_store *store, const struct kcoh_store_row *row);

struct kcoh_store_health {
	uint64_t written; /* rows, since open */
	uint64_t lost; /* rows dropped, since open */
	uint32_t waiting;
	bool failing; /* the last write failed */
	char sentence[256]; /* why; empty if not failing */
};

void kcoh_store_health(struct kcoh_store *store, struct kcoh_store_health *ret_health);

struct kcoh_store_query {
	const char *vm; /* name, UUID or id; NULL: all */
	uint64_t since_ns, until_ns; /* unix time, both inclusive; until 0: no end */
	uint32_t limit; /* the youngest so many: the last ones, while the clock is behind what was written before; 0: all */
};

/*
 * Calls fn for each row that matches, in the order in which they were written, until it returns false. The file is only read, and may be in use. 0, or a
 * negative errno and one sentence.
 */
int kcoh_store_query(const char *path, const struct kcoh_store_query *query,
		     bool (*fn)(void *ctx, const char *event), void *ctx, char *err,
		     size_t err_len);

#endif
