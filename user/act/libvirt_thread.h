/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvirt_thread.h - libvirt.c's thread, which makes libvirt's calls, and the two queues between them.
 *
 * Each side adds to a queue under the lock and wakes the other by an eventfd; neither waits for the other while it holds the lock.
 */
#ifndef KCOH_LIBVIRT_THREAD_H
#define KCOH_LIBVIRT_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "act/libvirt_api.h"
#include "kcoh/event.h"

#define LV_SENTENCE 512

enum lv_message_type {
	/* to the thread */
	LV_CANCEL, /* job, uuid, pid */
	LV_FORGET, /* job */
	LV_STOP,
	/* from the thread */
	LV_UP, /* sentence: libvirtd's version */
	LV_DOWN, /* sentence: why; result: not 0 if it is not tried again */
	LV_LIST, /* what follows up to LV_LISTED is all there is */
	LV_LISTED,
	LV_DOMAIN, /* uuid, pid (0: not known) */
	LV_GONE, /* uuid */
	LV_PHASE, /* uuid, pid, phase */
	LV_DONE, /* job, result, sentence */
};

struct lv_message {
	STAILQ_ENTRY(lv_message) link;
	enum lv_message_type type;
	uint64_t job;
	char uuid[LV_UUID_LEN];
	uint32_t pid;
	enum kcoh_phase phase;
	int result;
	char sentence[LV_SENTENCE];
};
STAILQ_HEAD(lv_messages, lv_message);

struct lv_queue {
	pthread_mutex_t lock;
	struct lv_messages messages;
	int fd; /* eventfd: readable when there are some */
};

/* 0 or a negative errno. */
int lv_queue_init(struct lv_queue *queue);
void lv_queue_destroy(struct lv_queue *queue);
/* Adds a copy, by any thread. Without memory it is dropped: a cancel then ends by its deadline. */
void lv_queue_add(struct lv_queue *queue, const struct lv_message *message);
/* Moves all to `ret_messages`; each is to be freed. */
void lv_queue_take(struct lv_queue *queue, struct lv_messages *ret_messages);

/* Shared by both sides; belongs to the thread if that could not be ended. */
struct lv_shared {
	char *uri, *pids;
	struct lv_queue to_thread, to_loop;
};

/* The thread's function; `shared` is a struct lv_shared. Ends at LV_STOP. */
void *lv_thread(void *shared);

#endif
