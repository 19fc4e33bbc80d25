// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdict_print.c - a verdict as one line.
 *
 *   web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off
 *   web-1: allow: override: of mmu-off, by uid 0, for 598 s more: rack 7 burns
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "host/clock.h"
#include "kcoh/paint.h"
#include "kcoh/verdict_print.h"

static void override_print(const char *overrides, const json_t *override)
{
	json_int_t uid = -1, until_ns = 0;
	const char *why = "?";
	uint64_t now_ns = kcoh_clock_ns(CLOCK_MONOTONIC);

	json_unpack((json_t *) override, "{s:I, s:I, s:s}", "uid", &uid, "until_ns", &until_ns,
		    "why", &why);
	printf("of %s, by uid %" JSON_INTEGER_FORMAT ", for %" PRIu64 " s more: %s\n", overrides,
	       uid, (uint64_t)until_ns > now_ns ? ((uint64_t)until_ns - now_ns) / 1000000000 : 0,
	       why);
}

void verdict_print(const json_t *json)
{
	const char *name = "?", *verdict = "?", *reason = "?", *sentence = "?";
	const char *overrides = json_string_value(json_object_get(json, "overrides"));

	json_unpack((json_t *)json, "{s:s, s:s, s:s, s:s}", "name", &name, "verdict", &verdict,
		    "reason", &reason, "sentence", &sentence);
	printf("%s: %s%s%s: %s: ", name, paint(paint_of(verdict)), verdict, paint(PAINT_PLAIN),
	       reason);
	if (overrides)
		override_print(overrides, json_object_get(json, "override"));
	else
		puts(sentence);
}
