/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps.h - what the BPF programs and the feed (user/feed/) share besides event records.
 *
 * Both sides include this file; it is the layout of the maps that user space reads or writes. They
 * are built, shipped and loaded together, and KCOH_ABI (include/kcoh/abi.h) covers them: the loader
 * compares the number in their object before it creates anything.
 */
#ifndef KCOH_MAPS_H
#define KCOH_MAPS_H

#include "kcoh/event.h"

/*
 * A vCPU whose exits are counted has a slot, from when it is first met to the end of its VM. Slot 0
 * takes the exits of vCPUs that came when all slots were in use. A vCPU runs in one place at a time,
 * so that its slot has one writer and needs no atomics and no copy for each CPU.
 *
 * Slots are for the loader to size (feed.h); 3336 bytes each.
 */
#define KCOH_EXIT_KINDS 66 /* = KCOH_EXIT_CLASSES of feed.h */

/* What a trapped system register is (exit.bpf.c has the rules); index of kcoh_exits.sysreg. */
enum kcoh_sysreg_group {
	KCOH_SYSREG_OTHER = 0,
	KCOH_SYSREG_ID = 1, /* feature registers: op0 3, CRn 0 */
	KCOH_SYSREG_VM = 2, /* what HCR_EL2.TVM and TRVM trap: SCTLR, TTBR, TCR, MAIR, … */
	KCOH_SYSREG_TIMER = 3,
	KCOH_SYSREG_GIC = 4, /* ICC_* */
	KCOH_SYSREG_PMU = 5,
	KCOH_SYSREG_DEBUG = 6, /* op0 2: breakpoints, watchpoints, OS lock, trace */
	KCOH_SYSREG_SET_WAY = 7, /* DC ISW, CSW, CISW */
	KCOH_SYSREG_CACHE = 8, /* other cache and branch predictor maintenance */
	KCOH_SYSREG_TLB = 9, /* TLBI and AT */
	KCOH_SYSREG_EL2 = 10, /* of a guest's own hypervisor */
	KCOH_SYSREG_IMPDEF = 11, /* CRn 11 and 15 */
	KCOH_SYSREG_GROUPS = 12,
};

/* Whose function an HVC or SMC calls, by x0 (SMC Calling Convention); index of kcoh_exits.call. */
enum kcoh_call_group {
	KCOH_CALL_OTHER = 0, /* not of the convention, or of an owner not listed here */
	KCOH_CALL_ARCH = 1, /* Arm architecture: versions, workarounds */
	KCOH_CALL_PSCI = 2,
	KCOH_CALL_TRNG = 3,
	KCOH_CALL_STANDARD = 4, /* standard secure services besides those two */
	KCOH_CALL_HYP = 5, /* standard hypervisor services: stolen time */
	KCOH_CALL_VENDOR = 6, /* KVM's own */
	KCOH_CALL_FIRMWARE = 7, /* CPU, silicon and board vendors */
	KCOH_CALL_GROUPS = 8,
};

/*
 * What of the data aborts (class 0x24) is known apart; index of kcoh_exits.abort. A fault on a
 * memslot is one that is no emulation: reads are (aborts - WRITE) - USER_READ - KERNEL_READ.
 */
enum kcoh_abort_count {
	KCOH_ABORT_WRITE = 0, /* ESR_EL2.WnR */
	KCOH_ABORT_USER_READ = 1, /* MMIO that user space emulates */
	KCOH_ABORT_USER_WRITE = 2,
	KCOH_ABORT_KERNEL_READ = 3, /* MMIO that KVM does itself: the GIC, ioeventfd */
	KCOH_ABORT_KERNEL_WRITE = 4,
	KCOH_ABORT_COUNTS = 5,
};

/* Rows of kcoh_exits.time: why the guest was left, and, the last one, time in the guest. */
enum kcoh_time_row {
	KCOH_TIME_OTHER = 0,
	KCOH_TIME_WFX = 1,
	KCOH_TIME_HVC = 2,
	KCOH_TIME_SMC = 3,
	KCOH_TIME_SYSREG = 4,
	KCOH_TIME_IABT = 5,
	KCOH_TIME_DABT = 6,
	KCOH_TIME_IRQ = 7,
	KCOH_TIME_FP = 8, /* FP, SVE, SME */
	KCOH_TIME_INSIDE = 9,
	KCOH_TIME_ROWS = 10,
};
#define KCOH_TIME_BUCKETS                                                                          \
	32 /* bucket n: 2^n to 2^(n+1) - 1 ns; 0 is in the first, the last has no end */

struct kcoh_exits {
	__u64 count[KCOH_EXIT_KINDS];
	__u64 sysreg[KCOH_SYSREG_GROUPS];
	__u64 call[KCOH_CALL_GROUPS];
	__u64 abort[KCOH_ABORT_COUNTS];
	__u64 time[KCOH_TIME_ROWS * KCOH_TIME_BUCKETS]; /* row by row */
	/* The BPF side's own. */
	__u64 mmio_kernel; /* vcpu->stat.mmio_exit_kernel, as last looked at */
	__u64 left_ns; /* when it left the guest last, and entered it, while times were wanted */
	__u64 entered_ns;
	__u64 sctlr; /* SCTLR_EL1 as last looked at, if `looked` */
	__u32 looked; /* 1 + vcpu->arch.mp_state as last looked at; 0: look again */
	__u32 row; /* of `time`, for the exit that is under way */
	/* What the next exit must do besides counting; 0, most often. One writer each. */
	__u16 aborted; /* the last exit was a data abort: 1 read, 2 write; 0: none, or accounted for */
	__u16 wanted; /* KCOH_WANT_*, written by the loader in every slot */
	__u32 pad;
};

#define KCOH_WANT_TIME (1u << 0)
#define KCOH_WANT_RECORDS (1u << 1)

/* Why a record was not sent; index of kcoh_shared.lost. */
enum kcoh_lost {
	KCOH_LOST_RING = 0, /* the ring buffer was full */
	KCOH_LOST_VM = 1, /* the table of VMs was full */
	KCOH_LOST_VCPU = 2, /* the table of vCPUs was full */
	KCOH_LOST_WHO = 3, /* which vCPU runs on this CPU was not yet known */
	KCOH_LOST_SLOTS =
		4, /* a VM's memslots kept changing, or were too many, while they were read */
	KCOH_LOST_REASONS = 5,
};

/* The one element of map kcoh_shared, mapped into the loader's memory. */
struct kcoh_shared {
	__u64 gap; /* records lost since the last that went through; who reports them takes them */
	__u64 lost[KCOH_LOST_REASONS]; /* since load; they only grow */
	__u64 last_vm; /* the last VM id given out; 64-bit, as it always was */
	__u32 scan; /* number of the running scan, from 1; set by the loader */
	__u32 module; /* 0: not attached; else the attachment's number, and toggles are its */
	__u64 exits_lost; /* records of single exits, which have a ring of their own */
	__u64 exits_gap; /* of them, since the last that went through */
	__u32 exits_wanted; /* KCOH_WANT_*, for slots to come; these two are set by the loader */
	__u32 records_vm; /* with KCOH_WANT_RECORDS: of this VM only; 0: of all */
};

/* Map kcoh_unmaps, by VM: what came after its stage 2 was unmapped. */
struct kcoh_unmap {
	__u64 first_ns; /* when the first unmapping began */
	__u64 last_ns; /* when the last one ended */
	__u64 unmaps;
	__u64 ns; /* that they took together */
	__u64 faults; /* that mapped something again */
	__u64 fault_ns;
	__u64 bytes;
};

/* Map kcoh_domains: what was done to tables that userspace keeps, since they were first touched. */
struct kcoh_domain {
	__u64 id; /* from 1 */
	__u64 maps;
	__u64 mapped_bytes;
	__u64 map_ns;
	__u64 unmaps;
	__u64 unmapped_bytes;
	__u64 unmap_ns;
	__u64 commands; /* to invalidate what was unmapped */
	__u64 command_ns;
};

/* Map kcoh_streams: what came from one stream of one SMMU, and whose device that is. */
struct kcoh_stream_key {
	__u64 smmu; /* its structure in the kernel */
	__u32 sid; /* KCOH_SID_NONE for what belongs to no stream */
	__u32 kind; /* enum kcoh_smmu_kind: EVENT, or UNREAD and LOST of the whole SMMU */
};

#define KCOH_SID_NONE 0xffffffffu

struct kcoh_stream {
	__u64 events; /* ever */
	__u64 sent; /* of them, told by a record in the ring; the loader tells of the rest */
	__u64 last; /* raw[0] of the last one */
	__u64 second_ns; /* when the second began that `burst` counts */
	__u64 dev; /* its structure in the kernel, or 0 */
	__u64 domain; /* what it is attached to, if it is a VM's: key of kcoh_domains */
	__u64 mm; /* of the process that owns the device's DMA through VFIO, or 0 */
	__u64 kvm; /* the VM that was found for it, or 0 */
	__u32 vm; /* … and its number */
	__u32 burst;
	__u32 group;
	__u8 via; /* enum kcoh_device_via */
	__u8 pad[3];
	char device[KCOH_DEVICE_LEN];
	char smmu[KCOH_DEVICE_LEN];
};

/* The one element of map kcoh_smmu_sums, mapped into the loader's memory. */
struct kcoh_smmu_sums {
	__u64 events; /* noted, of all streams and kinds */
	__u64 sent; /* of them, told by records */
	__u64 inside; /* threads that take events from queues now: their progress wants to be looked at */
};

/*
 * Map kcoh_guarded, by process (tgid): VMs whose migration stream the kernel is to refuse if it must
 * (refuse.bpf.c). Written by the loader only.
 */
struct kcoh_guarded {
	__u64 until_ns; /* sends are refused until then; 0, or past: none is */
	__u64 ram_pages; /* of its RAM */
	__u64 inode; /* vm is KCOH_VM_NONE: that of the socket on which the loader wants to see a send refused */
	__u32 vm; /* or KCOH_VM_NONE: the loader itself */
	__u32 pad;
};

/* Why a send of the thread that harvests was let through while sends were to be refused. */
enum kcoh_doubt {
	KCOH_DOUBT_NONE = 0,
	KCOH_DOUBT_LATE = 1, /* the epoch's beginning was not seen */
	KCOH_DOUBT_THREADS = 2, /* several threads take dirty pages, besides the main thread */
	KCOH_DOUBT_FEW = 3, /* it did not take most of the RAM in this epoch, or not yet */
	KCOH_DOUBT_ROOM = 4, /* no memory to remember who sends on the socket */
	KCOH_DOUBT_SHARED = 5, /* another thread sent on the socket in this epoch */
	KCOH_DOUBT_LITTLE = 6, /* what went through the socket does not look like RAM */
	KCOH_DOUBT_VCPU = 7, /* the thread runs a vCPU */
	KCOH_DOUBT_STOPPED = 8, /* no vCPU runs: this may be a post-copy, which must not fail */
	KCOH_DOUBT_VM = 9, /* the pages were another VM's of the process */
	KCOH_DOUBTS = 10,
};

/* Map kcoh_streams_seen, by process: who harvests, and what became of its sends. Written by programs only. */
struct kcoh_stream_seen {
	__u64 epoch; /* number of the dirty epoch, from 1; 0: it began before we looked */
	__u64 kvm; /* its structure in the kernel */
	__u64 pages; /* that `tid` took in this epoch */
	__u64 refused; /* sends, ever */
	__u64 doubts; /* sends that were let through in doubt, ever */
	__u64 bytes; /* that went through the socket of one of them in this epoch: the last refused, or in doubt the one with most */
	__u64 inode; /* of that socket */
	__u32 tid; /* the first thread that harvested, besides the main thread; 0: none yet */
	__u32 others; /* 1: another one did, too */
	__u32 by; /* the thread that sent it */
	__u32 doubt; /* enum kcoh_doubt of it; 0: it was refused */
};

_Static_assert(sizeof(struct kcoh_exits) == 3336, "kcoh_exits");
_Static_assert(sizeof(struct kcoh_shared) == 88, "kcoh_shared");
_Static_assert(sizeof(struct kcoh_guarded) == 32, "kcoh_guarded");
_Static_assert(sizeof(struct kcoh_stream_seen) == 72, "kcoh_stream_seen");

#endif
