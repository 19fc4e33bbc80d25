/* SPDX-License-Identifier: GPL-2.0-only */
/* module.h - the way to the module for lab programs: its device, and the VM of another process. */
#ifndef KCOH_LAB_MODULE_H
#define KCOH_LAB_MODULE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kcoh/ioctl.h"
#include "say.h"

/* The device, greeted; *ret_hello is what the module answered. */
static inline int must_open_module(struct kcoh_hello *ret_hello)
{
	int dev = open(KCOH_DEV, O_RDWR | O_CLOEXEC);

	*ret_hello = (struct kcoh_hello){ .abi = KCOH_ABI };
	if (dev < 0)
		die("cannot open %s (is the module loaded?): %s", KCOH_DEV, strerror(errno));
	if (ioctl(dev, KCOH_IOC_HELLO, ret_hello))
		die("the module refuses: it has ABI %u, this is built for %u", ret_hello->abi,
		    KCOH_ABI);
	return dev;
}

/* The number of a process's first descriptor that is a KVM VM, or -1. */
static inline int vm_fd_number(int pid)
{
	char path[64], name[PATH_MAX], target[64];
	struct dirent *entry;
	int number = -1;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && number < 0 && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		len = readlink(name, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		if (!strcmp(target, "anon_inode:kvm-vm"))
			number = atoi(entry->d_name);
	}
	if (dir)
		closedir(dir);
	return number;
}

/* A descriptor of our own for the KVM VM of another process, as kcohd takes it; -1 and errno. */
static inline int vm_take(int pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0), number, fd;

	if (pidfd < 0)
		return -1;
	number = vm_fd_number(pid);
	if (number < 0)
		errno = ENOENT;
	fd = number < 0 ? -1 : syscall(SYS_pidfd_getfd, pidfd, number, 0);
	close(pidfd);
	return fd;
}

#endif
