// SPDX-License-Identifier: GPL-2.0-only
/*
 * roster.c - the VMs as people know them.
 *
 * A host has tens of VMs, seldom thousands, and ids only grow: a sorted array that new VMs are
 * appended to is found in by bisection and listed in order for free. Names and UUIDs are searched
 * one after the other, by their hashes, which lie side by side: 1000 of them are 8 KiB, the names themselves
 * would be 1000 cache misses.
 *
 * A name comes from a command line that anybody who may start a VM may write. Bytes that are
 * no UTF-8 would make invalid JSON, and control characters would reach the terminal of whoever looks:
 * both become '?' here, at the only door.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names/roster.h"
#include "names/text.h"

struct hashes {
	uint32_t name, uuid;
};

struct kcoh_roster {
	struct kcoh_roster_vm *vms;
	struct hashes *hashes; /* of vms[i] */
	size_t count;
	size_t room;
};

/* FNV-1a; UUIDs are the same in either case. */
static uint32_t hash(const char *text)
{
	uint32_t value = 2166136261;

	for (; *text; text++)
		value = (value ^ (uint32_t)tolower((unsigned char)*text)) * 16777619;
	return value;
}

struct kcoh_ident *kcoh_ident_new(uint32_t id, uint32_t pid, const char *comm, const char *name,
				  const char *uuid)
{
	struct kcoh_ident *ident = calloc(1, sizeof(*ident));

	if (!ident)
		return NULL;
	ident->refs = 1;
	ident->id = id;
	ident->pid = pid;
	snprintf(ident->comm, sizeof(ident->comm), "%.*s", KCOH_COMM_LEN - 1,
		 comm && *comm ? comm : "?");
	kcoh_text_printable(ident->comm);
	if (uuid && kcoh_text_is_uuid(uuid)) {
		for (size_t i = 0; i < KCOH_UUID_LEN - 1; i++)
			ident->uuid[i] = (char)tolower((unsigned char)uuid[i]);
	}
	if (name && *name)
		ident->name = strdup(name);
	else if (asprintf(&ident->name, "%s-%" PRIu32, ident->comm, pid) < 0)
		ident->name = NULL;
	if (!ident->name) {
		free(ident);
		return NULL;
	}
	kcoh_text_printable(ident->name);
	return ident;
}

struct kcoh_ident *kcoh_ident_ref(struct kcoh_ident *ident)
{
	if (ident)
		ident->refs++;
	return ident;
}

void kcoh_ident_unref(struct kcoh_ident *ident)
{
	if (!ident || --ident->refs)
		return;
	free(ident->name);
	free(ident);
}

int kcoh_roster_new(struct kcoh_roster **ret_roster)
{
	struct kcoh_roster *roster = calloc(1, sizeof(*roster));

	if (!roster)
		return -ENOMEM;
	*ret_roster = roster;
	return 0;
}

void kcoh_roster_free(struct kcoh_roster *roster)
{
	if (!roster)
		return;
	for (size_t i = 0; i < roster->count; i++)
		kcoh_ident_unref(roster->vms[i].ident);
	free(roster->vms);
	free(roster->hashes);
	free(roster);
}

/* The first position whose id is not below `id`. */
static size_t lower_bound(const struct kcoh_roster *roster, uint32_t id)
{
	size_t low = 0, high = roster->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (roster->vms[mid].ident->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int make_room(struct kcoh_roster *roster)
{
	size_t room = roster->room ? 2 * roster->room : 16;
	struct kcoh_roster_vm *vms;
	struct hashes *hashes;

	if (roster->count < roster->room)
		return 0;
	vms = reallocarray(roster->vms, room, sizeof(*vms));
	if (!vms)
		return -ENOMEM;
	roster->vms = vms;
	hashes = reallocarray(roster->hashes, room, sizeof(*hashes));
	if (!hashes)
		return -ENOMEM;
	roster->hashes = hashes;
	roster->room = room;
	return 0;
}

static struct hashes hashes_of(const struct kcoh_ident *ident)
{
	return (struct hashes){ .name = hash(ident->name), .uuid = hash(ident->uuid) };
}

int kcoh_roster_add(struct kcoh_roster *roster, struct kcoh_ident *ident)
{
	size_t at = lower_bound(roster, ident->id);

	if (at < roster->count && roster->vms[at].ident->id == ident->id) {
		kcoh_ident_unref(roster->vms[at].ident);
		roster->vms[at].ident = ident;
		roster->hashes[at] = hashes_of(ident);
		return 0;
	}
	if (make_room(roster) < 0) {
		kcoh_ident_unref(ident);
		return -ENOMEM;
	}
	memmove(&roster->vms[at + 1], &roster->vms[at],
		(roster->count - at) * sizeof(*roster->vms));
	memmove(&roster->hashes[at + 1], &roster->hashes[at],
		(roster->count - at) * sizeof(*roster->hashes));
	roster->vms[at] = (struct kcoh_roster_vm){ .ident = ident };
	roster->hashes[at] = hashes_of(ident);
	roster->count++;
	return 0;
}

void kcoh_roster_remove(struct kcoh_roster *roster, uint32_t id)
{
	size_t at = lower_bound(roster, id);

	if (at == roster->count || roster->vms[at].ident->id != id)
		return;
	kcoh_ident_unref(roster->vms[at].ident);
	roster->count--;
	memmove(&roster->vms[at], &roster->vms[at + 1],
		(roster->count - at) * sizeof(*roster->vms));
	memmove(&roster->hashes[at], &roster->hashes[at + 1],
		(roster->count - at) * sizeof(*roster->hashes));
}

struct kcoh_roster_vm *kcoh_roster_find(struct kcoh_roster *roster, uint32_t id)
{
	size_t at = lower_bound(roster, id);

	if (at == roster->count || roster->vms[at].ident->id != id)
		return NULL;
	return &roster->vms[at];
}

struct kcoh_roster_vm *kcoh_roster_at(struct kcoh_roster *roster, size_t i)
{
	return i < roster->count ? &roster->vms[i] : NULL;
}

size_t kcoh_roster_count(const struct kcoh_roster *roster)
{
	return roster->count;
}

enum selector_kind { BY_ID, BY_PID, BY_UUID, BY_NAME };

static int selector_parse(const char *selector, enum selector_kind *ret_kind, uint32_t *ret_number)
{
	*ret_number = 0;
	if (!*selector)
		return -EINVAL;
	if (!strncmp(selector, "pid:", 4)) {
		*ret_kind = BY_PID;
		return kcoh_text_u32(selector + 4, ret_number);
	}
	if (kcoh_text_u32(selector, ret_number) == 0)
		*ret_kind = BY_ID;
	else
		*ret_kind = kcoh_text_is_uuid(selector) ? BY_UUID : BY_NAME;
	return 0;
}

/* False: it matches neither the VM's name nor its UUID. */
static bool may_match(const struct hashes *hashes, enum selector_kind kind, uint32_t wanted)
{
	return kind == BY_PID || hashes->name == wanted || hashes->uuid == wanted;
}

static bool selector_matches(const struct kcoh_ident *ident, enum selector_kind kind,
			     const char *text, uint32_t number)
{
	switch (kind) {
	case BY_ID:
		break;
	case BY_PID:
		return ident->pid == number;
	case BY_UUID:
		return !strcasecmp(ident->uuid, text) || !strcmp(ident->name, text);
	case BY_NAME:
		return !strcmp(ident->name, text);
	}
	return false;
}

/* Of two VMs that match, the one that is meant: NULL if that cannot be told. */
static struct kcoh_roster_vm *choose(struct kcoh_roster_vm *one, struct kcoh_roster_vm *other)
{
	if (one->shown.has_memory == other->shown.has_memory)
		return NULL;
	return one->shown.has_memory ? one : other;
}

/* The VM that is meant, or NULL; *ret_rival is another one that may be as well. */
static struct kcoh_roster_vm *find_meant(struct kcoh_roster *roster, enum selector_kind kind,
					 const char *text, uint32_t number,
					 struct kcoh_roster_vm **ret_rival)
{
	struct kcoh_roster_vm *found = NULL, *chosen;
	uint32_t wanted = hash(text);

	*ret_rival = NULL;
	if (kind == BY_ID)
		return kcoh_roster_find(roster, number);
	for (size_t i = 0; i < roster->count; i++) {
		struct kcoh_roster_vm *vm = &roster->vms[i];

		if (!may_match(&roster->hashes[i], kind, wanted) ||
		    !selector_matches(vm->ident, kind, text, number))
			continue;
		chosen = found ? choose(found, vm) : vm;
		if (!chosen)
			*ret_rival = vm;
		else if (chosen != found && chosen->shown.has_memory)
			*ret_rival = NULL;
		found = chosen ? chosen : found;
	}
	return found;
}

int kcoh_roster_select(struct kcoh_roster *roster, const char *selector,
		       struct kcoh_roster_vm **ret_vm, char *err, size_t err_len)
{
	struct kcoh_roster_vm *found, *rival;
	enum selector_kind kind = BY_NAME;
	uint32_t number;

	if (selector_parse(selector, &kind, &number) < 0) {
		snprintf(err, err_len, "'%s' is no selector: give an id, a name, a UUID or pid:N",
			 selector);
		return -EINVAL;
	}
	found = find_meant(roster, kind, selector, number, &rival);
	if (!found) {
		snprintf(err, err_len, "no VM matches '%s'; kcoh ps lists those there are",
			 selector);
		return -ENOENT;
	}
	if (rival) {
		snprintf(err, err_len,
			 "'%s' means VM %" PRIu32 " and VM %" PRIu32 ": select one by its number",
			 selector, found->ident->id, rival->ident->id);
		return -ENOTUNIQ;
	}
	*ret_vm = found;
	return 0;
}
