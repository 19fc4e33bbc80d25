/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * filter.h - which events kcoh trace shows.
 */
#ifndef KCOH_FILTER_H
#define KCOH_FILTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_WORDS_MAX 32

struct filter {
	const char *words[FILTER_WORDS_MAX]; /* classes and types; none: all events */
	size_t count;
	uint64_t since_ns; /* CLOCK_MONOTONIC; 0: any time */
};

/*
 * "cache,verdict": adds them to the filter; `list` is changed and must stay. 0, or -EINVAL and *ret_bad is the word that is neither
 * a class nor a type, by `known`.
 */
int filter_classes(struct filter *filter, char *list, bool (*known)(const char *word),
		   const char **ret_bad);

/* "90s", "5m", "2h", "1d" as nanoseconds; -EINVAL: it is not one. */
int filter_duration(const char *text, uint64_t *ret_ns);

/* Is this event, of this class, to be shown? Losses always are. */
bool filter_takes(const struct filter *filter, const json_t *event, const char *class_name);

#endif
