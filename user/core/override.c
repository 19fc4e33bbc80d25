// SPDX-License-Identifier: GPL-2.0-only
/*
 * override.c - an operator knows better, and answers for it.
 *
 * While an override is in force a `wait` or a `veto` becomes `allow`, with the reason `override`, and the verdict says of what. What the
 * strategy does otherwise goes on: pages are cleaned, windows are counted. An `allow` or `repair` stays what it is, so that who
 * asks can see that nothing had to be overridden.
 *
 *   0 s    OVERRIDE until 600 s      veto/mmu-off becomes allow/override, of mmu-off; no CANCEL any more
 *   80 s   the migration begins, and ends: PHASE completed
 *          -> the override has done what it was given for, and is gone: veto/mmu-off again
 *
 * It ends at its time, when it is taken back, with its VM, and with the migration that it let through, if that completes and
 * somebody tells the phase. One that failed or was cancelled may be tried again under the same override. A later one takes the place
 * of an earlier one. It does not outlive the core: whoever starts a core anew tells it anew.
 */
#include "core/state.h"

static void forget(struct vm *vm)
{
	vm->override = (struct override){ 0 };
}

void kcoh_override_told(const struct kcoh_core *core, struct vm *vm,
			const struct kcoh_ev_override *ev)
{
	forget(vm);
	if (ev->until_ns <= core->now_ns)
		return;
	vm->override =
		(struct override){ .until_ns = ev->until_ns, .uid = ev->uid, .number = ev->number };
}

/* A migration begins: nothing was let through in it yet. */
void kcoh_override_span(struct vm *vm)
{
	vm->override.used = false;
}

void kcoh_override_phase(struct vm *vm, uint32_t phase)
{
	if (phase == KCOH_PHASE_COMPLETED && vm->override.used)
		forget(vm);
}

void kcoh_override_apply(const struct kcoh_core *core, struct vm *vm, struct kcoh_verdict *verdict)
{
	if (vm->override.until_ns && core->now_ns >= vm->override.until_ns)
		forget(vm);
	if (!vm->override.until_ns ||
	    (verdict->kind != KCOH_VERDICT_WAIT && verdict->kind != KCOH_VERDICT_VETO))
		return;
	vm->override.used |= vm->acts.migrating;
	*verdict = (struct kcoh_verdict){ .kind = KCOH_VERDICT_ALLOW,
					  .reason = KCOH_RSN_OVERRIDE,
					  .overrides = verdict->reason,
					  .since_ns = verdict->since_ns,
					  .until_ns = vm->override.until_ns };
}
