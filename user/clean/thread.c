// SPDX-License-Identifier: GPL-2.0-only
/*
 * thread.c - is a vCPU's thread out of the guest?
 *
 * /proc/PID/task/TID/syscall of a thread that sleeps has the number of the system call it sleeps in and its arguments; of one that
 * runs the word "running":
 *
 *   98 0xaaaae6c3bc58 0x80 0x0 0x0 0x0 0x0 0xffff… 0xffff…     futex(): a vCPU that QEMU has stopped
 *   29 0x14 0xae80 0x0 …                                       ioctl(20, KVM_RUN): the guest waits in WFI
 *   running                                                    in the guest, or on the way in or out
 *
 * So a VM that idles is told from one that is paused, which no count of exits does. Reading it takes CAP_SYS_PTRACE.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "clean/thread.h"

static enum kcoh_thread thread_of(const char *text)
{
	unsigned long long argument[2];
	long long number;

	if (sscanf(text, "%lld %llx %llx", &number, &argument[0], &argument[1]) != 3)
		return strncmp(text, "-1 ", 3) ? KCOH_THREAD_RUNNING : KCOH_THREAD_ASLEEP;
	if (number == SYS_ioctl && (unsigned int)argument[1] == KVM_RUN)
		return KCOH_THREAD_IN_GUEST;
	return KCOH_THREAD_ASLEEP;
}

int kcoh_thread_look(const char *proc, uint32_t pid, uint32_t tid)
{
	char path[256], text[256] = "";
	FILE *file;
	int err = 0;

	snprintf(path, sizeof(path), "%s/%u/task/%u/syscall", proc, pid, tid);
	file = fopen(path, "re");
	if (file && !fgets(text, sizeof(text), file))
		err = ferror(file) ? errno : ESRCH;
	else if (!file)
		err = errno;
	if (file)
		fclose(file);
	if (err == ENOENT || err == ESRCH)
		return KCOH_THREAD_GONE;
	return err ? -err : (int)thread_of(text);
}
