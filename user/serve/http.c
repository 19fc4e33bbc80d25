// SPDX-License-Identifier: GPL-2.0-only
/*
 * http.c - libmicrohttpd as one more source of an sd-event loop.
 *
 * libmicrohttpd keeps its sockets in an epoll set of its own. An epoll descriptor can itself be watched: when it
 * is readable, MHD_run() does what there is to do and returns. Time-outs of connections it tells by
 * MHD_get_timeout(), asked before each sleep of the loop. Streams that were resumed it tells by neither, so a source
 * that is ready at once runs it. There are no threads: the API sees the core between two records and never in the
 * middle of one.
 *
 * Limits: 128 connections, of them 64 by TCP; 30 s for a request to come, and 30 s without a byte (streams of events are exempt);
 * 16 KiB of head, 64 KiB of body.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve/request.h"
#include "names/text.h"

#define MAX_CONNECTIONS 128
#define IDLE_SECONDS 30
#define HEAD_BYTES (16 * 1024)
#define MAX_BODY_BYTES (64 * 1024)
#define MAX_STREAMS 64

/* 0 if the body may come, else the status that refuses it before it is read. */
static unsigned int body_refusal(struct MHD_Connection *connection)
{
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t bytes;

	if (MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
					MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return MHD_HTTP_LENGTH_REQUIRED;
	if (length && (kcoh_text_u64(length, &bytes) < 0 || bytes > MAX_BODY_BYTES))
		return MHD_HTTP_CONTENT_TOO_LARGE;
	return 0;
}

/* Called once when the head is there, once per part of the body, at the end, and again when polkit has answered. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *path,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **con_cls)
{
	struct request *request = *con_cls;
	unsigned int refusal;

	(void)version;
	if (!request) {
		request = request_new(cls, connection);
		if (!request)
			return MHD_NO;
		*con_cls = request;
		refusal = body_refusal(connection);
		if (refusal)
			return answer_error(connection, refusal,
					    "a body must have a length of at most %d bytes",
					    MAX_BODY_BYTES);
		return MHD_YES;
	}
	if (*upload_data_size) {
		if (!request_body_add(request, upload_data, *upload_data_size))
			return MHD_NO;
		*upload_data_size = 0;
		return MHD_YES;
	}
	connection_busy(connection, true);
	return serve_answer(request, path, method);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	(void)cls;
	(void)code;
	connection_busy(connection, false);
	request_free(*con_cls);
	*con_cls = NULL;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct kcoh_serve *serve = ctx;

	(void)source;
	(void)fd;
	(void)events;
	MHD_run(serve->http);
	return 0;
}

/* libmicrohttpd has one listening socket, the Unix one. What comes by TCP is given to it connection by connection. */
static int on_tcp(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct kcoh_serve *serve = ctx;
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int connection =
		accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)source;
	(void)events;
	if (connection >= 0 && !connections_take_tcp(serve)) {
		close(connection);
		return 0;
	}
	/* On error libmicrohttpd has closed it. */
	if (connection >= 0 && MHD_add_connection(serve->http, connection,
						  (struct sockaddr *)&address, len) == MHD_YES)
		MHD_run(serve->http);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_serve *serve = ctx;

	(void)source;
	(void)usec;
	MHD_run(serve->http);
	return 0;
}

static int on_soon(sd_event_source *source, void *ctx)
{
	struct kcoh_serve *serve = ctx;

	(void)source;
	MHD_run(serve->http);
	return 0;
}

/* Before each sleep of the loop: when does libmicrohttpd want to run next? */
static int on_prepare(sd_event_source *source, void *ctx)
{
	struct kcoh_serve *serve = ctx;
	MHD_UNSIGNED_LONG_LONG ms;
	uint64_t now_us;

	(void)source;
	if (MHD_get_timeout(serve->http, &ms) != MHD_YES)
		return sd_event_source_set_enabled(serve->timer, SD_EVENT_OFF);
	sd_event_now(serve->config.event, CLOCK_MONOTONIC, &now_us);
	sd_event_source_set_time(serve->timer, now_us + ms * 1000);
	return sd_event_source_set_enabled(serve->timer, SD_EVENT_ONESHOT);
}

/* Malformed requests are answered with a status; they are no news for the log. */
static void on_message(void *cls, const char *format, va_list args)
{
	(void)cls;
	(void)format;
	(void)args;
}

static struct MHD_Daemon *http_start(struct kcoh_serve *serve)
{
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0,
				NULL, NULL, on_request, serve, MHD_OPTION_EXTERNAL_LOGGER,
				on_message, NULL, MHD_OPTION_LISTEN_SOCKET,
				(MHD_socket)serve->config.listen_fd, MHD_OPTION_CONNECTION_LIMIT,
				MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, IDLE_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES * 2,
				MHD_OPTION_NOTIFY_CONNECTION, connection_notify, serve,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, serve, MHD_OPTION_END);
}

void serve_soon(struct kcoh_serve *serve)
{
	if (serve->soon)
		sd_event_source_set_enabled(serve->soon, SD_EVENT_ONESHOT);
}

static void on_news(void *ctx)
{
	streams_wake(ctx);
}

static int loop_join(struct kcoh_serve *serve)
{
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(serve->http, MHD_DAEMON_INFO_EPOLL_FD);
	sd_event *event = serve->config.event;
	int err;

	if (!info)
		return -ENOTSUP;
	err = sd_event_add_io(event, &serve->io, info->epoll_fd, EPOLLIN, on_readable, serve);
	if (err >= 0 && serve->config.tcp_fd > 0)
		err = sd_event_add_io(event, &serve->tcp, serve->config.tcp_fd, EPOLLIN, on_tcp,
				      serve);
	if (err >= 0)
		err = sd_event_add_time(event, &serve->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					serve);
	if (err >= 0)
		err = sd_event_source_set_enabled(serve->timer, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_defer(event, &serve->soon, on_soon, serve);
	if (err >= 0)
		err = sd_event_source_set_enabled(serve->soon, SD_EVENT_OFF);
	if (err >= 0)
		err = connections_watch(serve);
	if (err >= 0)
		err = sd_event_source_set_prepare(serve->io, on_prepare);
	return err;
}

int kcoh_serve_new(const struct kcoh_serve_config *config, struct kcoh_serve **ret_serve)
{
	struct kcoh_serve *serve = calloc(1, sizeof(*serve));
	int err;

	if (serve) {
		serve->config = *config;
		if (!serve->config.max_streams)
			serve->config.max_streams = MAX_STREAMS;
		serve->http = http_start(serve);
	}
	if (!serve || !serve->http) {
		err = serve && errno ? -errno : -ENOMEM;
		close(config->listen_fd);
		if (config->tcp_fd > 0)
			close(config->tcp_fd);
		free(serve);
		return err;
	}
	err = loop_join(serve);
	if (err < 0) {
		kcoh_serve_free(serve);
		return err;
	}
	kcoh_log_set_notify(config->log, on_news, serve);
	if (config->exits_log)
		kcoh_log_set_notify(config->exits_log, on_news, serve);
	*ret_serve = serve;
	return 0;
}

void kcoh_serve_free(struct kcoh_serve *serve)
{
	if (!serve)
		return;
	kcoh_log_set_notify(serve->config.log, NULL, NULL);
	if (serve->config.exits_log)
		kcoh_log_set_notify(serve->config.exits_log, NULL, NULL);
	sd_event_source_disable_unref(serve->io);
	sd_event_source_disable_unref(serve->tcp);
	if (serve->config.tcp_fd > 0)
		close(serve->config.tcp_fd);
	sd_event_source_disable_unref(serve->timer);
	sd_event_source_disable_unref(serve->reaper);
	sd_event_source_disable_unref(serve->soon);
	serve->soon = NULL;
	serve->closing = true;
	rights_end(serve);
	cleans_end(serve);
	admissions_end(serve);
	streams_wake(serve);
	MHD_run(serve->http);
	MHD_stop_daemon(serve->http);
	free(serve);
}

unsigned int kcoh_serve_streams(const struct kcoh_serve *serve)
{
	return serve->stream_count;
}
