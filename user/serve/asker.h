/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * asker.h - who is at the other end of a connection, by the kernel.
 */
#ifndef KCOH_ASKER_H
#define KCOH_ASKER_H

#include <stdbool.h>
#include <stdint.h>

#include "kcoh/event.h"

struct kcoh_asker {
	bool local; /* on a Unix socket: what follows is known */
	uint32_t uid;
	uint32_t pid; /* 0: a process that kcohd's pid namespace does not see */
	uint64_t start_time; /* of the process, in ticks since boot (/proc/PID/stat); 0: it is gone */
	char comm[KCOH_COMM_LEN]; /* printable, "" if it is gone */
};

/* Who connected the socket `fd`. */
void kcoh_asker_read(int fd, struct kcoh_asker *ret_asker);

#endif
