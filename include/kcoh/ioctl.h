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
	KCOH_MODULE_STEPPED_ASIDE = 3, /* an inconsistency was found; see the kernel log */
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
	__u64 hook_misses; /* hooks that did not run although their function did */
	__u64 arm_late; /* vCPUs not armed within the wait at an epoch's start */
	__u64 no_memory; /* arming that failed for want of memory */
	__u64 harvests; /* ioctls whose pages were cleaned */
	__u64 pages_protected; /* write-protected by harvests */
	__u64 pages_cleaned; /* of those and of whole slots */
	__u64 pages_absent; /* not populated: nothing to clean */
	__u64 pages_no_ram; /* no RAM: never cleaned */
	__u64 pages_unclean; /* not cleaned although they should have been */
	__u64 pages_marked; /* of them, marked dirty again */
	__u64 whole_slots; /* cleaned whole, because what was noted did not fit */
	__u64 vms; /* VMs known now (the one gauge) */
	__u64 vcpus_armed; /* vCPUs with our TVM now (gauge) */
};

#define KCOH_IOC_HELLO _IOWR('k', 0x80, struct kcoh_hello)
#define KCOH_IOC_STATS _IOR('k', 0x81, struct kcoh_stats)

#endif
