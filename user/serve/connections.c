// SPDX-License-Identifier: GPL-2.0-only
/*
 * connections.c - nobody keeps others out by being slow.
 *
 * libmicrohttpd's time-out is for connections on which nothing moves: a client that sends a byte now and then keeps its place for ever,
 * and 128 of them keep everybody else out. So a request must be whole 30 s after its connection began, or after the answer before it;
 * else the connection is shut. What is being answered (a stream of events lasts for days) has no such limit.
 *
 * A client that closes its half in the middle of a request has said all that it will. libmicrohttpd 0.9.75 does not see that if the end came
 * together with the last bytes (its epoll is edge-triggered), so it is looked for here, ten times a second: a look is one recv().
 *
 * Half of the places are for the Unix socket alone: who asks by TCP may be anybody who reaches the address.
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "host/clock.h"
#include "serve/asker.h"
#include "serve/internal.h"

#define REQUEST_MS 30000
#define LOOK_US (100 * 1000)
#define MAX_TCP_CONNECTIONS 64

struct connection {
	LIST_ENTRY(connection) link;
	int fd;
	bool tcp;
	bool busy; /* its request is whole */
	uint64_t since_ns; /* it began, or the last answer was given */
};

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static void begin(struct kcoh_serve *serve, struct MHD_Connection *connection,
		  void **socket_context)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *one = calloc(1, sizeof(*one));
	int domain = AF_UNIX;
	socklen_t len = sizeof(domain);

	*socket_context = one;
	if (!one)
		return;
	one->fd = info ? info->connect_fd : -1;
	getsockopt(one->fd, SOL_SOCKET, SO_DOMAIN, &domain, &len);
	one->tcp = domain != AF_UNIX;
	one->since_ns = now_ns();
	serve->tcp_connections += one->tcp;
	LIST_INSERT_HEAD(&serve->connections, one, link);
}

static void end(struct kcoh_serve *serve, struct connection *one)
{
	if (!one)
		return;
	serve->tcp_connections -= one->tcp;
	LIST_REMOVE(one, link);
	free(one);
}

void connection_notify(void *cls, struct MHD_Connection *connection, void **socket_context,
		       enum MHD_ConnectionNotificationCode code)
{
	if (code == MHD_CONNECTION_NOTIFY_STARTED)
		begin(cls, connection, socket_context);
	else
		end(cls, *socket_context);
}

void connection_busy(struct MHD_Connection *connection, bool busy)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *one = info ? info->socket_context : NULL;

	if (!one)
		return;
	one->busy = busy;
	one->since_ns = now_ns();
}

bool connections_take_tcp(const struct kcoh_serve *serve)
{
	return serve->tcp_connections < MAX_TCP_CONNECTIONS;
}

static uint64_t limit_ns(const struct kcoh_serve *serve)
{
	unsigned int ms = serve->config.request_ms;

	return (ms ? ms : REQUEST_MS) * 1000000ull;
}

static bool is_half_closed(const struct connection *one)
{
	char byte;

	return recv(one->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static uint64_t look_us(const struct kcoh_serve *serve)
{
	uint64_t us = limit_ns(serve) / 6 / 1000;

	return us < LOOK_US ? us : LOOK_US;
}

/* libmicrohttpd sees the end of what it reads, and closes it. */
static int on_reap(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_serve *serve = ctx;
	struct connection *one;
	uint64_t now = now_ns();

	(void)usec;
	LIST_FOREACH(one, &serve->connections, link)
	{
		if (!one->busy && (now - one->since_ns > limit_ns(serve) || is_half_closed(one)))
			shutdown(one->fd, SHUT_RDWR);
	}
	sd_event_source_set_time_relative(source, look_us(serve));
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int connections_watch(struct kcoh_serve *serve)
{
	return sd_event_add_time_relative(serve->config.event, &serve->reaper, CLOCK_MONOTONIC,
					  look_us(serve), 0, on_reap, serve);
}
