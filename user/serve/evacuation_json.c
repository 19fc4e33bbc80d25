// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuation_json.c - an evacuation as JSON. What is not known yet is null.
 */
#include "names/roster.h"
#include "serve/evacuation_json.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value & INT64_MAX));
}

static json_t *known(uint64_t value)
{
	return value && value != UINT64_MAX ? number(value) : json_null();
}

static json_t *progress_json(const struct kcoh_migration_progress *progress)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "total_bytes", number(progress->total_bytes),
			 "remaining_bytes", number(progress->remaining_bytes), "sent_bytes",
			 number(progress->sent_bytes), "total_ms", known(progress->total_ms),
			 "downtime_ms", known(progress->downtime_ms));
}

json_t *kcoh_evacuation_json(const struct kcoh_evacuation_view *view)
{
	const struct kcoh_ident *ident = view->ident;

	return json_pack(
		"{s:I, s:I, s:s, s:s?, s:I, s:s, s:s, s:b, s:s, s:s, s:s, s:i, s:b, s:o, s:o, s:o, "
		"s:o, s:o, s:o, s:s}",
		"evacuation", (json_int_t)view->id, "vm", (json_int_t)ident->id, "name",
		ident->name, "uuid", *ident->uuid ? ident->uuid : NULL, "pid",
		(json_int_t)ident->pid, "destination", view->destination, "state",
		kcoh_evacuation_state_name(view->state), "over",
		(int)kcoh_evacuation_is_over(view->state), "cause",
		kcoh_evacuation_cause_name(view->cause), "reason", kcoh_reason_name(view->reason),
		"reason_sentence", kcoh_reason_sentence(view->reason), "attempt",
		(int)view->attempt, "taken_over", (int)view->taken_over, "since_ns",
		number(view->since_ns), "state_since_ns", number(view->state_since_ns),
		"deadline_ns", known(view->deadline_ns), "end_ns", known(view->end_ns), "paused_ns",
		number(view->paused_ns), "progress", progress_json(&view->progress), "sentence",
		view->sentence);
}
