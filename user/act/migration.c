// SPDX-License-Identifier: GPL-2.0-only
/*
 * migration.c - a live migration of one VM, by QMP.
 *
 *   query-status                      does the guest run?
 *   query-migrate                     nobody else's may be under way
 *   query-migrate-capabilities        to leave them as they were
 *   migrate-set-capabilities          events, pause-before-switchover
 *   migrate                           the owner is told before: from here on there is something to take over
 *   query-migrate                     four times a second, and at each MIGRATION event
 *     migrate-continue or migrate_cancel, as the owner has it
 *   migrate-set-capabilities          as they were
 *   query-status, cont                after a cancel the guest must run as it did before
 *
 * One command is in flight at a time; after each answer advance() looks what is next, so that what the owner wants meanwhile waits for
 * one answer at most. A connection that breaks before `migrate` ends the job; after it, it is made again every 0.1, 0.2 … 2 s until QEMU has
 * said how it ended, or is gone: a guest that stands paused is never given up. QEMU is gone when its process is, or when nobody has
 * listened on its socket for a second.
 *
 * After migrate-continue a cancel is for what hangs, and nothing else: QEMU says `cancelled` even if the last byte is already on its way,
 * and the guest would then run at two places. What hangs has bytes left that it could not send, so there is no guest there yet.
 *
 * `cont` is said only if QEMU itself says that the migration was cancelled, or that it failed without ever having been let past the
 * switchover: else the guest may run at the destination, and would then run at two places.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "act/migration.h"
#include "act/phase.h"
#include "act/qmp.h"
#include "host/clock.h"

#define COMMAND_NS (5ull * 1000000000)
#define CONNECT_NS (10ull * 1000000000)
#define POLL_US (250 * 1000)
#define POLL_FAST_US (50 * 1000)
#define FINAL_LOOKS 20 /* QEMU says `completed` a moment before it knows how long that took */
#define BACKOFF_FIRST_US (100 * 1000)
#define BACKOFF_MAX_US (2 * 1000 * 1000)
#define SAY_AGAIN_NS 1000000000ull
#define DEAF_NS 1000000000ull
#define SETTLE_NS (2ull * 1000000000)

enum step {
	STEP_STATUS, /* query-status before it */
	STEP_OTHERS, /* query-migrate before it */
	STEP_LOOK_CAPS,
	STEP_SET_CAPS,
	STEP_MIGRATE,
	STEP_WATCH, /* from here on there is a migration of ours */
	STEP_RESTORE_CAPS,
	STEP_SETTLE, /* does the guest run again? */
	STEP_CONT,
	STEP_OVER,
};

struct kcoh_migration {
	struct kcoh_migration_config config;
	char *path, *uri;
	struct kcoh_qmp *qmp;
	sd_event_source *timer; /* the next try to connect, or the next look */
	sd_event_source *deadline; /* of connecting, before it is begun */
	enum step step;
	struct kcoh_migration_past past;
	bool ready, busy;
	bool look; /* query-migrate is due */
	bool wants_continue, wants_cancel;
	bool continued; /* migrate-continue may have reached QEMU */
	uint64_t continue_ns, cancel_ns; /* when it was said last; 0: not on this connection */
	uint64_t deaf_ns; /* nobody listens since then; 0: somebody does */
	uint64_t settle_ns; /* how long the guest may take to run again */
	uint64_t backoff_us;
	unsigned int final_looks; /* after QEMU said `completed` */
	enum kcoh_phase phase;
	enum kcoh_migration_end end;
	struct kcoh_migration_progress progress;
	char sentence[512]; /* of the end */
};

static void advance(struct kcoh_migration *job);

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static void timer_set(struct kcoh_migration *job, uint64_t us)
{
	sd_event_source_set_time_relative(job->timer, us);
	sd_event_source_set_enabled(job->timer, SD_EVENT_ONESHOT);
}

static void disconnect(struct kcoh_migration *job)
{
	kcoh_qmp_close(job->qmp);
	job->qmp = NULL;
	job->ready = false;
	job->busy = false;
	job->cancel_ns = 0;
	job->continue_ns = 0;
}

static void finish(struct kcoh_migration *job, enum kcoh_migration_end end, const char *sentence)
{
	char copy[sizeof(job->sentence)];

	if (job->step == STEP_OVER)
		return;
	snprintf(copy, sizeof(copy), "%s", sentence);
	job->step = STEP_OVER;
	sd_event_source_set_enabled(job->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(job->deadline, SD_EVENT_OFF);
	disconnect(job);
	job->config.over(job->config.ctx, end, copy);
}

static bool is_begun(const struct kcoh_migration *job)
{
	return job->step >= STEP_WATCH;
}

static bool is_gone(const struct kcoh_migration *job)
{
	uint32_t pid = job->config.pid;

	if (pid && kill((pid_t)pid, 0) < 0 && errno == ESRCH)
		return true;
	return job->deaf_ns && now_ns() - job->deaf_ns >= DEAF_NS;
}

static void connect_again(struct kcoh_migration *job, const char *sentence)
{
	disconnect(job);
	if (job->phase == KCOH_PHASE_COMPLETED) {
		finish(job, KCOH_MIGRATION_COMPLETED, "the guest has left");
		return;
	}
	if (is_gone(job)) {
		finish(job, is_begun(job) ? KCOH_MIGRATION_GONE : KCOH_MIGRATION_REFUSED,
		       "QEMU has ended");
		return;
	}
	snprintf(job->sentence, sizeof(job->sentence), "%s", sentence);
	timer_set(job, job->backoff_us);
	job->backoff_us *= 2;
	if (job->backoff_us > BACKOFF_MAX_US)
		job->backoff_us = BACKOFF_MAX_US;
}

/* What there is to come back to is come back to; before that, an error is the end. */
static void broke(struct kcoh_migration *job, int error, const char *sentence)
{
	if (is_begun(job))
		connect_again(job, sentence);
	else if (!job->ready && (error == -ECONNRESET || error == -EAGAIN))
		connect_again(job, sentence);
	else
		finish(job, KCOH_MIGRATION_REFUSED, sentence);
}

static void command(struct kcoh_migration *job, const char *name, json_t *arguments,
		    kcoh_qmp_done_fn done)
{
	int err = kcoh_qmp_execute_with(job->qmp, name, arguments, done);

	json_decref(arguments);
	job->busy = err == 0;
	if (err < 0)
		broke(job, err, "the QMP connection broke");
}

/* True: QEMU answered with an error, which is the end of it. */
static bool refused(struct kcoh_migration *job, int error, const char *sentence)
{
	job->busy = false;
	if (error < 0)
		finish(job, KCOH_MIGRATION_REFUSED, sentence);
	return error < 0;
}

static void step_to(struct kcoh_migration *job, enum step step)
{
	job->step = step;
	advance(job);
}

/* --- before it ------------------------------------------------------------------------------------------- */

static void on_status_before(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;

	if (refused(job, error, sentence))
		return;
	job->past.was_running = json_is_true(json_object_get(value, "running"));
	step_to(job, STEP_OTHERS);
}

static void on_others(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;
	enum kcoh_phase phase =
		kcoh_phase_parse(json_string_value(json_object_get(value, "status")));

	if (refused(job, error, sentence))
		return;
	if (phase == KCOH_PHASE_COMPLETED)
		finish(job, KCOH_MIGRATION_REFUSED, "the guest was migrated away already");
	else if (!kcoh_phase_is_over(phase))
		finish(job, KCOH_MIGRATION_REFUSED, "another migration of it is under way");
	else
		step_to(job, STEP_LOOK_CAPS);
}

static void on_caps_known(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;
	const json_t *one;
	bool known = false;
	size_t i;

	if (refused(job, error, sentence))
		return;
	json_array_foreach(value, i, one)
	{
		const char *name = json_string_value(json_object_get(one, "capability"));

		if (!name || strcmp(name, "pause-before-switchover"))
			continue;
		known = true;
		job->past.had_pause = json_is_true(json_object_get(one, "state"));
	}
	if (known)
		step_to(job, STEP_SET_CAPS);
	else
		finish(job, KCOH_MIGRATION_REFUSED, "this QEMU cannot pause before the switchover");
}

static json_t *caps_json(bool pause)
{
	return json_pack("{s:[{s:s, s:b}, {s:s, s:b}]}", "capabilities", "capability", "events",
			 "state", 1, "capability", "pause-before-switchover", "state", (int)pause);
}

static void on_caps_set(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;
	int err;

	(void)value;
	if (refused(job, error, sentence))
		return;
	if (job->wants_cancel) {
		job->end = KCOH_MIGRATION_REFUSED;
		snprintf(job->sentence, sizeof(job->sentence), "cancelled before it was begun");
		step_to(job, STEP_RESTORE_CAPS);
		return;
	}
	err = job->config.starting(job->config.ctx, &job->past);
	if (err < 0) {
		job->end = KCOH_MIGRATION_REFUSED;
		snprintf(job->sentence, sizeof(job->sentence),
			 "it cannot be noted that it begins: %s", strerror(-err));
		step_to(job, STEP_RESTORE_CAPS);
		return;
	}
	step_to(job, STEP_MIGRATE);
}

static void on_begun(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;

	(void)value;
	job->busy = false;
	if (error < 0) {
		job->end = KCOH_MIGRATION_REFUSED;
		snprintf(job->sentence, sizeof(job->sentence), "%s", sentence);
		step_to(job, STEP_RESTORE_CAPS);
		return;
	}
	job->look = true;
	advance(job);
}

/* --- while it runs --------------------------------------------------------------------------------------- */

static void news(struct kcoh_migration *job, enum kcoh_phase phase)
{
	job->phase = phase;
	job->config.news(job->config.ctx, phase, &job->progress);
}

static uint64_t number_of(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value > 0 ? (uint64_t)value : 0;
}

static void progress_read(struct kcoh_migration *job, const json_t *value)
{
	const json_t *ram = json_object_get(value, "ram");

	if (ram) {
		job->progress.total_bytes = number_of(ram, "total");
		job->progress.remaining_bytes = number_of(ram, "remaining");
		job->progress.sent_bytes = number_of(ram, "transferred");
	}
	if (json_object_get(value, "total-time"))
		job->progress.total_ms = number_of(value, "total-time");
	if (json_object_get(value, "downtime"))
		job->progress.downtime_ms = number_of(value, "downtime");
}

static void ended(struct kcoh_migration *job, enum kcoh_migration_end end, const char *sentence,
		  const char *why)
{
	job->end = end;
	job->settle_ns = now_ns() + SETTLE_NS;
	snprintf(job->sentence, sizeof(job->sentence), "%s%s%s", sentence, why ? ": " : "",
		 why ? why : "");
	step_to(job, STEP_RESTORE_CAPS);
}

static void status_take(struct kcoh_migration *job, enum kcoh_phase phase, const char *why)
{
	switch (phase) {
	case KCOH_PHASE_COMPLETED:
		if (!job->progress.total_ms && job->final_looks++ < FINAL_LOOKS)
			timer_set(job, POLL_FAST_US);
		else
			finish(job, KCOH_MIGRATION_COMPLETED, "the guest has left");
		break;
	case KCOH_PHASE_CANCELLED:
		ended(job, KCOH_MIGRATION_CANCELLED, "cancelled, the guest runs on here", NULL);
		break;
	case KCOH_PHASE_FAILED:
		ended(job, KCOH_MIGRATION_FAILED, "the migration has failed", why);
		break;
	case KCOH_PHASE_NONE:
		ended(job, KCOH_MIGRATION_FAILED, "the migration never began", why);
		break;
	default:
		timer_set(job, phase == KCOH_PHASE_ACTIVE || phase == KCOH_PHASE_SETUP ?
				       POLL_US :
				       POLL_FAST_US);
		advance(job);
	}
}

static void on_looked(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;
	enum kcoh_phase phase;

	job->busy = false;
	if (error < 0) {
		connect_again(job, sentence);
		return;
	}
	phase = kcoh_phase_parse(json_string_value(json_object_get(value, "status")));
	progress_read(job, value);
	news(job, phase);
	if (job->step == STEP_WATCH)
		status_take(job, phase, json_string_value(json_object_get(value, "error-desc")));
}

/* Whether it was taken, the next look shows. */
static void on_said(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;

	(void)error;
	(void)value;
	(void)sentence;
	job->busy = false;
	job->look = true;
	advance(job);
}

static bool is_due(uint64_t said_ns)
{
	return !said_ns || now_ns() - said_ns >= SAY_AGAIN_NS;
}

/* In postcopy the guest runs at the destination already: a cancel would lose it. */
static bool can_cancel(const struct kcoh_migration *job)
{
	return job->phase == KCOH_PHASE_SETUP || job->phase == KCOH_PHASE_ACTIVE ||
	       job->phase == KCOH_PHASE_PRE_SWITCHOVER || job->phase == KCOH_PHASE_DEVICE;
}

static void watch(struct kcoh_migration *job)
{
	if (job->wants_cancel && can_cancel(job) && is_due(job->cancel_ns)) {
		job->cancel_ns = now_ns();
		command(job, "migrate_cancel", NULL, on_said);
	} else if (job->wants_continue && !job->wants_cancel &&
		   job->phase == KCOH_PHASE_PRE_SWITCHOVER && is_due(job->continue_ns)) {
		job->continue_ns = now_ns();
		job->continued = true;
		command(job, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"),
			on_said);
	} else if (job->look) {
		job->look = false;
		command(job, "query-migrate", NULL, on_looked);
	}
}

/* --- after it -------------------------------------------------------------------------------------------- */

static void on_caps_restored(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;

	(void)error; /* the guest comes first */
	(void)value;
	(void)sentence;
	job->busy = false;
	if (job->end == KCOH_MIGRATION_REFUSED)
		finish(job, job->end, job->sentence);
	else
		step_to(job, STEP_SETTLE);
}

static bool is_left_paused(const json_t *status)
{
	const char *word = json_string_value(json_object_get(status, "status"));

	return word && (!strcmp(word, "paused") || !strcmp(word, "finish-migrate") ||
			!strcmp(word, "postmigrate"));
}

static void on_settled(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;
	bool runs = json_is_true(json_object_get(value, "running"));
	size_t len = strlen(job->sentence);

	job->busy = false;
	if (error < 0) {
		connect_again(job, sentence);
	} else if (runs || !job->past.was_running || !is_left_paused(value)) {
		if (job->end == KCOH_MIGRATION_FAILED)
			snprintf(job->sentence + len, sizeof(job->sentence) - len, "; %s",
				 runs ? "the guest runs on here" : "the guest does not run here");
		finish(job, job->end, job->sentence);
	} else if (job->end == KCOH_MIGRATION_FAILED && job->continued) {
		snprintf(job->sentence + len, sizeof(job->sentence) - len,
			 "; the guest is paused here, and may run at the destination: look there "
			 "before it is resumed");
		finish(job, job->end, job->sentence);
	} else if (now_ns() < job->settle_ns) {
		timer_set(job, POLL_FAST_US);
	} else {
		step_to(job, STEP_CONT);
	}
}

static void on_cont(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_migration *job = ctx;

	(void)value;
	job->busy = false;
	if (error < 0)
		snprintf(job->sentence, sizeof(job->sentence),
			 "cancelled, but QEMU does not resume the guest: %s", sentence);
	job->settle_ns = now_ns() + SETTLE_NS;
	job->step = STEP_SETTLE;
	timer_set(job, POLL_FAST_US);
}

/* --- the job --------------------------------------------------------------------------------------------- */

/* The next command, if none is in flight. */
static void advance(struct kcoh_migration *job)
{
	if (!job->ready || job->busy)
		return;
	switch (job->step) {
	case STEP_STATUS:
		command(job, "query-status", NULL, on_status_before);
		break;
	case STEP_OTHERS:
		command(job, "query-migrate", NULL, on_others);
		break;
	case STEP_LOOK_CAPS:
		command(job, "query-migrate-capabilities", NULL, on_caps_known);
		break;
	case STEP_SET_CAPS:
		command(job, "migrate-set-capabilities", caps_json(true), on_caps_set);
		break;
	case STEP_MIGRATE:
		job->step = STEP_WATCH; /* whatever becomes of the answer, it may have begun */
		command(job, "migrate", json_pack("{s:s}", "uri", job->uri), on_begun);
		break;
	case STEP_WATCH:
		watch(job);
		break;
	case STEP_RESTORE_CAPS:
		command(job, "migrate-set-capabilities", caps_json(job->past.had_pause),
			on_caps_restored);
		break;
	case STEP_SETTLE:
		command(job, "query-status", NULL, on_settled);
		break;
	case STEP_CONT:
		command(job, "cont", NULL, on_cont);
		break;
	case STEP_OVER:
		break;
	}
}

static void on_ready(void *ctx)
{
	struct kcoh_migration *job = ctx;

	job->ready = true;
	job->deaf_ns = 0;
	job->backoff_us = BACKOFF_FIRST_US;
	job->look = true;
	sd_event_source_set_enabled(job->deadline, SD_EVENT_OFF);
	advance(job);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
	struct kcoh_migration *job = ctx;

	(void)data; /* query-migrate tells it all */
	if (strcmp(name, "MIGRATION") || job->step != STEP_WATCH)
		return;
	job->look = true;
	advance(job);
}

static void on_failed(void *ctx, int error, const char *sentence)
{
	broke(ctx, error, sentence);
}

static void connect_now(struct kcoh_migration *job)
{
	const struct kcoh_qmp_config config = {
		.event = job->config.event,
		.path = job->path,
		.greeting_ns = job->config.connect_ns,
		.deadline_ns = job->config.command_ns,
		.pid = job->config.pid,
		.ready = on_ready,
		.event_fn = on_event,
		.failed = on_failed,
		.ctx = job,
	};
	char sentence[256];
	int err = kcoh_qmp_open(&config, &job->qmp, sentence, sizeof(sentence));

	if (err == 0)
		return;
	if (err == -ECONNREFUSED || err == -ENOENT)
		job->deaf_ns = job->deaf_ns ? job->deaf_ns : now_ns();
	if (err == -EXDEV || err == -ENAMETOOLONG)
		finish(job, is_begun(job) ? KCOH_MIGRATION_GONE : KCOH_MIGRATION_REFUSED, sentence);
	else if (err == -ENOENT && !is_begun(job))
		finish(job, KCOH_MIGRATION_REFUSED, sentence);
	else
		connect_again(job, sentence);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_migration *job = ctx;

	(void)source;
	(void)usec;
	if (!job->qmp) {
		connect_now(job);
		return 0;
	}
	job->look = true;
	advance(job);
	return 0;
}

/* Not even connected, and nothing begun. */
static int on_deadline(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_migration *job = ctx;

	(void)source;
	(void)usec;
	if (!is_begun(job) && !job->ready)
		finish(job, KCOH_MIGRATION_REFUSED,
		       *job->sentence ?
			       job->sentence :
			       "QEMU does not greet on the QMP socket: another client holds "
			       "it, or QEMU hangs");
	return 0;
}

static int loop_join(struct kcoh_migration *job)
{
	sd_event *event = job->config.event;
	int err = sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					     job);

	if (err >= 0)
		err = sd_event_add_time_relative(event, &job->deadline, CLOCK_MONOTONIC,
						 job->config.connect_ns / 1000, 1000, on_deadline,
						 job);
	return err < 0 ? err : 0;
}

int kcoh_migration_start(const struct kcoh_migration_config *config,
			 struct kcoh_migration **ret_job)
{
	struct kcoh_migration *job = calloc(1, sizeof(*job));
	int err = -ENOMEM;

	if (!job)
		return err;
	job->config = *config;
	if (!job->config.command_ns)
		job->config.command_ns = COMMAND_NS;
	if (!job->config.connect_ns)
		job->config.connect_ns = CONNECT_NS;
	job->backoff_us = BACKOFF_FIRST_US;
	job->past = config->past;
	job->step = config->uri ? STEP_STATUS : STEP_WATCH;
	job->continued = !config->uri; /* for all that is known */
	job->path = strdup(config->path);
	job->uri = config->uri ? strdup(config->uri) : NULL;
	if (job->path && (job->uri || !config->uri))
		err = loop_join(job);
	if (err < 0) {
		kcoh_migration_free(job);
		return err;
	}
	*ret_job = job;
	return 0;
}

/* From inside of a callback the answer that is being looked at comes first. */
void kcoh_migration_continue(struct kcoh_migration *job)
{
	job->wants_continue = true;
	if (job->step == STEP_WATCH)
		timer_set(job, 0);
}

void kcoh_migration_cancel(struct kcoh_migration *job)
{
	job->wants_cancel = true;
	if (job->step == STEP_WATCH && job->qmp)
		timer_set(job, 0);
}

void kcoh_migration_free(struct kcoh_migration *job)
{
	if (!job)
		return;
	kcoh_qmp_close(job->qmp);
	sd_event_source_disable_unref(job->timer);
	sd_event_source_disable_unref(job->deadline);
	free(job->path);
	free(job->uri);
	free(job);
}
