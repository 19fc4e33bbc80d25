// SPDX-License-Identifier: GPL-2.0-only
/*
 * verdict.c - from facts to a verdict: one table a strategy, the first line that holds decides.
 *
 * All that matters of a VM is first reduced to facts, one bit each. Then the table of its
 * strategy is read from the top; each line names facts of which one must hold. So a table is the
 * whole policy, and reads as such: under `veto` a window that is open says more than lost
 * records, those more than a module that is not there.
 *
 * An example: VM 3 under `veto` in an epoch, module loaded, vCPU 1 was off and is on again, vCPU
 * 2 has not armed yet: facts = EARLIER | ARMING. `veto` has EARLIER before ARMING:
 * veto/mmu-off-earlier.
 *
 * What a device was to write, and did not, no cleaning brings back, nor does S2FWB: that comes before all else.
 *
 * A window of a vCPU is no danger where every harvest is cleaned: `defer`, `retry` and `veto` add what the owner
 * wants on top. Where nothing cleans, only what cannot have missed a window may allow: so each strategy but
 * `observe` falls back to a table as strict as `veto` there, and `defer` waits before it vetoes.
 */
#include "core/state.h"

enum fact {
	FACT_COHERENT = 1 << 0, /* S2FWB */
	FACT_TOO_MANY = 1 << 1,
	FACT_PKVM = 1 << 2,
	FACT_UNCACHED = 1 << 3, /* a runnable vCPU is uncached */
	FACT_UNKNOWN = 1 << 4, /* … or not known */
	FACT_LOST = 1 << 5,
	FACT_LATE = 1 << 6,
	FACT_NO_MODULE = 1 << 7,
	FACT_EARLIER = 1 << 8, /* one was, within this epoch */
	FACT_ARM_TIMEOUT = 1 << 9,
	FACT_ARMING = 1 << 10,
	FACT_UNCLEAN = 1 << 11,
	FACT_CLEANING = 1 << 12, /* the module cleans at every harvest, whatever the strategy */
	FACT_HELD = 1 << 13, /* the module holds a vCPU */
	FACT_OVERDUE = 1 << 14, /* uncached vCPUs were awaited for longer than the policy has it */
	FACT_OVERDUE_UNKNOWN = 1 << 15, /* … or unknown ones */
	FACT_FAILED = 1 << 16, /* a page could not be cleaned */
	FACT_DEVICE = 1 << 17, /* a write of its device was held up */
	FACT_ALWAYS = 1 << 18,
};

struct rule {
	uint32_t facts; /* enum fact */
	uint8_t kind; /* enum kcoh_verdict_kind */
	uint8_t reason; /* enum kcoh_reason */
};

static const struct rule observe_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_ALLOW, KCOH_RSN_OBSERVE_ONLY },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_TOO_MANY, KCOH_VERDICT_ALLOW, KCOH_RSN_TOO_MANY },
	{ FACT_PKVM, KCOH_VERDICT_ALLOW, KCOH_RSN_PKVM },
	{ FACT_UNCACHED | FACT_UNKNOWN | FACT_EARLIER | FACT_LOST | FACT_LATE | FACT_ARM_TIMEOUT,
	  KCOH_VERDICT_ALLOW, KCOH_RSN_OBSERVE_ONLY },
	{ FACT_NO_MODULE, KCOH_VERDICT_ALLOW, KCOH_RSN_NO_MODULE },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
};

static const struct rule veto_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_TOO_MANY, KCOH_VERDICT_VETO, KCOH_RSN_TOO_MANY },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCACHED, KCOH_VERDICT_VETO, KCOH_RSN_MMU_OFF },
	{ FACT_UNKNOWN, KCOH_VERDICT_VETO, KCOH_RSN_STATE_UNKNOWN },
	{ FACT_LOST, KCOH_VERDICT_VETO, KCOH_RSN_EVENTS_LOST },
	{ FACT_LATE, KCOH_VERDICT_VETO, KCOH_RSN_WATCHED_LATE },
	{ FACT_NO_MODULE, KCOH_VERDICT_VETO, KCOH_RSN_NO_MODULE },
	{ FACT_EARLIER, KCOH_VERDICT_VETO, KCOH_RSN_MMU_OFF_EARLIER },
	{ FACT_ARM_TIMEOUT, KCOH_VERDICT_VETO, KCOH_RSN_ARM_TIMEOUT },
	{ FACT_FAILED, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_ARMING, KCOH_VERDICT_WAIT, KCOH_RSN_ARMING },
	{ FACT_UNCLEAN, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
	{ FACT_CLEANING, KCOH_VERDICT_ALLOW, KCOH_RSN_CLEANING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
};

/*
 * Where every harvest is cleaned no window matters, seen or not; what is known of them only tells
 * `allow` from `repair`. What must be sure is that cleaning went on from the epoch's start.
 */
static const struct rule clean_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCLEAN, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_TOO_MANY | FACT_UNCACHED | FACT_UNKNOWN | FACT_EARLIER | FACT_LOST | FACT_LATE |
		  FACT_ARM_TIMEOUT | FACT_ARMING,
	  KCOH_VERDICT_REPAIR, KCOH_RSN_CLEANING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_CLEANING },
};

/* The module itself knows best what is tainted; a window that it did not see taints all it should have seen. */
static const struct rule tainted_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCLEAN, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_TOO_MANY | FACT_UNCACHED | FACT_UNKNOWN | FACT_EARLIER | FACT_LOST | FACT_LATE |
		  FACT_ARM_TIMEOUT | FACT_ARMING,
	  KCOH_VERDICT_REPAIR, KCOH_RSN_TAINTED_ONLY },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_TAINTED_ONLY },
};

/* Cleaned as under `clean`; the hold keeps the window short, and is told. */
static const struct rule hold_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCLEAN, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_HELD, KCOH_VERDICT_REPAIR, KCOH_RSN_HELD },
	{ FACT_TOO_MANY | FACT_UNCACHED | FACT_UNKNOWN | FACT_EARLIER | FACT_LOST | FACT_LATE |
		  FACT_ARM_TIMEOUT | FACT_ARMING,
	  KCOH_VERDICT_REPAIR, KCOH_RSN_CLEANING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_CLEANING },
};

/* Waits while a vCPU is not cached, for a while; what was open before is cleaned. */
static const struct rule defer_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_TOO_MANY, KCOH_VERDICT_VETO, KCOH_RSN_TOO_MANY },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCLEAN, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_OVERDUE, KCOH_VERDICT_VETO, KCOH_RSN_MMU_OFF },
	{ FACT_OVERDUE_UNKNOWN, KCOH_VERDICT_VETO, KCOH_RSN_STATE_UNKNOWN },
	{ FACT_UNCACHED | FACT_UNKNOWN, KCOH_VERDICT_WAIT, KCOH_RSN_DEFERRED },
	{ FACT_EARLIER | FACT_LOST | FACT_LATE | FACT_ARM_TIMEOUT | FACT_ARMING,
	  KCOH_VERDICT_REPAIR, KCOH_RSN_CLEANING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_CLEANING },
};

/* The same where nothing is cleaned. */
static const struct rule defer_unclean_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_TOO_MANY, KCOH_VERDICT_VETO, KCOH_RSN_TOO_MANY },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_LOST, KCOH_VERDICT_VETO, KCOH_RSN_EVENTS_LOST },
	{ FACT_LATE, KCOH_VERDICT_VETO, KCOH_RSN_WATCHED_LATE },
	{ FACT_NO_MODULE, KCOH_VERDICT_VETO, KCOH_RSN_NO_MODULE },
	{ FACT_EARLIER, KCOH_VERDICT_VETO, KCOH_RSN_MMU_OFF_EARLIER },
	{ FACT_ARM_TIMEOUT, KCOH_VERDICT_VETO, KCOH_RSN_ARM_TIMEOUT },
	{ FACT_FAILED, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_OVERDUE, KCOH_VERDICT_VETO, KCOH_RSN_MMU_OFF },
	{ FACT_OVERDUE_UNKNOWN, KCOH_VERDICT_VETO, KCOH_RSN_STATE_UNKNOWN },
	{ FACT_UNCACHED | FACT_UNKNOWN, KCOH_VERDICT_WAIT, KCOH_RSN_DEFERRED },
	{ FACT_ARMING, KCOH_VERDICT_WAIT, KCOH_RSN_ARMING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
};

/* `veto`, in other words to whoever starts migrations: what is vetoed for a window now passed may be tried again. */
static const struct rule retry_rules[] = {
	{ FACT_DEVICE, KCOH_VERDICT_VETO, KCOH_RSN_DEVICE },
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_TOO_MANY, KCOH_VERDICT_VETO, KCOH_RSN_TOO_MANY },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCACHED, KCOH_VERDICT_VETO, KCOH_RSN_MMU_OFF },
	{ FACT_UNKNOWN, KCOH_VERDICT_VETO, KCOH_RSN_STATE_UNKNOWN },
	{ FACT_LOST, KCOH_VERDICT_VETO, KCOH_RSN_EVENTS_LOST },
	{ FACT_LATE, KCOH_VERDICT_VETO, KCOH_RSN_WATCHED_LATE },
	{ FACT_NO_MODULE, KCOH_VERDICT_VETO, KCOH_RSN_NO_MODULE },
	{ FACT_EARLIER, KCOH_VERDICT_VETO, KCOH_RSN_RETRY },
	{ FACT_ARM_TIMEOUT, KCOH_VERDICT_VETO, KCOH_RSN_ARM_TIMEOUT },
	{ FACT_FAILED, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_ARMING, KCOH_VERDICT_WAIT, KCOH_RSN_ARMING },
	{ FACT_UNCLEAN, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
	{ FACT_CLEANING, KCOH_VERDICT_ALLOW, KCOH_RSN_CLEANING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
};

/* What the module does for a VM. */
enum cleaning {
	CLEANS_NOTHING,
	CLEANS_TAINTED,
	CLEANS_ALL,
	CLEANS_AND_HOLDS,
};

/* Does its owner want no more than what is tainted, and was it no more at some moment of this epoch? */
static bool is_content(const struct vm *vm)
{
	return vm->policy.strategy == KCOH_STRATEGY_CLEAN_TAINTED && vm->epoch.on &&
	       vm->epoch.tainted;
}

static enum cleaning cleaning_of(const struct kcoh_core *core, const struct vm *vm)
{
	if (!kcoh_cleans(core, vm) || is_content(vm))
		return kcoh_cleans_tainted(core, vm) ? CLEANS_TAINTED : CLEANS_NOTHING;
	return kcoh_is_given(vm, KCOH_STRATEGY_HOLD) ? CLEANS_AND_HOLDS : CLEANS_ALL;
}

/* By what the module does, whatever it is to do: the policy may have changed just now. */
static const struct rule *cleaning_rules(enum cleaning cleaning)
{
	switch (cleaning) {
	case CLEANS_TAINTED:
		return tainted_rules;
	case CLEANS_ALL:
		return clean_rules;
	case CLEANS_AND_HOLDS:
		return hold_rules;
	default:
		return veto_rules;
	}
}

/* By the policy's strategy, and what the module does. */
static const struct rule *rules_of(uint8_t strategy, enum cleaning cleaning)
{
	switch (strategy) {
	case KCOH_STRATEGY_OBSERVE:
		return observe_rules;
	case KCOH_STRATEGY_DEFER:
		return cleaning >= CLEANS_ALL ? defer_rules : defer_unclean_rules;
	case KCOH_STRATEGY_RETRY:
		return retry_rules;
	case KCOH_STRATEGY_CLEAN_TAINTED:
	case KCOH_STRATEGY_HOLD:
	case KCOH_STRATEGY_CLEAN:
		return cleaning_rules(cleaning);
	default:
		return veto_rules;
	}
}

static const struct rule *first_rule(const struct rule *rule, uint32_t facts)
{
	while (!(rule->facts & (facts | FACT_ALWAYS)))
		rule++;
	return rule;
}

/* Facts that the policy takes for no reason to veto. */
static uint32_t tolerated_facts(const struct policy *policy)
{
	uint32_t facts = 0;

	if (policy->tolerate & KCOH_TOLERATE_NO_MODULE)
		facts |= FACT_NO_MODULE;
	if (policy->tolerate & KCOH_TOLERATE_BLIND)
		facts |= FACT_TOO_MANY | FACT_LOST | FACT_LATE | FACT_ARM_TIMEOUT;
	return facts;
}

/* The line that decides. A veto for what is tolerated becomes what the other facts make of it; an `allow` then says why it is none. */
static struct rule decide(const struct rule *rules, uint32_t facts, const struct policy *policy)
{
	uint32_t tolerated = tolerated_facts(policy);
	const struct rule *rule = first_rule(rules, facts), *other;

	if (rule->kind != KCOH_VERDICT_VETO || !(rule->facts & tolerated))
		return *rule;
	if (facts & FACT_ARM_TIMEOUT)
		tolerated |= FACT_ARMING; /* no more is waited for */
	other = first_rule(rules, facts & ~tolerated);
	if (other->kind != KCOH_VERDICT_ALLOW)
		return *other;
	return (struct rule){ .kind = KCOH_VERDICT_ALLOW, .reason = rule->reason };
}

static uint32_t host_facts(const struct kcoh_core *core)
{
	uint32_t facts = 0;

	if (core->host & KCOH_HOST_S2FWB)
		facts |= FACT_COHERENT;
	if (!(core->host & KCOH_HOST_TRAP))
		facts |= FACT_NO_MODULE;
	return facts;
}

static uint32_t blind_facts(uint32_t blind)
{
	uint32_t facts = 0;

	if (blind & BLIND_TOO_MANY)
		facts |= FACT_TOO_MANY;
	if (blind & BLIND_PKVM)
		facts |= FACT_PKVM;
	if (blind & BLIND_LOST)
		facts |= FACT_LOST;
	if (blind & (BLIND_LATE | BLIND_SYNC))
		facts |= FACT_LATE;
	if (blind & BLIND_ARM)
		facts |= FACT_ARM_TIMEOUT;
	return facts;
}

static bool awaits(const struct vm *vm)
{
	return vm->states[KCOH_UNCACHED] || vm->states[KCOH_UNKNOWN];
}

static uint64_t defer_deadline(const struct vm *vm)
{
	return after_ns(vm->defer_ns, vm->policy.defer_ms * MS_NS);
}

/* Is there a page of this epoch that may have been sent without being cleaned as it is now said to be? */
static bool is_unclean(const struct vm *vm)
{
	const struct epoch *epoch = &vm->epoch;

	return epoch->on &&
	       (epoch->unclean || (epoch->tainted && !vm->give.tainted && !is_content(vm)));
}

static uint32_t vm_facts(const struct kcoh_core *core, const struct vm *vm)
{
	uint32_t facts = 0;

	if (vm->states[KCOH_UNCACHED])
		facts |= FACT_UNCACHED;
	if (vm->states[KCOH_UNKNOWN])
		facts |= FACT_UNKNOWN;
	if (vm->epoch.classes & (1u << KCOH_WINDOW_MMU_OFF))
		facts |= FACT_EARLIER;
	if (kcoh_epoch_arming(core, vm))
		facts |= FACT_ARMING;
	if (is_unclean(vm))
		facts |= FACT_UNCLEAN;
	if (kcoh_epoch_failed(core, vm))
		facts |= FACT_UNCLEAN | FACT_FAILED;
	if (kcoh_cleans(core, vm))
		facts |= FACT_CLEANING;
	if (vm->epoch.on && vm->epoch.device)
		facts |= FACT_DEVICE;
	if (vm->held)
		facts |= FACT_HELD;
	if (vm->defer_ns && core->now_ns >= defer_deadline(vm))
		facts |= vm->states[KCOH_UNCACHED] ? FACT_OVERDUE : FACT_OVERDUE_UNKNOWN;
	return facts;
}

static uint64_t deadline_of(const struct vm *vm, const struct rule *rule)
{
	if (rule->kind == KCOH_VERDICT_VETO && rule->reason == KCOH_RSN_UNCLEAN && !vm->epoch.on)
		return vm->epoch.told_until_ns;
	if (rule->kind != KCOH_VERDICT_WAIT)
		return 0;
	return rule->reason == KCOH_RSN_DEFERRED ? defer_deadline(vm) : kcoh_epoch_deadline(vm);
}

static struct kcoh_verdict judge(const struct kcoh_core *core, const struct vm *vm)
{
	uint32_t facts = host_facts(core) | blind_facts(vm->blind) | vm_facts(core, vm);
	const struct rule rule =
		decide(rules_of(vm->policy.strategy, cleaning_of(core, vm)), facts, &vm->policy);

	return (struct kcoh_verdict){
		.kind = rule.kind,
		.reason = rule.reason,
		.since_ns = core->now_ns,
		.until_ns = deadline_of(vm, &rule),
	};
}

struct kcoh_verdict kcoh_verdict_untracked(const struct kcoh_core *core)
{
	enum cleaning cleaning = core->host & KCOH_HOST_CLEAN ? CLEANS_ALL : CLEANS_NOTHING;
	const struct rule rule = decide(rules_of(core->policy.strategy, cleaning),
					host_facts(core) | FACT_TOO_MANY, &core->policy);

	return (struct kcoh_verdict){ .kind = rule.kind, .reason = rule.reason };
}

/* Brings windows and verdict in line with what is known now. */
void kcoh_vm_judge(struct kcoh_core *core, struct vm *vm)
{
	struct kcoh_verdict verdict;

	if (kcoh_epoch_arming(core, vm) && core->now_ns >= kcoh_epoch_deadline(vm))
		vm->blind |= BLIND_ARM;
	kcoh_windows_refresh(core, vm);
	if (!awaits(vm))
		vm->defer_ns = 0;
	else if (!vm->defer_ns)
		vm->defer_ns = core->now_ns ? core->now_ns : 1;
	verdict = judge(core, vm);
	kcoh_override_apply(core, vm, &verdict);
	if (verdict.kind == vm->verdict.kind && verdict.reason == vm->verdict.reason)
		verdict.since_ns = vm->verdict.since_ns;
	vm->verdict = verdict;
}

void kcoh_vm_settle(struct kcoh_core *core, struct vm *vm)
{
	kcoh_acts_span(vm);
	kcoh_vm_judge(core, vm);
	kcoh_acts_weigh(core, vm);
}

void kcoh_vms_settle(struct kcoh_core *core)
{
	uint32_t i;
	struct vm *vm;

	for (i = 0; i < core->entries; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (vm)
			kcoh_vm_settle(core, vm);
	}
}
