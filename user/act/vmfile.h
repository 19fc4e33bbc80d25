/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmfile.h - a VM as the module's file (include/kcoh/ioctl.h): what is asked of one VM goes through it.
 */
#ifndef KCOH_VMFILE_H
#define KCOH_VMFILE_H

#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"
#include "kcoh/ioctl.h"

/*
 * Opens the VM of process `pid` at the module. A file descriptor, or a negative errno with one sentence in `err`:
 * -ESRCH no such process or no VM in it, -ENOTUNIQ several, -EBUSY somebody else has it, -ENOENT no module.
 * What is asked through the file ends when it is closed, but for an epoch that is on, which keeps its strategy.
 */
int kcoh_vmfile_open(uint32_t pid, char *err, size_t err_len);

/* Gives the VM a strategy; hold_ms is 0 but for HOLD. 0 or a negative errno, and a sentence. */
int kcoh_vmfile_strategy(int fd, enum kcoh_strategy strategy, uint32_t hold_ms, char *err,
			 size_t err_len);

/* How many vCPUs the VM has. 0 or a negative errno (-ENODEV: the VM is gone), and a sentence. */
int kcoh_vmfile_vcpus(int fd, uint32_t *ret_vcpus, char *err, size_t err_len);

/* Cleans pages: `range` in and out. 0 or a negative errno (-ENODEV: the VM is gone), and a sentence. */
int kcoh_vmfile_clean(int fd, struct kcoh_vm_range *range, char *err, size_t err_len);

#endif
