// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuse.c - the last resort: a migration that must not go on, and that nobody can cancel.
 *
 * The kernel is to refuse its stream while all of this holds: the policy says so (last_resort, and guard = enforce); the VM is in a
 * dirty epoch; the verdict is veto, so that no override is in force; and there is no way to cancel (no QMP socket, no libvirt), or a
 * cancel has failed or was not answered in time. A cancel that failed is tried again all the same: whatever comes first ends the
 * migration.
 *
 * Example, a VM without QMP socket:  epoch, veto/mmu-off -> REFUSE; QEMU gives up, the epoch ends -> ADMIT. With one that does not
 * answer: CANCEL; 10 s later it has failed -> REFUSE.
 *
 * What the kernel makes of it, and whether it can at all, is the carrier's matter: it has no answer for the core, which would do
 * nothing else then.
 */
#include "core/state.h"

static bool is_wanted(const struct vm *vm)
{
	const struct policy *policy = &vm->policy;

	return policy->last_resort && policy->guard == KCOH_GUARD_ENFORCE && vm->epoch.on &&
	       vm->verdict.kind == KCOH_VERDICT_VETO && (!policy->can_cancel || vm->acts.tries);
}

/* Is there something to say that was not said? */
bool kcoh_refuse_weigh(const struct vm *vm)
{
	return is_wanted(vm) != vm->acts.refusing;
}

void kcoh_refuse_emit(struct kcoh_core *core, struct vm *vm, struct kcoh_act *act)
{
	vm->acts.refusing = !vm->acts.refusing;
	core->stats.refusals += vm->acts.refusing;
	*act = (struct kcoh_act){ .type = vm->acts.refusing ? KCOH_ACT_REFUSE : KCOH_ACT_ADMIT,
				  .reason = vm->verdict.reason,
				  .vm = vm->id };
}
