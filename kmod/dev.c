// SPDX-License-Identifier: GPL-2.0-only
/*
 * dev.c - /dev/kcoh (root, 0600): the handshake and the counters. include/kcoh/ioctl.h has the protocol.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <asm/cpufeature.h>
#include <asm/sysreg.h>

#include "fail.h"
#include "kcoh.h"

/* file->private_data once HELLO went well; before that the file is mute. */
static const char greeted[] = "greeted";

static int dev_open(struct inode *inode, struct file *file)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	file->private_data = NULL; /* misc_open() leaves the miscdevice here */
	return stream_open(inode, file);
}

/* CTR_EL0.DminLine is the log2 of the words (4 bytes) in the smallest data cache line of all CPUs. */
static u32 line_bytes(void)
{
	return 4u << ((read_sanitised_ftr_reg(SYS_CTR_EL0) >> 16) & 0xf);
}

static long ioctl_hello(struct file *file, struct kcoh_hello __user *user)
{
	struct kcoh_hello hello;
	bool match;

	if (copy_from_user(&hello, user, sizeof(hello)))
		return -EFAULT;
	if (hello.host || hello.line_bytes || hello.state)
		return -EINVAL;
	match = hello.abi == KCOH_ABI;
	hello.abi = KCOH_ABI;
	if (match) {
		hello.state = kcoh_state(); /* first: it looks whether the rest is true */
		hello.host = kcoh_host_features();
		hello.line_bytes = line_bytes();
	}
	if (copy_to_user(user, &hello, sizeof(hello)))
		return -EFAULT;
	if (!match)
		return -EPROTO;
	file->private_data = (void *)greeted;
	return 0;
}

static long ioctl_stats(struct kcoh_stats __user *user)
{
	struct kcoh_stats stats = {
		.epochs = atomic64_read(&kcoh_count.epochs),
		.arms = atomic64_read(&kcoh_count.arms),
		.disarms = atomic64_read(&kcoh_count.disarms),
		.traps = atomic64_read(&kcoh_count.traps),
		.toggles = atomic64_read(&kcoh_count.toggles),
		.set_way = atomic64_read(&kcoh_count.set_way),
		.set_way_yields = atomic64_read(&kcoh_count.set_way_yields),
		.hook_misses = kcoh_trap_misses() + kcoh_harvest_misses(),
		.arm_late = atomic64_read(&kcoh_count.arm_late),
		.no_memory = atomic64_read(&kcoh_count.no_memory),
		.harvests = atomic64_read(&kcoh_count.harvests),
		.pages_protected = atomic64_read(&kcoh_count.pages_protected),
		.pages_cleaned = atomic64_read(&kcoh_count.pages_cleaned),
		.pages_absent = atomic64_read(&kcoh_count.pages_absent),
		.pages_no_ram = atomic64_read(&kcoh_count.pages_no_ram),
		.pages_unclean = atomic64_read(&kcoh_count.pages_unclean),
		.pages_extra = atomic64_read(&kcoh_count.pages_extra),
		.pages_marked = atomic64_read(&kcoh_count.pages_marked),
		.whole_slots = atomic64_read(&kcoh_count.whole_slots),
		.pages_untainted = atomic64_read(&kcoh_count.pages_untainted),
		.over_budget = atomic64_read(&kcoh_count.over_budget),
		.holds = atomic64_read(&kcoh_count.holds),
		.hold_breaks = atomic64_read(&kcoh_count.hold_breaks),
		.vms = atomic64_read(&kcoh_count.vms),
		.vcpus_armed = atomic64_read(&kcoh_count.vcpus_armed),
	};

	return copy_to_user(user, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static long dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (cmd == KCOH_IOC_HELLO)
		return ioctl_hello(file, (struct kcoh_hello __user *)arg);
	if (!file->private_data)
		return -EPROTO;
	switch (cmd) {
	case KCOH_IOC_STATS:
		return ioctl_stats((struct kcoh_stats __user *)arg);
	case KCOH_IOC_VM:
		return kcoh_vmfile_open((const struct kcoh_vm_open __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations dev_fops = {
	.owner = THIS_MODULE,
	.open = dev_open,
	.unlocked_ioctl = dev_ioctl,
};

static struct miscdevice dev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kcoh",
	.mode = 0600,
	.fops = &dev_fops,
};

int kcoh_dev_init(void)
{
	return kcoh_fail(KCOH_FAIL_DEV) ? -ENOMEM : misc_register(&dev);
}

void kcoh_dev_exit(void)
{
	misc_deregister(&dev);
}
