// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - harvest of dirty rings.
 *
 * KVM_RESET_DIRTY_RINGS takes back whatever entries of the whole VM are marked, no matter who marked them. Two
 * harvesters that mark at the same time therefore reset (and have cleaned) each other's pages, and one could read a page
 * that the other's ioctl has not cleaned yet. QEMU takes its big lock around both; KVM's API does not ask for it, so here
 * there is none.
 */
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vmm/say.h"
#include "ring.h"

/* arm64's, from Linux 6.2 on; older headers say 0, which is 'no ring' (Documentation/virt/kvm/api.rst). */
#define RING_PAGE_OFFSET 64

bool rings_exist(int kvm_fd)
{
	return ioctl(kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING_ACQ_REL) >= RING_BYTES &&
	       ioctl(kvm_fd, KVM_CHECK_EXTENSION, VM_CAP_DIRTY_LOG_RING_WITH_BITMAP) > 0;
}

void rings_must_map(struct rings *rings, struct vm *vm)
{
	off_t at = RING_PAGE_OFFSET * sysconf(_SC_PAGESIZE);
	unsigned int i;

	rings->vm = vm;
	for (i = 0; i < vm->config.vcpus; i++) {
		rings->of[i].entry = mmap(NULL, vm->config.ring_bytes, PROT_READ | PROT_WRITE,
					  MAP_SHARED, vm->vcpus[i].fd, at);
		if (rings->of[i].entry == MAP_FAILED)
			die("cannot map the dirty ring of vCPU %u: %s", i, strerror(errno));
	}
}

/* The ring's entries one after the other, each handed back as one to be reset. */
static uint64_t ring_take(struct rings *rings, unsigned int i,
			  void (*fn)(unsigned int slot_id, uint64_t page, void *ctx), void *ctx)
{
	uint32_t entries = rings->vm->config.ring_bytes / sizeof(*rings->of[i].entry);
	uint64_t taken = 0;

	for (;;) {
		struct kvm_dirty_gfn *entry = &rings->of[i].entry[rings->of[i].next % entries];

		if (!(__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) & KVM_DIRTY_GFN_F_DIRTY))
			return taken;
		fn(entry->slot & 0xffff, entry->offset, ctx);
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		rings->of[i].next++;
		taken++;
	}
}

static void must_reset(struct rings *rings)
{
	int done;

	do
		done = ioctl(rings->vm->fd, KVM_RESET_DIRTY_RINGS, 0);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		die("cannot reset the dirty rings: %s", strerror(errno));
}

uint64_t rings_must_harvest(struct rings *rings, uint64_t which,
			    void (*fn)(unsigned int slot_id, uint64_t page, void *ctx), void *ctx)
{
	uint64_t taken = 0;
	unsigned int i;

	for (i = 0; i < rings->vm->config.vcpus; i++)
		if (which >> i & 1)
			taken += ring_take(rings, i, fn, ctx);
	if (taken)
		must_reset(rings);
	return taken;
}
