// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - one page: DRAM, a line of the cache before it, the write-protection and the dirty bit behind it.
 *
 *   guest writes 7 around the cache   memory 7, a line that is there keeps 5: stale
 *   the host reads                    5 if the line is there; else 7, and the line is taken in
 *   DC CIVAC                          a dirty line goes to memory; then there is no line
 *
 * On a host with S2FWB every access goes through the cache.
 */
#include "world.h"

static void guest_store(const struct world *world, struct page *page, bool cached, uint32_t value)
{
	if (world->fwb || cached) {
		page->cached = value;
		page->line = LINE_DIRTY;
	} else {
		page->memory = value;
	}
}

void page_write(const struct world *world, const struct vm *vm, struct slot *slot,
		struct page *page, const struct vcpu *vcpu, uint32_t value)
{
	bool cached = vcpu->cached && !page->nc;

	if (page->protected && !page->tlb) { /* a fault */
		page->protected = false;
		page->dirty = slot->flags & KCOH_SLOT_LOG_DIRTY;
	}
	guest_store(world, page, cached, value);
	page->last = value;
	page->last_ns = world->now_ns;
	page->how = cached ? HOW_CACHED : vcpu->cached ? HOW_NC : HOW_MMU_OFF;
	say(world, "vm %u guest writes slot %u page %ld := %u %s%s%s", vm->id, slot->id,
	    (long)(page - slot->page), value, cached ? "cached" : "around",
	    page->tlb ? ", old TLB entry" : "",
	    !cached && page->line ? ", over a cached line" : "");
}

uint32_t page_host_read(struct page *page)
{
	if (page->line == LINE_NONE) {
		page->cached = page->memory;
		page->line = LINE_CLEAN;
	}
	return page->cached;
}

void page_clean(struct page *page)
{
	if (page->line == LINE_DIRTY)
		page->memory = page->cached;
	page->line = LINE_NONE;
}

void vm_clean(struct vm *vm)
{
	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		for (uint32_t p = 0; p < MAX_PAGES; p++)
			page_clean(&vm->slot[s].page[p]);
	}
}

/* The cache does something of its own: takes a line in, or drops one. */
void cache_step(struct world *world, struct vm *vm)
{
	struct slot *slot = some_slot(world, vm);
	struct page *page;

	if (!slot)
		return;
	page = &slot->page[draw(world->tape, slot->pages)];
	if (page->line == LINE_NONE && !chance(world->tape, 2))
		page_host_read(page);
	else if (page->line && chance(world->tape, 3))
		page_clean(page);
}
