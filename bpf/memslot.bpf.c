// SPDX-License-Identifier: GPL-2.0-only
/*
 * memslot.bpf.c - every change of a VM's memory layout, and so every edge of dirty logging.
 *
 * The problem: userspace adds, deletes, moves and re-flags memslots at any time; dirty logging
 * begins and ends by a change of flags. kvm_arch_commit_memory_region(kvm, old, new, change) is
 * called once for each change, after the new layout is in force, on every kernel; `new` is NULL for
 * a delete.
 *
 * Example: QEMU starts a migration of a VM with 1 GiB at 0x40000000, 4 KiB pages:
 *
 *   { .change = FLAGS, .slot_id = 2, .base_gfn = 0x40000, .pages = 262144,
 *     .flags = 1, .old_flags = 0, .generation = 9 }
 *
 * Cost: a record a change; changes are rare (some tens at a VM's start). Limit: none known; address
 * spaces other than 0 do not exist on arm64.
 */
#include "refuse.bpf.h"

static __always_inline int tell(struct kvm *kvm, struct kvm_memory_slot *old,
				struct kvm_memory_slot *new, __u32 change)
{
	struct kvm_memory_slot *slot = new &&change != KVM_MR_DELETE ? new : old;
	struct vm_rec *vm = vm_get(kvm);
	struct kcoh_ev_memslot *ev;

	if (!vm || !slot)
		return 0;
	if (!ev_reserve(ev, KCOH_EV_MEMSLOT, vm->id, KCOH_VCPU_NONE))
		return 0;
	ev->base_gfn = BPF_CORE_READ(slot, base_gfn);
	ev->pages = BPF_CORE_READ(slot, npages);
	ev->hva = BPF_CORE_READ(slot, userspace_addr);
	ev->generation = BPF_CORE_READ(kvm, memslots[0], generation) &
			 ~KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS;
	ev->slot_id = (__u16)BPF_CORE_READ(slot, id);
	ev->as_id = BPF_CORE_READ(slot, as_id);
	ev->flags = BPF_CORE_READ(slot, flags);
	ev->old_flags = old ? BPF_CORE_READ(old, flags) : 0;
	ev->change = change;
	ev_submit(ev);
	return 0;
}

/* Before the record: whether that can be sent is another matter. */
static __always_inline int commit(struct kvm *kvm, struct kvm_memory_slot *old,
				  struct kvm_memory_slot *new, __u32 change)
{
	__u32 was = old ? BPF_CORE_READ(old, flags) : 0;

	if (new &&change != KVM_MR_DELETE)
		stream_slot(BPF_CORE_READ(new, npages), was, BPF_CORE_READ(new, flags));
	return tell(kvm, old, new, change);
}

SEC("fentry/kvm_arch_commit_memory_region")
int BPF_PROG(memslot_fe, struct kvm *kvm, struct kvm_memory_slot *old, struct kvm_memory_slot *new,
	     __u32 change)
{
	return commit(kvm, old, new, change);
}

SEC("kprobe/kvm_arch_commit_memory_region")
int BPF_KPROBE(memslot_kp, struct kvm *kvm, struct kvm_memory_slot *old,
	       struct kvm_memory_slot *new, __u32 change)
{
	return commit(kvm, old, new, change);
}
