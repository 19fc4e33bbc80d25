/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * process.h - a process that is still the same one: its pid may be another's by now, its start time is not.
 */
#ifndef KCOH_PROCESS_H
#define KCOH_PROCESS_H

#include <stdint.h>

/* When process `pid` began, in ticks since boot (/proc/PID/stat); 0: there is none. */
uint64_t kcoh_process_start_time(uint32_t pid);

#endif
