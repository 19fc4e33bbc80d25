// SPDX-License-Identifier: GPL-2.0-only
/*
 * cancel.c - end the migration of one VM.
 *
 * The socket is connected to for this one act and left at its end, because QEMU serves one client at a time and
 * an operator's own tools come first on all other days. The steps:
 *
 *   query-migrate     is there something to cancel?
 *   migrate_cancel    QEMU answers at once; the migration is then `cancelling`
 *   query-migrate     every 50 ms until it is `cancelled`
 *
 * QEMU refuses to switch its MIGRATION events on while a migration runs, so they are used if somebody had
 * switched them on, and not counted on.
 *
 * In postcopy the guest already runs at the destination and part of its RAM only there: a cancel would lose the
 * guest, which no veto is worth. A connection that breaks or is refused is tried again after 0.1, 0.2, 0.4 … 2 s, for
 * 30 s altogether. One that stays mute is kept as long: it stands in the queue behind another client.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "act/cancel.h"
#include "act/phase.h"
#include "act/qmp.h"

#define COMMAND_NS (5ull * 1000000000)
#define TOTAL_NS (30ull * 1000000000)
#define POLL_US (50 * 1000)
#define BACKOFF_FIRST_US (100 * 1000)
#define BACKOFF_MAX_US (2 * 1000 * 1000)

struct kcoh_cancel {
	struct kcoh_cancel_config config;
	char *path;
	struct kcoh_qmp *qmp;
	sd_event_source *timer; /* next try, or next look at the phase */
	sd_event_source *deadline;
	uint64_t backoff_us;
	bool ready; /* QEMU takes commands from us */
	bool asked; /* migrate_cancel was accepted */
	bool over;
	char why[384]; /* the last try failed */
	int error;
};

static void timer_set(struct kcoh_cancel *job, uint64_t us)
{
	sd_event_source_set_time_relative(job->timer, us);
	sd_event_source_set_enabled(job->timer, SD_EVENT_ONESHOT);
}

static void finish(struct kcoh_cancel *job, int result, const char *sentence)
{
	if (job->over)
		return;
	job->over = true;
	sd_event_source_set_enabled(job->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(job->deadline, SD_EVENT_OFF);
	kcoh_qmp_close(job->qmp);
	job->qmp = NULL;
	job->config.done(job->config.ctx, result, sentence);
}

static void try_again(struct kcoh_cancel *job, int error, const char *sentence)
{
	kcoh_qmp_close(job->qmp);
	job->qmp = NULL;
	job->ready = false;
	job->asked = false;
	job->error = error;
	snprintf(job->why, sizeof(job->why), "%s", sentence);
	timer_set(job, job->backoff_us);
	job->backoff_us *= 2;
	if (job->backoff_us > BACKOFF_MAX_US)
		job->backoff_us = BACKOFF_MAX_US;
}

/* True if that phase ends the job. */
static bool phase_ends(struct kcoh_cancel *job, enum kcoh_phase phase)
{
	switch (phase) {
	case KCOH_PHASE_NONE:
		finish(job, -ENOENT, "no migration is under way");
		return true;
	case KCOH_PHASE_COMPLETED:
		finish(job, -EALREADY, "the migration had completed before it could be cancelled");
		return true;
	case KCOH_PHASE_POSTCOPY:
		finish(job, -EBUSY,
		       "the migration is in postcopy, the guest runs at the destination: a cancel "
		       "would "
		       "lose it");
		return true;
	case KCOH_PHASE_CANCELLED:
		finish(job, 0, "the migration is cancelled, the guest runs on here");
		return true;
	case KCOH_PHASE_FAILED:
		finish(job, 0, "the migration has failed, the guest runs on here");
		return true;
	default:
		return false;
	}
}

static void on_cancel(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_cancel *job = ctx;

	(void)value;
	if (error < 0) {
		finish(job, error, sentence);
		return;
	}
	job->asked = true;
	timer_set(job, POLL_US);
}

static void command(struct kcoh_cancel *job, const char *name, kcoh_qmp_done_fn done)
{
	int err = kcoh_qmp_execute(job->qmp, name, done);

	if (err < 0)
		try_again(job, err, "the QMP connection broke");
}

static void on_query(void *ctx, int error, const json_t *value, const char *sentence)
{
	struct kcoh_cancel *job = ctx;
	enum kcoh_phase phase;

	if (error < 0) {
		finish(job, error, sentence);
		return;
	}
	phase = kcoh_phase_parse(json_string_value(json_object_get(value, "status")));
	if (job->config.phase)
		job->config.phase(job->config.ctx, phase);
	if (phase_ends(job, phase))
		return;
	if (job->asked || phase == KCOH_PHASE_CANCELLING)
		timer_set(job, POLL_US);
	else
		command(job, "migrate_cancel", on_cancel);
}

static void on_ready(void *ctx)
{
	struct kcoh_cancel *job = ctx;

	job->ready = true;
	command(job, "query-migrate", on_query);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
	struct kcoh_cancel *job = ctx;
	enum kcoh_phase phase;

	if (strcmp(name, "MIGRATION"))
		return;
	phase = kcoh_phase_parse(json_string_value(json_object_get(data, "status")));
	if (job->config.phase)
		job->config.phase(job->config.ctx, phase);
	phase_ends(job, phase);
}

static void on_failed(void *ctx, int error, const char *sentence)
{
	if (error == -ECONNRESET || error == -ETIMEDOUT)
		try_again(ctx, error, sentence);
	else
		finish(ctx, error,
		       sentence); /* no QMP there, or not for us: that will not change */
}

static void connect_now(struct kcoh_cancel *job)
{
	const struct kcoh_qmp_config config = {
		.event = job->config.event,
		.path = job->path,
		.greeting_ns = job->config.total_ns,
		.deadline_ns = job->config.command_ns,
		.pid = job->config.pid,
		.ready = on_ready,
		.event_fn = on_event,
		.failed = on_failed,
		.ctx = job,
	};
	char sentence[256];
	int err = kcoh_qmp_open(&config, &job->qmp, sentence, sizeof(sentence));

	if (err == -EXDEV || err == -ENAMETOOLONG)
		finish(job, err, sentence);
	else if (err < 0)
		try_again(job, err, sentence);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_cancel *job = ctx;

	(void)source;
	(void)usec;
	if (job->qmp)
		command(job, "query-migrate", on_query);
	else
		connect_now(job);
	return 0;
}

static void give_up(struct kcoh_cancel *job)
{
	char sentence[384];

	snprintf(
		sentence, sizeof(sentence),
		"no greeting on the QMP socket %s in time: QEMU hangs, or another client holds the "
		"socket",
		job->path);
	if (job->asked && job->qmp)
		finish(job, -ETIMEDOUT, "QEMU accepted migrate_cancel but is still cancelling");
	else if (job->qmp && !job->ready)
		finish(job, -ETIMEDOUT, sentence);
	else
		finish(job, job->error ? job->error : -ETIMEDOUT,
		       *job->why ? job->why : "QEMU did not get ready in time");
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	give_up(ctx);
	return 0;
}

static int loop_join(struct kcoh_cancel *job)
{
	sd_event *event = job->config.event;
	int err = sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					     job);

	if (err >= 0)
		err = sd_event_add_time_relative(event, &job->deadline, CLOCK_MONOTONIC,
						 job->config.total_ns / 1000, 1000, on_deadline,
						 job);
	return err < 0 ? err : 0;
}

int kcoh_cancel_start(const struct kcoh_cancel_config *config, struct kcoh_cancel **ret_job)
{
	struct kcoh_cancel *job = calloc(1, sizeof(*job));
	int err = -ENOMEM;

	if (!job)
		return err;
	job->config = *config;
	if (!job->config.command_ns)
		job->config.command_ns = COMMAND_NS;
	if (!job->config.total_ns)
		job->config.total_ns = TOTAL_NS;
	job->backoff_us = BACKOFF_FIRST_US;
	job->path = strdup(config->path);
	if (job->path)
		err = loop_join(job);
	if (err < 0) {
		kcoh_cancel_free(job);
		return err;
	}
	*ret_job = job;
	return 0;
}

void kcoh_cancel_free(struct kcoh_cancel *job)
{
	if (!job)
		return;
	kcoh_qmp_close(job->qmp);
	sd_event_source_disable_unref(job->timer);
	sd_event_source_disable_unref(job->deadline);
	free(job->path);
	free(job);
}
