/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * feed.h - events from the kernel: loads the BPF objects, attaches what this kernel has, and hands
 * each record to a callback in the order of the ring buffer.
 *
 * Hooks are chosen by trying, never by a version number; every optional hook ends as `attached as
 * …` or `not available: why`, which kcoh_feed_each_hook() lists. Nothing here decides anything.
 *
 * What a reader of the records must know:
 *
 * - Loss. hdr.gap counts records that never came, and any record may carry it, so look at it before
 *   the type. If no other record is at hand to carry it, one of type KCOH_EV_NONE does that is a
 *   header only.
 * - Order. Records of one vCPU come in the order in which things happened to it. A scan runs beside
 *   the hooks: a memslot FOUND with an older generation than a change already seen of that slot
 *   says nothing new.
 * - A scan that is run again repeats memslots and vCPU states of all VMs. A vCPU that is in the
 *   guest at that moment is told with the state last known, or as unknown if none is.
 * - VMs that live for milliseconds are normal: QEMU makes one to ask KVM what it can, then its own.
 * - TOGGLE has source TRAP only while this vCPU is armed as far as was seen; otherwise KVM's own
 *   trap showed the edge, and the next one may be missed. Without the module sctlr is 0 there: not
 *   known.
 */
#ifndef KCOH_FEED_H
#define KCOH_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"

struct kcoh_feed; /* opaque */

/* Called for each record, on the thread that called kcoh_feed_consume() or kcoh_feed_scan(). */
typedef void (*kcoh_feed_fn)(const struct kcoh_ev_hdr *ev, size_t len, void *ctx);

struct kcoh_feed_config {
	const char *bpf_dir; /* where the *.bpf.o are */
	uint32_t ring_bytes; /* power of two, multiple of the page size; 0: by the number of CPUs */
	uint32_t exit_vcpus; /* how many vCPUs' exits are counted apart; 0: KCOH_EXIT_VCPUS */
	bool verbose; /* libbpf's own messages to stderr */
	kcoh_feed_fn fn;
	kcoh_feed_fn
		exit_fn; /* for KCOH_EV_EXIT, which is in no order with the others; may be NULL */
	void *ctx;
};

/*
 * Loads and attaches. On success *ret_feed is owned by the caller (kcoh_feed_close). On error
 * returns a negative errno and writes one sentence for a person into err:
 *
 *   -EPERM       no right to load BPF programs
 *   -ENOENT      the kernel has no BTF, or an object is missing
 *   -EOPNOTSUPP  the kernel has no KVM for arm64 built in
 *   -ENOEXEC     an object is damaged
 *   -EPROTO      an object is of another build (ABI)
 */
int kcoh_feed_open(const struct kcoh_feed_config *config, struct kcoh_feed **ret_feed, char *err,
		   size_t err_len);
void kcoh_feed_close(struct kcoh_feed *feed);

/*
 * Attaches the programs on the module's kcoh:* tracepoints if it is there now and they are not yet
 * attached; -ENOENT if it is not loaded. From then on toggles come from the module, with SCTLR_EL1.
 * kcoh_feed_module_detach() lets `rmmod kcoh` succeed.
 */
int kcoh_feed_module_attach(struct kcoh_feed *feed);
void kcoh_feed_module_detach(struct kcoh_feed *feed);

/*
 * Consumes what is there, 65536 records at most; returns their number, or a negative errno. Never
 * blocks. Call it from a timer.
 */
int kcoh_feed_consume(struct kcoh_feed *feed);

/*
 * Runs the iterator over files: VMs, vCPUs and memslots that exist now arrive as records through
 * the callback (VM_NEW with existing = 1 only for VMs not yet known). Returns the number of VMs
 * found, or a negative errno.
 */
int kcoh_feed_scan(struct kcoh_feed *feed);

/*
 * What was counted of exits. A class is ESR_EL2.EC (0..63), KCOH_EXIT_IRQ or KCOH_EXIT_OTHER; the rest
 * tells some classes apart further: the registers of SYS64, the calls of HVC64 and SMC64, data aborts
 * from a guest. Times are counted while kcoh_feed_want() asks for them: row by row how often the time
 * outside the guest, and in the last row inside it, was 2^bucket to 2^(bucket + 1) - 1 ns.
 */
#define KCOH_EXIT_IRQ 64
#define KCOH_EXIT_OTHER 65
#define KCOH_EXIT_CLASSES 66
#define KCOH_EXIT_SYSREGS 12
#define KCOH_EXIT_CALLS 8
#define KCOH_EXIT_ABORTS 6
#define KCOH_EXIT_TIMES 10
#define KCOH_EXIT_BUCKETS 32
struct kcoh_exit_counts {
	uint64_t classes[KCOH_EXIT_CLASSES];
	uint64_t sysregs[KCOH_EXIT_SYSREGS];
	uint64_t calls[KCOH_EXIT_CALLS];
	uint64_t aborts[KCOH_EXIT_ABORTS];
	uint64_t times[KCOH_EXIT_TIMES][KCOH_EXIT_BUCKETS];
};

/*
 * Of one vCPU; with KCOH_VCPU_NONE, of all of a VM's. -ENOENT: no such VM or vCPU, or it came when
 * config.exit_vcpus others were there. For vm = KCOH_VM_NONE: exits of those, classes only.
 */
#define KCOH_EXIT_VCPUS 2048
int kcoh_feed_exits(struct kcoh_feed *feed, uint32_t vm, uint16_t vcpu,
		    struct kcoh_exit_counts *ret_counts);

/* How many vCPUs' exits are counted apart now, and how many may be. */
void kcoh_feed_exit_vcpus(const struct kcoh_feed *feed, uint32_t *ret_used, uint32_t *ret_max);

/* Names ("HVC64", "DABT_LOW", "IRQ"; "timer"; "psci"; "mmio-user-read"; "wfx"); never NULL. */
const char *kcoh_exit_class_name(uint32_t exit_class);
const char *kcoh_exit_sysreg_name(uint32_t sysreg);
const char *kcoh_exit_call_name(uint32_t call);
const char *kcoh_exit_abort_name(uint32_t abort);
const char *kcoh_exit_time_name(uint32_t time);

/*
 * What is wanted besides counts, from now on: times, and a KCOH_EV_EXIT record for each exit of VM
 * `records_vm` (KCOH_VM_NONE: of all). 0, or a negative errno if this kernel has no hook for times.
 */
struct kcoh_feed_wants {
	bool times;
	bool records;
	uint32_t records_vm;
};
int kcoh_feed_want(struct kcoh_feed *feed, const struct kcoh_feed_wants *wants);

/* Records of single exits that were lost so far; they are in no gap of others. */
uint64_t kcoh_feed_exits_lost(const struct kcoh_feed *feed);

/* What keeping an SMMU's tables in step with a VM's memory cost so far; devices may share them. */
struct kcoh_mapping {
	uint64_t domain; /* number of the tables */
	uint64_t maps, mapped_bytes, map_ns;
	uint64_t unmaps, unmapped_bytes, unmap_ns;
	uint64_t commands, command_ns; /* to the SMMU, to invalidate what was unmapped */
};

/* A stream of an SMMU: a device of the host, or (device "") a StreamID that no device has. */
struct kcoh_device_view {
	uint32_t vm; /* whose it is, or KCOH_VM_NONE */
	uint32_t sid;
	uint32_t group; /* IOMMU group, or KCOH_GROUP_NONE */
	uint8_t via; /* enum kcoh_device_via, if it is a VM's */
	uint64_t events; /* event records of its SMMU about it */
	const char *device;
	const char *smmu;
	const struct kcoh_mapping *mapping; /* NULL: nothing was mapped since kcohd started */
};

/* Devices that belong to VMs, and streams with events; ends if fn returns another value than 0, with that. */
int kcoh_feed_each_device(struct kcoh_feed *feed,
			  int (*fn)(const struct kcoh_device_view *device, void *ctx), void *ctx);

/* Why the BPF side could not send a record. The order is that of enum kcoh_lost in bpf/maps.h, and one more. */
enum kcoh_feed_lost_why {
	KCOH_FEED_LOST_RING, /* the ring buffer was full */
	KCOH_FEED_LOST_VM, /* the table of VMs was full */
	KCOH_FEED_LOST_VCPU, /* the table of vCPUs was full */
	KCOH_FEED_LOST_WHO, /* which vCPU it is about was not known */
	KCOH_FEED_LOST_SLOTS, /* memslots changed too often, or were too many, to be read */
	KCOH_FEED_LOST_MISSED, /* the kernel did not run a program, as it was running already on that CPU */
	KCOH_FEED_LOST_REASONS,
};

/* In events, metrics and JSON: "ring-full" "vms-full" "vcpus-full" "vcpu-unknown" "slots-unread" "missed". */
const char *kcoh_feed_lost_name(enum kcoh_feed_lost_why why);

/* Records lost since the feed was made: by reason if ret_by is not NULL, and their sum. */
uint64_t kcoh_feed_lost(struct kcoh_feed *feed, uint64_t ret_by[KCOH_FEED_LOST_REASONS]);

/*
 * The last resort (bpf/refuse.bpf.c): the kernel refuses what the thread that migrates a VM sends, and nothing else of its process.
 *
 * kcoh_feed_refuse() attaches the program, or detaches it: each send of a socket on this host pays for it. 0, or a negative
 * errno and, if `ret_why` is not NULL, a sentence without its full stop (static): this kernel cannot do it.
 *
 * kcoh_feed_guard() has the VM of process `pid` watched from then on, so that its migration thread can be told from others, and
 * its stream refused until `until_ns` (CLOCK_MONOTONIC; 0: not). -ENOSPC: 4096 are. A VM must be guarded before its migration
 * begins; its numbers may be told anew at any time. kcoh_feed_unguard() ends it.
 *
 * kcoh_feed_refusals() tells what became of the sends of its migration thread; -ENOENT: it has none so far.
 */
int kcoh_feed_refuse(struct kcoh_feed *feed, bool on, const char **ret_why);
int kcoh_feed_guard(struct kcoh_feed *feed, uint32_t pid, uint32_t vm, uint64_t ram_pages,
		    uint64_t until_ns);
void kcoh_feed_unguard(struct kcoh_feed *feed, uint32_t pid);

struct kcoh_refusals {
	uint64_t refused; /* sends, since it is guarded */
	uint64_t doubts; /* sends that would have been refused, but for a doubt */
	uint64_t bytes; /* that went in this dirty epoch through the socket of the last one refused; in doubt, the one with most */
	uint64_t inode; /* of that socket, as /proc/PID/fd has it */
	uint32_t tid; /* who sent there; 0: there was no such send */
	uint32_t harvester; /* the thread that takes dirty pages in this epoch, besides the main thread; 0: none */
	bool late; /* the beginning of this epoch was not seen */
	const char *
		doubt; /* about that socket: a sentence without its full stop; NULL: there was none */
};
int kcoh_feed_refusals(struct kcoh_feed *feed, uint32_t pid, struct kcoh_refusals *ret_refusals);

struct kcoh_hook_view {
	const char *name; /* e.g. "kvm_exit" */
	const char *
		method; /* raw_tp, fentry, fexit, kprobe, kretprobe, iter, lsm; NULL: not attached */
	const char *why; /* if not attached: a sentence */
	bool extra; /* many a kernel does not have it, and nothing that matters is missed then */
};
int kcoh_feed_each_hook(struct kcoh_feed *feed,
			int (*fn)(const struct kcoh_hook_view *hook, void *ctx), void *ctx);

#endif
