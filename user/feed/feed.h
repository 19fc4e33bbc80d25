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
	bool verbose; /* libbpf's own messages to stderr */
	kcoh_feed_fn fn;
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
 * Exit counters of a VM, summed over CPUs, by class = ESR_EL2.EC (0..63), KCOH_EXIT_IRQ,
 * KCOH_EXIT_OTHER. -ENOENT: no such VM, or one beyond the 255 that are counted apart. For vm =
 * KCOH_VM_NONE: exits that belong to none of those.
 */
#define KCOH_EXIT_IRQ 64
#define KCOH_EXIT_OTHER 65
#define KCOH_EXIT_CLASSES 66
int kcoh_feed_exits(struct kcoh_feed *feed, uint32_t vm, uint64_t ret_counts[KCOH_EXIT_CLASSES]);
/* Name of an exit class ("HVC64", "DABT_LOW", "IRQ" …); never NULL. */
const char *kcoh_exit_class_name(uint32_t exit_class);

/* Records lost so far, by the BPF side, all reasons. */
uint64_t kcoh_feed_lost(struct kcoh_feed *feed);

struct kcoh_hook_view {
	const char *name; /* e.g. "kvm_exit" */
	const char *method; /* raw_tp, fentry, fexit, kprobe, kretprobe, iter; NULL: not attached */
	const char *why; /* if not attached: a sentence */
};
int kcoh_feed_each_hook(struct kcoh_feed *feed,
			int (*fn)(const struct kcoh_hook_view *hook, void *ctx), void *ctx);

#endif
