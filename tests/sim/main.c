// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - many runs, one seed each, on all processors; a failing one is printed and shrunk.
 *
 *   $ make sim SEEDS=100000
 *   100000 seeds on 2 processors: 96214233 steps, 51102394 records, 214325 migrations, 88214 completed, 0 violations
 *
 *   $ build/sim/sim --seed 4711 --verbose     the same run again, told step by step
 */
#include <argp.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "oracle.h"
#include "shrink.h"

/* So little that what is recorded does not begin with the run: the core's state is taken over. */
#define RECORD_BYTES 16384

struct options {
	uint64_t first, seeds;
	uint32_t jobs;
	bool one; /* --seed */
	bool verbose;
	bool early;
	bool until_caught;
	const char *record; /* a recording of the one run */
};

/* What one process found. */
struct totals {
	uint64_t seeds, steps, records, migrations, completed, violations, first_seed;
};

void world_say(const struct world *world, const char *format, ...)
{
	va_list args;

	printf("%12.6f ", (double)world->now_ns / 1e9);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static struct world *world_new(bool early)
{
	struct world *world = calloc(1, sizeof(*world));
	struct tape *tape = calloc(1, sizeof(*tape));

	if (!world || !tape)
		abort();
	world->tape = tape;
	world->early = early;
	world->driver = driver_new();
	world->oracle = oracle_new();
	return world;
}

static void world_free(struct world *world)
{
	driver_free(world->driver);
	oracle_free(world->oracle);
	free(world->tape);
	free(world);
}

static void seed_failed(struct world *world, uint64_t seed)
{
	struct shrunk shrunk;

	printf("seed %" PRIu64 ": %s: %s\n", seed, world->violation, world->why);
	shrink(world, &shrunk);
	printf("  shrunk from %u choices to %u, %" PRIu64
	       " steps; see it: build/sim/sim --seed %" PRIu64 " --shrink --verbose\n",
	       shrunk.from, world->tape->len, world->steps, seed);
	fflush(stdout);
}

static struct totals run_share(const struct options *options, uint32_t job)
{
	struct world *world = world_new(options->early);
	struct totals totals = { 0 };

	for (uint64_t i = job; i < options->seeds; i += options->jobs) {
		uint64_t seed = options->first + i;

		tape_from_seed(world->tape, seed);
		run_again(world);
		totals.seeds++;
		totals.steps += world->steps;
		totals.records += world->records;
		totals.migrations += world->migrations;
		totals.completed += world->completed;
		if (!world->violation)
			continue;
		if (!totals.violations++)
			totals.first_seed = seed;
		if (options->until_caught)
			break;
		if (totals.violations <= 3)
			seed_failed(world, seed);
	}
	world_free(world);
	return totals;
}

static int start_share(const struct options *options, uint32_t job)
{
	struct totals totals;
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0 || (pid = fork()) < 0) {
		perror("sim");
		exit(2);
	}
	if (pid) {
		close(fds[1]);
		return fds[0];
	}
	close(fds[0]);
	totals = run_share(options, job);
	fflush(stdout);
	_exit(write(fds[1], &totals, sizeof(totals)) == sizeof(totals) ? 0 : 1);
}

/* The totals of one process; false if it died. */
static bool end_share(int fd, struct totals *sum)
{
	struct totals totals;
	bool whole = read(fd, &totals, sizeof(totals)) == sizeof(totals);

	close(fd);
	wait(NULL);
	if (!whole)
		return false;
	sum->seeds += totals.seeds;
	sum->steps += totals.steps;
	sum->records += totals.records;
	sum->migrations += totals.migrations;
	sum->completed += totals.completed;
	if (totals.violations && (!sum->violations || totals.first_seed < sum->first_seed))
		sum->first_seed = totals.first_seed;
	sum->violations += totals.violations;
	return true;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int run_all(const struct options *options)
{
	struct totals sum = { 0 };
	double begun = seconds(), took;
	bool whole = true;
	int fds[256];

	for (uint32_t i = 0; i < options->jobs; i++)
		fds[i] = start_share(options, i);
	for (uint32_t i = 0; i < options->jobs; i++)
		whole &= end_share(fds[i], &sum);
	took = seconds() - begun;
	printf("%" PRIu64 " seeds on %u processors: %" PRIu64 " steps, %" PRIu64
	       " records, %" PRIu64 " migrations, %" PRIu64 " completed, %" PRIu64 " violations",
	       sum.seeds, options->jobs, sum.steps, sum.records, sum.migrations, sum.completed,
	       sum.violations);
	if (sum.violations)
		printf(" (first seed %" PRIu64 ")", sum.first_seed);
	printf("; %.0f s, %.0f seeds/s\n", took, (double)sum.seeds / took);
	if (!whole)
		fprintf(stderr, "sim: a process of this run died\n");
	return sum.violations || !whole;
}

static int run_one(const struct options *options, bool shrinks)
{
	struct world *world = world_new(options->early);
	struct shrunk shrunk;
	int status;

	if (options->record)
		driver_record(world->driver, RECORD_BYTES);
	tape_from_seed(world->tape, options->first);
	world->verbose = options->verbose && !shrinks;
	run_again(world);
	if (shrinks && world->violation) {
		shrink(world, &shrunk);
		world->verbose = options->verbose;
		tape_rewind(world->tape);
		run_again(world);
	}
	if (world->violation)
		printf("seed %" PRIu64 ": %s: %s\n", options->first, world->violation, world->why);
	else
		printf("seed %" PRIu64 ": no violation, %" PRIu64 " steps, %" PRIu64
		       " migrations, %" PRIu64 " completed\n",
		       options->first, world->steps, world->migrations, world->completed);
	status = world->violation != NULL;
	if (options->record && !driver_write(world->driver, options->record)) {
		perror(options->record);
		status = 2;
	}
	world_free(world);
	return status;
}

enum key {
	KEY_SEEDS = 256,
	KEY_SEED,
	KEY_FIRST,
	KEY_JOBS,
	KEY_SHRINK,
	KEY_EARLY,
	KEY_UNTIL,
	KEY_RECORD
};

static const struct argp_option argp_options[] = {
	{ "seeds", KEY_SEEDS, "N", 0, "Run N seeds (10000)", 0 },
	{ "first", KEY_FIRST, "N", 0, "… from this one on (1)", 0 },
	{ "jobs", KEY_JOBS, "N", 0, "… in so many processes (one a processor)", 0 },
	{ "until-caught", KEY_UNTIL, NULL, 0, "… and stop at the first violation", 0 },
	{ "seed", KEY_SEED, "N", 0, "Run this seed alone", 0 },
	{ "shrink", KEY_SHRINK, NULL, 0, "… made as short as possible while it fails alike", 0 },
	{ "verbose", 'v', NULL, 0, "… and say what happens", 0 },
	{ "record", KEY_RECORD, "FILE", 0,
	  "… and write what the core was told last to FILE, for kcoh replay", 0 },
	{ "early", KEY_EARLY, NULL, 0,
	  "A deliberate bug: the module cleans before the TLB invalidation", 0 },
	{ 0 },
};

static bool shrinks;

static uint64_t number(const char *text, uint64_t min, uint64_t max, struct argp_state *state)
{
	unsigned long long value;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || !*text || *text == '-' || *end || value < min || value > max)
		argp_error(state, "'%s' is no number from %" PRIu64 " to %" PRIu64, text, min, max);
	return value;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case KEY_SEEDS:
		options->seeds = number(arg, 1, UINT64_MAX / 2, state);
		return 0;
	case KEY_FIRST:
		options->first = number(arg, 0, UINT64_MAX / 2, state);
		return 0;
	case KEY_SEED:
		options->first = number(arg, 0, UINT64_MAX / 2, state);
		options->one = true;
		return 0;
	case KEY_JOBS:
		options->jobs = (uint32_t)number(arg, 1, 256, state);
		return 0;
	case KEY_SHRINK:
		shrinks = true;
		return 0;
	case KEY_EARLY:
		options->early = true;
		return 0;
	case KEY_RECORD:
		options->record = arg;
		return 0;
	case KEY_UNTIL:
		options->until_caught = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Runs the decision core against a simulated host, one world a seed."
		"\vExit status: 0 no violation, 1 some, 2 wrong use.",
		NULL,
		NULL,
		NULL
	};
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	struct options options = { .first = 1, .seeds = 10000 };

	options.jobs = online < 1 ? 1 : online > 256 ? 256 : (uint32_t)online;
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return options.one ? run_one(&options, shrinks) : run_all(&options);
}
