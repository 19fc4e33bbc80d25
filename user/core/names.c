// SPDX-License-Identifier: GPL-2.0-only
/*
 * names.c - the words for people and scripts, one table an enum.
 *
 * A name is a stable key: scripts, metrics and the API match it, so it never changes once
 * released. Reasons come from the table of reason.h; the others stand here. A value out of range
 * has the name "?", so that a record of a later kcoh prints as something.
 */
#include <errno.h>
#include <string.h>

#include "core/core.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define NAME(table, i) ((i) < COUNT(table) && (table)[i] ? (table)[i] : "?")

static const char *const reason_names[] = {
#define X(code, value, name, sentence) [value] = (name),
	KCOH_REASONS(X)
#undef X
};

static const char *const reason_sentences[] = {
#define X(code, value, name, sentence) [value] = (sentence),
	KCOH_REASONS(X)
#undef X
};

/* clang-format off: one name a line */
static const char *const verdict_names[] = {
	[KCOH_VERDICT_ALLOW] = "allow",
	[KCOH_VERDICT_REPAIR] = "repair",
	[KCOH_VERDICT_WAIT] = "wait",
	[KCOH_VERDICT_VETO] = "veto",
};

static const char *const act_names[] = {
	[KCOH_ACT_CANCEL] = "cancel", [KCOH_ACT_ALERT] = "alert",   [KCOH_ACT_RESCAN] = "rescan",
	[KCOH_ACT_ARM] = "arm",       [KCOH_ACT_DISARM] = "disarm", [KCOH_ACT_CLEAN] = "clean",
	[KCOH_ACT_REFUSE] = "refuse", [KCOH_ACT_ADMIT] = "admit",
};

static const char *const guard_names[] = {
	[KCOH_GUARD_WARN] = "warn",
	[KCOH_GUARD_ENFORCE] = "enforce",
};

static const char *const strategy_names[] = {
	[KCOH_STRATEGY_OBSERVE] = "observe", [KCOH_STRATEGY_VETO] = "veto",
	[KCOH_STRATEGY_CLEAN] = "clean",     [KCOH_STRATEGY_CLEAN_TAINTED] = "clean-tainted",
	[KCOH_STRATEGY_HOLD] = "hold",       [KCOH_STRATEGY_DEFER] = "defer",
	[KCOH_STRATEGY_RETRY] = "retry",
};

static const char *const window_names[] = {
	[KCOH_WINDOW_MMU_OFF] = "mmu-off",
	[KCOH_WINDOW_BLIND] = "blind",
	[KCOH_WINDOW_DEVICE] = "device",
};

static const char *const state_names[] = {
	[KCOH_UNKNOWN] = "unknown",
	[KCOH_CACHED] = "cached",
	[KCOH_UNCACHED] = "uncached",
	[KCOH_OFF] = "off",
};

static const char *const source_names[] = {
	[KCOH_SRC_SAMPLE] = "sample",
	[KCOH_SRC_KVM] = "kvm",
	[KCOH_SRC_TRAP] = "trap",
	[KCOH_SRC_DISARM] = "disarm",
};

/* QEMU's words, but for `postcopy` (its `postcopy-active`). */
static const char *const phase_names[] = {
	[KCOH_PHASE_NONE] = "none",           [KCOH_PHASE_SETUP] = "setup",
	[KCOH_PHASE_ACTIVE] = "active",       [KCOH_PHASE_PRE_SWITCHOVER] = "pre-switchover",
	[KCOH_PHASE_DEVICE] = "device",       [KCOH_PHASE_COMPLETED] = "completed",
	[KCOH_PHASE_FAILED] = "failed",       [KCOH_PHASE_CANCELLING] = "cancelling",
	[KCOH_PHASE_CANCELLED] = "cancelled", [KCOH_PHASE_POSTCOPY] = "postcopy",
};

static const char *const ev_names[] = {
	[KCOH_EV_VM_NEW] = "vm-new",     [KCOH_EV_VM_GONE] = "vm-gone",
	[KCOH_EV_VCPU] = "vcpu",         [KCOH_EV_TOGGLE] = "toggle",
	[KCOH_EV_SET_WAY] = "set-way",   [KCOH_EV_RESET] = "reset",
	[KCOH_EV_MEMSLOT] = "memslot",   [KCOH_EV_EPOCH] = "epoch",
	[KCOH_EV_SCAN] = "scan",         [KCOH_EV_HOST] = "host",
	[KCOH_EV_POLICY] = "policy",     [KCOH_EV_PHASE] = "phase",
	[KCOH_EV_TICK] = "tick",         [KCOH_EV_ACT_DONE] = "act-done",
	[KCOH_EV_HARVEST] = "harvest",   [KCOH_EV_HOLD] = "hold",
	[KCOH_EV_UNMAP] = "unmap",       [KCOH_EV_PSCI] = "psci",
	[KCOH_EV_SMMU] = "smmu",         [KCOH_EV_DEVICE] = "device",
	[KCOH_EV_OVERRIDE] = "override", [KCOH_EV_UNCLEAN] = "unclean",
};
/* clang-format on */

const char *kcoh_reason_name(enum kcoh_reason reason)
{
	return NAME(reason_names, (unsigned int)reason);
}

const char *kcoh_reason_sentence(enum kcoh_reason reason)
{
	return NAME(reason_sentences, (unsigned int)reason);
}

const char *kcoh_verdict_name(enum kcoh_verdict_kind kind)
{
	return NAME(verdict_names, (unsigned int)kind);
}

const char *kcoh_act_name(enum kcoh_act_type type)
{
	return NAME(act_names, (unsigned int)type);
}

const char *kcoh_guard_name(uint32_t guard)
{
	return NAME(guard_names, guard);
}

const char *kcoh_strategy_name(uint32_t strategy)
{
	return NAME(strategy_names, strategy);
}

int kcoh_strategy_parse(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT(strategy_names); i++)
		if (!strcmp(name, strategy_names[i]))
			return (int)i;
	return -EINVAL;
}

const char *kcoh_window_name(uint32_t window_class)
{
	return NAME(window_names, window_class);
}

const char *kcoh_cache_state_name(uint32_t state)
{
	return NAME(state_names, state);
}

const char *kcoh_phase_name(uint32_t phase)
{
	return NAME(phase_names, phase);
}

const char *kcoh_source_name(uint32_t source)
{
	return NAME(source_names, source);
}

const char *kcoh_ev_name(uint32_t type)
{
	return NAME(ev_names, type);
}
