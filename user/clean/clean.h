/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clean.h - one job: clean all RAM of a VM that stands still, so that what the host then reads of it is what the guest wrote.
 */
#ifndef KCOH_CLEAN_H
#define KCOH_CLEAN_H

#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "clean/inventory.h"
#include "kcoh/ioctl.h"

struct kcoh_clean; /* opaque */

/* All of it is of pages of the host's size, but for the last two. */
struct kcoh_clean_result {
	uint32_t slots; /* memslots */
	uint64_t pages; /* in them: the sum of what follows */
	uint64_t cleaned;
	uint64_t absent; /* not populated: nothing to clean */
	uint64_t no_ram; /* a device's */
	uint64_t unclean; /* could not be cleaned: what is read of them may be stale */
	uint64_t ns; /* from the first look at the vCPUs to the last */
	char run_state
		[32]; /* QEMU's word for the VM's state ("paused"); "": QEMU was not asked, or did not answer in time */
};

struct kcoh_clean_config {
	sd_event *event;
	uint32_t vm, pid;
	uint32_t page_size; /* bytes */
	const char *proc; /* "/proc" */
	const char *qmp; /* path of the VM's QMP socket; NULL: QEMU is not asked */
	uint64_t qmp_ns; /* how long to wait for it; 0: 2 s */
	/* Fills an inventory that was begun, but does not finish it. 0, or a negative errno and a sentence. */
	int (*scan)(void *ctx, struct kcoh_inventory *inventory, char *err, size_t err_len);
	/* How many vCPUs the VM has, by who knows best. 0, or a negative errno and a sentence. */
	int (*vcpus)(void *ctx, uint32_t *ret_vcpus, char *err, size_t err_len);
	/* Exits from the guest so far, of all vCPUs. 0, or a negative errno: they are not counted. */
	int (*exits)(void *ctx, uint64_t *ret_exits);
	/* KCOH_VM_CLEAN. 0, or a negative errno and a sentence. */
	int (*clean)(void *ctx, struct kcoh_vm_range *range, char *err, size_t err_len);
	/*
	 * The end, once: 0 and a result (only then), or a negative errno: -EBUSY the VM runs, or ran meanwhile, -ESTALE its memory layout
	 * changed meanwhile, or what the callbacks gave; and one sentence either way. The job is still to be freed, also from here.
	 */
	void (*done)(void *ctx, int result, const struct kcoh_clean_result *ret_result,
		     const char *sentence);
	void *ctx;
};

/* Callbacks come from the loop, never from inside of this call. -ENOMEM or another errno of the loop's. */
int kcoh_clean_start(const struct kcoh_clean_config *config, struct kcoh_clean **ret_job);

/* Gives up if it is not over. Not from inside of a callback other than done. NULL is allowed. */
void kcoh_clean_free(struct kcoh_clean *job);

#endif
