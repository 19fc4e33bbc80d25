/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * log.h - what happened, numbered: the bounded backlog that /v1/events reads from.
 *
 * An entry is either a record of the feed as it came, or something the daemon found by comparing the
 * core's views before and after a record (a window, an epoch, a verdict), or an act. Entries are kept as
 * data and turned into JSON only for a reader, so that a flood that nobody watches costs a copy.
 */
#ifndef KCOH_LOG_H
#define KCOH_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "guard/evacuation.h"
#include "names/roster.h"

/* kcoh_entry.type: an enum kcoh_ev_type, or one of these. */
enum kcoh_entry_type {
	KCOH_ENTRY_WINDOW = 0x100,
	KCOH_ENTRY_EPOCH, /* judged by the core from memslots, when no module reports it */
	KCOH_ENTRY_VERDICT,
	KCOH_ENTRY_ACT,
	KCOH_ENTRY_LOST,
	KCOH_ENTRY_HARVEST, /* one or more that followed each other closely */
	KCOH_ENTRY_OVERRIDE, /* an operator's, of a VM; or the break-glass, of the host */
	KCOH_ENTRY_CLOCK = 0x11d, /* somebody set the wall clock */
	KCOH_ENTRY_EVACUATION = 0x11e, /* another state of one */
	KCOH_ENTRY_AUDIT = 0x11f, /* somebody acts by the API, or was refused */
};

enum kcoh_outcome {
	KCOH_OUTCOME_DRY = 0, /* would have been done: guard = warn, or no way to */
	KCOH_OUTCOME_STARTED = 1,
	KCOH_OUTCOME_DONE = 2,
	KCOH_OUTCOME_FAILED = 3,
};

struct kcoh_entry_window {
	uint32_t window_class; /* enum kcoh_window_class */
	uint32_t open;
	uint64_t open_ns; /* how long it was open; 0 when it opens */
};

struct kcoh_entry_epoch {
	uint32_t start;
	uint64_t logged_pages;
	uint64_t total_pages;
};

struct kcoh_entry_verdict {
	struct kcoh_verdict now;
	bool first; /* there was none before */
	enum kcoh_verdict_kind was;
	enum kcoh_reason was_reason;
};

struct kcoh_entry_act {
	enum kcoh_act_type act;
	enum kcoh_reason reason;
	enum kcoh_outcome outcome;
	int32_t result;
	char *sentence; /* owned by the log once added; may be NULL */
};

struct kcoh_entry_audit {
	char what[32]; /* "recording", "module-release", … */
	char comm[KCOH_COMM_LEN]; /* of who asked; "": not known */
	uint32_t uid, pid; /* if `local` */
	bool local; /* on the Unix socket */
	bool allowed;
	bool by_polkit; /* polkit said so; else because it was root, or nobody could allow it */
	uint64_t left_out; /* refusals before this one that were not told */
};

enum kcoh_override_state {
	KCOH_OVERRIDE_GIVEN = 0,
	KCOH_OVERRIDE_AGAIN = 1, /* given to a kcohd before this one */
	KCOH_OVERRIDE_TAKEN_BACK = 2,
	KCOH_OVERRIDE_EXPIRED = 3,
	KCOH_OVERRIDE_COMPLETED = 4, /* the migration that it let through */
	KCOH_OVERRIDE_BREAK_GLASS = 5, /* while no kcohd answered; of the host */
};

struct kcoh_entry_override {
	enum kcoh_override_state state;
	uint32_t uid;
	uint64_t until_ns;
	char *why; /* owned by the log once added */
};

struct kcoh_entry_evacuation {
	uint32_t id, attempt;
	enum kcoh_evacuation_state state;
	enum kcoh_evacuation_cause cause;
	enum kcoh_reason reason; /* of the verdict that decided last */
	bool taken_over, over;
	uint64_t downtime_ms, total_ms, sent_bytes; /* if it is over */
	char *destination, *sentence; /* owned by the log once added; may be NULL */
};

struct kcoh_entry_clock {
	int64_t by_ns; /* negative: back */
};

struct kcoh_entry_lost {
	uint64_t count;
	bool exits; /* records of single exits, and no others */
};

struct kcoh_entry {
	uint64_t seq; /* set by the log */
	uint64_t ts_ns; /* CLOCK_MONOTONIC */
	uint64_t real_ns; /* CLOCK_REALTIME; set by the log */
	uint32_t vm;
	uint16_t vcpu;
	uint16_t type;
	struct kcoh_ident *ident; /* NULL: not about a VM, or one that is not known */
	union {
		union kcoh_ev ev;
		struct kcoh_entry_window window;
		struct kcoh_entry_epoch epoch;
		struct kcoh_entry_verdict verdict;
		struct kcoh_entry_act act;
		struct kcoh_entry_override override;
		struct kcoh_entry_lost lost;
		struct kcoh_entry_clock clock;
		struct kcoh_entry_audit audit;
		struct kcoh_entry_evacuation evacuation;
		struct kcoh_harvest_sum harvest;
	};
};

struct kcoh_log; /* opaque */

int kcoh_log_new(size_t capacity, struct kcoh_log **ret_log);
void kcoh_log_free(struct kcoh_log *log);

/* CLOCK_REALTIME minus CLOCK_MONOTONIC, for the entries to come. */
void kcoh_log_set_clock(struct kcoh_log *log, int64_t real_minus_mono_ns);

/* Called after each entry that was added. */
void kcoh_log_set_notify(struct kcoh_log *log, void (*fn)(void *ctx), void *ctx);

/* Adds a copy (its own reference on ident; texts of an act or evacuation change hands), dropping the oldest if full. Returns seq. */
uint64_t kcoh_log_add(struct kcoh_log *log, const struct kcoh_entry *entry);

/* Sequence numbers start at 1. first > last: empty. */
uint64_t kcoh_log_first(const struct kcoh_log *log);
uint64_t kcoh_log_last(const struct kcoh_log *log);

/* NULL if it is no longer, or not yet, there. Valid until the next add. */
const struct kcoh_entry *kcoh_log_get(const struct kcoh_log *log, uint64_t seq);

#endif
