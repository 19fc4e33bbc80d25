// SPDX-License-Identifier: GPL-2.0-only
/*
 * json_line.c - JSON as one line of text.
 *
 * jansson's own writer looks for loops (it prints the address of each object into a table), and hands out what it writes in
 * pieces of a few bytes. For a verdict, 290 bytes, that is 25000 instructions: as much as all else that kcohd does for one, put together.
 * What the server sends was made by the server, so it has no loops.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json_line.h"

#define FIRST_ROOM 1024

struct line {
	char *text;
	size_t len, room;
	bool failed; /* no memory: nothing more is written */
};

static void put_value(struct line *line, const json_t *json);

/* `most` more bytes can be written at *ret_at, which is then given to wrote(). */
static bool has_room(struct line *line, size_t most, char **ret_at)
{
	size_t room = line->room ? line->room : FIRST_ROOM;
	char *text;

	if (line->room - line->len < most) {
		while (room - line->len < most)
			room *= 2;
		text = line->failed ? NULL : realloc(line->text, room);
		line->failed = !text;
		if (!text)
			return false;
		line->text = text;
		line->room = room;
	}
	*ret_at = line->text + line->len;
	return true;
}

static void wrote(struct line *line, const char *end)
{
	line->len = (size_t)(end - line->text);
}

static void put(struct line *line, const char *bytes, size_t len)
{
	char *at;

	if (has_room(line, len, &at))
		wrote(line, mempcpy(at, bytes, len));
}

static void put_byte(struct line *line, char byte)
{
	char *at;

	if (!has_room(line, 1, &at))
		return;
	*at = byte;
	line->len++;
}

static bool is_plain(char c)
{
	return (unsigned char)c >= 0x20 && c != '"' && c != '\\';
}

static char *escape(char *at, char c)
{
	static const char shorts[] = { ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f',
				       ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\' };
	static const char digits[] = "0123456789ABCDEF";

	*at++ = '\\';
	if (shorts[(unsigned char)c]) {
		*at++ = shorts[(unsigned char)c];
		return at;
	}
	at = mempcpy(at, "u00", 3);
	*at++ = digits[c >> 4];
	*at++ = digits[c & 15];
	return at;
}

static void put_string(struct line *line, const char *text, size_t len)
{
	char *at;

	if (!has_room(line, 6 * len + 2, &at))
		return;
	*at++ = '"';
	for (const char *end = text + len; text < end; text++) {
		if (is_plain(*text))
			*at++ = *text;
		else
			at = escape(at, *text);
	}
	*at++ = '"';
	wrote(line, at);
}

static void put_integer(struct line *line, json_int_t value)
{
	uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;
	char digits[20];
	unsigned int n = 0;

	if (value < 0)
		put_byte(line, '-');
	do {
		digits[sizeof(digits) - ++n] = (char)('0' + left % 10);
		left /= 10;
	} while (left);
	put(line, digits + sizeof(digits) - n, n);
}

static void put_real(struct line *line, const json_t *json)
{
	char text[64];

	put(line, text, json_dumpb(json, text, sizeof(text), JSON_ENCODE_ANY));
}

static void put_array(struct line *line, const json_t *json)
{
	put_byte(line, '[');
	for (size_t i = 0; i < json_array_size(json); i++) {
		if (i)
			put_byte(line, ',');
		put_value(line, json_array_get(json, i));
	}
	put_byte(line, ']');
}

static void put_object(struct line *line, json_t *json)
{
	void *at = json_object_iter(json);
	const char *key;

	put_byte(line, '{');
	while (at) {
		key = json_object_iter_key(at);
		put_string(line, key, strlen(key));
		put_byte(line, ':');
		put_value(line, json_object_iter_value(at));
		at = json_object_iter_next(json, at);
		if (at)
			put_byte(line, ',');
	}
	put_byte(line, '}');
}

static void put_value(struct line *line, const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return put_object(line, (json_t *)json);
	case JSON_ARRAY:
		return put_array(line, json);
	case JSON_STRING:
		return put_string(line, json_string_value(json), json_string_length(json));
	case JSON_INTEGER:
		return put_integer(line, json_integer_value(json));
	case JSON_REAL:
		return put_real(line, json);
	case JSON_TRUE:
		return put(line, "true", 4);
	case JSON_FALSE:
		return put(line, "false", 5);
	case JSON_NULL:
		return put(line, "null", 4);
	}
}

char *kcoh_json_line(const json_t *json)
{
	struct line line = { 0 };

	put_value(&line, json);
	put(&line, "\n", 2); /* with its NUL */
	if (!line.failed)
		return line.text;
	free(line.text);
	return NULL;
}
