/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guard.h - may a VM be migrated? What who is asked makes of what the fleet's store says.
 *
 * For a destination records of this host itself do not count: the VM comes from elsewhere, and what stands here is a try before this one. Of
 * several others the strictest counts. The rest is a table:
 *
 *   the store says …             guard of the record (of this host's configuration, where there is none)
 *                                enforce                                 warn
 *   allow, repair                yes                                     yes
 *   wait                         not yet                                 yes, and says what would have been
 *   veto                         no                                      yes, and says what would have been
 *   nothing of this VM           yes, or no with unknown_host = veto     yes, and says
 *   no answer, or not readable   no                                      yes, and says
 */
#ifndef KCOH_FLEET_GUARD_H
#define KCOH_FLEET_GUARD_H

#include "core/core.h"
#include "fleet/lookup.h"

struct kcoh_fleet_answer {
	enum kcoh_verdict_kind kind; /* that of the store, or what follows from the rules */
	bool blocks; /* the guard does not let it come */
	bool known; /* the store has a record of it */
	const json_t *record; /* that one; of `found`; NULL: none */
	bool answered; /* the store said something that could be read, be it that it has nothing */
	char sentence[512]; /* why, for people */
};

/*
 * `found` NULL: there was no answer, because of `failure`. `self` is the host whose records do not count (NULL: all count). `fleet` is
 * this host's configuration (NULL: it names no store, which is no answer either) and `guard` what it says about this VM.
 */
void kcoh_fleet_guard(const struct kcoh_found *found, const char *failure, const char *self,
		      const struct kcoh_fleet_config *fleet, enum kcoh_guard guard,
		      struct kcoh_fleet_answer *ret_answer);

#endif
