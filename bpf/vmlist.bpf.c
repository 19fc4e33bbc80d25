// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmlist.bpf.c - VMs that were there before us: an iterator over the open files of all tasks.
 *
 * The problem: kcohd starts, or starts again, beside VMs that run for months. KVM's own list is a
 * static symbol that 6.1 does not even have in kallsyms; /proc shows file names but no struct kvm.
 * An iterator over files runs once per (task, file), with the file held, so that the struct kvm
 * behind it is alive.
 *
 * How a file is known: it is an anonymous inode (the superblock's magic), and its dentry is called
 * "kvm-vm" or "kvm-vcpu:<id>". Only kernel code names anonymous inodes, so no user can forge one;
 * no symbol has to be looked up (a pass over /proc/kallsyms costs seconds on an emulated host).
 * Only files of the VM's own process count, not copies that others hold (kcohd itself takes one by
 * pidfd_getfd).
 *
 * What it sends: VM_NEW (existing = 1) if the VM is not yet in the table; its memslots (change
 * FOUND), once a scan; a VCPU record for each vCPU. A vCPU that is loaded has its SCTLR_EL1 in the
 * CPU (VHE): what was last sent is sent again, and if nothing ever was, the state is unknown until
 * it is put.
 *
 * Example: QEMU with 2 vCPUs and 4 slots: VM_NEW, 4 MEMSLOT, 2 VCPU. The program also writes the
 * number of each VM met, 4 bytes, into the iterator's own output, at most 64 a read(): the loader
 * counts VMs by them and empties the ring buffer between two reads, so that a host with many VMs
 * does not overflow it.
 *
 * At its end it removes VMs that it did not meet, twice in a row: their end was missed, as the kernel does not run a program that is
 * running on that CPU already.
 *
 * Cost: three reads for each open file of the host. Limit: memslots are walked without kvm->srcu (a
 * BPF program cannot take it), so a walk that the generation moved under is repeated, three times
 * at most, then counted as lost; records of an abandoned walk carry the older generation.
 */
#include "state.bpf.h"

#define WALK_TRIES 3
#define CHAIN_MAX 4096
#define UNMET_SCANS 2
#define VCPUS_MAX 512 /* of a VM, KVM_MAX_VCPUS */

struct walk {
	struct kvm_memslots *slots;
	struct hlist_node *node;
	__u64 generation;
	__u32 vm;
	__u32 node_idx;
	__u32 cut; /* a chain was longer than CHAIN_MAX */
	__u32 pad;
};

static int walk_node(__u32 i, struct walk *walk)
{
	struct hlist_node *node = walk->node;
	struct kvm_memory_slot *slot;
	struct kcoh_ev_memslot *ev;

	if (!node)
		return 1;
	slot = (void *)node - bpf_core_field_offset(struct kvm_memory_slot, id_node) -
	       walk->node_idx * bpf_core_type_size(struct hlist_node);
	walk->node = BPF_CORE_READ(node, next);
	if (!ev_reserve(ev, KCOH_EV_MEMSLOT, walk->vm, KCOH_VCPU_NONE))
		return 0;
	ev->base_gfn = BPF_CORE_READ(slot, base_gfn);
	ev->pages = BPF_CORE_READ(slot, npages);
	ev->hva = BPF_CORE_READ(slot, userspace_addr);
	ev->generation = walk->generation & ~KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS;
	ev->slot_id = (__u16)BPF_CORE_READ(slot, id);
	ev->as_id = BPF_CORE_READ(slot, as_id);
	ev->flags = BPF_CORE_READ(slot, flags);
	ev->old_flags = ev->flags;
	ev->change = KCOH_SLOT_FOUND;
	ev_submit(ev);
	return 0;
}

static int walk_bucket(__u32 i, struct walk *walk)
{
	struct kvm_memslots *slots = walk->slots; /* CO-RE would relocate struct walk, too */
	const void *heads = __builtin_preserve_access_index(&slots->id_hash);

	heads += i * bpf_core_type_size(struct hlist_head) +
		 bpf_core_field_offset(struct hlist_head, first);
	walk->node = NULL;
	bpf_probe_read_kernel(&walk->node, sizeof(walk->node), heads);
	if (walk->node) {
		bpf_loop(CHAIN_MAX, walk_node, walk, 0);
		walk->cut |= walk->node != NULL;
	}
	return 0;
}

static __always_inline void walk_slots(struct kvm *kvm, __u32 vm)
{
	struct walk walk = { .vm = vm };
	struct kvm_memslots *slots;
	int i;

	for (i = 0; i < WALK_TRIES; i++) {
		slots = BPF_CORE_READ(kvm, memslots[0]);
		walk.slots = slots;
		walk.generation = BPF_CORE_READ(slots, generation);
		walk.node_idx = BPF_CORE_READ(slots, node_idx) & 1;
		walk.cut = 0;
		bpf_loop(128, walk_bucket, &walk, 0);
		if (BPF_CORE_READ(kvm, memslots[0], generation) == walk.generation && !walk.cut)
			return;
	}
	lose(KCOH_LOST_SLOTS);
}

/* The VM's record, its slots sent if this is the first time in this scan that we meet it. */
static __noinline struct vm_rec *meet_vm(struct kvm *kvm, struct task_struct *task,
					 struct seq_file *seq)
{
	struct kcoh_shared *s = shared();
	__u64 key = (__u64)kvm;
	struct vm_rec *vm = bpf_map_lookup_elem(&kcoh_vms, &key);

	if (!vm)
		vm = vm_add(kvm, task, 1);
	if (!vm || !s || vm->scan == s->scan)
		return vm;
	vm->scan = s->scan;
	bpf_seq_write(seq, &vm->id, sizeof(vm->id));
	walk_slots(kvm, vm->id);
	return vm;
}

static __always_inline void meet_vcpu(struct kvm_vcpu *vcpu, const struct vm_rec *vm)
{
	int cpu = BPF_CORE_READ(vcpu, cpu);
	struct vcpu_key key = {};
	struct vcpu_rec *rec;
	__u64 sctlr, before, after;
	__u32 state;

	key.vm = vm->id;
	key.idx = BPF_CORE_READ(vcpu, vcpu_idx);
	rec = vcpu_get(vcpu, &key);
	if (!rec)
		return;
	before = rec->state;
	state = vcpu_state(vcpu, &sctlr);
	if (cpu >= 0 && state != KCOH_OFF) {
		state = before <= KCOH_OFF ? before : KCOH_UNKNOWN;
		sctlr = before <= KCOH_OFF ? rec->sctlr : 0;
	}
	if (before != STATE_RESET &&
	    __sync_val_compare_and_swap(&rec->state, before, state) == before)
		rec->sctlr = sctlr;
	send_vcpu(&key, state, sctlr, vcpu_tid(vcpu), KCOH_SRC_SAMPLE);
	/* Its thread may have sent a newer state before ours: send that again, after ours. */
	after = rec->state;
	if (after != state && after <= KCOH_OFF)
		send_vcpu(&key, after, rec->sctlr, vcpu_tid(vcpu), KCOH_SRC_SAMPLE);
}

static __always_inline int is_vm(const char *name)
{
	return name[0] == 'k' && name[1] == 'v' && name[2] == 'm' && name[3] == '-' &&
	       name[4] == 'v' && name[5] == 'm' && name[6] == 0;
}

static __always_inline int is_vcpu(const char *name)
{
	return name[0] == 'k' && name[1] == 'v' && name[2] == 'm' && name[3] == '-' &&
	       name[4] == 'v' && name[5] == 'c' && name[6] == 'p' && name[7] == 'u' &&
	       name[8] == ':';
}

/* One that two scans in a row did not meet is gone. One that was never met may have been born just now. */
static long forget_unmet(struct bpf_map *map, __u64 *kvm, struct vm_rec *vm, void *ctx)
{
	struct kcoh_shared *s = shared();
	__u32 id = vm->id;

	if (!s)
		return 1;
	if (!vm->scan)
		vm->scan = s->scan;
	if (s->scan - vm->scan < UNMET_SCANS)
		return 0;
	bpf_loop(VCPUS_MAX, vcpu_forget, &id, 0);
	bpf_map_delete_elem(&kcoh_vms, kvm);
	return 0;
}

SEC("iter/task_file")
int vmlist(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct file *file = ctx->file;
	struct kvm_vcpu *vcpu = NULL;
	struct dentry *dentry;
	char name[12] = {};
	struct vm_rec *vm;
	struct kvm *kvm;

	if (!task || !file) { /* the walk is complete */
		bpf_for_each_map_elem(&kcoh_vms, forget_unmet, NULL, 0);
		return 0;
	}
	dentry = BPF_CORE_READ(file, f_path.dentry);
	if (BPF_CORE_READ(dentry, d_sb, s_magic) != ANON_INODE_FS_MAGIC)
		return 0;
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	if (is_vm(name)) {
		kvm = BPF_CORE_READ(file, private_data);
	} else if (is_vcpu(name)) {
		vcpu = BPF_CORE_READ(file, private_data);
		kvm = BPF_CORE_READ(vcpu, kvm);
	} else {
		return 0;
	}
	if (BPF_CORE_READ(kvm, mm) != BPF_CORE_READ(task, mm))
		return 0;
	vm = meet_vm(kvm, task, ctx->meta->seq);
	if (vm && vcpu)
		meet_vcpu(vcpu, vm);
	return 0;
}
