// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapping.c - the hooks on what userspace maps for devices, attached once somebody can.
 *
 * The problem: a host without VFIO and iommufd maps nothing for virtual machines, and a dozen hooks on
 * the mapping of memory for its own drivers' DMA would show nothing and cost something there. So they
 * wait: when /sys/class/vfio or /sys/class/misc/iommu appears, they are attached within a second.
 *
 * A device that a VM took before has its tables told by the next look at its files, with what was mapped
 * until then missing. Once attached they stay.
 */
#include <unistd.h>

#include "internal.h"

#define LOOK_NS 1000000000ull

bool kcoh_feed_maps_devices(void)
{
	return access("/sys/class/vfio", F_OK) == 0 || access("/sys/class/misc/iommu", F_OK) == 0;
}

void kcoh_feed_mapping_poll(struct kcoh_feed *feed, uint64_t now_ns)
{
	if (feed->mapping_attached || now_ns - feed->mapping_ns < LOOK_NS)
		return;
	feed->mapping_ns = now_ns;
	if (!kcoh_feed_maps_devices())
		return;
	feed->mapping_attached =
		true; /* as far as this kernel has them: each says what became of it */
	for (size_t i = 0; i < kcoh_hooks_count; i++) {
		if (kcoh_hooks[i].kind == KCOH_HOOK_MAPPING)
			kcoh_hook_attach(&kcoh_hooks[i], &feed->hooks[i], feed->obj);
	}
}
