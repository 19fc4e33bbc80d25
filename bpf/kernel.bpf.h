/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel.bpf.h - the slice of the kernel that kcoh's BPF programs rely on, and nothing else.
 *
 * The problem: a program that reads struct kvm must know where its fields are, and they move with
 * every kernel. A generated vmlinux.h (150,000 lines, one kernel's truth) would hide what we depend
 * on. So each type is declared here with just the fields that are read, marked
 * preserve_access_index: clang records every access by name and libbpf writes the offset of the
 * running kernel into the program at load (CO-RE). A field that a kernel has not is found by
 * bpf_core_field_exists(), never by a version number.
 *
 * Example: BPF_CORE_READ(vcpu, arch.ctxt.vncr_array) is at offset 2384 on one kernel, 4048 on
 * another, and absent on 6.1, where struct kvm_cpu_context has no such field.
 *
 * `make check` has libbpf look all of it up in each lab kernel's type information, without booting
 * (tests/kerneltypes).
 *
 * Cost: none at run time. Limit: a *meaning* that changes under the same name is not noticed; the
 * lab runs every kernel for that. Order and size of what is declared here do not matter.
 *
 * Constants below are user-space ABI of the kernel or the architecture, which cannot change.
 */
#ifndef KCOH_KERNEL_BPF_H
#define KCOH_KERNEL_BPF_H

typedef unsigned char __u8;
typedef signed char __s8;
typedef unsigned short __u16;
typedef short __s16;
typedef unsigned int __u32;
typedef int __s32;
typedef unsigned long long __u64;
typedef long long __s64;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

#define NULL ((void *)0)

enum {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_STACK = 23,
	BPF_MAP_TYPE_SK_STORAGE = 24,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
	BPF_F_NO_PREALLOC = 1 << 0,
	BPF_F_MMAPABLE = 1 << 10,
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1 << 0,
	BPF_SK_STORAGE_GET_F_CREATE = 1 << 0,
	BPF_RB_NO_WAKEUP = 1 << 0,
};

#define KVM_MP_STATE_STOPPED 5
#define ANON_INODE_FS_MAGIC 0x09041934
#define KVM_MEMSLOT_GEN_UPDATE_IN_PROGRESS (1ULL << 63)
#define KVM_MR_DELETE 1
#define KVM_EXIT_MMIO 6
#define KVM_MEM_LOG_DIRTY_PAGES (1 << 0)
#define KVM_MEM_READONLY (1 << 1)
#define EPERM 1
#define PSCI_0_2_FN 0x84000000
#define KVM_DIRTY_LOG_INITIALLY_SET (1 << 1)

/* ioctls of a VM (linux/kvm.h) */
#define KVM_GET_DIRTY_LOG 0x4010ae42
#define KVM_SET_USER_MEMORY_REGION 0x4020ae46
#define KVM_SET_USER_MEMORY_REGION2 0x40a0ae49
#define KVM_CLEAR_DIRTY_LOG 0xc018aec0
#define KVM_RESET_DIRTY_RINGS 0xaec7

/* What a guest exit returns (asm/kvm_asm.h); bit 31 says that an SError is pending. */
#define ARM_EXCEPTION_IRQ 0
#define ARM_EXCEPTION_TRAP 2
#define ARM_EXIT_WITH_SERROR_BIT (1U << 31)

/* ESR_EL2.EC: the exits that are told apart further */
#define ESR_EC_WFX 0x01
#define ESR_EC_HVC32 0x12
#define ESR_EC_SMC32 0x13
#define ESR_EC_HVC64 0x16
#define ESR_EC_SMC64 0x17
#define ESR_EC_SYS64 0x18
#define ESR_EC_IABT_LOW 0x20
#define ESR_EC_DABT_LOW 0x24
#define ESR_WNR (1U << 6) /* of a data abort: a write */
#define HPFAR_FIPA 0xfffffffffff0ULL /* bits 47:12 of the faulting IPA, at 43:4 */

struct bpf_map;

/* A program's context, not a kernel object: no relocation. */
struct bpf_raw_tracepoint_args {
	__u64 args[0];
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct user_pt_regs {
	__u64 regs[31];
	__u64 pc;
};

struct mm_struct;

struct hlist_node {
	struct hlist_node *next;
};

struct hlist_head {
	struct hlist_node *first;
};

struct task_struct {
	struct task_struct *group_leader;
	struct mm_struct *mm;
	int tgid;
	struct hlist_head preempt_notifiers; /* of the vCPU that this thread has loaded */
	char comm[16];
};

struct upid {
	int nr;
};

struct pid {
	struct upid numbers[1]; /* [0] is the init namespace's */
};

struct list_head {
	struct list_head *next;
};

struct rb_node {
	struct rb_node *rb_right;
	struct rb_node *rb_left;
};

struct rb_root {
	struct rb_node *rb_node;
};

struct super_block {
	unsigned long s_magic;
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
	struct super_block *d_sb;
};

struct path {
	struct dentry *dentry;
};

struct inode {
	unsigned long i_ino;
};

struct file {
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	struct file *file;
};

struct kvm_memory_slot {
	struct hlist_node id_node[2];
	__u64 base_gfn;
	unsigned long npages;
	unsigned long userspace_addr;
	__u32 flags;
	short id;
	__u16 as_id;
};

struct kvm_memslots {
	__u64 generation;
	struct hlist_head id_hash[128];
	int node_idx;
};

struct xa_node {
	unsigned char shift;
	void *slots[1];
};

struct xarray {
	void *xa_head;
};

struct kvm {
	struct mm_struct *mm;
	struct kvm_memslots *memslots[1];
	struct xarray vcpu_array;
	int created_vcpus;
	__u64 manual_dirty_log_protect;
};

enum vcpu_sysreg {
	SCTLR_EL1 = 3, /* the running kernel's value is read with bpf_core_enum_value() */
};

struct kvm_cpu_context {
	struct user_pt_regs regs;
	__u64 sys_regs[1];
	__u64 *vncr_array; /* 6.12 and later; not NULL: the guest has EL2 of its own */
};

struct kvm_mp_state {
	__u32 mp_state;
};

struct vcpu_reset_state {
	_Bool reset;
};

struct kvm_vcpu_fault_info {
	__u64 esr_el2;
	__u64 far_el2;
	__u64 hpfar_el2;
};

struct kvm_vcpu_arch {
	struct kvm_cpu_context ctxt;
	struct kvm_vcpu_fault_info fault;
	struct kvm_mp_state mp_state;
	struct vcpu_reset_state reset_state;
};

struct kvm_vcpu_stat {
	__u64 mmio_exit_kernel;
};

struct preempt_notifier {
	struct hlist_node link;
};

struct atomic_long { /* atomic_long_t, a structure without a name */
	long counter;
};

struct mutex {
	struct atomic_long owner;
};

struct kvm_vcpu {
	struct kvm *kvm;
	struct mutex mutex; /* held in KVM_RUN */
	struct preempt_notifier preempt_notifier;
	int cpu; /* where it is loaded, or -1 */
	int vcpu_idx;
	struct pid *pid;
	struct kvm_vcpu_arch arch;
	struct kvm_vcpu_stat stat;
};

struct kvm_one_reg {
	__u64 id;
	__u64 addr;
};

/* Devices and the SMMU they are behind. */

struct kobject {
	const char *name;
};

struct iommu_domain {
	unsigned int type;
};

struct arm_smmu_cmdq_batch {
	void *cmdq; /* 6.12 and later */
};

struct dev_iommu {
	void *priv; /* of the driver: struct arm_smmu_master, behind an SMMUv3 */
};

struct iommu_group {
	struct list_head devices;
	struct iommu_domain *domain;
	int id;
	unsigned int owner_cnt;
	void *owner;
};

struct device {
	struct kobject kobj;
	void *driver_data;
	struct dev_iommu *iommu;
	struct iommu_group *iommu_group;
};

struct group_device {
	struct list_head list;
	struct device *dev;
};

/* In the kernel prod and cons lie in a structure and a union without names, which CO-RE sees through. */
struct arm_smmu_ll_queue {
	__u32 prod;
	__u32 cons;
	__u32 max_n_shift;
};

struct arm_smmu_queue {
	struct arm_smmu_ll_queue llq;
	__u64 *base;
};

struct arm_smmu_evtq {
	struct arm_smmu_queue q;
};

/* A flavour: the driver of SMMUv1 and v2 has a structure of this name, too. */
struct arm_smmu_device___v3 {
	struct device *dev;
	struct arm_smmu_evtq evtq;
	struct rb_root streams;
};

struct arm_smmu_stream {
	__u32 id;
	struct arm_smmu_master *master;
	struct rb_node node;
};

struct arm_smmu_master {
	struct arm_smmu_device___v3 *smmu;
	struct device *dev;
	struct arm_smmu_stream *streams;
	unsigned int num_streams;
};

/* Sockets. */

struct sock;
struct msghdr;

struct socket {
	struct file *file;
	struct sock *sk;
};

#pragma clang attribute pop

#endif
