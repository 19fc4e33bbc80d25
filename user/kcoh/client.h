/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * client.h - asks kcohd, over HTTP on its Unix socket.
 */
#ifndef KCOH_CLIENT_H
#define KCOH_CLIENT_H

#include <stddef.h>
#include <jansson.h>

#include "kcoh/cmd.h"

/*
 * Asks for `path` (method GET, DELETE, or POST without a body). On 200 or 202 *ret_json is a new reference and the result
 * STATUS_OK. Anything else is said in one sentence, and the result is STATUS_ERROR.
 */
int client_ask(const struct common_options *options, const char *method, const char *path,
	       json_t **ret_json);

/* The same with a body; NULL: none. `method` may be POST or DELETE. */
int client_send(const struct common_options *options, const char *method, const char *path,
		const json_t *body, json_t **ret_json);

/* POST without a body, for an answer that may take so many seconds. */
int client_wait(const struct common_options *options, const char *path, long seconds,
		json_t **ret_json);

/* Does no kcohd answer at all? False for who may not ask it. */
bool client_is_silent(const struct common_options *options);

/* The path of kcohd's socket. */
const char *client_socket(const struct common_options *options);

/* The answer to a GET, a new reference; NULL, and nothing said, if there is none. */
json_t *client_try(const struct common_options *options, const char *path);

/*
 * Reads lines, of a stream or of an answer that has an end, until it ends, somebody types Ctrl-C, standard output closes,
 * or `line` returns false: STATUS_OK but for a stream that breaks or cannot be had.
 */
int client_stream(const struct common_options *options, const char *path,
		  bool (*line)(void *ctx, const char *text, size_t len), void *ctx);

/* `text` percent-encoded for use in a path or query, to be freed. */
char *client_escape(const char *text);

/* The path of the VM `selector`, with `rest` (such as "/verdict") behind it; to be freed. NULL: no memory. */
char *client_vm_path(const char *selector, const char *rest);

#endif
