// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate.c - the life of a migration: start, rounds, pause, the rest; or cancelled and started again.
 *
 * It is meant to be right in everything but caches. `cached`, a guest that never goes around them, must arrive
 * unharmed in every mode with no module at all; that is what makes corruption of another guest mean something.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vmm/say.h"
#include "draw.h"
#include "migrate.h"

static void harvester_must_init(struct migration *m, unsigned int index, uint64_t seed)
{
	struct harvester *h = &m->harvester[index];
	unsigned int id;

	*h = (struct harvester){ .m = m, .index = index, .random = seed };
	for (id = 0; id < m->vm->config.slots; id++) {
		h->to_send[id] = calloc(1, vm_bitmap_bytes(&m->vm->slots[id]));
		if (!h->to_send[id])
			die("no memory for a bitmap");
	}
	h->scratch = calloc(1, m->ram.pages / 8 + 8);
	if (!h->scratch)
		die("no memory for a bitmap");
}

/* The destination starts out as what guest RAM never is. */
static void destination_forget(struct migration *m)
{
	memset(m->destination, 0xa5, m->ram.pages * m->ram.page_bytes);
}

void migration_must_init(struct migration *m, struct vm *vm, enum mode mode,
			 unsigned int harvesters, uint64_t seed)
{
	unsigned int i;

	m->vm = vm;
	m->mode = mode;
	m->harvesters = harvesters;
	m->random = seed;
	m->chunk_pages = 64u << draw_below(&m->random, harvesters > 1 ? 3 : 4);
	m->last_without_clear = draw_below(&m->random, 2);
	ram_init(&m->ram, vm, sysconf(_SC_PAGESIZE));
	m->destination = mmap(NULL, m->ram.pages * m->ram.page_bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (m->destination == MAP_FAILED)
		die("no memory for the destination");
	for (i = 0; i < harvesters; i++)
		harvester_must_init(m, i, draw(&m->random));
	if (mode == MODE_RING)
		rings_must_map(&m->rings, vm);
}

/* Each harvester sends its chunks of what no harvest returned. */
void migration_resend(struct migration *m, unsigned int slot_id)
{
	uint64_t pages = ram_slot_pages(&m->ram, slot_id), page;

	for (page = 0; page < pages; page++) {
		uint64_t chunk = page / m->chunk_pages;
		struct harvester *h = &m->harvester[chunk % m->harvesters];

		h->to_send[slot_id][page / 64] |= 1ull << page % 64;
	}
}

static void must_log(struct migration *m, bool on)
{
	unsigned int id;
	int error;

	for (id = 0; id < m->vm->config.slots; id++) {
		error = vm_slot_log(m->vm, id, on);
		if (error)
			die("KVM refuses to %s dirty logging of slot %u: %s", on ? "start" : "end",
			    id, strerror(-error));
	}
}

void migration_start(struct migration *m)
{
	unsigned int id;

	destination_forget(m);
	if (!m->epochs++) {
		m->writes_at_start = guest_writes(&m->guest);
		m->fills_at_start = m->cache.fills;
	}
	must_log(m, true);
	if (m->await_taint)
		guard_must_await_taint(&m->guard);
	guard_drain(&m->guard);
	for (id = 0; id < m->vm->config.slots; id++)
		migration_resend(m, id);
}

void migration_cancel(struct migration *m)
{
	unsigned int i, id;

	must_log(m, false);
	guard_drain(&m->guard);
	for (i = 0; i < m->harvesters; i++)
		for (id = 0; id < m->vm->config.slots; id++)
			memset(m->harvester[i].to_send[id], 0, vm_bitmap_bytes(&m->vm->slots[id]));
}

struct part {
	struct harvester *h;
	unsigned int rounds;
	pthread_t thread;
};

static void *part_run(void *arg)
{
	struct part *part = arg;
	unsigned int i;

	for (i = 0; i < part->rounds; i++) {
		migration_round(part->h);
		migration_wait(part->h, 1 + draw_below(&part->h->random, 10));
		speculation_must_pass(part->h->m->speculation);
	}
	return NULL;
}

void migration_rounds(struct migration *m, unsigned int rounds)
{
	struct part part[MAX_HARVESTERS];
	unsigned int i;

	for (i = 0; i < m->harvesters; i++) {
		part[i] = (struct part){ .h = &m->harvester[i], .rounds = rounds };
		if (i && pthread_create(&part[i].thread, NULL, part_run, &part[i]))
			die("cannot start a thread");
	}
	part_run(&part[0]);
	for (i = 1; i < m->harvesters; i++)
		pthread_join(part[i].thread, NULL);
}

void migration_finish(struct migration *m)
{
	unsigned int i;

	vm_stop(m->vm);
	m->paused = true;
	for (i = 0; i < m->harvesters; i++)
		migration_round(&m->harvester[i]);
}
