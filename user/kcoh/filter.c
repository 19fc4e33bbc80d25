// SPDX-License-Identifier: GPL-2.0-only
/*
 * filter.c - kcoh trace --class LIST and --since TIME.
 *
 * kcohd filters by VM; by class and time it is done here, so that a filter costs kcohd nothing. What was lost is shown
 * whatever is asked for: who looks for toggles must know that some are missing.
 */
#include <errno.h>
#include <string.h>

#include "kcoh/filter.h"
#include "names/text.h"

int filter_classes(struct filter *filter, char *list, bool (*known)(const char *word),
		   const char **ret_bad)
{
	char *next, *word;

	for (word = list; word; word = next) {
		next = strchr(word, ',');
		if (next)
			*next++ = '\0';
		*ret_bad = word;
		if (filter->count == FILTER_WORDS_MAX || !known(word))
			return -EINVAL;
		filter->words[filter->count++] = word;
	}
	return 0;
}

int filter_duration(const char *text, uint64_t *ret_ns)
{
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	size_t len = strlen(text);
	char digits[16] = "";
	uint32_t number;

	if (len < 2 || len > sizeof(digits))
		return -EINVAL;
	memcpy(digits, text, len - 1);
	if (kcoh_text_u32(digits, &number) < 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (units[i].unit == text[len - 1]) {
			return __builtin_mul_overflow(number, units[i].seconds * 1000000000,
						      ret_ns) ?
				       -EINVAL :
				       0;
		}
	}
	return -EINVAL;
}

bool filter_takes(const struct filter *filter, const json_t *event, const char *class_name)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	uint64_t ts_ns = (uint64_t)json_integer_value(json_object_get(event, "ts_ns"));

	if (!type)
		return false;
	if (!strcmp(type, "lost"))
		return true;
	if (ts_ns < filter->since_ns)
		return false;
	for (size_t i = 0; i < filter->count; i++) {
		if (!strcmp(filter->words[i], type) || !strcmp(filter->words[i], class_name))
			return true;
	}
	return !filter->count;
}
