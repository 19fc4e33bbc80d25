/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - everything that depends on the kernel at hand.
 *
 * Kernels differ in what they export and in the shape of a few structures. All of that is here: hooks on
 * functions (ftrace where it works, a kprobe otherwise), symbols that are not exported, and the accessors
 * whose fields moved. The rest of the module reads as if there were one kernel.
 *
 * Symbols are found at load by asking for a kprobe on them and giving it back: the address comes with
 * it, and a missing symbol is an error code, not a crash.
 */
#ifndef KCOH_COMPAT_H
#define KCOH_COMPAT_H

#include <linux/ftrace.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/task_work.h>
#include <linux/tracepoint.h>

/* First arguments of a hooked function, as it was called. */
struct kcoh_hook_args {
	unsigned long arg[4];
};

/*
 * A hook at the entry of a kernel function. fn runs in the caller's context, atomic (preemption or
 * interrupts off): it must not sleep. Fill name and fn, the rest is compat's.
 */
struct kcoh_hook {
	const char *name;
	void (*fn)(const struct kcoh_hook_args *args);
	bool optional; /* a kernel without this function has no need of the hook */

	unsigned long addr;
	struct ftrace_ops ops;
	struct kprobe kp;
	enum { KCOH_HOOK_OFF, KCOH_HOOK_FTRACE, KCOH_HOOK_KPROBE } method;
};

/* Attaches all hooks, or none and says which one failed. 0 or a negative errno. May sleep. */
int kcoh_hooks_attach(struct kcoh_hook *hooks, int n);
/* Detaches those that are attached, last first; no fn runs any more afterwards. May sleep. */
void kcoh_hooks_detach(struct kcoh_hook *hooks, int n);
/* How often their functions ran without fn, as far as the kernel tells (kprobes only). */
u64 kcoh_hooks_missed(const struct kcoh_hook *hooks, int n);
/* The first hook whose call or breakpoint is gone from the kernel's text, so that it cannot fire; NULL: none. */
const struct kcoh_hook *kcoh_hooks_gone(const struct kcoh_hook *hooks, int n);

/* The address of a function that is not exported; 0 if there is none. May sleep. */
unsigned long kcoh_symbol_find(const char *name);

/* Finds the symbols that the functions below need; 0, or -ENOENT after saying which one is missing. May sleep. */
int kcoh_compat_init(void);

/* The vCPU that the current thread has loaded, or NULL. Preemption must be off. */
struct kvm_vcpu *kcoh_vcpu_running(void);

/*
 * The thread that runs this vCPU, with a reference (put_task_struct), or NULL if none did yet. The caller
 * keeps the VM alive. Atomic context is fine.
 */
struct task_struct *kcoh_vcpu_task_get(struct kvm_vcpu *vcpu);

/* SCTLR_EL1 of a vCPU. Exact in its own thread with preemption off, or while it is not loaded. */
u64 kcoh_vcpu_sctlr(struct kvm_vcpu *vcpu);

/* True if the vCPU has EL2: which SCTLR is in force then depends on what it runs. */
bool kcoh_vcpu_nested(struct kvm_vcpu *vcpu);

/* Takes a queued task work back: true if it will not run, false if it ran, runs or was never queued. */
bool kcoh_task_work_cancel(struct task_struct *task, struct callback_head *work);

/*
 * Up to n pages of mm from hva on that are populated, with a reference each (put_page): how many, from the first
 * on; 0 or a negative errno if the first is not. Faults nothing in. mmap lock held for reading.
 */
long kcoh_pages_get(struct mm_struct *mm, unsigned long hva, unsigned long n, struct page **pages);

/* The VM behind a file, or NULL: it is not a KVM VM. The caller keeps the file. */
struct kvm *kcoh_file_kvm(struct file *file);

/* A tracepoint of the kernel by name, or NULL. May sleep. */
struct tracepoint *kcoh_tracepoint_find(const char *name);

#endif
