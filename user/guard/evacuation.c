// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuation.c - one evacuation: what is done next, by state, verdict and time.
 *
 *   state       allow, repair        wait                         veto
 *   waiting     begin                wait, until time is over     refused (strategy `retry`: wait)
 *   starting    -                    -                            cancel
 *   migrating   -                    -                            cancel (`retry`: and try again)
 *   paused      let it switch over   for pause_ns, then cancel    cancel (`retry`: and try again)
 *                                    and try again
 *   switching   -                    -                            - (see migration.c), but cancel what hangs for 30 s
 *
 * It is looked at ten times a second and whenever QEMU tells something, so a guest that is paused before its switchover waits for the
 * verdict as long as it takes to ask for it: microseconds. Cleaning needs no step of its own: what the last harvests returned is
 * cleaned before QEMU reads it, and a page that could not be cleaned makes the verdict `veto`.
 *
 * Whether the guard warns or enforces does not matter here: who asks for a guarded evacuation gets one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/phase.h"
#include "guard/internal.h"
#include "host/clock.h"

#define SWITCHING_NS (30ull * 1000000000)
#define ATTEMPTS_MAX 10
#define AGAIN_NS 1000000000ull /* times the attempts so far */

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static void log_add(struct evacuation *one)
{
	const struct kcoh_evacuation_view *view = &one->view;
	struct kcoh_entry entry = {
		.ts_ns = now_ns(),
		.vm = one->ident->id,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_EVACUATION,
		.ident = one->ident,
		.evacuation = { .id = view->id,
				.state = view->state,
				.cause = view->cause,
				.reason = view->reason,
				.attempt = view->attempt,
				.taken_over = view->taken_over,
				.over = kcoh_evacuation_is_over(view->state),
				.downtime_ms = view->progress.downtime_ms,
				.total_ms = view->progress.total_ms,
				.sent_bytes = view->progress.sent_bytes,
				.destination = strdup(view->destination),
				.sentence = *one->sentence ? strdup(one->sentence) : NULL },
	};

	kcoh_log_add(one->all->config.log, &entry);
}

static void state_set(struct evacuation *one, enum kcoh_evacuation_state state,
		      const char *sentence)
{
	uint64_t now = now_ns();

	if (one->view.state == KCOH_EVACUATION_PAUSED)
		one->view.paused_ns += now - one->view.state_since_ns;
	one->view.state = state;
	one->view.state_since_ns = now;
	snprintf(one->sentence, sizeof(one->sentence), "%s", sentence);
	log_add(one);
}

static void end(struct evacuation *one, enum kcoh_evacuation_state state,
		enum kcoh_evacuation_cause cause, const char *sentence)
{
	bool tell = one->core_wants;

	one->view.cause = cause;
	one->view.end_ns = now_ns();
	one->core_wants = false;
	kcoh_migration_free(one->job);
	one->job = NULL;
	kcoh_mark_remove(one->all->marks, one->mark->pid);
	state_set(one, state, sentence);
	evacuations_count_end(one->all);
	if (tell)
		one->all->config.vetoed(one->all->config.ctx, one->ident,
					state == KCOH_EVACUATION_CANCELLED ? 0 : -ECANCELED,
					one->sentence);
}

/* A VM that the core does not know may not leave either. */
static struct kcoh_vm_view view_of(const struct evacuation *one)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(one->all->config.core, one->ident->id, &view) == 0)
		return view;
	return (struct kcoh_vm_view){ .verdict = { .kind = KCOH_VERDICT_VETO,
						   .reason = KCOH_RSN_TOO_MANY } };
}

static bool is_allowed(const struct kcoh_verdict *verdict)
{
	return verdict->kind == KCOH_VERDICT_ALLOW || verdict->kind == KCOH_VERDICT_REPAIR;
}

/* What strategy `retry` vetoes for passes: the window closes, and the epoch that it was in ends. */
static bool passes(const struct kcoh_vm_view *view)
{
	const struct kcoh_verdict *verdict = &view->verdict;

	return verdict->kind == KCOH_VERDICT_WAIT ||
	       (view->strategy == KCOH_STRATEGY_RETRY &&
		(verdict->reason == KCOH_RSN_MMU_OFF || verdict->reason == KCOH_RSN_RETRY));
}

/* --- what the migration tells ---------------------------------------------------------------------------- */

static int on_starting(void *ctx, const struct kcoh_migration_past *past)
{
	struct evacuation *one = ctx;

	one->mark->past = *past;
	return kcoh_mark_write(one->all->marks, one->mark);
}

/* What QEMU is at, if that is news: what was decided since comes first. */
static void phase_take(struct evacuation *one, enum kcoh_phase phase)
{
	enum kcoh_evacuation_state state = one->view.state;
	bool undecided = state == KCOH_EVACUATION_STARTING || state == KCOH_EVACUATION_MIGRATING;

	if (state == KCOH_EVACUATION_STARTING &&
	    (phase == KCOH_PHASE_SETUP || phase == KCOH_PHASE_ACTIVE))
		state_set(one, KCOH_EVACUATION_MIGRATING, "");
	else if (undecided && phase == KCOH_PHASE_PRE_SWITCHOVER)
		state_set(one, KCOH_EVACUATION_PAUSED, "");
	else if ((undecided || state == KCOH_EVACUATION_PAUSED) && phase == KCOH_PHASE_DEVICE)
		state_set(one, KCOH_EVACUATION_SWITCHING, "it went on without being asked");
}

static void on_news(void *ctx, enum kcoh_phase phase,
		    const struct kcoh_migration_progress *progress)
{
	struct evacuation *one = ctx;

	one->view.progress = *progress;
	phase_take(one, phase);
	evacuation_decide(one);
	one->all->config.phase(one->all->config.ctx, one->ident, phase);
}

static void wait_again(struct evacuation *one, const char *why)
{
	char sentence[sizeof(one->sentence)];

	snprintf(sentence, sizeof(sentence), "to be tried again: %s", why);
	kcoh_migration_free(one->job);
	one->job = NULL;
	kcoh_mark_remove(one->all->marks, one->mark->pid);
	one->next_ns = now_ns() + AGAIN_NS * one->view.attempt;
	one->again = false;
	one->view.cause = KCOH_CAUSE_NONE;
	if (one->core_wants)
		one->all->config.vetoed(one->all->config.ctx, one->ident, 0, sentence);
	one->core_wants = false;
	state_set(one, KCOH_EVACUATION_WAITING, sentence);
}

/* It was cancelled, or not begun any more: the cancel's own sentence says why, QEMU's where the guest is. */
static void end_stopped(struct evacuation *one, enum kcoh_evacuation_state state,
			const char *sentence)
{
	char both[sizeof(one->sentence)];

	snprintf(both, sizeof(both), "%.300s: %.300s", sentence, one->sentence);
	end(one, state, one->view.cause, both);
}

static void end_cancelled(struct evacuation *one, const char *sentence)
{
	if (one->view.cause)
		end_stopped(one, KCOH_EVACUATION_CANCELLED, sentence);
	else
		end(one, KCOH_EVACUATION_CANCELLED, KCOH_CAUSE_QEMU,
		    "somebody else cancelled it, the guest runs on here");
}

static void end_refused(struct evacuation *one, const char *sentence)
{
	if (one->view.cause)
		end_stopped(one, KCOH_EVACUATION_REFUSED, sentence);
	else
		end(one, KCOH_EVACUATION_REFUSED, KCOH_CAUSE_QEMU, sentence);
}

/*
 * The QEMU that waited for an attempt ends with it, and whoever starts another one there needs a moment: until then QEMU cannot
 * connect, or nobody answers.
 */
static bool destination_may_come(const struct evacuation *one)
{
	return one->view.attempt > 1 && !one->view.progress.sent_bytes && !one->view.cause;
}

static bool is_tried_again(struct evacuation *one, const char *sentence)
{
	if (one->view.attempt >= ATTEMPTS_MAX)
		return false;
	if (one->again)
		wait_again(one, kcoh_reason_sentence(one->view.reason));
	else if (destination_may_come(one))
		wait_again(one, sentence);
	else
		return false;
	return true;
}

static void on_over(void *ctx, enum kcoh_migration_end how, const char *sentence)
{
	struct evacuation *one = ctx;

	switch (how) {
	case KCOH_MIGRATION_COMPLETED:
		end(one, KCOH_EVACUATION_COMPLETED, KCOH_CAUSE_NONE, sentence);
		break;
	case KCOH_MIGRATION_CANCELLED:
		if (!one->again || !is_tried_again(one, sentence))
			end_cancelled(one, sentence);
		break;
	case KCOH_MIGRATION_REFUSED:
		if (!is_tried_again(one, sentence))
			end_refused(one, sentence);
		break;
	case KCOH_MIGRATION_GONE:
		evacuation_lost(one);
		break;
	case KCOH_MIGRATION_FAILED:
		if (!is_tried_again(one, sentence))
			end(one, KCOH_EVACUATION_FAILED, KCOH_CAUSE_QEMU, sentence);
		break;
	}
}

static void job_start(struct evacuation *one, const char *uri)
{
	const struct kcoh_migration_config config = {
		.event = one->all->config.event,
		.path = one->mark->qmp,
		.pid = one->mark->pid,
		.uri = uri,
		.past = one->mark->past,
		.starting = on_starting,
		.news = on_news,
		.over = on_over,
		.ctx = one,
	};
	int err;

	one->view.attempt++;
	one->view.progress = (struct kcoh_migration_progress){ 0 };
	state_set(one, KCOH_EVACUATION_STARTING, uri ? "" : "taken over from the kcohd before");
	err = kcoh_migration_start(&config, &one->job);
	if (err < 0)
		end(one, KCOH_EVACUATION_REFUSED, KCOH_CAUSE_QEMU, strerror(-err));
}

/* --- what is decided ------------------------------------------------------------------------------------- */

void evacuation_cancel(struct evacuation *one, enum kcoh_evacuation_cause cause,
		       const char *sentence, bool again)
{
	one->view.cause = cause;
	one->again = again && !one->view.taken_over;
	if (!one->job) {
		end(one, one->view.attempt ? KCOH_EVACUATION_CANCELLED : KCOH_EVACUATION_REFUSED,
		    cause, sentence);
		return;
	}
	state_set(one, KCOH_EVACUATION_CANCELLING, sentence);
	kcoh_migration_cancel(one->job);
}

static void out_of_time(struct evacuation *one, const struct kcoh_verdict *verdict)
{
	char sentence[256] = "it did not end in time";

	if (one->view.state == KCOH_EVACUATION_WAITING)
		snprintf(sentence, sizeof(sentence), "time is over while it waits: %s",
			 kcoh_reason_sentence(verdict->reason));
	evacuation_cancel(one, KCOH_CAUSE_TIME, sentence, false);
}

static void decide_waiting(struct evacuation *one, const struct kcoh_vm_view *view)
{
	const char *sentence = kcoh_reason_sentence(view->verdict.reason);

	if (now_ns() < one->next_ns)
		return;
	if (is_allowed(&view->verdict))
		job_start(one, one->mark->destination);
	else if (!passes(view))
		evacuation_cancel(one, KCOH_CAUSE_VERDICT, sentence, false);
	else if (!*one->sentence)
		state_set(one, KCOH_EVACUATION_WAITING, sentence);
}

static void decide_paused(struct evacuation *one, const struct kcoh_vm_view *view)
{
	const char *sentence = kcoh_reason_sentence(view->verdict.reason);

	if (is_allowed(&view->verdict)) {
		state_set(one, KCOH_EVACUATION_SWITCHING, "");
		kcoh_migration_continue(one->job);
	} else if (view->verdict.kind == KCOH_VERDICT_VETO) {
		evacuation_cancel(one, KCOH_CAUSE_VERDICT, sentence, passes(view));
	} else if (now_ns() - one->view.state_since_ns >= one->mark->pause_ns) {
		evacuation_cancel(one, KCOH_CAUSE_VERDICT, sentence, true);
	}
}

void evacuation_decide(struct evacuation *one)
{
	struct kcoh_vm_view view = view_of(one);
	const struct kcoh_verdict *verdict = &view.verdict;
	enum kcoh_evacuation_state state = one->view.state;

	if (state >= KCOH_EVACUATION_CANCELLING)
		return;
	one->view.reason = verdict->reason;
	if (state == KCOH_EVACUATION_SWITCHING) {
		if (now_ns() - one->view.state_since_ns >= SWITCHING_NS)
			evacuation_cancel(one, KCOH_CAUSE_TIME, "the switchover hung", false);
	} else if (state == KCOH_EVACUATION_PAUSED) {
		decide_paused(one, &view);
	} else if (now_ns() >= one->view.deadline_ns) {
		out_of_time(one, verdict);
	} else if (state == KCOH_EVACUATION_WAITING) {
		decide_waiting(one, &view);
	} else if (verdict->kind == KCOH_VERDICT_VETO) {
		evacuation_cancel(one, KCOH_CAUSE_VERDICT, kcoh_reason_sentence(verdict->reason),
				  passes(&view));
	}
}

/* A guest that was let go may have left just before QEMU ended: only who looks at the destination knows. */
void evacuation_lost(struct evacuation *one)
{
	one->core_wants = false;
	if (one->view.state == KCOH_EVACUATION_SWITCHING)
		end(one, KCOH_EVACUATION_FAILED, KCOH_CAUSE_QEMU,
		    "QEMU ended while it switched over: whether the guest has left, the "
		    "destination "
		    "knows");
	else
		end(one, KCOH_EVACUATION_FAILED, KCOH_CAUSE_QEMU,
		    "QEMU has ended, and the guest with it");
}

/* --- its life -------------------------------------------------------------------------------------------- */

struct evacuation *evacuation_new(struct kcoh_evacuations *all, struct kcoh_ident *ident,
				  struct kcoh_mark *mark)
{
	struct evacuation *one = calloc(1, sizeof(*one));

	if (!one)
		return NULL;
	one->all = all;
	one->ident = kcoh_ident_ref(ident);
	one->mark = mark;
	one->view = (struct kcoh_evacuation_view){ .ident = ident,
						   .destination = mark->destination,
						   .since_ns = now_ns(),
						   .sentence = one->sentence };
	return one;
}

void evacuation_free(struct evacuation *one)
{
	kcoh_migration_free(one->job);
	kcoh_ident_unref(one->ident);
	kcoh_mark_free(one->mark);
	free(one);
}

void evacuation_begin(struct evacuation *one, uint64_t timeout_ns, uint64_t pause_ns)
{
	one->mark->pause_ns = pause_ns;
	one->mark->deadline_ns = one->view.since_ns + timeout_ns;
	one->view.deadline_ns = one->mark->deadline_ns;
	one->view.state_since_ns = one->view.since_ns;
	log_add(one);
	evacuation_decide(one);
}

/* It has the time that it was given, and no further attempt. */
void evacuation_take_over(struct evacuation *one)
{
	one->view.deadline_ns = one->mark->deadline_ns;
	one->view.taken_over = true;
	job_start(one, NULL);
}
