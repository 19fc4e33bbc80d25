// SPDX-License-Identifier: GPL-2.0-only
/*
 * log.c - the bounded backlog of events.
 *
 * A ring of fixed size: entry `seq` lives at seq modulo capacity until `capacity` younger ones came. A
 * reader keeps nothing but the number it wants next, so readers cost the log nothing, cannot hold it up, and
 * one that falls behind sees that its number is gone and how many went with it.
 *
 * 8192 entries of about 150 bytes are 1.2 MB; at the 20 events that a migration of a quiet guest makes
 * they reach back for days, at a guest that toggles in a tight loop for less than a second.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "serve/log.h"

struct kcoh_log {
	size_t capacity;
	uint64_t last;
	int64_t real_minus_mono_ns;
	void (*notify)(void *ctx);
	void *notify_ctx;
	struct kcoh_entry entries[];
};

int kcoh_log_new(size_t capacity, struct kcoh_log **ret_log)
{
	struct kcoh_log *log;

	if (!capacity)
		return -EINVAL;
	log = calloc(1, sizeof(*log) + capacity * sizeof(log->entries[0]));
	if (!log)
		return -ENOMEM;
	log->capacity = capacity;
	*ret_log = log;
	return 0;
}

static void entry_release(struct kcoh_entry *entry)
{
	kcoh_ident_unref(entry->ident);
	if (entry->type == KCOH_ENTRY_ACT)
		free(entry->act.sentence);
	else if (entry->type == KCOH_ENTRY_OVERRIDE)
		free(entry->override.why);
	if (entry->type == KCOH_ENTRY_EVACUATION) {
		free(entry->evacuation.destination);
		free(entry->evacuation.sentence);
	}
}

void kcoh_log_free(struct kcoh_log *log)
{
	if (!log)
		return;
	for (size_t i = 0; i < log->capacity; i++)
		entry_release(&log->entries[i]);
	free(log);
}

void kcoh_log_set_clock(struct kcoh_log *log, int64_t real_minus_mono_ns)
{
	log->real_minus_mono_ns = real_minus_mono_ns;
}

void kcoh_log_set_notify(struct kcoh_log *log, void (*fn)(void *ctx), void *ctx)
{
	log->notify = fn;
	log->notify_ctx = ctx;
}

uint64_t kcoh_log_add(struct kcoh_log *log, const struct kcoh_entry *entry)
{
	uint64_t seq = ++log->last;
	struct kcoh_entry *slot = &log->entries[seq % log->capacity];

	entry_release(slot);
	*slot = *entry;
	slot->seq = seq;
	slot->real_ns = slot->ts_ns + (uint64_t)log->real_minus_mono_ns;
	kcoh_ident_ref(slot->ident);
	if (log->notify)
		log->notify(log->notify_ctx);
	return seq;
}

uint64_t kcoh_log_first(const struct kcoh_log *log)
{
	return log->last > log->capacity ? log->last - log->capacity + 1 : 1;
}

uint64_t kcoh_log_last(const struct kcoh_log *log)
{
	return log->last;
}

const struct kcoh_entry *kcoh_log_get(const struct kcoh_log *log, uint64_t seq)
{
	if (seq < kcoh_log_first(log) || seq > log->last)
		return NULL;
	return &log->entries[seq % log->capacity];
}
