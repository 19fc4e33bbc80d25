/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * state.h - what the core keeps, for the files of user/core/ only.
 *
 * One block of memory, given by the caller and laid out at init:
 *
 *   struct kcoh_core | entries (2 x max_vms) | VMs (max_vms) | vCPUs (max_vms x max_vcpus) |
 *   slots (max_vms x max_slots)
 *
 * It holds indexes and never pointers, so a core may be copied as bytes (the simulator forks
 * worlds so), and memory of VMs that never lived is never touched. With 1,000 VMs of 64 vCPUs and
 * 64 slots it is 4.4 MB.
 *
 * An entry names a VM by its id; entries are sorted. A VM for which no body is left still gets an
 * entry, so that its verdict can be told (TOO_MANY); when entries run out too, any id that is not
 * found may be such a VM.
 */
#ifndef KCOH_CORE_STATE_H
#define KCOH_CORE_STATE_H

#include "core/core.h"

#define MS_NS 1000000ull
#define SEC_NS 1000000000ull

#define BODY_NONE UINT32_MAX

/* What makes a VM blind. The window `blind` is open while any bit is set. */
#define BLIND_TOO_MANY (1u << 0) /* more vCPUs or slots than the bound; for the life of the VM */
#define BLIND_PKVM (1u << 1) /* the host hides the guest's state */
#define BLIND_LOST (1u << 2) /* records were lost; until re-read, or to the end of the epoch */
#define BLIND_LATE (1u << 3) /* watched from the middle of this epoch; to its end */
#define BLIND_ARM (1u << 4) /* a vCPU was not armed in time, or in between; to the epoch's end */
#define BLIND_SYNC (1u << 5) /* met in the middle of its life; until a scan has read it */

/* struct vcpu.arm: the trap of a vCPU in the epoch that is on. */
#define ARM_OWED (1u << 0) /* must report by an exact record, or be counted out */
#define ARM_HERE (1u << 1) /* it reported within this epoch */
#define ARM_HOLE (1u << 2) /* and then lost its trap within this epoch */

struct entry {
	uint32_t id;
	uint32_t body; /* index of the VM, or BODY_NONE: not tracked */
};

struct vcpu {
	uint64_t since_ns;
	uint64_t sctlr;
	uint32_t scan; /* the last scan in which it was seen */
	uint8_t state; /* enum kcoh_cache_state */
	uint8_t source; /* enum kcoh_source */
	uint8_t known : 1;
	uint8_t held : 1; /* by the module */
	uint8_t passed : 3; /* 1 + the last sample that was not taken, since it is trapped; 0: none */
	uint8_t arm; /* ARM_* */
};

struct slot {
	uint64_t key; /* as_id << 32 | slot_id */
	uint64_t base_gfn;
	uint64_t pages;
	uint64_t generation;
	uint32_t flags; /* KVM_MEM_* */
	uint32_t scan;
};

struct window {
	uint64_t since_ns;
	uint64_t count;
	uint64_t closed_ns; /* all closed ones, added up */
};

struct policy {
	uint32_t arm_deadline_ms;
	uint32_t defer_ms;
	uint32_t hold_ms;
	uint8_t strategy;
	uint8_t guard;
	uint8_t can_cancel;
	uint8_t tolerate; /* KCOH_TOLERATE_* */
	uint8_t own; /* 1: set for this VM, 0: the default */
	uint8_t last_resort;
};

struct epoch {
	uint64_t since_ns;
	uint64_t begun_ns; /* as the record that told it has it */
	uint64_t arm_since_ns; /* when vCPUs began to owe their trap */
	uint64_t end_ns; /* of one that is over, and surely was one; or 0 */
	uint64_t told_until_ns; /* `failed`, of one that is over: for so long the verdict says so */
	uint64_t count;
	uint32_t owed; /* vCPUs with ARM_OWED */
	uint32_t classes; /* window classes that were open at some moment of it */
	bool on;
	bool unclean; /* the module did not clean from its start, or nobody watched whether it did */
	bool failed; /* the module could not clean a page */
	bool tainted; /* it cleaned only what was tainted, at some moment of it */
	bool doubtful; /* it began while not all slots were known */
	bool reported; /* the module has shown that it acts on this VM in this epoch */
	bool device; /* a write of its device was held up in the SMMU */
};

enum cancel_state {
	CANCEL_IDLE, /* nothing to cancel */
	CANCEL_SENT, /* handed out; waits for ACT_DONE */
	CANCEL_DONE, /* carried out, or said (dry) */
	CANCEL_FAILED, /* failed; tried again at `next_ns` */
	CANCEL_GIVEN_UP,
};

enum give_state {
	GIVE_IDLE, /* the module has what it should have */
	GIVE_SENT, /* ARM or DISARM was handed out; waits for ACT_DONE */
	GIVE_FAILED, /* tried again at `next_ns` */
	GIVE_GIVEN_UP,
};

#define GIVEN_NONE 0xff

/* The strategy that the module carries for this VM because we asked it to (give.c). */
struct give {
	uint64_t next_ns;
	uint64_t since_ns; /* given since, without a break */
	uint32_t hold_ms; /* as given, or asked for */
	uint8_t given; /* enum kcoh_strategy, or GIVEN_NONE */
	uint8_t asked; /* what the act under way asks for */
	uint8_t state; /* enum give_state */
	uint8_t tries; /* failed ones */
	bool tainted; /* clean-tainted was asked for, and nothing else was given since: maybe it is carried */
};

struct acts {
	uint64_t alert_ns; /* when the last alert was made due */
	uint64_t next_ns; /* of the cancel: its deadline, or the next try */
	uint8_t due; /* DUE_* */
	uint8_t cancel; /* enum cancel_state */
	uint8_t tries; /* failed ones */
	uint8_t alert_reason;
	bool dry; /* the cancel was only said */
	bool vetoed; /* the veto that stands was announced */
	bool migrating;
	bool refusing; /* REFUSE was handed out, and no ADMIT since */
};

/* An operator answers for what the verdict says (override.c). */
struct override {
	uint64_t until_ns; /* 0: none */
	uint32_t uid;
	uint32_t number;
	bool used; /* it let the migration that is on, or was last, go on */
};

struct vm {
	uint32_t id;
	uint32_t body; /* index of this VM; of the next free one while it is free */
	uint32_t pid;
	uint32_t scan; /* the last scan in which it was seen */
	uint32_t born; /* the last scan begun when it was first heard of */
	uint32_t found; /* the last scan that found slots of it */
	uint32_t missed; /* complete scans in a row that did not see it */
	uint32_t suspect; /* the scan during which its records contradicted each other */
	uint64_t found_first; /* generation of the first slot found in that scan */
	uint64_t found_newest; /* the highest generation of one */
	uint32_t slots;
	uint32_t vcpus; /* known */
	uint32_t vcpu_top; /* highest index known, plus 1 */
	uint32_t states[4]; /* known vCPUs by enum kcoh_cache_state */
	uint32_t blind; /* BLIND_* */
	uint32_t open; /* bit per enum kcoh_window_class */
	uint64_t ram_pages;
	uint64_t logged_pages;
	uint64_t judged_pages; /* logged_pages when the epoch was last judged */
	uint64_t toggles;
	uint64_t resets;
	uint64_t set_ways;
	struct window windows[KCOH_WINDOW_CLASSES];
	struct epoch epoch;
	struct policy policy;
	struct kcoh_verdict verdict;
	struct acts acts;
	struct give give;
	struct override override;
	uint64_t defer_ns; /* since when a migration waits, or would, for vCPUs to be cached; 0: none is awaited */
	uint32_t held; /* vCPUs that the module holds */
	char comm[KCOH_COMM_LEN];
	bool known; /* completely: no loss since its birth, or since it was read by a scan */
	uint8_t phase;
};

struct sync {
	uint64_t begun_ns; /* of the scan that is on */
	uint64_t next_ns; /* no RESCAN before */
	uint64_t losses; /* records that carried a gap */
	uint64_t losses_at_begin;
	uint32_t scan; /* number of the last scan begun */
	uint32_t tries; /* RESCAN acts since all was last known */
	enum kcoh_reason why; /* it is wanted */
	bool on; /* a scan is on */
	bool wanted; /* something was lost and not yet read again */
	bool sent; /* RESCAN was handed out and not answered */
};

struct kcoh_core {
	struct kcoh_core_config config;
	uint64_t now_ns;
	uint64_t record_ns; /* when the record was made that is looked at */
	uint32_t host; /* KCOH_HOST_* */
	uint32_t entries;
	uint32_t vms; /* tracked */
	uint32_t fresh; /* bodies below were used at least once */
	uint32_t free; /* first free body below `fresh`, or BODY_NONE */
	uint32_t refused; /* a VM just refused, to be told; 0: none */
	bool due; /* some VM may have acts due */
	bool unnamed; /* some VM found not even an entry */
	struct policy policy; /* of VMs without their own */
	struct sync sync;
	struct kcoh_core_stats stats;
};

/* memory.c: where things are in the block */
struct entry *kcoh_entry_at(const struct kcoh_core *core, uint32_t i);
struct vm *kcoh_vm_at(const struct kcoh_core *core, uint32_t body);
struct vcpu *kcoh_vcpus_of(const struct kcoh_core *core, const struct vm *vm);
struct slot *kcoh_slots_of(const struct kcoh_core *core, const struct vm *vm);

/* vm.c: which VMs there are */
struct entry *kcoh_entry_find(const struct kcoh_core *core, uint32_t id);
struct vm *kcoh_vm_find(const struct kcoh_core *core, uint32_t id);
struct vm *kcoh_vm_of_entry(const struct kcoh_core *core, uint32_t i); /* NULL: not tracked */
void kcoh_vm_new(struct kcoh_core *core, const struct kcoh_ev_vm_new *ev);
void kcoh_vm_gone(struct kcoh_core *core, uint32_t id);
void kcoh_vm_policy(struct vm *vm, const struct kcoh_ev_policy *ev);
void kcoh_vm_default_policy(struct kcoh_core *core, const struct kcoh_ev_policy *ev);

/* host.c */
void kcoh_host_changed(struct kcoh_core *core, const struct kcoh_ev_host *ev);

/* vcpu.c */
void kcoh_vcpu_told(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_vcpu *ev);
void kcoh_vcpu_toggled(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_toggle *ev);
void kcoh_vcpu_reset(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_reset *ev);
void kcoh_vcpu_held(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_hold *ev);
void kcoh_vcpus_demote(struct kcoh_core *core, struct vm *vm); /* forget their traps */
void kcoh_vcpus_forget_unseen(struct kcoh_core *core, struct vm *vm);

/* slots.c */
void kcoh_slot_changed(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_memslot *ev);
void kcoh_slots_drop_unseen(struct kcoh_core *core, struct vm *vm);

/* epoch.c */
void kcoh_epoch_judge(struct kcoh_core *core, struct vm *vm, bool late);
void kcoh_epoch_told(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_epoch *ev);
void kcoh_epoch_faulted(struct vm *vm, const struct kcoh_ev_smmu *ev);
void kcoh_epoch_harvested(const struct kcoh_core *core, struct vm *vm,
			  const struct kcoh_ev_harvest *ev);
void kcoh_epoch_span(struct vm *vm); /* another migration begins */
void kcoh_epochs_unclean(struct kcoh_core *core);
bool kcoh_epoch_failed(const struct kcoh_core *core, const struct vm *vm);
void kcoh_epoch_vcpu(struct kcoh_core *core, struct vm *vm, struct vcpu *vcpu, bool started);
bool kcoh_epoch_arming(const struct kcoh_core *core, const struct vm *vm);
uint64_t kcoh_epoch_deadline(const struct vm *vm);

/* sync.c */
void kcoh_sync_lost(struct kcoh_core *core, uint32_t records);
void kcoh_sync_scan(struct kcoh_core *core, const struct kcoh_ev_scan *ev);
void kcoh_sync_suspect(struct kcoh_core *core, struct vm *vm);
void kcoh_sync_tick(struct kcoh_core *core);
void kcoh_sync_answered(struct kcoh_core *core);
bool kcoh_sync_ask(struct kcoh_core *core);
void kcoh_sync_met(struct kcoh_core *core, struct vm *vm);

/* window.c */
void kcoh_windows_refresh(struct kcoh_core *core, struct vm *vm);

/* verdict.c */
struct kcoh_verdict kcoh_verdict_untracked(const struct kcoh_core *core);
void kcoh_vm_judge(struct kcoh_core *core, struct vm *vm); /* without acts */
void kcoh_vm_settle(struct kcoh_core *core, struct vm *vm);
void kcoh_vms_settle(struct kcoh_core *core);

/* override.c: an operator knows better */
void kcoh_override_told(const struct kcoh_core *core, struct vm *vm,
			const struct kcoh_ev_override *ev);
void kcoh_override_span(struct vm *vm);
void kcoh_override_phase(struct vm *vm, uint32_t phase);
void kcoh_override_apply(const struct kcoh_core *core, struct vm *vm, struct kcoh_verdict *verdict);

/* give.c: the strategy that the module is given */
bool kcoh_cleans(const struct kcoh_core *core, const struct vm *vm);
bool kcoh_cleans_tainted(const struct kcoh_core *core, const struct vm *vm);
bool kcoh_cleaned_then(const struct kcoh_core *core, const struct vm *vm, uint64_t ns);
bool kcoh_given_then(const struct vm *vm, uint64_t ns);
bool kcoh_is_given(const struct vm *vm, uint8_t strategy);
bool kcoh_give_weigh(struct kcoh_core *core, struct vm *vm);
void kcoh_give_emit(struct kcoh_core *core, struct vm *vm, struct kcoh_act *act);
void kcoh_give_done(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_act_done *ev);
void kcoh_give_forget(struct vm *vm);

/* acts.c */
bool kcoh_phase_live(uint32_t phase);
void kcoh_acts_span(struct vm *vm);
void kcoh_acts_weigh(struct kcoh_core *core, struct vm *vm);
void kcoh_acts_phase(struct vm *vm, uint32_t phase);
void kcoh_acts_epoch(struct vm *vm);
void kcoh_acts_done(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_act_done *ev);
size_t kcoh_acts_emit(struct kcoh_core *core, struct kcoh_act *acts, size_t n);

/* refuse.c: the last resort */
bool kcoh_refuse_weigh(const struct vm *vm);
void kcoh_refuse_emit(struct kcoh_core *core, struct vm *vm, struct kcoh_act *act);

/* A moment `delta_ns` after `ns`; at the end of time it stays there. */
static inline uint64_t after_ns(uint64_t ns, uint64_t delta_ns)
{
	return ns > UINT64_MAX - delta_ns ? UINT64_MAX : ns + delta_ns;
}

#endif
