/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json_stream.h - JSON objects out of a stream of bytes that is cut anywhere.
 */
#ifndef KCOH_JSON_STREAM_H
#define KCOH_JSON_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <jansson.h>

/* All zero is an empty one. */
struct kcoh_json_stream {
	char *bytes;
	size_t len; /* held */
	size_t room;
	size_t scanned; /* of them, looked at */
	size_t start; /* where the message begins */
	unsigned int depth; /* open braces and brackets at `scanned` */
	bool in_string, escaped;
};

#define KCOH_JSON_STREAM_MAX (1u << 20) /* bytes of one message */

/* Where to put up to *ret_room bytes that are read; NULL if the message is too long (or there is no memory). */
char *kcoh_json_stream_space(struct kcoh_json_stream *stream, size_t *ret_room);
void kcoh_json_stream_filled(struct kcoh_json_stream *stream, size_t bytes);

/* 1 and a new reference, 0 if no message is complete, -EPROTO if what came is no JSON object. */
int kcoh_json_stream_next(struct kcoh_json_stream *stream, json_t **ret_object);

void kcoh_json_stream_release(struct kcoh_json_stream *stream);

#endif
