// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmfile.c - a VM as a file: what its owner, the daemon, asks of it. include/kcoh/ioctl.h has the protocol.
 *
 * The file holds our record of the VM and nothing of the VM itself, so that a dead VM is not kept alive: its debugfs
 * entry and its VFIO group go when QEMU goes. Each ioctl borrows the VM for as long as it takes. What
 * the owner asked for ends with the file, except that a running epoch keeps its strategy to the end: a daemon
 * that dies must not leave a migration half cleaned.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/uaccess.h>

#include "kcoh.h"

static int strategy_check(const struct kcoh_vm_strategy *strategy)
{
	bool hold = strategy->strategy == KCOH_STRATEGY_HOLD;

	if (strategy->flags || strategy->pad || hold != !!strategy->hold_ms ||
	    strategy->hold_ms > KCOH_HOLD_MAX_MS)
		return -EINVAL;
	switch (strategy->strategy) {
	case KCOH_STRATEGY_OBSERVE:
	case KCOH_STRATEGY_CLEAN:
	case KCOH_STRATEGY_CLEAN_TAINTED:
	case KCOH_STRATEGY_HOLD:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* No vCPU of this VM is held any more, and none can be. kvm: NULL if it is dead. kcoh_vm.lock held. */
static void holds_end(struct kcoh_vm *vm, struct kvm *kvm, u32 why)
{
	kcoh_hold_disallow(vm);
	if (kvm)
		kcoh_hold_release(vm, kvm, why);
}

static long vm_strategy(struct kcoh_vm *vm, struct kvm *kvm,
			const struct kcoh_vm_strategy __user *user)
{
	struct kcoh_vm_strategy strategy;
	int err;

	if (copy_from_user(&strategy, user, sizeof(strategy)))
		return -EFAULT;
	err = strategy_check(&strategy);
	if (err)
		return err;
	mutex_lock(&vm->lock);
	if (strategy.strategy == KCOH_STRATEGY_HOLD) {
		err = kcoh_hold_allow(vm);
		WRITE_ONCE(vm->hold_ms, strategy.hold_ms);
	} else if (vm->strategy == KCOH_STRATEGY_HOLD) {
		holds_end(vm, kvm, KCOH_HOLD_RELEASED);
	}
	if (!err)
		WRITE_ONCE(vm->strategy, strategy.strategy);
	mutex_unlock(&vm->lock);
	return err;
}

static int hold_one(struct kvm_vcpu *vcpu, struct kcoh_vm *vm, u32 ms)
{
	struct kcoh_vcpu *record = kcoh_vcpu_get(vm, vcpu);

	if (!record)
		return -ENOMEM;
	if (ms)
		return kcoh_hold_vcpu(vcpu, record, ms, KCOH_HOLD_ASKED);
	kcoh_hold_release_vcpu(vcpu, record, KCOH_HOLD_RELEASED);
	return 0;
}

static int hold_vcpus(struct kcoh_vm *vm, struct kvm *kvm, const struct kcoh_vm_hold *hold)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	int err = 0;

	if (hold->index != KCOH_ALL_VCPUS) {
		vcpu = kvm_get_vcpu(kvm, hold->index);
		return vcpu ? hold_one(vcpu, vm, hold->ms) : -ENOENT;
	}
	kvm_for_each_vcpu(i, vcpu, kvm)
		err = hold_one(vcpu, vm, hold->ms) ?: err;
	return err;
}

static long vm_hold(struct kcoh_vm *vm, struct kvm *kvm, const struct kcoh_vm_hold __user *user,
		    bool release)
{
	struct kcoh_vm_hold hold;
	int err = 0;

	if (copy_from_user(&hold, user, sizeof(hold)))
		return -EFAULT;
	if (release != !hold.ms || hold.ms > KCOH_HOLD_MAX_MS)
		return -EINVAL;
	if (!release && !READ_ONCE(kcoh_enabled))
		return -EOPNOTSUPP;
	mutex_lock(&vm->lock);
	if (!release)
		err = kcoh_hold_allow(vm);
	if (!err)
		err = hold_vcpus(vm, kvm, &hold);
	mutex_unlock(&vm->lock);
	return err;
}

static u32 vcpus_with(struct kcoh_vm *vm, unsigned int bit)
{
	struct kcoh_vcpu *vcpu;
	unsigned long i;
	u32 n = 0;

	xa_for_each(&vm->vcpus, i, vcpu)
		n += test_bit(bit, &vcpu->flags);
	return n;
}

static long vm_status(struct kcoh_vm *vm, struct kvm *kvm, struct kcoh_vm_status __user *user)
{
	struct kcoh_vm_status status = {
		.epoch = READ_ONCE(vm->epoch),
		.armed = READ_ONCE(vm->armed),
		.vcpus = atomic_read(&kvm->online_vcpus),
		.vcpus_armed = vcpus_with(vm, KCOH_VCPU_ARMED),
		.cleaning = kcoh_cleaning(vm),
		.held = vcpus_with(vm, KCOH_VCPU_HELD),
		.tainted = READ_ONCE(vm->tainted),
		.over_budget = READ_ONCE(vm->over_budget),
		.harvests = atomic64_read(&vm->harvests),
		.pages_protected = atomic64_read(&vm->pages_protected),
		.pages_cleaned = atomic64_read(&vm->pages_cleaned),
		.pages_absent = atomic64_read(&vm->pages_absent),
		.pages_no_ram = atomic64_read(&vm->pages_no_ram),
		.pages_unclean = atomic64_read(&vm->pages_unclean),
		.pages_extra = atomic64_read(&vm->pages_extra),
		.pages_untainted = atomic64_read(&vm->pages_untainted),
		.journal_lost = atomic64_read(&vm->journal_lost),
	};

	return copy_to_user(user, &status, sizeof(status)) ? -EFAULT : 0;
}

static long vm_range(struct kcoh_vm *vm, struct kvm *kvm, struct kcoh_vm_range __user *user,
		     bool clean)
{
	struct kcoh_vm_range range;
	long err;

	if (copy_from_user(&range, user, sizeof(range)))
		return -EFAULT;
	err = clean ? kcoh_clean_gfns(vm, kvm, &range) : kcoh_mark_gfns(kvm, &range);
	if (!err && copy_to_user(user, &range, sizeof(range)))
		err = -EFAULT;
	return err;
}

/* The registers of a vCPU that runs are the CPU's; what is known of them is what we saw last. */
static void vcpu_look(struct kvm_vcpu *vcpu, const struct kcoh_vcpu *record,
		      struct kcoh_vm_vcpu *ret)
{
	struct task_struct *task = kcoh_vcpu_task_get(vcpu);

	ret->loaded = READ_ONCE(vcpu->cpu) != -1;
	ret->armed = record && test_bit(KCOH_VCPU_ARMED, &record->flags);
	ret->held = record && test_bit(KCOH_VCPU_HELD, &record->flags);
	if (!task) {
		ret->state = KCOH_OFF; /* never run */
		return;
	}
	put_task_struct(task);
	if (ret->loaded && !ret->armed)
		return; /* unknown */
	ret->sctlr = ret->loaded ? READ_ONCE(record->sctlr) : kcoh_vcpu_sctlr(vcpu);
	ret->state = kcoh_cache_state(vcpu, ret->sctlr);
}

static long vm_vcpu(struct kcoh_vm *vm, struct kvm *kvm, struct kcoh_vm_vcpu __user *user)
{
	struct kcoh_vm_vcpu view;
	struct kvm_vcpu *vcpu;

	if (copy_from_user(&view, user, sizeof(view)))
		return -EFAULT;
	if (view.state || view.armed || view.loaded || view.sctlr || view.held || view.pad)
		return -EINVAL;
	vcpu = kvm_get_vcpu(kvm, view.index);
	if (!vcpu)
		return -ENOENT;
	preempt_disable();
	vcpu_look(vcpu, kcoh_vcpu_find(vm, vcpu), &view);
	preempt_enable();
	return copy_to_user(user, &view, sizeof(view)) ? -EFAULT : 0;
}

static long vm_journal(struct kcoh_vm *vm, const __u32 __user *user)
{
	u32 entries;

	if (copy_from_user(&entries, user, sizeof(entries)))
		return -EFAULT;
	return kcoh_journal_resize(vm, entries);
}

static long vm_do(struct kcoh_vm *vm, struct kvm *kvm, unsigned int cmd, void __user *arg)
{
	switch (cmd) {
	case KCOH_VM_STRATEGY:
		return vm_strategy(vm, kvm, arg);
	case KCOH_VM_STATUS:
		return vm_status(vm, kvm, arg);
	case KCOH_VM_CLEAN:
		return vm_range(vm, kvm, arg, true);
	case KCOH_VM_MARK_DIRTY:
		return vm_range(vm, kvm, arg, false);
	case KCOH_VM_VCPU:
		return vm_vcpu(vm, kvm, arg);
	case KCOH_VM_JOURNAL:
		return vm_journal(vm, arg);
	case KCOH_VM_HOLD:
		return vm_hold(vm, kvm, arg, false);
	case KCOH_VM_RELEASE:
		return vm_hold(vm, kvm, arg, true);
	default:
		return -ENOTTY;
	}
}

static long vmfile_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kcoh_vm *vm = file->private_data;
	struct kvm *kvm = kcoh_vm_enter(vm);
	long ret;

	if (!kvm)
		return -ENODEV;
	ret = vm_do(vm, kvm, cmd, (void __user *)arg);
	kvm_put_kvm(kvm);
	return ret;
}

static ssize_t vmfile_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	return kcoh_journal_read(file->private_data, buf, len);
}

static __poll_t vmfile_poll(struct file *file, poll_table *table)
{
	struct kcoh_vm *vm = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &vm->wait, table);
	if (READ_ONCE(vm->dead))
		events |= EPOLLHUP;
	if (kcoh_journal_has(vm))
		events |= EPOLLIN | EPOLLRDNORM;
	return events;
}

void kcoh_vmfile_epoch_ended(struct kcoh_vm *vm)
{
	lockdep_assert_held(&vm->lock);
	if (vm->linger)
		WRITE_ONCE(vm->strategy, KCOH_STRATEGY_AUTO);
	vm->linger = false;
}

static int vmfile_release(struct inode *inode, struct file *file)
{
	struct kcoh_vm *vm = file->private_data;
	struct kvm *kvm = kcoh_vm_enter(vm);

	mutex_lock(&vm->lock);
	holds_end(vm, kvm, KCOH_HOLD_CLOSED);
	vm->linger = vm->epoch;
	if (!vm->linger)
		WRITE_ONCE(vm->strategy, KCOH_STRATEGY_AUTO);
	mutex_unlock(&vm->lock);
	kcoh_journal_resize(vm, 0);
	kcoh_vm_disown(vm);
	kcoh_vm_unref(vm);
	if (kvm)
		kvm_put_kvm(kvm);
	return 0;
}

static const struct file_operations vmfile_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = vmfile_ioctl,
	.read = vmfile_read,
	.poll = vmfile_poll,
	.release = vmfile_release,
};

/* A descriptor for the VM of which the caller holds a reference. */
static int vmfile_make(struct kvm *kvm)
{
	struct kcoh_vm *vm = kcoh_vm_get(kvm);
	int fd;

	if (!vm)
		return -ENOMEM;
	if (!kcoh_vm_own(vm))
		return -EBUSY;
	kcoh_vm_ref(vm);
	fd = anon_inode_getfd("[kcoh-vm]", &vmfile_fops, vm, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		kcoh_vm_disown(vm);
		kcoh_vm_unref(vm);
		return fd;
	}
	return fd;
}

int kcoh_vmfile_open(const struct kcoh_vm_open __user *user)
{
	struct kcoh_vm_open request;
	struct file *file;
	struct kvm *kvm;
	int fd = -EBADF;

	if (copy_from_user(&request, user, sizeof(request)))
		return -EFAULT;
	if (request.flags)
		return -EINVAL;
	file = fget(request.vm_fd);
	if (!file)
		return -EBADF;
	kvm = kcoh_file_kvm(file);
	if (kvm && kvm_get_kvm_safe(kvm)) {
		fd = vmfile_make(kvm);
		kvm_put_kvm(kvm);
	}
	fput(file);
	return fd;
}
