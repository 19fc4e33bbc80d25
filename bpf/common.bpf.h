/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * common.bpf.h - the maps that all BPF objects share, who is who, and how a record is sent.
 *
 * The problem: most hooks of KVM on arm64 say neither VM nor vCPU (kvm_exit has an exception class
 * and a pc), a struct kvm's address may be used again after its VM died, and every hook must end up
 * with the same VM number whichever of four objects it lives in. So:
 *
 *   kcoh_vms      struct kvm *      -> { id, exit slot, … }, from birth to kvm_arch_destroy_vm
 *   kcoh_vcpus    { VM id, index }  -> last state sent, and what is pending on this vCPU
 *   kcoh_running  this CPU          -> who is loaded: id, index and exit slot in one 64-bit word
 *   kcoh_harvests task              -> the harvest that it is in
 *
 * Each object declares all of them; the loader creates them once and hands them to the other
 * objects.
 *
 * Example: vCPU 1 of VM 3 is loaded on CPU 5: kvm_arch_vcpu_load writes 0x0000'0003'0001'0007 (id
 * 3, index 1, slot 7) into CPU 5's word. A guest exit there reads the word, masks out slot 7 and
 * adds one to its own CPU's counter: two array look-ups that the verifier turns into address
 * arithmetic, no hash. vcpu_put writes 0.
 *
 * A VM that nobody introduced (it existed before we came) is entered by whoever meets it first: a
 * vCPU that is loaded, a memslot change or the iterator; VM_NEW then says existing = 1. The
 * iterator also fills the word of CPUs whose vCPU was loaded before, by compare-and-swap from 0: if
 * that vCPU has left meanwhile the word is wrong until the next load overwrites it, and without a
 * load no exit can happen there.
 *
 * Cost: per exit about 75 arm64 instructions; per vCPU load (a KVM_RUN or a context switch) two
 * hash look-ups and five reads of kernel memory. 5 MB for the tables, and 136 KB a CPU. Limit: the
 * tables are fixed; what does not fit is counted (kcoh_lost) and makes a gap.
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
const volatile __u32 kcoh_abi = KCOH_ABI;

struct vm_rec {
	__u32 id;
	__u32 slot; /* of kcoh_exits */
	__u32 scan; /* number of the last scan that visited it */
	__u32 pad;
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
};

struct running {
	__u64 who; /* 0, or VM id << 32 | vCPU index << 16 | exit slot */
	struct kvm_vcpu *vcpu; /* NULL if the iterator filled in `who` */
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
} kcoh_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct kcoh_shared);
} kcoh_shared SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct vm_rec);
} kcoh_vms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, struct vcpu_key);
	__type(value, struct vcpu_rec);
} kcoh_vcpus SEC(".maps");

/* By pid_tgid. LRU: entries of tasks whose ioctl's return was missed make room by themselves. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct harvest_rec);
} kcoh_harvests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct running);
} kcoh_running SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KCOH_EXIT_SLOTS);
	__type(key, __u32);
	__type(value, struct kcoh_exits);
} kcoh_exits SEC(".maps");

/* Whose an exit slot is: VM id, or 0. 64 bits, because that is the step of a mapped array. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, KCOH_EXIT_SLOTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} kcoh_slots SEC(".maps");

/* Exit slots that nobody has; filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, KCOH_EXIT_SLOTS);
	__type(value, __u32);
} kcoh_free SEC(".maps");

static __always_inline struct kcoh_shared *shared(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&kcoh_shared, &zero);
}

static __always_inline struct running *running(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&kcoh_running, &zero);
}

#define WHO_VM(who) ((__u32)((who) >> 32))
#define WHO_IDX(who) ((__u32)((who) >> 16 & 0xffff))
#define WHO_SLOT(who) ((__u32)((who)&0xffff))

static __always_inline __u64 who_pack(const struct vm_rec *vm, __u32 idx)
{
	return (__u64)vm->id << 32 | (__u64)(idx & 0xffff) << 16 | (vm->slot & 0xffff);
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
	__u64 id;

	if (!s)
		return NULL;
	if (bpf_map_pop_elem(&kcoh_free, &new.slot))
		new.slot = 0;
	new.id = __sync_fetch_and_add(&s->last_vm, 1) + 1;
	if (bpf_map_update_elem(&kcoh_vms, &key, &new, BPF_NOEXIST)) {
		struct vm_rec *other = bpf_map_lookup_elem(&kcoh_vms, &key);

		if (new.slot)
			bpf_map_push_elem(&kcoh_free, &new.slot, BPF_ANY);
		if (!other)
			lose(KCOH_LOST_VM);
		return other; /* another CPU was faster */
	}
	id = new.id;
	if (new.slot)
		bpf_map_update_elem(&kcoh_slots, &new.slot, &id, BPF_ANY);
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

static __always_inline struct vcpu_rec *vcpu_get(const struct vcpu_key *key)
{
	struct vcpu_rec *rec = bpf_map_lookup_elem(&kcoh_vcpus, key);
	struct vcpu_rec new = { .state = STATE_NEVER };

	if (rec)
		return rec;
	bpf_map_update_elem(&kcoh_vcpus, key, &new, BPF_NOEXIST);
	rec = bpf_map_lookup_elem(&kcoh_vcpus, key);
	if (!rec)
		lose(KCOH_LOST_VCPU);
	return rec;
}

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
static __always_inline __u32 vcpu_state(struct kvm_vcpu *vcpu, __u64 *ret_sctlr)
{
	__u64 idx = bpf_core_enum_value(enum vcpu_sysreg, SCTLR_EL1);
	const void *sys_regs = __builtin_preserve_access_index(&vcpu->arch.ctxt.sys_regs);

	*ret_sctlr = 0;
	if (BPF_CORE_READ(vcpu, arch.mp_state.mp_state) == KVM_MP_STATE_STOPPED)
		return KCOH_OFF;
	if (!BPF_CORE_READ(vcpu, pid))
		return KCOH_OFF;
	if (BPF_CORE_READ(vcpu, arch.reset_state.reset))
		return KCOH_UNKNOWN; /* the registers are of an earlier life */
	if (bpf_core_field_exists(vcpu->arch.ctxt.vncr_array) &&
	    BPF_CORE_READ(vcpu, arch.ctxt.vncr_array))
		return KCOH_UNKNOWN;
	if (bpf_probe_read_kernel(ret_sctlr, sizeof(*ret_sctlr), sys_regs + idx * 8))
		return KCOH_UNKNOWN;
	return kcoh_sctlr_cached(*ret_sctlr) ? KCOH_CACHED : KCOH_UNCACHED;
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

#endif
