// SPDX-License-Identifier: GPL-2.0-only
/*
 * The history: what was added is found again, also after kill -9; a full disk loses nothing that fits the queue; old rows go; a
 * damaged or newer database is handled as said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/store.h"

#define UUID "00112233-4455-6677-8899-aabbccddeeff"
#define NS 1000000000ull
#define DAY (86400 * NS)

struct bench {
	char dir[32];
	char path[64];
	struct kcoh_store_config config;
	struct kcoh_store *store;
	char sentence[256];
	char found[8192]; /* the rows of the last query, a line each */
	size_t rows, bytes;
};

static uint64_t now(void)
{
	return (uint64_t)time(NULL) * NS;
}

static void open_it(struct bench *bench)
{
	int err = kcoh_store_open(&bench->config, &bench->store, bench->sentence,
				  sizeof(bench->sentence));

	if (err)
		fail_msg("%d: %s", err, bench->sentence);
}

static int set_up(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	strcpy(bench->dir, "/tmp/kcoh-store-XXXXXX");
	assert_non_null(mkdtemp(bench->dir));
	snprintf(bench->path, sizeof(bench->path), "%s/history.db", bench->dir);
	bench->config = (struct kcoh_store_config){ .path = bench->path, .retry_ms = 20 };
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;
	char command[96];

	kcoh_store_close(bench->store);
	snprintf(command, sizeof(command), "rm -rf %s", bench->dir);
	assert_int_equal(system(command), 0);
	free(bench);
	return 0;
}

static void add(struct bench *bench, uint64_t unix_ns, uint32_t vm, const char *name,
		const char *uuid, const char *event)
{
	struct kcoh_store_row row = { unix_ns, vm, name, uuid, "verdict", event };

	kcoh_store_add(bench->store, &row);
}

static bool on_row(void *ctx, const char *event)
{
	struct bench *bench = ctx;

	bench->rows++;
	if (bench->bytes + strlen(event) + 2 < sizeof(bench->found))
		bench->bytes += (size_t)sprintf(bench->found + bench->bytes, "%s\n", event);
	return true;
}

static int query(struct bench *bench, const struct kcoh_store_query *query)
{
	bench->rows = bench->bytes = 0;
	*bench->found = '\0';
	return kcoh_store_query(bench->path, query, on_row, bench, bench->sentence,
				sizeof(bench->sentence));
}

static void expect(struct bench *bench, struct kcoh_store_query wanted, const char *rows)
{
	assert_int_equal(query(bench, &wanted), 0);
	assert_string_equal(bench->found, rows);
}

/* Until nothing waits, or 10 s. */
static void settle(struct bench *bench)
{
	struct kcoh_store_health health;

	for (int i = 0; i < 1000; i++) {
		kcoh_store_health(bench->store, &health);
		if (!health.waiting)
			break;
		usleep(10000);
	}
	kcoh_store_close(bench->store);
	bench->store = NULL;
}

static void finds(void **state)
{
	struct bench *bench = *state;
	struct stat st;

	open_it(bench);
	add(bench, 10 * NS, 3, "web-1", UUID, "{\"a\":1}");
	add(bench, 20 * NS, 4, "web-2", NULL, "{\"a\":2}");
	add(bench, 15 * NS, 0, NULL, NULL, "{\"a\":3}");
	add(bench, 20 * NS, 3, "it's", UUID, "{\"a\":4}");
	settle(bench);
	expect(bench, (struct kcoh_store_query){ 0 },
	       "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n");
	expect(bench, (struct kcoh_store_query){ .limit = 2 }, "{\"a\":2}\n{\"a\":4}\n");
	expect(bench, (struct kcoh_store_query){ .vm = "web-1" }, "{\"a\":1}\n");
	expect(bench, (struct kcoh_store_query){ .vm = "it's" }, "{\"a\":4}\n");
	expect(bench, (struct kcoh_store_query){ .vm = "00112233-4455-6677-8899-AABBCCDDEEFF" },
	       "{\"a\":1}\n{\"a\":4}\n");
	expect(bench, (struct kcoh_store_query){ .vm = "4" }, "{\"a\":2}\n");
	expect(bench, (struct kcoh_store_query){ .vm = "nobody" }, "");
	expect(bench, (struct kcoh_store_query){ .vm = "web-1", .limit = 1 }, "{\"a\":1}\n");
	expect(bench, (struct kcoh_store_query){ .vm = UUID, .limit = 1 }, "{\"a\":4}\n");
	expect(bench, (struct kcoh_store_query){ .vm = "" },
	       "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{\"a\":4}\n");
	expect(bench, (struct kcoh_store_query){ .since_ns = 15 * NS, .until_ns = 19 * NS },
	       "{\"a\":3}\n");
	assert_int_equal(stat(bench->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void nothing_to_read(void **state)
{
	struct bench *bench = *state;
	const struct kcoh_store_query all = { 0 };

	assert_int_equal(query(bench, &all), -EACCES);
	assert_non_null(strstr(bench->sentence, "cannot read the history /tmp/kcoh-store-"));
	bench->config.path = "/nonexistent/history.db";
	assert_int_equal(kcoh_store_open(&bench->config, &bench->store, bench->sentence,
					 sizeof(bench->sentence)),
			 -EACCES);
	assert_string_equal(bench->sentence, "cannot open the history /nonexistent/history.db: "
					     "unable to open database file");
}

/* A child says how many rows its store has written, and is killed while it writes more. */
static void survives_kill(void **state)
{
	struct bench *bench = *state;
	const struct kcoh_store_query all = { 0 };
	uint64_t written = 0, last;
	int status, ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		struct kcoh_store_health health;

		open_it(bench);
		for (uint64_t i = 0;; i++) {
			add(bench, i, 3, "web-1", NULL, "{}");
			kcoh_store_health(bench->store, &health);
			if (write(ends[1], &health.written, sizeof(health.written)) < 0)
				_exit(1);
		}
	}
	close(ends[1]);
	while (written < 500 && read(ends[0], &last, sizeof(last)) == sizeof(last))
		written = last;
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while (read(ends[0], &last, sizeof(last)) == sizeof(last))
		written = last;
	close(ends[0]);
	assert_int_equal(query(bench, &all), 0);
	assert_true(written >= 500);
	assert_true(bench->rows >= written);
	open_it(bench);
}

/* The kernel refuses to let the files grow, as on a full disk. */
static void disk_full(void **state)
{
	struct bench *bench = *state;
	const struct kcoh_store_query all = { 0 };
	struct rlimit before, small = { 65536, 0 };
	struct kcoh_store_health health;
	static char event[2048];

	memset(event, 'x', sizeof(event) - 1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	bench->config.queue_rows = 150;
	open_it(bench);
	setrlimit(RLIMIT_FSIZE, &small);
	for (int i = 0; i < 100; i++)
		add(bench, (uint64_t)i, 3, "web-1", NULL, event);
	for (int i = 0; i < 1000; i++) {
		kcoh_store_health(bench->store, &health);
		if (health.failing && health.waiting)
			break;
		usleep(10000);
	}
	assert_true(health.failing);
	assert_non_null(strstr(health.sentence, "cannot write the history /tmp/kcoh-store-"));
	assert_int_equal(health.lost, 0);
	assert_int_equal(health.written + health.waiting, 100);
	for (int i = 0; i < 120; i++)
		add(bench, 1000 + (uint64_t)i, 3, "web-1", NULL, event);
	kcoh_store_health(bench->store, &health);
	assert_true(health.lost > 0);

	setrlimit(RLIMIT_FSIZE, &before);
	for (int i = 0; i < 1000; i++) {
		kcoh_store_health(bench->store, &health);
		if (!health.waiting && !health.failing)
			break;
		usleep(10000);
	}
	assert_false(health.failing);
	assert_string_equal(health.sentence, "");
	assert_int_equal(health.written + health.lost, 220);
	assert_int_equal(query(bench, &all), 0);
	assert_int_equal(bench->rows, health.written);
}

/* Two clocks of a host: somebody sets one of them. */
static _Atomic uint64_t boot_ns, offset_ns;

static uint64_t clock_made(clockid_t clock)
{
	return clock == CLOCK_REALTIME ? boot_ns + offset_ns : boot_ns;
}

/* Adds a row, and returns when the writer has written it, looked at the clocks and tidied. */
static void wake(struct bench *bench)
{
	struct kcoh_store_health health;
	uint64_t before;

	kcoh_store_health(bench->store, &health);
	before = health.written;
	add(bench, clock_made(CLOCK_REALTIME), 0, NULL, NULL, "\"now\"");
	for (int i = 0; i < 10000 && health.written == before; i++) {
		usleep(1000);
		kcoh_store_health(bench->store, &health);
	}
	assert_int_equal(health.written, before + 1);
}

static void made_clock(struct bench *bench)
{
	boot_ns = 5 * DAY;
	offset_ns = 20000 * DAY;
	bench->config.clock_ns = clock_made;
	bench->config.max_days = 30;
	open_it(bench);
	add(bench, clock_made(CLOCK_REALTIME) - 31 * DAY, 3, "web", NULL, "\"old\"");
	add(bench, clock_made(CLOCK_REALTIME) - 20 * DAY, 3, "web", NULL, "\"young\"");
	settle(bench);
	open_it(bench);
}

static const struct kcoh_store_query of_web = { .vm = "web" };

static void old_rows_go(void **state)
{
	struct bench *bench = *state;

	made_clock(bench);
	boot_ns += DAY / 2;
	wake(bench);
	expect(bench, of_web, "\"old\"\n\"young\"\n"); /* the clock is not trusted yet */
	boot_ns += DAY / 2;
	wake(bench);
	expect(bench, of_web, "\"young\"\n");
}

/* A clock that is wrong by years for hours removes nothing; one that is right again for a day removes what is old. */
static void clock_jumps(void **state)
{
	struct bench *bench = *state;

	made_clock(bench);
	boot_ns += DAY - NS;
	wake(bench);
	offset_ns += 3650 * DAY;
	boot_ns += NS;
	wake(bench);
	boot_ns += DAY - NS;
	wake(bench);
	expect(bench, of_web, "\"old\"\n\"young\"\n");
	offset_ns -= 3650 * DAY;
	wake(bench);
	boot_ns += DAY - NS;
	wake(bench);
	expect(bench, of_web, "\"old\"\n\"young\"\n");
	offset_ns -= NS; /* NTP corrects: that is no jump */
	boot_ns += 600 * NS;
	wake(bench);
	expect(bench, of_web, "\"young\"\n");
}

/* The youngest are the last that were written, whatever the clock showed. */
static void clock_set_back(void **state)
{
	struct bench *bench = *state;
	uint64_t noon = now();

	open_it(bench);
	add(bench, noon, 3, "web", NULL, "1");
	add(bench, noon + 1, 3, "web", NULL, "2");
	add(bench, noon - 3600 * NS, 3, "web", NULL, "3");
	add(bench, noon - 3599 * NS, 3, "db", NULL, "4");
	settle(bench);
	expect(bench, (struct kcoh_store_query){ .limit = 2 }, "3\n4\n");
	expect(bench, (struct kcoh_store_query){ 0 }, "1\n2\n3\n4\n");
	expect(bench, (struct kcoh_store_query){ .vm = "web", .limit = 2 }, "2\n3\n");
	expect(bench, (struct kcoh_store_query){ .vm = "3", .limit = 2 }, "3\n4\n");
	expect(bench, (struct kcoh_store_query){ .since_ns = noon - 3599 * NS }, "1\n2\n4\n");
	expect(bench, (struct kcoh_store_query){ .until_ns = noon - NS, .limit = 1 }, "4\n");
	open_it(bench);
	add(bench, noon + NS, 3, "web", NULL, "5"); /* it has caught up */
	settle(bench);
	expect(bench, (struct kcoh_store_query){ 0 }, "1\n2\n3\n4\n5\n");
}

static void large_files_shrink(void **state)
{
	struct bench *bench = *state;
	const struct kcoh_store_query all = { 0 };
	static char event[1024];
	struct stat st;

	memset(event, 'x', sizeof(event) - 1);
	open_it(bench);
	for (int i = 0; i < 1000; i++)
		add(bench, 1 + (uint64_t)i, 3, NULL, NULL, event);
	add(bench, 2000, 3, NULL, NULL, "\"last\"");
	settle(bench);
	assert_int_equal(stat(bench->path, &st), 0);
	assert_true(st.st_size > 1000000);
	bench->config.max_bytes = 300000;
	open_it(bench);
	settle(bench);
	assert_int_equal(stat(bench->path, &st), 0);
	assert_true(st.st_size <= 310000 && st.st_size > 100000);
	assert_int_equal(query(bench, &all), 0);
	assert_true(bench->rows > 100 && bench->rows < 400);
	expect(bench, (struct kcoh_store_query){ .limit = 1 }, "\"last\"\n");
}

static unsigned int files_like(const char *dir, const char *start)
{
	struct dirent *entry;
	unsigned int n = 0;
	DIR *d = opendir(dir);

	while ((entry = readdir(d)))
		n += !strncmp(entry->d_name, start, strlen(start));
	closedir(d);
	return n;
}

static void damaged_is_moved(void **state)
{
	struct bench *bench = *state;
	FILE *file = fopen(bench->path, "w");

	for (int i = 0; i < 1000; i++)
		fputs("this is no database\n", file);
	fclose(file);
	open_it(bench);
	add(bench, 1, 3, NULL, NULL, "\"new\"");
	settle(bench);
	expect(bench, (struct kcoh_store_query){ 0 }, "\"new\"\n");
	assert_int_equal(files_like(bench->dir, "history.db.damaged-"), 1);
}

static void newer_is_refused(void **state)
{
	struct bench *bench = *state;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(bench->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 2", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(kcoh_store_open(&bench->config, &bench->store, bench->sentence,
					 sizeof(bench->sentence)),
			 -EPROTO);
	assert_non_null(strstr(bench->sentence, "is of a newer kcoh"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(finds),
		TEST(nothing_to_read),
		TEST(survives_kill),
		TEST(disk_full),
		TEST(old_rows_go),
		TEST(clock_jumps),
		TEST(clock_set_back),
		TEST(large_files_shrink),
		TEST(damaged_is_moved),
		TEST(newer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
