/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kcoh.h - what the files of the module share.
 *
 * Who may touch what, and why nothing dangles:
 *
 *   A struct kvm or kvm_vcpu pointer in a record of ours is a key. It is followed only (a) in a hook, from
 *   the arguments of a KVM function that runs right now, (b) for the vCPU that the current thread has
 *   loaded, (c) in a job, which holds a reference on the VM from the moment it is queued until it ran.
 *
 *   vcpu->arch.hcr_el2 is changed in that vCPU's own thread only, with atomic bit operations, because
 *   other threads set HCR_EL2.VI and .VF in the same word. A vCPU whose thread sleeps keeps what it has
 *   until the thread comes back; nobody waits for it.
 *
 *   Records of VMs live from the first epoch until kvm_arch_destroy_vm(), are found under RCU, and are changed
 *   under kcoh_vm.lock (a mutex: jobs only) or by their vCPU's thread.
 */
#ifndef KCOH_H
#define KCOH_H

#include <linux/atomic.h>
#include <linux/kref.h>
#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "compat/compat.h"
#include "kcoh/event.h"
#include "kcoh/ioctl.h"

/* Counters, shown by KCOH_IOC_STATS. */
struct kcoh_counters {
	atomic64_t epochs, arms, disarms, traps, toggles, set_way, set_way_yields;
	atomic64_t arm_late, no_memory, vms, vcpus_armed;
	atomic64_t harvests, pages_protected, pages_cleaned, pages_absent, pages_no_ram;
	atomic64_t pages_unclean, pages_extra, pages_marked, whole_slots, pages_untainted;
	atomic64_t over_budget, holds, hold_breaks;
};
extern struct kcoh_counters kcoh_count;

/* job.c: work that runs in a chosen thread before it is back in user mode or in the guest. */
struct kcoh_job;
typedef void (*kcoh_job_fn)(struct kcoh_job *job);

struct kcoh_job {
	/* The submitter's: */
	struct task_struct *task;
	struct kvm *kvm;
	struct kvm_vcpu *vcpu; /* or NULL */
	unsigned long arg; /* fn's */
	kcoh_job_fn fn; /* not called if the task dies first */
	void (*release)(struct kcoh_job *job); /* the last reference is gone; atomic */
	bool must_run; /* never taken back */
	/* job.c's: */
	struct callback_head work;
	struct list_head list;
	refcount_t ref;
	bool started; /* fn runs or ran: a new request needs a new job */
	bool abandoned;
};

/*
 * Queues a job whose first part is filled in. The caller keeps task and VM alive during the call; the job then
 * holds its own references. Atomic context is fine. 0, or -ESRCH: the task is exiting (release is called).
 */
int kcoh_job_submit(struct kcoh_job *job);
/*
 * Allocates and submits one, unless the same is pending. 0, -ESRCH as above, or -ENOMEM (counted).
 */
int kcoh_job_queue(struct task_struct *task, struct kvm *kvm, struct kvm_vcpu *vcpu,
		   unsigned long arg, kcoh_job_fn fn);
/*
 * Waits until no job of this VM is pending on a thread that runs (other than the caller's), at most `ms`
 * milliseconds. True if so: whoever still has one is asleep and runs it before anything else.
 */
bool kcoh_jobs_settle(const struct kvm *kvm, unsigned int ms);
/* Takes back what is pending for this VM, whose file is being closed. Atomic. */
void kcoh_jobs_abandon(const struct kvm *kvm);
/* Takes back what is pending and waits for what runs. After it no code of ours is on any thread's stack. */
void kcoh_jobs_exit(void);

/* vm.c: VMs and vCPUs that we know. */
struct kcoh_vcpu {
	unsigned long flags;
	u64 sctlr; /* SCTLR_EL1 when we last looked; exact while armed */
	u64 held_since, hold_until; /* ktime ns, while HELD */
	u32 hold_why; /* enum kcoh_hold_why */
};
#define KCOH_VCPU_ARMED 0 /* bit: this vCPU took the trap, edges are seen from there on */
#define KCOH_VCPU_OURS 1 /* bit: HCR_EL2.TVM is set by us and KVM would not have it set */
#define KCOH_VCPU_HELD 2 /* bit: it must not run guest instructions */

/* A memory slot whose logging was seen to start. */
struct kcoh_slot {
	bool stale; /* a harvest of it went uncleaned: the next one cleans all of it */
	struct kcoh_seen __rcu
		*seen; /* strategy clean-tainted; NULL: each page is as good as tainted */
};

#define KCOH_STRATEGY_AUTO (-1) /* what the parameter `auto` says */

/*
 * Lives until the VM is destroyed and its file is closed: whoever holds a reference on the VM may use its
 * record.
 */
struct kcoh_vm {
	struct hlist_node node;
	struct kvm *key;
	struct kref ref;
	struct rcu_head rcu;
	bool dead; /* vms_lock */
	u64 visited; /* vms_lock: by which pass of kcoh_vm_each() */
	bool owned; /* vms_lock: its file is open */
	bool linger; /* lock: the file was closed in an epoch; strategy holds until that ends */
	int strategy; /* enum kcoh_strategy, or AUTO */
	struct xarray slots; /* slot id -> struct kcoh_slot */
	struct kcoh_journal *journal; /* journal_lock; NULL: off */
	spinlock_t journal_lock;
	wait_queue_head_t wait; /* pollers of its file */
	atomic64_t harvests, pages_protected, pages_cleaned, pages_absent, pages_no_ram;
	atomic64_t pages_unclean, pages_extra, journal_lost;
	atomic64_t pages_untainted;
	struct mutex lock; /* epoch edges, one at a time */
	bool epoch; /* most of the RAM is logged */
	bool armed; /* the trap is wanted: vCPUs follow when they pass by */
	bool watched; /* every edge of this epoch is seen, from its start or the last arming on */
	bool tainted; /* a window was open in this epoch while it was watched */
	bool over_budget; /* lock: disarmed because the guest trapped too often, until rearm_ns */
	u64 rearm_ns;
	u64 budget_from_ns; /* the second whose traps are counted; racy, and good enough */
	atomic_t budget_used;
	bool may_hold; /* lock: vCPUs may be held, the hook for that is attached */
	u32 hold_ms; /* of strategy hold */
	struct xarray vcpus; /* vcpu_idx -> struct kcoh_vcpu, live as long as the VM's record */
};

/* Finds the record of a VM, or NULL. RCU read lock held. */
struct kcoh_vm *kcoh_vm_find(const struct kvm *kvm);
/* The same for a caller that holds a reference on the VM. */
struct kcoh_vm *kcoh_vm_held(const struct kvm *kvm);
/* The same, made if there is none; NULL: no memory. May sleep. */
struct kcoh_vm *kcoh_vm_get(struct kvm *kvm);
/* Forgets the VM: it is being destroyed. Atomic. */
void kcoh_vm_forget(const struct kvm *kvm);
/* One more holder of a record, and one less. */
void kcoh_vm_ref(struct kcoh_vm *vm);
void kcoh_vm_unref(struct kcoh_vm *vm);
/* For who holds the record only: the VM with a reference (kvm_put_kvm), or NULL: it is dead. */
struct kvm *kcoh_vm_enter(struct kcoh_vm *vm);
/* Makes the caller the VM's owner; false if it has one. */
bool kcoh_vm_own(struct kcoh_vm *vm);
void kcoh_vm_disown(struct kcoh_vm *vm);
/* The record of a vCPU, or NULL. */
struct kcoh_vcpu *kcoh_vcpu_find(struct kcoh_vm *vm, const struct kvm_vcpu *vcpu);
/* The same, made if there is none; NULL: no memory. May sleep. */
struct kcoh_vcpu *kcoh_vcpu_get(struct kcoh_vm *vm, const struct kvm_vcpu *vcpu);
/* The record of a slot, or NULL. RCU read lock held, or a reference on the VM. */
struct kcoh_slot *kcoh_slot_find(struct kcoh_vm *vm, u32 slot_id);
/* The same, made if there is none; NULL: no memory. May sleep. */
struct kcoh_slot *kcoh_slot_get(struct kcoh_vm *vm, u32 slot_id);
/* Calls fn for each known VM that still lives, with a reference on it. May sleep. */
void kcoh_vm_each(void (*fn)(struct kcoh_vm *vm, struct kvm *kvm));
void kcoh_vm_exit(void);

/* trap.c: the trap on SCTLR_EL1 writes in dirty epochs. */
int kcoh_trap_init(void);
void kcoh_trap_stop(void); /* kcoh_enabled is false; hooks off, nothing is queued any more */
void kcoh_trap_exit(void); /* after kcoh_jobs_exit() */
/* Applies kcoh_wanted() to every VM. May sleep. */
void kcoh_trap_resync(void);
u64 kcoh_trap_misses(void);
const struct kcoh_hook *kcoh_trap_hook_gone(void); /* see kcoh_hooks_gone() */
/* enum kcoh_cache_state of a vCPU with this SCTLR_EL1. */
u32 kcoh_cache_state(struct kvm_vcpu *vcpu, u64 sctlr);

/* hold.c: keeping a vCPU from running on. */
/* Before the first hold of a VM. 0 or a negative errno. kcoh_vm.lock held. May sleep. */
int kcoh_hold_allow(struct kcoh_vm *vm);
/* No holds of this VM any more; call kcoh_hold_release() first. kcoh_vm.lock held. May sleep. */
void kcoh_hold_disallow(struct kcoh_vm *vm);
/* Holds a vCPU, until ms from now. Atomic. 0 or -ENOMEM. */
int kcoh_hold_vcpu(struct kvm_vcpu *vcpu, struct kcoh_vcpu *record, u32 ms, u32 why);
/* Releases a vCPU if it is held. Atomic. */
void kcoh_hold_release_vcpu(struct kvm_vcpu *vcpu, struct kcoh_vcpu *record, u32 why);
/* All of a VM; EPOCH_END: but for those that the owner asked for. */
void kcoh_hold_release(struct kcoh_vm *vm, struct kvm *kvm, u32 why);

/* taint.c: which pages need cleaning under strategy clean-tainted. */
/* Logging of a slot starts, or its memory is another: nothing of it was seen yet. May sleep. */
void kcoh_taint_slot_starts(struct kcoh_vm *vm, struct kcoh_slot *slot, u64 base_gfn, u64 pages);
void kcoh_taint_slot_ends(struct kcoh_slot *slot);
/* A window opened, or may have. Atomic. */
void kcoh_taint(struct kcoh_vm *vm);
/*
 * True if a page that was seen need not be cleaned now: no window since. Only true if asked after the TLB invalidation
 * of the harvest in question.
 */
bool kcoh_taint_is_clear(struct kcoh_vm *vm);
/* Those of the 64 pages from gfn on (gfn - base_gfn a multiple of 64) that were cleaned in this epoch while watched. */
u64 kcoh_taint_seen(struct kcoh_vm *vm, u32 slot_id, u64 gfn);
void kcoh_taint_see(struct kcoh_vm *vm, u32 slot_id, u64 gfn, u64 pages);

/* harvest.c: cleaning what a harvest returns. */
int kcoh_harvest_init(void);
void kcoh_harvest_stop(void); /* nothing is queued any more */
void kcoh_harvest_exit(void); /* after kcoh_jobs_exit() */
u64 kcoh_harvest_misses(void);
const struct kcoh_hook *kcoh_harvest_hook_gone(void);
/* True if a hook of ours really fires, tried in vain on a logged slot of this VM. May sleep. */
bool kcoh_harvest_canary(struct kvm *kvm);
/* Dirty logging of a slot starts: cleans it if this VMM will send pages that no harvest returns. In an ioctl. */
void kcoh_harvest_log_starts(struct kvm *kvm, const struct kvm_memory_slot *slot);

/* gfn.c: pages asked for by gfn. 0, or -EINVAL, -ESRCH (the VM's process is gone), -EINTR. May sleep. */
int kcoh_clean_gfns(struct kcoh_vm *vm, struct kvm *kvm, struct kcoh_vm_range *range);
int kcoh_mark_gfns(struct kvm *kvm, struct kcoh_vm_range *range);

/* journal.c: which pages were cleaned, when. */
void kcoh_journal_add(struct kcoh_vm *vm, u32 slot_id, u64 gfn, u64 pages);
/* Gives it room for `entries` (0: off). 0, -EINVAL, -ENOMEM. May sleep. */
int kcoh_journal_resize(struct kcoh_vm *vm, u32 entries);
/* Whole entries to user space; bytes, or -EAGAIN: none. */
ssize_t kcoh_journal_read(struct kcoh_vm *vm, char __user *buf, size_t len);
bool kcoh_journal_has(struct kcoh_vm *vm);

/* vmfile.c: the VM as a file. A new descriptor, or a negative errno. */
int kcoh_vmfile_open(const struct kcoh_vm_open __user *user);
/* The strategy of an ended epoch's VM whose file was closed in it. kcoh_vm.lock held. */
void kcoh_vmfile_epoch_ended(struct kcoh_vm *vm);

/* main.c */
extern bool kcoh_enabled; /* parameter */
/* True if traps are to be set at all: enabled, and the host needs it or was told to observe. */
bool kcoh_wanted(void);
/* True if harvests of this VM (NULL: one without a record) are to be cleaned. */
bool kcoh_cleaning(const struct kcoh_vm *vm);
/* What the strategy says of clean-tainted and of hold. */
bool kcoh_cleaning_tainted(const struct kcoh_vm *vm);
bool kcoh_holding(const struct kcoh_vm *vm);
/* Trapped writes a second that a VM may cost; 0: no bound. */
u32 kcoh_trap_budget(void);
/* An inconsistency: nothing is trapped or cleaned any more, and the log says why, once. Atomic. */
void kcoh_step_aside(const char *why, const char *what);
u32 kcoh_host_features(void); /* KCOH_HOST_* */
u32 kcoh_state(void); /* enum kcoh_module_state. May sleep. */

/* dev.c: /dev/kcoh */
int kcoh_dev_init(void);
void kcoh_dev_exit(void);

#endif
