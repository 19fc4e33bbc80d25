/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ram.h - guest RAM as one array of host pages, numbered through all slots, wherever in the guest a slot lies just now.
 */
#ifndef KCOH_LAB_RAM_H
#define KCOH_LAB_RAM_H

#include "../vmm/vm.h"

struct ram {
	struct vm *vm;
	size_t page_bytes;
	uint32_t pages;
	uint32_t first[VM_MAX_SLOTS + 1]; /* number of each slot's first page; the end */
};

static inline void ram_init(struct ram *ram, struct vm *vm, size_t page_bytes)
{
	unsigned int id;

	ram->vm = vm;
	ram->page_bytes = page_bytes;
	for (id = 0; id < vm->config.slots; id++) {
		ram->first[id] = ram->pages;
		ram->pages += vm->config.slot_bytes[id] / page_bytes;
	}
	ram->first[id] = ram->pages;
}

static inline uint32_t ram_slot_pages(const struct ram *ram, unsigned int id)
{
	return ram->first[id + 1] - ram->first[id];
}

static inline unsigned int ram_slot_of(const struct ram *ram, uint32_t page)
{
	unsigned int id = 0;

	while (page >= ram->first[id + 1])
		id++;
	return id;
}

/* Memory itself: what the guest wrote, seen through no cache of ours. */
static inline char *ram_memory(const struct ram *ram, uint32_t page)
{
	unsigned int id = ram_slot_of(ram, page);

	return (char *)ram->vm->slots[id].hva + (page - ram->first[id]) * ram->page_bytes;
}

#endif
