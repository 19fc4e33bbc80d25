// SPDX-License-Identifier: GPL-2.0-only
/*
 * refusals.c - carries out REFUSE and ADMIT: the kernel refuses the migration stream of a VM that nobody can cancel (last_resort = yes).
 *
 * bpf/refuse.bpf.c says whom that may hit. Its program is attached while the configuration has the key, and each VM with
 * that policy is watched from when its RAM is known, since the thread that migrates can be told from others only if it was seen from the start.
 *
 * REFUSE makes it sharp for 3 s, which every tick prolongs: if kcohd hangs or dies, it is over by itself. What came of
 * it is an `act` event: `started`; then `done`, when a send was refused, or `failed`, when none was within a second, or by the end, with the reason:
 *
 *   12:00:00.10  act refuse started
 *   12:00:00.20  act refuse done    a send of its thread 4713 on socket:[81234] was refused, after 1.3 MB in this migration
 *   12:00:00.30  act admit done     its migration stream is refused no more; 1 send was
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcohd/daemon.h"

#define SHARP_NS (3ull * 1000000000)
#define DOUBT_NS 1000000000ull /* so long nothing was refused: that is told */

struct refusal {
	LIST_ENTRY(refusal) link;
	struct kcoh_ident *ident;
	uint64_t ram_pages; /* as the kernel was told */
	uint64_t since_ns; /* when it became sharp; 0: it is not */
	enum kcoh_reason reason; /* of the veto */
	struct kcoh_refusals before; /* when it became sharp */
	const char *told; /* why nothing is refused, as told last */
	bool done; /* a send was refused, and that was told */
	bool seen; /* still wanted: refusals_look() */
};

static struct refusal *refusal_find(struct daemon *daemon, uint32_t vm)
{
	struct refusal *refusal;

	LIST_FOREACH(refusal, &daemon->refusals, link)
	{
		if (refusal->ident->id == vm)
			return refusal;
	}
	return NULL;
}

static bool is_shared(struct daemon *daemon, uint32_t pid)
{
	struct refusal *refusal;

	LIST_FOREACH(refusal, &daemon->refusals, link)
	{
		if (refusal->ident->pid == pid)
			return true;
	}
	return false;
}

static int tell_kernel(struct daemon *daemon, const struct refusal *refusal)
{
	return kcoh_feed_guard(daemon->feed, refusal->ident->pid, refusal->ident->id,
			       refusal->ram_pages, refusal->since_ns ? now_ns() + SHARP_NS : 0);
}

static void refusal_free(struct daemon *daemon, struct refusal *refusal)
{
	kcoh_feed_unguard(daemon->feed, refusal->ident->pid);
	LIST_REMOVE(refusal, link);
	kcoh_ident_unref(refusal->ident);
	free(refusal);
}

/* --- what came of it ---------------------------------------------------------------------------------------- */

static void log_of(struct daemon *daemon, const struct refusal *refusal, enum kcoh_outcome outcome,
		   const char *sentence)
{
	const struct kcoh_act act = { .type = KCOH_ACT_REFUSE,
				      .reason = refusal->reason,
				      .vm = refusal->ident->id };

	act_log(daemon, &act, refusal->ident, outcome,
		outcome == KCOH_OUTCOME_FAILED ? -ECANCELED : 0, sentence);
}

static void tell_refused(struct daemon *daemon, struct refusal *refusal,
			 const struct kcoh_refusals *now)
{
	char sentence[256];

	refusal->done = true;
	snprintf(sentence, sizeof(sentence),
		 "a send of its thread %" PRIu32 " on socket:[%" PRIu64
		 "] was refused, after %" PRIu64 " KB in this migration",
		 now->tid, now->inode, now->bytes / 1000);
	say_vm(LOG_NOTICE, refusal->ident, refusal->reason, "its migration stream: %s", sentence);
	log_of(daemon, refusal, KCOH_OUTCOME_DONE, sentence);
}

/* Why nothing was refused since it is sharp. */
static const char *doubt_of(const struct refusal *refusal, const struct kcoh_refusals *now)
{
	if (now->doubts > refusal->before.doubts && now->doubt)
		return now->doubt;
	if (!now->harvester)
		return now->late ? "the beginning of its dirty logging was not seen" :
				   "no thread of it but the main one takes dirty pages";
	return "the thread that takes dirty pages sends on no socket: its stream may be a pipe or "
	       "a file";
}

static void tell_doubt(struct daemon *daemon, struct refusal *refusal,
		       const struct kcoh_refusals *now)
{
	const char *doubt = doubt_of(refusal, now);
	bool by = now->doubts > refusal->before.doubts && now->tid;
	char sentence[256];

	if (refusal->told == doubt)
		return;
	refusal->told = doubt;
	if (by)
		snprintf(sentence, sizeof(sentence),
			 "not refused: %s (thread %" PRIu32 ", socket:[%" PRIu64 "])", doubt,
			 now->tid, now->inode);
	else
		snprintf(sentence, sizeof(sentence), "not refused: %s", doubt);
	say_vm(LOG_WARNING, refusal->ident, refusal->reason, "its migration stream is %s",
	       sentence);
	log_of(daemon, refusal, KCOH_OUTCOME_FAILED, sentence);
}

static struct kcoh_refusals refusals_of(struct daemon *daemon, const struct refusal *refusal)
{
	struct kcoh_refusals now;

	if (kcoh_feed_refusals(daemon->feed, refusal->ident->pid, &now) < 0)
		now = (struct kcoh_refusals){ .late = true };
	return now;
}

/* `last`: it is about to be over. */
static void sharp_look(struct daemon *daemon, struct refusal *refusal, bool last)
{
	struct kcoh_refusals now = refusals_of(daemon, refusal);

	if (refusal->done)
		return;
	if (now.refused > refusal->before.refused)
		tell_refused(daemon, refusal, &now);
	else if (last || now_ns() - refusal->since_ns >= DOUBT_NS)
		tell_doubt(daemon, refusal, &now);
}

/* --- who is watched ----------------------------------------------------------------------------------------- */

static void watch(struct daemon *daemon, const struct kcoh_vm_view *view)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(daemon->roster, view->id);
	struct refusal *refusal;

	if (!vm || is_shared(daemon, vm->ident->pid))
		return;
	refusal = calloc(1, sizeof(*refusal));
	if (!refusal)
		return;
	refusal->ident = kcoh_ident_ref(vm->ident);
	refusal->ram_pages = view->ram_pages;
	refusal->seen = true;
	LIST_INSERT_HEAD(&daemon->refusals, refusal, link);
	if (tell_kernel(daemon, refusal) < 0)
		refusal_free(daemon, refusal);
}

static int vm_look(const struct kcoh_vm_view *view, void *ctx)
{
	struct daemon *daemon = ctx;
	struct refusal *refusal;

	if (!view->last_resort || !view->ram_pages)
		return 0;
	refusal = refusal_find(daemon, view->id);
	if (!refusal) {
		watch(daemon, view);
		return 0;
	}
	refusal->seen = true;
	if (refusal->since_ns || refusal->ram_pages != view->ram_pages) {
		refusal->ram_pages = view->ram_pages;
		tell_kernel(daemon, refusal);
	}
	return 0;
}

/* --- the acts ----------------------------------------------------------------------------------------------- */

static void cannot(struct daemon *daemon, const struct kcoh_act *act,
		   const struct kcoh_ident *ident, int err, const char *why)
{
	say_vm(LOG_ERR, ident, act->reason, "cannot refuse its migration stream: %s", why);
	act_log(daemon, act, ident, KCOH_OUTCOME_FAILED, err, why);
}

/* A VM that was met in mid-migration may not be watched yet. */
static struct refusal *refusal_get(struct daemon *daemon, uint32_t vm)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(daemon->core, vm, &view) == 0)
		vm_look(&view, daemon);
	return refusal_find(daemon, vm);
}

static void sharpen(struct daemon *daemon, const struct kcoh_act *act, struct kcoh_ident *ident)
{
	struct refusal *refusal;
	const char *why = "";
	int err = kcoh_feed_refuse(daemon->feed, true, &why);

	if (err < 0) {
		cannot(daemon, act, ident, err, why);
		return;
	}
	refusal = refusal_get(daemon, ident->id);
	if (!refusal) {
		cannot(daemon, act, ident, -ENOENT,
		       "it was not watched, because there are too many, or its process has "
		       "another virtual machine");
		return;
	}
	refusal->before = refusals_of(daemon, refusal);
	refusal->since_ns = now_ns();
	refusal->reason = act->reason;
	refusal->told = NULL;
	refusal->done = false;
	err = tell_kernel(daemon, refusal);
	if (err < 0) { /* the next tick tries again */
		cannot(daemon, act, ident, err, strerror(-err));
		return;
	}
	say_vm(LOG_NOTICE, ident, act->reason,
	       "cannot be cancelled, so its migration stream is refused: %s",
	       kcoh_reason_sentence(act->reason));
	act_log(daemon, act, ident, KCOH_OUTCOME_STARTED, 0, NULL);
}

static void blunt(struct daemon *daemon, const struct kcoh_act *act, struct kcoh_ident *ident)
{
	struct refusal *refusal = refusal_find(daemon, ident->id);
	struct kcoh_refusals now;
	char sentence[128];
	uint64_t sends;

	if (!refusal || !refusal->since_ns)
		return;
	sharp_look(daemon, refusal, true);
	refusal->since_ns = 0;
	tell_kernel(daemon, refusal);
	now = refusals_of(daemon, refusal);
	sends = now.refused - refusal->before.refused;
	snprintf(sentence, sizeof(sentence),
		 "its migration stream is refused no more; %" PRIu64 " %s", sends,
		 sends == 1 ? "send was" : "sends were");
	say_vm(LOG_INFO, ident, act->reason, "%s", sentence);
	act_log(daemon, act, ident, KCOH_OUTCOME_DONE, 0, sentence);
}

void refusal_start(struct daemon *daemon, const struct kcoh_act *act, struct kcoh_ident *ident)
{
	static const char dry[] = "would have refused its migration stream, but for --dry-run";

	if (act->type == KCOH_ACT_ADMIT) {
		blunt(daemon, act, ident);
	} else if (daemon->options.dry_run) {
		say_vm(LOG_WARNING, ident, act->reason, "%s", dry);
		act_log(daemon, act, ident, KCOH_OUTCOME_DRY, 0, dry);
	} else {
		sharpen(daemon, act, ident);
	}
}

/* --- ten times a second --------------------------------------------------------------------------------------- */

/* Attached while it may be needed. False: it is not, or cannot be. */
static bool is_on(struct daemon *daemon)
{
	bool wanted = kcoh_config_last_resort(daemon->config);
	const char *why = "";
	int err = kcoh_feed_refuse(daemon->feed, wanted, &why);

	if (wanted && err < 0 && err != daemon->refuse_error)
		say(LOG_WARNING, "last_resort = yes does nothing on this host: %s", why);
	daemon->refuse_error = wanted ? err : 0;
	return wanted && err == 0;
}

void refusals_look(struct daemon *daemon)
{
	bool on = is_on(daemon);
	struct refusal *refusal, *next;

	LIST_FOREACH(refusal, &daemon->refusals, link)
	refusal->seen = false;
	if (on)
		kcoh_core_each_vm(daemon->core, vm_look, daemon);
	for (refusal = LIST_FIRST(&daemon->refusals); refusal; refusal = next) {
		next = LIST_NEXT(refusal, link);
		if (!refusal->seen)
			refusal_free(daemon, refusal);
		else if (refusal->since_ns)
			sharp_look(daemon, refusal, false);
	}
}

void refusals_forget(struct daemon *daemon, uint32_t vm)
{
	struct refusal *refusal = refusal_find(daemon, vm);

	if (refusal)
		refusal_free(daemon, refusal);
}

void refusals_down(struct daemon *daemon)
{
	struct refusal *refusal;

	while ((refusal = LIST_FIRST(&daemon->refusals)))
		refusal_free(daemon, refusal);
}
