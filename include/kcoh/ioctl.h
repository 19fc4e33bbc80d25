/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ioctl.h - how kcohd talks to the module: /dev/kcoh (root, 0600).
 *
 * A file of /dev/kcoh starts mute: the first ioctl must be KCOH_IOC_HELLO with the caller's
 * KCOH_ABI. The module always fills in its own number; if they differ it answers -EPROTO and the file stays
 * mute, so that the caller can print both numbers. Padding and unknown flags that are not zero are refused
 * with -EINVAL, so that they can get a meaning later.
 */
#ifndef KCOH_IOCTL_H
#define KCOH_IOCTL_H

#include "abi.h"
#include <linux/ioctl.h>

#define KCOH_DEV "/dev/kcoh"

struct kcoh_hello {
	__u32 abi; /* in: the caller's KCOH_ABI; out: the module's */
	__u32 host; /* out: KCOH_HOST_* of event.h */
	__u32 line_bytes; /* out: the smallest D-cache line of all CPUs (CTR_EL0.DminLine), bytes */
	__u32 state; /* out: enum kcoh_module_state */
};

enum kcoh_module_state {
	KCOH_MODULE_READY = 0, /* watches epochs, arms them */
	KCOH_MODULE_NOT_NEEDED = 1, /* the host has S2FWB: arms nothing */
	KCOH_MODULE_DISABLED = 2, /* parameter enabled=0 */
	KCOH_MODULE_STEPPED_ASIDE =
		3, /* a hook does not fire: nothing is cleaned or trapped; see the kernel log */
};

/* Counters since load. They only grow. */
struct kcoh_stats {
	__u64 epochs; /* started over most of a VM's RAM */
	__u64 arms; /* TVM set by us on a vCPU */
	__u64 disarms; /* TVM given back */
	__u64 traps; /* trapped VM-register writes seen while armed */
	__u64 toggles; /* real edges of SCTLR_EL1.M && .C seen, armed or not */
	__u64 set_way; /* set/way operations seen */
	__u64 set_way_yields; /* of them, with TVM cleared first so that KVM cleans */
	__u64 hook_misses; /* hooks that did not run although their function did; the next harvest cleans whole slots */
	__u64 arm_late; /* vCPUs not armed within the wait at an epoch's start */
	__u64 no_memory; /* arming that failed for want of memory */
	__u64 harvests; /* ioctls whose pages were cleaned */
	__u64 pages_protected; /* write-protected by harvests */
	__u64 pages_cleaned; /* of those */
	__u64 pages_absent; /* not populated: nothing to clean */
	__u64 pages_no_ram; /* no RAM: never cleaned */
	__u64 pages_unclean; /* not cleaned although they should have been */
	__u64 pages_extra; /* cleaned besides: whole slots, and what a stopped VM's dirty log returned */
	__u64 pages_marked; /* of pages_unclean, marked dirty again */
	__u64 whole_slots; /* cleaned whole, because what was noted did not fit */
	__u64 pages_untainted; /* left alone by strategy clean-tainted: no window since they were last cleaned */
	__u64 over_budget; /* VMs disarmed because their guest wrote trapped registers too often */
	__u64 holds; /* vCPUs held */
	__u64 hold_breaks; /* times a held vCPU's thread was taken out of its sleep by a signal */
	__u64 vms; /* VMs known now (the one gauge) */
	__u64 vcpus_armed; /* vCPUs with our TVM now (gauge) */
};

#define KCOH_IOC_HELLO _IOWR('k', 0x80, struct kcoh_hello)
#define KCOH_IOC_STATS _IOR('k', 0x81, struct kcoh_stats)

/*
 * A VM as a file. KCOH_IOC_VM takes the number of a file descriptor of the caller that is a KVM VM (the daemon gets
 * QEMU's by pidfd_getfd; it may be closed again at once) and returns a new descriptor, or
 *   -EBADF   not a KVM VM          -EBUSY   somebody else has this VM
 *
 * The new file holds nothing of the VM: when the VM dies it turns dead (POLLHUP; ioctls answer -ENODEV). What was
 * asked for through it ends when it is closed, except that a running epoch is cleaned to its end.
 */
struct kcoh_vm_open {
	__s32 vm_fd;
	__u32 flags; /* 0 */
};

/*
 * What is done to a VM in a dirty epoch. OBSERVE: nothing. CLEAN: every harvested page is cleaned. CLEAN_TAINTED: only
 * those that may have been written around the caches since they were last cleaned (Non-cacheable mappings of a guest
 * with its MMU on are not seen, so not covered). HOLD: CLEAN, and a vCPU that turns its MMU or data cache off
 * sleeps before its next instruction until the epoch ends or hold_ms have passed. Others: -EOPNOTSUPP.
 */
struct kcoh_vm_strategy {
	__u32 strategy; /* enum kcoh_strategy */
	__u32 flags; /* 0 */
	__u32 hold_ms; /* HOLD: 1 to KCOH_HOLD_MAX_MS; else 0 */
	__u32 pad; /* 0 */
};
#define KCOH_HOLD_MAX_MS 600000u

/* Of one VM, since its first epoch or the opening of its file. */
struct kcoh_vm_status {
	__u32 epoch; /* 1: most of its RAM is being dirty logged */
	__u32 armed; /* 1: the trap is wanted */
	__u32 vcpus; /* online */
	__u32 vcpus_armed;
	__u32 cleaning; /* 1: its harvests are cleaned */
	__u32 held; /* vCPUs held now */
	__u32 tainted; /* 1: a window was open in this epoch, or may have been */
	__u32 over_budget; /* 1: disarmed until the guest calms down: windows are not seen */
	__u64 harvests;
	__u64 pages_protected; /* write-protected by harvests */
	__u64 pages_cleaned;
	__u64 pages_absent;
	__u64 pages_no_ram;
	__u64 pages_unclean;
	__u64 pages_extra;
	__u64 pages_untainted; /* left alone by strategy CLEAN_TAINTED */
	__u64 journal_lost; /* entries that found the journal full */
};

/* A range of guest pages, in and out. -EINVAL if it is empty or wraps. */
struct kcoh_vm_range {
	__u64 gfn; /* in: the first */
	__u64 pages; /* in: how many; at most KCOH_RANGE_MAX_PAGES */
	__u64 done; /* out: cleaned, or marked dirty */
	__u64 absent; /* out: CLEAN: not populated */
	__u64 skipped; /* out: in no memslot, no RAM, or (MARK_DIRTY) in a slot that is not logged by bitmap */
};
#define KCOH_RANGE_MAX_PAGES (1u << 18)

struct kcoh_vm_vcpu {
	__u32 index; /* in: vcpu_idx; -ENOENT if there is none */
	__u32 state; /* out: enum kcoh_cache_state */
	__u32 armed; /* out: 1 if edges are seen */
	__u32 loaded; /* out: 1 if it runs right now: state and sctlr are then those of its last exit or edge */
	__u64 sctlr; /* out: SCTLR_EL1 */
	__u32 held; /* out: 1 if it is held */
	__u32 pad; /* 0 */
};

/*
 * Keeps a vCPU from running guest instructions for a while: KCOH_VM_HOLD, until the deadline, KCOH_VM_RELEASE or the
 * closing of the file. Its thread sleeps inside KVM_RUN, interruptibly: whatever user space does with
 * it (QMP stop, system_reset, gdb, SIGSTOP, SIGKILL) works as ever, and the next KVM_RUN sleeps again. A second
 * hold replaces the first one's deadline. -EINVAL for a deadline out of range, -ENOENT for no such vCPU.
 */
struct kcoh_vm_hold {
	__u32 index; /* vcpu_idx, or KCOH_ALL_VCPUS */
	__u32 ms; /* HOLD: deadline from now, 1 to KCOH_HOLD_MAX_MS; RELEASE: 0 */
};
#define KCOH_ALL_VCPUS (~0u)

/*
 * The journal: which pages were cleaned, when. Off until KCOH_VM_JOURNAL gives it room (entries, a power of two up to
 * 2^20; 0 switches it off); read(2) then returns whole entries, oldest first, without blocking (-EAGAIN: none).
 * A full journal counts in kcoh_vm_status.journal_lost, and the entry is gone. A page is in it only after
 * the DSB that completed its cleaning.
 */
struct kcoh_journal_entry {
	__u64 ts_ns; /* CLOCK_MONOTONIC */
	__u64 gfn;
	__u64 pages;
	__u32 slot_id;
	__u32 tid; /* who cleaned */
};

#define KCOH_IOC_VM _IOW('k', 0x82, struct kcoh_vm_open)
#define KCOH_VM_STRATEGY _IOW('k', 0x90, struct kcoh_vm_strategy)
#define KCOH_VM_STATUS _IOR('k', 0x91, struct kcoh_vm_status)
#define KCOH_VM_CLEAN _IOWR('k', 0x92, struct kcoh_vm_range)
#define KCOH_VM_MARK_DIRTY _IOWR('k', 0x93, struct kcoh_vm_range)
#define KCOH_VM_VCPU _IOWR('k', 0x94, struct kcoh_vm_vcpu)
#define KCOH_VM_JOURNAL _IOW('k', 0x95, __u32)
#define KCOH_VM_HOLD _IOW('k', 0x96, struct kcoh_vm_hold)
#define KCOH_VM_RELEASE _IOW('k', 0x97, struct kcoh_vm_hold)

#endif
