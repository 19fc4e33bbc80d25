/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clock.h - one of the kernel's clocks, in nanoseconds.
 */
#ifndef KCOH_CLOCK_H
#define KCOH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t kcoh_clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

#endif
