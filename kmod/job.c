// SPDX-License-Identifier: GPL-2.0-only
/*
 * job.c - work that runs in a chosen thread.
 *
 * Two things can be done in one place only. What follows an ioctl must happen in the thread that issued it,
 * before it is back in user mode; HCR_EL2 of a vCPU must change in that vCPU's thread, before it enters the
 * guest again. Task work (TWA_RESUME) does both: KVM's run loop runs it before each entry
 * (xfer_to_guest_mode_handle_work), every other path on the way to user mode. A thread inside the guest is
 * kicked out; one that sleeps is left alone and runs its jobs when it wakes, still before anything else.
 *
 * Life: a job holds its task and its VM from the moment it is queued. A thread may sleep for ever with a job
 * pending, so a VM whose file is closed takes its jobs back (kcoh_jobs_abandon), and unloading takes all
 * of them back without waiting for anybody. The exception is must_run: a harvest that was noted is cleaned;
 * its thread is on the way out of an ioctl, so that wait is short.
 */
#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "fail.h"
#include "kcoh.h"

static LIST_HEAD(jobs);
static DEFINE_SPINLOCK(jobs_lock); /* the list, and started/abandoned of its members */
static DECLARE_WAIT_QUEUE_HEAD(jobs_wait);

static void job_put(struct kcoh_job *job)
{
	if (refcount_dec_and_test(&job->ref)) {
		put_task_struct(job->task);
		job->release(job);
	}
}

/* Off the list and free. The VM goes first: an unload that finds the list empty may free our text. */
static void job_finish(struct kcoh_job *job)
{
	unsigned long flags;

	kvm_put_kvm(job->kvm);
	spin_lock_irqsave(&jobs_lock, flags);
	list_del(&job->list);
	wake_up_all(&jobs_wait);
	spin_unlock_irqrestore(&jobs_lock, flags);
	job_put(job);
}

static void job_run(struct callback_head *work)
{
	struct kcoh_job *job = container_of(work, struct kcoh_job, work);
	unsigned long flags;

	spin_lock_irqsave(&jobs_lock, flags);
	job->started = true;
	spin_unlock_irqrestore(&jobs_lock, flags);

	if (!(current->flags & PF_EXITING))
		job->fn(job);
	job_finish(job);
}

int kcoh_job_submit(struct kcoh_job *job)
{
	unsigned long flags;

	refcount_set(&job->ref, 1);
	job->started = job->abandoned = false;
	init_task_work(&job->work, job_run);
	get_task_struct(job->task);
	kvm_get_kvm(job->kvm);
	spin_lock_irqsave(&jobs_lock, flags);
	list_add_tail(&job->list, &jobs);
	spin_unlock_irqrestore(&jobs_lock, flags);
	if (!task_work_add(job->task, &job->work, TWA_RESUME))
		return 0;
	job_finish(
		job); /* the task is exiting; the caller keeps the VM, so it is not put last here */
	return -ESRCH;
}

/* True if what is asked for is pending already. One that started is too late: it may have read the old state. */
static bool job_is_pending(const struct task_struct *task, const struct kvm_vcpu *vcpu,
			   const struct kvm *kvm, unsigned long arg, kcoh_job_fn fn)
{
	struct kcoh_job *job;
	unsigned long flags;
	bool pending = false;

	spin_lock_irqsave(&jobs_lock, flags);
	list_for_each_entry(job, &jobs, list) {
		if (job->task == task && job->kvm == kvm && job->vcpu == vcpu && job->arg == arg &&
		    job->fn == fn && !job->started && !job->abandoned)
			pending = true;
	}
	spin_unlock_irqrestore(&jobs_lock, flags);
	return pending;
}

static void job_free(struct kcoh_job *job)
{
	kfree(job);
}

int kcoh_job_queue(struct task_struct *task, struct kvm *kvm, struct kvm_vcpu *vcpu,
		   unsigned long arg, kcoh_job_fn fn)
{
	struct kcoh_job *job;

	if (job_is_pending(task, vcpu, kvm, arg, fn))
		return 0;
	job = kcoh_fail(KCOH_FAIL_JOB) ? NULL : kzalloc(sizeof(*job), GFP_ATOMIC | __GFP_NOWARN);
	if (!job) {
		atomic64_inc(&kcoh_count.no_memory);
		return -ENOMEM;
	}
	job->task = task;
	job->kvm = kvm;
	job->vcpu = vcpu;
	job->arg = arg;
	job->fn = fn;
	job->release = job_free;
	return kcoh_job_submit(job);
}

static bool jobs_imminent(const struct kvm *kvm)
{
	struct kcoh_job *job;
	unsigned long flags;
	bool imminent = false;

	spin_lock_irqsave(&jobs_lock, flags);
	list_for_each_entry(job, &jobs, list) {
		if (job->kvm == kvm && job->task != current && task_is_running(job->task))
			imminent = true;
	}
	spin_unlock_irqrestore(&jobs_lock, flags);
	return imminent;
}

bool kcoh_jobs_settle(const struct kvm *kvm, unsigned int ms)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(ms);

	/* A thread that goes to sleep wakes nobody here, hence the look at every jiffy. */
	while (jobs_imminent(kvm)) {
		if (time_after(jiffies, deadline) || fatal_signal_pending(current))
			return false;
		wait_event_killable_timeout(jobs_wait, !jobs_imminent(kvm), 1);
	}
	return true;
}

/* One abandoned job that still waits, with a reference; NULL when there is none left. */
static struct kcoh_job *job_next_abandoned(void)
{
	struct kcoh_job *job, *found = NULL;
	unsigned long flags;

	spin_lock_irqsave(&jobs_lock, flags);
	list_for_each_entry(job, &jobs, list) {
		if (job->abandoned && !job->started) {
			job->abandoned = false;
			refcount_inc(&job->ref);
			found = job;
			break;
		}
	}
	spin_unlock_irqrestore(&jobs_lock, flags);
	return found;
}

static void jobs_take_back(void)
{
	struct kcoh_job *job;

	while ((job = job_next_abandoned())) {
		if (kcoh_task_work_cancel(job->task, &job->work))
			job_finish(job);
		job_put(job);
	}
}

static void take_back_work(struct work_struct *work)
{
	jobs_take_back();
}

static DECLARE_WORK(take_back, take_back_work);

static bool jobs_mark_abandoned(const struct kvm *kvm)
{
	struct kcoh_job *job;
	unsigned long flags;
	bool any = false;

	spin_lock_irqsave(&jobs_lock, flags);
	list_for_each_entry(job, &jobs, list) {
		if ((!kvm || job->kvm == kvm) && !job->started && !job->must_run) {
			job->abandoned = true;
			any = true;
		}
	}
	spin_unlock_irqrestore(&jobs_lock, flags);
	return any;
}

void kcoh_jobs_abandon(const struct kvm *kvm)
{
	if (jobs_mark_abandoned(kvm))
		schedule_work(&take_back);
}

static bool jobs_none(void)
{
	unsigned long flags;
	bool none;

	spin_lock_irqsave(&jobs_lock, flags);
	none = list_empty(&jobs);
	spin_unlock_irqrestore(&jobs_lock, flags);
	return none;
}

void kcoh_jobs_exit(void)
{
	jobs_mark_abandoned(NULL);
	jobs_take_back();
	flush_work(&take_back);
	wait_event(jobs_wait, jobs_none());
	/* A thread may still be on the last instructions of job_run(). */
	synchronize_rcu_tasks();
}
