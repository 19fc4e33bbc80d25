// SPDX-License-Identifier: GPL-2.0-only
/*
 * json_stream.c - JSON objects out of a stream of bytes.
 *
 * QMP sends one object after the other, with CR LF between; with pretty=on an object also has line
 * ends inside. So lines are no boundary. What ends a message is the brace that closes its first one, outside
 * of strings: each byte is looked at once for that, however the stream is cut, and jansson then gets
 * exactly one whole message. A megabyte that arrives in pieces of one byte costs a megabyte of looking,
 * not its square.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "act/json_stream.h"

#define READ_BYTES 4096

char *kcoh_json_stream_space(struct kcoh_json_stream *stream, size_t *ret_room)
{
	size_t room = stream->len + READ_BYTES;
	char *bytes;

	if (stream->len - stream->start > KCOH_JSON_STREAM_MAX)
		return NULL;
	if (room > stream->room) {
		room = room < 2 * stream->room ? 2 * stream->room : room;
		bytes = realloc(stream->bytes, room);
		if (!bytes)
			return NULL;
		stream->bytes = bytes;
		stream->room = room;
	}
	*ret_room = stream->room - stream->len;
	return stream->bytes + stream->len;
}

void kcoh_json_stream_filled(struct kcoh_json_stream *stream, size_t bytes)
{
	stream->len += bytes;
}

static void string_scan(struct kcoh_json_stream *stream, char c)
{
	if (stream->escaped)
		stream->escaped = false;
	else if (c == '\\')
		stream->escaped = true;
	else if (c == '"')
		stream->in_string = false;
}

/* Looks at one byte: 1 if it ends a message, -EPROTO if no message can begin so. */
static int byte_scan(struct kcoh_json_stream *stream, char c)
{
	if (stream->in_string) {
		string_scan(stream, c);
		return 0;
	}
	if (!stream->depth && c != '{')
		return isspace((unsigned char)c) ? 0 : -EPROTO;
	if (!stream->depth)
		stream->start = stream->scanned;
	if (c == '"')
		stream->in_string = true;
	else if (c == '{' || c == '[')
		stream->depth++;
	else if (c == '}' || c == ']')
		return --stream->depth == 0;
	return 0;
}

/* Everything before `scanned` is done with. */
static void consume(struct kcoh_json_stream *stream)
{
	memmove(stream->bytes, stream->bytes + stream->scanned, stream->len - stream->scanned);
	stream->len -= stream->scanned;
	stream->scanned = 0;
	stream->start = 0;
}

int kcoh_json_stream_next(struct kcoh_json_stream *stream, json_t **ret_object)
{
	for (; stream->scanned < stream->len; stream->scanned++) {
		int ended = byte_scan(stream, stream->bytes[stream->scanned]);

		if (ended < 0)
			return ended;
		if (!ended)
			continue;
		stream->scanned++;
		*ret_object = json_loadb(stream->bytes + stream->start,
					 stream->scanned - stream->start, 0, NULL);
		consume(stream);
		return *ret_object ? 1 : -EPROTO;
	}
	if (!stream->depth && stream->len)
		consume(stream);
	return 0;
}

void kcoh_json_stream_release(struct kcoh_json_stream *stream)
{
	free(stream->bytes);
	*stream = (struct kcoh_json_stream){ 0 };
}
