// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard.c - may a VM be migrated? See guard.h.
 */
#include <stdio.h>
#include <string.h>

#include "fleet/guard.h"
#include "fleet/record.h"

static const char *text_of(const json_t *record, const char *name)
{
	return json_string_value(json_object_get(record, name));
}

/* The strictest of hosts other than `self`, or NULL. */
static const json_t *strictest(const struct kcoh_found *found, const char *self)
{
	const json_t *record, *most = NULL;
	size_t i;

	json_array_foreach(found->records, i, record)
	{
		if (self && !strcmp(text_of(record, "host"), self))
			continue;
		if (!most || kcoh_fleet_rank_of(text_of(record, "verdict")) >
				     kcoh_fleet_rank_of(text_of(most, "verdict")))
			most = record;
	}
	return most;
}

static void answer_of_record(const json_t *record, struct kcoh_fleet_answer *answer)
{
	bool enforces = !strcmp(text_of(record, "guard"), kcoh_guard_name(KCOH_GUARD_ENFORCE));

	answer->known = true;
	answer->answered = true;
	answer->record = record;
	answer->kind = (enum kcoh_verdict_kind)kcoh_fleet_rank_of(text_of(record, "verdict"));
	answer->blocks = enforces && answer->kind >= KCOH_VERDICT_WAIT;
	snprintf(answer->sentence, sizeof(answer->sentence), "%s: %s: %s: %s",
		 text_of(record, "host"), text_of(record, "verdict"), text_of(record, "reason"),
		 text_of(record, "sentence"));
}

void kcoh_fleet_guard(const struct kcoh_found *found, const char *failure, const char *self,
		      const struct kcoh_fleet_config *fleet, enum kcoh_guard guard,
		      struct kcoh_fleet_answer *ret_answer)
{
	const json_t *record = found ? strictest(found, self) : NULL;
	size_t refused = found ? json_array_size(found->refused) : 0;

	*ret_answer = (struct kcoh_fleet_answer){ .kind = KCOH_VERDICT_ALLOW };
	if (record &&
	    (!refused || kcoh_fleet_rank_of(text_of(record, "verdict")) == KCOH_VERDICT_VETO)) {
		answer_of_record(record, ret_answer);
		return;
	}
	if (!found || refused || !fleet) {
		ret_answer->kind = KCOH_VERDICT_VETO;
		snprintf(ret_answer->sentence, sizeof(ret_answer->sentence),
			 "the fleet's store gave no usable answer: %s",
			 refused ? json_string_value(json_array_get(found->refused, 0)) :
			 failure ? failure :
				   "[fleet] of the configuration has no endpoints");
	} else {
		ret_answer->answered = true;
		ret_answer->kind = fleet->unknown_veto ? KCOH_VERDICT_VETO : KCOH_VERDICT_ALLOW;
		snprintf(
			ret_answer->sentence, sizeof(ret_answer->sentence),
			"no host of the fleet has published a verdict about it (unknown_host = %s)",
			fleet->unknown_veto ? "veto" : "allow");
	}
	ret_answer->blocks = ret_answer->kind == KCOH_VERDICT_VETO && guard == KCOH_GUARD_ENFORCE;
}
