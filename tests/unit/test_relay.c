// SPDX-License-Identifier: GPL-2.0-only
/*
 * The relay, with the real core: which events come of which records, in which order.
 *
 * Events are compared as words, one an event: "toggle", "window:open", "verdict:veto/mmu-off", "act:cancel".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/relay.h"
#include "serve/event_json.h"

struct bench {
	struct kcoh_core *core;
	void *memory;
	struct kcoh_roster *roster;
	struct kcoh_log *log;
	struct kcoh_relay *relay;
	uint64_t seen; /* events that were compared */
	uint64_t now_ns;
	char acts[256]; /* since the last comparison */
	int gone;
	uint32_t guard;
	uint32_t policy_of_3; /* enum kcoh_strategy */
};

static struct kcoh_ident *identify(void *ctx, const struct kcoh_ev_vm_new *ev)
{
	(void)ctx;
	return kcoh_ident_new(ev->hdr.vm, ev->pid, ev->comm, "web-1", NULL);
}

static void policy(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev)
{
	struct bench *bench = ctx;

	assert_string_equal(ident->name, "web-1");
	ret_ev->strategy = ident->id == 3 ? bench->policy_of_3 : KCOH_STRATEGY_VETO;
	ret_ev->guard = bench->guard;
	ret_ev->can_cancel = 1;
	ret_ev->arm_deadline_ms = 100;
}

static void on_act(void *ctx, const struct kcoh_act *act)
{
	struct bench *bench = ctx;
	size_t len = strlen(bench->acts);

	snprintf(bench->acts + len, sizeof(bench->acts) - len, "%s%s%s", len ? " " : "",
		 act->dry ? "dry-" : "", kcoh_act_name(act->type));
}

static void on_gone(void *ctx, const struct kcoh_ident *ident)
{
	struct bench *bench = ctx;

	assert_string_equal(ident->name, "web-1");
	bench->gone++;
}

static int set_up(void **state)
{
	static const struct kcoh_core_config bounds = { 4, 4, 8 };
	struct bench *bench = calloc(1, sizeof(*bench));
	struct kcoh_relay_config config = {
		.identify = identify, .policy = policy, .act = on_act, .gone = on_gone, .ctx = bench
	};

	bench->guard = KCOH_GUARD_ENFORCE;
	bench->policy_of_3 = KCOH_STRATEGY_VETO;
	bench->now_ns = 1000000000;
	bench->memory = malloc(kcoh_core_size(&bounds));
	bench->core = kcoh_core_init(bench->memory, kcoh_core_size(&bounds), &bounds);
	kcoh_roster_new(&bench->roster);
	kcoh_log_new(256, &bench->log);
	config.core = bench->core;
	config.roster = bench->roster;
	config.log = bench->log;
	assert_int_equal(kcoh_relay_new(&config, &bench->relay), 0);
	*state = bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	kcoh_relay_free(bench->relay);
	kcoh_log_free(bench->log);
	kcoh_roster_free(bench->roster);
	free(bench->memory);
	free(bench);
	return 0;
}

static const char *text_of(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "";
}

static void word_of(const struct kcoh_entry *entry, char *word, size_t len)
{
	json_t *event = kcoh_event_json(entry);

	switch (entry->type) {
	case KCOH_ENTRY_VERDICT:
		snprintf(word, len, "verdict:%s/%s", text_of(event, "verdict"),
			 text_of(event, "reason"));
		break;
	case KCOH_ENTRY_WINDOW:
		snprintf(word, len, "window:%s:%s", text_of(event, "class"),
			 text_of(event, "state"));
		break;
	case KCOH_ENTRY_LOST:
		snprintf(word, len, "lost:%d", (int)entry->lost.count);
		break;
	case KCOH_ENTRY_HARVEST:
		snprintf(word, len, "harvest:%s/%s:%d:%d", text_of(event, "source"),
			 text_of(event, "kind"), (int)entry->harvest.count,
			 (int)entry->harvest.sum.pages);
		break;
	default:
		snprintf(word, len, "%s", text_of(event, "type"));
	}
	json_decref(event);
}

/* The events since the last comparison. */
static void events(struct bench *bench, const char *expected)
{
	char all[1024] = "", word[64];

	while (bench->seen < kcoh_log_last(bench->log)) {
		word_of(kcoh_log_get(bench->log, ++bench->seen), word, sizeof(word));
		if (*all)
			strcat(all, " ");
		strcat(all, word);
	}
	assert_string_equal(all, expected);
}

static void acts(struct bench *bench, const char *expected)
{
	assert_string_equal(bench->acts, expected);
	*bench->acts = '\0';
}

static int push_gap(struct bench *bench, union kcoh_ev *ev, uint16_t type, size_t size, uint32_t vm,
		    uint16_t vcpu, uint32_t gap)
{
	ev->hdr.ts_ns = bench->now_ns += 1000000;
	ev->hdr.vm = vm;
	ev->hdr.vcpu = vcpu;
	ev->hdr.type = type;
	ev->hdr.size = (uint16_t)size;
	ev->hdr.gap = gap;
	return kcoh_relay_push(bench->relay, &ev->hdr, size);
}

#define PUSH(TYPE, member, vm, vcpu, gap, ...)                                                     \
	push_gap(bench, &(union kcoh_ev){ .member = { .hdr = { 0 }, ##__VA_ARGS__ } },             \
		 KCOH_EV_##TYPE, sizeof(((union kcoh_ev *)0)->member), vm, vcpu, gap)
#define NONE KCOH_VCPU_NONE

static void vm_starts(struct bench *bench, uint32_t id, uint32_t features)
{
	PUSH(HOST, host, 0, NONE, 0, .features = features, .page_size = 4096);
	PUSH(VM_NEW, vm_new, id, NONE, 0, .pid = 42, .comm = "qemu");
	PUSH(MEMSLOT, memslot, id, NONE, 0, .pages = 100, .change = KCOH_SLOT_CREATE);
	PUSH(VCPU, vcpu, id, 0, 0, .state = KCOH_CACHED, .source = KCOH_SRC_TRAP, .sctlr = 5);
}

static void log_dirty(struct bench *bench, uint32_t id, bool on)
{
	PUSH(MEMSLOT, memslot, id, NONE, 0, .pages = 100, .generation = bench->now_ns,
	     .flags = on ? KCOH_SLOT_LOG_DIRTY : 0, .old_flags = on ? 0 : KCOH_SLOT_LOG_DIRTY,
	     .change = KCOH_SLOT_FLAGS);
}

static void toggle(struct bench *bench, uint32_t id, bool on, uint32_t gap)
{
	PUSH(TOGGLE, toggle, id, 0, gap, .was = on ? KCOH_UNCACHED : KCOH_CACHED,
	     .now = on ? KCOH_CACHED : KCOH_UNCACHED, .source = KCOH_SRC_TRAP);
}

static void a_window_in_an_epoch(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	events(bench, "host vm-new policy verdict:allow/not-yet-cleaning memslot vcpu");
	acts(bench, "arm");
	assert_true(kcoh_roster_find(bench->roster, 3)->shown.has_memory);
	log_dirty(bench, 3, true);
	events(bench, "memslot verdict:wait/arming");
	PUSH(VCPU, vcpu, 3, 0, 0, .state = KCOH_CACHED, .source = KCOH_SRC_TRAP, .sctlr = 5);
	PUSH(EPOCH, epoch, 3, NONE, 0, .logged_pages = 100, .total_pages = 100, .start = 1,
	     .vcpus = 1, .armed = 1);
	events(bench, "vcpu verdict:allow/not-yet-cleaning epoch");
	toggle(bench, 3, false, 0);
	events(bench, "toggle window:mmu-off:open verdict:veto/mmu-off");
	acts(bench, "cancel alert");
	toggle(bench, 3, true, 0);
	events(bench, "toggle window:mmu-off:close verdict:veto/mmu-off-earlier");
	assert_int_equal(kcoh_log_get(bench->log, bench->seen - 1)->window.open_ns, 1000000);
	log_dirty(bench, 3, false);
	events(bench, "memslot verdict:allow/not-yet-cleaning");
}

static void harvest(struct bench *bench, uint64_t ms, uint8_t kind, uint64_t pages)
{
	bench->now_ns += ms * 1000000;
	PUSH(HARVEST, harvest, 3, NONE, 0, .kind = kind, .pages = pages, .slot_id = 2);
}

/* In an epoch at most one event each 100 ms, outside one a second, and none is left out. */
static void harvests(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	log_dirty(bench, 3, true);
	PUSH(VCPU, vcpu, 3, 0, 0, .state = KCOH_CACHED, .source = KCOH_SRC_TRAP, .sctlr = 5);
	PUSH(EPOCH, epoch, 3, NONE, 0, .logged_pages = 100, .total_pages = 100, .start = 1,
	     .vcpus = 1, .armed = 1);
	bench->seen = kcoh_log_last(bench->log);
	harvest(bench, 0, KCOH_HARVEST_CLEAR, 1);
	harvest(bench, 10, KCOH_HARVEST_CLEAR, 2);
	harvest(bench, 20, KCOH_HARVEST_CLEAR, 4);
	harvest(bench, 90, KCOH_HARVEST_CLEAR, 8);
	harvest(bench, 10, KCOH_HARVEST_CLEAR, 16);
	events(bench, "harvest:kvm/clear:1:1 harvest:kvm/clear:3:14");
	harvest(bench, 10, KCOH_HARVEST_GET, 32);
	events(bench, "harvest:kvm/clear:1:16");
	PUSH(HARVEST, harvest, 3, NONE, 0, .kind = KCOH_HARVEST_GET, .pages = 7, .slot_id = 1);
	events(bench, "harvest:kvm/get:1:32");
	kcoh_relay_tick(bench->relay, bench->now_ns + 200000000);
	events(bench, "harvest:kvm/get:1:7");
	bench->now_ns += 200000000;
	harvest(bench, 1, KCOH_HARVEST_GET, 64);
	events(bench, "");
	log_dirty(bench, 3, false);
	events(bench, "memslot harvest:kvm/get:1:64");
	harvest(bench, 200, KCOH_HARVEST_GET, 128);
	events(bench, "");
	PUSH(HARVEST, harvest, 3, NONE, 0, .kind = KCOH_HARVEST_GET, .pages = 8, .slot_id = 1);
	harvest(bench, 1000, KCOH_HARVEST_GET, 1);
	events(bench, "harvest:kvm/get:3:137");
	assert_int_equal(kcoh_log_get(bench->log, bench->seen)->harvest.sum.slot_id,
			 KCOH_SLOT_NONE);
	harvest(bench, 1, KCOH_HARVEST_GET, 2);
	PUSH(VM_GONE, vm_gone, 3, NONE, 0);
	events(bench, "harvest:kvm/get:1:2 vm-gone");
	harvest(bench, 1, KCOH_HARVEST_GET, 2); /* of a VM that is not known */
	events(bench, "");
}

static uint64_t counted(const struct kcoh_histogram *histogram)
{
	uint64_t count = 0;

	for (int i = 0; i <= KCOH_BOUNDS_MAX; i++)
		count += histogram->counts[i];
	return count;
}

/* Each window once, when it closes: by the guest, by the end of its VM, or in the step that opened it. */
static void histograms(void **state)
{
	struct bench *bench = *state;
	const struct kcoh_histograms *all = kcoh_relay_histograms(bench->relay);
	const struct kcoh_histogram *off = &all->windows[KCOH_WINDOW_MMU_OFF];

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	toggle(bench, 3, false, 0);
	bench->now_ns += 7000000;
	kcoh_relay_tick(bench->relay, bench->now_ns);
	assert_int_equal(counted(off), 0);
	toggle(bench, 3, true, 0); /* 8 ms */
	assert_int_equal(counted(off), 1);
	assert_int_equal(off->sum, 8000000);
	assert_int_equal(off->counts[5], 1); /* 3 to 10 ms */
	toggle(bench, 3, true, 0); /* its beginning was not seen */
	assert_int_equal(counted(off), 2);
	assert_int_equal(off->sum, 8000000);
	toggle(bench, 3, false, 0);
	PUSH(VM_GONE, vm_gone, 3, NONE, 0); /* 1 ms */
	assert_int_equal(counted(off), 3);
	assert_int_equal(off->sum, 9000000);
	vm_starts(bench, 4, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	assert_int_equal(counted(off), 3);
	PUSH(HARVEST, harvest, 4, NONE, 0, .kind = KCOH_HARVEST_GET, .pages = 5, .ns = 20000);
	PUSH(HARVEST, harvest, 4, NONE, 0, .kind = KCOH_HARVEST_GET, .pages = 5, .ns = 1000,
	     .cleaned = 5, .source = KCOH_HARVEST_BY_MODULE);
	assert_int_equal(counted(&all->harvest_pages), 1);
	assert_int_equal(all->harvest_pages.sum, 5);
	assert_int_equal(counted(&all->harvest_time), 1);
	assert_int_equal(all->harvest_time.sum, 20000);
	assert_int_equal(counted(&all->cleaning_time), 1);
	assert_int_equal(all->cleaning_time.sum, 1000);
}

static void a_held_vcpu(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	bench->seen = kcoh_log_last(bench->log);
	PUSH(HOLD, hold, 3, 0, 0, .held = 1, .why = KCOH_HOLD_TOGGLE, .ns = 1000);
	PUSH(HOLD, hold, 3, 0, 0, .held = 0, .why = KCOH_HOLD_DEADLINE, .ns = 1000);
	events(bench, "hold hold");
	assert_int_equal(PUSH(HOLD, hold, 3, 0, 0, .why = 6), -EINVAL);
	assert_int_equal(PUSH(HARVEST, harvest, 3, NONE, 0, .kind = 5), -EINVAL);
	assert_int_equal(PUSH(HARVEST, harvest, 3, NONE, 0, .source = 2), -EINVAL);
}

/* Without the module nobody else tells that an epoch began. */
static void an_epoch_without_the_module(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, 0);
	events(bench, "host vm-new policy verdict:veto/no-module memslot vcpu");
	log_dirty(bench, 3, true);
	events(bench, "memslot epoch");
	assert_int_equal(kcoh_log_get(bench->log, bench->seen)->epoch.start, 1);
	assert_int_equal(kcoh_log_get(bench->log, bench->seen)->epoch.logged_pages, 100);
	log_dirty(bench, 3, false);
	events(bench, "memslot epoch");
}

static void only_a_warning(void **state)
{
	struct bench *bench = *state;

	bench->guard = KCOH_GUARD_WARN;
	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	log_dirty(bench, 3, true);
	toggle(bench, 3, false, 0);
	acts(bench, "arm dry-cancel alert");
}

static void a_vm_that_goes(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	toggle(bench, 3, false, 0);
	events(bench, "host vm-new policy verdict:allow/not-yet-cleaning memslot vcpu toggle "
		      "window:mmu-off:open verdict:veto/mmu-off");
	PUSH(VM_GONE, vm_gone, 3, NONE, 0);
	events(bench, "window:mmu-off:close vm-gone");
	assert_string_equal(kcoh_log_get(bench->log, bench->seen)->ident->name, "web-1");
	assert_int_equal(bench->gone, 1);
	assert_int_equal(kcoh_roster_count(bench->roster), 0);
	PUSH(VM_GONE, vm_gone, 3, NONE, 0);
	assert_int_equal(bench->gone, 1);
}

/* A loss makes every VM blind, and the one that carried it is told before the record. */
static void a_loss(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	PUSH(VM_NEW, vm_new, 4, NONE, 0, .pid = 43, .comm = "qemu");
	bench->seen = kcoh_log_last(bench->log);
	toggle(bench, 4, false, 7);
	events(bench, "lost:7 toggle window:blind:open verdict:veto/events-lost "
		      "window:mmu-off:open window:blind:open verdict:veto/mmu-off");
	acts(bench, "arm arm rescan alert alert");
}

/* A loss that no record was at hand to carry comes with a header only. */
static void a_loss_alone(void **state)
{
	struct bench *bench = *state;
	union kcoh_ev ev = { 0 };

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	bench->seen = kcoh_log_last(bench->log);
	kcoh_relay_tick(bench->relay, bench->now_ns);
	events(bench, "");
	assert_int_equal(push_gap(bench, &ev, KCOH_EV_NONE, sizeof(ev.hdr), 0, NONE, 5), 0);
	events(bench, "lost:5 window:blind:open verdict:veto/events-lost");
	acts(bench, "arm rescan alert");
}

/* What is no record is not shown, not believed, and counts as lost. */
static void malformed(void **state)
{
	struct bench *bench = *state;
	union kcoh_ev ev = { .toggle = { .hdr = { .vm = 3,
						  .type = KCOH_EV_TOGGLE,
						  .size = sizeof(ev.toggle),
						  .gap = 4 },
					 .was = KCOH_CACHED,
					 .now = KCOH_CACHED } };

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	bench->seen = kcoh_log_last(bench->log);
	assert_int_equal(kcoh_relay_push(bench->relay, &ev.hdr, sizeof(ev.toggle)), -EINVAL);
	assert_int_equal(kcoh_relay_push(bench->relay, &ev.hdr, 8), -EINVAL);
	ev.hdr.type = KCOH_EV_VM_NEW;
	ev.hdr.size = sizeof(ev.vm_new) - 8;
	ev.hdr.gap = 0;
	assert_int_equal(kcoh_relay_push(bench->relay, &ev.hdr, sizeof(ev.toggle)), -EINVAL);
	assert_int_equal(kcoh_relay_malformed(bench->relay), 3);
	assert_int_equal(kcoh_roster_count(bench->roster), 1);
	events(bench, "");
	kcoh_relay_tick(bench->relay, bench->now_ns);
	events(bench, "lost:7 window:blind:open verdict:veto/events-lost");
}

/* Each event once, a storm as often as it says; those of a VM's devices with the VM, too. */
static void smmu_events(void **state)
{
	struct bench *bench = *state;
	const struct kcoh_smmu_counts *counts = kcoh_relay_smmu(bench->relay);
	char name[KCOH_SMMU_TEXT];

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	PUSH(SMMU, smmu, 3, NONE, 0, .raw = { 0x10 }, .count = 1);
	PUSH(SMMU, smmu, 3, NONE, 0, .raw = { 0x10 }, .count = 500, .kind = KCOH_SMMU_FOLDED);
	PUSH(SMMU, smmu, 0, NONE, 0, .raw = { 0x02 }, .count = 1);
	PUSH(SMMU, smmu, 0, NONE, 0, .count = 7, .kind = KCOH_SMMU_UNREAD);
	PUSH(SMMU, smmu, 0, NONE, 0, .count = 9, .kind = KCOH_SMMU_LOST);
	assert_int_equal(counts->events[0x10], 501);
	assert_int_equal(counts->events[0x02], 1);
	assert_int_equal(counts->events[0], 0);
	assert_int_equal(counts->unread, 7);
	assert_int_equal(counts->lost, 9);
	assert_int_equal(kcoh_roster_find(bench->roster, 3)->smmu_events, 501);
	kcoh_smmu_text(0x10, name, sizeof(name));
	assert_string_equal(name, "F_TRANSLATION");
	kcoh_smmu_text(0xe3, name, sizeof(name));
	assert_string_equal(name, "IMPDEF_EVENT3");
	kcoh_smmu_text(0x2a, name, sizeof(name));
	assert_string_equal(name, "EVENT_2A");
}

/* A type of a later kcoh is skipped. */
static void unknown_type(void **state)
{
	struct bench *bench = *state;
	union kcoh_ev ev = { 0 };

	assert_int_equal(push_gap(bench, &ev, 200, 32, 3, 0, 0), 0);
	events(bench, "");
}

/* A VM whose end was lost: two scans do not see it, and its name goes with it. */
static void swept(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, KCOH_HOST_MODULE | KCOH_HOST_TRAP);
	bench->seen = kcoh_log_last(bench->log);
	for (int i = 0; i < 2; i++) {
		PUSH(SCAN, scan, 0, NONE, 0, .done = 0);
		PUSH(SCAN, scan, 0, NONE, 0, .done = 1);
	}
	events(bench, "scan scan scan scan vm-gone");
	assert_int_equal(kcoh_roster_count(bench->roster), 0);
	assert_int_equal(bench->gone, 1);
}

/* More VMs than the core has room for: they have a name, and a verdict that says why. */
static void too_many(void **state)
{
	struct bench *bench = *state;

	for (uint32_t id = 1; id <= 6; id++)
		PUSH(VM_NEW, vm_new, id, NONE, 0, .pid = id, .comm = "qemu");
	assert_int_equal(kcoh_roster_count(bench->roster), 6);
	assert_int_equal(kcoh_roster_find(bench->roster, 6)->shown.reason, KCOH_RSN_TOO_MANY);
	PUSH(VM_GONE, vm_gone, 6, NONE, 0);
	assert_int_equal(kcoh_roster_count(bench->roster), 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* The configuration was read again: who has another policy is told it, and nobody else. */
static void policies_again(void **state)
{
	struct bench *bench = *state;

	vm_starts(bench, 3, 0);
	PUSH(VM_NEW, vm_new, 4, NONE, 0, .pid = 43, .comm = "qemu");
	bench->seen = kcoh_log_last(bench->log);
	assert_int_equal(kcoh_relay_policies(bench->relay, bench->now_ns), 0);
	events(bench, "");
	bench->guard = KCOH_GUARD_WARN;
	assert_int_equal(kcoh_relay_policies(bench->relay, bench->now_ns), 2);
	events(bench, "policy policy");
	assert_int_equal(kcoh_relay_policies(bench->relay, bench->now_ns), 0);
	bench->policy_of_3 = KCOH_STRATEGY_OBSERVE;
	assert_int_equal(kcoh_relay_policies(bench->relay, bench->now_ns), 1);
	events(bench, "policy verdict:allow/no-module");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_window_in_an_epoch),
		TEST(an_epoch_without_the_module),
		TEST(harvests),
		TEST(histograms),
		TEST(a_held_vcpu),
		TEST(only_a_warning),
		TEST(a_vm_that_goes),
		TEST(a_loss),
		TEST(a_loss_alone),
		TEST(malformed),
		TEST(unknown_type),
		TEST(smmu_events),
		TEST(swept),
		TEST(too_many),
		TEST(policies_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
