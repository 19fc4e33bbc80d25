// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt.c - the loop's side of libvirt: what is known of its domains, cancels and their deadlines. libvirt_thread.c makes the calls.
 *
 * A cancel that the thread does not answer in time is answered here, whatever the thread waits for. At the end the thread is asked to
 * stop; one that libvirtd keeps waiting is left behind with its memory, since kcohd ends.
 */
#include <errno.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "act/libvirt.h"
#include "act/libvirt_thread.h"
#include "host/clock.h"

#define TOTAL_NS (8ull * 1000000000)
#define STOP_S 2

struct known {
	char uuid[LV_UUID_LEN];
	uint32_t pid; /* 0: not known */
};

struct kcoh_libvirt_cancel {
	LIST_ENTRY(kcoh_libvirt_cancel) link;
	struct kcoh_libvirt *libvirt;
	struct kcoh_libvirt_cancel_config config;
	uint64_t number;
	bool over;
	sd_event_source *deadline;
};

struct kcoh_libvirt {
	struct kcoh_libvirt_config config;
	struct lv_shared *shared;
	pthread_t thread;
	bool has_thread;
	sd_event_source *source;
	void *domains; /* of struct known, by UUID: tsearch(3) */
	void *fresh; /* while all are being told */
	bool listing;
	uint32_t count, unmatched; /* in `domains` */
	bool up, told_down;
	char version[32], error[LV_SENTENCE];
	uint64_t since_ns, connects, cancels, cancels_failed;
	uint64_t next_number;
	LIST_HEAD(, kcoh_libvirt_cancel) jobs;
};

/* --- domains ----------------------------------------------------------------------------------------------- */

static int by_uuid(const void *a, const void *b)
{
	const struct known *one = a, *other = b;

	return strcmp(one->uuid, other->uuid);
}

static const struct known *known_find(const struct kcoh_libvirt *libvirt, const char *uuid)
{
	struct known key;
	void *node;

	if (strlen(uuid) >= sizeof(key.uuid))
		return NULL;
	strcpy(key.uuid, uuid);
	node = tfind(&key, &libvirt->domains, by_uuid);
	return node ? *(struct known **)node : NULL;
}

static void known_set(void **tree, const struct lv_message *message)
{
	struct known *known = calloc(1, sizeof(*known));
	struct known **node;

	if (!known)
		return;
	memcpy(known->uuid, message->uuid, sizeof(known->uuid));
	node = tsearch(known, tree, by_uuid);
	if (!node || *node != known)
		free(known);
	if (node)
		(*node)->pid = message->pid;
}

static void known_remove(struct kcoh_libvirt *libvirt, const char *uuid)
{
	const struct known *known = known_find(libvirt, uuid);

	if (!known)
		return;
	tdelete(known, &libvirt->domains, by_uuid);
	free((void *)known);
}

static void count_one(const void *node, VISIT visit, void *ctx)
{
	struct kcoh_libvirt *libvirt = ctx;

	if (visit != postorder && visit != leaf)
		return;
	libvirt->count++;
	if (!(*(struct known *const *)node)->pid)
		libvirt->unmatched++;
}

static void domains_count(struct kcoh_libvirt *libvirt)
{
	libvirt->count = 0;
	libvirt->unmatched = 0;
	twalk_r(libvirt->domains, count_one, libvirt);
}

bool kcoh_libvirt_has(const struct kcoh_libvirt *libvirt, const char *uuid, uint32_t pid)
{
	const struct known *known = *uuid && pid ? known_find(libvirt, uuid) : NULL;

	return known && known->pid == pid;
}

/* --- cancels ----------------------------------------------------------------------------------------------- */

static void job_end(struct kcoh_libvirt_cancel *job, int result, const char *sentence)
{
	if (job->over)
		return;
	job->over = true;
	sd_event_source_set_enabled(job->deadline, SD_EVENT_OFF);
	if (result < 0)
		job->libvirt->cancels_failed++;
	job->config.done(job->config.ctx, result, sentence);
}

static void tell_thread(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	lv_queue_add(&libvirt->shared->to_thread, message);
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_libvirt_cancel *job = ctx;
	struct kcoh_libvirt *libvirt = job->libvirt;
	char sentence[LV_SENTENCE + 64];

	(void)source;
	(void)usec;
	tell_thread(libvirt, &(struct lv_message){ .type = LV_FORGET, .job = job->number });
	if (libvirt->up) {
		job_end(job, -ETIMEDOUT, "libvirt did not end the migration in time");
		return 0;
	}
	snprintf(sentence, sizeof(sentence), "libvirt cannot be asked: %s", libvirt->error);
	job_end(job, -ENOTCONN, sentence);
	return 0;
}

static void done_take(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	struct kcoh_libvirt_cancel *job;

	LIST_FOREACH(job, &libvirt->jobs, link)
	{
		if (job->number == message->job) {
			job_end(job, message->result, message->sentence);
			return;
		}
	}
}

int kcoh_libvirt_cancel(struct kcoh_libvirt *libvirt,
			const struct kcoh_libvirt_cancel_config *config,
			struct kcoh_libvirt_cancel **ret_job)
{
	uint64_t total_ns = config->total_ns ? config->total_ns : TOTAL_NS;
	struct lv_message message = { .type = LV_CANCEL, .pid = config->pid };
	struct kcoh_libvirt_cancel *job;
	int err;

	if (strlen(config->uuid) >= sizeof(message.uuid))
		return -EINVAL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	job->libvirt = libvirt;
	job->config = *config;
	job->number = ++libvirt->next_number;
	err = sd_event_add_time_relative(libvirt->config.event, &job->deadline, CLOCK_MONOTONIC,
					 total_ns / 1000, 1000, on_deadline, job);
	if (err < 0) {
		free(job);
		return err;
	}
	LIST_INSERT_HEAD(&libvirt->jobs, job, link);
	libvirt->cancels++;
	message.job = job->number;
	strcpy(message.uuid, config->uuid);
	tell_thread(libvirt, &message);
	*ret_job = job;
	return 0;
}

void kcoh_libvirt_cancel_free(struct kcoh_libvirt_cancel *job)
{
	if (!job)
		return;
	if (!job->over)
		tell_thread(job->libvirt,
			    &(struct lv_message){ .type = LV_FORGET, .job = job->number });
	LIST_REMOVE(job, link);
	sd_event_source_disable_unref(job->deadline);
	free(job);
}

/* --- what the thread tells --------------------------------------------------------------------------------- */

static void say(struct kcoh_libvirt *libvirt, int priority, const char *sentence)
{
	libvirt->config.say(libvirt->config.ctx, priority, sentence);
}

static void up_take(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	char sentence[LV_SENTENCE];

	libvirt->up = true;
	libvirt->since_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	libvirt->error[0] = '\0';
	snprintf(libvirt->version, sizeof(libvirt->version), "%.31s", message->sentence);
	snprintf(sentence, sizeof(sentence), "libvirt %s at %s is there%s: it runs %u VMs",
		 libvirt->version, libvirt->config.uri, libvirt->connects ? " again" : "",
		 libvirt->count);
	say(libvirt, LOG_INFO, sentence);
	libvirt->connects++;
	libvirt->told_down = false;
	if (!libvirt->unmatched)
		return;
	snprintf(sentence, sizeof(sentence),
		 "of %u of libvirt's VMs the process is not known (no pid file in %s), so their "
		 "migrations cannot be cancelled",
		 libvirt->unmatched, libvirt->shared->pids);
	say(libvirt, LOG_WARNING, sentence);
}

/* Said once, and less loud before it was ever there: at boot libvirtd starts after kcohd. */
static void down_take(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	char sentence[2 * LV_SENTENCE];

	if (libvirt->up || !libvirt->since_ns)
		libvirt->since_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	libvirt->up = false;
	snprintf(libvirt->error, sizeof(libvirt->error), "%s", message->sentence);
	if (libvirt->told_down)
		return;
	libvirt->told_down = true;
	snprintf(sentence, sizeof(sentence),
		 "libvirt at %s cannot be asked: %s; migrations of its VMs cannot be cancelled%s",
		 libvirt->config.uri, libvirt->error,
		 message->result ? "" : " until it is there; it is tried again");
	say(libvirt, message->result || libvirt->connects ? LOG_WARNING : LOG_NOTICE, sentence);
}

static void phase_take(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	if (message->pid && libvirt->config.phase)
		libvirt->config.phase(libvirt->config.ctx, message->uuid, message->pid,
				      message->phase);
}

/* True: which domains there are has changed. */
static bool domains_take(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	switch (message->type) {
	case LV_LIST:
		libvirt->listing = true;
		return false;
	case LV_LISTED:
		tdestroy(libvirt->domains, free);
		libvirt->domains = libvirt->fresh;
		libvirt->fresh = NULL;
		libvirt->listing = false;
		break;
	case LV_DOMAIN:
		known_set(libvirt->listing ? &libvirt->fresh : &libvirt->domains, message);
		break;
	default:
		known_remove(libvirt, message->uuid);
	}
	domains_count(libvirt);
	return true;
}

static bool message_take(struct kcoh_libvirt *libvirt, const struct lv_message *message)
{
	switch (message->type) {
	case LV_UP:
		up_take(libvirt, message);
		return false;
	case LV_DOWN:
		down_take(libvirt, message);
		return false;
	case LV_PHASE:
		phase_take(libvirt, message);
		return false;
	case LV_DONE:
		done_take(libvirt, message);
		return false;
	default:
		return domains_take(libvirt, message);
	}
}

static int on_news(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct kcoh_libvirt *libvirt = ctx;
	struct lv_messages messages;
	struct lv_message *message;
	bool changed = false;

	(void)source;
	(void)fd;
	(void)events;
	lv_queue_take(&libvirt->shared->to_loop, &messages);
	while ((message = STAILQ_FIRST(&messages))) {
		STAILQ_REMOVE_HEAD(&messages, link);
		changed |= message_take(libvirt, message);
		free(message);
	}
	if (changed && libvirt->config.changed)
		libvirt->config.changed(libvirt->config.ctx);
	return 0;
}

/* --- from start to end ------------------------------------------------------------------------------------- */

static void shared_free(struct lv_shared *shared)
{
	lv_queue_destroy(&shared->to_thread);
	lv_queue_destroy(&shared->to_loop);
	free(shared->uri);
	free(shared->pids);
	free(shared);
}

static int shared_new(const struct kcoh_libvirt_config *config, struct lv_shared **ret_shared)
{
	struct lv_shared *shared = calloc(1, sizeof(*shared));
	int err, other;

	if (!shared)
		return -ENOMEM;
	err = lv_queue_init(&shared->to_thread);
	other = lv_queue_init(&shared->to_loop);
	shared->uri = strdup(config->uri);
	shared->pids = strdup(config->pids ? config->pids : KCOH_LIBVIRT_PIDS);
	err = err < 0 ? err : other;
	if (err == 0 && (!shared->uri || !shared->pids))
		err = -ENOMEM;
	if (err < 0)
		shared_free(shared);
	else
		*ret_shared = shared;
	return err;
}

int kcoh_libvirt_new(const struct kcoh_libvirt_config *config, struct kcoh_libvirt **ret_libvirt)
{
	struct kcoh_libvirt *libvirt = calloc(1, sizeof(*libvirt));
	int err;

	if (!libvirt)
		return -ENOMEM;
	libvirt->config = *config;
	err = shared_new(config, &libvirt->shared);
	if (err < 0) {
		free(libvirt);
		return err;
	}
	libvirt->config.uri = libvirt->shared->uri;
	err = sd_event_add_io(config->event, &libvirt->source, libvirt->shared->to_loop.fd, EPOLLIN,
			      on_news, libvirt);
	if (err >= 0)
		err = -pthread_create(&libvirt->thread, NULL, lv_thread, libvirt->shared);
	libvirt->has_thread = err == 0;
	if (err < 0) {
		kcoh_libvirt_free(libvirt);
		return err;
	}
	*ret_libvirt = libvirt;
	return 0;
}

/* True: it has ended. */
static bool thread_stop(struct kcoh_libvirt *libvirt)
{
	struct timespec until;

	tell_thread(libvirt, &(struct lv_message){ .type = LV_STOP });
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += STOP_S;
	if (pthread_clockjoin_np(libvirt->thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return true;
	pthread_detach(libvirt->thread);
	return false;
}

void kcoh_libvirt_free(struct kcoh_libvirt *libvirt)
{
	if (!libvirt)
		return;
	sd_event_source_disable_unref(libvirt->source);
	if (!libvirt->has_thread || thread_stop(libvirt))
		shared_free(libvirt->shared);
	tdestroy(libvirt->domains, free);
	tdestroy(libvirt->fresh, free);
	free(libvirt);
}

void kcoh_libvirt_status(const struct kcoh_libvirt *libvirt, struct kcoh_libvirt_status *ret_status)
{
	*ret_status = (struct kcoh_libvirt_status){
		.uri = libvirt->config.uri,
		.up = libvirt->up,
		.version = libvirt->version,
		.error = libvirt->error,
		.since_ns = libvirt->since_ns,
		.domains = libvirt->count,
		.unmatched = libvirt->unmatched,
		.connects = libvirt->connects,
		.cancels = libvirt->cancels,
		.cancels_failed = libvirt->cancels_failed,
	};
}
