// SPDX-License-Identifier: GPL-2.0-only
/*
 * give.c - the strategy that the module carries for a VM, and the acts that give it.
 *
 * By itself the module treats all VMs alike (its parameter `auto`): it cleans every harvest, or nothing. What a policy wants
 * beyond that it is told per VM, through a file that kcohd holds open:
 *
 *   policy                        module cleans by itself     module does not (auto=none)
 *   observe                       -                           -
 *   clean, veto, defer, retry     -                           clean
 *   clean-tainted                 clean-tainted               clean-tainted
 *   hold, enforced                hold                        hold
 *   hold, guard = warn            -                           clean     (a warning guard stops no vCPU)
 *
 * ARM gives, DISARM takes back. A failed one, or one that is not answered for 10 s, is tried again after 1 s, 3 times; the next
 * change of policy or host begins anew. Until the module has the strategy the VM is judged by what the
 * module does without: a VM that is to be held is merely cleaned. But from the moment on that clean-tainted is asked for, and until
 * something else is given, nobody claims more than that, and of an epoch in which it was so not more than `unclean`, once it is no more.
 *
 * An example: VM 3 under hold, enforced. HOST module trap clean -> ARM vm=3 hold 30000 ms; ACT_DONE 0: given. HOST 0: the module
 * is gone, and what it was given with it.
 */
#include "core/state.h"

#define ANSWER_LIMIT_NS (10 * SEC_NS)
#define PAUSE_NS SEC_NS
#define RETRIES 3

/* What the module should carry. */
static uint8_t wanted(const struct kcoh_core *core, const struct vm *vm)
{
	const struct policy *policy = &vm->policy;

	if (!(core->host & KCOH_HOST_TRAP) || (core->host & KCOH_HOST_S2FWB) ||
	    policy->strategy == KCOH_STRATEGY_OBSERVE)
		return GIVEN_NONE;
	if (policy->strategy == KCOH_STRATEGY_CLEAN_TAINTED)
		return KCOH_STRATEGY_CLEAN_TAINTED;
	if (policy->strategy == KCOH_STRATEGY_HOLD && policy->guard == KCOH_GUARD_ENFORCE)
		return KCOH_STRATEGY_HOLD;
	return core->host & KCOH_HOST_CLEAN ? GIVEN_NONE : KCOH_STRATEGY_CLEAN;
}

/* Did the module carry what it was given at `ns` already? */
bool kcoh_given_then(const struct vm *vm, uint64_t ns)
{
	return vm->give.given != GIVEN_NONE && ns >= vm->give.since_ns;
}

/* Does the module clean this VM's harvests, at least what is tainted, by itself or because it was told? */
bool kcoh_cleans_tainted(const struct kcoh_core *core, const struct vm *vm)
{
	return (core->host & KCOH_HOST_CLEAN) || vm->give.given != GIVEN_NONE;
}

/* … all of each harvest? */
bool kcoh_cleans(const struct kcoh_core *core, const struct vm *vm)
{
	return kcoh_cleans_tainted(core, vm) && !vm->give.tainted;
}

/*
 * Did it clean at `ns` already? The record of an epoch's start may be told after the ACT_DONE of an ARM that came after it: what
 * was sent in between was not cleaned.
 */
bool kcoh_cleaned_then(const struct kcoh_core *core, const struct vm *vm, uint64_t ns)
{
	return (core->host & KCOH_HOST_CLEAN) || kcoh_given_then(vm, ns);
}

bool kcoh_is_given(const struct vm *vm, uint8_t strategy)
{
	return vm->give.given == strategy;
}

/* The module is gone. */
void kcoh_give_forget(struct vm *vm)
{
	vm->give = (struct give){ .given = GIVEN_NONE, .asked = GIVEN_NONE };
}

static bool fits(const struct vm *vm, uint8_t strategy)
{
	return vm->give.given == strategy &&
	       vm->give.tainted == (strategy == KCOH_STRATEGY_CLEAN_TAINTED) &&
	       (strategy != KCOH_STRATEGY_HOLD || vm->give.hold_ms == vm->policy.hold_ms);
}

static void failed(struct kcoh_core *core, struct give *give)
{
	give->state = give->tries++ < RETRIES ? GIVE_FAILED : GIVE_GIVEN_UP;
	give->next_ns = after_ns(core->now_ns, PAUSE_NS);
}

/* Is an act due? */
bool kcoh_give_weigh(struct kcoh_core *core, struct vm *vm)
{
	struct give *give = &vm->give;
	uint8_t strategy = wanted(core, vm);

	if (give->state == GIVE_SENT && core->now_ns >= give->next_ns)
		failed(core, give);
	if (give->state == GIVE_SENT)
		return false;
	if (fits(vm, strategy)) {
		give->state = GIVE_IDLE;
		give->tries = 0;
		return false;
	}
	if (give->asked != strategy) { /* something else than what failed */
		give->asked = strategy;
		give->state = GIVE_IDLE;
		give->tries = 0;
	}
	return give->state == GIVE_IDLE ||
	       (give->state == GIVE_FAILED && core->now_ns >= give->next_ns);
}

void kcoh_give_emit(struct kcoh_core *core, struct vm *vm, struct kcoh_act *act)
{
	struct give *give = &vm->give;

	give->asked = wanted(core, vm);
	give->hold_ms = give->asked == KCOH_STRATEGY_HOLD ? vm->policy.hold_ms : 0;
	give->state = GIVE_SENT;
	if (give->asked == KCOH_STRATEGY_CLEAN_TAINTED) {
		give->tainted = vm->epoch.tainted = true;
		kcoh_vm_judge(core, vm);
	}
	give->next_ns = after_ns(core->now_ns, ANSWER_LIMIT_NS);
	*act = (struct kcoh_act){
		.type = give->asked == GIVEN_NONE ? KCOH_ACT_DISARM : KCOH_ACT_ARM,
		.vm = vm->id,
		.strategy = give->asked == GIVEN_NONE ? KCOH_STRATEGY_OBSERVE :
							(enum kcoh_strategy)give->asked,
		.hold_ms = give->hold_ms,
	};
	core->stats.arms++;
}

void kcoh_give_done(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_act_done *ev)
{
	struct give *give = &vm->give;

	if (give->state != GIVE_SENT || (ev->act == KCOH_ACT_DISARM) != (give->asked == GIVEN_NONE))
		return;
	if (ev->result) {
		failed(core, give);
		return;
	}
	/* An epoch that was cleaned only by what is now taken back is cleaned no more. */
	if (!(core->host & KCOH_HOST_CLEAN) && give->asked == GIVEN_NONE)
		vm->epoch.unclean = true;
	if (give->given == GIVEN_NONE)
		give->since_ns = ev->hdr.ts_ns;
	give->given = give->asked;
	give->tainted = give->given == KCOH_STRATEGY_CLEAN_TAINTED;
	give->state = GIVE_IDLE;
	give->tries = 0;
}
