// SPDX-License-Identifier: GPL-2.0-only
/*
 * paint.c - colours, on a terminal only.
 *
 * Never in a pipe or a file; not if NO_COLOR is set (no-color.org) or the terminal is dumb. Colour only repeats what
 * the words say.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcoh/paint.h"

static bool wanted(void)
{
	static int known = -1;
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	if (known < 0)
		known = isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb");
	return known;
}

const char *paint(enum paint colour)
{
	static const char *const codes[] = { "\033[0m",  "\033[32m", "\033[33m",
					     "\033[31m", "\033[2m",  "\033[1m" };

	return wanted() ? codes[colour] : "";
}

enum paint paint_of(const char *word)
{
	static const struct {
		const char *word;
		enum paint colour;
	} words[] = {
		{ "allow", PAINT_GOOD },   { "repair", PAINT_GOOD }, { "wait", PAINT_CARE },
		{ "veto", PAINT_BAD },     { "cached", PAINT_GOOD }, { "uncached", PAINT_BAD },
		{ "unknown", PAINT_CARE }, { "off", PAINT_DIM },     { "open", PAINT_BAD },
		{ "close", PAINT_GOOD },   { "held", PAINT_CARE },   { "released", PAINT_GOOD },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (!strcmp(words[i].word, word))
			return words[i].colour;
	}
	return PAINT_PLAIN;
}
