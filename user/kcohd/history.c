// SPDX-License-Identifier: GPL-2.0-only
/*
 * history.c - what of the events is kept for months, and when.
 *
 * Five times a second the log's new entries are looked through. Kept is what an operator asks for afterwards: windows,
 * verdicts, acts, who asked for them, migrations, VMs coming and going, losses; not each toggle, slot or sample. The guard never waits for the
 * history and never needs it: if it cannot be opened or written, that is said once, and tried again.
 */
#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kcohd/daemon.h"
#include "serve/event_json.h"

#define LOOK_US (200 * 1000)
#define REOPEN_NS (10ull * 1000000000)

static bool is_kept(const struct kcoh_entry *entry)
{
	switch (entry->type) {
	case KCOH_EV_VM_NEW:
	case KCOH_EV_VM_GONE:
	case KCOH_EV_EPOCH:
	case KCOH_EV_PHASE:
	case KCOH_EV_HOST:
	case KCOH_ENTRY_WINDOW:
	case KCOH_ENTRY_EPOCH:
	case KCOH_ENTRY_VERDICT:
	case KCOH_ENTRY_ACT:
	case KCOH_ENTRY_OVERRIDE:
	case KCOH_ENTRY_LOST:
	case KCOH_ENTRY_AUDIT:
	case KCOH_ENTRY_EVACUATION:
	case KCOH_ENTRY_CLOCK:
		return true;
	}
	return false;
}

static void keep(struct history *history, const struct kcoh_entry *entry)
{
	char *line = kcoh_event_line(entry);
	struct kcoh_store_row row = {
		.unix_ns = entry->real_ns,
		.vm = entry->vm,
		.name = entry->ident ? entry->ident->name : NULL,
		.uuid = entry->ident ? entry->ident->uuid : NULL,
		.type = kcoh_event_type_name(entry->type),
		.event = line,
	};

	if (!line)
		return;
	line[strlen(line) - 1] = '\0'; /* its newline */
	kcoh_store_add(history->store, &row);
	free(line);
}

/* Entries that the log no longer has, since more of them came than it holds in a fifth of a second. */
static void keep_lost(struct history *history, const struct kcoh_log *log, uint64_t first)
{
	const struct kcoh_entry *oldest = kcoh_log_get(log, first);
	struct kcoh_entry lost = {
		.seq = first - 1,
		.ts_ns = oldest->ts_ns,
		.real_ns = oldest->real_ns,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_LOST,
		.lost = { .count = first - history->next_seq },
	};

	keep(history, &lost);
	history->next_seq = first;
}

static void take(struct history *history, const struct kcoh_log *log)
{
	uint64_t first = kcoh_log_first(log);

	if (history->next_seq < first)
		keep_lost(history, log, first);
	for (; history->next_seq <= kcoh_log_last(log); history->next_seq++) {
		const struct kcoh_entry *entry = kcoh_log_get(log, history->next_seq);

		if (is_kept(entry))
			keep(history, entry);
	}
}

/* Each trouble once, and its end. */
static void tell(struct history *history)
{
	struct kcoh_store_health health;

	kcoh_store_health(history->store, &health);
	if (health.failing && !history->failing)
		say(LOG_WARNING, "%s; the guard goes on without it", health.sentence);
	else if (!health.failing && history->failing)
		say(LOG_INFO, "the history is written again");
	if (health.lost != history->lost && !health.failing)
		say(LOG_WARNING, "%llu events are missing in the history",
		    (unsigned long long)(health.lost - history->lost));
	history->failing = health.failing;
	if (!health.failing)
		history->lost = health.lost;
}

static int directory_make(const char *path)
{
	char *copy = strdup(path);
	int err = -ENOMEM;

	if (copy)
		err = mkdir(dirname(copy), 0750) < 0 && errno != EEXIST ? -errno : 0;
	free(copy);
	return err;
}

static void try_open(struct daemon *daemon)
{
	struct history *history = &daemon->history;
	const struct kcoh_store_config config = {
		.path = kcoh_config_history(daemon->config),
		.max_days = kcoh_config_history_days(daemon->config),
		.max_bytes = (uint64_t)kcoh_config_history_mb(daemon->config) << 20,
	};
	char sentence[512];
	int err;

	history->tried_ns = now_ns();
	directory_make(config.path); /* if that fails, opening says it */
	err = kcoh_store_open(&config, &history->store, sentence, sizeof(sentence));
	if (err < 0 && !history->failing)
		say(LOG_WARNING, "%s; the guard goes on without it", sentence);
	else if (err == 0 && history->failing)
		say(LOG_INFO, "the history is written again");
	history->failing = err < 0;
}

static int on_look(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;
	struct history *history = &daemon->history;

	(void)usec;
	if (!history->store && now_ns() - history->tried_ns >= REOPEN_NS)
		try_open(daemon);
	if (history->store) {
		take(history, daemon->log);
		tell(history);
	}
	sd_event_source_set_time_relative(source, LOOK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int history_up(struct daemon *daemon)
{
	int err;

	if (!kcoh_config_history(daemon->config))
		return 0;
	daemon->history.next_seq = 1;
	try_open(daemon);
	err = sd_event_add_time_relative(daemon->event, NULL, CLOCK_MONOTONIC, LOOK_US, LOOK_US / 2,
					 on_look, daemon);
	if (err < 0)
		say(LOG_ERR, "cannot set a timer: %s", strerror(-err));
	return err;
}

void history_down(struct daemon *daemon)
{
	if (daemon->history.store)
		take(&daemon->history, daemon->log);
	kcoh_store_close(daemon->history.store);
	daemon->history.store = NULL;
}
