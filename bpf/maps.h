/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * maps.h - what the BPF objects and the feed (user/feed/) share besides event records.
 *
 * Both sides include this file; it is the layout of the maps that user space reads or writes. They
 * are built, shipped and loaded together, and KCOH_ABI (include/kcoh/abi.h) covers them: the loader
 * compares the number in each object before it creates anything.
 */
#ifndef KCOH_MAPS_H
#define KCOH_MAPS_H

/*
 * VMs whose exits are counted apart. A VM gets one of these slots at birth and gives it back at its
 * end; slot 0 takes what belongs to no VM, or to one born when all slots were in use. 528 bytes a
 * slot and CPU.
 */
#define KCOH_EXIT_SLOTS 256
#define KCOH_EXIT_KINDS 66 /* = KCOH_EXIT_CLASSES of feed.h */

struct kcoh_exits {
	__u64 count[KCOH_EXIT_KINDS];
};

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
	__u64 last_vm; /* the last VM id given out; 64-bit, as BPF's atomics are without -mcpu=v3 */
	__u32 scan; /* number of the running scan, from 1; set by the loader */
	__u32 module; /* 0: not attached; else the attachment's number, and toggles are its */
};

_Static_assert(sizeof(struct kcoh_exits) == 528, "kcoh_exits");
_Static_assert(sizeof(struct kcoh_shared) == 64, "kcoh_shared");

#endif
