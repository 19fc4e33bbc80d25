// SPDX-License-Identifier: GPL-2.0-only
/*
 * smmu_counts.c - what an SMMU's event is called. See smmu_counts.h.
 */
#include <stdio.h>

#include "relay/smmu_counts.h"

void kcoh_smmu_text(uint8_t id, char *out, size_t room)
{
	const char *name = kcoh_smmu_name(id);

	if (name)
		snprintf(out, room, "%s", name);
	else if ((id & 0xf0) == 0xe0)
		snprintf(out, room, "IMPDEF_EVENT%u", id & 0xfu);
	else
		snprintf(out, room, "EVENT_%02X", id);
}
