// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmp.c - a client of QEMU's machine protocol.
 *
 * A conversation:
 *
 *   QEMU   {"QMP": {"version": …, "capabilities": ["oob"]}}
 *   kcohd  {"execute": "qmp_capabilities", "id": 1}
 *   QEMU   {"return": {}, "id": 1}                            ready
 *   kcohd  {"execute": "migrate_cancel", "id": 2}
 *   QEMU   {"event": "STOP", "timestamp": …}                  may come at any time
 *   QEMU   {"return": {}, "id": 2}
 *
 * A QMP socket serves one client at a time: a second one can connect, since the kernel takes the connection,
 * but gets no greeting before the first has left. That looks like a QEMU that hangs, and both end in the same
 * way, by the deadline. QEMU lets only one or two wait; the next is refused with EAGAIN, also by what is left of clients
 * that gave up waiting, until the first one leaves. So one who waits should stay.
 *
 * The other end is checked before a word is said: the kernel tells which process listens (SO_PEERCRED), and a
 * configuration that names another VM's socket must not cancel that VM's migration.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "act/json_stream.h"
#include "act/qmp.h"

enum qmp_state { QMP_GREETING, QMP_NEGOTIATING, QMP_IDLE, QMP_BUSY, QMP_OVER };

struct kcoh_qmp {
	struct kcoh_qmp_config config;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	enum qmp_state state;
	int fd;
	sd_event_source *io;
	sd_event_source *deadline;
	struct kcoh_json_stream in;
	char *out; /* being written */
	size_t out_len, out_sent;
	json_int_t id; /* of the command in flight */
	char command[64];
	kcoh_qmp_done_fn done;
	bool in_callback, closed; /* closed by its owner, from a callback */
};

static void qmp_free(struct kcoh_qmp *qmp)
{
	sd_event_source_disable_unref(qmp->io);
	sd_event_source_disable_unref(qmp->deadline);
	kcoh_json_stream_release(&qmp->in);
	free(qmp->out);
	if (qmp->fd >= 0)
		close(qmp->fd);
	free(qmp);
}

void kcoh_qmp_close(struct kcoh_qmp *qmp)
{
	if (!qmp)
		return;
	qmp->closed = true;
	qmp->state = QMP_OVER;
	if (!qmp->in_callback)
		qmp_free(qmp);
}

static void fail(struct kcoh_qmp *qmp, int error, const char *sentence)
{
	if (qmp->state == QMP_OVER)
		return;
	qmp->state = QMP_OVER;
	sd_event_source_set_enabled(qmp->io, SD_EVENT_OFF);
	sd_event_source_set_enabled(qmp->deadline, SD_EVENT_OFF);
	qmp->config.failed(qmp->config.ctx, error, sentence);
}

static void fail_errno(struct kcoh_qmp *qmp, int error)
{
	char sentence[256];

	snprintf(sentence, sizeof(sentence), "the QMP socket %s: %s", qmp->path, strerror(error));
	fail(qmp, -error, sentence);
}

static void deadline_set(struct kcoh_qmp *qmp)
{
	sd_event_source_set_time_relative(qmp->deadline, qmp->config.deadline_ns / 1000);
	sd_event_source_set_enabled(qmp->deadline, SD_EVENT_ONESHOT);
}

static void deadline_clear(struct kcoh_qmp *qmp)
{
	sd_event_source_set_enabled(qmp->deadline, SD_EVENT_OFF);
}

/* Writes what is left; the rest waits until the socket takes it. */
static int out_write(struct kcoh_qmp *qmp)
{
	while (qmp->out_sent < qmp->out_len) {
		ssize_t n = send(qmp->fd, qmp->out + qmp->out_sent, qmp->out_len - qmp->out_sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		qmp->out_sent += (size_t)n;
	}
	return sd_event_source_set_io_events(
		qmp->io, qmp->out_sent < qmp->out_len ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static int command_send(struct kcoh_qmp *qmp, const char *command, json_t *arguments)
{
	json_t *message = json_pack("{s:s, s:I}", "execute", command, "id", ++qmp->id);

	if (arguments)
		json_object_set(message, "arguments", arguments);
	free(qmp->out);
	qmp->out = message ? json_dumps(message, JSON_COMPACT) : NULL;
	json_decref(message);
	if (!qmp->out)
		return -ENOMEM;
	qmp->out_len = strlen(qmp->out);
	qmp->out_sent = 0;
	snprintf(qmp->command, sizeof(qmp->command), "%s", command);
	deadline_set(qmp);
	return out_write(qmp);
}

int kcoh_qmp_execute(struct kcoh_qmp *qmp, const char *command, kcoh_qmp_done_fn done)
{
	return kcoh_qmp_execute_with(qmp, command, NULL, done);
}

int kcoh_qmp_execute_with(struct kcoh_qmp *qmp, const char *command, json_t *arguments,
			  kcoh_qmp_done_fn done)
{
	int err;

	if (qmp->state == QMP_BUSY)
		return -EBUSY;
	if (qmp->state != QMP_IDLE)
		return -ENOTCONN;
	err = command_send(qmp, command, arguments);
	if (err < 0)
		return err;
	qmp->state = QMP_BUSY;
	qmp->done = done;
	return 0;
}

static void on_greeting(struct kcoh_qmp *qmp, const json_t *message)
{
	int err;

	if (!json_object_get(message, "QMP")) {
		fail(qmp, -EPROTO, "what answers on the QMP socket does not greet as QEMU does");
		return;
	}
	qmp->state = QMP_NEGOTIATING;
	err = command_send(qmp, "qmp_capabilities", NULL);
	if (err < 0)
		fail_errno(qmp, -err);
}

static const char *error_text(const json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "desc"));

	return text ? text : "QEMU answered with an error that it does not describe";
}

static void on_answer(struct kcoh_qmp *qmp, const json_t *ret_value, const json_t *error)
{
	const char *sentence = error ? error_text(error) : "";
	kcoh_qmp_done_fn done = qmp->done;
	bool negotiating = qmp->state == QMP_NEGOTIATING;

	deadline_clear(qmp);
	if (negotiating && error) {
		fail(qmp, -EREMOTEIO, sentence);
		return;
	}
	qmp->state = QMP_IDLE;
	if (negotiating)
		qmp->config.ready(qmp->config.ctx);
	else
		done(qmp->config.ctx, error ? -EREMOTEIO : 0, ret_value, sentence);
}

/* An answer without our id is to something that we never said: an error QEMU could not place has none. */
static void on_message(struct kcoh_qmp *qmp, const json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));
	const json_t *value = json_object_get(message, "return");
	const json_t *error = json_object_get(message, "error");

	if (event && qmp->state != QMP_GREETING) {
		if (qmp->config.event_fn)
			qmp->config.event_fn(qmp->config.ctx, event,
					     json_object_get(message, "data"));
		return;
	}
	if (qmp->state == QMP_GREETING) {
		on_greeting(qmp, message);
		return;
	}
	if ((!value && !error) || qmp->state == QMP_IDLE ||
	    json_integer_value(json_object_get(message, "id")) != qmp->id) {
		fail(qmp, -EPROTO, "QEMU sent an answer to a command that was not given");
		return;
	}
	on_answer(qmp, value, error);
}

static void messages_take(struct kcoh_qmp *qmp)
{
	json_t *message = NULL;
	int got = 0;

	while (qmp->state != QMP_OVER && (got = kcoh_json_stream_next(&qmp->in, &message)) > 0) {
		on_message(qmp, message);
		json_decref(message);
	}
	if (got < 0)
		fail(qmp, got, "what came on the QMP socket is no JSON object");
}

static int in_read(struct kcoh_qmp *qmp)
{
	size_t room;
	char *space = kcoh_json_stream_space(&qmp->in, &room);
	ssize_t n;

	if (!space) {
		fail(qmp, -EMSGSIZE, "a message on the QMP socket is too long");
		return 0;
	}
	n = recv(qmp->fd, space, room, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	kcoh_json_stream_filled(&qmp->in, (size_t)n);
	messages_take(qmp);
	return 0;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct kcoh_qmp *qmp = ctx;
	int err = 0;

	(void)source;
	(void)fd;
	qmp->in_callback = true;
	if (events & EPOLLOUT)
		err = out_write(qmp);
	if (err >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		err = in_read(qmp);
	if (err == -ECONNRESET || err == -EPIPE)
		fail(qmp, -ECONNRESET, "QEMU closed the QMP connection");
	else if (err < 0)
		fail_errno(qmp, -err);
	qmp->in_callback = false;
	if (qmp->closed)
		qmp_free(qmp);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_qmp *qmp = ctx;
	char sentence[256];

	(void)source;
	(void)usec;
	qmp->in_callback = true;
	if (qmp->state == QMP_GREETING)
		snprintf(sentence, sizeof(sentence),
			 "no greeting on the QMP socket %s in time: QEMU hangs, or another client "
			 "holds the socket",
			 qmp->path);
	else
		snprintf(sentence, sizeof(sentence), "QEMU did not answer %s in time",
			 qmp->command);
	fail(qmp, -ETIMEDOUT, sentence);
	qmp->in_callback = false;
	if (qmp->closed)
		qmp_free(qmp);
	return 0;
}

/* pid 0 is a process that this pid namespace does not see: nothing can be said about it. */
static int peer_check(struct kcoh_qmp *qmp, char *err, size_t err_len)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (!qmp->config.pid || getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.pid == 0 || (uint32_t)peer.pid == qmp->config.pid)
		return 0;
	snprintf(err, err_len,
		 "the QMP socket %s belongs to process %d and not to this VM's, %" PRIu32
		 ": correct qmp= in the configuration",
		 qmp->path, (int)peer.pid, qmp->config.pid);
	return -EXDEV;
}

static int qmp_connect(struct kcoh_qmp *qmp, char *err, size_t err_len)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int error;

	strcpy(address.sun_path, qmp->path);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (qmp->fd >= 0 &&
	    connect(qmp->fd, (const struct sockaddr *)&address, sizeof(address)) == 0)
		return peer_check(qmp, err, err_len);
	error = errno;
	snprintf(err, err_len, "cannot connect to the QMP socket %s: %s", qmp->path,
		 error == EAGAIN ? "another client holds it, and others wait" : strerror(error));
	return -error;
}

static int loop_join(struct kcoh_qmp *qmp)
{
	sd_event *event = qmp->config.event;
	int err = sd_event_add_io(event, &qmp->io, qmp->fd, EPOLLIN, on_io, qmp);

	if (err >= 0)
		err = sd_event_add_time_relative(event, &qmp->deadline, CLOCK_MONOTONIC,
						 qmp->config.greeting_ns / 1000, 1000, on_deadline,
						 qmp);
	return err;
}

int kcoh_qmp_open(const struct kcoh_qmp_config *config, struct kcoh_qmp **ret_qmp, char *err,
		  size_t err_len)
{
	struct kcoh_qmp *qmp;
	int ret;

	if (strlen(config->path) >= sizeof(qmp->path)) {
		snprintf(err, err_len, "the path of the QMP socket %s is too long", config->path);
		return -ENAMETOOLONG;
	}
	qmp = calloc(1, sizeof(*qmp));
	if (!qmp) {
		snprintf(err, err_len, "no memory for a QMP connection");
		return -ENOMEM;
	}
	qmp->config = *config;
	qmp->fd = -1;
	strcpy(qmp->path, config->path);
	qmp->config.path = qmp->path;
	ret = qmp_connect(qmp, err, err_len);
	if (ret == 0) {
		ret = loop_join(qmp);
		if (ret < 0)
			snprintf(err, err_len, "cannot watch the QMP socket: %s", strerror(-ret));
	}
	if (ret < 0)
		qmp_free(qmp);
	else
		*ret_qmp = qmp;
	return ret < 0 ? ret : 0;
}
