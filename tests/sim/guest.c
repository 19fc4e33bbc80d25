// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest.c - what vCPUs do: write, turn their caches off and on, sleep, stop, start, reboot.
 *
 * What kcoh hears of it, as the kernel's hooks tell it:
 *
 *   a write of SCTLR_EL1     TOGGLE, only if KVM's trap or the module's is set
 *   load and put             VCPU (sample), only if the state is not what was told last
 *   CPU_ON, VCPU_INIT        RESET, and the state is unknown until the next load
 *
 * Each vCPU has pages of its own, so that two vCPUs in different states never write one line: no guest could.
 */
#include "world.h"

uint8_t vcpu_state(const struct vcpu *vcpu)
{
	if (vcpu->run == RUN_NEVER || vcpu->run == RUN_OFF)
		return KCOH_OFF;
	return vcpu->cached ? KCOH_CACHED : KCOH_UNCACHED;
}

static bool owns(const struct vm *vm, uint32_t index, uint32_t page)
{
	return page % vm->vcpus == index;
}

/* The guest cleans what is its own, with instructions of its own. */
static void clean_own(struct vm *vm, uint32_t index)
{
	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		for (uint32_t p = 0; p < MAX_PAGES; p++) {
			if (owns(vm, index, p))
				page_clean(&vm->slot[s].page[p]);
		}
	}
}

void vcpu_put(struct world *world, struct vm *vm, uint32_t index)
{
	if (vcpu_state(&vm->vcpu[index]) != vm->vcpu[index].sent)
		feed_vcpu(world, vm, index, KCOH_SRC_SAMPLE);
}

void vcpu_load(struct world *world, struct vm *vm, uint32_t index)
{
	vm->vcpu[index].has_run = true;
	vcpu_put(world, vm, index); /* the same is told before and after */
	module_vcpu(world, vm, index);
}

static void feed_toggle(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	union kcoh_ev ev = { .toggle = { .hdr = { .vcpu = (uint16_t)index,
						  .type = KCOH_EV_TOGGLE,
						  .size = sizeof(ev.toggle) },
					 .was = vcpu->cached ? KCOH_UNCACHED : KCOH_CACHED,
					 .now = vcpu->cached ? KCOH_CACHED : KCOH_UNCACHED,
					 .source = vcpu->told_armed ? KCOH_SRC_TRAP :
								      KCOH_SRC_KVM } };

	vcpu->sent = ev.toggle.now;
	feed_record(world, vm, &ev);
}

static void toggle(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];
	bool trapped = vcpu->kvm_traps || vcpu->armed;

	clean_own(vm, index);
	vcpu->cached = !vcpu->cached;
	say(world, "vm %u vcpu %u turns its caches %s%s", vm->id, index,
	    vcpu->cached ? "on" : "off", trapped ? ", trapped" : ", unseen");
	if (!trapped)
		return;
	if (!world->fwb)
		vm_clean(vm);
	if (vcpu->cached)
		vcpu->kvm_traps = false;
	feed_toggle(world, vm, index);
	module_edge(world, vm, index);
}

static void write_page(struct world *world, struct vm *vm, uint32_t index)
{
	struct slot *slot = some_slot(world, vm);
	uint32_t page = draw(world->tape, MAX_PAGES);

	page -= page % vm->vcpus;
	page += index;
	if (!slot || page >= slot->pages || slot->flags & KCOH_SLOT_READONLY)
		return;
	page_write(world, vm, slot, &slot->page[page], &vm->vcpu[index], ++vm->next_write);
}

static void feed_reset(struct world *world, struct vm *vm, uint32_t index,
		       enum kcoh_reset_kind kind)
{
	union kcoh_ev ev = { .reset = { .hdr = { .vcpu = (uint16_t)index,
						 .type = KCOH_EV_RESET,
						 .size = sizeof(ev.reset) },
					.kind = kind,
					.has_run = vm->vcpu[index].has_run } };

	vm->vcpu[index].sent = SENT_NEVER;
	vm->vcpu[index].told_armed = false;
	feed_record(world, vm, &ev);
}

/* PSCI CPU_ON: it runs, with its MMU off, and KVM's trap is as it was. */
static void start(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];

	clean_own(vm, index);
	vcpu->cached = false;
	vcpu->run = RUN_GUEST;
	say(world, "vm %u vcpu %u is started by PSCI", vm->id, index);
	feed_reset(world, vm, index, KCOH_RESET_CPU_ON);
	module_uneasy(world, vm, index);
	vcpu_load(world, vm, index);
}

static void stop(struct world *world, struct vm *vm, uint32_t index)
{
	clean_own(vm, index);
	vm->vcpu[index].run = RUN_OFF;
	say(world, "vm %u vcpu %u stops itself by PSCI", vm->id, index);
	vcpu_put(world, vm, index);
}

/* KVM_ARM_VCPU_INIT of all: a reboot. Stage 2 is unmapped, and what is mapped anew is cleaned then. */
void vm_reset(struct world *world, struct vm *vm)
{
	say(world, "vm %u reboots", vm->id);
	vm_clean(vm);
	for (uint32_t i = 0; i < vm->vcpus; i++) {
		vm->vcpu[i].cached = false;
		vm->vcpu[i].kvm_traps = true;
		vm->vcpu[i].run = i ? RUN_OFF : RUN_IDLE;
		feed_reset(world, vm, i, KCOH_RESET_INIT);
		module_uneasy(world, vm, i);
	}
}

static void guest_step(struct world *world, struct vm *vm, uint32_t index)
{
	switch (draw(world->tape, 16)) {
	case 9: /* preempted */
		vcpu_put(world, vm, index);
		vcpu_load(world, vm, index);
		break;
	case 10: /* WFI */
		vm->vcpu[index].run = RUN_IDLE;
		vcpu_put(world, vm, index);
		break;
	case 11:
		if (!vm->vcpu[index].cached)
			toggle(world, vm, index);
		break;
	case 12:
	case 13:
		if (vm->toggles && vm->vcpu[index].cached)
			toggle(world, vm, index);
		break;
	case 14:
		if (index && chance(world->tape, 4))
			stop(world, vm, index);
		break;
	case 15:
		if (!index && vm->toggles && chance(world->tape, 60))
			vm_reset(world, vm);
		break;
	default:
		write_page(world, vm, index);
	}
}

void vcpu_step(struct world *world, struct vm *vm, uint32_t index)
{
	struct vcpu *vcpu = &vm->vcpu[index];

	if (vcpu->held && world->now_ns >= vcpu->held_until_ns)
		module_release(world, vm, index, KCOH_HOLD_DEADLINE);
	if (vm->paused || vcpu->held)
		return;
	switch (vcpu->run) {
	case RUN_GUEST:
		guest_step(world, vm, index);
		break;
	case RUN_IDLE:
		if (!chance(world->tape, 3)) {
			vcpu->run = RUN_GUEST;
			vcpu_load(world, vm, index);
		}
		break;
	default:
		if (vm->vcpu[0].run == RUN_GUEST && vm->vcpu[0].cached && chance(world->tape, 20))
			start(world, vm, index);
	}
}
