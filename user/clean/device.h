/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * device.h - which of a process's mappings are a device's, not RAM.
 */
#ifndef KCOH_DEVICE_H
#define KCOH_DEVICE_H

#include <stddef.h>
#include <stdint.h>

struct kcoh_device_range {
	uint64_t start, end; /* virtual addresses */
};

struct kcoh_device_map {
	struct kcoh_device_range *range;
	size_t ranges;
};

/* Reads PROC/PID/maps (proc: "/proc"). 0 or a negative errno; *ret_map is to be released either way. */
int kcoh_device_map_read(const char *proc, uint32_t pid, struct kcoh_device_map *ret_map);
void kcoh_device_map_release(struct kcoh_device_map *map);

/* How many bytes of [start, start + bytes) are a device's. */
uint64_t kcoh_device_map_bytes(const struct kcoh_device_map *map, uint64_t start, uint64_t bytes);

#endif
