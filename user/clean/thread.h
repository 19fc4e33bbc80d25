/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * thread.h - is a vCPU's thread out of the guest?
 */
#ifndef KCOH_THREAD_H
#define KCOH_THREAD_H

#include <stdint.h>

enum kcoh_thread {
	KCOH_THREAD_ASLEEP, /* in a system call that is not KVM_RUN: its vCPU executes nothing */
	KCOH_THREAD_GONE, /* it has ended: the same */
	KCOH_THREAD_IN_GUEST, /* in KVM_RUN: the guest runs, or waits for an interrupt */
	KCOH_THREAD_RUNNING, /* on a CPU or waiting for one, wherever it is */
};

/* By PROC/PID/task/TID/syscall (proc: "/proc"). A negative errno if that cannot be read. */
int kcoh_thread_look(const char *proc, uint32_t pid, uint32_t tid);

#endif
