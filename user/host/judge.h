/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * judge.h - is this host ready for kcoh? Findings, each with a sentence on what to do.
 *
 * Pure: facts in, findings out, so that every kind of host can be judged in a test.
 */
#ifndef KCOH_HOST_JUDGE_H
#define KCOH_HOST_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "feed/feed.h"
#include "host/facts.h"

enum kcoh_level {
	KCOH_LEVEL_OK = 0,
	KCOH_LEVEL_NOTE = 1, /* worth knowing, nothing to do */
	KCOH_LEVEL_DEGRADED = 2, /* kcoh works, but not all of it */
	KCOH_LEVEL_UNUSABLE = 3, /* kcoh cannot work here */
};

enum kcoh_daemon_state {
	KCOH_DAEMON_SILENT = 0, /* none answers */
	KCOH_DAEMON_ANSWERS = 1,
};

struct kcoh_patient {
	struct kcoh_host_facts facts;
	struct kcoh_hook_view *hooks; /* by kcohd, or tried by us */
	size_t hooks_count;
	int hooks_err; /* if they could not be tried: a negative errno … */
	const char *hooks_sentence; /* … and why */
	enum kcoh_daemon_state daemon;
	uint64_t records_lost; /* as kcohd counts them */
	const char *lost_most; /* why most of them; NULL: not told */
	bool fleet; /* kcohd publishes to a fleet's store */
	const char *fleet_error; /* why that does not work; NULL: it does */
	const char *fleet_endpoint; /* where */
};

struct kcoh_finding {
	const char *name; /* what it is about */
	enum kcoh_level level;
	char sentence[320];
};

/* What kcoh can do on this host. */
struct kcoh_ability {
	const char *name;
	bool works;
	char why[200]; /* not */
};

#define KCOH_FINDINGS_MAX 32
#define KCOH_ABILITIES_MAX 16

struct kcoh_diagnosis {
	enum kcoh_level level; /* the worst of all findings */
	struct kcoh_finding findings[KCOH_FINDINGS_MAX];
	size_t findings_count;
	struct kcoh_ability abilities[KCOH_ABILITIES_MAX];
	size_t abilities_count;
};

void kcoh_host_judge(const struct kcoh_patient *patient, struct kcoh_diagnosis *ret_diagnosis);

/* Is it no wonder, and no lack, if this hook is not attached? */
bool kcoh_hook_is_excused(const struct kcoh_patient *patient, const struct kcoh_hook_view *hook);

const char *kcoh_level_name(enum kcoh_level level); /* ok, note, degraded, unusable */

#endif
