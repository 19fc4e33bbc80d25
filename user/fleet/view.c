// SPDX-License-Identifier: GPL-2.0-only
/*
 * view.c - the VMs of this host as the fleet is told of them. See view.h.
 */
#include <stdlib.h>
#include <string.h>

#include "fleet/view.h"

bool kcoh_fleet_view(const struct kcoh_core *core, const struct kcoh_roster_vm *vm,
		     struct kcoh_fleet_vm *ret_vm)
{
	struct kcoh_vm_view view = {
		.verdict = { .kind = KCOH_VERDICT_VETO, .reason = KCOH_RSN_TOO_MANY },
		.guard = KCOH_GUARD_WARN,
	};

	/* QEMU makes a second VM for some ms when it starts: one without memory is none. */
	if (kcoh_core_vm(core, vm->ident->id, &view) == 0 && !view.slots)
		return false;
	*ret_vm = (struct kcoh_fleet_vm){
		.uuid = vm->ident->uuid,
		.name = vm->ident->name,
		.verdict = view.verdict,
		.guard = (enum kcoh_guard)view.guard,
	};
	return true;
}

static void record_add(const struct kcoh_fleet_vm *vm, const char *host, int64_t clock_ns,
		       json_t *records)
{
	char *text = kcoh_fleet_vm_text(vm, host, clock_ns), why[160];
	json_t *record = text ? kcoh_fleet_vm_parse(text, why, sizeof(why)) : NULL;

	if (record)
		json_array_append_new(records, record);
	free(text);
}

void kcoh_fleet_view_named(const struct kcoh_core *core, struct kcoh_roster *roster,
			   const char *host, int64_t clock_ns, const char *name, json_t *records)
{
	struct kcoh_fleet_vm told;
	struct kcoh_roster_vm *vm;

	for (size_t i = 0; (vm = kcoh_roster_at(roster, i)); i++) {
		if (!strcmp(vm->ident->name, name) && kcoh_fleet_view(core, vm, &told))
			record_add(&told, host, clock_ns, records);
	}
}
