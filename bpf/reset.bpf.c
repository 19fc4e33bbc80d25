// SPDX-License-Identifier: GPL-2.0-only
/*
 * reset.bpf.c - what a reset costs: KVM unmaps a VM's stage 2, and every page faults in anew.
 *
 * The problem: KVM_ARM_VCPU_INIT on a vCPU that has run makes KVM unmap the whole stage 2 of its VM
 * (on hosts without S2FWB), so that each page which the rebooted guest touches is cleaned when it is
 * mapped again. Would cleaning all at once be cheaper? For that the time of the unmapping must be
 * known, and the faults and their time in the seconds that follow.
 *
 * Example, a guest with 2 vCPUs that is reset and then touches 300 pages:
 *
 *   UNMAP unmapped  ns=190000                       once a vCPU that has run
 *   UNMAP unmapped  ns=2100
 *   UNMAP followed  unmaps=2 ns=192100 faults=300 bytes=1228800 fault_ns=2400000 span_ns=5000000000
 *
 * A fault begins when the guest is left for it (kvm_exit's program notes that, reset.bpf.h) and ends
 * when kvm_pgtable_stage2_map() returns, which includes looking for the page and cleaning it. Accesses
 * to devices begin in the same way and map nothing: they are no faults. What is counted for a VM lies
 * in kcoh_unmaps from its first unmap until the loader has told it, 5 s after the last one.
 *
 * Also here: SCTLR_EL1 written from outside.
 *
 * Cost: while no VM is watched a comparison at each page that is mapped, and where BPF has no
 * trampolines (6.1) two breakpoints. Limit: a page that was populated ahead by KVM without a fault
 * is not seen; there is no such thing today.
 */
#include "state.bpf.h"
#include "reset.bpf.h"

#define REG_SCTLR_EL1 0x603000000013c080ull /* ARM64_SYS_REG(3, 0, 1, 0, 0) */

/* --- unmap ------------------------------------------------------------------------------------- */

static __always_inline int unmap_enter(struct kvm *kvm)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct doing doing = { .kvm = kvm };

	doing.start_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&kcoh_doing, &task, &doing, BPF_ANY);
	return 0;
}

static __always_inline void watch(__u32 vm, __u64 start_ns, __u64 now)
{
	struct kcoh_unmap *unmap = bpf_map_lookup_elem(&kcoh_unmaps, &vm);
	struct kcoh_unmap new = { .first_ns = start_ns };
	__u64 *count = watched();

	if (!unmap) {
		if (count && !bpf_map_update_elem(&kcoh_unmaps, &vm, &new, BPF_NOEXIST))
			__sync_fetch_and_add(count, 1);
		unmap = bpf_map_lookup_elem(&kcoh_unmaps, &vm);
	}
	if (!unmap)
		return;
	unmap->last_ns = now;
	__sync_fetch_and_add(&unmap->unmaps, 1);
	__sync_fetch_and_add(&unmap->ns, now - start_ns);
}

static __always_inline int unmap_leave(void)
{
	__u64 task = bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();
	struct doing *doing = bpf_map_lookup_elem(&kcoh_doing, &task);
	struct kcoh_ev_unmap *ev;
	struct vm_rec *vm;
	__u64 start;

	if (!doing)
		return 0;
	start = doing->start_ns;
	vm = vm_get(doing->kvm);
	bpf_map_delete_elem(&kcoh_doing, &task);
	if (!vm)
		return 0;
	watch(vm->id, start, now);
	if (!ev_reserve(ev, KCOH_EV_UNMAP, vm->id, KCOH_VCPU_NONE))
		return 0;
	ev->ns = now - start;
	ev->unmaps = 1;
	ev->kind = KCOH_UNMAP_UNMAPPED;
	ev_submit(ev);
	return 0;
}

SEC("fentry/stage2_unmap_vm")
int BPF_PROG(unmap_fe, struct kvm *kvm)
{
	return unmap_enter(kvm);
}

SEC("kprobe/stage2_unmap_vm")
int BPF_KPROBE(unmap_kp, struct kvm *kvm)
{
	return unmap_enter(kvm);
}

SEC("fexit/stage2_unmap_vm")
int BPF_PROG(unmap_fx, struct kvm *kvm)
{
	return unmap_leave();
}

SEC("kretprobe/stage2_unmap_vm")
int BPF_KPROBE(unmap_kr)
{
	return unmap_leave();
}

/* --- the faults that follow -------------------------------------------------------------------- */

static __always_inline int map_enter(__u64 bytes)
{
	__u64 *count = watched(), task = bpf_get_current_pid_tgid();
	struct doing *doing;

	if (!count || !*count)
		return 0;
	doing = bpf_map_lookup_elem(&kcoh_doing, &task);
	if (doing)
		doing->bytes = bytes;
	return 0;
}

static __always_inline int map_leave(void)
{
	__u64 *count = watched(), task = bpf_get_current_pid_tgid();
	struct kcoh_unmap *unmap;
	struct doing *doing;

	if (!count || !*count)
		return 0;
	doing = bpf_map_lookup_elem(&kcoh_doing, &task);
	unmap = doing && doing->bytes ? bpf_map_lookup_elem(&kcoh_unmaps, &doing->vm) : NULL;
	if (!unmap)
		return 0;
	__sync_fetch_and_add(&unmap->faults, 1);
	__sync_fetch_and_add(&unmap->bytes, doing->bytes);
	__sync_fetch_and_add(&unmap->fault_ns, bpf_ktime_get_ns() - doing->start_ns);
	bpf_map_delete_elem(&kcoh_doing, &task);
	return 0;
}

SEC("fentry/kvm_pgtable_stage2_map")
int BPF_PROG(map_fe, void *pgt, __u64 addr, __u64 size)
{
	return map_enter(size);
}

SEC("kprobe/kvm_pgtable_stage2_map")
int BPF_KPROBE(map_kp, void *pgt, __u64 addr, __u64 size)
{
	return map_enter(size);
}

SEC("fexit/kvm_pgtable_stage2_map")
int BPF_PROG(map_fx)
{
	return map_leave();
}

SEC("kretprobe/kvm_pgtable_stage2_map")
int BPF_KPROBE(map_kr)
{
	return map_leave();
}

/* --- SCTLR_EL1 ---------------------------------------------------------------------------------- */

/*
 * KVM_SET_ONE_REG. A VMM writes all registers of its vCPUs at many occasions (cpu_synchronize_state of
 * QEMU); only a write that turns MMU or caches on or off is a reset. What it was is known from the
 * saved registers: a vCPU whose registers userspace writes is not loaded.
 */
static __always_inline int set_reg(struct kvm_vcpu *vcpu, struct kvm_one_reg *reg)
{
	struct kcoh_ev_reset *ev;
	struct vcpu_key key = {};
	struct vcpu_rec *rec;
	__u64 value = 0, was;
	__u32 state;

	if (BPF_CORE_READ(reg, id) != REG_SCTLR_EL1)
		return 0;
	state = vcpu_state(vcpu, &was);
	if (!bpf_probe_read_user(&value, sizeof(value), (void *)BPF_CORE_READ(reg, addr)) &&
	    (state == KCOH_CACHED || state == KCOH_UNCACHED) &&
	    kcoh_sctlr_cached(value) == (state == KCOH_CACHED))
		return 0;
	rec = vcpu_of(vcpu, &key);
	if (!rec)
		return 0;
	state_forget(rec, STATE_RESET);
	if (!ev_reserve(ev, KCOH_EV_RESET, key.vm, key.idx))
		return 0;
	ev->has_run = vcpu_tid(vcpu) != 0;
	ev->kind = KCOH_RESET_SET_SCTLR;
	ev_submit(ev);
	return 0;
}

SEC("fentry/kvm_arm_set_reg")
int BPF_PROG(set_reg_fe, struct kvm_vcpu *vcpu, struct kvm_one_reg *reg)
{
	return set_reg(vcpu, reg);
}

SEC("kprobe/kvm_arm_set_reg")
int BPF_KPROBE(set_reg_kp, struct kvm_vcpu *vcpu, struct kvm_one_reg *reg)
{
	return set_reg(vcpu, reg);
}
