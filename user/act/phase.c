// SPDX-License-Identifier: GPL-2.0-only
/*
 * phase.c - QEMU's words for what a migration is at (qapi/migration.json, MigrationStatus), as phases.
 */
#include <stddef.h>
#include <string.h>

#include "act/phase.h"

static const struct phase_name {
	const char *name;
	enum kcoh_phase phase;
} phase_names[] = {
	{ "none", KCOH_PHASE_NONE },
	{ "setup", KCOH_PHASE_SETUP },
	{ "wait-unplug", KCOH_PHASE_SETUP },
	{ "active", KCOH_PHASE_ACTIVE },
	{ "colo", KCOH_PHASE_ACTIVE },
	{ "pre-switchover", KCOH_PHASE_PRE_SWITCHOVER },
	{ "device", KCOH_PHASE_DEVICE },
	{ "postcopy-active", KCOH_PHASE_POSTCOPY },
	{ "postcopy-paused", KCOH_PHASE_POSTCOPY },
	{ "postcopy-recover", KCOH_PHASE_POSTCOPY },
	{ "postcopy-recover-setup", KCOH_PHASE_POSTCOPY },
	{ "completed", KCOH_PHASE_COMPLETED },
	{ "failed", KCOH_PHASE_FAILED },
	{ "cancelling", KCOH_PHASE_CANCELLING },
	{ "cancelled", KCOH_PHASE_CANCELLED },
};

enum kcoh_phase kcoh_phase_parse(const char *status)
{
	for (size_t i = 0; status && i < sizeof(phase_names) / sizeof(phase_names[0]); i++) {
		if (!strcmp(phase_names[i].name, status))
			return phase_names[i].phase;
	}
	return status ? KCOH_PHASE_ACTIVE : KCOH_PHASE_NONE;
}

bool kcoh_phase_is_over(enum kcoh_phase phase)
{
	return phase == KCOH_PHASE_NONE || phase == KCOH_PHASE_COMPLETED ||
	       phase == KCOH_PHASE_FAILED || phase == KCOH_PHASE_CANCELLED;
}
