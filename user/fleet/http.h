/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * http.h - JSON requests to one of several servers, on an sd-event loop that never waits for them.
 *
 * libcurl's multi interface tells which sockets and which time it waits for; the loop waits. Connections are kept. A request goes to the
 * server that answered last; when that one cannot be reached, the next request goes to the next server. Nothing is tried
 * again here: who asks knows whether that is right.
 */
#ifndef KCOH_FLEET_HTTP_H
#define KCOH_FLEET_HTTP_H

#include <jansson.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config/config.h"

struct kcoh_http; /* opaque */

/* `fleet` must live as long. 0 or a negative errno. */
int kcoh_http_new(sd_event *event, const struct kcoh_fleet_config *fleet,
		  struct kcoh_http **ret_http);
/* Drops what is under way; no callback follows. Not from a callback. NULL is allowed. */
void kcoh_http_free(struct kcoh_http *http);

/*
 * What came of a request: 0 and an answer; -EREMOTEIO and a sentence with what the server complains of (`status` is its HTTP
 * status); -ETIMEDOUT, -EPROTO (no JSON), or -EHOSTUNREACH (no connection, or no trust) and a sentence. `answer` is
 * valid during the call; NULL unless error is 0.
 */
typedef void (*kcoh_http_done_fn)(void *ctx, int error, long status, const json_t *answer,
				  const char *sentence);

/*
 * Posts `body`, whose reference it takes, to `path` of the present server. 0, or a negative errno, and then `done` is not
 * called. It is never called before this returns.
 */
int kcoh_http_post(struct kcoh_http *http, const char *path, json_t *body, uint32_t deadline_ms,
		   kcoh_http_done_fn done, void *ctx);

/* Drops the requests of this ctx: their callbacks do not follow. May be called from a callback. */
void kcoh_http_drop(struct kcoh_http *http, const void *ctx);

/* The server that the next request goes to. */
const char *kcoh_http_endpoint(const struct kcoh_http *http);

#endif
