// SPDX-License-Identifier: GPL-2.0-only
/*
 * publisher.c - what kcohd has of the fleet, without a kcohd: publishes what it reads on standard input.
 *
 *   vm UUID NAME VERDICT GUARD   there is such a VM, or it is another now (VERDICT: allow, repair, wait, veto)
 *   gone UUID                    there is no such VM
 *   tell                         all of the above goes out
 *   clock                        the wall clock was set
 *   stats                        one line of JSON
 *
 * It prints what kcohd would say to the journal ("say PRIORITY SENTENCE"), and "confirmed UUID MICROSECONDS". At the end of its input
 * it ends. A timer ticks every 10 ms, and "late MICROSECONDS" is printed if it comes more than 1 s too late for want of something else
 * than a CPU: the loop must not wait for a store.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "fleet/publish.h"
#include "host/clock.h"

#define VMS 4096
#define TICK_US 10000
#define LATE_US 1000000

struct vm {
	char uuid[KCOH_UUID_LEN], name[64];
	enum kcoh_verdict_kind kind;
	enum kcoh_guard guard;
	uint64_t since_ns;
};

struct publisher {
	sd_event *event;
	struct kcoh_publish *publish;
	struct vm vms[VMS];
	size_t count;
	char line[512];
	size_t len;
	uint64_t due_us, queued_us;
};

static void on_say(void *ctx, int priority, const char *sentence)
{
	(void)ctx;
	printf("say %d %s\n", priority, sentence);
}

static void on_confirmed(void *ctx, const char *uuid, uint64_t ns)
{
	(void)ctx;
	printf("confirmed %s %llu\n", uuid, (unsigned long long)(ns / 1000));
}

/* By UUID, and by name unless that is NULL: two VMs can have one UUID. */
static struct vm *find(struct publisher *publisher, const char *uuid, const char *name)
{
	for (size_t i = 0; i < publisher->count; i++) {
		if (!strcmp(publisher->vms[i].uuid, uuid) &&
		    (!name || !strcmp(publisher->vms[i].name, name)))
			return &publisher->vms[i];
	}
	return NULL;
}

static void put(struct publisher *publisher, const char *uuid, const char *name,
		const char *verdict, const char *guard)
{
	struct vm *vm = find(publisher, uuid, name);
	enum kcoh_verdict_kind kind = (enum kcoh_verdict_kind)kcoh_fleet_rank_of(verdict);

	if (!vm) {
		if (publisher->count == VMS)
			exit(2);
		vm = &publisher->vms[publisher->count++];
		*vm = (struct vm){ 0 };
	}
	if (vm->kind != kind || !vm->since_ns)
		vm->since_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	snprintf(vm->uuid, sizeof(vm->uuid), "%s", uuid);
	snprintf(vm->name, sizeof(vm->name), "%s", name);
	vm->kind = kind;
	vm->guard = strcmp(guard, "enforce") ? KCOH_GUARD_WARN : KCOH_GUARD_ENFORCE;
}

static void tell(struct publisher *publisher)
{
	kcoh_publish_begin(publisher->publish);
	for (size_t i = 0; i < publisher->count; i++) {
		const struct vm *vm = &publisher->vms[i];
		const struct kcoh_fleet_vm told = {
			.uuid = strcmp(vm->uuid, "-") ? vm->uuid : "",
			.name = vm->name,
			.verdict = { .kind = vm->kind,
				     .reason = vm->kind >= KCOH_VERDICT_WAIT ? KCOH_RSN_MMU_OFF :
									       KCOH_RSN_NONE,
				     .since_ns = vm->since_ns },
			.guard = vm->guard,
		};

		kcoh_publish_vm(publisher->publish, &told);
	}
	kcoh_publish_end(publisher->publish);
}

static void stats(struct publisher *publisher)
{
	struct kcoh_publish_stats s;
	json_t *o;

	kcoh_publish_stats(publisher->publish, &s);
	o = json_pack("{s:b, s:s, s:s, s:I, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		      "up", (int)s.up, "endpoint", s.endpoint, "error", s.error, "lease",
		      (json_int_t)s.lease, "vms", (int)s.vms, "without_uuid", (int)s.without_uuid,
		      "pending", (int)s.pending, "lag_ns", (json_int_t)s.lag_ns, "writes",
		      (json_int_t)s.writes, "records", (json_int_t)s.records, "merged",
		      (json_int_t)s.merged, "failures", (json_int_t)s.failures, "resyncs",
		      (json_int_t)s.resyncs, "refused", (json_int_t)s.refused);
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void obey(struct publisher *publisher, char *line)
{
	char uuid[KCOH_UUID_LEN], name[64], verdict[16], guard[16];
	struct vm *vm;

	if (sscanf(line, "vm %36s %63s %15s %15s", uuid, name, verdict, guard) == 4) {
		put(publisher, uuid, name, verdict, guard);
	} else if (sscanf(line, "gone %36s", uuid) == 1) {
		vm = find(publisher, uuid, NULL);
		if (vm)
			*vm = publisher->vms[--publisher->count];
	} else if (!strcmp(line, "tell")) {
		tell(publisher);
	} else if (!strcmp(line, "clock")) {
		kcoh_publish_clock_set(publisher->publish);
	} else if (!strcmp(line, "stats")) {
		stats(publisher);
	} else {
		fprintf(stderr, "publisher: what is '%s'?\n", line);
		exit(2);
	}
}

static int on_input(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct publisher *publisher = ctx;
	ssize_t n = read(fd, publisher->line + publisher->len,
			 sizeof(publisher->line) - 1 - publisher->len);
	char *end;

	(void)source;
	(void)events;
	if (n <= 0)
		return sd_event_exit(publisher->event, 0);
	publisher->len += (size_t)n;
	publisher->line[publisher->len] = '\0';
	while ((end = strchr(publisher->line, '\n'))) {
		*end++ = '\0';
		obey(publisher, publisher->line);
		publisher->len -= (size_t)(end - publisher->line);
		memmove(publisher->line, end, publisher->len + 1);
	}
	return 0;
}

/* How long this process was ready to run and did not get a CPU, so far. */
static uint64_t queued(void)
{
	FILE *file = fopen("/proc/self/schedstat", "re");
	unsigned long long ran, queued_ns = 0;

	if (file && fscanf(file, "%llu %llu", &ran, &queued_ns) != 2)
		queued_ns = 0;
	if (file)
		fclose(file);
	return queued_ns / 1000;
}

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct publisher *publisher = ctx;
	uint64_t us = kcoh_clock_ns(CLOCK_MONOTONIC) / 1000, queued_us = queued();
	uint64_t excused_us = queued_us - publisher->queued_us + LATE_US;

	(void)usec;
	if (publisher->due_us && us > publisher->due_us + excused_us)
		printf("late %llu\n", (unsigned long long)(us - publisher->due_us));
	publisher->due_us = us + TICK_US;
	publisher->queued_us = queued_us;
	sd_event_source_set_time(source, publisher->due_us);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int main(int argc, char **argv)
{
	static struct publisher publisher;
	struct kcoh_publish_config config = { .max_vms = VMS,
					      .say = on_say,
					      .confirmed = on_confirmed };
	struct kcoh_config *file;
	char sentence[512];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 2 || kcoh_config_load(argv[1], &file, sentence, sizeof(sentence)) < 0) {
		fprintf(stderr, "publisher: %s\n", argc == 2 ? sentence : "name a configuration");
		return 2;
	}
	if (sd_event_new(&publisher.event) < 0)
		return 2;
	config.event = publisher.event;
	config.fleet = kcoh_config_fleet(file);
	if (!config.fleet || kcoh_publish_new(&config, &publisher.publish) < 0 ||
	    sd_event_add_io(publisher.event, NULL, STDIN_FILENO, EPOLLIN, on_input, &publisher) <
		    0 ||
	    sd_event_add_time_relative(publisher.event, NULL, CLOCK_MONOTONIC, TICK_US, 1000,
				       on_tick, &publisher) < 0)
		return 2;
	sd_event_loop(publisher.event);
	kcoh_publish_free(publisher.publish);
	sd_event_unref(publisher.event);
	kcoh_config_free(file);
	return 0;
}
