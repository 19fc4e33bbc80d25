// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_layout.c - is every structure of the shared headers, and every field, in layout.c?
 *
 * layout.c asserts what it names; this test reads the headers and looks for what it does not name.
 * Run from the top of the tree (the paths are the compiler's).
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static char *read_tree(const char *path)
{
	static const char here[] = "tests/unit/test_layout.c";
	size_t size = 0, top = strlen(__FILE__) - strlen(here);
	char name[4096], *text = NULL;
	FILE *file;

	snprintf(name, sizeof(name), "%.*s%s", (int)top, __FILE__, path);
	file = fopen(name, "r");
	if (!file)
		fail_msg("cannot read %s: run this from the top of the tree", name);
	if (getdelim(&text, &size, 0, file) < 0)
		fail_msg("%s is empty", name);
	fclose(file);
	return text;
}

/* Blanks out comments, so that words in them are not taken for fields. */
static void drop_comments(char *text)
{
	char *open, *close;

	for (open = strstr(text, "/*"); open; open = strstr(close, "/*")) {
		close = strstr(open, "*/");
		assert_non_null(close);
		close += 2;
		memset(open, ' ', (size_t)(close - open));
	}
}

static size_t word_length(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || text[n] == '_')
		n++;
	return n;
}

/* The last word before `end`, which must lie behind `start`. */
static const char *word_before(const char *start, const char *end)
{
	while (end > start && word_length(end - 1))
		end--;
	return end;
}

static void expect(const char *layout, const char *format, ...)
{
	char wanted[256];
	va_list args;

	va_start(args, format);
	vsnprintf(wanted, sizeof(wanted), format, args);
	va_end(args);
	if (!strstr(layout, wanted))
		fail_msg("layout.c lacks %s …)", wanted);
}

/* `body` begins after the brace of struct `name`. Returns how many fields it has. */
static unsigned int check_fields(const char *layout, const char *name, const char *body)
{
	const char *end = strstr(body, "\n};"), *field, *stop;
	unsigned int fields = 0;

	assert_non_null(end);
	for (stop = strchr(body, ';'); stop && stop < end; stop = strchr(stop + 1, ';')) {
		const char *last = memrchr(body, '[', (size_t)(stop - body));

		if (stop[-1] != ']')
			last = stop;
		field = word_before(body, last);
		expect(layout, "FIELD(%s, %.*s,", name, (int)word_length(field), field);
		fields++;
	}
	return fields;
}

static unsigned int check_header(const char *layout, const char *path)
{
	char *header = read_tree(path), *at = header;
	unsigned int fields = 0;

	drop_comments(header);
	while ((at = strstr(at, "\nstruct ")) != NULL) {
		size_t n = word_length(at += strlen("\nstruct "));
		char name[128];

		snprintf(name, sizeof(name), "%.*s", (int)n, at);
		if (strncmp(at + n, " {", 2))
			continue;
		expect(layout, "SIZE(%s,", name);
		fields += check_fields(layout, name, at + n + 2);
	}
	free(header);
	return fields;
}

static void nothing_is_missing(void **state)
{
	char *layout = read_tree("tests/unit/layout.c");

	(void)state;
	/* the lower bounds show that the reading works */
	assert_in_range(check_header(layout, "include/kcoh/event.h"), 60, 1000);
	assert_in_range(check_header(layout, "include/kcoh/ioctl.h"), 16, 1000);
	assert_in_range(check_header(layout, "bpf/maps.h"), 5, 1000);
	free(layout);
}

int main(void)
{
	static const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_missing) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
