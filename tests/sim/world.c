// SPDX-License-Identifier: GPL-2.0-only
/*
 * world.c - one run: makes a host, lets it live, and ends it.
 *
 * First everything that is fixed for a run is drawn: the host, its module, what goes wrong and how often, and VMs with their
 * guests and policies. Then, step by step, time passes (mostly microseconds, sometimes seconds) and somebody acts: a vCPU, the
 * cache, QEMU, the operator, the module. The daemon's timers are looked at in each step.
 */
#include <stdio.h>
#include <string.h>

#include "driver.h"
#include "oracle.h"
#include "world.h"

struct vm *world_vm(struct world *world, uint32_t id)
{
	for (uint32_t i = 0; i < world->vms; i++) {
		if (world->vm[i].alive && world->vm[i].id == id)
			return &world->vm[i];
	}
	return NULL;
}

struct slot *some_slot(struct world *world, struct vm *vm)
{
	uint32_t n = 0, chosen;

	for (uint32_t s = 0; s < MAX_SLOTS; s++)
		n += vm->slot[s].alive;
	chosen = n ? draw(world->tape, n) : 0;
	for (uint32_t s = MAX_SLOTS; s--;) { /* RAM before flash: the dull choice is the first */
		if (vm->slot[s].alive && !chosen--)
			return &vm->slot[s];
	}
	return NULL;
}

static void slots_make(struct world *world, struct vm *vm)
{
	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		struct slot *slot = &vm->slot[s];

		slot->id = s;
		slot->ram = s != 0;
		slot->base_gfn = 0x40000 + s * 0x100;
		slot->pages = s ? 2 + draw(world->tape, MAX_PAGES - 1) : 1;
		slot->stale = true;
		for (uint32_t p = 0; p < MAX_PAGES; p++)
			slot->page[p].nc = slot->ram && vm->has_nc && chance(world->tape, 4);
	}
}

static void slots_create(struct world *world, struct vm *vm)
{
	uint32_t n = 2 + draw(world->tape, MAX_SLOTS - 2);

	for (uint32_t s = 0; s < n; s++)
		slot_change(world, vm, &vm->slot[s], 0, KCOH_SLOT_CREATE);
}

static uint32_t draw_strategy(struct tape *tape)
{
	static const uint32_t strategies[] = { KCOH_STRATEGY_VETO,  KCOH_STRATEGY_CLEAN,
					       KCOH_STRATEGY_VETO,  KCOH_STRATEGY_OBSERVE,
					       KCOH_STRATEGY_RETRY, KCOH_STRATEGY_CLEAN_TAINTED,
					       KCOH_STRATEGY_DEFER, KCOH_STRATEGY_HOLD };

	return strategies[draw(tape, sizeof(strategies) / sizeof(strategies[0]))];
}

static void vm_make(struct world *world, struct vm *vm)
{
	struct tape *tape = world->tape;

	*vm = (struct vm){ .alive = true, .id = ++world->next_id };
	vm->vcpus = 1 + draw(tape, MAX_VCPUS);
	vm->manual = draw(tape, 2);
	vm->quick_end = draw(tape, 2);
	vm->toggles = !chance(tape, 3);
	vm->has_nc = chance(tape, 4);
	vm->has_device = chance(tape, 8);
	vm->qmp = draw(tape, 4);
	vm->watches_phase = vm->qmp && draw(tape, 2);
	vm->asks_first = draw(tape, 2);
	vm->guard = draw(tape, 3) ? KCOH_GUARD_ENFORCE : KCOH_GUARD_WARN;
	vm->strategy = draw_strategy(tape);
	vm->tolerate = chance(tape, 8) ? draw(tape, 4) : 0;
	vm->module.strategy = -1;
	slots_make(world, vm);
	say(world, "vm %u is made: %u vCPUs, strategy %u, guard %u%s%s%s", vm->id, vm->vcpus,
	    vm->strategy, vm->guard, vm->qmp ? ", can be cancelled" : "",
	    vm->toggles ? ", toggles" : "", vm->has_nc ? ", maps Non-cacheable" : "");
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		vm->vcpu[i].run = i ? RUN_NEVER : RUN_IDLE;
		vm->vcpu[i].kvm_traps = true;
		vm->vcpu[i].sent = SENT_NEVER;
	}
	slots_create(world, vm);
}

static uint32_t rate(struct tape *tape, uint32_t n)
{
	return chance(tape, 3) ? n : 0;
}

static void faults_draw(struct world *world)
{
	struct tape *tape = world->tape;

	world->faults = (struct faults){
		.loss = rate(tape, 60),
		.reorder = rate(tape, 4),
		.restart = rate(tape, 400),
		.stall = rate(tape, 10),
		.arm = rate(tape, 4),
		.qmp = rate(tape, 2),
		.clean = rate(tape, 8),
		.module = rate(tape, 300),
		.slots = rate(tape, 30),
		.budget = rate(tape, 20),
		.policy = rate(tape, 150),
		.override = rate(tape, 60),
	};
}

static void world_make(struct world *world)
{
	struct tape *tape = world->tape;

	world->now_ns = SEC;
	world->fwb = chance(tape, 12);
	world->module = (uint8_t)draw(tape, 3);
	world->module = world->module == MODULE_ABSENT ? MODULE_TRAPS :
			world->module == MODULE_TRAPS  ? MODULE_CLEANS :
							 MODULE_ABSENT;
	world->arm_deadline_ms = 200 + draw(tape, 4) * 300;
	faults_draw(world);
	oracle_begin(world);
	world->vms = 1 + draw(tape, MAX_VMS);
	if (chance(tape, 4))
		daemon_start(world);
	for (uint32_t i = 0; i < world->vms; i++)
		vm_make(world, &world->vm[i]);
	if (!world->up)
		daemon_start(world);
}

/* The configuration is read again. */
static void policy_moves(struct world *world, struct vm *vm)
{
	vm->strategy = draw_strategy(world->tape);
	vm->tolerate = chance(world->tape, 8) ? draw(world->tape, 4) : 0;
	vm->guard = draw(world->tape, 3) ? KCOH_GUARD_ENFORCE : KCOH_GUARD_WARN;
	say(world, "vm %u has another policy: strategy %u, guard %u", vm->id, vm->strategy,
	    vm->guard);
	daemon_policy(world, vm);
}

/* An operator lets it through for a while, or takes that back. */
static void override_moves(struct world *world, struct vm *vm)
{
	vm->override_ns = vm->override_ns && draw(world->tape, 2) ?
				  0 :
				  world->now_ns + (1 + draw(world->tape, 4000)) * MS;
	say(world, "vm %u %s", vm->id,
	    vm->override_ns ? "is overridden" : "is not overridden any more");
	daemon_override(world, vm);
}

/* The SMMU stops a transaction of its device, a write or a read. */
static void device_moves(struct world *world, struct vm *vm)
{
	union kcoh_ev ev = { .smmu = { .hdr = { .vcpu = KCOH_VCPU_NONE,
						.type = KCOH_EV_SMMU,
						.size = sizeof(ev.smmu) },
				       .raw = { 8ull << 32 | 0x10, 1ull << 41 },
				       .count = 1 } };

	if (draw(world->tape, 2))
		ev.smmu.raw[1] |= 1ull << 35;
	say(world, "vm %u its device faults, %s", vm->id,
	    ev.smmu.raw[1] >> 35 & 1 ? "reading" : "writing");
	feed_record(world, vm, &ev);
}

static bool may_start(const struct world *world, const struct vm *vm)
{
	struct seen seen;

	if (!vm->asks_first || vm->guard != KCOH_GUARD_ENFORCE || !world->up)
		return true;
	seen = driver_look(world->driver, vm->id);
	return seen.known && seen.kind <= SEEN_REPAIR;
}

static void operator_step(struct world *world, struct vm *vm)
{
	if (vm->qemu.stage == Q_IDLE) {
		if (!chance(world->tape, 3) && may_start(world, vm))
			qemu_start(world, vm);
	} else if (chance(world->tape, 60)) {
		qemu_cancel(world, vm);
	}
}

/* Loaded, unloaded (for which the daemon must let go of it, and knows), or told to clean, or not, by itself. */
static void module_moves(struct world *world)
{
	static const char *const names[] = { "is absent", "traps", "cleans" };
	uint8_t state = (uint8_t)draw(world->tape, 3);

	if (state == world->module)
		return;
	say(world, "the module %s", names[state]);
	if (state == MODULE_ABSENT && world->up)
		daemon_module_released(world);
	if (state == MODULE_ABSENT || world->module == MODULE_ABSENT)
		module_comes(world, state);
	world->module = state;
	oracle_module_changed(world);
}

/* A harvest is slow beside what guests and caches do: between its steps most happens that can go wrong. */
static bool qemu_is_slow(struct world *world, const struct vm *vm)
{
	return vm->qemu.stage >= Q_TLBI && vm->qemu.stage <= Q_SEND && draw(world->tape, 4);
}

static void vm_acts(struct world *world, struct vm *vm)
{
	uint32_t who = draw(world->tape, 32);

	if (who >= 12 && who < 26 && qemu_is_slow(world, vm))
		who = who < 19 ? who - 12 : 26;

	if (who < 12)
		vcpu_step(world, vm, who % vm->vcpus);
	else if (who < 26)
		qemu_step(world, vm);
	else if (who < 30)
		cache_step(world, vm);
	else if (who == 30)
		operator_step(world, vm);
	else if (chance(world->tape, world->faults.slots))
		qemu_slots_step(world, vm);
	else if (chance(world->tape, world->faults.policy))
		policy_moves(world, vm);
	else if (vm->has_device && chance(world->tape, 20))
		device_moves(world, vm);
	else if (chance(world->tape, world->faults.override))
		override_moves(world, vm);
	else
		cache_step(world, vm);
	if (vm->lates && chance(world->tape, 8))
		feed_flush(world, vm);
}

/* Microseconds, now and then milliseconds, seldom seconds; the daemon's timers fire in between. */
static void time_passes(struct world *world)
{
	uint64_t until_ns = world->now_ns + (1 + draw(world->tape, 300)) * US;

	if (chance(world->tape, 12))
		until_ns += draw(world->tape, 60) * MS;
	if (chance(world->tape, 500))
		until_ns += draw(world->tape, 12000) * MS;
	while (world->up && world->tick_ns < until_ns && !world->violation) {
		if (world->tick_ns > world->now_ns)
			world->now_ns = world->tick_ns;
		daemon_step(world);
	}
	world->now_ns = until_ns;
}

static void step(struct world *world)
{
	struct vm *vm = &world->vm[draw(world->tape, world->vms)];

	time_passes(world);
	module_step(world);
	if (vm->alive)
		vm_acts(world, vm);
	else if (world->next_id < 40 && chance(world->tape, 20))
		vm_make(world, vm);
	if (chance(world->tape, world->faults.module))
		module_moves(world);
	daemon_step(world);
	world->steps++;
}

/* What is under way ends, and the core hears of it. */
static void settle(struct world *world)
{
	for (uint32_t i = 0; i < 40 && !world->violation; i++) {
		world->now_ns += 50 * MS;
		for (uint32_t v = 0; v < world->vms; v++)
			feed_flush(world, &world->vm[v]);
		daemon_step(world);
	}
}

void world_run(struct world *world)
{
	uint32_t steps;

	world_make(world);
	steps = 300 + draw(world->tape, 1500);
	while (steps-- && !world->violation && !world->tape->ended)
		step(world);
	settle(world);
}
