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

static long vm_strategy(struct kcoh_vm *vm, const struct kcoh_vm_strategy __user *user)
{
	struct kcoh_vm_strategy strategy;

	if (copy_from_user(&strategy, user, sizeof(strategy)))
		return -EFAULT;
	if (strategy.flags)
		return -EINVAL;
	if (strategy.strategy != KCOH_STRATEGY_OBSERVE && strategy.strategy != KCOH_STRATEGY_CLEAN)
		return -EOPNOTSUPP;
	mutex_lock(&vm->lock);
	WRITE_ONCE(vm->strategy, strategy.strategy);
	mutex_unlock(&vm->lock);
	return 0;
}

static u32 vcpus_armed(struct kcoh_vm *vm)
{
	struct kcoh_vcpu *vcpu;
	unsigned long i;
	u32 n = 0;

	xa_for_each(&vm->vcpus, i, vcpu)
		n += test_bit(KCOH_VCPU_ARMED, &vcpu->flags);
	return n;
}

static long vm_status(struct kcoh_vm *vm, struct kvm *kvm, struct kcoh_vm_status __user *user)
{
	struct kcoh_vm_status status = {
		.epoch = READ_ONCE(vm->epoch),
		.armed = READ_ONCE(vm->armed),
		.vcpus = atomic_read(&kvm->online_vcpus),
		.vcpus_armed = vcpus_armed(vm),
		.cleaning = kcoh_cleaning(vm),
		.harvests = atomic64_read(&vm->harvests),
		.pages_protected = atomic64_read(&vm->pages_protected),
		.pages_cleaned = atomic64_read(&vm->pages_cleaned),
		.pages_absent = atomic64_read(&vm->pages_absent),
		.pages_no_ram = atomic64_read(&vm->pages_no_ram),
		.pages_unclean = atomic64_read(&vm->pages_unclean),
		.pages_extra = atomic64_read(&vm->pages_extra),
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
	if (view.state || view.armed || view.loaded || view.sctlr)
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
		return vm_strategy(vm, arg);
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

	mutex_lock(&vm->lock);
	vm->linger = vm->epoch;
	if (!vm->linger)
		WRITE_ONCE(vm->strategy, KCOH_STRATEGY_AUTO);
	mutex_unlock(&vm->lock);
	kcoh_journal_resize(vm, 0);
	kcoh_vm_disown(vm);
	kcoh_vm_unref(vm);
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
