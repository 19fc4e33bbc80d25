// SPDX-License-Identifier: GPL-2.0-only
/*
 * inventory.c - what a scan tells of one VM.
 *
 * A scan is read for it from its beginning (SCAN done=0) to its end (done=1):
 *
 *   SCAN begin, MEMSLOT 0 found, MEMSLOT 1 found, VCPU 0, VCPU 1, SCAN end     whole
 *   … MEMSLOT 1 found, MEMSLOT 1 deleted …                                     it changed meanwhile: try again
 *   … a record that says that others were lost …                               something may be missing: try again
 *
 * Slots of a walk that the iterator gave up, because the layout moved under it, have an older generation than the others, and are dropped.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean/inventory.h"

void kcoh_inventory_begin(struct kcoh_inventory *inventory, uint32_t vm)
{
	*inventory = (struct kcoh_inventory){ .vm = vm };
}

void kcoh_inventory_release(struct kcoh_inventory *inventory)
{
	free(inventory->slot);
	free(inventory->vcpu);
	*inventory = (struct kcoh_inventory){ .vm = inventory->vm };
}

/* Room for one more behind n; NULL, and told, without memory. */
static void *more(struct kcoh_inventory *inventory, void *array, size_t n, size_t size)
{
	void *grown = n & (n - 1) ? array : realloc(array, (n ? 2 * n : 1) * size);

	if (!grown)
		inventory->lost = true;
	return grown;
}

static void slot_take(struct kcoh_inventory *inventory, const struct kcoh_ev_memslot *ev)
{
	struct kcoh_inventory_slot *slot;

	if (ev->change != KCOH_SLOT_FOUND) {
		inventory->changed = true;
		return;
	}
	slot = more(inventory, inventory->slot, inventory->slots, sizeof(*slot));
	if (!slot)
		return;
	inventory->slot = slot;
	slot[inventory->slots++] = (struct kcoh_inventory_slot){ .gfn = ev->base_gfn,
								 .pages = ev->pages,
								 .hva = ev->hva,
								 .generation = ev->generation,
								 .id = ev->slot_id };
}

/* A vCPU may be told twice; what came last holds. */
static void vcpu_take(struct kcoh_inventory *inventory, const struct kcoh_ev_vcpu *ev)
{
	struct kcoh_inventory_vcpu *vcpu = inventory->vcpu;

	for (size_t i = 0; i < inventory->vcpus; i++) {
		if (vcpu[i].index == ev->hdr.vcpu) {
			vcpu[i].tid = ev->tid;
			return;
		}
	}
	vcpu = more(inventory, vcpu, inventory->vcpus, sizeof(*vcpu));
	if (!vcpu)
		return;
	inventory->vcpu = vcpu;
	vcpu[inventory->vcpus++] =
		(struct kcoh_inventory_vcpu){ .tid = ev->tid, .index = ev->hdr.vcpu };
}

void kcoh_inventory_take(struct kcoh_inventory *inventory, const union kcoh_ev *ev)
{
	if (ev->hdr.type == KCOH_EV_SCAN && !ev->scan.done) { /* what came before says nothing */
		kcoh_inventory_release(inventory);
		return;
	}
	if (ev->hdr.gap)
		inventory->lost = true;
	if (ev->hdr.type == KCOH_EV_SCAN)
		inventory->complete = true;
	if (ev->hdr.vm != inventory->vm)
		return;
	if (ev->hdr.type == KCOH_EV_MEMSLOT)
		slot_take(inventory, &ev->memslot);
	else if (ev->hdr.type == KCOH_EV_VCPU)
		vcpu_take(inventory, &ev->vcpu);
}

static void older_drop(struct kcoh_inventory *inventory)
{
	uint64_t newest = 0;
	size_t kept = 0;

	for (size_t i = 0; i < inventory->slots; i++)
		newest = inventory->slot[i].generation > newest ? inventory->slot[i].generation :
								  newest;
	for (size_t i = 0; i < inventory->slots; i++) {
		if (inventory->slot[i].generation == newest)
			inventory->slot[kept++] = inventory->slot[i];
	}
	inventory->slots = kept;
}

static int by_gfn(const void *a, const void *b)
{
	const struct kcoh_inventory_slot *x = a, *y = b;

	return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

int kcoh_inventory_finish(struct kcoh_inventory *inventory, char *err, size_t err_len)
{
	const char *sentence = NULL;

	if (inventory->lost || !inventory->complete)
		sentence = "kcohd could not read all of its memory layout: try again";
	else if (inventory->changed)
		sentence = "its memory layout is being changed: try again";
	if (sentence) {
		snprintf(err, err_len, "%s", sentence);
		return -EAGAIN;
	}
	if (!inventory->slots) {
		snprintf(err, err_len, "it has no memory");
		return -ENOENT;
	}
	older_drop(inventory);
	qsort(inventory->slot, inventory->slots, sizeof(inventory->slot[0]), by_gfn);
	return 0;
}

bool kcoh_inventory_same(const struct kcoh_inventory *a, const struct kcoh_inventory *b)
{
	if (a->slots != b->slots)
		return false;
	for (size_t i = 0; i < a->slots; i++) {
		const struct kcoh_inventory_slot *x = &a->slot[i], *y = &b->slot[i];

		if (x->id != y->id || x->gfn != y->gfn || x->pages != y->pages || x->hva != y->hva)
			return false;
	}
	return true;
}
