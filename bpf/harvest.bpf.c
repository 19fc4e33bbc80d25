// SPDX-License-Identifier: GPL-2.0-only
/*
 * harvest.bpf.c - user space takes dirty pages: which ioctl, how many pages, how long.
 *
 * The problem: a harvest is one of three ioctls (KVM_GET_DIRTY_LOG with automatic protect,
 * KVM_CLEAR_DIRTY_LOG, KVM_RESET_DIRTY_RINGS), whose functions are static and inlined on some
 * kernel or other. But all ioctls of a VM pass kvm_vm_ioctl(), which tells the kind and the time,
 * and all three write-protect through kvm_arch_mmu_enable_log_dirty_pt_masked(), once for 64 pages,
 * which tells pages and slot. What a task has seen of its harvest so far is kept by task: it may be
 * preempted in between, and several tasks harvest at a time.
 *
 * Example: QEMU clears the 300 dirty pages of a slot: begin (kind CLEAR), 7 calls with masks of 300
 * bits in all, end: HARVEST kind=CLEAR, pages=300, slot_id=2, ns=81000. A KVM_GET_DIRTY_LOG under
 * manual protect, or one that finds nothing dirty, protects nothing: no record.
 *
 * The begin of KVM_SET_USER_MEMORY_REGION is noted only for the module's record (module.bpf.c): what
 * it cleans when logging starts is told as such.
 *
 * Cost: a hash look-up for 64 pages and a record a harvest; a comparison at other ioctls of VMs. On
 * kernels without trampolines for BPF (6.1) three kprobes. Limit: if the return of a harvest is
 * missed (kretprobes can be), the next ioctl of that task sends it, with the time in between.
 */
#include "refuse.bpf.h"

static __always_inline __u32 kind_of(__u32 ioctl)
{
	switch (ioctl) {
	case KVM_GET_DIRTY_LOG:
		return KCOH_HARVEST_GET;
	case KVM_CLEAR_DIRTY_LOG:
		return KCOH_HARVEST_CLEAR;
	case KVM_RESET_DIRTY_RINGS:
		return KCOH_HARVEST_RING;
	case KVM_SET_USER_MEMORY_REGION:
	case KVM_SET_USER_MEMORY_REGION2:
		return KCOH_HARVEST_START;
	}
	return KCOH_HARVEST_UNKNOWN;
}

static __noinline int send(struct harvest_rec *rec)
{
	struct kcoh_ev_harvest *ev;
	struct vm_rec *vm;
	struct kvm *kvm;

	if (!rec)
		return 0;
	kvm = rec->kvm; /* CO-RE would relocate struct harvest_rec, too */
	vm = vm_get(kvm);
	if (!vm || !ev_reserve(ev, KCOH_EV_HARVEST, vm->id, KCOH_VCPU_NONE))
		return 0;
	ev->pages = rec->pages;
	ev->ns = ev->hdr.ts_ns - rec->start_ns;
	ev->slot_id = rec->slots == 1 ? rec->slot_id : KCOH_SLOT_NONE;
	ev->tid = (__u32)bpf_get_current_pid_tgid();
	ev->kind = rec->kind;
	ev->source = KCOH_HARVEST_BY_KVM;
	ev->initially_set =
		!!(BPF_CORE_READ(kvm, manual_dirty_log_protect) & KVM_DIRTY_LOG_INITIALLY_SET);
	ev_submit(ev);
	return 0;
}

static __always_inline int harvest_begin(__u32 ioctl)
{
	struct harvest_rec new = { .kind = kind_of(ioctl) };
	__u64 task = bpf_get_current_pid_tgid();
	struct harvest_rec *old;

	if (new.kind == KCOH_HARVEST_UNKNOWN)
		return 0;
	old = bpf_map_lookup_elem(&kcoh_harvests, &task);
	if (old && old->pages) {
		stream_harvested((__u64)old->kvm, old->pages);
		send(old);
	}
	new.start_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&kcoh_harvests, &task, &new, BPF_ANY);
	return 0;
}

SEC("fentry/kvm_vm_ioctl")
int BPF_PROG(harvest_fe, struct file *file, __u32 ioctl)
{
	return harvest_begin(ioctl);
}

SEC("kprobe/kvm_vm_ioctl")
int BPF_KPROBE(harvest_kp, struct file *file, __u32 ioctl)
{
	return harvest_begin(ioctl);
}

static __always_inline __u32 bits_of(__u64 mask)
{
	mask -= mask >> 1 & 0x5555555555555555;
	mask = (mask & 0x3333333333333333) + (mask >> 2 & 0x3333333333333333);
	mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0f;
	return mask * 0x0101010101010101 >> 56;
}

static __always_inline int protect(struct kvm *kvm, struct kvm_memory_slot *slot, __u64 mask)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct harvest_rec *rec = bpf_map_lookup_elem(&kcoh_harvests, &task);

	if (!rec)
		return 0; /* begun before we came */
	if (rec->slot != slot) {
		rec->kvm = kvm;
		rec->slot = slot;
		rec->slot_id = (__u16)BPF_CORE_READ(slot, id);
		rec->slots++;
	}
	rec->pages += bits_of(mask);
	return 0;
}

SEC("fentry/kvm_arch_mmu_enable_log_dirty_pt_masked")
int BPF_PROG(protect_fe, struct kvm *kvm, struct kvm_memory_slot *slot, __u64 gfn_offset,
	     unsigned long mask)
{
	return protect(kvm, slot, mask);
}

SEC("kprobe/kvm_arch_mmu_enable_log_dirty_pt_masked")
int BPF_KPROBE(protect_kp, struct kvm *kvm, struct kvm_memory_slot *slot, __u64 gfn_offset,
	       unsigned long mask)
{
	return protect(kvm, slot, mask);
}

/* The entry stays, with no pages, so that the module's record knows the kind: it comes after us. */
static __always_inline int harvest_end(void)
{
	__u64 task = bpf_get_current_pid_tgid();
	struct harvest_rec *rec = bpf_map_lookup_elem(&kcoh_harvests, &task);

	if (rec && rec->pages) {
		stream_harvested((__u64)rec->kvm, rec->pages);
		send(rec);
		rec->pages = 0;
	}
	return 0;
}

SEC("fexit/kvm_vm_ioctl")
int BPF_PROG(harvest_fx, struct file *file, __u32 ioctl)
{
	return kind_of(ioctl) ? harvest_end() : 0;
}

/* A return probe has no arguments: at other ioctls there are no pages. */
SEC("kretprobe/kvm_vm_ioctl")
int BPF_KPROBE(harvest_kr)
{
	return harvest_end();
}
