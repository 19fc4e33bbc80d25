/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the server's files share: http.c runs libmicrohttpd, api.c answers, stream.c
 * streams events.
 */
#ifndef KCOH_SERVE_INTERNAL_H
#define KCOH_SERVE_INTERNAL_H

#include <microhttpd.h>
#include <sys/queue.h>

#include "serve/serve.h"

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
	bool closing;
};

/* api.c: answers a request whose head (and body, if any) has been read. */
enum MHD_Result serve_answer(struct kcoh_serve *serve, struct MHD_Connection *connection,
			     const char *path, const char *method);

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

/* history.c: GET /v1/history. */
enum MHD_Result history_answer(struct kcoh_serve *serve, struct MHD_Connection *connection);

/* On the Unix socket: only there may somebody ask for what costs something at each exit. */
bool asker_is_local(struct MHD_Connection *connection);

/* stream.c: GET /v1/events. */
enum MHD_Result stream_answer(struct kcoh_serve *serve, struct MHD_Connection *connection);
void streams_wake(struct kcoh_serve *serve);

#endif
