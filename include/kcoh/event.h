/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event.h - the records that flow from the kernel to the core, and into recordings.
 *
 * Every record opens with struct kcoh_ev_hdr and is hdr.size bytes long, a multiple of 8. All
 * fields are fixed-width and little-endian (arm64 and x86-64 both are), padding is explicit and zero.
 *
 * A worked example. A guest of VM 3 turns its MMU off on vCPU 1 inside a dirty epoch:
 *
 *   { .ts_ns = 81234567890, .vm = 3, .vcpu = 1, .type = KCOH_EV_TOGGLE, .size = 48, .gap = 0 }
 *   { .pc = 0x40080154, .sctlr = 0x30d00800, .was = KCOH_CACHED, .now = KCOH_UNCACHED,
 *     .source = KCOH_SRC_TRAP }
 *
 * The producer of each record is named beside its type. 'bpf' records come through the ring
 * buffer; 'daemon' records are made by kcohd itself (host facts, policy, migration phase, time), so
 * that the core sees one stream and a recording of that stream replays to the same decisions.
 *
 * Loss: a record that could not be reserved increments a counter; the next record that goes through
 * on any CPU carries the number of lost ones in hdr.gap. A reader that sees gap != 0 must assume that any
 * edge of any VM may be missing.
 */
#ifndef KCOH_EVENT_H
#define KCOH_EVENT_H

#include "abi.h"

#define KCOH_VCPU_NONE 0xffff /* hdr.vcpu: the record is about the VM, or the host */
#define KCOH_VM_NONE 0 /* hdr.vm: the record is about the host */
#define KCOH_COMM_LEN 16 /* TASK_COMM_LEN */

/* struct kcoh_ev_hdr.type. Values are fixed for ever: recordings hold them. */
enum kcoh_ev_type {
	KCOH_EV_NONE = 0,
	KCOH_EV_VM_NEW = 1, /* bpf: a VM was created, or found by the iterator */
	KCOH_EV_VM_GONE = 2, /* bpf: it was destroyed (kvm_destroy_vm) */
	KCOH_EV_VCPU = 3, /* bpf: cache state of a vCPU, sampled or exact */
	KCOH_EV_TOGGLE = 4, /* bpf: SCTLR_EL1.M && .C changed, seen by a trapped write */
	KCOH_EV_SET_WAY = 5, /* bpf: a trapped DC ISW/CSW/CISW */
	KCOH_EV_RESET = 6, /* bpf: KVM_ARM_VCPU_INIT or PSCI CPU_ON: state unknown */
	KCOH_EV_MEMSLOT = 7, /* bpf: kvm_arch_commit_memory_region, or found by the iterator */
	KCOH_EV_EPOCH = 8, /* bpf, from kcoh:kcoh_epoch: what the module did at an epoch's edge */
	KCOH_EV_SCAN = 9, /* daemon: a scan for VMs that existed before began or ended */
	KCOH_EV_HARVEST = 10, /* bpf: user space took dirty pages, or the module cleaned them */
	KCOH_EV_HOLD = 11, /* bpf, from kcoh:kcoh_hold: a vCPU is held or released */
	KCOH_EV_UNMAP = 12, /* bpf: a VM's stage 2 was unmapped at a reset, and what followed */
	KCOH_EV_PSCI =
		13, /* bpf: a guest calls CPU_OFF, SYSTEM_OFF, SYSTEM_RESET or SYSTEM_SUSPEND */
	KCOH_EV_SMMU = 14, /* bpf: an event record of an SMMUv3, or that some are missing */
	KCOH_EV_DEVICE = 15, /* bpf: a device of the host belongs to a VM, or no more */
	KCOH_EV_HOST = 16, /* daemon: facts about the host and the module */
	KCOH_EV_POLICY = 17, /* daemon: the policy that applies to a VM */
	KCOH_EV_PHASE = 18, /* daemon: migration phase, from QMP or libvirt */
	KCOH_EV_TICK = 19, /* daemon: time passed; deadlines are judged */
	KCOH_EV_ACT_DONE = 20, /* daemon: an act was carried out or failed */
	KCOH_EV_OVERRIDE = 24, /* daemon: an operator lets a VM be migrated, whatever its verdict */
	KCOH_EV_UNCLEAN = 25, /* daemon: the module counted unclean pages that no record told of */
	KCOH_EV_EXIT =
		32, /* bpf: a single exit from the guest, only while somebody asks for them */
};

struct kcoh_ev_hdr {
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u32 vm; /* kcoh's VM id (never used again on this boot's stream), or KCOH_VM_NONE */
	__u16 vcpu; /* vcpu->vcpu_idx, or KCOH_VCPU_NONE */
	__u16 type; /* enum kcoh_ev_type */
	__u16 size; /* bytes of the whole record */
	__u16 flags; /* 0 */
	__u32 gap; /* records lost since the previous one that went through */
};

/* Cache state of a vCPU, as PROBLEM.md's words have it. */
enum kcoh_cache_state {
	KCOH_UNKNOWN = 0, /* not known: counts as a window while the vCPU is runnable */
	KCOH_CACHED = 1, /* SCTLR_EL1.M and .C both set */
	KCOH_UNCACHED = 2, /* either clear */
	KCOH_OFF = 3, /* PSCI off (mp_state STOPPED), or never run: no window */
};

/* How a state is known. */
enum kcoh_source {
	KCOH_SRC_SAMPLE =
		0, /* read when the vCPU was put (or by the iterator): edges between are missed */
	KCOH_SRC_KVM = 1, /* KVM's own trap, which ends at the first off->on */
	KCOH_SRC_TRAP = 2, /* the module's trap: every edge from here on is seen */
	KCOH_SRC_DISARM =
		3, /* the module gave the trap back: exact at this moment, sampled from here on */
};

struct kcoh_ev_vm_new {
	struct kcoh_ev_hdr hdr;
	__u32 pid; /* tgid of the creating process */
	__u32 existing; /* 1: found by the iterator, 0: seen at its birth */
	char comm[KCOH_COMM_LEN]; /* NUL-terminated */
};

struct kcoh_ev_vm_gone {
	struct kcoh_ev_hdr hdr;
};

struct kcoh_ev_vcpu {
	struct kcoh_ev_hdr hdr;
	__u64 sctlr; /* SCTLR_EL1; 0 if state is OFF */
	__u32 tid; /* thread that ran it last, 0 if none */
	__u8 state; /* enum kcoh_cache_state */
	__u8 source; /* enum kcoh_source */
	__u8 pad[2];
};

struct kcoh_ev_toggle {
	struct kcoh_ev_hdr hdr;
	__u64 pc; /* guest virtual address of the trapped write */
	__u64 sctlr; /* after the write */
	__u8 was; /* enum kcoh_cache_state, CACHED or UNCACHED */
	__u8 now;
	__u8 source; /* KCOH_SRC_TRAP or KCOH_SRC_KVM */
	__u8 pad[5];
};

struct kcoh_ev_set_way {
	struct kcoh_ev_hdr hdr;
	__u64 pc;
	__u8 cached; /* 1 if the vCPU's caches were on */
	__u8 cleaned; /* 1 if KVM cleaned its stage 2 for it (kvm_set_way_flush tracepoint fired) */
	__u8 pad[6];
};

enum kcoh_reset_kind {
	KCOH_RESET_INIT = 0, /* kvm_reset_vcpu from KVM_ARM_VCPU_INIT */
	KCOH_RESET_CPU_ON = 1, /* kvm_reset_vcpu for a PSCI CPU_ON */
	KCOH_RESET_SET_SCTLR = 2, /* KVM_SET_ONE_REG on SCTLR_EL1 */
};

struct kcoh_ev_reset {
	struct kcoh_ev_hdr hdr;
	__u32 kind; /* enum kcoh_reset_kind */
	__u32 has_run; /* 1 if a thread ever ran this vCPU */
};

/* struct kcoh_ev_memslot.change: KVM's enum kvm_mr_change, fixed here */
enum kcoh_slot_change {
	KCOH_SLOT_CREATE = 0,
	KCOH_SLOT_DELETE = 1,
	KCOH_SLOT_MOVE = 2,
	KCOH_SLOT_FLAGS = 3,
	KCOH_SLOT_FOUND = 4, /* by the iterator */
};

#define KCOH_SLOT_LOG_DIRTY (1u << 0) /* KVM_MEM_LOG_DIRTY_PAGES */
#define KCOH_SLOT_READONLY (1u << 1) /* KVM_MEM_READONLY */

struct kcoh_ev_memslot {
	struct kcoh_ev_hdr hdr;
	__u64 base_gfn;
	__u64 pages; /* of the host's page size */
	__u64 hva;
	__u64 generation; /* of the memslots this one belongs to */
	__u32 slot_id;
	__u32 flags; /* new KVM_MEM_* flags; those before, for a DELETE */
	__u32 old_flags;
	__u16 as_id; /* arm64 has one address space: 0 */
	__u8 change; /* enum kcoh_slot_change */
	__u8 pad;
};

/* What the module reports at the edges of a dirty epoch over most of a VM's RAM. */
struct kcoh_ev_epoch {
	struct kcoh_ev_hdr hdr;
	__u64 logged_pages; /* in writable slots with dirty logging */
	__u64 total_pages; /* in writable slots */
	__u32 start; /* 1: epoch started, 0: ended */
	__u32 vcpus; /* online vCPUs */
	__u32 armed; /* of them, with TVM set when the ioctl returned to user mode */
	__u32 pending; /* of them, not yet; they arm before they enter the guest again */
};

/* The ioctl that a harvest is. */
enum kcoh_harvest_kind {
	KCOH_HARVEST_UNKNOWN = 0, /* it was under way when watching began */
	KCOH_HARVEST_GET = 1, /* KVM_GET_DIRTY_LOG with automatic protect, or of a stopped VM */
	KCOH_HARVEST_CLEAR = 2, /* KVM_CLEAR_DIRTY_LOG */
	KCOH_HARVEST_RING = 3, /* KVM_RESET_DIRTY_RINGS */
	KCOH_HARVEST_START = 4, /* no harvest: a slot's RAM was cleaned as its logging started */
};

/* Who tells of it. Where the module cleans, each harvest has two records: KVM's, then the module's. */
enum kcoh_harvest_source {
	KCOH_HARVEST_BY_KVM = 0, /* pages write-protected, while the ioctl ran */
	KCOH_HARVEST_BY_MODULE = 1, /* what became of them, before the ioctl's caller ran on */
};

#define KCOH_SLOT_NONE 0xffffffffu /* of no slot, or of several */

struct kcoh_ev_harvest {
	struct kcoh_ev_hdr hdr;
	__u64 pages; /* write-protected: those that user space takes */
	__u64 ns; /* BY_KVM: from the ioctl's start to its end; BY_MODULE: what cleaning took */
	__u64 cleaned; /* this and all below by the module only: of `pages`, cleaned */
	__u64 absent; /* of them, not populated: nothing to clean */
	__u64 no_ram; /* of them, no RAM: never cleaned */
	__u64 unclean; /* not cleaned although they should have been; also of those cleaned besides */
	__u64 extra; /* cleaned besides */
	__u64 untainted; /* of `pages`, left alone: no window since they were last cleaned */
	__u32 slot_id; /* or KCOH_SLOT_NONE */
	__u32 tid; /* who harvested */
	__u8 kind; /* enum kcoh_harvest_kind */
	__u8 source; /* enum kcoh_harvest_source */
	__u8 initially_set; /* 1: all pages of a slot count as dirty when its logging starts */
	__u8 pad[5];
};

struct kcoh_ev_hold {
	struct kcoh_ev_hdr hdr;
	__u64 ns; /* held: for how long at most; released: how long it was held */
	__u32 held; /* 1: held, 0: released */
	__u32 why; /* enum kcoh_hold_why */
};

/*
 * Each page that the module could not clean is told by the HARVEST of it. That record may be lost, and where the module has no memory to note
 * pages there is none; but the module counts them all. Whose they are is not known.
 */
struct kcoh_ev_unclean {
	struct kcoh_ev_hdr hdr;
	__u64 pages;
};

struct kcoh_ev_scan {
	struct kcoh_ev_hdr hdr;
	__u32 done; /* 0: the scan begins, 1: it is complete */
	__u32 vms; /* found */
};

enum kcoh_unmap_kind {
	KCOH_UNMAP_UNMAPPED = 0, /* stage2_unmap_vm() was done once */
	KCOH_UNMAP_FOLLOWED = 1, /* what followed, 5 s after the last one: sums */
};

/* A reset without S2FWB: 'unmap or clean?' is answered with these numbers. */
struct kcoh_ev_unmap {
	struct kcoh_ev_hdr hdr;
	__u64 ns; /* that unmapping took, all of `unmaps` together */
	__u64 faults; /* FOLLOWED: that mapped pages again */
	__u64 fault_ns; /* … their time, from the fault to the page cleaned and mapped */
	__u64 bytes; /* … that they mapped */
	__u64 span_ns; /* FOLLOWED: from the begin of the first unmapping to now */
	__u32 unmaps; /* one for each vCPU that had run */
	__u32 kind; /* enum kcoh_unmap_kind */
};

enum kcoh_psci {
	KCOH_PSCI_OTHER = 0, /* no record is made of these */
	KCOH_PSCI_CPU_OFF = 1,
	KCOH_PSCI_SYSTEM_OFF = 2,
	KCOH_PSCI_SYSTEM_RESET = 3, /* and SYSTEM_RESET2 */
	KCOH_PSCI_SYSTEM_SUSPEND = 4,
};

struct kcoh_ev_psci {
	struct kcoh_ev_hdr hdr;
	__u32 call; /* enum kcoh_psci */
	__u32 function; /* PSCI's number of it */
};

#define KCOH_DEVICE_LEN 24 /* "0000:00:01.0", "9050000.smmuv3"; NUL-terminated, cut if longer */
#define KCOH_GROUP_NONE 0xffffffffu

enum kcoh_smmu_kind {
	KCOH_SMMU_EVENT = 0, /* one event record */
	KCOH_SMMU_FOLDED =
		1, /* `count` more of this stream: only raw[0], of the last one, is there */
	KCOH_SMMU_UNREAD =
		2, /* `count` events were overwritten in the queue before they were read */
	KCOH_SMMU_LOST = 3, /* the queue was full: at least `count` events were never written */
};

/*
 * An SMMU event, whose device it was (hdr.vm: whose device that is), and raw[] as smmu.h decodes it.
 * A storm is folded: of a stream that makes more than 64 a second the rest are counted.
 */
struct kcoh_ev_smmu {
	struct kcoh_ev_hdr hdr;
	__u64 raw[4]; /* as the SMMU wrote it; 0 for UNREAD and LOST, whose stream is not known */
	__u64 count; /* events that this one stands for */
	__u32 group; /* IOMMU group, or KCOH_GROUP_NONE */
	__u8 kind; /* enum kcoh_smmu_kind */
	__u8 pad[3];
	char device[KCOH_DEVICE_LEN]; /* "": no device of this host has that StreamID */
	char smmu[KCOH_DEVICE_LEN];
};

enum kcoh_device_state {
	KCOH_DEVICE_TAKEN = 0, /* the VM's process has become the owner of the device's DMA */
	KCOH_DEVICE_FOUND = 1, /* it was so before: by the iterator */
	KCOH_DEVICE_RELEASED = 2,
};

enum kcoh_device_via {
	KCOH_VIA_GROUP = 0, /* a VFIO group */
	KCOH_VIA_IOMMUFD = 1, /* the device's own file, bound to an iommufd */
};

struct kcoh_ev_device {
	struct kcoh_ev_hdr hdr; /* vm is 0 at a RELEASED that comes after the VM's end */
	__u32 sid; /* its first StreamID */
	__u32 group; /* IOMMU group */
	__u8 state; /* enum kcoh_device_state */
	__u8 via; /* enum kcoh_device_via */
	__u8 pad[6];
	char device[KCOH_DEVICE_LEN];
	char smmu[KCOH_DEVICE_LEN];
};

#define KCOH_HOST_S2FWB (1u << 0)
#define KCOH_HOST_VHE (1u << 1)
#define KCOH_HOST_PKVM (1u << 2)
#define KCOH_HOST_MODULE (1u << 3) /* kcoh.ko is loaded and its ABI fits */
#define KCOH_HOST_TRAP (1u << 4) /* it arms HCR_EL2.TVM in epochs */
#define KCOH_HOST_CLEAN (1u << 5) /* it cleans at harvest */

struct kcoh_ev_host {
	struct kcoh_ev_hdr hdr;
	__u32 features; /* KCOH_HOST_* */
	__u32 page_size; /* bytes */
};

enum kcoh_strategy {
	KCOH_STRATEGY_OBSERVE = 0,
	KCOH_STRATEGY_VETO = 1,
	KCOH_STRATEGY_CLEAN = 2,
	KCOH_STRATEGY_CLEAN_TAINTED = 3,
	KCOH_STRATEGY_HOLD = 4,
	KCOH_STRATEGY_DEFER = 5,
	KCOH_STRATEGY_RETRY = 6,
};

/* Why a vCPU is held, and why it is no more: tracepoint kcoh:kcoh_hold. */
enum kcoh_hold_why {
	KCOH_HOLD_TOGGLE = 0, /* held: it turned its caches off under strategy hold */
	KCOH_HOLD_ASKED = 1, /* held: KCOH_VM_HOLD */
	KCOH_HOLD_RELEASED = 2, /* released: KCOH_VM_RELEASE, or another strategy */
	KCOH_HOLD_EPOCH_END = 3, /* released */
	KCOH_HOLD_DEADLINE = 4, /* released */
	KCOH_HOLD_CLOSED = 5, /* released: the file was closed, or the module switched off */
};

enum kcoh_guard {
	KCOH_GUARD_WARN = 0, /* says what it would have done, blocks nothing */
	KCOH_GUARD_ENFORCE = 1,
};

/* struct kcoh_ev_policy.tolerate: what alone is no reason to veto */
#define KCOH_TOLERATE_NO_MODULE (1u << 0) /* that windows cannot be seen reliably */
#define KCOH_TOLERATE_BLIND (1u << 1) /* that one may have been missed; not pKVM */

struct kcoh_ev_policy {
	struct kcoh_ev_hdr hdr;
	__u32 strategy; /* enum kcoh_strategy */
	__u32 guard; /* enum kcoh_guard */
	__u32 can_cancel; /* 1 if there is a way to cancel this VM's migration (QMP) */
	__u32 arm_deadline_ms; /* how long vCPUs may take to arm before the VM is blind */
	__u32 defer_ms; /* DEFER: how long a migration waits for vCPUs to be cached again */
	__u32 hold_ms; /* HOLD: how long a vCPU is held at most */
	__u32 tolerate; /* KCOH_TOLERATE_* */
	__u32 last_resort; /* 1: what cannot be cancelled is refused in the kernel */
};

enum kcoh_phase {
	KCOH_PHASE_NONE = 0,
	KCOH_PHASE_SETUP = 1,
	KCOH_PHASE_ACTIVE = 2,
	KCOH_PHASE_PRE_SWITCHOVER = 3,
	KCOH_PHASE_DEVICE = 4,
	KCOH_PHASE_COMPLETED = 5,
	KCOH_PHASE_FAILED = 6,
	KCOH_PHASE_CANCELLING = 7,
	KCOH_PHASE_CANCELLED = 8,
	KCOH_PHASE_POSTCOPY = 9,
};

struct kcoh_ev_phase {
	struct kcoh_ev_hdr hdr;
	__u32 phase; /* enum kcoh_phase */
	__u32 pad;
};

struct kcoh_ev_tick {
	struct kcoh_ev_hdr hdr;
};

enum kcoh_act_type {
	KCOH_ACT_CANCEL = 1, /* cancel the VM's migration */
	KCOH_ACT_ALERT = 2, /* tell people: log, metrics */
	KCOH_ACT_RESCAN = 3, /* records were lost: read VMs, slots and states again */
	KCOH_ACT_ARM = 4, /* give the module the VM's strategy, and keep its file open */
	KCOH_ACT_DISARM = 5, /* close that file: the VM is as any other to the module */
	KCOH_ACT_CLEAN = 6, /* clean all its RAM: asked for by people, never by the core */
	KCOH_ACT_REFUSE = 7, /* have the kernel refuse its migration stream, from now on */
	KCOH_ACT_ADMIT = 8, /* and no more */
};

struct kcoh_ev_act_done {
	struct kcoh_ev_hdr hdr;
	__u32 act; /* enum kcoh_act_type */
	__s32 result; /* 0 or a negative errno */
};

/* Who, and why in words, is kept by the daemon under `number`. */
struct kcoh_ev_override {
	struct kcoh_ev_hdr hdr;
	__u64 until_ns; /* it ends then (CLOCK_MONOTONIC); 0: it is taken back */
	__u32 uid; /* who gave it, or took it back */
	__u32 number;
};

/* A single exit from the guest. hdr.gap counts lost records of this type, and no others. */
struct kcoh_ev_exit {
	struct kcoh_ev_hdr hdr;
	__u64 pc; /* of the guest */
	__u64 esr; /* ESR_EL2; 0 if the exit was no exception that the guest took */
	__u64 arg; /* HVC64, SMC64: x0; aborts: the IPA; otherwise 0 */
	__u32 exit_class; /* ESR_EL2.EC, 64: interrupt, 65: other */
	__u32 pad;
};

/* A record of any type, for storage on the stack and in tests. */
union kcoh_ev {
	struct kcoh_ev_hdr hdr;
	struct kcoh_ev_vm_new vm_new;
	struct kcoh_ev_vm_gone vm_gone;
	struct kcoh_ev_vcpu vcpu;
	struct kcoh_ev_toggle toggle;
	struct kcoh_ev_set_way set_way;
	struct kcoh_ev_reset reset;
	struct kcoh_ev_memslot memslot;
	struct kcoh_ev_epoch epoch;
	struct kcoh_ev_harvest harvest;
	struct kcoh_ev_hold hold;
	struct kcoh_ev_scan scan;
	struct kcoh_ev_unmap unmap;
	struct kcoh_ev_psci psci;
	struct kcoh_ev_smmu smmu;
	struct kcoh_ev_device device;
	struct kcoh_ev_host host;
	struct kcoh_ev_policy policy;
	struct kcoh_ev_phase phase;
	struct kcoh_ev_tick tick;
	struct kcoh_ev_act_done act_done;
	struct kcoh_ev_override override;
	struct kcoh_ev_unclean unclean;
	struct kcoh_ev_exit exit;
};

/*
 * A dirty epoch concerns a migration (or a savevm) when most of a VM's RAM is logged; a framebuffer's
 * endless logging never reaches half of it. The module arms by this rule and the core judges by it.
 * Pages count in writable slots only: read-only ones (flash, option ROMs) cannot be dirtied.
 */
static inline int kcoh_epoch_covers_ram(__u64 logged_pages, __u64 total_pages)
{
	return logged_pages && logged_pages >= total_pages - logged_pages;
}

/* SCTLR_EL1.M (bit 0) and .C (bit 2): Arm ARM D24.2.175; the test is KVM's vcpu_has_cache_enabled(). */
static inline int kcoh_sctlr_cached(__u64 sctlr)
{
	return (sctlr & 0x5) == 0x5;
}

#endif
