// SPDX-License-Identifier: GPL-2.0-only
/*
 * harvest.c - one harvester: take dirty pages from KVM, send them.
 *
 *   auto          GET returns pages and protects them; they are sent at leisure
 *   manual        GET only looks. Before a chunk is sent, CLEAR protects those of its pages that are to be sent; in
 *                 the pause perhaps not, since nobody writes any more (QEMU up to 10.1 does, later ones do not)
 *   manual-init   the same, but a page never sent passes a CLEAR, too
 *   ring          entries are taken and reset, which protects them; at the pause GET, too, for what is not a vCPU's
 *                 write (the module marks a page so that it could not clean)
 *
 * In each the order is: protect, (the module cleans before the ioctl is back here), tell the cache what the journal has,
 * read through the cache. With two harvesters and a bitmap that stays (manual), each has the chunks whose number has
 * its parity; with GET that takes (auto) whoever gets a page has it; each ring belongs to one of them.
 */
#include <errno.h>
#include <string.h>

#include "../vmm/say.h"
#include "draw.h"
#include "migrate.h"

static bool is_manual(const struct migration *m)
{
	return m->mode == MODE_MANUAL || m->mode == MODE_MANUAL_INIT;
}

static bool is_mine(const struct harvester *h, uint64_t first_page)
{
	return first_page / h->m->chunk_pages % h->m->harvesters == h->index;
}

static uint64_t my_rings(const struct harvester *h)
{
	uint64_t rings = 0;
	unsigned int i;

	for (i = h->index; i < h->m->vm->config.vcpus; i += h->m->harvesters)
		rings |= 1ull << i;
	return rings;
}

/* Now and then everything that is about to be harvested is fetched the moment before. */
static void maybe_prefetch(struct harvester *h, unsigned int slot_id, uint64_t first, uint64_t n)
{
	struct migration *m = h->m;

	if (draw_below(&h->random, 4))
		return;
	for (; n; n--)
		cache_prefetch(&m->cache, m->ram.first[slot_id] + first++);
}

static void sync_bitmap(struct harvester *h, struct vm_slot *slot)
{
	struct migration *m = h->m;
	uint64_t words = vm_bitmap_bytes(slot) / 8, i, dirty;
	bool takes = !is_manual(m);
	int error;

	if (takes)
		maybe_prefetch(h, slot->id, 0, ram_slot_pages(&m->ram, slot->id));
	error = vm_dirty_get(m->vm, slot->id, h->scratch, &dirty);
	if (error)
		die("KVM_GET_DIRTY_LOG of slot %u: %s", slot->id, strerror(-error));
	h->harvests += takes;
	for (i = 0; i < words; i++)
		if (takes || is_mine(h, i * 64))
			h->to_send[slot->id][i] |= h->scratch[i];
}

static void ring_entry(unsigned int slot_id, uint64_t page, void *ctx)
{
	struct harvester *h = ctx;

	if (slot_id >= h->m->vm->config.slots || page >= ram_slot_pages(&h->m->ram, slot_id))
		die("a dirty ring names page %llu of slot %u, which there is not",
		    (unsigned long long)page, slot_id);
	h->to_send[slot_id][page / 64] |= 1ull << page % 64;
}

static void sync_bitmaps(struct harvester *h)
{
	struct vm *vm = h->m->vm;
	unsigned int id;

	for (id = 0; id < vm->config.slots; id++)
		if (vm->slots[id].flags & KVM_MEM_LOG_DIRTY_PAGES)
			sync_bitmap(h, &vm->slots[id]);
}

static void sync_rings(struct harvester *h)
{
	struct migration *m = h->m;

	h->harvests += rings_must_harvest(&m->rings, my_rings(h), ring_entry, h) > 0;
	guest_rings_reset(&m->guest, my_rings(h));
}

void migration_sync(struct harvester *h)
{
	struct migration *m = h->m;

	if (m->mode == MODE_RING)
		sync_rings(h);
	if (m->mode != MODE_RING || m->paused)
		sync_bitmaps(h);
	guard_drain(&m->guard);
}

static void clear_chunk(struct harvester *h, unsigned int slot_id, uint64_t first, uint64_t n)
{
	struct migration *m = h->m;
	int error;

	maybe_prefetch(h, slot_id, first, n);
	error = vm_dirty_clear(m->vm, slot_id, h->to_send[slot_id] + first / 64, first, n);
	if (error)
		die("KVM_CLEAR_DIRTY_LOG of slot %u, page %llu: %s", slot_id,
		    (unsigned long long)first, strerror(-error));
	h->harvests++;
	guard_drain(&m->guard);
}

static void send_word(struct harvester *h, unsigned int slot_id, uint64_t first)
{
	struct migration *m = h->m;
	uint64_t *word = &h->to_send[slot_id][first / 64];

	for (; *word; *word &= *word - 1) {
		uint32_t page = m->ram.first[slot_id] + first + __builtin_ctzll(*word);

		cache_read(&m->cache, page, m->destination + page * m->ram.page_bytes);
		h->sent++;
	}
}

static bool any(const uint64_t *words, uint64_t n)
{
	while (n)
		if (words[--n])
			return true;
	return false;
}

static void send_slot(struct harvester *h, unsigned int slot_id)
{
	struct migration *m = h->m;
	uint64_t pages = ram_slot_pages(&m->ram, slot_id), first, n, i;

	for (first = 0; first < pages; first += n) {
		n = pages - first < m->chunk_pages ? pages - first : m->chunk_pages;
		if (!any(h->to_send[slot_id] + first / 64, (n + 63) / 64))
			continue;
		if (is_manual(m) && !(m->paused && m->last_without_clear))
			clear_chunk(h, slot_id, first, n);
		for (i = 0; i < n; i += 64)
			send_word(h, slot_id, first + i);
	}
}

void migration_round(struct harvester *h)
{
	unsigned int id;

	migration_sync(h);
	for (id = 0; id < h->m->vm->config.slots; id++)
		if (h->m->vm->slots[id].flags & KVM_MEM_LOG_DIRTY_PAGES)
			send_slot(h, id);
}

void migration_wait(struct harvester *h, uint64_t bursts)
{
	while (guest_must_wait(&h->m->guest, bursts, my_rings(h)) == GUEST_RING_FULL)
		migration_sync(h);
}
