// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - which VMs there are: entries sorted by id, bodies from a free list.
 *
 * Ids grow, so an insertion is nearly always an append, and a look-up is a binary search. A VM
 * that finds no body is refused in words: it keeps an entry, its verdict is TOO_MANY, and one
 * alert says so. With max_vms = 2:
 *
 *   VM_NEW 7, 8, 9   -> entries 7:body0 8:body1 9:none; verdict of 9 is veto/too-many
 *   VM_GONE 7        -> entries 8:body1 9:none; 9 stays untracked: its slots and states were
 *   never read
 *   VM_NEW 11        -> entries 8:body1 9:none 11:body0
 *
 * A VM seen at its birth is known completely from its first record on. One that was found by a
 * scan (existing = 1) is not known before the scan is complete: BLIND_SYNC until then.
 */
#include <string.h>

#include "core/state.h"

/* The index of the first entry whose id is not below `id`. */
static uint32_t entry_index(const struct kcoh_core *core, uint32_t id)
{
	uint32_t low = 0, high = core->entries;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (kcoh_entry_at(core, middle)->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct entry *kcoh_entry_find(const struct kcoh_core *core, uint32_t id)
{
	uint32_t i = entry_index(core, id);

	if (i == core->entries || kcoh_entry_at(core, i)->id != id)
		return NULL;
	return kcoh_entry_at(core, i);
}

struct vm *kcoh_vm_of_entry(const struct kcoh_core *core, uint32_t i)
{
	uint32_t body = kcoh_entry_at(core, i)->body;

	return body == BODY_NONE ? NULL : kcoh_vm_at(core, body);
}

struct vm *kcoh_vm_find(const struct kcoh_core *core, uint32_t id)
{
	const struct entry *entry = kcoh_entry_find(core, id);

	return entry && entry->body != BODY_NONE ? kcoh_vm_at(core, entry->body) : NULL;
}

static uint32_t take_body(struct kcoh_core *core)
{
	uint32_t body = core->free;

	if (body != BODY_NONE)
		core->free = kcoh_vm_at(core, body)->body;
	else if (core->fresh < core->config.max_vms)
		body = core->fresh++;
	return body;
}

static void insert_entry(struct kcoh_core *core, uint32_t id, uint32_t body)
{
	uint32_t i = entry_index(core, id);
	struct entry *at = kcoh_entry_at(core, i);

	memmove(at + 1, at, (core->entries - i) * sizeof(*at));
	at->id = id;
	at->body = body;
	core->entries++;
}

static void remove_entry(struct kcoh_core *core, struct entry *entry)
{
	uint32_t i = (uint32_t)(entry - kcoh_entry_at(core, 0));

	core->entries--;
	memmove(entry, entry + 1, (core->entries - i) * sizeof(*entry));
}

/* No room: known by its id, if there is room for that. */
static void refuse(struct kcoh_core *core, uint32_t id)
{
	core->stats.vms_refused++;
	if (core->entries < 2 * core->config.max_vms) {
		insert_entry(core, id, BODY_NONE);
		core->stats.vms_untracked++;
	} else {
		core->unnamed = true;
	}
	if (kcoh_verdict_untracked(core).kind == KCOH_VERDICT_VETO)
		core->refused = id;
}

static void name_vm(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_vm_new *ev)
{
	vm->pid = ev->pid;
	vm->scan = core->sync.scan;
	memcpy(vm->comm, ev->comm, sizeof(vm->comm));
}

static struct vm *make_vm(struct kcoh_core *core, uint32_t id, uint32_t body)
{
	struct vm *vm = kcoh_vm_at(core, body);

	memset(vm, 0, sizeof(*vm));
	vm->id = id;
	vm->body = body;
	vm->policy = core->policy;
	vm->known = true;
	kcoh_give_forget(vm);
	vm->born = core->sync.scan;
	memset(kcoh_vcpus_of(core, vm), 0, core->config.max_vcpus * sizeof(struct vcpu));
	if (core->host & KCOH_HOST_PKVM)
		vm->blind |= BLIND_PKVM;
	core->vms++;
	return vm;
}

static void track(struct kcoh_core *core, const struct kcoh_ev_vm_new *ev)
{
	uint32_t body = take_body(core);
	struct vm *vm;

	if (body == BODY_NONE) {
		refuse(core, ev->hdr.vm);
		return;
	}
	insert_entry(core, ev->hdr.vm, body);
	vm = make_vm(core, ev->hdr.vm, body);
	name_vm(core, vm, ev);
	if (ev->existing)
		kcoh_sync_met(core, vm);
	kcoh_vm_judge(core, vm);
}

void kcoh_vm_new(struct kcoh_core *core, const struct kcoh_ev_vm_new *ev)
{
	struct vm *vm = kcoh_vm_find(core, ev->hdr.vm);

	if (vm)
		name_vm(core, vm, ev);
	else if (!kcoh_entry_find(core, ev->hdr.vm))
		track(core, ev);
}

static void free_vm(struct kcoh_core *core, struct vm *vm)
{
	uint32_t body = vm->body;

	vm->body = core->free;
	core->free = body;
	core->vms--;
}

void kcoh_vm_gone(struct kcoh_core *core, uint32_t id)
{
	struct entry *entry = kcoh_entry_find(core, id);
	struct vm *vm = kcoh_vm_find(core, id);

	if (!entry) {
		core->stats.strays++;
		return;
	}
	if (vm)
		free_vm(core, vm);
	else
		core->stats.vms_untracked--;
	remove_entry(core, entry);
}

static struct policy policy_of(const struct kcoh_ev_policy *ev, uint8_t own)
{
	return (struct policy){
		.arm_deadline_ms = ev->arm_deadline_ms,
		.defer_ms = ev->defer_ms,
		.hold_ms = ev->hold_ms,
		.strategy = (uint8_t)ev->strategy,
		.guard = (uint8_t)ev->guard,
		.can_cancel = (uint8_t)ev->can_cancel,
		.tolerate = (uint8_t)ev->tolerate,
		.own = own,
		.last_resort = (uint8_t)ev->last_resort,
	};
}

void kcoh_vm_policy(struct vm *vm, const struct kcoh_ev_policy *ev)
{
	vm->policy = policy_of(ev, 1);
}

void kcoh_vm_default_policy(struct kcoh_core *core, const struct kcoh_ev_policy *ev)
{
	uint32_t i;
	struct vm *vm;

	core->policy = policy_of(ev, 0);
	for (i = 0; i < core->entries; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (vm && !vm->policy.own)
			vm->policy = core->policy;
	}
}
