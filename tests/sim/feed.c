// SPDX-License-Identifier: GPL-2.0-only
/*
 * feed.c - records on their way: a ring that may be full, and an order that holds only where kcoh relies on it.
 *
 * Records of one vCPU come in its order, memslot records of a VM in theirs; two neighbours of different streams may come the
 * other way round (two hooks on one kernel function do). A record that finds the ring full is lost, and the next one
 * that goes through carries the gap. Nobody listens while the daemon is down.
 */
#include "oracle.h"
#include "world.h"

static bool is_ordered(const struct kcoh_ev_hdr *a, const struct kcoh_ev_hdr *b)
{
	if (a->type == KCOH_EV_VM_NEW || b->type == KCOH_EV_VM_NEW || a->type == KCOH_EV_VM_GONE ||
	    b->type == KCOH_EV_VM_GONE)
		return true;
	if (a->vm != b->vm)
		return false;
	if (a->type == KCOH_EV_MEMSLOT && b->type == KCOH_EV_MEMSLOT)
		return true;
	if (a->type == KCOH_EV_EPOCH || b->type == KCOH_EV_EPOCH)
		return true; /* made by the thread of the ioctl when all else is done */
	return a->vcpu == b->vcpu && a->vcpu != KCOH_VCPU_NONE;
}

/* The two last ones change places, if they were made at one moment. */
static void reorder(struct world *world)
{
	struct sent *b = &world->ring[world->ring_len - 1], *a = b - 1, swap;

	if (world->ring_len < 2 || is_ordered(&a->ev.hdr, &b->ev.hdr) ||
	    b->ev.hdr.ts_ns - a->ev.hdr.ts_ns > 50 * US || b->ev.hdr.gap)
		return;
	swap = *a;
	*a = *b;
	*b = swap;
}

static void lose(struct world *world, const union kcoh_ev *ev)
{
	say(world, "vm %u a %u record is lost", ev->hdr.vm, ev->hdr.type);
	world->gap++;
	oracle_lost(world);
}

static bool put(struct world *world, const struct vm *vm, union kcoh_ev *ev)
{
	ev->hdr.ts_ns = world->now_ns;
	ev->hdr.vm = vm->id;
	if (world->ring_len == RING_RECORDS || chance(world->tape, world->faults.loss)) {
		lose(world, ev);
		return false;
	}
	ev->hdr.gap = world->gap;
	world->gap = 0;
	world->ring[world->ring_len++] = (struct sent){ .ev = *ev, .epoch = vm->epoch_ns };
	if (chance(world->tape, world->faults.reorder))
		reorder(world);
	return true;
}

void feed_vm_new(struct world *world, struct vm *vm)
{
	union kcoh_ev ev = { .vm_new = { .hdr = { .vcpu = KCOH_VCPU_NONE,
						  .type = KCOH_EV_VM_NEW,
						  .size = sizeof(ev.vm_new) },
					 .pid = 100 + vm->id,
					 .existing = vm->existing,
					 .comm = "qemu" } };

	vm->told = put(world, vm, &ev);
	vm->existing |= !vm->told; /* met again, it is no birth */
}

/* What is late comes now, before any later memslot record of its VM. */
void feed_flush(struct world *world, struct vm *vm)
{
	uint32_t n = vm->lates;

	vm->lates = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (!vm->told)
			feed_vm_new(world, vm);
		put(world, vm, &vm->late[i]);
	}
}

/* Made by the module. */
static bool is_modules(const union kcoh_ev *ev)
{
	return ev->hdr.type == KCOH_EV_EPOCH || ev->hdr.type == KCOH_EV_HARVEST ||
	       ev->hdr.type == KCOH_EV_HOLD ||
	       (ev->hdr.type == KCOH_EV_VCPU && ev->vcpu.source != KCOH_SRC_SAMPLE);
}

void feed_record(struct world *world, struct vm *vm, union kcoh_ev *ev)
{
	if (!world->up || (is_modules(ev) && !daemon_hears_module(world)))
		return;
	if (ev->hdr.type == KCOH_EV_MEMSLOT || ev->hdr.type == KCOH_EV_VM_GONE)
		feed_flush(world, vm);
	if (!vm->told)
		feed_vm_new(world, vm);
	put(world, vm, ev);
}

/* A memslot record that a scan may overtake: the scan reads slots as they are, this is still on its way. */
void feed_late(struct world *world, struct vm *vm, union kcoh_ev *ev)
{
	if (!world->up)
		return;
	if (vm->lates == MAX_LATE || (!vm->lates && !chance(world->tape, world->faults.reorder)))
		feed_record(world, vm, ev);
	else
		vm->late[vm->lates++] = *ev;
}

bool feed_is_quiet(const struct world *world)
{
	for (uint32_t i = 0; i < world->vms; i++) {
		if (world->vm[i].lates)
			return false;
	}
	return !world->ring_len && !world->gap && !world->looked;
}

void feed_vcpu(struct world *world, struct vm *vm, uint32_t index, uint8_t source)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	union kcoh_ev ev = { .vcpu = { .hdr = { .vcpu = (uint16_t)index,
						.type = KCOH_EV_VCPU,
						.size = sizeof(ev.vcpu) },
				       .state = vcpu_state(vcpu),
				       .source = source } };

	if (source != KCOH_SRC_SAMPLE && !daemon_hears_module(world))
		return;
	vcpu->sent = ev.vcpu.state;
	if (source != KCOH_SRC_SAMPLE)
		vcpu->told_armed = source == KCOH_SRC_TRAP;
	feed_record(world, vm, &ev);
}

/* `seen` is the VM as the walk saw it, maybe some time ago. */
static void found_slots(struct world *world, struct vm *vm, const struct vm *seen)
{
	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		const struct slot *slot = &seen->slot[s];
		union kcoh_ev ev = { .memslot = { .hdr = { .vcpu = KCOH_VCPU_NONE,
							   .type = KCOH_EV_MEMSLOT,
							   .size = sizeof(ev.memslot) },
						  .base_gfn = slot->base_gfn,
						  .pages = slot->pages,
						  .generation = seen->generation,
						  .slot_id = slot->id,
						  .flags = slot->flags,
						  .old_flags = slot->flags,
						  .change = KCOH_SLOT_FOUND } };

		if (slot->alive)
			put(world, vm, &ev);
	}
}

/* A vCPU that is loaded has its register in the CPU: what was told last is told again, or that it is not known. */
static void found_vcpus(struct world *world, struct vm *vm)
{
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		struct vcpu *vcpu = &vm->vcpu[i];
		bool loaded = vcpu->run == RUN_GUEST && !vm->paused;
		union kcoh_ev ev = { .vcpu = { .hdr = { .vcpu = (uint16_t)i,
							.type = KCOH_EV_VCPU,
							.size = sizeof(ev.vcpu) },
					       .state = vcpu_state(vcpu),
					       .source = KCOH_SRC_SAMPLE } };

		if (loaded)
			ev.vcpu.state = vcpu->sent == SENT_NEVER ? KCOH_UNKNOWN : vcpu->sent;
		else
			vcpu->sent = ev.vcpu.state;
		feed_record(world, vm, &ev);
	}
}

/*
 * The iterator's walk over one VM. What it saw may be old when it is told; a walk that the generation moved under is
 * repeated, and the records of the first one are in the ring all the same.
 */
bool feed_scan_vm(struct world *world, struct vm *vm)
{
	if (!world->walk_old && chance(world->tape, world->faults.reorder)) {
		world->walked = *vm;
		world->walk_old = true;
		return false;
	}
	if (!vm->told)
		feed_vm_new(world, vm);
	if (world->walk_old && world->walked.id == vm->id)
		found_slots(world, vm, &world->walked);
	if (!world->walk_old || world->walked.generation != vm->generation)
		found_slots(world, vm, vm);
	world->walk_old = false;
	found_vcpus(world, vm);
	return true;
}
