// SPDX-License-Identifier: GPL-2.0-only
/*
 * compat.c - symbols that are not exported, and fields that moved.
 */
#define pr_fmt(fmt) "kcoh: " fmt

#include <asm/kvm_emulate.h>
#include <asm/kvm_host.h>
#ifdef HAVE_KVM_NESTED_H
#include <asm/kvm_nested.h>
#endif
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/string.h>

#include "../fail.h"
#include "compat.h"

typedef struct kvm_vcpu *__percpu *(*running_vcpus_fn)(void);
typedef struct callback_head *(*cancel_match_fn)(struct task_struct *task,
						 bool (*match)(struct callback_head *, void *data),
						 void *data);

static struct kvm_vcpu *__percpu *running_vcpus;
static cancel_match_fn cancel_match;
static bool (*is_kvm)(struct file *file);

int kcoh_compat_init(void)
{
	unsigned long running = kcoh_symbol_find("kvm_get_running_vcpus");
	unsigned long cancel = kcoh_symbol_find("task_work_cancel_match");
	unsigned long file_is_kvm = kcoh_symbol_find("file_is_kvm");

	if (!running || !cancel || !file_is_kvm) {
		pr_err("this kernel has no %s; nothing can be watched\n",
		       !running ? "kvm_get_running_vcpus" :
		       !cancel  ? "task_work_cancel_match" :
				  "file_is_kvm");
		return -ENOENT;
	}
	is_kvm = (bool (*)(struct file *))file_is_kvm;
	running_vcpus = ((running_vcpus_fn)running)();
	cancel_match = (cancel_match_fn)cancel;
	return 0;
}

struct kvm_vcpu *kcoh_vcpu_running(void)
{
	return this_cpu_read(*running_vcpus);
}

struct task_struct *kcoh_vcpu_task_get(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;
#ifdef HAVE_VCPU_PID_LOCK
	read_lock(&vcpu->pid_lock);
	task = get_pid_task(vcpu->pid, PIDTYPE_PID);
	read_unlock(&vcpu->pid_lock);
#else
	rcu_read_lock();
	task = get_pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
	rcu_read_unlock();
#endif
	return task;
}

/*
 * With VHE the registers of a loaded vCPU are live in SCTLR_EL12 and the saved copy is stale until
 * vcpu_put; without VHE the saved copy is written at every exit (__sysreg_save_state_nvhe).
 */
u64 kcoh_vcpu_sctlr(struct kvm_vcpu *vcpu)
{
	if (is_kernel_in_hyp_mode() && kcoh_vcpu_running() == vcpu)
		return read_sysreg_s(SYS_SCTLR_EL12);
	return vcpu->arch.ctxt.sys_regs[SCTLR_EL1];
}

bool kcoh_vcpu_nested(struct kvm_vcpu *vcpu)
{
#ifdef HAVE_KVM_NESTED_H
	return vcpu_has_nv(vcpu);
#else
	return false;
#endif
}

static bool match_work(struct callback_head *work, void *data)
{
	return work == data;
}

/* task_work_cancel() changed its meaning in the stable series; the function under it did not. */
bool kcoh_task_work_cancel(struct task_struct *task, struct callback_head *work)
{
	return cancel_match(task, match_work, work) == work;
}

/* No FOLL_WRITE: it would break copy-on-write. */
long kcoh_pages_get(struct mm_struct *mm, unsigned long hva, unsigned long n, struct page **pages)
{
	if (kcoh_fail(KCOH_FAIL_PAGES))
		return -ENOMEM;
#ifdef HAVE_GUP_REMOTE_VMAS
	return get_user_pages_remote(mm, hva, n, FOLL_NOFAULT, pages, NULL, NULL);
#else
	return get_user_pages_remote(mm, hva, n, FOLL_NOFAULT, pages, NULL);
#endif
}

struct kvm *kcoh_file_kvm(struct file *file)
{
	return is_kvm(file) ? file->private_data : NULL;
}

struct tracepoint_search {
	const char *name;
	struct tracepoint *found;
};

static void match_tracepoint(struct tracepoint *tp, void *data)
{
	struct tracepoint_search *search = data;

	if (!strcmp(tp->name, search->name))
		search->found = tp;
}

struct tracepoint *kcoh_tracepoint_find(const char *name)
{
	struct tracepoint_search search = { .name = name };

	for_each_kernel_tracepoint(match_tracepoint, &search);
	return search.found;
}
