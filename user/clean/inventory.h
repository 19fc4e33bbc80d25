/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * inventory.h - what a scan tells of one VM: where its memory is, and which threads run its vCPUs.
 */
#ifndef KCOH_INVENTORY_H
#define KCOH_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"

struct kcoh_inventory_slot {
	uint64_t gfn, pages, hva;
	uint64_t generation;
	uint32_t id;
};

struct kcoh_inventory_vcpu {
	uint32_t tid; /* of the thread that ran it last; 0: none ever did */
	uint16_t index;
};

struct kcoh_inventory {
	uint32_t vm;
	struct kcoh_inventory_slot *slot; /* after finish(): by gfn */
	size_t slots;
	struct kcoh_inventory_vcpu *vcpu;
	size_t vcpus;
	bool complete; /* the scan came to its end */
	bool lost; /* records are missing, or there was no memory to note one */
	bool changed; /* a memslot changed meanwhile */
};

/* Empty; to be filled by a scan of which it sees every record, also those that are not about this VM. */
void kcoh_inventory_begin(struct kcoh_inventory *inventory, uint32_t vm);
void kcoh_inventory_take(struct kcoh_inventory *inventory, const union kcoh_ev *ev);

/* 0 if it is whole; else -EAGAIN (another scan may be luckier) or -ENOENT (no memory there), and a sentence. */
int kcoh_inventory_finish(struct kcoh_inventory *inventory, char *err, size_t err_len);

/* The same memory at the same place? Both finished. */
bool kcoh_inventory_same(const struct kcoh_inventory *a, const struct kcoh_inventory *b);

/* May be called more than once. */
void kcoh_inventory_release(struct kcoh_inventory *inventory);

#endif
