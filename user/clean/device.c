// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - which of a process's mappings are a device's, not RAM.
 *
 * The module says of a page that it was not cleaned, not whether it could have been: the registers of a passed-through device are a memslot,
 * too, and must never be cleaned. What such a mapping is of tells them apart:
 *
 *   ffff80000000-ffff80100000 rw-s 00000000 00:0c 12 /dev/vfio/7             a character device
 *   ffff80200000-ffff80300000 rw-s 00000000 00:0d 34 anon_inode:[vfio-device]
 *   ffff80400000-ffff80500000 rw-s 00000000 00:15 56 /sys/bus/pci/devices/0000:00:01.0/resource0
 *
 * What is not known here counts as RAM, so that a page which could not be cleaned is never called something else.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "clean/device.h"

/* /proc/PID/map_files/START-END leads to the very file, in whatever file system the process sees. */
static bool is_character(const char *proc, uint32_t pid, const struct kcoh_device_range *range)
{
	char path[256];
	struct stat file;

	snprintf(path, sizeof(path), "%s/%u/map_files/%" PRIx64 "-%" PRIx64, proc, pid,
		 range->start, range->end);
	return stat(path, &file) == 0 && S_ISCHR(file.st_mode);
}

static bool is_device(const char *proc, uint32_t pid, const struct kcoh_device_range *range,
		      const char *name)
{
	if (!strncmp(name, "anon_inode:[vfio", strlen("anon_inode:[vfio")))
		return true;
	if (!strncmp(name, "/sys/", strlen("/sys/")))
		return true;
	return *name == '/' && is_character(proc, pid, range);
}

static int line_take(const char *proc, uint32_t pid, const char *line, struct kcoh_device_map *map)
{
	struct kcoh_device_range range, *grown;
	char name[256] = "";

	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %255[^\n]", &range.start,
		   &range.end, name) < 2 ||
	    !is_device(proc, pid, &range, name))
		return 0;
	grown = realloc(map->range, (map->ranges + 1) * sizeof(range));
	if (!grown)
		return -ENOMEM;
	map->range = grown;
	grown[map->ranges++] = range;
	return 0;
}

int kcoh_device_map_read(const char *proc, uint32_t pid, struct kcoh_device_map *ret_map)
{
	char path[256], *line = NULL;
	size_t size = 0;
	FILE *file;
	int err = 0;

	*ret_map = (struct kcoh_device_map){ 0 };
	snprintf(path, sizeof(path), "%s/%u/maps", proc, pid);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	while (err == 0 && getline(&line, &size, file) > 0)
		err = line_take(proc, pid, line, ret_map);
	free(line);
	fclose(file);
	return err;
}

void kcoh_device_map_release(struct kcoh_device_map *map)
{
	free(map->range);
	*map = (struct kcoh_device_map){ 0 };
}

uint64_t kcoh_device_map_bytes(const struct kcoh_device_map *map, uint64_t start, uint64_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < map->ranges; i++) {
		uint64_t from = map->range[i].start > start ? map->range[i].start : start;
		uint64_t to = map->range[i].end < start + bytes ? map->range[i].end : start + bytes;

		sum += to > from ? to - from : 0;
	}
	return sum;
}
