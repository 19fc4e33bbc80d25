// SPDX-License-Identifier: GPL-2.0-only
/*
 * load.c - many hosts at once: how long does it take until a verdict is in the store, and until it is found there?
 *
 *   $ build/native/fleet-load kcoh.conf HOSTS VMS SECONDS CHANGES_PER_SECOND
 *
 * Each host is a publisher with a connection, a lease and VMs of its own, as kcohd has it; all run in this one process, so its CPU time is not
 * what a host pays. First all publish everything; then, at random, VMs change, and beside that one VM after the other is looked up. It
 * prints one line of JSON with times in microseconds: from a change to the store's confirmation, and of look-ups.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet/lookup.h"
#include "fleet/publish.h"
#include "host/clock.h"

#define SAMPLES 1000000
#define TICK_US 1000
#define START_DEADLINE_US (120ull * 1000000)

struct host {
	struct kcoh_fleet_config fleet;
	char name[32];
	struct kcoh_publish *publish;
	uint8_t *vetoed; /* by VM */
};

#define NAME_LEN 40

struct samples {
	uint32_t us[SAMPLES];
	size_t count;
};

static struct load {
	sd_event *event;
	const struct kcoh_fleet_config *fleet;
	uint32_t hosts, vms, seconds, per_s;
	struct host *host;
	uint64_t started_us, ready_us, end_us;
	double owed; /* changes that are due */
	unsigned int seed;
	uint64_t changes;
	struct samples published, found, named;
	bool by_name; /* how the next one is looked up */
	struct kcoh_http *http;
	struct kcoh_lookup *lookup;
	uint64_t asked_us;
	uint64_t lookups_failed;
} load;

static uint64_t now_us(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC) / 1000;
}

static void sample(struct samples *samples, uint64_t us)
{
	if (samples->count < SAMPLES)
		samples->us[samples->count++] = (uint32_t)us;
}

static void uuid_of(uint32_t host, uint32_t vm, char *ret_uuid)
{
	snprintf(ret_uuid, KCOH_UUID_LEN, "%08x-0000-4000-8000-%012x", host, vm);
}

static void name_of(uint32_t host, uint32_t vm, char *ret_name)
{
	snprintf(ret_name, NAME_LEN, "fleet_guest-%u-%u", host, vm);
}

static void tell(uint32_t h)
{
	struct host *host = &load.host[h];
	char(*uuids)[KCOH_UUID_LEN] = calloc(load.vms, sizeof(*uuids));
	char(*names)[NAME_LEN] = calloc(load.vms, sizeof(*names));

	kcoh_publish_begin(host->publish);
	for (uint32_t i = 0; i < load.vms; i++) {
		struct kcoh_fleet_vm vm = { .uuid = uuids[i],
					    .name = names[i],
					    .guard = KCOH_GUARD_ENFORCE };

		uuid_of(h, i, uuids[i]);
		name_of(h, i, names[i]);
		vm.verdict.since_ns = load.started_us * 1000;
		vm.verdict.kind = host->vetoed[i] ? KCOH_VERDICT_VETO : KCOH_VERDICT_ALLOW;
		vm.verdict.reason = host->vetoed[i] ? KCOH_RSN_MMU_OFF : KCOH_RSN_NONE;
		kcoh_publish_vm(host->publish, &vm);
	}
	kcoh_publish_end(host->publish);
	free(uuids);
	free(names);
}

static void on_confirmed(void *ctx, const char *uuid, uint64_t ns)
{
	(void)ctx;
	(void)uuid;
	if (load.ready_us)
		sample(&load.published, ns / 1000);
}

static void on_say(void *ctx, int priority, const char *sentence)
{
	(void)ctx;
	fprintf(stderr, "load: %d %s\n", priority, sentence);
}

static bool all_up(void)
{
	struct kcoh_publish_stats stats;

	for (uint32_t i = 0; i < load.hosts; i++) {
		kcoh_publish_stats(load.host[i].publish, &stats);
		if (!stats.up || stats.pending)
			return false;
	}
	return true;
}

static void on_found(void *ctx, int error, const struct kcoh_found *found, const char *sentence)
{
	(void)ctx;
	(void)sentence;
	if (error < 0 || json_array_size(found->records) != 1)
		load.lookups_failed++;
	else
		sample(load.by_name ? &load.named : &load.found, now_us() - load.asked_us);
	kcoh_lookup_free(load.lookup);
	load.lookup = NULL;
}

/* In turn by UUID and by name. */
static void look_up(void)
{
	uint32_t host = (uint32_t)rand_r(&load.seed) % load.hosts;
	uint32_t vm = (uint32_t)rand_r(&load.seed) % load.vms;
	char uuid[KCOH_UUID_LEN], name[NAME_LEN];
	int err;

	if (load.lookup)
		return;
	uuid_of(host, vm, uuid);
	name_of(host, vm, name);
	load.asked_us = now_us();
	load.by_name = !load.by_name;
	if (load.by_name)
		err = kcoh_lookup_name(load.http, load.event, load.fleet, name, 6000, on_found,
				       NULL, &load.lookup);
	else
		err = kcoh_lookup_vm(load.http, load.event, load.fleet, uuid, 6000, on_found, NULL,
				     &load.lookup);
	load.lookups_failed += err < 0;
}

/* A VM is vetoed, or no longer; of a host, one at a time. */
static void change(void)
{
	uint32_t h = (uint32_t)rand_r(&load.seed) % load.hosts;
	uint32_t vm = (uint32_t)rand_r(&load.seed) % load.vms;

	load.host[h].vetoed[vm] ^= 1;
	load.changes++;
	tell(h);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	uint64_t us = now_us();

	(void)usec;
	(void)ctx;
	if (!load.ready_us && us - load.started_us > START_DEADLINE_US)
		return sd_event_exit(load.event, 1);
	if (!load.ready_us && all_up()) {
		load.ready_us = us;
		load.end_us = us + load.seconds * 1000000ull;
	}
	if (load.ready_us && us >= load.end_us && !load.lookup && all_up())
		return sd_event_exit(load.event, 0);
	if (load.ready_us && us < load.end_us) {
		load.owed = (double)load.per_s * (double)(us - load.ready_us) / 1e6;
		while ((double)load.changes < load.owed)
			change();
		look_up();
	}
	sd_event_source_set_time_relative(source, TICK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static json_t *quantiles(struct samples *samples)
{
	size_t n = samples->count;

	qsort(samples->us, n, sizeof(samples->us[0]), compare);
	if (!n)
		return json_null();
	return json_pack("{s:I, s:i, s:i, s:i}", "count", (json_int_t)n, "p50",
			 (int)samples->us[n / 2], "p99", (int)samples->us[n * 99 / 100], "max",
			 (int)samples->us[n - 1]);
}

static void report(void)
{
	struct kcoh_publish_stats stats;
	uint64_t writes = 0, failures = 0, merged = 0;
	json_t *o;

	for (uint32_t i = 0; i < load.hosts; i++) {
		kcoh_publish_stats(load.host[i].publish, &stats);
		writes += stats.writes;
		failures += stats.failures;
		merged += stats.merged;
	}
	o = json_pack("{s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I}", "start_us",
		      (json_int_t)(load.ready_us - load.started_us), "changes",
		      (json_int_t)load.changes, "published", quantiles(&load.published), "found",
		      quantiles(&load.found), "named", quantiles(&load.named), "lookups_failed",
		      (json_int_t)load.lookups_failed, "writes", (json_int_t)writes, "failures",
		      (json_int_t)failures, "merged", (json_int_t)merged);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static int hosts_start(void)
{
	struct kcoh_publish_config config = {
		.event = load.event, .max_vms = load.vms, .say = on_say, .confirmed = on_confirmed
	};

	load.host = calloc(load.hosts, sizeof(*load.host));
	for (uint32_t i = 0; load.host && i < load.hosts; i++) {
		struct host *host = &load.host[i];

		snprintf(host->name, sizeof(host->name), "host-%u", i);
		host->fleet = *load.fleet;
		host->fleet.host = host->name;
		host->vetoed = calloc(load.vms, 1);
		config.fleet = &host->fleet;
		if (!host->vetoed || kcoh_publish_new(&config, &host->publish) < 0)
			return -1;
		tell(i);
	}
	return load.host ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct kcoh_config *file;
	char sentence[512];
	int status;

	if (argc != 6 || kcoh_config_load(argv[1], &file, sentence, sizeof(sentence)) < 0 ||
	    !kcoh_config_fleet(file))
		return 2;
	load.fleet = kcoh_config_fleet(file);
	load.hosts = (uint32_t)atoi(argv[2]);
	load.vms = (uint32_t)atoi(argv[3]);
	load.seconds = (uint32_t)atoi(argv[4]);
	load.per_s = (uint32_t)atoi(argv[5]);
	load.seed = 1;
	load.started_us = now_us();
	if (sd_event_new(&load.event) < 0 ||
	    kcoh_http_new(load.event, load.fleet, &load.http) < 0 || hosts_start() < 0 ||
	    sd_event_add_time_relative(load.event, NULL, CLOCK_MONOTONIC, TICK_US, 100, on_tick,
				       NULL) < 0)
		return 2;
	status = sd_event_loop(load.event);
	report();
	return status;
}
