// SPDX-License-Identifier: GPL-2.0-only
/*
 * unmap.c - what followed when a VM's stage 2 was unmapped.
 *
 * bpf/reset.bpf.c counts the faults of a VM from the unmapping on, and goes on until somebody stops it. Here it is
 * stopped, 5 s after the last unmapping, and its sums become a record:
 *
 *   { .kind = FOLLOWED, .unmaps = 2, .ns = 192100, .faults = 300, .bytes = 1228800, .fault_ns = 2400000, .span_ns = … }
 *
 * Why 5 s: a guest's firmware and early kernel, which run with the MMU off, are over by then. Faults come later, too, but
 * a page that a guest touches first after a minute would also not have been worth cleaning at once.
 *
 * Cost: a comparison while no VM is watched; else a look at the table twice a second. Limit: a VM that is gone in the
 * meantime gets no such record.
 */
#include "unmap.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "../../bpf/maps.h"

#define FOLLOW_NS 5000000000ull
#define LOOK_NS 500000000ull

struct kcoh_feed_unmap {
	int fd;
	uint64_t *watched; /* mapped: VMs in the table */
	uint64_t last_ns;
};

int kcoh_feed_unmap_new(const struct bpf_object *obj, struct kcoh_feed_unmap **ret_unmap)
{
	struct kcoh_feed_unmap *unmap = calloc(1, sizeof(*unmap));
	int fd = bpf_object__find_map_fd_by_name(obj, "kcoh_unmapped");
	void *memory;

	if (!unmap)
		return -ENOMEM;
	unmap->fd = bpf_object__find_map_fd_by_name(obj, "kcoh_unmaps");
	memory = mmap(NULL, sizeof(*unmap->watched), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		free(unmap);
		return -errno;
	}
	unmap->watched = memory;
	*ret_unmap = unmap;
	return 0;
}

void kcoh_feed_unmap_free(struct kcoh_feed_unmap *unmap)
{
	if (!unmap)
		return;
	munmap(unmap->watched, sizeof(*unmap->watched));
	free(unmap);
}

static void tell(uint32_t vm, const struct kcoh_unmap *sums, uint64_t now_ns, kcoh_feed_fn fn,
		 void *ctx)
{
	const struct kcoh_ev_unmap ev = {
		.hdr = { .ts_ns = now_ns,
			 .vm = vm,
			 .vcpu = KCOH_VCPU_NONE,
			 .type = KCOH_EV_UNMAP,
			 .size = sizeof(ev) },
		.ns = sums->ns,
		.faults = sums->faults,
		.fault_ns = sums->fault_ns,
		.bytes = sums->bytes,
		.span_ns = now_ns - sums->first_ns,
		.unmaps = (uint32_t)sums->unmaps,
		.kind = KCOH_UNMAP_FOLLOWED,
	};

	fn(&ev.hdr, sizeof(ev), ctx);
}

/* The first VM whose time is over; false: none. */
static bool find_due(const struct kcoh_feed_unmap *unmap, uint64_t now_ns, uint32_t *ret_vm,
		     struct kcoh_unmap *ret_sums)
{
	uint32_t *last = NULL;

	for (; !bpf_map_get_next_key(unmap->fd, last, ret_vm); last = ret_vm)
		if (!bpf_map_lookup_elem(unmap->fd, ret_vm, ret_sums) &&
		    now_ns - ret_sums->last_ns >= FOLLOW_NS && now_ns > ret_sums->last_ns)
			return true;
	return false;
}

int kcoh_feed_unmap_poll(struct kcoh_feed_unmap *unmap, uint64_t now_ns, kcoh_feed_fn fn, void *ctx)
{
	struct kcoh_unmap sums;
	uint32_t vm;
	int n = 0;

	if (!__atomic_load_n(unmap->watched, __ATOMIC_RELAXED) || now_ns - unmap->last_ns < LOOK_NS)
		return 0;
	unmap->last_ns = now_ns;
	while (find_due(unmap, now_ns, &vm, &sums)) {
		if (bpf_map_delete_elem(unmap->fd, &vm))
			break;
		__atomic_sub_fetch(unmap->watched, 1, __ATOMIC_RELAXED);
		if (sums.unmaps)
			tell(vm, &sums, now_ns, fn, ctx);
		n++;
	}
	return n;
}
