// SPDX-License-Identifier: GPL-2.0-only
/*
 * scenario.c - the table of what is tried.
 *
 * Each is a run from start to finish. The seed decides how many rounds lie between two events, how much the guest
 * writes meanwhile, and in which of two ways a thing is done that has two.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../vmm/say.h"
#include "draw.h"
#include "scenario.h"

#define SLOT 1 /* the one that comes, goes and moves */
#define ELSEWHERE 0x48000000 /* where it moves to */

static void some_rounds(struct migration *m, unsigned int least)
{
	migration_rounds(m, least + draw_below(&m->random, 2));
}

static void wait_a_little(struct migration *m)
{
	migration_wait(&m->harvester[0], 1 + draw_below(&m->random, 8));
}

static uint64_t guest_edges(struct migration *m)
{
	uint64_t edges;

	pthread_mutex_lock(&m->vm->lock);
	edges = m->guest.edges;
	pthread_mutex_unlock(&m->vm->lock);
	return edges;
}

static uint64_t run_plain(struct migration *m)
{
	migration_start(m);
	some_rounds(m, 4);
	migration_finish(m);
	return 1;
}

static uint64_t run_toggling(struct migration *m)
{
	uint64_t before = guest_edges(m);

	run_plain(m);
	return guest_edges(m) - before;
}

/* Returns the fewest pages that one of two harvesters sent. */
static uint64_t run_two_harvesters(struct migration *m)
{
	uint64_t a, b;

	run_plain(m);
	a = m->harvester[0].sent;
	b = m->harvester[1].sent;
	return a < b ? a : b;
}

static uint64_t run_reset(struct migration *m)
{
	unsigned int times = 2 + draw_below(&m->random, 2), i;

	migration_start(m);
	for (i = 0; i < times; i++) {
		some_rounds(m, 1);
		guest_reset(&m->guest);
		wait_a_little(m);
	}
	some_rounds(m, 1);
	migration_finish(m);
	return m->guest.resets;
}

static void must_slot_set(struct vm *vm, uint64_t ipa, uint32_t flags)
{
	struct vm_slot *slot = &vm->slots[SLOT];
	struct kvm_userspace_memory_region region = {
		.slot = SLOT,
		.flags = flags,
		.guest_phys_addr = ipa,
		.memory_size = vm->config.slot_bytes[SLOT],
		.userspace_addr = (uintptr_t)slot->hva,
	};

	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		die("KVM refuses to set slot %u: %s", SLOT, strerror(errno));
	slot->ipa = ipa;
	slot->bytes = region.memory_size;
	slot->flags = flags;
}

static void must_do(const char *what, int error)
{
	if (error)
		die("KVM refuses to %s slot %u: %s", what, SLOT, strerror(-error));
}

/* Its dirty bitmap went with it, so all of it is sent again. Logged from birth on, or a moment later. */
static void delete_and_add(struct migration *m)
{
	must_do("delete", vm_slot_remove(m->vm, SLOT));
	wait_a_little(m);
	if (draw_below(&m->random, 2))
		migration_round(&m->harvester[0]);
	if (draw_below(&m->random, 2)) {
		must_slot_set(m->vm, m->vm->slots[SLOT].ipa, KVM_MEM_LOG_DIRTY_PAGES);
	} else {
		must_do("add", vm_slot_add(m->vm, SLOT));
		wait_a_little(m);
		must_do("log", vm_slot_log(m->vm, SLOT, true));
	}
	guard_drain(&m->guard);
	migration_resend(m, SLOT);
}

/* The dirty bitmap moves along: nothing is sent but what is in it. */
static void move(struct migration *m, uint64_t ipa)
{
	guard_drain(&m->guard); /* names pages by where the slot was */
	must_slot_set(m->vm, ipa, m->vm->slots[SLOT].flags);
	guest_move(&m->guest, SLOT, ipa);
	wait_a_little(m);
}

static uint64_t run_slots(struct migration *m)
{
	uint64_t home = m->vm->slots[SLOT].ipa;

	migration_start(m);
	some_rounds(m, 1);
	delete_and_add(m);
	some_rounds(m, 1);
	move(m, ELSEWHERE);
	some_rounds(m, 1);
	if (draw_below(&m->random, 2))
		delete_and_add(m);
	move(m, home);
	some_rounds(m, 1);
	migration_finish(m);
	return 1;
}

static uint64_t run_cancelled(struct migration *m)
{
	unsigned int times = 1 + draw_below(&m->random, 2), i;

	for (i = 0; i < times; i++) {
		migration_start(m);
		migration_rounds(m, draw_below(&m->random, 3));
		migration_sync(&m->harvester[0]);
		migration_cancel(m);
		wait_a_little(m);
	}
	migration_start(m);
	some_rounds(m, 2);
	migration_finish(m);
	return m->epochs - 1;
}

#define ALL(flavour) .flavours = { flavour, flavour, flavour, flavour }
#define MIXED(flavour) .flavours = { STORM_OFF, flavour }
#define ONE .vcpus = 1, .harvesters = 1
#define TWO .vcpus = 2, .harvesters = 1

const struct scenario scenarios[] = {
	{ "cached", "control: a guest that never goes around the caches", ALL(STORM_CACHED), TWO,
	  .coherent = true, .run = run_plain },
	{ "off", "MMU off for ever", ALL(STORM_OFF), ONE, .run = run_plain },
	{ "toggle", "MMU and caches off and on", ALL(STORM_TOGGLE), ONE, .run = run_toggling },
	{ "nc", "MMU on, RAM mapped Non-cacheable", ALL(STORM_NC), ONE, .unseen = true,
	  .run = run_plain },
	{ "four", "4 vCPUs, each toggling for itself while the others write", ALL(STORM_TOGGLE),
	  .vcpus = 4, .harvesters = 1, .run = run_toggling },
	{ "reset", "KVM_ARM_VCPU_INIT mid-epoch", MIXED(STORM_TOGGLE), TWO, .run = run_reset },
	{ "slots", "a memslot deleted, added again and moved mid-epoch", MIXED(STORM_NC), TWO,
	  .long_burst = 256, .run = run_slots },
	{ "cancel", "cancelled, and started again", ALL(STORM_TOGGLE), ONE, .run = run_cancelled },
	{ "harvesters", "two threads harvest the same slots at once", MIXED(STORM_TOGGLE),
	  .vcpus = 2, .harvesters = 2, .run = run_two_harvesters },
	{ "thp", "transparent huge pages", ALL(STORM_OFF), ONE, .backing = BACKING_THP,
	  .run = run_plain },
	{ "hugetlb", "huge pages of hugetlbfs", ALL(STORM_OFF), ONE, .backing = BACKING_HUGETLB,
	  .run = run_plain },
};

const unsigned int scenarios_n = sizeof(scenarios) / sizeof(scenarios[0]);

const struct scenario *scenario_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < scenarios_n; i++)
		if (!strcmp(scenarios[i].name, name))
			return &scenarios[i];
	return NULL;
}
