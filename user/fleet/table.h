/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * table.h - the VMs of this host as the store is to have them, and what of that is not there yet.
 *
 * A table is kept by UUID or by name, as its teller's keys are: of several VMs with one key the strictest verdict counts. An entry
 * outlives its VM until the store has confirmed that it is gone there, too.
 */
#ifndef KCOH_FLEET_TABLE_H
#define KCOH_FLEET_TABLE_H

#include "fleet/record.h"

struct fleet_entry {
	char *key;
	char uuid[KCOH_UUID_LEN];
	char *name;
	struct kcoh_verdict verdict;
	enum kcoh_guard guard;
	bool present; /* false: it is to be removed from the store */
	bool indexed; /* the store has its key of the index */
	bool dirty; /* the store does not have this state */
	uint32_t version; /* of the state */
	uint64_t changed_ns; /* when it became dirty */
	uint64_t written_ns; /* when it was confirmed last; 0: never */
	int written_rank; /* what the store has: kcoh_fleet_rank() */
	/* What is being written; version 0: nothing. */
	struct {
		uint32_t version;
		bool present;
		int rank;
		uint64_t changed_ns;
	} sent;
	/* What was told in that round; its strings are the teller's. */
	uint64_t round;
	struct kcoh_fleet_vm told;
};

struct fleet_table {
	struct fleet_entry **entries; /* by key */
	size_t count, room;
	uint64_t round;
	uint64_t merged;
};

void table_free(struct fleet_table *table);

/* Between begin and end: all that there are; their strings are used until the end. 0, or -ENOMEM, -ENOSPC. */
void table_begin(struct fleet_table *table);
int table_put(struct fleet_table *table, const char *key, const struct kcoh_fleet_vm *vm,
	      size_t max);
/* How many are another now, new, or gone. -ENOMEM if not all could be taken: told again, they will be. */
int table_end(struct fleet_table *table, uint64_t now_ns);

/* May this be written now, or when? 0: now; UINT64_MAX: there is nothing to write. */
uint64_t entry_due(const struct fleet_entry *entry, uint64_t now_ns);

/* It is on its way; it arrived (then the time since it became so is returned), or it did not. */
void entry_send(struct fleet_entry *entry);
uint64_t entry_confirm(struct fleet_entry *entry, uint64_t now_ns);
void entry_fail(struct fleet_entry *entry);

/* What the store has of all that are present is to be written anew. How many. */
int table_renew(struct fleet_table *table, uint64_t now_ns);

/* Frees those that are gone here and there. */
void table_sweep(struct fleet_table *table);

/* The store has nothing of it any more: those present are to be written, the others are gone. */
void table_reset(struct fleet_table *table, uint64_t now_ns);

#endif
