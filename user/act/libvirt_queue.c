// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt_queue.c - messages between kcohd's loop and libvirt's thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "act/libvirt_thread.h"

int lv_queue_init(struct lv_queue *queue)
{
	STAILQ_INIT(&queue->messages);
	pthread_mutex_init(&queue->lock, NULL);
	queue->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return queue->fd < 0 ? -errno : 0;
}

static void messages_free(struct lv_messages *messages)
{
	struct lv_message *message;

	while ((message = STAILQ_FIRST(messages))) {
		STAILQ_REMOVE_HEAD(messages, link);
		free(message);
	}
}

void lv_queue_destroy(struct lv_queue *queue)
{
	messages_free(&queue->messages);
	if (queue->fd >= 0)
		close(queue->fd);
	pthread_mutex_destroy(&queue->lock);
}

void lv_queue_add(struct lv_queue *queue, const struct lv_message *message)
{
	struct lv_message *copy = malloc(sizeof(*copy));
	uint64_t one = 1;

	if (!copy)
		return;
	*copy = *message;
	pthread_mutex_lock(&queue->lock);
	STAILQ_INSERT_TAIL(&queue->messages, copy, link);
	pthread_mutex_unlock(&queue->lock);
	while (write(queue->fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

void lv_queue_take(struct lv_queue *queue, struct lv_messages *ret_messages)
{
	uint64_t count;

	STAILQ_INIT(ret_messages);
	while (read(queue->fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&queue->lock);
	STAILQ_CONCAT(ret_messages, &queue->messages);
	pthread_mutex_unlock(&queue->lock);
}
