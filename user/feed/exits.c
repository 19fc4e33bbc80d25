// SPDX-License-Identifier: GPL-2.0-only
/*
 * exits.c - from the counters of slots to what a VM or a vCPU did.
 *
 * The kernel counts while we read: two counters of one exit may be one apart. So what is a difference
 * of counters never goes below 0, and data aborts are read before what explains them: an abort whose
 * MMIO is not accounted for yet counts as a fault on a memslot until it is.
 */
#include "exits.h"

#include <errno.h>
#include <string.h>

#include "internal.h"

_Static_assert(KCOH_EXIT_KINDS == KCOH_EXIT_CLASSES, "bpf/maps.h and feed.h disagree");
_Static_assert(KCOH_SYSREG_GROUPS == KCOH_EXIT_SYSREGS, "bpf/maps.h and feed.h disagree");
_Static_assert(KCOH_CALL_GROUPS == KCOH_EXIT_CALLS, "bpf/maps.h and feed.h disagree");
_Static_assert(KCOH_TIME_ROWS == KCOH_EXIT_TIMES, "bpf/maps.h and feed.h disagree");
_Static_assert(KCOH_TIME_BUCKETS == KCOH_EXIT_BUCKETS, "bpf/maps.h and feed.h disagree");

#define DABT_LOW 0x24

static uint64_t load(const volatile __u64 *counter)
{
	return *counter;
}

static void add(uint64_t *sums, const __u64 *counters, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sums[i] += load(&counters[i]);
}

static uint64_t minus(uint64_t all, uint64_t some)
{
	return all > some ? all - some : 0;
}

/* Order as in names.c. */
static void add_aborts(uint64_t *sums, const struct kcoh_exits *exits)
{
	uint64_t all = load(&exits->count[DABT_LOW]);
	uint64_t writes = load(&exits->abort[KCOH_ABORT_WRITE]);
	uint64_t user_reads = load(&exits->abort[KCOH_ABORT_USER_READ]);
	uint64_t user_writes = load(&exits->abort[KCOH_ABORT_USER_WRITE]);
	uint64_t kernel_reads = load(&exits->abort[KCOH_ABORT_KERNEL_READ]);
	uint64_t kernel_writes = load(&exits->abort[KCOH_ABORT_KERNEL_WRITE]);

	sums[0] += minus(minus(all, writes), user_reads + kernel_reads);
	sums[1] += minus(writes, user_writes + kernel_writes);
	sums[2] += user_reads;
	sums[3] += user_writes;
	sums[4] += kernel_reads;
	sums[5] += kernel_writes;
}

static void add_slot(struct kcoh_exit_counts *counts, const struct kcoh_exits *exits)
{
	add_aborts(counts->aborts, exits);
	add(counts->classes, exits->count, KCOH_EXIT_CLASSES);
	add(counts->sysregs, exits->sysreg, KCOH_EXIT_SYSREGS);
	add(counts->calls, exits->call, KCOH_EXIT_CALLS);
	add(counts->times[0], exits->time, KCOH_EXIT_TIMES * KCOH_EXIT_BUCKETS);
}

int kcoh_exit_table_sum(const struct kcoh_exit_table *table, uint32_t vm, uint16_t vcpu,
			struct kcoh_exit_counts *ret_counts)
{
	int found = 0;

	memset(ret_counts, 0, sizeof(*ret_counts));
	if (vm == KCOH_VM_NONE) {
		add(ret_counts->classes, table->exits[0].count, KCOH_EXIT_CLASSES);
		return 0;
	}
	for (uint32_t slot = 1; slot < table->slots; slot++) {
		uint64_t owner = __atomic_load_n(&table->owners[slot], __ATOMIC_RELAXED);

		if (owner >> 32 != vm || (vcpu != KCOH_VCPU_NONE && (uint32_t)owner != vcpu))
			continue;
		add_slot(ret_counts, &table->exits[slot]);
		found++;
	}
	return found ? 0 : -ENOENT;
}

uint32_t kcoh_exit_table_used(const struct kcoh_exit_table *table)
{
	uint32_t used = 0;

	for (uint32_t slot = 1; slot < table->slots; slot++)
		used += __atomic_load_n(&table->owners[slot], __ATOMIC_RELAXED) != 0;
	return used;
}

int kcoh_feed_exits(struct kcoh_feed *feed, uint32_t vm, uint16_t vcpu,
		    struct kcoh_exit_counts *ret_counts)
{
	return kcoh_exit_table_sum(&feed->exits, vm, vcpu, ret_counts);
}

void kcoh_feed_exit_vcpus(const struct kcoh_feed *feed, uint32_t *ret_used, uint32_t *ret_max)
{
	*ret_used = kcoh_exit_table_used(&feed->exits);
	*ret_max = feed->exits.slots - 1;
}

uint64_t kcoh_feed_exits_lost(const struct kcoh_feed *feed)
{
	return __atomic_load_n(&feed->shared->exits_lost, __ATOMIC_RELAXED);
}

/* Attaches or detaches what is attached only while it is wanted: kvm_entry. */
static int times_switch(struct kcoh_feed *feed, bool on)
{
	int err = 0;

	for (size_t i = 0; i < kcoh_hooks_count; i++) {
		const struct kcoh_hook *hook = &kcoh_hooks[i];
		struct kcoh_hook_state *state = &feed->hooks[i];

		if (hook->kind != KCOH_HOOK_WANTED || on == (state->link != NULL))
			continue;
		if (on)
			err = kcoh_hook_attach(hook, state, feed->obj);
		else
			kcoh_hook_detach(hook, state);
	}
	return err;
}

/* A slot that is being given out took what was wanted before: so twice. */
static void slots_tell(struct kcoh_feed *feed, uint16_t wanted)
{
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t slot = 1; slot < feed->exits.slots; slot++)
			__atomic_store_n(&feed->exits.exits[slot].wanted, wanted, __ATOMIC_SEQ_CST);
	}
}

/* What was noted when times were last wanted is no beginning of anything. Nothing notes now. */
static void slots_wipe(struct kcoh_feed *feed)
{
	for (uint32_t slot = 1; slot < feed->exits.slots; slot++) {
		__atomic_store_n(&feed->exits.exits[slot].left_ns, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&feed->exits.exits[slot].entered_ns, 0, __ATOMIC_RELAXED);
	}
}

/* kvm_exit must note times before kvm_entry reads any. */
int kcoh_feed_want(struct kcoh_feed *feed, const struct kcoh_feed_wants *wants)
{
	struct kcoh_shared *shared = feed->shared;
	uint32_t wanted;

	wanted = (wants->times ? KCOH_WANT_TIME : 0) | (wants->records ? KCOH_WANT_RECORDS : 0);
	if (wants->times && !(shared->exits_wanted & KCOH_WANT_TIME))
		slots_wipe(feed);
	__atomic_store_n(&shared->records_vm, wants->records_vm, __ATOMIC_SEQ_CST);
	__atomic_store_n(&shared->exits_wanted, wanted, __ATOMIC_SEQ_CST);
	slots_tell(feed, wanted);
	return times_switch(feed, wants->times);
}
