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
 * Strategies that are not built yet (clean-tainted, hold, …) are judged as `veto`: the daemon refuses
 * them, and a recording that names them must not be judged more kindly than it deserves.
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
	FACT_ALWAYS = 1 << 13,
};

struct rule {
	uint16_t facts;
	uint8_t kind; /* enum kcoh_verdict_kind */
	uint8_t reason; /* enum kcoh_reason */
};

static const struct rule observe_rules[] = {
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_TOO_MANY, KCOH_VERDICT_ALLOW, KCOH_RSN_TOO_MANY },
	{ FACT_PKVM, KCOH_VERDICT_ALLOW, KCOH_RSN_PKVM },
	{ FACT_UNCACHED | FACT_UNKNOWN | FACT_EARLIER | FACT_LOST | FACT_LATE | FACT_ARM_TIMEOUT,
	  KCOH_VERDICT_ALLOW, KCOH_RSN_OBSERVE_ONLY },
	{ FACT_NO_MODULE, KCOH_VERDICT_ALLOW, KCOH_RSN_NO_MODULE },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_NOT_YET_CLEANING },
};

static const struct rule veto_rules[] = {
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
	{ FACT_COHERENT, KCOH_VERDICT_ALLOW, KCOH_RSN_HARDWARE_COHERENT },
	{ FACT_PKVM, KCOH_VERDICT_VETO, KCOH_RSN_PKVM },
	{ FACT_UNCLEAN, KCOH_VERDICT_VETO, KCOH_RSN_UNCLEAN },
	{ FACT_TOO_MANY | FACT_UNCACHED | FACT_UNKNOWN | FACT_EARLIER | FACT_LOST | FACT_LATE |
		  FACT_ARM_TIMEOUT | FACT_ARMING,
	  KCOH_VERDICT_REPAIR, KCOH_RSN_CLEANING },
	{ FACT_ALWAYS, KCOH_VERDICT_ALLOW, KCOH_RSN_CLEANING },
};

/* `clean` needs the module that does it; without, it is as strict as `veto`. */
static const struct rule *rules_of(const struct kcoh_core *core, const struct policy *policy)
{
	if (policy->strategy == KCOH_STRATEGY_OBSERVE)
		return observe_rules;
	if (policy->strategy == KCOH_STRATEGY_CLEAN && (core->host & KCOH_HOST_CLEAN))
		return clean_rules;
	return veto_rules;
}

static const struct rule *first_rule(const struct kcoh_core *core, const struct policy *policy,
				     uint32_t facts)
{
	const struct rule *rule = rules_of(core, policy);

	while (!(rule->facts & (facts | FACT_ALWAYS)))
		rule++;
	return rule;
}

static uint32_t host_facts(const struct kcoh_core *core)
{
	uint32_t facts = 0;

	if (core->host & KCOH_HOST_S2FWB)
		facts |= FACT_COHERENT;
	if (!(core->host & KCOH_HOST_TRAP))
		facts |= FACT_NO_MODULE;
	if (core->host & KCOH_HOST_CLEAN)
		facts |= FACT_CLEANING;
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
	if (vm->epoch.on && vm->epoch.unclean)
		facts |= FACT_UNCLEAN;
	return facts;
}

static struct kcoh_verdict judge(const struct kcoh_core *core, const struct vm *vm)
{
	uint32_t facts = host_facts(core) | blind_facts(vm->blind) | vm_facts(core, vm);
	const struct rule *rule = first_rule(core, &vm->policy, facts);

	return (struct kcoh_verdict){
		.kind = rule->kind,
		.reason = rule->reason,
		.since_ns = core->now_ns,
		.until_ns = rule->kind == KCOH_VERDICT_WAIT ? kcoh_epoch_deadline(vm) : 0,
	};
}

struct kcoh_verdict kcoh_verdict_untracked(const struct kcoh_core *core)
{
	const struct rule *rule = first_rule(core, &core->policy, host_facts(core) | FACT_TOO_MANY);

	return (struct kcoh_verdict){ .kind = rule->kind, .reason = rule->reason };
}

/* Brings windows and verdict in line with what is known now. */
void kcoh_vm_judge(struct kcoh_core *core, struct vm *vm)
{
	struct kcoh_verdict verdict;

	if (kcoh_epoch_arming(core, vm) && core->now_ns >= kcoh_epoch_deadline(vm))
		vm->blind |= BLIND_ARM;
	kcoh_windows_refresh(core, vm);
	verdict = judge(core, vm);
	if (verdict.kind == vm->verdict.kind && verdict.reason == vm->verdict.reason)
		verdict.since_ns = vm->verdict.since_ns;
	vm->verdict = verdict;
}

void kcoh_vm_settle(struct kcoh_core *core, struct vm *vm)
{
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
