// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c - what the store is to have, and what it has. See table.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/table.h"

#define MILDER_NS 1000000000ull /* a milder verdict waits so long after the last write */

static void entry_free(struct fleet_entry *entry)
{
	if (entry) {
		free(entry->key);
		free(entry->name);
	}
	free(entry);
}

void table_free(struct fleet_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		entry_free(table->entries[i]);
	free(table->entries);
	*table = (struct fleet_table){ 0 };
}

/* Where it is, or would be. */
static size_t place_of(const struct fleet_table *table, const char *key)
{
	size_t low = 0, high = table->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (strcmp(table->entries[mid]->key, key) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int room_make(struct fleet_table *table)
{
	size_t room = table->room ? 2 * table->room : 16;
	struct fleet_entry **more;

	if (table->count < table->room)
		return 0;
	more = realloc(table->entries, room * sizeof(*more));
	if (!more)
		return -ENOMEM;
	table->entries = more;
	table->room = room;
	return 0;
}

static struct fleet_entry *entry_add(struct fleet_table *table, size_t at, const char *key)
{
	struct fleet_entry *entry = room_make(table) == 0 ? calloc(1, sizeof(*entry)) : NULL;

	if (entry)
		entry->key = strdup(key);
	if (!entry || !entry->key) {
		free(entry);
		return NULL;
	}
	memmove(table->entries + at + 1, table->entries + at,
		(table->count - at) * sizeof(*table->entries));
	table->entries[at] = entry;
	table->count++;
	return entry;
}

static void entry_touch(struct fleet_table *table, struct fleet_entry *entry, uint64_t now_ns)
{
	if (entry->dirty && entry->sent.version != entry->version)
		table->merged++; /* the state before this one was never sent */
	else
		entry->changed_ns = now_ns;
	entry->dirty = true;
	entry->version++;
}

static bool is_as_told(const struct fleet_entry *entry)
{
	const struct kcoh_fleet_vm *told = &entry->told;

	return entry->present && entry->verdict.kind == told->verdict.kind &&
	       entry->verdict.reason == told->verdict.reason &&
	       entry->verdict.until_ns == told->verdict.until_ns && entry->guard == told->guard &&
	       !strcmp(entry->name, told->name) && !strcmp(entry->uuid, told->uuid);
}

void table_begin(struct fleet_table *table)
{
	table->round++;
}

int table_put(struct fleet_table *table, const char *key, const struct kcoh_fleet_vm *vm,
	      size_t max)
{
	size_t at = place_of(table, key);
	struct fleet_entry *entry = at < table->count ? table->entries[at] : NULL;

	if (entry && strcmp(entry->key, key))
		entry = NULL;
	if (!entry) {
		if (table->count >= max)
			return -ENOSPC;
		entry = entry_add(table, at, key);
		if (!entry)
			return -ENOMEM;
	} else if (entry->round == table->round &&
		   kcoh_fleet_rank(vm->verdict.kind) <= kcoh_fleet_rank(entry->told.verdict.kind)) {
		return 0; /* a second VM with this key, no stricter */
	}
	entry->told = *vm;
	entry->round = table->round;
	return 0;
}

static int entry_take(struct fleet_table *table, struct fleet_entry *entry, uint64_t now_ns)
{
	char *name;

	if (is_as_told(entry))
		return 0;
	name = strdup(entry->told.name);
	if (!name)
		return -ENOMEM;
	entry_touch(table, entry, now_ns);
	free(entry->name);
	entry->name = name;
	snprintf(entry->uuid, sizeof(entry->uuid), "%s", entry->told.uuid);
	entry->verdict = entry->told.verdict;
	entry->guard = entry->told.guard;
	entry->present = true;
	return 1;
}

int table_end(struct fleet_table *table, uint64_t now_ns)
{
	int changed = 0, err = 0, ret;

	for (size_t i = 0; i < table->count; i++) {
		struct fleet_entry *entry = table->entries[i];

		if (entry->round == table->round) {
			ret = entry_take(table, entry, now_ns);
			changed += ret > 0;
			err = ret < 0 ? ret : err;
		} else if (entry->present) {
			entry_touch(table, entry, now_ns);
			entry->present = false;
			changed++;
		}
	}
	return err < 0 ? err : changed;
}

int table_renew(struct fleet_table *table, uint64_t now_ns)
{
	int renewed = 0;

	for (size_t i = 0; i < table->count; i++) {
		if (!table->entries[i]->present)
			continue;
		entry_touch(table, table->entries[i], now_ns);
		renewed++;
	}
	return renewed;
}

uint64_t entry_due(const struct fleet_entry *entry, uint64_t now_ns)
{
	uint64_t due = entry->written_ns + MILDER_NS;

	if (!entry->dirty || entry->sent.version)
		return UINT64_MAX;
	if (!entry->present || !entry->written_ns || now_ns >= due ||
	    kcoh_fleet_rank(entry->verdict.kind) > entry->written_rank)
		return 0;
	return due;
}

void entry_send(struct fleet_entry *entry)
{
	entry->sent.version = entry->version;
	entry->sent.present = entry->present;
	entry->sent.rank = kcoh_fleet_rank(entry->verdict.kind);
	entry->sent.changed_ns = entry->changed_ns;
}

uint64_t entry_confirm(struct fleet_entry *entry, uint64_t now_ns)
{
	entry->written_ns = now_ns;
	entry->written_rank = entry->sent.rank;
	entry->indexed = entry->sent.present;
	if (entry->sent.version == entry->version)
		entry->dirty = false;
	entry->sent.version = 0;
	return now_ns - entry->sent.changed_ns;
}

void entry_fail(struct fleet_entry *entry)
{
	entry->sent.version = 0;
}

void table_sweep(struct fleet_table *table)
{
	size_t kept = 0;

	for (size_t i = 0; i < table->count; i++) {
		struct fleet_entry *entry = table->entries[i];

		if (entry->present || entry->dirty || entry->sent.version)
			table->entries[kept++] = entry;
		else
			entry_free(entry);
	}
	table->count = kept;
}

void table_reset(struct fleet_table *table, uint64_t now_ns)
{
	for (size_t i = 0; i < table->count; i++) {
		struct fleet_entry *entry = table->entries[i];

		if (!entry->dirty)
			entry->changed_ns = now_ns;
		entry->dirty = entry->present;
		entry->indexed = false;
		entry->written_ns = 0;
		entry->sent.version = 0;
	}
	table_sweep(table);
}
