// SPDX-License-Identifier: GPL-2.0-only
/*
 * view.c - what callers may see of the state: copies, made when asked.
 *
 * A view is a picture: it does not change when the next record comes, and only its `comm` points
 * into the core. A VM that is not tracked shows its id and its verdict (TOO_MANY), nothing else:
 * nothing else is known.
 */
#include <errno.h>
#include <string.h>

#include "core/state.h"

static void fill_windows(const struct vm *vm, struct kcoh_vm_view *view)
{
	uint32_t i;

	view->windows_open = vm->open;
	for (i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		view->window_since_ns[i] = vm->open & (1u << i) ? vm->windows[i].since_ns : 0;
		view->windows[i] = vm->windows[i].count;
		view->window_ns[i] = vm->windows[i].closed_ns;
	}
}

static void fill_vcpus(const struct vm *vm, struct kcoh_vm_view *view)
{
	view->vcpus = vm->vcpus;
	view->vcpus_cached = vm->states[KCOH_CACHED];
	view->vcpus_uncached = vm->states[KCOH_UNCACHED];
	view->vcpus_off = vm->states[KCOH_OFF];
	view->vcpus_held = vm->held;
	view->vcpus_unknown = vm->states[KCOH_UNKNOWN];
}

static void fill_epoch(const struct kcoh_core *core, const struct vm *vm, struct kcoh_vm_view *view)
{
	view->slots = vm->slots;
	view->ram_pages = vm->ram_pages;
	view->logged_pages = vm->logged_pages;
	view->in_epoch = vm->epoch.on;
	view->epoch_since_ns = vm->epoch.on ? vm->epoch.since_ns : 0;
	view->epochs = vm->epoch.count;
	view->armed = vm->epoch.on && (core->host & KCOH_HOST_TRAP) && !vm->blind &&
		      !kcoh_epoch_arming(core, vm);
}

static void fill_vm(const struct kcoh_core *core, const struct vm *vm, struct kcoh_vm_view *view)
{
	*view = (struct kcoh_vm_view){
		.id = vm->id,
		.pid = vm->pid,
		.comm = vm->comm,
		.toggles = vm->toggles,
		.resets = vm->resets,
		.set_ways = vm->set_ways,
		.tracked = true,
		.phase = vm->phase,
		.strategy = vm->policy.strategy,
		.guard = vm->policy.guard,
		.last_resort = vm->policy.last_resort,
		.override = { .until_ns = vm->override.until_ns,
			      .uid = vm->override.uid,
			      .number = vm->override.number },
		.verdict = vm->verdict,
	};
	fill_vcpus(vm, view);
	fill_epoch(core, vm, view);
	fill_windows(vm, view);
}

static void fill_untracked(const struct kcoh_core *core, uint32_t id, struct kcoh_vm_view *view)
{
	*view = (struct kcoh_vm_view){
		.id = id,
		.comm = "",
		.strategy = core->policy.strategy,
		.guard = core->policy.guard,
		.verdict = kcoh_verdict_untracked(core),
	};
}

int kcoh_core_each_vm(const struct kcoh_core *core,
		      int (*fn)(const struct kcoh_vm_view *vm, void *ctx), void *ctx)
{
	struct kcoh_vm_view view;
	const struct vm *vm;
	uint32_t i;
	int ret = 0;

	for (i = 0; i < core->entries && !ret; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (vm)
			fill_vm(core, vm, &view);
		else
			fill_untracked(core, kcoh_entry_at(core, i)->id, &view);
		ret = fn(&view, ctx);
	}
	return ret;
}

int kcoh_core_vm(const struct kcoh_core *core, uint32_t id, struct kcoh_vm_view *ret_vm)
{
	const struct vm *vm = kcoh_vm_find(core, id);

	if (vm) {
		fill_vm(core, vm, ret_vm);
		return 0;
	}
	if (!kcoh_entry_find(core, id) && (!id || !core->unnamed))
		return -ENOENT;
	fill_untracked(core, id, ret_vm);
	return 0;
}

int kcoh_core_vcpu(const struct kcoh_core *core, uint32_t id, uint16_t index,
		   struct kcoh_vcpu_view *ret_vcpu)
{
	const struct vm *vm = kcoh_vm_find(core, id);
	const struct vcpu *vcpu;

	if (!vm || index >= vm->vcpu_top)
		return -ENOENT;
	vcpu = kcoh_vcpus_of(core, vm) + index;
	if (!vcpu->known)
		return -ENOENT;
	*ret_vcpu = (struct kcoh_vcpu_view){
		.index = index,
		.state = vcpu->state,
		.source = vcpu->source,
		.sctlr = vcpu->sctlr,
		.since_ns = vcpu->since_ns,
	};
	return 0;
}

void kcoh_core_stats(const struct kcoh_core *core, struct kcoh_core_stats *ret_stats)
{
	*ret_stats = core->stats;
	ret_stats->vms = core->vms;
}
