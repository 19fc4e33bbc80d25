// SPDX-License-Identifier: GPL-2.0-only
/*
 * acts.c - from verdicts to acts: what is done, once, and what when it fails.
 *
 *   CANCEL  a veto stands while a migration is on: RAM is logged (epoch), or the phase is setup,
 *           active or pre-switchover. Once for such a span; again when another epoch begins in
 *           it, or when the phase changes to one of these three after a cancel that was said to
 *           have worked, or logging of a slot is switched on: the end of the migration that it
 *           hit may have been lost. A failed one (or one unanswered for 10 s, or one that was
 *           carried out, and 10 s later the migration goes on) is tried again, 1 s apart, 3
 *           times, and then given up, with an alert.
 *   ALERT   a verdict becomes veto. Not again within 60 s for the same reason, unless a migration
 *           began since: a guest that toggles in a loop is one piece of news. Also beside a
 *           cancel that is only said (dry), because the guard only warns or because there is no
 *           way to cancel this VM's migration.
 *   ARM     the module is to carry this VM's strategy (give.c), or, DISARM, no more.
 *   REFUSE  a veto stands that no cancel can carry out (refuse.c), or, ADMIT, no more.
 *   RESCAN  sync.c asks for it.
 *
 * An example, enforced, can_cancel: 0 s SETUP with vCPU 0 uncached -> ALERT was given when it
 * went off; CANCEL. 0.1 s ACT_DONE -ECONNREFUSED. 1.1 s TICK -> CANCEL. ACT_DONE 0. CANCELLED:
 * the span ends. The next SETUP: CANCEL.
 *
 * An act becomes due in the VM and is handed out at the end of the step, as far as there is room;
 * the rest with the next step. A VM that was met in the middle of its life gets no acts before a
 * scan has read it (but not for longer than 10 s): half a VM is not judged. One that is just born
 * gets none with its VM_NEW, so that its own policy can come first.
 */
#include "core/state.h"

#define DUE_CANCEL (1u << 0)
#define DUE_ALERT (1u << 1)
#define DUE_GIVE (1u << 2)
#define DUE_REFUSE (1u << 3)

#define ALERT_QUIET_NS (60 * SEC_NS)
#define CANCEL_LIMIT_NS (10 * SEC_NS) /* no answer for so long is a failure */
#define CANCEL_PAUSE_NS SEC_NS
#define READING_LIMIT_NS (10 * SEC_NS)
#define CANCEL_RETRIES 3

bool kcoh_phase_live(uint32_t phase)
{
	return phase == KCOH_PHASE_SETUP || phase == KCOH_PHASE_ACTIVE ||
	       phase == KCOH_PHASE_PRE_SWITCHOVER;
}

static bool is_vetoed(const struct vm *vm)
{
	return vm->verdict.kind == KCOH_VERDICT_VETO;
}

static bool is_dry(const struct policy *policy)
{
	return policy->guard == KCOH_GUARD_WARN || !policy->can_cancel;
}

static void set_due(struct kcoh_core *core, struct vm *vm, uint8_t due)
{
	vm->acts.due |= due;
	core->due = true;
}

static void alert(struct kcoh_core *core, struct vm *vm)
{
	vm->acts.alert_ns = core->now_ns;
	vm->acts.alert_reason = (uint8_t)vm->verdict.reason;
	set_due(core, vm, DUE_ALERT);
}

static bool is_old_news(const struct kcoh_core *core, const struct vm *vm)
{
	return vm->acts.alert_reason == vm->verdict.reason &&
	       core->now_ns < after_ns(vm->acts.alert_ns, ALERT_QUIET_NS);
}

static void weigh_alert(struct kcoh_core *core, struct vm *vm)
{
	bool news = is_vetoed(vm) && !vm->acts.vetoed;

	vm->acts.vetoed = is_vetoed(vm);
	if (!news)
		return;
	if (is_old_news(core, vm))
		core->stats.alerts_quiet++;
	else
		alert(core, vm);
}

static void cancel_failed(struct kcoh_core *core, struct vm *vm)
{
	if (vm->acts.tries++ < CANCEL_RETRIES) {
		vm->acts.cancel = CANCEL_FAILED;
		vm->acts.next_ns = after_ns(core->now_ns, CANCEL_PAUSE_NS);
		return;
	}
	vm->acts.cancel = CANCEL_GIVEN_UP;
	if (is_vetoed(vm))
		alert(core, vm);
}

static void cancel_done(struct kcoh_core *core, struct vm *vm)
{
	vm->acts.cancel = CANCEL_DONE;
	vm->acts.next_ns = after_ns(core->now_ns, CANCEL_LIMIT_NS);
}

static void cancel_due(struct kcoh_core *core, struct vm *vm)
{
	vm->acts.dry = is_dry(&vm->policy);
	set_due(core, vm, DUE_CANCEL);
	if (vm->acts.dry)
		alert(core, vm);
}

/* No answer, or it was carried out and what it was to end goes on. */
static bool is_overdue(const struct kcoh_core *core, const struct vm *vm)
{
	const struct acts *acts = &vm->acts;

	if (core->now_ns < acts->next_ns)
		return false;
	return acts->cancel == CANCEL_SENT ||
	       (acts->cancel == CANCEL_DONE && !acts->dry && acts->migrating && is_vetoed(vm));
}

static void weigh_cancel(struct kcoh_core *core, struct vm *vm)
{
	struct acts *acts = &vm->acts;

	if (is_overdue(core, vm))
		cancel_failed(core, vm);
	if (acts->cancel == CANCEL_DONE && acts->dry && !is_dry(&vm->policy))
		acts->cancel = CANCEL_IDLE;
	if (!acts->migrating || !is_vetoed(vm))
		acts->due &= ~DUE_CANCEL; /* what was not handed out yet, is not */
	else if (acts->cancel == CANCEL_IDLE ||
		 (acts->cancel == CANCEL_FAILED && core->now_ns >= acts->next_ns))
		cancel_due(core, vm);
}

/* A migration begins or ends: the next one is another matter. */
void kcoh_acts_span(struct vm *vm)
{
	bool migrating = vm->epoch.on || kcoh_phase_live(vm->phase);

	if (migrating == vm->acts.migrating)
		return;
	vm->acts.migrating = migrating;
	if (migrating) {
		vm->defer_ns = 0; /* the wait of this one begins with it */
		kcoh_override_span(vm);
		kcoh_epoch_span(vm);
	}
	vm->acts.cancel = CANCEL_IDLE;
	vm->acts.tries = 0;
	vm->acts.alert_reason = KCOH_RSN_NONE;
}

static bool is_being_read(const struct kcoh_core *core, const struct vm *vm)
{
	return (vm->blind & BLIND_SYNC) &&
	       core->now_ns < after_ns(vm->windows[KCOH_WINDOW_BLIND].since_ns, READING_LIMIT_NS);
}

void kcoh_acts_weigh(struct kcoh_core *core, struct vm *vm)
{
	if (is_being_read(core, vm))
		return;
	weigh_alert(core, vm);
	weigh_cancel(core, vm);
	if (kcoh_give_weigh(core, vm))
		set_due(core, vm, DUE_GIVE);
	else
		vm->acts.due &= (uint8_t)~DUE_GIVE;
	if (kcoh_refuse_weigh(vm))
		set_due(core, vm, DUE_REFUSE);
	else
		vm->acts.due &= (uint8_t)~DUE_REFUSE;
}

/* The cancel that was made did not help, or was about something else: another one may be made. */
static void cancel_again(struct vm *vm)
{
	if (vm->acts.cancel == CANCEL_DONE || vm->acts.cancel == CANCEL_GIVEN_UP) {
		vm->acts.cancel = CANCEL_IDLE;
		vm->acts.tries = 0;
	}
}

void kcoh_acts_phase(struct vm *vm, uint32_t phase)
{
	if (phase != vm->phase && kcoh_phase_live(phase))
		cancel_again(vm);
	vm->phase = (uint8_t)phase;
}

void kcoh_acts_epoch(struct vm *vm)
{
	cancel_again(vm);
}

void kcoh_acts_done(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_act_done *ev)
{
	struct acts *acts = &vm->acts;

	if (ev->act == KCOH_ACT_ARM || ev->act == KCOH_ACT_DISARM)
		kcoh_give_done(core, vm, ev);
	if (ev->act != KCOH_ACT_CANCEL || acts->dry)
		return;
	if (acts->cancel != CANCEL_SENT && acts->cancel != CANCEL_DONE)
		return;
	if (ev->result)
		cancel_failed(core, vm);
	else
		cancel_done(core, vm);
}

static size_t emit_vm(struct kcoh_core *core, struct vm *vm, struct kcoh_act *acts)
{
	struct kcoh_act act = { .reason = vm->verdict.reason, .vm = vm->id };
	size_t count = 0;

	if (vm->acts.due & DUE_CANCEL) {
		act.type = KCOH_ACT_CANCEL;
		act.dry = vm->acts.dry;
		acts[count++] = act;
		vm->acts.cancel = act.dry ? CANCEL_DONE : CANCEL_SENT;
		vm->acts.next_ns = after_ns(core->now_ns, CANCEL_LIMIT_NS);
		core->stats.cancels++;
	}
	if (vm->acts.due & DUE_ALERT) {
		act.type = KCOH_ACT_ALERT;
		act.reason = vm->acts.alert_reason;
		act.dry = false;
		acts[count++] = act;
		core->stats.alerts++;
	}
	if (vm->acts.due & DUE_GIVE)
		kcoh_give_emit(core, vm, &acts[count++]);
	if (vm->acts.due & DUE_REFUSE)
		kcoh_refuse_emit(core, vm, &acts[count++]);
	vm->acts.due = 0;
	return count;
}

static size_t emit_host(struct kcoh_core *core, struct kcoh_act *acts)
{
	size_t count = 0;

	if (kcoh_sync_ask(core))
		acts[count++] =
			(struct kcoh_act){ .type = KCOH_ACT_RESCAN, .reason = core->sync.why };
	if (core->refused) {
		acts[count++] = (struct kcoh_act){ .type = KCOH_ACT_ALERT,
						   .reason = KCOH_RSN_TOO_MANY,
						   .vm = core->refused };
		core->stats.alerts++;
		core->refused = 0;
	}
	return count;
}

static size_t due_count(uint8_t due)
{
	return !!(due & DUE_CANCEL) + !!(due & DUE_ALERT) + !!(due & DUE_GIVE) +
	       !!(due & DUE_REFUSE);
}

size_t kcoh_acts_emit(struct kcoh_core *core, struct kcoh_act *acts, size_t n)
{
	size_t count = emit_host(core, acts);
	struct vm *vm;
	uint32_t i;

	for (i = 0; core->due && i < core->entries; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (!vm)
			continue;
		if (count + due_count(vm->acts.due) > n)
			return count;
		count += emit_vm(core, vm, &acts[count]);
	}
	core->due = false;
	return count;
}
