// SPDX-License-Identifier: GPL-2.0-only
/*
 * acts.c - carries out what the core decides: cancels, alerts, scans; arms.c what the module is told, refusals.c the last resort.
 *
 * A cancel is a job of its own on the loop, at most one a VM. It ends within 8 s, with an ACT_DONE that the core gets and
 * an `act` event that people get; the core allows an act 10 s, and decides whether to try again. Under guard = warn,
 * where there is no way to cancel, and with --dry-run, acts are dry: said, not done. The way is the QMP socket that the configuration names
 * for the VM, or, without one, libvirt if it runs that VM.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "act/cancel.h"
#include "act/libvirt.h"
#include "kcohd/daemon.h"

#define JOB_NS (8ull * 1000000000)

struct cancel_job {
	LIST_ENTRY(cancel_job) link;
	struct daemon *daemon;
	struct kcoh_ident *ident;
	struct kcoh_act act;
	struct kcoh_cancel *by_qmp; /* one of the two */
	struct kcoh_libvirt_cancel *by_libvirt;
	enum kcoh_phase phase; /* as QEMU told it last */
};

void act_log(struct daemon *daemon, const struct kcoh_act *act, const struct kcoh_ident *ident,
	     enum kcoh_outcome outcome, int result, const char *sentence)
{
	struct kcoh_entry entry = {
		.ts_ns = now_ns(),
		.vm = act->vm,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_ACT,
		.ident = (struct kcoh_ident *)ident,
		.act = { .act = act->type,
			 .reason = act->reason,
			 .outcome = outcome,
			 .result = result,
			 .sentence = sentence ? strdup(sentence) : NULL },
	};

	kcoh_log_add(daemon->log, &entry);
}

static struct kcoh_ev_hdr header_of(const struct kcoh_ident *ident, uint16_t type, uint16_t size)
{
	struct kcoh_ev_hdr hdr = header_now(type, size);

	hdr.vm = ident->id;
	return hdr;
}

static void job_free(struct cancel_job *job)
{
	LIST_REMOVE(job, link);
	kcoh_cancel_free(job->by_qmp);
	kcoh_libvirt_cancel_free(job->by_libvirt);
	kcoh_ident_unref(job->ident);
	free(job);
}

static void phase_push(struct cancel_job *job, enum kcoh_phase phase)
{
	struct kcoh_ev_phase ev = { .hdr = header_of(job->ident, KCOH_EV_PHASE, sizeof(ev)),
				    .phase = phase };

	if (phase == job->phase)
		return;
	job->phase = phase;
	push(job->daemon, &ev);
}

static void on_phase(void *ctx, enum kcoh_phase phase)
{
	phase_push(ctx, phase);
}

static bool is_over(enum kcoh_phase phase)
{
	return phase == KCOH_PHASE_NONE || phase == KCOH_PHASE_COMPLETED ||
	       phase == KCOH_PHASE_FAILED || phase == KCOH_PHASE_CANCELLED;
}

/* Nobody watches the phase any more: what was seen last must not stand for what is. */
static void phase_forget(struct cancel_job *job)
{
	if (!is_over(job->phase))
		phase_push(job, KCOH_PHASE_NONE);
}

static void on_done(void *ctx, int result, const char *sentence)
{
	struct cancel_job *job = ctx;
	struct daemon *daemon = job->daemon;
	struct kcoh_ev_act_done ev = { .act = KCOH_ACT_CANCEL, .result = result };

	act_log(daemon, &job->act, job->ident, result < 0 ? KCOH_OUTCOME_FAILED : KCOH_OUTCOME_DONE,
		result, sentence);
	if (result < 0)
		say_vm(LOG_ERR, job->ident, job->act.reason, "cannot cancel its migration: %s",
		       sentence);
	else
		say_vm(LOG_NOTICE, job->ident, job->act.reason, "%s", sentence);
	phase_forget(job);
	ev.hdr = header_of(job->ident, KCOH_EV_ACT_DONE, sizeof(ev));
	job_free(job);
	push(daemon, &ev);
}

static struct cancel_job *job_find(struct daemon *daemon, uint32_t vm)
{
	struct cancel_job *job;

	LIST_FOREACH(job, &daemon->jobs, link)
	{
		if (job->ident->id == vm)
			return job;
	}
	return NULL;
}

static int qmp_start(struct cancel_job *job, const char *path)
{
	const struct kcoh_cancel_config config = { .event = job->daemon->event,
						   .path = path,
						   .pid = job->ident->pid,
						   .total_ns = JOB_NS,
						   .phase = on_phase,
						   .done = on_done,
						   .ctx = job };

	return kcoh_cancel_start(&config, &job->by_qmp);
}

/* Its phases come by libvirt's events, whoever ends it. */
static int libvirt_start(struct cancel_job *job)
{
	const struct kcoh_libvirt_cancel_config config = { .uuid = job->ident->uuid,
							   .pid = job->ident->pid,
							   .total_ns = JOB_NS,
							   .done = on_done,
							   .ctx = job };

	return kcoh_libvirt_cancel(job->daemon->libvirt, &config, &job->by_libvirt);
}

static int job_start(struct daemon *daemon, const struct kcoh_act *act, struct kcoh_ident *ident)
{
	struct cancel_job *job = calloc(1, sizeof(*job));
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int err = qmp_path(daemon, ident, path, sizeof(path));

	if (!job)
		return -ENOMEM;
	job->daemon = daemon;
	job->act = *act;
	job->ident = kcoh_ident_ref(ident);
	LIST_INSERT_HEAD(&daemon->jobs, job, link);
	if (err == 0)
		err = qmp_start(job, path);
	else if (err == -ENOENT && libvirt_has(daemon, ident))
		err = libvirt_start(job);
	if (err < 0)
		job_free(job);
	return err;
}

static const char *dry_sentence(const struct daemon *daemon, const struct kcoh_ident *ident)
{
	struct kcoh_policy policy = kcoh_config_policy(daemon->config, ident->name, ident->uuid);

	if (daemon->options.dry_run)
		return "would have cancelled its migration, but for --dry-run";
	if (policy.guard == KCOH_GUARD_WARN)
		return "would have cancelled its migration, but guard = warn";
	if (!policy.cancel)
		return "would have cancelled its migration, but cancel = no";
	if (daemon->libvirt)
		return "would have cancelled its migration, but the configuration gives no usable "
		       "qmp = for it, and libvirt does not have it";
	return "would have cancelled its migration, but the configuration gives no usable qmp = "
	       "for it, and no libvirt =";
}

static void cancel_dry(struct daemon *daemon, const struct kcoh_act *act, struct kcoh_ident *ident)
{
	const char *sentence = dry_sentence(daemon, ident);

	say_vm(LOG_WARNING, ident, act->reason, "%s (%s)", sentence, kcoh_reason_name(act->reason));
	act_log(daemon, act, ident, KCOH_OUTCOME_DRY, 0, sentence);
}

static void cancel_start(struct daemon *daemon, const struct kcoh_act *act,
			 struct kcoh_ident *ident)
{
	int err;

	if (act->dry) {
		cancel_dry(daemon, act, ident);
		return;
	}
	if (daemon->evacuations && kcoh_evacuations_veto(daemon->evacuations, act->vm)) {
		act_log(daemon, act, ident, KCOH_OUTCOME_STARTED, 0, NULL);
		return; /* its socket is held by the evacuation, which ends by the same verdict */
	}
	if (job_find(daemon, act->vm))
		return; /* its end is the answer to this one too */
	err = job_start(daemon, act, ident);
	if (err < 0) { /* the core notices that no ACT_DONE came, and asks again */
		say_vm(LOG_ERR, ident, act->reason, "cannot cancel its migration: %s",
		       strerror(-err));
		act_log(daemon, act, ident, KCOH_OUTCOME_FAILED, err, strerror(-err));
		return;
	}
	say_vm(LOG_NOTICE, ident, act->reason, "cancelling its migration: %s",
	       kcoh_reason_sentence(act->reason));
	act_log(daemon, act, ident, KCOH_OUTCOME_STARTED, 0, NULL);
}

/* Every guest boots with its MMU off: worth a warning only while its RAM is being read. */
static int alert_priority(struct daemon *daemon, uint32_t vm)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(daemon->core, vm, &view) == 0 && view.tracked && !view.in_epoch)
		return LOG_INFO;
	return LOG_WARNING;
}

static void alert(struct daemon *daemon, const struct kcoh_act *act, const struct kcoh_ident *ident)
{
	const char *sentence = kcoh_reason_sentence(act->reason);

	say_vm(alert_priority(daemon, ident->id), ident, act->reason,
	       "must not be migrated now: %s", sentence);
	act_log(daemon, act, ident, KCOH_OUTCOME_DONE, 0, sentence);
}

void act_start(void *ctx, const struct kcoh_act *act)
{
	struct daemon *daemon = ctx;
	struct kcoh_roster_vm *vm = kcoh_roster_find(daemon->roster, act->vm);

	switch (act->type) {
	case KCOH_ACT_RESCAN:
		daemon->rescan = true;
		say(LOG_WARNING,
		    "records were lost: reading again which virtual machines there are");
		act_log(daemon, act, NULL, KCOH_OUTCOME_STARTED, 0, NULL);
		break;
	case KCOH_ACT_CANCEL:
		if (vm)
			cancel_start(daemon, act, vm->ident);
		break;
	case KCOH_ACT_ALERT:
		if (vm)
			alert(daemon, act, vm->ident);
		break;
	case KCOH_ACT_ARM:
	case KCOH_ACT_DISARM:
		if (vm)
			arm_start(daemon, act, vm->ident);
		break;
	case KCOH_ACT_REFUSE:
	case KCOH_ACT_ADMIT:
		if (vm)
			refusal_start(daemon, act, vm->ident);
		break;
	case KCOH_ACT_CLEAN: /* clean.c; the core never asks for it */
		break;
	}
}

void acts_forget(void *ctx, const struct kcoh_ident *ident)
{
	struct daemon *daemon = ctx;
	struct cancel_job *job = job_find(daemon, ident->id);

	arms_forget(daemon, ident->id);
	refusals_forget(daemon, ident->id);
	overrides_forget(daemon, ident->id);
	if (daemon->evacuations)
		kcoh_evacuations_gone(daemon->evacuations, ident);
	if (job)
		job_free(job);
}

void acts_down(struct daemon *daemon)
{
	struct cancel_job *job;

	while ((job = LIST_FIRST(&daemon->jobs)))
		job_free(job);
	cleanings_down(daemon);
	refusals_down(daemon);
	arms_close(daemon);
}
