/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reset.bpf.h - what the program at kvm_exit (exit.bpf.c) notices of resets: the beginning of faults
 * after one, and the PSCI calls that end something.
 *
 * The problem: a tracepoint of its own for each costs some 130 instructions at every fault and access
 * to a device, and a trampoline at kvm_psci_call 250 at every PSCI call, on all VMs and for ever.
 * kvm_exit has a program already, which looks into data aborts and HVCs anyhow.
 *
 *   data or instruction abort, some VM was reset in the last 5 s   the fault's beginning is noted
 *   HVC with x0 = 0x84000009                                       PSCI system-reset
 *
 * Cost: a comparison at each abort while no VM is watched, and one at each PSCI call. Limit: PSCI by
 * SMC, the conduit of guests with an EL2 of their own, is not told.
 */
#ifndef KCOH_RESET_BPF_H
#define KCOH_RESET_BPF_H

#include "common.bpf.h"

#define PSCI_CPU_OFF 0x84000002
#define PSCI_SYSTEM_OFF 0x84000008
#define PSCI_SYSTEM_RESET 0x84000009
#define PSCI_SYSTEM_RESET2 0x84000012
#define PSCI_SYSTEM_SUSPEND 0x8400000e
#define PSCI_64BIT 0x40000000

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct kcoh_unmap);
} kcoh_unmaps __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} kcoh_unmapped __weak SEC(".maps"); /* VMs in kcoh_unmaps, of which the loader takes away */

/* What a task is in: its fault, or its unmapping. */
struct doing {
	__u64 start_ns;
	__u64 bytes;
	struct kvm *kvm;
	__u32 vm;
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, struct doing);
} kcoh_doing __weak SEC(".maps");

static __always_inline __u64 *watched(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&kcoh_unmapped, &zero);
}

static __noinline int fault_begins(__u32 vm)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct doing doing = { .vm = vm };

	if (!bpf_map_lookup_elem(&kcoh_unmaps, &doing.vm))
		return 0;
	doing.start_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&kcoh_doing, &task, &doing, BPF_ANY);
	return 0;
}

/* A vCPU of this VM has left the guest for an abort. */
static __always_inline void reset_see_abort(__u32 vm)
{
	__u64 *count = watched();

	if (count && *count)
		fault_begins(vm);
}

static __always_inline __u32 psci_call_of(__u32 function)
{
	switch (function & ~PSCI_64BIT) {
	case PSCI_CPU_OFF:
		return KCOH_PSCI_CPU_OFF;
	case PSCI_SYSTEM_OFF:
		return KCOH_PSCI_SYSTEM_OFF;
	case PSCI_SYSTEM_RESET:
	case PSCI_SYSTEM_RESET2:
		return KCOH_PSCI_SYSTEM_RESET;
	case PSCI_SYSTEM_SUSPEND:
		return KCOH_PSCI_SYSTEM_SUSPEND;
	}
	return KCOH_PSCI_OTHER;
}

static __noinline int psci_tell(__u32 vm, __u32 vcpu, __u32 function)
{
	__u32 call = psci_call_of(function);
	struct kcoh_ev_psci *ev;

	if (call == KCOH_PSCI_OTHER || !ev_reserve(ev, KCOH_EV_PSCI, vm, vcpu))
		return 0;
	ev->call = call;
	ev->function = function;
	ev_submit(ev);
	return 0;
}

/* A vCPU has called a function of PSCI by HVC. VERSION and CPU_SUSPEND, which are frequent, end nothing. */
static __always_inline void reset_see_psci(__u32 vm, __u32 vcpu, __u32 function)
{
	if ((function & 0x1f) > 1)
		psci_tell(vm, vcpu, function);
}

#endif
