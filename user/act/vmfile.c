// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmfile.c - from a process to its VM's file at the module.
 *
 * The module wants a descriptor of the VM, and KVM gives one to nobody but the process that made the VM. So that process's
 * descriptor is copied: /proc/PID/fd says which one it is, pidfd_getfd copies it, KCOH_IOC_VM trades it for a file of the
 * module's, and the copy is closed at once, for it would keep the VM alive. All of it is microseconds.
 *
 * A process with several VMs is refused, because nothing tells them apart from outside. QEMU has a second one for some
 * milliseconds at its start, while it tries out what the host can do; whoever asks tries again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "act/vmfile.h"
#include "host/facts.h"

#define KVM_VM_LINK "anon_inode:kvm-vm"

static bool is_vm(int dir, const char *name)
{
	char target[sizeof(KVM_VM_LINK) + 1];
	ssize_t len = readlinkat(dir, name, target, sizeof(target));

	return len == (ssize_t)strlen(KVM_VM_LINK) && !memcmp(target, KVM_VM_LINK, (size_t)len);
}

/* The number of the one descriptor of a process that is a KVM VM. */
static int vm_number(uint32_t pid, char *err, size_t err_len)
{
	char path[64];
	struct dirent *entry;
	int number = -ESRCH;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%" PRIu32 "/fd", pid);
	dir = opendir(path);
	while (dir && number != -ENOTUNIQ && (entry = readdir(dir))) {
		if (is_vm(dirfd(dir), entry->d_name))
			number = number < 0 ? atoi(entry->d_name) : -ENOTUNIQ;
	}
	if (dir)
		closedir(dir);
	if (number == -ENOTUNIQ)
		snprintf(err, err_len, "process %" PRIu32 " has several KVM VMs", pid);
	else if (number < 0)
		snprintf(err, err_len, "process %" PRIu32 " has no KVM VM", pid);
	return number;
}

static int vm_copy(uint32_t pid, char *err, size_t err_len)
{
	int number = vm_number(pid, err, err_len), pidfd, fd, error;

	if (number < 0)
		return number;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	fd = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
	error = errno;
	if (pidfd >= 0)
		close(pidfd);
	if (fd >= 0)
		return fd;
	snprintf(err, err_len, "cannot copy the KVM VM of process %" PRIu32 ": %s", pid,
		 strerror(error));
	return -error;
}

static int device_open(char *err, size_t err_len)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI };
	int dev = open(KCOH_DEV, O_RDWR | O_CLOEXEC), error = errno;

	if (dev >= 0 && ioctl(dev, KCOH_IOC_HELLO, &hello) == 0)
		return dev;
	if (dev >= 0) {
		error = errno;
		close(dev);
	}
	snprintf(err, err_len, "the kcoh module does not answer on %s: %s", KCOH_DEV,
		 strerror(error));
	return -error;
}

int kcoh_vmfile_open(uint32_t pid, char *err, size_t err_len)
{
	struct kcoh_vm_open request = { 0 };
	int dev = device_open(err, err_len), fd;

	if (dev < 0)
		return dev;
	request.vm_fd = vm_copy(pid, err, err_len);
	if (request.vm_fd < 0) {
		close(dev);
		return request.vm_fd;
	}
	fd = ioctl(dev, KCOH_IOC_VM, &request);
	if (fd < 0) {
		fd = -errno;
		snprintf(err, err_len, "%s",
			 fd == -EBUSY ? "somebody else has this VM open at the kcoh module" :
					strerror(-fd));
	}
	close(request.vm_fd);
	close(dev);
	return fd;
}

/* An ioctl on a VM's file that failed with `error`. */
static int refused(int error, const char *what, char *err, size_t err_len)
{
	snprintf(err, err_len, "%s: %s", what,
		 error == ENODEV ? "the VM is gone" : strerror(error));
	return -error;
}

int kcoh_vmfile_strategy(int fd, enum kcoh_strategy strategy, uint32_t hold_ms, char *err,
			 size_t err_len)
{
	struct kcoh_vm_strategy request = { .strategy = strategy, .hold_ms = hold_ms };

	if (ioctl(fd, KCOH_VM_STRATEGY, &request) == 0)
		return 0;
	return refused(errno, "the kcoh module refuses the strategy", err, err_len);
}

int kcoh_vmfile_vcpus(int fd, uint32_t *ret_vcpus, char *err, size_t err_len)
{
	struct kcoh_vm_status status;

	if (ioctl(fd, KCOH_VM_STATUS, &status) < 0)
		return refused(errno, "the kcoh module does not tell of the VM", err, err_len);
	*ret_vcpus = status.vcpus;
	return 0;
}

int kcoh_vmfile_clean(int fd, struct kcoh_vm_range *range, char *err, size_t err_len)
{
	if (ioctl(fd, KCOH_VM_CLEAN, range) == 0)
		return 0;
	return refused(errno, "the kcoh module does not clean", err, err_len);
}
