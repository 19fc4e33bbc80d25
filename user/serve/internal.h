/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the server's files share: http.c runs libmicrohttpd, connections.c bounds its connections, api.c answers
 * who reads, acting.c who acts (request.h), stream.c streams events.
 */
#ifndef KCOH_SERVE_INTERNAL_H
#define KCOH_SERVE_INTERNAL_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "serve/serve.h"

struct clean_wait;
struct request;
struct review_wait;
struct stream;

struct kcoh_serve {
	struct kcoh_serve_config config;
	struct MHD_Daemon *http;
	sd_event_source *io;
	sd_event_source *tcp;
	sd_event_source *timer;
	sd_event_source *soon; /* streams were resumed */
	LIST_HEAD(, stream) streams;
	unsigned int stream_count;
	LIST_HEAD(, request) waiting; /* for polkit */
	LIST_HEAD(, clean_wait) cleaning; /* requests that wait for a VM to be cleaned */
	LIST_HEAD(, review_wait) reviewing; /* … and for the fleet's store */
	uint64_t refusals_since_ns; /* told in the audit since then: */
	unsigned int refusals;
	uint64_t refusals_left_out; /* … and not told */
	LIST_HEAD(, connection) connections;
	unsigned int tcp_connections;
	sd_event_source *reaper;
	bool closing;
};

/* api.c: answers a request whose head (and body, if any) has been read. */
enum MHD_Result serve_answer(struct request *request, const char *path, const char *method);

/* http.c: connections were resumed, and libmicrohttpd is to look at them. */
void serve_soon(struct kcoh_serve *serve);

/* connections.c: of libmicrohttpd, when a connection begins and ends. */
void connection_notify(void *serve, struct MHD_Connection *connection, void **socket_context,
		       enum MHD_ConnectionNotificationCode code);
/* A request of that connection is whole, and being answered; or it was answered: the next one may begin. */
void connection_busy(struct MHD_Connection *connection, bool busy);
/* May another TCP connection come? */
bool connections_take_tcp(const struct kcoh_serve *serve);
int connections_watch(struct kcoh_serve *serve);

/* Sends `json`, whose reference it takes, or {"error": sentence}. */
enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned int status, json_t *json);
enum MHD_Result answer_error(struct MHD_Connection *connection, unsigned int status,
			     const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The VM that `selector` means: MHD_HTTP_OK, or another status, answered as *ret_answered says. */
unsigned int vm_select(struct kcoh_serve *serve, struct MHD_Connection *connection,
		       const char *selector, struct kcoh_roster_vm **ret_vm,
		       enum MHD_Result *ret_answered);

/* Sends `text`, which it frees; `allow` is the value of an Allow header, or NULL. */
enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
			    const char *type, char *text, const char *allow);

/* api.c: what /v1/vms/SEL/verdict answers. */
json_t *vm_verdict_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm);

/* history.c: GET /v1/history. */
enum MHD_Result history_answer(struct kcoh_serve *serve, struct MHD_Connection *connection);

/* On the Unix socket: only there may somebody ask for what costs something at each exit. */
bool asker_is_local(struct MHD_Connection *connection);

/* {"error": sentence}, with an Allow header. */
enum MHD_Result answer_not_allowed(struct MHD_Connection *connection, const char *path,
				   const char *allow);

/* stream.c: GET /v1/events. */
enum MHD_Result stream_answer(struct kcoh_serve *serve, struct MHD_Connection *connection);
void streams_wake(struct kcoh_serve *serve);

#endif
