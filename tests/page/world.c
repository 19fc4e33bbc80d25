// SPDX-License-Identifier: GPL-2.0-only
/*
 * world.c - VMs that boot, migrate, reboot and fault, by their numbers. See world.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcoh/smmu.h"
#include "world.h"

#define STEP_NS 100000000ull
#define S 10u /* steps */
#define MAX_VCPUS 16
#define SCTLR_ON 0x30d0198d
#define SCTLR_OFF 0x30d00800
#define PAGE 4096

enum role { WEB, DB, FW, BATCH, EDGE, GPU };

struct vm {
	enum role role;
	uint32_t id, vcpus;
	uint64_t pages;
	uint32_t age; /* steps */
	uint32_t shift; /* its place in the periods below */
	bool in_epoch, gone;
	uint32_t epoch_age;
	uint8_t state[MAX_VCPUS]; /* enum kcoh_cache_state */
};

struct world {
	struct kcoh_relay *relay;
	uint64_t now_ns;
	uint64_t seed;
	uint32_t count;
	struct vm vms[];
};

static uint32_t draw(struct world *world, uint32_t below)
{
	world->seed = world->seed * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(world->seed >> 33) % below;
}

static enum role role_of(uint32_t id)
{
	return id == 5      ? EDGE :
	       id % 41 == 2 ? DB :
	       id % 97 == 3 ? FW :
	       id % 29 == 4 ? BATCH :
	       id % 61 == 6 ? GPU :
			      WEB;
}

/* A record of any type, a few microseconds after the last one. */
static void push(struct world *world, union kcoh_ev *ev, uint16_t type, size_t size, uint32_t vm,
		 uint16_t vcpu)
{
	world->now_ns += 1000 + draw(world, 3000);
	ev->hdr = (struct kcoh_ev_hdr){
		.ts_ns = world->now_ns, .vm = vm, .vcpu = vcpu, .type = type, .size = (uint16_t)size
	};
	if (kcoh_relay_push(world->relay, &ev->hdr, size) < 0)
		abort();
}

#define PUSH(TYPE, member, vm, vcpu, ...)                                                          \
	push(world, &(union kcoh_ev){ .member = { .hdr = { 0 }, ##__VA_ARGS__ } }, KCOH_EV_##TYPE, \
	     sizeof(((union kcoh_ev *)0)->member), vm, vcpu)

static void toggle(struct world *world, struct vm *vm, uint16_t vcpu, bool on)
{
	uint8_t now = on ? KCOH_CACHED : KCOH_UNCACHED;

	if (vm->state[vcpu] == now)
		return;
	if (vm->state[vcpu] == KCOH_CACHED || vm->state[vcpu] == KCOH_UNCACHED)
		PUSH(TOGGLE, toggle, vm->id, vcpu, .pc = on ? 0x40080154 : 0x40080828,
		     .sctlr = on ? SCTLR_ON : SCTLR_OFF, .was = vm->state[vcpu], .now = now,
		     .source = KCOH_SRC_TRAP);
	else
		PUSH(VCPU, vcpu, vm->id, vcpu, .sctlr = on ? SCTLR_ON : SCTLR_OFF,
		     .tid = vm->id * 100 + vcpu, .state = now, .source = KCOH_SRC_TRAP);
	vm->state[vcpu] = now;
}

static void slot(struct world *world, struct vm *vm, bool logs, uint8_t change)
{
	PUSH(MEMSLOT, memslot, vm->id, KCOH_VCPU_NONE, .base_gfn = 0x40000, .pages = vm->pages,
	     .hva = 0xffff00000000, .generation = 2 + vm->age,
	     .flags = logs ? KCOH_SLOT_LOG_DIRTY : 0,
	     .old_flags = change == KCOH_SLOT_FLAGS && !logs ? KCOH_SLOT_LOG_DIRTY : 0,
	     .change = change);
}

static void epoch(struct world *world, struct vm *vm, bool start)
{
	if (vm->in_epoch == start)
		return;
	slot(world, vm, start, KCOH_SLOT_FLAGS);
	vm->in_epoch = start;
	vm->epoch_age = 0;
	PUSH(EPOCH, epoch, vm->id, KCOH_VCPU_NONE, .logged_pages = start ? vm->pages : 0,
	     .total_pages = vm->pages, .start = start, .vcpus = vm->vcpus, .armed = vm->vcpus);
}

/* KVM's record and the module's. At first all pages, then what the guest dirtied. */
static void harvest(struct world *world, struct vm *vm)
{
	uint64_t pages = vm->epoch_age < 20 ? vm->pages / 20 :
					      200 + draw(world, vm->role == DB ? 9000 : 900);
	uint64_t absent = vm->epoch_age < 20 ? pages / 2 : 0;

	PUSH(HARVEST, harvest, vm->id, KCOH_VCPU_NONE, .pages = pages, .ns = 40000 + pages * 90,
	     .tid = vm->id * 100, .kind = KCOH_HARVEST_CLEAR, .source = KCOH_HARVEST_BY_KVM,
	     .initially_set = 1);
	PUSH(HARVEST, harvest, vm->id, KCOH_VCPU_NONE, .pages = pages, .ns = (pages - absent) * 210,
	     .cleaned = pages - absent, .absent = absent, .tid = vm->id * 100,
	     .kind = KCOH_HARVEST_CLEAR, .source = KCOH_HARVEST_BY_MODULE, .initially_set = 1);
}

static void born(struct world *world, struct vm *vm)
{
	PUSH(VM_NEW, vm_new, vm->id, KCOH_VCPU_NONE, .pid = 1000 + vm->id,
	     .comm = "qemu-system-aar");
	slot(world, vm, false, KCOH_SLOT_CREATE);
	PUSH(VCPU, vcpu, vm->id, 0, .sctlr = SCTLR_OFF, .tid = vm->id * 100, .state = KCOH_UNCACHED,
	     .source = KCOH_SRC_TRAP);
	vm->state[0] = KCOH_UNCACHED;
	for (uint16_t i = 1; i < vm->vcpus; i++) {
		PUSH(VCPU, vcpu, vm->id, i, .state = KCOH_OFF, .source = KCOH_SRC_SAMPLE);
		vm->state[i] = KCOH_OFF;
	}
	if (vm->role == GPU)
		PUSH(DEVICE, device, vm->id, KCOH_VCPU_NONE, .sid = vm->id, .group = vm->id,
		     .device = "0000:01:00.0", .smmu = "9050000.smmuv3");
}

static void boot(struct world *world, struct vm *vm, uint32_t age)
{
	if (vm->role == FW)
		return;
	if (age == 2 * S)
		toggle(world, vm, 0, true);
	for (uint16_t i = 1; i < vm->vcpus; i++) {
		if (age != 3 * S + i)
			continue;
		PUSH(RESET, reset, vm->id, i, .kind = KCOH_RESET_CPU_ON);
		vm->state[i] = KCOH_UNKNOWN;
		toggle(world, vm, i, false);
		toggle(world, vm, i, true);
	}
}

/* The guest asks for it, KVM unmaps stage 2 once for each vCPU that had run, and each page faults in anew. */
static void reboot(struct world *world, struct vm *vm)
{
	uint64_t faults = 30000 + draw(world, 20000);

	PUSH(PSCI, psci, vm->id, 0, .call = KCOH_PSCI_SYSTEM_RESET, .function = 0x84000009);
	for (uint16_t i = 0; i < vm->vcpus; i++) {
		PUSH(RESET, reset, vm->id, i, .kind = KCOH_RESET_INIT, .has_run = 1);
		PUSH(UNMAP, unmap, vm->id, KCOH_VCPU_NONE, .ns = i ? 9000 : 5200000, .unmaps = 1);
		vm->state[i] = KCOH_UNKNOWN;
	}
	toggle(world, vm, 0, false);
	for (uint16_t i = 1; i < vm->vcpus; i++) {
		PUSH(VCPU, vcpu, vm->id, i, .state = KCOH_OFF, .source = KCOH_SRC_TRAP);
		vm->state[i] = KCOH_OFF;
	}
	PUSH(UNMAP, unmap, vm->id, KCOH_VCPU_NONE, .ns = 5200000 + 9000 * vm->vcpus,
	     .faults = faults, .fault_ns = faults * 2100, .bytes = faults * PAGE,
	     .span_ns = 5000000000, .unmaps = vm->vcpus, .kind = KCOH_UNMAP_FOLLOWED);
}

/* A device reads what is not mapped: F_TRANSLATION. */
static void fault(struct world *world, struct vm *vm)
{
	PUSH(SMMU, smmu, vm->id, KCOH_VCPU_NONE,
	     .raw = { 0x10 | (uint64_t)vm->id << 32, 0, 0x1000ull * draw(world, 65536), 0 },
	     .count = 1, .group = vm->id, .device = "0000:01:00.0", .smmu = "9050000.smmuv3");
}

static void live(struct world *world, struct vm *vm)
{
	uint32_t age = vm->age + vm->shift, period;

	switch (vm->role) {
	case WEB:
		period = 150 * S;
		epoch(world, vm, age % period >= 120 * S && age % period < 128 * S);
		break;
	case DB:
		epoch(world, vm, age % (200 * S) >= 20 * S);
		break;
	case EDGE:
		epoch(world, vm, age > 30 * S);
		if (age % (60 * S) == 40 * S)
			toggle(world, vm, 0, false);
		if (age % (60 * S) == 10 * S)
			toggle(world, vm, 0, true);
		break;
	case BATCH:
		if (age % (90 * S) == 60 * S)
			reboot(world, vm);
		if (age % (90 * S) >= 60 * S)
			boot(world, vm, age % (90 * S) - 60 * S);
		break;
	case GPU:
		if (age % (25 * S) == 0)
			fault(world, vm);
		if (age % (40 * S) < 2)
			toggle(world, vm, 0, age % (40 * S));
		break;
	case FW:
		break;
	}
}

static void vm_step(struct world *world, struct vm *vm)
{
	if (vm->gone)
		return;
	if (vm->age == 0)
		born(world, vm);
	boot(world, vm, vm->age);
	if (vm->age > 10 * S)
		live(world, vm);
	if (vm->in_epoch && vm->epoch_age++ % 4 == 0)
		harvest(world, vm);
	vm->age++;
}

void world_run(struct world *world, uint64_t now_ns)
{
	while (world->now_ns + STEP_NS <= now_ns) {
		uint64_t next = world->now_ns + STEP_NS;

		for (uint32_t i = 0; i < world->count; i++)
			vm_step(world, &world->vms[i]);
		if (world->now_ns < next)
			world->now_ns = next;
		kcoh_relay_tick(world->relay, world->now_ns);
	}
}

static struct vm *vm_find(struct world *world, uint32_t id, uint64_t now_ns)
{
	world_run(world, now_ns);
	if (id < 1 || id > world->count || world->vms[id - 1].gone)
		return NULL;
	if (world->now_ns < now_ns)
		world->now_ns = now_ns;
	return &world->vms[id - 1];
}

void world_toggle(struct world *world, uint32_t id, uint16_t vcpu, bool on, uint64_t now_ns)
{
	struct vm *vm = vm_find(world, id, now_ns);

	if (vm && vcpu < vm->vcpus)
		toggle(world, vm, vcpu, on);
}

void world_end(struct world *world, uint32_t id, uint64_t now_ns)
{
	struct vm *vm = vm_find(world, id, now_ns);

	if (!vm)
		return;
	PUSH(VM_GONE, vm_gone, id, KCOH_VCPU_NONE);
	vm->gone = true;
}

struct kcoh_ident *world_identify(void *ctx, const struct kcoh_ev_vm_new *ev)
{
	static const char *const names[] = { "web", "db", "fw", "batch", "edge", "gpu" };
	char name[32], uuid[KCOH_UUID_LEN];

	(void)ctx;
	snprintf(name, sizeof(name), "%s-%u", names[role_of(ev->hdr.vm)], ev->hdr.vm);
	snprintf(uuid, sizeof(uuid), "6b6f6800-0000-4000-8000-%012x", ev->hdr.vm);
	return kcoh_ident_new(ev->hdr.vm, ev->pid, ev->comm, name, uuid);
}

void world_policy(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev)
{
	enum role role = role_of(ident->id);

	(void)ctx;
	ret_ev->strategy = role == FW   ? KCOH_STRATEGY_VETO :
			   role == EDGE ? KCOH_STRATEGY_DEFER :
					  KCOH_STRATEGY_CLEAN;
	ret_ev->guard = role == FW ? KCOH_GUARD_ENFORCE : KCOH_GUARD_WARN;
	ret_ev->arm_deadline_ms = 500;
	ret_ev->defer_ms = 60000;
	ret_ev->hold_ms = 1000;
}

struct world *world_new(uint32_t vms, struct kcoh_relay *relay, uint64_t start_ns)
{
	struct world *world = calloc(1, sizeof(*world) + vms * sizeof(world->vms[0]));

	if (!world)
		return NULL;
	world->relay = relay;
	world->now_ns = start_ns;
	world->seed = vms;
	world->count = vms;
	PUSH(HOST, host, KCOH_VM_NONE, KCOH_VCPU_NONE,
	     .features = KCOH_HOST_MODULE | KCOH_HOST_TRAP | KCOH_HOST_CLEAN | KCOH_HOST_VHE,
	     .page_size = PAGE);
	for (uint32_t i = 0; i < vms; i++)
		world->vms[i] = (struct vm){ .id = i + 1,
					     .role = role_of(i + 1),
					     .vcpus = 1u << draw(world, 5),
					     .pages = 262144ull << draw(world, 4),
					     .shift = i < 6 ? i * 11 * S : draw(world, 200 * S) };
	return world;
}

void world_free(struct world *world)
{
	free(world);
}
