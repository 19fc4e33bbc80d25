/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * view.h - the VMs of this host as the fleet is told of them.
 */
#ifndef KCOH_FLEET_VIEW_H
#define KCOH_FLEET_VIEW_H

#include "fleet/record.h"
#include "names/roster.h"

/* Its strings are the roster's. False: it is none yet. */
bool kcoh_fleet_view(const struct kcoh_core *core, const struct kcoh_roster_vm *vm,
		     struct kcoh_fleet_vm *ret_vm);

/* Adds the records of all that have this name, as the store would have them now; `host` and `clock_ns` as in record.h. */
void kcoh_fleet_view_named(const struct kcoh_core *core, struct kcoh_roster *roster,
			   const char *host, int64_t clock_ns, const char *name, json_t *records);

#endif
