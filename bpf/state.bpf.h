/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.bpf.h - the cache state of a vCPU: read from its saved registers, sent when it is another.
 *
 * The problem: for each VM to know which vCPUs may be running with their MMU or caches off, without a
 * hook at each load and put, which on 6.1 are two breakpoint exceptions for every KVM_RUN. On VHE the
 * guest's SCTLR_EL1 is in the CPU while the vCPU is loaded, out of a BPF program's reach, and true in
 * memory otherwise. So it is looked at where the saved register is true and can have changed:
 *
 *   the vCPU ran             kvm_userspace_exit, a tracepoint behind the put; kvm_sched_out's return
 *   userspace wrote it       the return of kvm_arch_vcpu_ioctl (KVM_ARM_VCPU_INIT, SET_ONE_REG) and of
 *                            kvm_arch_vcpu_ioctl_set_mpstate
 *   it runs for once         kvm_arch_vcpu_run_pid_change: until then it is `off`
 *   another vCPU started it  kvm_reset_vcpu's return, in its own thread (PSCI CPU_ON)
 *
 * A worked example, secondary vCPU 1 of a Linux guest, from its creation:
 *
 *   KVM_ARM_VCPU_INIT, POWER_OFF    RESET init, has_run 0; at its return: VCPU off
 *   KVM_RUN: sleeps                 nothing: still off
 *   CPU_ON by vCPU 0: wakes         nothing: a reset is due, the registers are of an earlier life
 *   kvm_reset_vcpu in its thread    RESET cpu-on; at its return: VCPU uncached
 *   SCTLR_EL1 := MMU on, trapped    TOGGLE uncached -> cached (source KVM, trapping since then)
 *   leaves to user space            nothing: the state is known
 *
 * Cost: at an exit to user space a comparison of two words with those seen last; all else only if
 * they differ. Limit: a state looked at is 'not seen to change since', not 'did not change'.
 */
#ifndef KCOH_STATE_BPF_H
#define KCOH_STATE_BPF_H

#include "common.bpf.h"

static __always_inline __u32 vcpu_tid(struct kvm_vcpu *vcpu)
{
	struct pid *pid = BPF_CORE_READ(vcpu, pid);

	return pid ? BPF_CORE_READ(pid, numbers[0].nr) : 0;
}

/*
 * Cache state by the saved registers: right whenever the vCPU is not loaded, and on nVHE also
 * between exits. A guest with an EL2 of its own (nested) keeps SCTLR_EL1 elsewhere and has a second
 * one: unknown.
 */
static __always_inline __u32 vcpu_state_in(struct kvm_vcpu *vcpu, __u64 *ret_sctlr, __u32 will_run)
{
	__u64 idx = bpf_core_enum_value(enum vcpu_sysreg, SCTLR_EL1);
	const void *sys_regs = __builtin_preserve_access_index(&vcpu->arch.ctxt.sys_regs);

	*ret_sctlr = 0;
	if (BPF_CORE_READ(vcpu, arch.mp_state.mp_state) == KVM_MP_STATE_STOPPED)
		return KCOH_OFF;
	if (!will_run && !BPF_CORE_READ(vcpu, pid))
		return KCOH_OFF; /* it never ran */
	if (BPF_CORE_READ(vcpu, arch.reset_state.reset))
		return KCOH_UNKNOWN; /* the registers are of an earlier life */
	if (bpf_core_field_exists(vcpu->arch.ctxt.vncr_array) &&
	    BPF_CORE_READ(vcpu, arch.ctxt.vncr_array))
		return KCOH_UNKNOWN;
	if (bpf_probe_read_kernel(ret_sctlr, sizeof(*ret_sctlr), sys_regs + idx * 8))
		return KCOH_UNKNOWN;
	return kcoh_sctlr_cached(*ret_sctlr) ? KCOH_CACHED : KCOH_UNCACHED;
}

static __always_inline __u32 vcpu_state(struct kvm_vcpu *vcpu, __u64 *ret_sctlr)
{
	return vcpu_state_in(vcpu, ret_sctlr, 0);
}

/* Returns 0, or -1 if the record was lost. */
static __always_inline int send_vcpu(const struct vcpu_key *key, __u32 state, __u64 sctlr,
				     __u32 tid, __u8 source)
{
	struct kcoh_ev_vcpu *ev;

	if (!ev_reserve(ev, KCOH_EV_VCPU, key->vm, key->idx))
		return -1;
	ev->state = state;
	ev->sctlr = sctlr;
	ev->tid = tid;
	ev->source = source;
	ev_submit(ev);
	return 0;
}

/*
 * Looks at a vCPU whose saved registers are true, and sends its state if it is not the one last sent.
 * `tid` is that of the thread that is about to run it, or 0.
 */
static __always_inline void state_look(struct kvm_vcpu *vcpu, const struct vcpu_key *key,
				       struct vcpu_rec *rec, __u32 tid)
{
	__u64 sctlr;
	__u32 state;

	if (BPF_CORE_READ(vcpu, arch.reset_state.reset))
		return; /* CPU_ON is under way */
	state = vcpu_state_in(vcpu, &sctlr, tid);
	if (state == rec->state)
		return;
	if (send_vcpu(key, state, sctlr, tid ? tid : vcpu_tid(vcpu), KCOH_SRC_SAMPLE)) {
		state_forget(rec, STATE_NEVER);
		return;
	}
	rec->sctlr = sctlr;
	rec->state = state;
}

#endif
