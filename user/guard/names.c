// SPDX-License-Identifier: GPL-2.0-only
/*
 * names.c - states and causes of evacuations, as events and the API call them.
 */
#include "guard/evacuation.h"

const char *kcoh_evacuation_state_name(uint32_t state)
{
	static const char *const names[] = { "waiting",   "starting",   "migrating", "paused",
					     "switching", "cancelling", "completed", "refused",
					     "cancelled", "failed" };

	_Static_assert(sizeof(names) / sizeof(names[0]) == KCOH_EVACUATION_STATES, "a name each");
	return state < KCOH_EVACUATION_STATES ? names[state] : "?";
}

const char *kcoh_evacuation_cause_name(uint32_t cause)
{
	static const char *const names[] = { "none", "verdict", "time", "asked", "qemu" };

	_Static_assert(sizeof(names) / sizeof(names[0]) == KCOH_CAUSES, "a name each");
	return cause < KCOH_CAUSES ? names[cause] : "?";
}
