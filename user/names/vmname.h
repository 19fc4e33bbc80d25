/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmname.h - a VM's name and UUID, from the command line of the process that runs it.
 */
#ifndef KCOH_VMNAME_H
#define KCOH_VMNAME_H

#include <stddef.h>
#include <stdint.h>

#include "names/roster.h"

struct kcoh_vmname {
	char *name; /* NULL if the command line has none; to be freed */
	char uuid[KCOH_UUID_LEN]; /* or empty */
};

/* Reads arguments that end in NUL, as /proc/PID/cmdline has them. */
void kcoh_vmname_parse(const char *cmdline, size_t len, struct kcoh_vmname *ret_name);

/* The same of a process: `proc` is where procfs is. -ESRCH if there is no such process. */
int kcoh_vmname_read(const char *proc, uint32_t pid, struct kcoh_vmname *ret_name);

#endif
