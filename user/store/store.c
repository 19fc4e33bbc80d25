// SPDX-License-Identifier: GPL-2.0-only
/*
 * store.c - the history in SQLite. See store.h.
 *
 * Write-ahead log, synchronous=NORMAL: a commit does not wait for the disk, a reader never waits for the writer, and after
 * kill -9 every commit is there (after a power cut perhaps not the last ones).
 *
 * The wall clock may be set by years, and back. Rows have its time, so by age they are removed only when it has not been set for a day (a clock that is
 * wrong overnight would take all of the history with it); and while it is behind what was written before, the youngest rows are the last
 * ones, not those with the largest times.
 *
 * The writer takes all rows that wait in one transaction. If it fails (disk full, I/O error) it is rolled back, the rows go
 * back to the head of the queue, and it is tried again after retry_ms.
 */
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>

#include "host/clock.h"
#include "store/store.h"

#define SCHEMA_VERSION 1
#define QUEUE_ROWS 65536
#define RETRY_MS 5000
#define TIDY_NS (600 * NS)
#define CLOCK_STEP_NS (60ll * 1000000000) /* less is NTP */
#define CLOCK_TRUST_NS (86400 * NS)
#define BUSY_MS 2000
#define NS 1000000000ull

struct row {
	STAILQ_ENTRY(row) link;
	struct kcoh_store_row row;
	char text[]; /* of its strings */
};
STAILQ_HEAD(rows, row);

struct kcoh_store {
	struct kcoh_store_config config;
	char *path;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct rows rows;
	bool closing;
	struct kcoh_store_health health;
	/* The writer's alone. */
	sqlite3 *db;
	sqlite3_stmt *insert;
	uint64_t tidied_ns; /* CLOCK_BOOTTIME */
	int64_t clock_offset_ns; /* of the wall clock from CLOCK_BOOTTIME, … */
	uint64_t clock_steady_ns; /* … and since when nobody has set it */
};

static const char schema[] =
	"CREATE TABLE IF NOT EXISTS history ("
	" id INTEGER PRIMARY KEY,"
	" unix_ns INTEGER NOT NULL,"
	" vm INTEGER NOT NULL," /* kcoh's id in that run of kcohd; 0: the host */
	" name TEXT,"
	" uuid TEXT,"
	" type TEXT NOT NULL,"
	" event TEXT NOT NULL);"
	"CREATE INDEX IF NOT EXISTS history_time ON history (unix_ns);"
	"CREATE INDEX IF NOT EXISTS history_name ON history (name, unix_ns);"
	"CREATE INDEX IF NOT EXISTS history_uuid ON history (uuid, unix_ns);"
	"PRAGMA user_version = 1;";

static int errno_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static int fail(sqlite3 *db, const char *what, const char *path, char *err, size_t err_len)
{
	snprintf(err, err_len, "cannot %s the history %s: %s", what, path,
		 db ? sqlite3_errmsg(db) : "no memory");
	return db ? errno_of(sqlite3_extended_errcode(db)) : -ENOMEM;
}

static int run(struct kcoh_store *store, const char *sql)
{
	return errno_of(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static int number_of(sqlite3 *db, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (code != SQLITE_OK)
		return errno_of(code);
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret_number = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return code == SQLITE_ROW ? 0 : errno_of(code);
}

/* --- the writer ----------------------------------------------------------------------------------------- */

static void writer_disconnect(struct kcoh_store *store)
{
	sqlite3_finalize(store->insert);
	sqlite3_close(store->db);
	store->insert = NULL;
	store->db = NULL;
}

static int schema_make(struct kcoh_store *store)
{
	int64_t version = 0;
	int err = number_of(store->db, "PRAGMA user_version", &version);

	if (err == 0 && version > SCHEMA_VERSION)
		return -EPROTO;
	if (err == 0 && version == 0)
		err = run(store, "PRAGMA auto_vacuum = INCREMENTAL");
	if (err == 0)
		err = run(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				 "PRAGMA journal_size_limit = 1048576");
	if (err == 0)
		err = run(store, schema);
	if (err == 0)
		err = errno_of(
			sqlite3_prepare_v2(store->db,
					   "INSERT INTO history (unix_ns, vm, name, uuid, type, "
					   "event) VALUES (?, ?, ?, ?, ?, ?)",
					   -1, &store->insert, NULL));
	return err;
}

static int writer_connect(struct kcoh_store *store, char *sentence, size_t len)
{
	mode_t mask = umask(027);
	int code = sqlite3_open_v2(store->path, &store->db,
				   SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				   NULL);
	int err;

	umask(mask);
	if (code != SQLITE_OK) {
		err = fail(store->db, "open", store->path, sentence, len);
		writer_disconnect(store);
		return err;
	}
	sqlite3_busy_timeout(store->db, BUSY_MS);
	err = schema_make(store);
	if (err == -EPROTO)
		snprintf(sentence, len, "the history %s is of a newer kcoh", store->path);
	else if (err < 0)
		fail(store->db, "open", store->path, sentence, len);
	if (err < 0)
		writer_disconnect(store);
	return err;
}

/* A database that is none any more: kept for whoever can read it, out of the way. */
static int damaged_move(struct kcoh_store *store)
{
	char aside[4200], wal[4200];

	snprintf(aside, sizeof(aside), "%s.damaged-%lld", store->path,
		 (long long)(store->config.clock_ns(CLOCK_REALTIME) / NS));
	if (rename(store->path, aside) < 0)
		return -errno;
	/* What belongs to the old file must not be played into the new one. */
	snprintf(wal, sizeof(wal), "%s-wal", store->path);
	remove(wal);
	snprintf(wal, sizeof(wal), "%s-shm", store->path);
	remove(wal);
	return 0;
}

static int bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	return text && *text ? sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC) :
			       sqlite3_bind_null(statement, at);
}

static int row_insert(sqlite3_stmt *insert, const struct kcoh_store_row *row)
{
	int code;

	sqlite3_bind_int64(insert, 1, (sqlite3_int64)row->unix_ns);
	sqlite3_bind_int64(insert, 2, row->vm);
	bind_text(insert, 3, row->name);
	bind_text(insert, 4, row->uuid);
	bind_text(insert, 5, row->type);
	bind_text(insert, 6, row->event);
	code = sqlite3_step(insert);
	sqlite3_reset(insert);
	return code == SQLITE_DONE ? 0 : errno_of(code);
}

static int rows_write(struct kcoh_store *store, const struct rows *rows, char *sentence, size_t len)
{
	struct row *row;
	int err = 0;

	if (!store->db)
		err = writer_connect(store, sentence, len);
	if (err < 0)
		return err;
	err = run(store, "BEGIN");
	if (err == 0) {
		STAILQ_FOREACH(row, rows, link)
		{
			err = row_insert(store->insert, &row->row);
			if (err < 0)
				break;
		}
	}
	if (err == 0)
		err = run(store, "COMMIT");
	if (err == 0)
		return 0;
	fail(store->db, "write", store->path, sentence, len);
	run(store, "ROLLBACK");
	return err;
}

static bool is_too_large(struct kcoh_store *store)
{
	int64_t pages = 0, free_pages = 0, page_bytes = 0;

	return number_of(store->db, "PRAGMA page_size", &page_bytes) == 0 &&
	       number_of(store->db, "PRAGMA page_count", &pages) == 0 &&
	       number_of(store->db, "PRAGMA freelist_count", &free_pages) == 0 &&
	       (uint64_t)((pages - free_pages) * page_bytes) > store->config.max_bytes;
}

static void clock_look(struct kcoh_store *store)
{
	uint64_t boot_ns = store->config.clock_ns(CLOCK_BOOTTIME);
	int64_t offset_ns = (int64_t)(store->config.clock_ns(CLOCK_REALTIME) - boot_ns);

	if (!store->clock_steady_ns || llabs(offset_ns - store->clock_offset_ns) >= CLOCK_STEP_NS)
		store->clock_steady_ns = boot_ns;
	store->clock_offset_ns = offset_ns;
}

static bool is_clock_trusted(const struct kcoh_store *store)
{
	return store->config.clock_ns(CLOCK_BOOTTIME) - store->clock_steady_ns >= CLOCK_TRUST_NS;
}

static int old_remove(struct kcoh_store *store)
{
	uint64_t now_ns = store->config.clock_ns(CLOCK_REALTIME);
	char sql[96];

	snprintf(sql, sizeof(sql), "DELETE FROM history WHERE unix_ns < %lld",
		 (long long)now_ns - store->config.max_days * 86400ll * (long long)NS);
	return run(store, sql);
}

/* Removes rows that are too old, or too many: then the oldest tenth, as often as needed. */
static void tidy(struct kcoh_store *store)
{
	int err = 0;

	if (store->config.max_days && is_clock_trusted(store))
		err = old_remove(store);
	while (err == 0 && store->config.max_bytes && is_too_large(store)) {
		err = run(store, "DELETE FROM history WHERE id <= (SELECT min(id) + (max(id) - "
				 "min(id)) / 10 FROM history)");
		if (sqlite3_changes(store->db) == 0)
			break;
	}
	run(store, "PRAGMA incremental_vacuum");
	store->tidied_ns = store->config.clock_ns(CLOCK_BOOTTIME);
}

static void rows_free(struct rows *rows)
{
	struct row *row;

	while ((row = STAILQ_FIRST(rows))) {
		STAILQ_REMOVE_HEAD(rows, link);
		free(row);
	}
}

/* Written, or back at the head of the queue. store->lock held. */
static void rows_done(struct kcoh_store *store, struct rows *rows, uint32_t n, int err,
		      const char *sentence)
{
	struct kcoh_store_health *health = &store->health;

	health->failing = err < 0;
	snprintf(health->sentence, sizeof(health->sentence), "%s", err < 0 ? sentence : "");
	if (err == 0) {
		health->written += n;
		rows_free(rows);
		return;
	}
	STAILQ_CONCAT(rows, &store->rows);
	STAILQ_CONCAT(&store->rows, rows);
	health->waiting += n;
}

static void pause_ms(struct kcoh_store *store, uint32_t ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000;
	if (until.tv_nsec >= (long)NS) {
		until.tv_sec++;
		until.tv_nsec -= (long)NS;
	}
	while (!store->closing && pthread_cond_timedwait(&store->wake, &store->lock, &until) == 0)
		;
}

static void *writer(void *arg)
{
	struct kcoh_store *store = arg;
	struct rows rows = STAILQ_HEAD_INITIALIZER(rows);
	char sentence[256];
	uint32_t n;
	int err = 0;

	pthread_mutex_lock(&store->lock);
	while (!store->closing || (err == 0 && !STAILQ_EMPTY(&store->rows))) {
		if (STAILQ_EMPTY(&store->rows)) {
			pthread_cond_wait(&store->wake, &store->lock);
			continue;
		}
		STAILQ_CONCAT(&rows, &store->rows);
		n = store->health.waiting;
		store->health.waiting = 0;
		pthread_mutex_unlock(&store->lock);
		err = rows_write(store, &rows, sentence, sizeof(sentence));
		if (err == -EBADMSG) {
			writer_disconnect(store);
			damaged_move(store);
		}
		clock_look(store);
		if (err == 0 &&
		    store->config.clock_ns(CLOCK_BOOTTIME) - store->tidied_ns >= TIDY_NS)
			tidy(store);
		pthread_mutex_lock(&store->lock);
		rows_done(store, &rows, n, err, sentence);
		if (err < 0)
			pause_ms(store, store->config.retry_ms);
	}
	pthread_mutex_unlock(&store->lock);
	writer_disconnect(store);
	return NULL;
}

/* --- what callers see ----------------------------------------------------------------------------------- */

static int thread_start(struct kcoh_store *store)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&store->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&store->lock, NULL);
	return -pthread_create(&store->thread, NULL, writer, store);
}

int kcoh_store_open(const struct kcoh_store_config *config, struct kcoh_store **ret_store,
		    char *err, size_t err_len)
{
	struct kcoh_store *store = calloc(1, sizeof(*store));
	int ret;

	if (!store || !(store->path = strdup(config->path))) {
		free(store);
		return fail(NULL, "open", config->path, err, err_len);
	}
	store->config = *config;
	store->config.queue_rows = config->queue_rows ? config->queue_rows : QUEUE_ROWS;
	store->config.retry_ms = config->retry_ms ? config->retry_ms : RETRY_MS;
	store->config.clock_ns = config->clock_ns ? config->clock_ns : kcoh_clock_ns;
	clock_look(store);
	STAILQ_INIT(&store->rows);
	ret = writer_connect(store, err, err_len);
	if (ret == -EBADMSG && damaged_move(store) == 0)
		ret = writer_connect(store, err, err_len);
	if (ret == 0) {
		tidy(store);
		ret = thread_start(store);
	}
	if (ret < 0) {
		writer_disconnect(store);
		free(store->path);
		free(store);
		return ret;
	}
	*ret_store = store;
	return 0;
}

void kcoh_store_close(struct kcoh_store *store)
{
	if (!store)
		return;
	pthread_mutex_lock(&store->lock);
	store->closing = true;
	pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->thread, NULL);
	rows_free(&store->rows);
	pthread_cond_destroy(&store->wake);
	pthread_mutex_destroy(&store->lock);
	free(store->path);
	free(store);
}

static const char *text_copy(char **at, const char *text)
{
	size_t len = text ? strlen(text) + 1 : 0;
	char *copy = *at;

	if (!text)
		return NULL;
	memcpy(copy, text, len);
	*at += len;
	return copy;
}

static size_t text_room(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static struct row *row_copy(const struct kcoh_store_row *from)
{
	struct row *row = malloc(sizeof(*row) + text_room(from->name) + text_room(from->uuid) +
				 text_room(from->type) + text_room(from->event));
	char *at;

	if (!row)
		return NULL;
	at = row->text;
	row->row = *from;
	row->row.name = text_copy(&at, from->name);
	row->row.uuid = text_copy(&at, from->uuid);
	row->row.type = text_copy(&at, from->type);
	row->row.event = text_copy(&at, from->event);
	return row;
}

void kcoh_store_add(struct kcoh_store *store, const struct kcoh_store_row *from)
{
	struct kcoh_store_health *health = &store->health;
	struct row *row = row_copy(from), *oldest;

	pthread_mutex_lock(&store->lock);
	if (!row) {
		health->lost++;
	} else {
		STAILQ_INSERT_TAIL(&store->rows, row, link);
		health->waiting++;
	}
	while (health->waiting > store->config.queue_rows) {
		oldest = STAILQ_FIRST(&store->rows);
		STAILQ_REMOVE_HEAD(&store->rows, link);
		free(oldest);
		health->waiting--;
		health->lost++;
	}
	if (!health->failing)
		pthread_cond_signal(&store->wake);
	pthread_mutex_unlock(&store->lock);
}

void kcoh_store_health(struct kcoh_store *store, struct kcoh_store_health *ret_health)
{
	pthread_mutex_lock(&store->lock);
	*ret_health = store->health;
	pthread_mutex_unlock(&store->lock);
}

/* --- reading -------------------------------------------------------------------------------------------- */

/* The youngest `limit` by `order`, and of them the oldest first: `id` is the order in which they were written. */
#define YOUNGEST(order) " ORDER BY " order " DESC LIMIT ?4"
#define ROWS(time, order, which)                                                                   \
	"SELECT id, unix_ns, event FROM history WHERE " time " BETWEEN ?1 AND ?2" which YOUNGEST(  \
		order)
#define AMONG(rows) "SELECT * FROM (" rows ")"
#define OLDEST_FIRST(rows) "SELECT event FROM (" rows ") ORDER BY id"

#define OF_ALL(time, order) OLDEST_FIRST(ROWS(time, order, ""))
/* Name and UUID have an index each. A number is a name, or kcoh's id, which has none. */
#define OF_VM(time, order)                                                                         \
	OLDEST_FIRST(AMONG(ROWS(time, order, " AND name = ?3")) " UNION " AMONG(                   \
		ROWS(time, order, " AND uuid = lower(?3)")) YOUNGEST(order))
#define OF_NUMBER(time, order)                                                                     \
	OLDEST_FIRST(ROWS(time, order, " AND (name = ?3 OR CAST(vm AS TEXT) = ?3)"))

/* The last row is a minute older than another one, or more: the clock was set back since. */
static bool is_clock_behind(sqlite3 *db)
{
	int64_t ns = 0;

	return number_of(db,
			 "SELECT (SELECT max(unix_ns) FROM history) -"
			 " (SELECT unix_ns FROM history ORDER BY id DESC LIMIT 1)",
			 &ns) == 0 &&
	       ns >= CLOCK_STEP_NS;
}

static const char *select_of(sqlite3 *db, const char *vm)
{
	bool behind = is_clock_behind(db); /* then the index of times finds others than the last */

	if (!vm || !*vm)
		return behind ? OF_ALL("+unix_ns", "id") : OF_ALL("unix_ns", "unix_ns");
	if (vm[strspn(vm, "0123456789")])
		return behind ? OF_VM("+unix_ns", "id") : OF_VM("unix_ns", "unix_ns");
	return behind ? OF_NUMBER("+unix_ns", "id") : OF_NUMBER("unix_ns", "unix_ns");
}

static int select_run(sqlite3 *db, const struct kcoh_store_query *query,
		      bool (*fn)(void *ctx, const char *event), void *ctx)
{
	const char *sql = select_of(db, query->vm);
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	uint64_t until = query->until_ns ? query->until_ns : INT64_MAX;

	if (code != SQLITE_OK)
		return errno_of(code);
	sqlite3_bind_int64(statement, 1, (sqlite3_int64)query->since_ns);
	sqlite3_bind_int64(statement, 2, (sqlite3_int64)until);
	bind_text(statement, 3, query->vm);
	sqlite3_bind_int64(statement, 4, query->limit ? (sqlite3_int64)query->limit : -1);
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		if (!fn(ctx, (const char *)sqlite3_column_text(statement, 0)))
			break;
	}
	sqlite3_finalize(statement);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : errno_of(code);
}

int kcoh_store_query(const char *path, const struct kcoh_store_query *query,
		     bool (*fn)(void *ctx, const char *event), void *ctx, char *err, size_t err_len)
{
	sqlite3 *db;
	int ret,
		code = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	if (code == SQLITE_OK) {
		sqlite3_busy_timeout(db, BUSY_MS);
		ret = select_run(db, query, fn, ctx);
	} else {
		ret = errno_of(code);
	}
	if (ret < 0)
		fail(db, "read", path, err, err_len);
	sqlite3_close(db);
	return ret;
}
