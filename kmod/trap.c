// SPDX-License-Identifier: GPL-2.0-only
/*
 * trap.c - see every SCTLR_EL1 write of a guest during a dirty epoch.
 *
 * HCR_EL2.TVM traps the guest's writes to SCTLR_EL1, TTBRn, TCR, MAIR and their kin. KVM sets it until a guest
 * first turns its caches on and takes it back then. We set it again while most of a VM's RAM is being dirty
 * logged, and give it back at the end:
 *
 *   VMM thread   KVM_SET_USER_MEMORY_REGION(LOG_DIRTY) -> on_commit() queues sync_epoch() on itself
 *                sync_epoch(): most of the RAM is logged now -> queues sync_vcpu() on each vCPU's thread,
 *                waits until none of them can be in the guest any more without the trap, fires kcoh_epoch,
 *                and only then is the ioctl back in user mode
 *   vCPU thread  kicked out of the guest, sync_vcpu(): TVM set, kcoh_arm with the SCTLR_EL1 of this moment
 *   vCPU thread  guest writes SCTLR_EL1 -> KVM emulates, cleans, clears TVM -> on_toggle(): TVM set again
 *
 * Cost: nothing outside epochs. Inside, a trapped write costs the guest an exit (10-14 instructions become
 * 2100-3300), which a guest that switches address spaces notices. A real edge costs more, for KVM cleans its whole
 * stage 2 then. So there is a budget (parameter trap_budget) of trapped writes a second, of whatever register: a VM
 * above it is disarmed, its windows are not seen from there on (blind), and REARM_MS later it is tried again.
 *
 * KVM's own use of the bit comes first. kvm_set_way_flush() takes TVM for 'I cleaned already' and skips its
 * stage-2 clean, so a bit that only we had set is cleared when that function is entered (KCOH_VCPU_OURS tells
 * whose it is): armed and unarmed give the same cleans.
 */
#define pr_fmt(fmt) "kcoh: " fmt

#include <asm/kvm_arm.h>
#include <asm/kvm_emulate.h>
#include <linux/kvm_host.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

#include "fail.h"
#include "kcoh.h"
#include "trace.h"

#define ARM_WAIT_MS 100 /* a kick takes microseconds; more than this is a host in trouble */
#define DISARM_WAIT_MS 250 /* at unload */
#define REARM_MS 5000 /* a VM over its budget stays disarmed so long */
#define TVM_BIT 26 /* HCR_EL2.TVM, Arm ARM D24.2.53 */

static void tvm_set(struct kvm_vcpu *vcpu, struct kcoh_vcpu *record)
{
	BUILD_BUG_ON(HCR_TVM != BIT(TVM_BIT));
	if (!test_and_set_bit(TVM_BIT, (unsigned long *)&vcpu->arch.hcr_el2))
		set_bit(KCOH_VCPU_OURS, &record->flags);
}

static void tvm_give_back(struct kvm_vcpu *vcpu, struct kcoh_vcpu *record)
{
	if (test_and_clear_bit(KCOH_VCPU_OURS, &record->flags))
		clear_bit(TVM_BIT, (unsigned long *)&vcpu->arch.hcr_el2);
}

u32 kcoh_cache_state(struct kvm_vcpu *vcpu, u64 sctlr)
{
	if (READ_ONCE(vcpu->arch.mp_state.mp_state) == KVM_MP_STATE_STOPPED)
		return KCOH_OFF;
	if (kcoh_vcpu_nested(vcpu))
		return KCOH_UNKNOWN; /* SCTLR_EL2 may be in force */
	return kcoh_sctlr_cached(sctlr) ? KCOH_CACHED : KCOH_UNCACHED;
}

static bool is_own_thread(struct kvm_vcpu *vcpu)
{
	struct task_struct *task = kcoh_vcpu_task_get(vcpu);

	if (task)
		put_task_struct(task);
	return task == current;
}

/* Job in the vCPU's thread: brings its TVM in line with what its VM wants. */
static void sync_vcpu(struct kcoh_job *job)
{
	struct kvm_vcpu *vcpu = job->vcpu;
	struct kcoh_vm *vm = kcoh_vm_held(job->kvm);
	struct kcoh_vcpu *record = vm ? kcoh_vcpu_get(vm, vcpu) : NULL;
	bool was_armed, arm;
	u32 state;
	u64 sctlr;

	if (vm && !record) {
		atomic64_inc(&kcoh_count.no_memory);
		kcoh_taint(vm);
	}
	if (!record || !is_own_thread(vcpu))
		return; /* another thread took this vCPU over: on_run_thread() queued a job there */

	preempt_disable();
	arm = READ_ONCE(vm->armed);
	if (arm) {
		tvm_set(vcpu, record);
		was_armed = test_and_set_bit(KCOH_VCPU_ARMED, &record->flags);
	} else {
		tvm_give_back(vcpu, record);
		was_armed = test_and_clear_bit(KCOH_VCPU_ARMED, &record->flags);
	}
	sctlr = kcoh_vcpu_sctlr(vcpu);
	WRITE_ONCE(record->sctlr, sctlr);
	state = kcoh_cache_state(vcpu, sctlr);
	if (state == KCOH_UNCACHED || state == KCOH_UNKNOWN)
		kcoh_taint(vm);
	if (arm || was_armed)
		trace_kcoh_arm(vcpu, sctlr, state, arm ? KCOH_SRC_TRAP : KCOH_SRC_DISARM);
	preempt_enable();

	if (arm && !was_armed) {
		atomic64_inc(&kcoh_count.arms);
		atomic64_inc(&kcoh_count.vcpus_armed);
	} else if (!arm && was_armed) {
		atomic64_inc(&kcoh_count.disarms);
		atomic64_dec(&kcoh_count.vcpus_armed);
	}
}

/* Queues sync_vcpu() on the thread of each vCPU that has one; false if one could not be. */
static bool sync_vcpus(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	bool all = true;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		struct task_struct *task = kcoh_vcpu_task_get(vcpu);

		if (!task)
			continue; /* never run: on_run_thread() will see it */
		if (kcoh_job_queue(task, kvm, vcpu, 0, sync_vcpu) == -ENOMEM)
			all = false;
		put_task_struct(task);
	}
	return all;
}

struct logged {
	u64 pages, total;
};

static struct logged logged_count(struct kvm *kvm)
{
	struct logged logged = {};
	struct kvm_memory_slot *slot;
	int idx, bkt;

	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm)) {
		if (slot->flags & KVM_MEM_READONLY)
			continue;
		logged.total += slot->npages;
		if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES)
			logged.pages += slot->npages;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return logged;
}

static void vcpus_count(struct kcoh_vm *vm, struct kvm *kvm, u32 *ret_armed, u32 *ret_pending)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	*ret_armed = *ret_pending = 0;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		struct kcoh_vcpu *record = kcoh_vcpu_find(vm, vcpu);

		if (record && test_bit(KCOH_VCPU_ARMED, &record->flags))
			++*ret_armed;
		else
			++*ret_pending;
	}
}

/* A window before the trap was set is seen by what it left: a vCPU that is still uncached, or not known to be cached. */
static bool is_window_open(struct kcoh_vm *vm, struct kvm *kvm)
{
	struct kcoh_vcpu *record;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	bool open = false;
	u32 state;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		struct task_struct *task = kcoh_vcpu_task_get(vcpu);

		if (!task)
			continue; /* never run; on_run_thread() taints */
		put_task_struct(task);
		record = kcoh_vcpu_find(vm, vcpu);
		preempt_disable();
		state = kcoh_cache_state(vcpu, record && test_bit(KCOH_VCPU_ARMED, &record->flags) ?
						       READ_ONCE(record->sctlr) :
						       kcoh_vcpu_sctlr(vcpu));
		preempt_enable();
		open |= state == KCOH_UNCACHED || state == KCOH_UNKNOWN;
	}
	return open;
}

/*
 * The event of a start is a promise: no vCPU enters the guest without the trap from here on. Where that
 * cannot be said (no memory, a vCPU that does not leave the guest) there is no event, and the reader, who
 * waits for it, judges the epoch blind.
 */
static void epoch_start(struct kcoh_vm *vm, struct kvm *kvm, const struct logged *logged)
{
	u32 armed, pending;
	bool all, settled;

	atomic64_inc(&kcoh_count.epochs);
	if (kcoh_wanted() && !kcoh_harvest_canary(kvm))
		kcoh_step_aside("a hook does not fire", "kvm_arch_sync_dirty_log");
	if (!kcoh_wanted())
		return;
	WRITE_ONCE(vm->tainted, false);
	WRITE_ONCE(vm->armed, true);
	all = sync_vcpus(kvm);
	settled = kcoh_jobs_settle(kvm, ARM_WAIT_MS);
	if (!settled)
		atomic64_inc(&kcoh_count.arm_late);
	if (is_window_open(vm, kvm))
		kcoh_taint(vm);
	WRITE_ONCE(vm->watched, all && settled);
	vcpus_count(vm, kvm, &armed, &pending);
	if (all && settled)
		trace_kcoh_epoch(kvm, logged->pages, logged->total, 1,
				 atomic_read(&kvm->online_vcpus), armed, pending);
}

static void epoch_end(struct kcoh_vm *vm, struct kvm *kvm, const struct logged *logged)
{
	bool was_armed = READ_ONCE(vm->armed) || vm->over_budget;
	u32 armed, pending;

	vm->over_budget = false;
	WRITE_ONCE(vm->watched, false);
	WRITE_ONCE(vm->armed, false);
	kcoh_hold_release(vm, kvm, KCOH_HOLD_EPOCH_END); /* now that none is held anew */
	kcoh_vmfile_epoch_ended(vm);
	if (!was_armed)
		return;
	sync_vcpus(kvm);
	vcpus_count(vm, kvm, &armed, &pending);
	trace_kcoh_epoch(kvm, logged->pages, logged->total, 0, atomic_read(&kvm->online_vcpus),
			 armed, pending);
}

/* Its harvests are complete from here on, if they are cleaned. */
static void slot_starts(struct kcoh_vm *vm, struct kvm *kvm, u32 slot_id)
{
	struct kcoh_slot *slot = kcoh_slot_get(vm, slot_id);
	const struct kvm_memory_slot *memslot;
	u64 base_gfn = 0, pages = 0;
	int idx;

	if (!slot) {
		atomic64_inc(&kcoh_count.no_memory);
		return; /* its first harvest then cleans the whole slot */
	}
	WRITE_ONCE(slot->stale, !kcoh_cleaning(vm));
	idx = srcu_read_lock(&kvm->srcu);
	memslot = id_to_memslot(kvm_memslots(kvm), slot_id);
	if (memslot) {
		base_gfn = memslot->base_gfn;
		pages = memslot->npages;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	if (pages)
		kcoh_taint_slot_starts(vm, slot, base_gfn, pages);
}

/* Job in the thread whose ioctl changed a memslot; arg: 1 + the id of a slot whose logging started. */
static void sync_epoch(struct kcoh_job *job)
{
	struct kvm *kvm = job->kvm;
	struct logged logged = logged_count(kvm);
	bool epoch = kcoh_epoch_covers_ram(logged.pages, logged.total);
	bool starts = epoch || job->arg;
	struct kcoh_vm *vm = starts ? kcoh_vm_get(kvm) : kcoh_vm_held(kvm);

	if (!vm) {
		if (starts)
			atomic64_inc(&kcoh_count.no_memory);
		return;
	}
	if (job->arg)
		slot_starts(vm, kvm, job->arg - 1);
	mutex_lock(&vm->lock);
	if (epoch && !vm->epoch)
		epoch_start(vm, kvm, &logged);
	else if (!epoch && vm->epoch)
		epoch_end(vm, kvm, &logged);
	vm->epoch = epoch;
	mutex_unlock(&vm->lock);
}

/* What was seen of a slot's pages is no more true: it is gone, elsewhere, other memory, or not logged any more. */
static void slot_ends(struct kcoh_vm *vm, const struct kvm_memory_slot *old,
		      const struct kvm_memory_slot *new)
{
	struct kcoh_slot *slot = kcoh_slot_find(vm, old->id);
	u32 flags = new ? new->flags : 0;

	if (slot && (!(flags & KVM_MEM_LOG_DIRTY_PAGES) || new->base_gfn != old->base_gfn ||
		     new->npages != old->npages || new->userspace_addr != old->userspace_addr))
		kcoh_taint_slot_ends(slot);
}

/* kvm_arch_commit_memory_region(kvm, old, new, change), in the ioctl, kvm->slots_lock held. */
static void on_commit(const struct kcoh_hook_args *args)
{
	struct kvm *kvm = (struct kvm *)args->arg[0];
	const struct kvm_memory_slot *old = (void *)args->arg[1], *new = (void *)args->arg[2];
	u32 was = old ? old->flags : 0, now = new ? new->flags : 0;
	bool starts = now & ~was & KVM_MEM_LOG_DIRTY_PAGES;
	struct kcoh_vm *vm;

	if (starts)
		kcoh_harvest_log_starts(kvm, new);
	rcu_read_lock();
	vm = kcoh_vm_find(kvm);
	if (vm && old)
		slot_ends(vm, old, new);
	rcu_read_unlock();
	/* Once a VM is known, any change of its layout may be an edge. */
	if (vm || ((was ^ now) & KVM_MEM_LOG_DIRTY_PAGES))
		kcoh_job_queue(current, kvm, NULL, starts ? new->id + 1 : 0, sync_epoch);
}

/* True if this VM is armed: a vCPU of it comes by whose caches are, or may be, off, and needs a look. */
static bool is_armed_then_taint(struct kvm *kvm)
{
	struct kcoh_vm *vm;
	bool armed;

	rcu_read_lock();
	vm = kcoh_vm_find(kvm);
	armed = vm && READ_ONCE(vm->armed);
	if (armed)
		kcoh_taint(vm);
	rcu_read_unlock();
	return armed;
}

/* kvm_arch_vcpu_run_pid_change(vcpu): a thread is about to run this vCPU for the first time. */
static void on_run_thread(const struct kcoh_hook_args *args)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)args->arg[0];

	if (is_armed_then_taint(vcpu->kvm))
		kcoh_job_queue(current, vcpu->kvm, vcpu, 0, sync_vcpu);
}

/* The vCPU's registers are being replaced from outside: look again before it runs. */
static void look_again(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;

	if (!is_armed_then_taint(vcpu->kvm))
		return;
	task = kcoh_vcpu_task_get(vcpu);
	if (!task)
		return;
	kcoh_job_queue(task, vcpu->kvm, vcpu, 0, sync_vcpu);
	put_task_struct(task);
}

/*
 * kvm_reset_vcpu(vcpu): PSCI CPU_ON, in the vCPU's thread inside KVM_RUN; or KVM_ARM_VCPU_INIT, under
 * vcpu->mutex and not loaded. After the latter vcpu_reset_hcr() sets TVM for KVM itself (not with S2FWB).
 */
static void on_reset(const struct kcoh_hook_args *args)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)args->arg[0];
	struct kcoh_vcpu *record;
	struct kcoh_vm *vm;

	if (kcoh_vcpu_running() != vcpu && !(kcoh_host_features() & KCOH_HOST_S2FWB)) {
		rcu_read_lock();
		vm = kcoh_vm_find(vcpu->kvm);
		record = vm ? kcoh_vcpu_find(vm, vcpu) : NULL;
		if (record)
			clear_bit(KCOH_VCPU_OURS, &record->flags);
		rcu_read_unlock();
	}
	look_again(vcpu);
}

/* kvm_arm_sys_reg_set_reg(vcpu, reg): KVM_SET_ONE_REG on a system register. */
static void on_set_reg(const struct kcoh_hook_args *args)
{
	const struct kvm_one_reg *reg = (const struct kvm_one_reg *)args->arg[1];

	/* The id of SCTLR_EL1: op0 3, op1 0, CRn 1, CRm 0, op2 0 (Documentation/virt/kvm/api.rst). */
	if (reg->id == ARM64_SYS_REG(3, 0, 1, 0, 0))
		look_again((struct kvm_vcpu *)args->arg[0]);
}

/* kvm_set_way_flush(vcpu), before it looks at TVM, in the vCPU's thread. */
static void on_set_way(const struct kcoh_hook_args *args)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)args->arg[0];
	struct kcoh_vcpu *record;
	struct kcoh_vm *vm;

	atomic64_inc(&kcoh_count.set_way);
	rcu_read_lock();
	vm = kcoh_vm_find(vcpu->kvm);
	record = vm ? kcoh_vcpu_find(vm, vcpu) : NULL;
	if (vm)
		kcoh_taint(vm);
	if (record && test_bit(KCOH_VCPU_OURS, &record->flags)) {
		tvm_give_back(vcpu, record); /* KVM cleans now and sets it for itself */
		atomic64_inc(&kcoh_count.set_way_yields);
	}
	rcu_read_unlock();
}

static void on_destroy(const struct kcoh_hook_args *args)
{
	kcoh_vm_forget((struct kvm *)args->arg[0]);
}

/* kvm_vm_release(inode, file): nobody can start anything on this VM any more. */
static void on_release(const struct kcoh_hook_args *args)
{
	const struct file *file = (const struct file *)args->arg[1];

	kcoh_jobs_abandon(file->private_data);
}

static void rearm_work(struct work_struct *work);
static DECLARE_DELAYED_WORK(rearm, rearm_work);

/* Brings `armed` in line with what is wanted. The epoch was then not watched all along. kcoh_vm.lock held. */
static void arm_as_wanted(struct kcoh_vm *vm, struct kvm *kvm)
{
	bool wanted = vm->epoch && !vm->over_budget && kcoh_wanted();

	lockdep_assert_held(&vm->lock);
	if (READ_ONCE(vm->armed) == wanted)
		return;
	kcoh_taint(vm);
	WRITE_ONCE(vm->watched, false);
	WRITE_ONCE(vm->armed, wanted);
	sync_vcpus(kvm);
}

/* Job in a vCPU's thread: its VM trapped too often. */
static void over_budget(struct kcoh_job *job)
{
	struct kcoh_vm *vm = kcoh_vm_held(job->kvm);

	if (!vm)
		return;
	mutex_lock(&vm->lock);
	if (READ_ONCE(vm->armed)) {
		WRITE_ONCE(vm->over_budget, true);
		vm->rearm_ns = ktime_get_ns() + REARM_MS * (u64)NSEC_PER_MSEC;
		atomic64_inc(&kcoh_count.over_budget);
		arm_as_wanted(vm, job->kvm);
		schedule_delayed_work(&rearm, msecs_to_jiffies(REARM_MS));
	}
	mutex_unlock(&vm->lock);
}

static void vm_rearm(struct kcoh_vm *vm, struct kvm *kvm)
{
	mutex_lock(&vm->lock);
	if (vm->over_budget && kcoh_wanted() && ktime_get_ns() >= vm->rearm_ns) {
		atomic_set(&vm->budget_used, 0);
		WRITE_ONCE(vm->over_budget, false);
		arm_as_wanted(vm, kvm);
	} else if (vm->over_budget) {
		schedule_delayed_work(&rearm, msecs_to_jiffies(REARM_MS));
	}
	mutex_unlock(&vm->lock);
}

static void rearm_work(struct work_struct *work)
{
	kcoh_vm_each(vm_rearm);
}

/* Counts a trapped write; true if it is one too many of this second. */
static bool budget_is_spent(struct kcoh_vm *vm)
{
	u64 now = ktime_get_ns();
	u32 budget = kcoh_trap_budget();

	if (now - READ_ONCE(vm->budget_from_ns) >= NSEC_PER_SEC) {
		WRITE_ONCE(vm->budget_from_ns, now);
		atomic_set(&vm->budget_used, 0);
	}
	return budget && atomic_inc_return(&vm->budget_used) > budget;
}

/*
 * Strategy hold, in the vCPU's thread. The epoch, or the strategy, may end meanwhile, and that may already have released
 * who was held: whoever ends it first takes away what is asked here again, so one of the two sees the other.
 */
static void hold_toggled(struct kcoh_vm *vm, struct kvm_vcpu *vcpu, struct kcoh_vcpu *record)
{
	kcoh_hold_vcpu(vcpu, record, READ_ONCE(vm->hold_ms), KCOH_HOLD_TOGGLE);
	smp_mb(); /* pairs with the one in kcoh_hold_release() */
	if (!READ_ONCE(vm->armed) || !kcoh_holding(vm))
		kcoh_hold_release_vcpu(vcpu, record, KCOH_HOLD_RELEASED);
}

/* A trapped write of an armed vCPU, in its thread, preemption off. RCU read lock held. */
static void on_trap(struct kcoh_vm *vm, struct kvm_vcpu *vcpu, struct kcoh_vcpu *record, bool was,
		    bool now)
{
	atomic64_inc(&kcoh_count.traps);
	if (!now)
		kcoh_taint(vm);
	if (!READ_ONCE(vm->armed)) {
		if (now)
			clear_bit(KCOH_VCPU_OURS, &record->flags);
		return;
	}
	/* With caches on KVM took TVM back, whoever had set it: from here on it is ours. */
	tvm_set(vcpu, record);
	if (was && !now && kcoh_holding(vm))
		hold_toggled(vm, vcpu, record);
	if (budget_is_spent(vm))
		kcoh_job_queue(current, vcpu->kvm, NULL, 0, over_budget);
}

/* Tracepoint kvm_toggle_cache, after KVM did its part, in the vCPU's thread: every trapped write. */
static void on_toggle(void *data, unsigned long pc, bool was, bool now)
{
	struct kcoh_vcpu *record;
	struct kvm_vcpu *vcpu;
	struct kcoh_vm *vm;
	u64 sctlr;

	preempt_disable(); /* from 7.x on tracepoints are preemptible */
	vcpu = kcoh_vcpu_running();
	if (!vcpu)
		goto out;
	sctlr = kcoh_vcpu_sctlr(vcpu);
	if (was != now) {
		atomic64_inc(&kcoh_count.toggles);
		trace_kcoh_toggle(vcpu, pc, sctlr, was ? KCOH_CACHED : KCOH_UNCACHED,
				  now ? KCOH_CACHED : KCOH_UNCACHED);
	}
	rcu_read_lock();
	vm = kcoh_vm_find(vcpu->kvm);
	record = vm ? kcoh_vcpu_find(vm, vcpu) : NULL;
	if (record && test_bit(KCOH_VCPU_ARMED, &record->flags)) {
		WRITE_ONCE(record->sctlr, sctlr);
		on_trap(vm, vcpu, record, was, now);
	}
	rcu_read_unlock();
out:
	preempt_enable();
}

static struct kcoh_hook hooks[] = {
	{ .name = "kvm_arch_destroy_vm",
	  .fn = on_destroy }, /* first: records must not outlive VMs */
	{ .name = "kvm_vm_release", .fn = on_release },
	{ .name = "kvm_set_way_flush", .fn = on_set_way },
	{ .name = "kvm_reset_vcpu", .fn = on_reset },
	{ .name = "kvm_arm_sys_reg_set_reg", .fn = on_set_reg },
	{ .name = "kvm_arch_vcpu_run_pid_change", .fn = on_run_thread },
	{ .name = "kvm_arch_commit_memory_region", .fn = on_commit },
};
static struct tracepoint *toggle_tp;

u64 kcoh_trap_misses(void)
{
	return kcoh_hooks_missed(hooks, ARRAY_SIZE(hooks));
}

const struct kcoh_hook *kcoh_trap_hook_gone(void)
{
	return kcoh_hooks_gone(hooks, ARRAY_SIZE(hooks));
}

static void vm_resync(struct kcoh_vm *vm, struct kvm *kvm)
{
	mutex_lock(&vm->lock);
	arm_as_wanted(vm, kvm);
	if (!kcoh_wanted())
		kcoh_hold_release(vm, kvm, KCOH_HOLD_CLOSED);
	mutex_unlock(&vm->lock);
}

void kcoh_trap_resync(void)
{
	kcoh_vm_each(vm_resync);
}

static void vm_settle(struct kcoh_vm *vm, struct kvm *kvm)
{
	kcoh_jobs_settle(kvm, DISARM_WAIT_MS);
}

int kcoh_trap_init(void)
{
	int err;

	toggle_tp = kcoh_tracepoint_find("kvm_toggle_cache");
	if (!toggle_tp) {
		pr_err("this kernel has no tracepoint kvm_toggle_cache\n");
		return -ENOENT;
	}
	err = kcoh_fail(KCOH_FAIL_TRACEPOINT) ?
		      -ENOMEM :
		      tracepoint_probe_register(toggle_tp, on_toggle, NULL);
	if (err)
		return err;
	err = kcoh_hooks_attach(hooks, ARRAY_SIZE(hooks));
	if (err) {
		tracepoint_probe_unregister(toggle_tp, on_toggle, NULL);
		tracepoint_synchronize_unregister();
	}
	return err;
}

/*
 * The trap is given back by every vCPU that passes by; one that sleeps keeps it until KVM takes it. Nothing new
 * is queued from here on.
 */
void kcoh_trap_stop(void)
{
	kcoh_trap_resync();
	kcoh_vm_each(vm_settle);
	tracepoint_probe_unregister(toggle_tp, on_toggle, NULL);
	kcoh_hooks_detach(hooks, ARRAY_SIZE(hooks));
	tracepoint_synchronize_unregister();
}

/* After kcoh_jobs_exit(). */
void kcoh_trap_exit(void)
{
	s64 left = atomic64_read(&kcoh_count.vcpus_armed);

	cancel_delayed_work_sync(&rearm);
	if (left)
		pr_info("%lld sleeping vCPUs keep the trap until KVM takes it at their next "
			"trapped write\n",
			left);
	kcoh_vm_exit();
}
