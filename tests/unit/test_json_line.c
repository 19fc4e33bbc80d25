// SPDX-License-Identifier: GPL-2.0-only
/*
 * JSON as a line: what kcoh_json_line() writes must be what jansson's own writer does, byte for byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/json_line.h"

/* Takes over `json`. */
static void same(json_t *json)
{
	char *right = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	char *line = json ? kcoh_json_line(json) : NULL;
	size_t len = right ? strlen(right) : 0;

	assert_non_null(right);
	assert_non_null(line);
	if (strncmp(line, right, len) || strcmp(line + len, "\n"))
		fail_msg("%s and not %s", line, right);
	free(line);
	free(right);
	json_decref(json);
}

static void values(void **state)
{
	static const json_int_t integers[] = { 0,         1,        -1, 9, 10, -10, 1234567890123,
					       INT64_MAX, INT64_MIN };

	(void)state;
	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++)
		same(json_integer(integers[i]));
	same(json_true());
	same(json_false());
	same(json_null());
	same(json_real(0.25));
	same(json_real(-1.7976931348623157e308));
	same(json_array());
	same(json_object());
	same(json_loads("[[], {}, [[1], [2, 3]], {\"a\": {\"b\": [null, true]}}]", 0, NULL));
	same(json_loads("{\"seq\": 17, \"z\": \"toggle\", \"a\": null, \"x\": {\"y\": [1, -2]}}", 0,
			NULL));
}

/* Each byte that UTF-8 may have, in keys and in values. */
static void strings(void **state)
{
	char text[3] = "";

	(void)state;
	for (int c = 0; c < 0x80; c++) {
		text[0] = (char)c;
		text[1] = 'x';
		same(json_stringn(text, 2));
		if (c)
			same(json_pack("{s:s, s:i}", text, "a\\\"b", text + 1, 1));
	}
	same(json_string(""));
	same(json_string("na\\me \"3\"\n\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb2/\x7f"));
}

/* What does not fit into what was there before, at each place where it may happen. */
static void long_ones(void **state)
{
	char text[4000];
	json_t *array;

	(void)state;
	memset(text, '\x01', sizeof(text));
	for (size_t len = 900; len < 1100; len++)
		same(json_pack("[s#, s, i, b, n]", text, (int)(len / 6), "\"", 123, 1));
	for (size_t len = 900; len < 1100; len++)
		same(json_stringn(text, len));
	array = json_array();
	for (int i = 0; i < 10000; i++)
		json_array_append_new(array, json_pack("{s:i, s:s}", "id", i, "name", "web"));
	same(array);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(strings),
		cmocka_unit_test(long_ones),
	};

	return cmocka_run_group_tests_name("json_line", tests, NULL, NULL);
}
