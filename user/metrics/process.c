// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - what Prometheus' client libraries tell of a process, of ourselves.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "metrics/metrics.h"

#define NS 1000000000ull

static uint64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n > 3 ? n - 3 : 0; /* ".", ".." and the directory's own */
}

/* Fields 22 (start, ticks since boot) and 24 (resident pages) of /proc/self/stat; field 2 may hold anything but a ')'. */
static int stat_read(uint64_t *ret_start_ticks, uint64_t *ret_pages)
{
	char line[1024] = "";
	FILE *file = fopen("/proc/self/stat", "re");
	unsigned long long start, pages;
	const char *rest;

	if (!file)
		return -errno;
	rest = fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
	fclose(file);
	if (!rest || sscanf(rest,
			    ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
			    "%*s %*s %*s %llu %*s %llu",
			    &start, &pages) != 2)
		return -EPROTO;
	*ret_start_ticks = start;
	*ret_pages = pages;
	return 0;
}

int kcoh_metrics_process_read(struct kcoh_metrics_process *ret_process)
{
	uint64_t ticks, pages;
	int err = stat_read(&ticks, &pages);

	if (err < 0)
		return err;
	*ret_process = (struct kcoh_metrics_process){
		.cpu_ns = kcoh_clock_ns(CLOCK_PROCESS_CPUTIME_ID),
		.resident_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE),
		.open_fds = open_fds(),
		.start_ns = kcoh_clock_ns(CLOCK_REALTIME) - kcoh_clock_ns(CLOCK_BOOTTIME) +
			    ticks * (NS / (uint64_t)sysconf(_SC_CLK_TCK)),
	};
	return 0;
}
