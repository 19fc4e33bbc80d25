// SPDX-License-Identifier: GPL-2.0-only
/*
 * core.c - the decision core fed with records that nobody made.
 *
 * The bytes are records one after the other. Some are given as they are (the core must refuse what is none); most are made whole, with the
 * size of their type and few VMs and vCPUs, so that they get further than the first check. After each: what the core says must be
 * consistent. At the end it is saved and loaded, and must decide as before.
 */
#include <string.h>

#include "core/core.h"
#include "fuzz.h"
#include "record/outcome.h"

static const struct kcoh_core_config bounds = { 3, 4, 4 };

#define SIZE(TYPE, member) [KCOH_EV_##TYPE] = sizeof(((union kcoh_ev *)NULL)->member)

static const uint16_t sizes[] = {
	SIZE(VM_NEW, vm_new),   SIZE(VM_GONE, vm_gone),   SIZE(VCPU, vcpu),
	SIZE(TOGGLE, toggle),   SIZE(SET_WAY, set_way),   SIZE(RESET, reset),
	SIZE(MEMSLOT, memslot), SIZE(EPOCH, epoch),       SIZE(SCAN, scan),
	SIZE(HARVEST, harvest), SIZE(HOLD, hold),         SIZE(UNMAP, unmap),
	SIZE(PSCI, psci),       SIZE(SMMU, smmu),         SIZE(DEVICE, device),
	SIZE(HOST, host),       SIZE(POLICY, policy),     SIZE(PHASE, phase),
	SIZE(TICK, tick),       SIZE(ACT_DONE, act_done), SIZE(OVERRIDE, override),
};

#define TYPES (sizeof(sizes) / sizeof(sizes[0]))

/* The next record of the bytes; how many of them it took, 0 at the end. */
static size_t record_take(const uint8_t *data, size_t size, union kcoh_ev *ev)
{
	memset(ev, 0, sizeof(*ev));
	if (size < sizeof(ev->hdr))
		return 0;
	memcpy(&ev->hdr, data, sizeof(ev->hdr));
	if (ev->hdr.flags != 1) { /* made whole */
		ev->hdr.type %= TYPES;
		ev->hdr.size = sizes[ev->hdr.type] ? sizes[ev->hdr.type] : sizeof(ev->hdr);
		if (ev->hdr.vm > 5)
			ev->hdr.vm %= 6;
		if (ev->hdr.vcpu != KCOH_VCPU_NONE)
			ev->hdr.vcpu %= 6;
		ev->hdr.gap = ev->hdr.gap % 16 == 15;
	}
	if (ev->hdr.size > size || ev->hdr.size > sizeof(*ev) || ev->hdr.size < sizeof(ev->hdr))
		return sizeof(ev->hdr);
	memcpy((char *)ev + sizeof(ev->hdr), data + sizeof(ev->hdr),
	       ev->hdr.size - sizeof(ev->hdr));
	return ev->hdr.size;
}

static int vm_check(const struct kcoh_vm_view *view, void *ctx)
{
	uint32_t *last = ctx;

	FUZZ_CHECK(view->id > *last);
	*last = view->id;
	FUZZ_CHECK(view->verdict.kind <= KCOH_VERDICT_VETO);
	FUZZ_CHECK(strcmp(kcoh_reason_name(view->verdict.reason), "?") != 0);
	FUZZ_CHECK((view->verdict.reason == KCOH_RSN_OVERRIDE) == (view->verdict.overrides != 0));
	FUZZ_CHECK((view->verdict.kind == KCOH_VERDICT_WAIT ||
		    view->verdict.reason == KCOH_RSN_OVERRIDE) == (view->verdict.until_ns != 0));
	FUZZ_CHECK(!view->override.until_ns || view->verdict.kind <= KCOH_VERDICT_REPAIR);
	FUZZ_CHECK(view->vcpus == view->vcpus_cached + view->vcpus_uncached + view->vcpus_off +
					  view->vcpus_unknown);
	FUZZ_CHECK(view->vcpus_held <= view->vcpus && view->logged_pages <= view->ram_pages);
	FUZZ_CHECK(view->slots <= bounds.max_slots && view->vcpus <= bounds.max_vcpus);
	if (view->tracked && view->vcpus_uncached + view->vcpus_unknown)
		FUZZ_CHECK(view->windows_open & 1u << KCOH_WINDOW_MMU_OFF);
	return 0;
}

static void acts_check(const struct kcoh_act *acts, int n)
{
	FUZZ_CHECK(n <= KCOH_CORE_MAX_ACTS);
	for (int i = 0; i < n; i++) {
		FUZZ_CHECK(strcmp(kcoh_act_name(acts[i].type), "?") != 0);
		FUZZ_CHECK((acts[i].vm == KCOH_VM_NONE) == (acts[i].type == KCOH_ACT_RESCAN));
	}
}

static int step(struct kcoh_core *core, const union kcoh_ev *ev, struct kcoh_act *acts)
{
	int n = kcoh_core_step(core, &ev->hdr, sizeof(*ev), acts, KCOH_CORE_MAX_ACTS);
	uint32_t last = 0;

	acts_check(acts, n);
	kcoh_core_each_vm(core, vm_check, &last);
	return n;
}

static struct kcoh_core *core_new(void)
{
	size_t size = kcoh_core_size(&bounds);
	void *memory = malloc(size);

	FUZZ_CHECK(memory);
	memset(memory, 0xa5, size);
	return kcoh_core_init(memory, size, &bounds);
}

/* Another one, made from its image, must do the same. */
static void twin_check(struct kcoh_core *core)
{
	union kcoh_ev tick = { .tick.hdr = { .vcpu = KCOH_VCPU_NONE,
					     .type = KCOH_EV_TICK,
					     .size = sizeof(tick.tick) } };
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	struct kcoh_core *twin = core_new();
	size_t size = kcoh_core_image_size(core);
	void *image = malloc(size);

	FUZZ_CHECK(image && kcoh_core_save(core, image, size) == size);
	FUZZ_CHECK(kcoh_core_load(twin, image, size) == 0);
	for (uint32_t vm = 0; vm <= 5; vm++) {
		uint32_t outcome;
		int n;

		tick.hdr.ts_ns = (uint64_t)vm * 700000000;
		tick.hdr.gap = vm == 3;
		n = step(core, &tick, acts);
		tick.hdr.vm = vm; /* for the outcome only */
		outcome = kcoh_outcome(core, &tick.hdr, acts, n);
		tick.hdr.vm = 0;
		n = step(twin, &tick, acts);
		tick.hdr.vm = vm;
		FUZZ_CHECK(kcoh_outcome(twin, &tick.hdr, acts, n) == outcome);
		tick.hdr.vm = 0;
	}
	free(image);
	free(twin);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	struct kcoh_core *core = core_new();
	union kcoh_ev ev;
	size_t taken;

	while ((taken = record_take(data, size, &ev))) {
		step(core, &ev, acts);
		data += taken;
		size -= taken;
	}
	twin_check(core);
	free(core);
	return 0;
}
