/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common.bpf.h - the maps that all BPF programs share, who is who, and how a record is sent.
 *
 * The problem: most hooks of KVM on arm64 say neither VM nor vCPU (kvm_exit has an exception class
 * and a pc), a struct kvm's address may be used again after its VM died, and every hook must end up
 * with the same VM number whichever source file it lives in. So:
 *
 *   kcoh_vms      struct kvm *      -> { id, … }, from birth to kvm_arch_destroy_vm
 *   kcoh_vcpus    { VM id, index }  -> last state sent, its slot, and what is pending on this vCPU
 *   kcoh_exits    slot              -> what is counted for a vCPU (exit.bpf.c)
 *   kcoh_harvests task              -> the harvest that it is in
 *
 * Each source file declares all of them, as weak: the linker (bpftool gen object) makes one of each.
 *
 * Which vCPU is loaded: while one is, KVM has a preempt notifier for it in its thread, and that is a
 * member of struct kvm_vcpu. So current->preempt_notifiers.first tells it with two loads, on every
 * kernel, and no hook has to be paid at each load and put.
 *
 * A VM that nobody introduced (it existed before we came) is entered by whoever meets it first: a
 * vCPU that leaves the guest, a memslot change or the iterator; VM_NEW then says existing = 1.
 *
 * Cost: two hash look-ups and two reads of kernel memory to know a vCPU by its address. Limit: the
 * tables are fixed; what does not fit is counted (kcoh_lost) and makes a gap. A vCPU
 * without a slot is counted in slot 0, with others.
 */
#ifndef KCOH_COMMON_BPF_H
#define KCOH_COMMON_BPF_H

/* libbpf's program macros and bpf_loop's callbacks have parameters that not everybody uses. */
#pragma clang diagnostic ignored "-Wunused-parameter"

#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>
#include "kcoh/event.h"
#include "maps.h"

char LICENSE[] SEC("license") = "GPL";
const volatile __u32 kcoh_abi __weak = KCOH_ABI;

struct vm_rec {
	__u32 id;
	__u32 scan; /* number of the last scan that visited it */
};

struct vcpu_key {
	__u32 vm;
	__u32 idx;
};

/* vcpu_rec.state: enum kcoh_cache_state as last sent, or one of these */
#define STATE_NEVER 0x100 /* nothing sent yet, or what was sent got lost: send the next one */
#define STATE_RESET 0x101 /* being reset: the saved registers are no truth until the next load */

/* vcpu_rec.set_way: how far a set/way operation has got */
#define SET_WAY_NONE 0
#define SET_WAY_ENTERED 1
#define SET_WAY_CLEANED 2

struct vcpu_rec {
	__u64 state; /* 64-bit for compare-and-swap */
	__u64 sctlr; /* sent with it; 0 if not known */
	__u32 armed; /* kcoh_shared.module when the module's trap was set: its edges are complete */
	__u16 set_way;
	__u16 set_way_cached;
	__u32 slot; /* of kcoh_exits; 0: shared with others */
	__u32 pad;
};

/* What is remembered of a thread. */
struct thread_rec {
	struct kvm_vcpu
		*ran; /* the vCPU that it had loaded last; valid as long as its key is known */
	struct vcpu_key ran_key;
	struct kvm_vcpu
		*noted; /* what it is in a function with; a hook at the return has no arguments */
};

/* An ioctl of a VM that takes dirty pages (harvest.bpf.c), while its task is in it. */
struct harvest_rec {
	__u64 start_ns;
	__u64 pages; /* write-protected so far */
	struct kvm *kvm; /* of the first of them */
	struct kvm_memory_slot *slot; /* of the last ones */
	__u32 slot_id;
	__u32 slots; /* changes of slot: 1 is one slot, or the same one again and again */
	__u32 kind; /* enum kcoh_harvest_kind */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the loader's choice */
} kcoh_ring __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct kcoh_shared);
} kcoh_shared __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct vm_rec);
} kcoh_vms __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct vcpu_key);
	__type(value, struct vcpu_rec);
} kcoh_vcpus __weak SEC(".maps");

/* By pid_tgid. LRU: entries of tasks whose ioctl's return was missed make room by themselves. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 256); /* a CPU; the loader's choice */
	__type(key, __u64);
	__type(value, struct harvest_rec);
} kcoh_harvests __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_rec);
} kcoh_threads __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1); /* the loader's choice, as of the next two */
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct kcoh_exits);
} kcoh_exits __weak SEC(".maps");

/* Whose a slot is: VM id << 32 | vCPU index; 0: nobody's. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} kcoh_slots __weak SEC(".maps");

/* Slots that nobody has; filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, 1);
	__type(value, __u32);
} kcoh_free __weak SEC(".maps");

static __always_inline struct kcoh_shared *shared(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&kcoh_shared, &zero);
}

/* Counts a record that could not be sent; the next one that goes through carries the gap. */
static __always_inline void lose(enum kcoh_lost why)
{
	struct kcoh_shared *s = shared();

	if (!s)
		return;
	__sync_fetch_and_add(&s->lost[why], 1);
	__sync_fetch_and_add(&s->gap, 1);
}

/* Room for a record, its header filled in, the rest zeroed. NULL, and counted: the ring is full. */
#define ev_reserve(ev, ev_type, vm_id, vcpu_idx)                                                   \
	({                                                                                         \
		(ev) = bpf_ringbuf_reserve(&kcoh_ring, sizeof(*(ev)), 0);                          \
		if (ev) {                                                                          \
			__builtin_memset(ev, 0, sizeof(*(ev)));                                    \
			ev_header(&(ev)->hdr, ev_type, sizeof(*(ev)), vm_id, vcpu_idx);            \
		} else {                                                                           \
			lose(KCOH_LOST_RING);                                                      \
		}                                                                                  \
		(ev);                                                                              \
	})

static __always_inline void ev_header(struct kcoh_ev_hdr *hdr, __u16 type, __u16 size, __u32 vm,
				      __u16 vcpu)
{
	struct kcoh_shared *s = shared();
	__u64 gap = 0;

	if (s && s->gap)
		gap = __sync_lock_test_and_set(&s->gap, 0);
	hdr->ts_ns = bpf_ktime_get_ns();
	hdr->vm = vm;
	hdr->vcpu = vcpu;
	hdr->type = type;
	hdr->size = size;
	hdr->gap = gap > 0xffffffff ? 0xffffffff : gap;
}

static __always_inline void ev_submit(void *ev)
{
	bpf_ringbuf_submit(ev, BPF_RB_NO_WAKEUP);
}

/* Enters a VM that is not in the table; `task` is of its process. NULL if the table is full. */
static __noinline struct vm_rec *vm_add(struct kvm *kvm, struct task_struct *task, __u32 existing)
{
	struct kcoh_shared *s = shared();
	__u64 key = (__u64)kvm;
	struct kcoh_ev_vm_new *ev;
	struct vm_rec new = {};
	struct task_struct *leader;

	if (!s)
		return NULL;
	new.id = __sync_fetch_and_add(&s->last_vm, 1) + 1;
	if (bpf_map_update_elem(&kcoh_vms, &key, &new, BPF_NOEXIST)) {
		struct vm_rec *other = bpf_map_lookup_elem(&kcoh_vms, &key);

		if (!other)
			lose(KCOH_LOST_VM);
		return other; /* another CPU was faster */
	}
	if (ev_reserve(ev, KCOH_EV_VM_NEW, new.id, KCOH_VCPU_NONE)) {
		leader = BPF_CORE_READ(task, group_leader);
		ev->pid = BPF_CORE_READ(task, tgid);
		ev->existing = existing;
		bpf_core_read_str(ev->comm, sizeof(ev->comm), &leader->comm);
		ev_submit(ev);
	}
	return bpf_map_lookup_elem(&kcoh_vms, &key);
}

/* The VM's record; one met in the middle of its life is entered: `current` is of its process. */
static __always_inline struct vm_rec *vm_get(struct kvm *kvm)
{
	__u64 key = (__u64)kvm;
	struct vm_rec *vm = bpf_map_lookup_elem(&kcoh_vms, &key);

	if (!vm)
		vm = vm_add(kvm, (struct task_struct *)bpf_get_current_task(), 1);
	return vm;
}

/* Enters a vCPU that is not in the table, with a slot if there is one left. */
static __noinline struct vcpu_rec *vcpu_add(struct kvm_vcpu *vcpu, const struct vcpu_key *at)
{
	struct vcpu_rec new = { .state = STATE_NEVER };
	struct kcoh_shared *s = shared();
	struct vcpu_key key = *at;
	struct kcoh_exits *exits;
	struct vcpu_rec *rec;
	__u64 owner;

	if (bpf_map_pop_elem(&kcoh_free, &new.slot))
		new.slot = 0;
	if (bpf_map_update_elem(&kcoh_vcpus, &key, &new, BPF_NOEXIST)) {
		if (new.slot)
			bpf_map_push_elem(&kcoh_free, &new.slot, BPF_ANY);
		rec = bpf_map_lookup_elem(&kcoh_vcpus, &key);
		if (!rec)
			lose(KCOH_LOST_VCPU);
		return rec; /* another CPU was faster */
	}
	exits = new.slot ? bpf_map_lookup_elem(&kcoh_exits, &new.slot) : NULL;
	if (exits && s) {
		exits->wanted = s->exits_wanted; /* the loader writes all slots twice */
		exits->mmio_kernel = BPF_CORE_READ(vcpu, stat.mmio_exit_kernel);
		owner = (__u64)key.vm << 32 | key.idx;
		bpf_map_update_elem(&kcoh_slots, &new.slot, &owner, BPF_ANY);
	}
	return bpf_map_lookup_elem(&kcoh_vcpus, &key);
}

static const struct kcoh_exits nothing __attribute__((unused));

/* A callback of bpf_loop(): removes a VM's vCPU from the table, and gives its slot back. */
static __attribute__((unused)) int vcpu_forget(__u32 idx, __u32 *vm)
{
	struct vcpu_key key = { .vm = *vm, .idx = idx };
	struct vcpu_rec *rec = bpf_map_lookup_elem(&kcoh_vcpus, &key);
	__u32 slot = rec ? rec->slot : 0;
	__u64 nobody = 0;

	bpf_map_delete_elem(&kcoh_vcpus, &key);
	if (!slot)
		return 0;
	bpf_map_update_elem(&kcoh_slots, &slot, &nobody, BPF_ANY);
	bpf_map_update_elem(&kcoh_exits, &slot, &nothing, BPF_ANY);
	bpf_map_push_elem(&kcoh_free, &slot, BPF_ANY);
	return 0;
}

static __always_inline struct vcpu_rec *vcpu_get(struct kvm_vcpu *vcpu, const struct vcpu_key *key)
{
	struct vcpu_rec *rec = bpf_map_lookup_elem(&kcoh_vcpus, key);

	return rec ? rec : vcpu_add(vcpu, key);
}

/* The record of a vCPU by its address, and its key; NULL if a table is full. */
static __always_inline struct vcpu_rec *vcpu_of(struct kvm_vcpu *vcpu, struct vcpu_key *ret_key)
{
	struct vm_rec *vm = vm_get(BPF_CORE_READ(vcpu, kvm));

	if (!vm)
		return NULL;
	ret_key->vm = vm->id;
	ret_key->idx = BPF_CORE_READ(vcpu, vcpu_idx);
	return vcpu_get(vcpu, ret_key);
}

static __always_inline struct kvm_vcpu *vcpu_behind(__u64 notifier)
{
	return (void *)notifier - bpf_core_field_offset(struct kvm_vcpu, preempt_notifier.link);
}

static __always_inline __u64 notifier_now(void)
{
	return (__u64)bpf_get_current_task_btf()->preempt_notifiers.first;
}

/* The vCPU that this thread has loaded, its key and its record. */
static __always_inline struct vcpu_rec *vcpu_here(struct vcpu_key *ret_key,
						  struct kvm_vcpu **ret_vcpu)
{
	__u64 notifier = notifier_now();

	if (!notifier) {
		lose(KCOH_LOST_WHO);
		return NULL;
	}
	*ret_vcpu = vcpu_behind(notifier);
	return vcpu_of(*ret_vcpu, ret_key);
}

/* The state last sent is not to be relied on: the next look at the vCPU is a thorough one. */
static __always_inline void state_forget(struct vcpu_rec *rec, __u64 state)
{
	struct kcoh_exits *exits = bpf_map_lookup_elem(&kcoh_exits, &rec->slot);

	rec->state = state;
	if (exits)
		exits->looked = 0;
}

#endif
