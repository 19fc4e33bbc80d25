// SPDX-License-Identifier: GPL-2.0-only
/*
 * hold.c - keep a vCPU from running on, for a while.
 *
 *   a guest's write turns its caches off under strategy hold, or the owner asks (KCOH_VM_HOLD)
 *     vCPU thread, in KVM_RUN    hold_sleep(), a job, sleeps before the next guest instruction
 *     a signal takes it out      (QMP stop, system_reset, gdb, SIGSTOP, SIGKILL) it wakes, KVM_RUN returns -EINTR as ever,
 *                                and user space does what it wants with its vCPU
 *     it comes back by KVM_RUN   on_run() queues the job again: it is held until somebody releases it
 *
 * Released by KCOH_VM_RELEASE, by its deadline, at the end of the epoch (if the strategy held it), and by the closing of
 * the file, at once. The sleep is interruptible and freezable, and no lock of ours is held in it; KVM's vcpu->mutex
 * is, as in any KVM_RUN. Pending jobs of that thread wait for it to wake: it can do nothing to the guest meanwhile.
 *
 * on_run() costs every KVM_RUN of the host a look-up, so that hook is attached only while some VM's owner may hold.
 */
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/ktime.h>
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>

#include "kcoh.h"
#include "trace.h"

static DECLARE_WAIT_QUEUE_HEAD(hold_wait);
static DEFINE_MUTEX(hook_lock);
static unsigned int hook_users;

static bool is_held(const struct kcoh_vcpu *record)
{
	return test_bit(KCOH_VCPU_HELD, &record->flags);
}

void kcoh_hold_release_vcpu(struct kvm_vcpu *vcpu, struct kcoh_vcpu *record, u32 why)
{
	u64 since = READ_ONCE(record->held_since);

	if (!test_and_clear_bit(KCOH_VCPU_HELD, &record->flags))
		return;
	trace_kcoh_hold(vcpu, 0, why, ktime_get_ns() - since);
	wake_up_all(&hold_wait);
}

/* True if this thread is inside KVM_RUN with this vCPU, and not on its way back to user mode. */
static bool is_in_run(struct kvm_vcpu *vcpu)
{
	bool loaded;

	preempt_disable();
	loaded = kcoh_vcpu_running() == vcpu;
	preempt_enable();
	return loaded;
}

/* Until it is released, its deadline (which may move) passes, or a signal comes. */
static void sleep_while_held(const struct kcoh_vcpu *record)
{
	u64 until = READ_ONCE(record->hold_until), now = ktime_get_ns();

	while (is_held(record) && now < until && !signal_pending(current)) {
		wait_event_freezable_timeout(
			hold_wait, !is_held(record) || READ_ONCE(record->hold_until) != until,
			nsecs_to_jiffies(until - now) + 1);
		until = READ_ONCE(record->hold_until);
		now = ktime_get_ns();
	}
}

/* Job in the vCPU's thread. */
static void hold_sleep(struct kcoh_job *job)
{
	struct kcoh_vm *vm = kcoh_vm_held(job->kvm);
	struct kcoh_vcpu *record = vm ? kcoh_vcpu_find(vm, job->vcpu) : NULL;

	if (!record || !is_in_run(job->vcpu))
		return;
	sleep_while_held(record);
	if (!is_held(record))
		return;
	if (ktime_get_ns() >= READ_ONCE(record->hold_until))
		kcoh_hold_release_vcpu(job->vcpu, record, KCOH_HOLD_DEADLINE);
	else
		atomic64_inc(&kcoh_count.hold_breaks);
}

int kcoh_hold_vcpu(struct kvm_vcpu *vcpu, struct kcoh_vcpu *record, u32 ms, u32 why)
{
	u64 now = ktime_get_ns();
	struct task_struct *task;
	int err = 0;

	WRITE_ONCE(record->hold_until, now + ms * (u64)NSEC_PER_MSEC);
	if (!is_held(record)) {
		WRITE_ONCE(record->held_since, now);
		WRITE_ONCE(record->hold_why, why);
		smp_wmb(); /* who sees the bit sees since when */
		set_bit(KCOH_VCPU_HELD, &record->flags);
		atomic64_inc(&kcoh_count.holds);
		trace_kcoh_hold(vcpu, 1, why, ms * (u64)NSEC_PER_MSEC);
	}
	task = kcoh_vcpu_task_get(vcpu);
	if (task) { /* one that never ran is caught by on_run() */
		err = kcoh_job_queue(task, vcpu->kvm, vcpu, 0, hold_sleep);
		put_task_struct(task);
	}
	if (err == -ENOMEM)
		kcoh_hold_release_vcpu(vcpu, record, KCOH_HOLD_RELEASED);
	else
		err = 0; /* a thread that is gone runs nothing */
	wake_up_all(&hold_wait);
	return err;
}

void kcoh_hold_release(struct kcoh_vm *vm, struct kvm *kvm, u32 why)
{
	struct kcoh_vcpu *record;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	smp_mb(); /* why none is held anew was written before; pairs with hold_toggled() */
	kvm_for_each_vcpu(i, vcpu, kvm) {
		record = kcoh_vcpu_find(vm, vcpu);
		if (record &&
		    (why != KCOH_HOLD_EPOCH_END || READ_ONCE(record->hold_why) == KCOH_HOLD_TOGGLE))
			kcoh_hold_release_vcpu(vcpu, record, why);
	}
}

/* kvm_arch_vcpu_ioctl_run(vcpu): KVM_RUN, in the vCPU's thread, before the vCPU is loaded. */
static void on_run(const struct kcoh_hook_args *args)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)args->arg[0];
	struct kcoh_vcpu *record;
	struct kcoh_vm *vm;

	rcu_read_lock();
	vm = kcoh_vm_find(vcpu->kvm);
	record = vm ? kcoh_vcpu_find(vm, vcpu) : NULL;
	if (record && is_held(record))
		kcoh_job_queue(current, vcpu->kvm, vcpu, 0, hold_sleep);
	rcu_read_unlock();
}

static struct kcoh_hook run_hook = { .name = "kvm_arch_vcpu_ioctl_run", .fn = on_run };

int kcoh_hold_allow(struct kcoh_vm *vm)
{
	int err = 0;

	lockdep_assert_held(&vm->lock);
	if (vm->may_hold)
		return 0;
	mutex_lock(&hook_lock);
	if (!hook_users)
		err = kcoh_hooks_attach(&run_hook, 1);
	if (!err)
		hook_users++;
	mutex_unlock(&hook_lock);
	WRITE_ONCE(vm->may_hold, !err);
	return err;
}

void kcoh_hold_disallow(struct kcoh_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (!vm->may_hold)
		return;
	WRITE_ONCE(vm->may_hold, false);
	mutex_lock(&hook_lock);
	if (!--hook_users)
		kcoh_hooks_detach(&run_hook, 1);
	mutex_unlock(&hook_lock);
}
