/* SPDX-License-Identifier: GPL-2.0-only */
/* number.h - a number on the command line of a lab program. */
#ifndef KCOH_LAB_NUMBER_H
#define KCOH_LAB_NUMBER_H

#include <inttypes.h>

#include "say.h"

static inline uint64_t must_number(const char *what, const char *text, uint64_t min, uint64_t max)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (end == text || *end || value < min || value > max)
		die("%s '%s' is not a number from %" PRIu64 " to %" PRIu64, what, text, min, max);
	return value;
}

#endif
