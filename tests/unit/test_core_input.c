// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_core_input.c - what is no record is refused and changes nothing; what is random breaks
 * nothing.
 *
 * The random tests are seeded. A seed that fails is printed and replays with KCOH_TEST_SEED=<seed>.
 */
#include <errno.h>

#include "stream.h"

/* --- memory and bounds ---------------------------------------------------------------------- */

static void sizes(void **state)
{
	static const struct kcoh_core_config bad[] = {
		{ 0, 1, 1 },     { 1, 0, 1 },   { 1, 1, 0 },
		{ 65537, 1, 1 }, { 1, 513, 1 }, { 1, 1, 32769 },
	};
	static const struct kcoh_core_config least = { 1, 1, 1 }, most = { 65536, 512, 32768 };
	_Alignas(max_align_t) static unsigned char memory[8192];
	size_t i, size = kcoh_core_size(&least);

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		assert_int_equal(kcoh_core_size(&bad[i]), 0);
		assert_null(kcoh_core_init(memory, sizeof(memory), &bad[i]));
	}
	assert_in_range(kcoh_core_size(&most), 1ull << 36, 1ull << 37);
	assert_in_range(size, 1, sizeof(memory));
	assert_null(kcoh_core_init(NULL, size, &least));
	assert_null(kcoh_core_init(memory, size - 1, &least));
	assert_null(kcoh_core_init(memory + 1, sizeof(memory) - 1, &least));
	assert_non_null(kcoh_core_init(memory, size, &least));
}

static void look_ups(void **state)
{
	static const union kcoh_ev born = VM_NEW(1), vcpu = VCPU(1, 2, CACHED, SAMPLE);
	struct kcoh_vcpu_view vcpu_seen;
	struct kcoh_vm_view vm;
	struct world world;

	(void)state;
	world_make(&world, 1, 4, 1);
	world_step(&world, &born);
	world_step(&world, &vcpu);
	assert_int_equal(kcoh_core_vm(world.core, 0, &vm), -ENOENT);
	assert_int_equal(kcoh_core_vm(world.core, 2, &vm), -ENOENT);
	assert_int_equal(kcoh_core_vcpu(world.core, 2, 0, &vcpu_seen), -ENOENT);
	assert_int_equal(kcoh_core_vcpu(world.core, 1, 1, &vcpu_seen), -ENOENT);
	assert_int_equal(kcoh_core_vcpu(world.core, 1, 3, &vcpu_seen), -ENOENT);
	assert_int_equal(kcoh_core_vcpu(world.core, 1, 0xffff, &vcpu_seen), -ENOENT);
	assert_int_equal(kcoh_core_vcpu(world.core, 1, 2, &vcpu_seen), 0);
	assert_int_equal(vcpu_seen.index, 2);
	world_free(&world);
}

/* --- malformed records ---------------------------------------------------------------------- */

#define BAD(record, member, value)                                                                 \
	{                                                                                          \
#record " " #member " " #value, record, offsetof(union kcoh_ev, member),           \
			sizeof(((union kcoh_ev *)NULL)->member), (uint64_t)(value)                 \
	}

static const struct {
	const char *what;
	union kcoh_ev ev;
	size_t at, size;
	uint64_t value;
} malformed[] = {
	BAD(TICK, hdr.size, 0),
	BAD(TICK, hdr.size, 16),
	BAD(TICK, hdr.size, 28),
	BAD(TICK, hdr.size, 32),
	BAD(TICK, hdr.size, 0xffff),
	BAD(TICK, hdr.vm, 1),
	BAD(HOST(0), hdr.vm, 1),
	BAD(SCAN(0), hdr.vm, 1),
	BAD(SCAN(0), scan.done, 2),
	BAD(VM_NEW(1), hdr.vm, 0),
	BAD(VM_NEW(1), vm_new.existing, 2),
	BAD(VM_NEW(1), vm_new.comm[15], 'x'),
	BAD(VM_GONE(1), hdr.vm, 0),
	BAD(VM_GONE(1), hdr.size, 16),
	BAD(VCPU(1, 0, CACHED, SAMPLE), hdr.vm, 0),
	BAD(VCPU(1, 0, CACHED, SAMPLE), hdr.vcpu, KCOH_VCPU_NONE),
	BAD(VCPU(1, 0, CACHED, SAMPLE), vcpu.state, 4),
	BAD(VCPU(1, 0, CACHED, SAMPLE), vcpu.source, 4),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), hdr.vm, 0),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), hdr.vcpu, KCOH_VCPU_NONE),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), toggle.now, KCOH_CACHED),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), toggle.now, KCOH_OFF),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), toggle.was, KCOH_UNCACHED),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), toggle.was, KCOH_UNKNOWN),
	BAD(TOGGLE(1, 0, UNCACHED, CACHED, TRAP), toggle.now, KCOH_UNKNOWN),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), toggle.source, KCOH_SRC_SAMPLE),
	BAD(TOGGLE(1, 0, CACHED, UNCACHED, TRAP), toggle.source, KCOH_SRC_DISARM),
	BAD(SET_WAY(1, 0), hdr.vcpu, KCOH_VCPU_NONE),
	BAD(SET_WAY(1, 0), set_way.cached, 2),
	BAD(SET_WAY(1, 0), set_way.cleaned, 2),
	BAD(RESET(1, 0, INIT, 1), hdr.vcpu, KCOH_VCPU_NONE),
	BAD(RESET(1, 0, INIT, 1), reset.kind, 3),
	BAD(RESET(1, 0, INIT, 1), reset.has_run, 2),
	BAD(RAM(1), hdr.vm, 0),
	BAD(RAM(1), memslot.change, 5),
	BAD(RAM(1), memslot.pages, 0),
	BAD(RAM(1), memslot.pages, (1ull << 48) + 1),
	BAD(RAM(1), memslot.base_gfn, (1ull << 52) + 1),
	BAD(LOG_ON(1), memslot.pages, 0),
	BAD(EPOCH(1, 1, 2, 1), hdr.vm, 0),
	BAD(EPOCH(1, 1, 2, 1), epoch.start, 2),
	BAD(EPOCH(1, 1, 2, 1), epoch.armed, 3),
	BAD(EPOCH(1, 1, 2, 1), epoch.pending, 3),
	BAD(EPOCH(1, 1, 2, 1), epoch.logged_pages, RAM_PAGES + 1),
	BAD(UNMAP(1, FOLLOWED), hdr.vm, 0),
	BAD(UNMAP(1, FOLLOWED), unmap.kind, 2),
	BAD(UNMAP(1, UNMAPPED), unmap.unmaps, 0),
	BAD(PSCI(1, 0, CPU_OFF), hdr.vcpu, KCOH_VCPU_NONE),
	BAD(PSCI(1, 0, SYSTEM_RESET), psci.call, 0),
	BAD(PSCI(1, 0, SYSTEM_RESET), psci.call, 5),
	BAD(SMMU(1), smmu.kind, 4),
	BAD(SMMU(0), smmu.count, 0),
	BAD(DEVICE(1, TAKEN), device.state, 3),
	BAD(DEVICE(0, RELEASED), device.via, 2),
	BAD(POLICY(1, VETO, WARN, 0), policy.strategy, 7),
	BAD(POLICY(1, VETO, WARN, 0), policy.guard, 2),
	BAD(POLICY(0, VETO, WARN, 0), policy.can_cancel, 2),
	BAD(POLICY(0, VETO, WARN, 0), policy.last_resort, 2),
	BAD(PHASE(1, SETUP), hdr.vm, 0),
	BAD(PHASE(1, SETUP), phase.phase, 10),
	BAD(DONE(1, CANCEL, 0), act_done.result, 1),
};

/* A world in the middle of things, so that a change would show. */
static void make_busy(struct world *world)
{
	static const struct line lines[] = {
		{ 0, HOST(MODULE), ANY, NULL }, { 1, VM_NEW(1), ANY, NULL },
		{ 2, RAM(1), ANY, NULL },       { 3, VCPU(1, 0, CACHED, SAMPLE), ANY, NULL },
		{ 4, LOG_ON(1), ANY, NULL },    { 5, PHASE(1, ACTIVE), ANY, NULL },
	};

	world_make(world, 2, 2, 2);
	RUN(world, lines);
}

static void refused_and_unchanged(void **state)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	struct world world;
	void *before;
	size_t i;

	(void)state;
	make_busy(&world);
	before = malloc(world.size);
	assert_non_null(before);
	for (i = 0; i < COUNT(malformed); i++) {
		union kcoh_ev ev = malformed[i].ev;

		ev.hdr.ts_ns = 6000000;
		ev.hdr.gap = 1;
		memcpy((char *)&ev + malformed[i].at, &malformed[i].value, malformed[i].size);
		memcpy(before, world.core, world.size);
		if (kcoh_core_step(world.core, &ev.hdr, sizeof(ev), acts, COUNT(acts)) != -EINVAL)
			fail_msg("%s was taken", malformed[i].what);
		if (memcmp(before, world.core, world.size))
			fail_msg("%s changed something", malformed[i].what);
	}
	free(before);
	world_free(&world);
}

/* Names of devices come from elsewhere: one that does not end is none. */
static void texts_that_do_not_end(void **state)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	union kcoh_ev smmu = SMMU(1), device = DEVICE(1, FOUND);
	union kcoh_ev *evs[] = { &smmu, &smmu, &device, &device };
	char *texts[] = { smmu.smmu.device, smmu.smmu.smmu, device.device.device,
			  device.device.smmu };
	struct world world;

	(void)state;
	make_busy(&world);
	for (size_t i = 0; i < COUNT(texts); i++) {
		union kcoh_ev *ev = evs[i], was = *ev;

		memset(texts[i], 'x', KCOH_DEVICE_LEN);
		assert_int_equal(
			kcoh_core_step(world.core, &ev->hdr, sizeof(*ev), acts, COUNT(acts)),
			-EINVAL);
		texts[i][KCOH_DEVICE_LEN - 1] = '\0';
		assert_true(kcoh_core_step(world.core, &ev->hdr, sizeof(*ev), acts, COUNT(acts)) >=
			    0);
		*ev = was;
	}
	world_free(&world);
}

/* Just within the limits; and types that nobody knows yet. */
static void taken(void **state)
{
	static const uint16_t unknown[] = { 0, 23, 63, 64, 255, 0xffff };
	static const union kcoh_ev tick = TICK;
	union kcoh_ev ev = RAM(1);
	struct kcoh_core_stats stats;
	struct world world;
	size_t i;

	(void)state;
	make_busy(&world);
	ev.memslot.pages = 1ull << 48;
	ev.memslot.base_gfn = 1ull << 52;
	world_step(&world, &ev);
	assert_true(world.n_acts >= 0);
	assert_true(vm_view(&world, 1).ram_pages == 1ull << 48);
	for (i = 0; i < COUNT(unknown); i++) {
		ev = tick;
		ev.hdr.type = unknown[i];
		ev.hdr.size = 64;
		ev.hdr.vm = (uint32_t)i;
		world_step(&world, &ev);
		assert_int_equal(world.n_acts, 0);
	}
	kcoh_core_stats(world.core, &stats);
	assert_int_equal(stats.skipped, COUNT(unknown));
	world_free(&world);
}

/* Each of them as it was before it was spoilt is a record, and so is one that is cut short not. */
static void records_of_every_type(void **state)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	struct world world;
	size_t i, len;

	(void)state;
	make_busy(&world);
	for (i = 0; i < COUNT(malformed); i++) {
		const union kcoh_ev *ev = &malformed[i].ev;
		unsigned char *cut;

		assert_true(kcoh_core_step(world.core, &ev->hdr, ev->hdr.size, acts, COUNT(acts)) >=
			    0);
		for (len = 0; len < ev->hdr.size; len++) {
			cut = malloc(len + 1); /* the sanitizer watches its end */
			assert_non_null(cut);
			memcpy(cut + 1, ev, len); /* and it is not aligned */
			assert_int_equal(kcoh_core_step(world.core, (void *)(cut + 1), len, acts,
							COUNT(acts)),
					 -EINVAL);
			free(cut);
		}
	}
	world_free(&world);
}

/* --- random streams ------------------------------------------------------------------------- */

struct dice {
	uint64_t seed;
};

/* xorshift64*; never 0 from a seed that is not 0 */
static uint32_t roll(struct dice *dice, uint32_t n)
{
	dice->seed ^= dice->seed >> 12;
	dice->seed ^= dice->seed << 25;
	dice->seed ^= dice->seed >> 27;
	return (uint32_t)((dice->seed * 0x2545f4914f6cdd1dull) >> 33) % n;
}

static uint64_t first_seed(void)
{
	const char *text = getenv("KCOH_TEST_SEED");

	return text ? strtoull(text, NULL, 0) : 20240607;
}

static void random_vcpu(struct dice *dice, union kcoh_ev *ev)
{
	union kcoh_ev vcpu = VCPU(1, 0, CACHED, SAMPLE), reset = RESET(1, 0, INIT, 1);
	union kcoh_ev toggle = TOGGLE(1, 0, CACHED, UNCACHED, TRAP), set_way = SET_WAY(1, 0);

	vcpu.vcpu.state = (uint8_t)roll(dice, 4);
	vcpu.vcpu.source = (uint8_t)roll(dice, 4);
	reset.reset.kind = roll(dice, 3);
	reset.reset.has_run = roll(dice, 2);
	toggle.toggle.was = (uint8_t)(1 + roll(dice, 2));
	toggle.toggle.now = 3 - toggle.toggle.was;
	toggle.toggle.source = (uint8_t)(1 + roll(dice, 2));
	switch (roll(dice, 8)) {
	case 0:
		*ev = reset;
		break;
	case 1:
		*ev = set_way;
		break;
	case 2:
	case 3:
	case 4:
		*ev = vcpu;
		break;
	default:
		*ev = toggle;
		break;
	}
	ev->hdr.vcpu = (uint16_t)roll(dice, roll(dice, 50) ? 3 : 6);
}

static void random_slot(struct dice *dice, union kcoh_ev *ev)
{
	union kcoh_ev slot = SLOT(1, CREATE, 0, 1, 0, 0, 0);

	slot.memslot.change = (uint8_t)roll(dice, 5);
	slot.memslot.slot_id = roll(dice, roll(dice, 50) ? 3 : 6);
	slot.memslot.pages = 1 + roll(dice, 8);
	slot.memslot.flags = roll(dice, 4);
	slot.memslot.old_flags = roll(dice, 4);
	slot.memslot.generation = roll(dice, 100);
	*ev = slot;
}

static void random_vm(struct dice *dice, union kcoh_ev *ev)
{
	union kcoh_ev table[] = { VM_MET(1),
				  VM_GONE(1),
				  EPOCH(1, 1, 2, 1),
				  PHASE(1, NONE),
				  POLICY(1, VETO, ENFORCE, 1),
				  DONE(1, CANCEL, 0) };

	table[0].vm_new.existing = roll(dice, 2);
	table[2].epoch.start = roll(dice, 2);
	table[3].phase.phase = roll(dice, 10);
	table[4].policy.strategy = roll(dice, 3);
	table[4].policy.guard = roll(dice, 2);
	table[5].act_done.act = 1 + roll(dice, 3);
	table[5].act_done.result = -(int32_t)roll(dice, 2);
	*ev = table[roll(dice, roll(dice, 4) ? 6 : 1)];
}

static void random_host(struct dice *dice, union kcoh_ev *ev)
{
	static const uint32_t features[] = { MODULE, MODULE, 0, MODULE | KCOH_HOST_PKVM,
					     KCOH_HOST_S2FWB };
	union kcoh_ev table[] = { TICK, SCAN(0), SCAN(1), DONE(0, RESCAN, 0), HOST(MODULE) };

	table[4].host.features = features[roll(dice, 5)];
	*ev = table[roll(dice, 5)];
	ev->hdr.vm = 0;
}

static void random_record(struct dice *dice, union kcoh_ev *ev)
{
	uint32_t kind = roll(dice, 100);

	if (kind < 50)
		random_vcpu(dice, ev);
	else if (kind < 75)
		random_slot(dice, ev);
	else if (kind < 92)
		random_vm(dice, ev);
	if (kind < 92)
		ev->hdr.vm = 1 + roll(dice, 6);
	else
		random_host(dice, ev);
	ev->hdr.gap = !roll(dice, 300);
}

/* What holds of every VM whatever happened. */
static int check_sanity(const struct kcoh_vm_view *vm, void *ctx)
{
	bool exposed = vm->vcpus_uncached || vm->vcpus_unknown;
	uint64_t *seed = ctx;
	bool sane;

	sane = vm->vcpus ==
		       vm->vcpus_cached + vm->vcpus_uncached + vm->vcpus_off + vm->vcpus_unknown &&
	       vm->vcpus <= 4 && vm->slots <= 4 && vm->logged_pages <= vm->ram_pages &&
	       vm->ram_pages <= 4 * 8 && !(vm->windows_open >> KCOH_WINDOW_CLASSES) &&
	       exposed == !!(vm->windows_open & (1u << KCOH_WINDOW_MMU_OFF)) &&
	       (vm->slots || !vm->in_epoch) && vm->id;
	if (!vm->tracked)
		sane = vm->verdict.reason == KCOH_RSN_TOO_MANY ||
		       vm->verdict.reason == KCOH_RSN_HARDWARE_COHERENT;
	else if (exposed && vm->strategy != KCOH_STRATEGY_OBSERVE)
		sane = sane && (vm->verdict.kind == KCOH_VERDICT_VETO ||
				vm->verdict.reason == KCOH_RSN_HARDWARE_COHERENT);
	if (vm->windows_open & (1u << KCOH_WINDOW_BLIND))
		sane = sane && vm->verdict.reason != KCOH_RSN_NOT_YET_CLEANING;
	if (!sane)
		fail_msg("VM %u (%s/%s) makes no sense, KCOH_TEST_SEED=%#llx", vm->id,
			 kcoh_verdict_name(vm->verdict.kind), kcoh_reason_name(vm->verdict.reason),
			 (unsigned long long)*seed);
	return 0;
}

static void random_streams(void **state)
{
	struct dice dice = { first_seed() };
	uint64_t seed = dice.seed, ns = 0;
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	struct world world;
	union kcoh_ev ev;
	unsigned int i;

	(void)state;
	world_make(&world, 4, 4, 4);
	for (i = 0; i < 100000; i++) {
		random_record(&dice, &ev);
		ns += roll(&dice, roll(&dice, 20) ? 1000000 : 2000000000);
		ev.hdr.ts_ns = ns - roll(&dice, 1000);
		if (kcoh_core_step(world.core, &ev.hdr, sizeof(ev), acts, COUNT(acts)) < 0)
			fail_msg("record %u of seed %#llx was refused", i,
				 (unsigned long long)seed);
		kcoh_core_each_vm(world.core, check_sanity, &seed);
	}
	world_free(&world);
}

/* Valid records with random bytes in them, and random bytes. */
static void random_bytes(void **state)
{
	struct dice dice = { first_seed() };
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	unsigned int i, n, taken = 0;
	unsigned char bytes[sizeof(union kcoh_ev) + 1];
	struct world world;
	union kcoh_ev ev;
	int ret;

	(void)state;
	world_make(&world, 4, 4, 4);
	for (i = 0; i < 100000; i++) {
		random_record(&dice, &ev);
		memcpy(bytes + 1, &ev, sizeof(ev));
		for (n = roll(&dice, 4); n; n--)
			bytes[1 + roll(&dice, sizeof(ev))] ^= (unsigned char)(1 + roll(&dice, 255));
		if (!roll(&dice, 100))
			for (n = 0; n < sizeof(bytes); n++)
				bytes[n] = (unsigned char)roll(&dice, 256);
		ret = kcoh_core_step(world.core, (void *)(bytes + 1), sizeof(ev), acts,
				     COUNT(acts));
		assert_in_range(ret + EINVAL, 0, EINVAL + KCOH_CORE_MAX_ACTS);
		taken += ret >= 0;
	}
	assert_in_range(taken, 10000, 99000);
	world_free(&world);
}

/* Field by field: views have padding. */
static void assert_same_view(const struct kcoh_vm_view *a, const struct kcoh_vm_view *b)
{
#define SAME(field) assert_memory_equal(&a->field, &b->field, sizeof(a->field))
	SAME(id);
	SAME(pid);
	SAME(vcpus);
	SAME(vcpus_cached);
	SAME(vcpus_uncached);
	SAME(vcpus_off);
	SAME(vcpus_unknown);
	SAME(slots);
	SAME(ram_pages);
	SAME(logged_pages);
	SAME(in_epoch);
	SAME(epoch_since_ns);
	SAME(epochs);
	SAME(armed);
	SAME(windows_open);
	SAME(window_since_ns);
	SAME(windows);
	SAME(window_ns);
	SAME(toggles);
	SAME(resets);
	SAME(set_ways);
	SAME(tracked);
	SAME(phase);
	SAME(strategy);
	SAME(guard);
	SAME(verdict.kind);
	SAME(verdict.reason);
	SAME(verdict.since_ns);
	SAME(verdict.until_ns);
#undef SAME
	assert_string_equal(a->comm, b->comm);
}

/* Two VMs: what is told of one changes nothing of the other, not even its times. */
static void vms_are_independent(void **state)
{
	static const union kcoh_ev host = HOST(MODULE), one = VM_NEW(1), two = VM_NEW(2);
	struct dice dice = { first_seed() };
	struct kcoh_vm_view alone_view, both_view;
	struct world alone, both;
	union kcoh_ev ev;
	unsigned int i;

	(void)state;
	world_make(&alone, 2, 4, 4);
	world_make(&both, 2, 4, 4);
	world_step(&alone, &host);
	world_step(&both, &host);
	world_step(&alone, &one);
	world_step(&both, &one);
	world_step(&both, &two);
	for (i = 0; i < 20000; i++) {
		do
			random_record(&dice, &ev);
		while (!ev.hdr.vm || ev.hdr.type == KCOH_EV_VM_GONE);
		ev.hdr.vm = 1 + roll(&dice, 2);
		ev.hdr.gap = 0;
		ev.hdr.ts_ns = i * 1000000ull;
		world_step(&both, &ev);
		if (ev.hdr.vm == 1)
			world_step(&alone, &ev);
		alone_view = vm_view(&alone, 1);
		both_view = vm_view(&both, 1);
		assert_same_view(&alone_view, &both_view);
	}
	world_free(&alone);
	world_free(&both);
}

static int check_same(const struct kcoh_vm_view *vm, void *ctx)
{
	const struct world *other = ctx;
	struct kcoh_vm_view view = vm_view(other, vm->id);

	assert_same_view(vm, &view);
	return 0;
}

static void assert_same_acts(const struct world *a, const struct world *b)
{
	int i;

	assert_int_equal(a->n_acts, b->n_acts);
	for (i = 0; i < a->n_acts; i++) {
		assert_int_equal(a->acts[i].type, b->acts[i].type);
		assert_int_equal(a->acts[i].reason, b->acts[i].reason);
		assert_int_equal(a->acts[i].vm, b->acts[i].vm);
		assert_int_equal(a->acts[i].dry, b->acts[i].dry);
	}
}

/* The same stream makes the same state, also in a core that was copied as bytes half-way. */
static void streams_replay(void **state)
{
	struct dice dice = { first_seed() };
	struct world first, second;
	union kcoh_ev ev;
	unsigned int i;

	(void)state;
	world_make(&first, 4, 4, 4);
	world_make(&second, 4, 4, 4);
	for (i = 0; i < 20000; i++) {
		random_record(&dice, &ev);
		ev.hdr.ts_ns = i * 10000000ull;
		world_step(&first, &ev);
		if (i == 10000)
			memcpy(second.core, first.core, first.size);
		if (i <= 10000)
			continue;
		world_step(&second, &ev);
		assert_same_acts(&first, &second);
		kcoh_core_each_vm(first.core, check_same, &second);
	}
	world_free(&first);
	world_free(&second);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(texts_that_do_not_end),
		cmocka_unit_test(look_ups),
		cmocka_unit_test(refused_and_unchanged),
		cmocka_unit_test(taken),
		cmocka_unit_test(records_of_every_type),
		cmocka_unit_test(random_streams),
		cmocka_unit_test(random_bytes),
		cmocka_unit_test(vms_are_independent),
		cmocka_unit_test(streams_replay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
