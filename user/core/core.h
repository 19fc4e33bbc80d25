/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * core.h - the decision core: an event in, acts out, verdicts to ask for.
 *
 * Pure: no I/O, no clock (time is in each event), no allocation after kcoh_core_init(), no
 * globals. It links with memory functions of libc and nothing else (`make check` compares its
 * undefined symbols with an allow-list), so the daemon, `kcoh replay`, the simulator and the
 * fuzzer run the same code.
 *
 * Ownership: the caller owns the memory of the core; events are only read during the call.
 * Errors are negative errno.
 */
#ifndef KCOH_CORE_H
#define KCOH_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"
#include "kcoh/reason.h"

/* Bounds, fixed at init. A VM beyond them is not tracked and its verdict is TOO_MANY. */
struct kcoh_core_config {
	uint32_t max_vms; /* 1..65536 */
	uint32_t max_vcpus; /* per VM, 1..512 */
	uint32_t max_slots; /* per VM, 1..32768 */
};

enum kcoh_verdict_kind {
	KCOH_VERDICT_ALLOW = 0,
	KCOH_VERDICT_REPAIR = 1, /* allowed: pages are being cleaned */
	KCOH_VERDICT_WAIT = 2,
	KCOH_VERDICT_VETO = 3,
};

struct kcoh_verdict {
	enum kcoh_verdict_kind kind;
	enum kcoh_reason reason;
	enum kcoh_reason
		overrides; /* reason OVERRIDE: that of the wait or veto which it stands for; else NONE */
	uint64_t since_ns; /* when it became so */
	uint64_t until_ns; /* WAIT: deadline, VETO: expiry, OVERRIDE: its end; 0: until the state changes */
};

struct kcoh_act {
	enum kcoh_act_type type;
	enum kcoh_reason reason; /* RESCAN: EVENTS_LOST, or WATCHED_LATE (a VM was met late) */
	uint32_t vm; /* KCOH_VM_NONE for RESCAN */
	enum kcoh_strategy strategy; /* ARM: what the module is to do */
	uint32_t hold_ms; /* ARM with strategy HOLD: how long a vCPU is held at most */
	bool dry; /* say it, do not do it: guard = warn, or no way to cancel */
};

/* Window classes, PROBLEM.md's words. */
enum kcoh_window_class {
	KCOH_WINDOW_MMU_OFF = 0,
	KCOH_WINDOW_BLIND = 1,
	KCOH_WINDOW_DEVICE = 2,
	KCOH_WINDOW_CLASSES,
};

struct kcoh_core; /* opaque */

/* Bytes of memory that a core of this configuration needs; 0 if a bound is out of range. */
size_t kcoh_core_size(const struct kcoh_core_config *config);

/*
 * Makes a core in `memory` (`size` bytes, aligned for max_align_t, at least kcoh_core_size()).
 * Returns it, or NULL if size or bounds do not fit. Nothing to release.
 */
struct kcoh_core *kcoh_core_init(void *memory, size_t size, const struct kcoh_core_config *config);

/*
 * One step. `ev` is one whole record (hdr.size is checked against its type; `len` are the bytes
 * readable at ev, which needs no alignment). Writes up to `n` acts and returns how many, or
 * -EINVAL for a malformed record (the core is then unchanged: a caller counts it and treats it as
 * a loss), -ENOSPC if n is less than KCOH_CORE_MAX_ACTS. Acts that do not fit come with the next
 * step, so a caller that got KCOH_CORE_MAX_ACTS should send a TICK.
 *
 * Records of an unknown type, and of a VM that is not known, are skipped; a loss they report is
 * not. Time never runs backwards: an older ts_ns is taken as now.
 *
 * What a caller does, in this order: HOST; POLICY with hdr.vm = 0 (the default policy; until then
 * it is veto, warn, no way to cancel, 1000 ms); SCAN done=0, the iterator's records, SCAN done=1;
 * then records as they come, a POLICY for each VM that has its own, PHASE, and a TICK at least
 * every second. After a RESCAN act: SCAN done=0, the iterator's records, SCAN done=1, ACT_DONE
 * with hdr.vm = 0. An OVERRIDE that was given before comes anew after the VM's POLICY. After a CANCEL that is not dry, an ARM and a DISARM: ACT_DONE with the VM; for the last two
 * only when the records that the kernel made before were given.
 */
#define KCOH_CORE_MAX_ACTS 64
int kcoh_core_step(struct kcoh_core *core, const struct kcoh_ev_hdr *ev, size_t len,
		   struct kcoh_act *acts, size_t n);

/*
 * The state as bytes, for a recording. kcoh_core_save() writes the image and returns its size, or 0 if `size` is less than
 * kcoh_core_image_size(). kcoh_core_load() makes a core what it was when it was saved; bounds must be the same. 0, -EPROTO
 * for an image of another build, -EINVAL for one that is damaged: the core must then be made anew.
 */
size_t kcoh_core_image_size(const struct kcoh_core *core);
size_t kcoh_core_save(const struct kcoh_core *core, void *image, size_t size);
int kcoh_core_load(struct kcoh_core *core, const void *image, size_t size);

/* Counters since init, and gauges. */
struct kcoh_core_stats {
	uint64_t records; /* steps that were not refused */
	uint64_t skipped; /* of them, of an unknown type */
	uint64_t strays; /* of them, about a VM that is not known or not tracked */
	uint64_t stale; /* memslot records older than what is known */
	uint64_t lost; /* records lost, as the stream said */
	uint64_t rescans; /* RESCAN acts */
	uint64_t cancels; /* CANCEL acts, dry ones too */
	uint64_t refusals; /* REFUSE acts */
	uint64_t alerts; /* ALERT acts */
	uint64_t arms; /* ARM and DISARM acts */
	uint64_t alerts_quiet; /* alerts not given because the same one was given just before */
	uint64_t vms_refused; /* VMs for which there was no room */
	uint32_t vms; /* gauge: tracked */
	uint32_t vms_untracked; /* gauge: known by their id only; their verdict is TOO_MANY */
};

void kcoh_core_stats(const struct kcoh_core *core, struct kcoh_core_stats *ret_stats);

/* What is known of a vCPU. */
struct kcoh_vcpu_view {
	uint16_t index;
	uint8_t state; /* enum kcoh_cache_state */
	uint8_t source; /* enum kcoh_source */
	uint64_t sctlr;
	uint64_t since_ns; /* of this state */
};

/* An operator's override that is in force. */
struct kcoh_override_view {
	uint64_t until_ns; /* 0: there is none */
	uint32_t uid;
	uint32_t number; /* of the record that gave it */
};

/* What is known of a VM. Valid until the next step. */
struct kcoh_vm_view {
	uint32_t id;
	uint32_t pid;
	const char *comm;
	uint32_t vcpus; /* known */
	uint32_t vcpus_cached, vcpus_uncached, vcpus_off, vcpus_unknown;
	uint32_t slots;
	uint64_t ram_pages; /* in writable slots */
	uint64_t logged_pages; /* of them, with dirty logging */
	bool in_epoch; /* most of the RAM is logged */
	uint64_t epoch_since_ns;
	uint64_t epochs; /* counted */
	uint32_t vcpus_held; /* by the module, as it told */
	bool armed; /* in_epoch, and every vCPU is trapped or was counted out by the module */
	uint32_t windows_open; /* bit per enum kcoh_window_class */
	uint64_t window_since_ns[KCOH_WINDOW_CLASSES]; /* of an open one */
	uint64_t windows[KCOH_WINDOW_CLASSES]; /* counted */
	uint64_t window_ns[KCOH_WINDOW_CLASSES]; /* closed ones, added up */
	uint64_t toggles;
	uint64_t resets;
	uint64_t set_ways;
	bool tracked; /* false: beyond max_vms; only id and verdict are set */
	uint8_t phase; /* enum kcoh_phase */
	uint8_t strategy; /* enum kcoh_strategy */
	uint8_t guard; /* enum kcoh_guard */
	bool last_resort; /* by its policy */
	struct kcoh_override_view override;
	struct kcoh_verdict verdict;
};

/*
 * Calls fn for each VM, untracked ones too, in ascending id until it returns non-zero; returns
 * that.
 */
int kcoh_core_each_vm(const struct kcoh_core *core,
		      int (*fn)(const struct kcoh_vm_view *vm, void *ctx), void *ctx);

/*
 * Fills *ret_vm for VM id. 0, or -ENOENT. Once more than 2 x max_vms VMs were alive at a time, an
 * id that is not known may be one that found no room at all: its verdict is TOO_MANY too.
 */
int kcoh_core_vm(const struct kcoh_core *core, uint32_t id, struct kcoh_vm_view *ret_vm);

/* Fills *ret_vcpu for the vCPU at `index` of VM id. 0, or -ENOENT (unknown VM, vCPU never seen). */
int kcoh_core_vcpu(const struct kcoh_core *core, uint32_t id, uint16_t index,
		   struct kcoh_vcpu_view *ret_vcpu);

/* Names from the tables: never NULL, "?" for a value out of range. */
const char *kcoh_reason_name(enum kcoh_reason reason);
const char *kcoh_reason_sentence(enum kcoh_reason reason);
const char *kcoh_verdict_name(enum kcoh_verdict_kind kind);
const char *kcoh_act_name(enum kcoh_act_type type);
const char *kcoh_guard_name(uint32_t guard);
const char *kcoh_strategy_name(uint32_t strategy);
int kcoh_strategy_parse(const char *name); /* enum kcoh_strategy, or -EINVAL */
const char *kcoh_window_name(uint32_t window_class);
const char *kcoh_cache_state_name(uint32_t state);
const char *kcoh_phase_name(uint32_t phase);
const char *kcoh_source_name(uint32_t source);
const char *kcoh_ev_name(uint32_t type);

#endif
