// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - what the kernel module does: arms vCPUs in an epoch, cleans what is harvested, taints, holds.
 *
 * Its own threads are the guest's and QEMU's: a job for a vCPU runs at once if the vCPU is in the guest (it is kicked out), or
 * before it next enters; cleaning runs when the harvesting ioctl is through. What can fail here does so as in the
 * real one: a vCPU that does not leave the guest in time (no EPOCH record is made), a page that cannot be
 * cleaned (it is marked dirty again), a guest that traps too often (disarmed for 5 s).
 */
#include "oracle.h"
#include "world.h"

#define BUDGET_NS (5 * SEC)

static bool is_wanted(const struct world *world)
{
	return world->module != MODULE_ABSENT && !world->fwb;
}

uint32_t module_features(const struct world *world)
{
	uint32_t features = KCOH_HOST_VHE | KCOH_HOST_MODULE;

	if (world->module == MODULE_ABSENT)
		return world->fwb ? KCOH_HOST_S2FWB | KCOH_HOST_VHE : KCOH_HOST_VHE;
	if (world->fwb)
		return features | KCOH_HOST_S2FWB;
	features |= KCOH_HOST_TRAP;
	return world->module == MODULE_CLEANS ? features | KCOH_HOST_CLEAN : features;
}

bool module_cleans(const struct world *world, const struct vm *vm)
{
	if (!is_wanted(world))
		return false;
	if (vm->module.strategy < 0)
		return world->module == MODULE_CLEANS;
	return vm->module.strategy != KCOH_STRATEGY_OBSERVE;
}

static bool is_tainted_only(const struct vm *vm)
{
	return vm->module.strategy == KCOH_STRATEGY_CLEAN_TAINTED;
}

/* --- the trap --------------------------------------------------------------------------------------------- */

void module_vcpu(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];

	if (!vcpu->job || world->now_ns < vcpu->job_at_ns)
		return;
	vcpu->job = false;
	if (!vcpu->armed && !vm->module.armed)
		return;
	vcpu->armed = vm->module.armed;
	feed_vcpu(world, vm, index, vcpu->armed ? KCOH_SRC_TRAP : KCOH_SRC_DISARM);
}

/* Queues the job on every vCPU. False if one is in the guest and does not come out. */
static bool vcpus_sync(struct world *world, struct vm *vm)
{
	bool all = true;

	for (uint32_t i = 0; i < vm->vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpu[i];

		vcpu->job = true;
		vcpu->job_at_ns = 0;
		if (vcpu->run != RUN_GUEST || vm->paused)
			continue;
		if (vm->module.armed && chance(world->tape, world->faults.arm)) {
			vcpu->job_at_ns = world->now_ns + (1 + draw(world->tape, 3000)) * MS;
			oracle_arm_trouble(world, vm);
			all = false;
		}
		module_vcpu(world, vm, i);
	}
	return all;
}

static void feed_epoch(struct world *world, struct vm *vm, bool start)
{
	union kcoh_ev ev = { .epoch = { .hdr = { .vcpu = KCOH_VCPU_NONE,
						 .type = KCOH_EV_EPOCH,
						 .size = sizeof(ev.epoch) },
					.start = start,
					.vcpus = vm->vcpus } };

	for (uint32_t i = 0; i < vm->vcpus; i++) {
		ev.epoch.armed += vm->vcpu[i].armed;
		ev.epoch.pending += vm->vcpu[i].job;
	}
	feed_record(world, vm, &ev);
}

static void feed_hold(struct world *world, struct vm *vm, uint32_t index, bool held,
		      enum kcoh_hold_why why)
{
	union kcoh_ev ev = { .hold = { .hdr = { .vcpu = (uint16_t)index,
						.type = KCOH_EV_HOLD,
						.size = sizeof(ev.hold) },
				       .held = held,
				       .why = why } };

	vm->vcpu[index].held = held;
	say(world, "vm %u module: vcpu %u is %s", vm->id, index, held ? "held" : "released");
	feed_record(world, vm, &ev);
}

void module_release(struct world *world, struct vm *vm, uint32_t index, enum kcoh_hold_why why)
{
	if (vm->vcpu[index].held)
		feed_hold(world, vm, index, false, why);
}

static void release_all(struct world *world, struct vm *vm, enum kcoh_hold_why why)
{
	for (uint32_t i = 0; i < vm->vcpus; i++)
		module_release(world, vm, i, why);
}

static bool window_is_open(const struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		if (vcpu_state(&vm->vcpu[i]) == KCOH_UNCACHED)
			return true;
	}
	return false;
}

static void epoch_start(struct world *world, struct vm *vm)
{
	vm->module.armed = true;
	vm->module.watched = vcpus_sync(world, vm);
	vm->module.tainted = window_is_open(vm);
	say(world, "vm %u module: epoch starts%s", vm->id,
	    vm->module.watched ? "" : ", a vCPU does not arm");
	if (vm->module.watched)
		feed_epoch(world, vm, true);
}

static void epoch_end(struct world *world, struct vm *vm)
{
	say(world, "vm %u module: epoch ends", vm->id);
	release_all(world, vm, KCOH_HOLD_EPOCH_END);
	if (vm->module.closed)
		vm->module.strategy = -1;
	vm->module.closed = false;
	vm->module.rearm_ns = 0;
	vm->module.watched = false;
	vm->module.armed = false;
	vcpus_sync(world, vm);
	feed_epoch(world, vm, false);
}

void module_epoch(struct world *world, struct vm *vm)
{
	bool epoch = vm_in_epoch(vm);

	if (!is_wanted(world) || epoch == vm->module.epoch)
		return;
	vm->module.epoch = epoch;
	if (epoch)
		epoch_start(world, vm);
	else
		epoch_end(world, vm);
}

static void over_budget(struct world *world, struct vm *vm)
{
	say(world, "vm %u module: over its trap budget", vm->id);
	oracle_arm_trouble(world, vm);
	vm->module.armed = false;
	vm->module.watched = false;
	vm->module.rearm_ns = world->now_ns + BUDGET_NS;
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		vm->vcpu[i].job = true;
		vm->vcpu[i].job_at_ns = 0;
	}
}

/* A trapped write made a real edge. */
void module_edge(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];

	if (!vcpu->armed)
		return;
	vm->module.tainted |= !vcpu->cached;
	if (!vcpu->cached && vm->module.epoch && vm->module.strategy == KCOH_STRATEGY_HOLD) {
		vcpu->held_until_ns = world->now_ns + vm->module.hold_ms * MS;
		feed_hold(world, vm, index, true, KCOH_HOLD_TOGGLE);
	}
	if (chance(world->tape, world->faults.budget))
		over_budget(world, vm);
}

/* Its registers were replaced from outside: the job runs again, and tells what is true now. */
void module_uneasy(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];

	if (!is_wanted(world) || !vm->module.armed)
		return;
	vm->module.tainted = true;
	vcpu->job = true;
	vcpu->job_at_ns = 0;
}

static void vm_step(struct world *world, struct vm *vm)
{
	if (vm->module.rearm_ns && world->now_ns >= vm->module.rearm_ns) {
		vm->module.rearm_ns = 0;
		vm->module.armed = true;
		vcpus_sync(world, vm);
	}
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		if (vm->vcpu[i].run == RUN_GUEST && !vm->paused)
			module_vcpu(world, vm, i);
	}
}

void module_step(struct world *world)
{
	for (uint32_t i = 0; is_wanted(world) && i < world->vms; i++) {
		if (world->vm[i].alive)
			vm_step(world, &world->vm[i]);
	}
}

/* It is loaded or unloaded: what it knew of VMs is gone. */
void module_comes(struct world *world, uint8_t state)
{
	world->module = state;
	for (uint32_t v = 0; v < world->vms; v++) {
		struct vm *vm = &world->vm[v];

		vm->module = (struct module_vm){ .strategy = -1 };
		for (uint32_t i = 0; i < MAX_VCPUS; i++) {
			vm->vcpu[i].armed = false;
			vm->vcpu[i].told_armed = false;
			vm->vcpu[i].job = false;
			vm->vcpu[i].held = false;
		}
		for (uint32_t s = 0; s < MAX_SLOTS; s++)
			vm->slot[s].stale = true;
	}
}

/* --- cleaning --------------------------------------------------------------------------------------------- */

static bool taint_is_clear(const struct vm *vm)
{
	return is_tainted_only(vm) && vm->module.watched && !vm->module.tainted;
}

static void clean_one(struct world *world, struct vm *vm, struct slot *slot, struct page *page)
{
	page->unclean = false;
	if (is_tainted_only(vm) && page->seen && taint_is_clear(vm))
		return;
	page->unclean = chance(world->tape, world->faults.clean);
	if (page->unclean) {
		say(world, "vm %u module: slot %u page %ld cannot be cleaned", vm->id, slot->id,
		    (long)(page - slot->page));
		page->dirty = true;
		return;
	}
	page_clean(page);
	page->seen = taint_is_clear(vm);
}

static void feed_harvest(struct world *world, struct vm *vm, const struct slot *slot,
			 uint32_t pages, uint32_t unclean)
{
	union kcoh_ev ev = { .harvest = { .hdr = { .vcpu = KCOH_VCPU_NONE,
						   .type = KCOH_EV_HARVEST,
						   .size = sizeof(ev.harvest) },
					  .pages = pages,
					  .cleaned = pages - unclean,
					  .unclean = unclean,
					  .slot_id = slot->id,
					  .kind = vm->manual ? KCOH_HARVEST_CLEAR :
							       KCOH_HARVEST_GET,
					  .source = KCOH_HARVEST_BY_MODULE } };

	feed_record(world, vm, &ev);
}

static void clean_slot(struct world *world, struct vm *vm, struct slot *slot, bool all)
{
	uint32_t pages = 0, unclean = 0;

	for (uint32_t p = 0; p < slot->pages; p++) {
		if (!all && !slot->page[p].taken)
			continue;
		clean_one(world, vm, slot, &slot->page[p]);
		pages++;
		unclean += slot->page[p].unclean;
	}
	if (daemon_hears_module(world))
		world->counted += unclean;
	if (unclean || chance(world->tape, 16))
		feed_harvest(world, vm, slot, pages, unclean);
}

/* In the thread that switched logging on. */
void module_slot_starts(struct world *world, struct vm *vm, struct slot *slot)
{
	for (uint32_t p = 0; p < slot->pages; p++)
		slot->page[p].seen = false;
	slot->stale = !module_cleans(world, vm);
	if (!slot->stale && !vm->manual)
		clean_slot(world, vm, slot, true);
}

/* In the thread that harvested, on its way to user mode. */
void module_harvested(struct world *world, struct vm *vm, struct slot *slot)
{
	if (module_cleans(world, vm)) {
		clean_slot(world, vm, slot, slot->stale);
		slot->stale = false;
	} else {
		slot->stale = true;
	}
}

/* A dirty log is read while no vCPU runs: what it names may be read without another harvest. */
void module_get(struct world *world, struct vm *vm, struct slot *slot)
{
	if (!vm->paused || !vm->manual || !module_cleans(world, vm))
		return;
	for (uint32_t p = 0; p < slot->pages; p++) {
		if (slot->page[p].dirty)
			page_clean(&slot->page[p]);
	}
}

/* --- what its owner asks ---------------------------------------------------------------------------------- */

int module_strategy(struct world *world, struct vm *vm, int strategy, uint32_t hold_ms)
{
	if (world->module == MODULE_ABSENT)
		return -2; /* ENOENT */
	vm->module.closed = false;
	vm->module.strategy = strategy;
	vm->module.hold_ms = hold_ms;
	if (strategy != KCOH_STRATEGY_HOLD)
		release_all(world, vm, KCOH_HOLD_RELEASED);
	return 0;
}

/* The file of its owner is closed. A running epoch keeps its strategy to the end. */
void module_released(struct world *world, struct vm *vm)
{
	release_all(world, vm, KCOH_HOLD_CLOSED);
	vm->module.closed = vm->module.epoch;
	if (!vm->module.closed)
		vm->module.strategy = -1;
}
