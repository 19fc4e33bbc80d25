// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.c - the cache state of each vCPU, and how well it is known.
 *
 * How a state is known decides what may replace it. A sample (read when the vCPU was put, or by a
 * scan) is true at its moment and misses edges between; the trap of the module sees every edge.
 * So, once a vCPU is trapped:
 *
 *   a sample that says off,      is taken: no trap shows PSCI CPU_OFF or KVM_SET_MP_STATE
 *   or comes when it is off
 *   a sample that says uncached  is taken (the worse is believed), but for one of a scan: on VHE
 *                                the saved SCTLR_EL1 of a vCPU that runs is as old as its last
 *                                put
 *   any other sample             changes nothing
 *
 * A vCPU stays trapped until the module gives its trap back (DISARM), a reset takes it (RESET),
 * records were lost, or the module is gone. In the last two cases the trap may have ended some time
 * ago; a sample that was not taken since its last record is then the best that is known, and nobody
 * will send it again.
 *
 * A toggle says what was before it. If that is not what was known, an edge was not seen (expected
 * of samples): the state `was` is taken first, for an instant, so that the window it means is
 * counted and marks the epoch.
 *
 * RESET of a vCPU that has run makes it unknown until the next record; of one that never ran,
 * leaves it off. PSCI CPU_ON makes it unknown always: it is about to run, with its MMU off.
 *
 * A vCPU that was never heard of is as one that never ran. One whose index is beyond the bound
 * makes the VM blind (TOO_MANY) for the rest of its life.
 */
#include "core/state.h"

static struct vcpu *vcpu_of(struct kcoh_core *core, struct vm *vm, uint16_t index)
{
	struct vcpu *vcpu;

	if (index >= core->config.max_vcpus) {
		vm->blind |= BLIND_TOO_MANY;
		return NULL;
	}
	vcpu = kcoh_vcpus_of(core, vm) + index;
	vcpu->scan = core->sync.scan;
	vm->scan = core->sync.scan;
	if (vcpu->known)
		return vcpu;
	vcpu->known = 1;
	vcpu->state = KCOH_OFF;
	vcpu->since_ns = core->now_ns;
	vm->states[KCOH_OFF]++;
	vm->vcpus++;
	if (index >= vm->vcpu_top)
		vm->vcpu_top = index + 1u;
	return vcpu;
}

static void set_state(struct kcoh_core *core, struct vm *vm, struct vcpu *vcpu, uint8_t state,
		      uint64_t sctlr)
{
	if (vcpu->state != state) {
		vm->states[vcpu->state]--;
		vm->states[state]++;
		vcpu->state = state;
		vcpu->since_ns = core->now_ns;
	}
	vcpu->sctlr = sctlr;
	vcpu->passed = 0;
	kcoh_windows_refresh(core, vm);
}

static bool is_exact(uint8_t source)
{
	return source == KCOH_SRC_TRAP || source == KCOH_SRC_DISARM;
}

/* Is a sample of a trapped vCPU to be taken? */
static bool sample_counts(const struct kcoh_core *core, const struct vcpu *vcpu, uint8_t state)
{
	if (vcpu->state == KCOH_OFF || state == KCOH_OFF)
		return true;
	return state == KCOH_UNCACHED && !core->sync.on;
}

void kcoh_vcpu_told(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_vcpu *ev)
{
	struct vcpu *vcpu = vcpu_of(core, vm, ev->hdr.vcpu);
	bool started;

	if (!vcpu)
		return;
	started = vcpu->state == KCOH_OFF && ev->state != KCOH_OFF;
	if (vcpu->source != KCOH_SRC_TRAP || is_exact(ev->source)) {
		vcpu->source = ev->source;
	} else if (!sample_counts(core, vcpu, ev->state)) {
		if (ev->state != KCOH_UNKNOWN)
			vcpu->passed = (uint8_t)((1 + ev->state) & 7);
		return;
	}
	set_state(core, vm, vcpu, ev->state, ev->sctlr);
	kcoh_epoch_vcpu(core, vm, vcpu, started);
}

void kcoh_vcpu_toggled(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_toggle *ev)
{
	struct vcpu *vcpu = vcpu_of(core, vm, ev->hdr.vcpu);
	bool started;

	vm->toggles++;
	if (!vcpu)
		return;
	started = vcpu->state == KCOH_OFF;
	if (vcpu->source != KCOH_SRC_TRAP)
		vcpu->source = ev->source;
	set_state(core, vm, vcpu, ev->was, vcpu->sctlr);
	set_state(core, vm, vcpu, ev->now, ev->sctlr);
	kcoh_epoch_vcpu(core, vm, vcpu, started);
}

void kcoh_vcpu_reset(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_reset *ev)
{
	struct vcpu *vcpu = vcpu_of(core, vm, ev->hdr.vcpu);
	bool runs = ev->has_run || ev->kind == KCOH_RESET_CPU_ON;

	vm->resets++;
	if (!vcpu)
		return;
	vcpu->source = KCOH_SRC_SAMPLE;
	set_state(core, vm, vcpu, runs ? KCOH_UNKNOWN : KCOH_OFF, 0);
	kcoh_epoch_vcpu(core, vm, vcpu, runs);
}

/* A vCPU that is held runs no instruction, whatever the state of its caches. */
void kcoh_vcpu_held(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_hold *ev)
{
	struct vcpu *vcpu = vcpu_of(core, vm, ev->hdr.vcpu);
	bool held = ev->held;

	if (!vcpu || vcpu->held == held)
		return;
	vcpu->held = held;
	if (held)
		vm->held++;
	else
		vm->held--;
}

static void release_all(struct kcoh_core *core, struct vm *vm)
{
	struct vcpu *vcpus = kcoh_vcpus_of(core, vm);
	uint32_t i;

	for (i = 0; i < vm->vcpu_top; i++)
		vcpus[i].held = 0;
	vm->held = 0;
}

static void demote(struct kcoh_core *core, struct vm *vm, struct vcpu *vcpu)
{
	vcpu->source = KCOH_SRC_SAMPLE;
	if (vcpu->passed)
		set_state(core, vm, vcpu, (uint8_t)(vcpu->passed - 1), 0);
}

void kcoh_vcpus_demote(struct kcoh_core *core, struct vm *vm)
{
	struct vcpu *vcpus = kcoh_vcpus_of(core, vm);
	uint32_t i;

	release_all(core,
		    vm); /* by the module's absence, or, after a loss, for all that is known */
	for (i = 0; i < vm->vcpu_top; i++)
		if (vcpus[i].source == KCOH_SRC_TRAP)
			demote(core, vm, &vcpus[i]);
}

/* After a loss, a vCPU that the scan did not read is as good as anything. */
void kcoh_vcpus_forget_unseen(struct kcoh_core *core, struct vm *vm)
{
	struct vcpu *vcpus = kcoh_vcpus_of(core, vm);
	uint32_t i;

	for (i = 0; i < vm->vcpu_top; i++)
		if (vcpus[i].known && vcpus[i].scan != core->sync.scan)
			set_state(core, vm, &vcpus[i], KCOH_UNKNOWN, 0);
}
