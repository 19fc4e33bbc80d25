// SPDX-License-Identifier: GPL-2.0-only
/*
 * made.c - VMs for a scrape. See made.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "made.h"

int made_exits(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts)
{
	(void)ctx;
	(void)vcpu;
	memset(ret_counts, 0, sizeof(*ret_counts));
	if (vm % 3 == 0)
		return -ENOENT;
	ret_counts->classes[0x16] = 5ull * vm;
	ret_counts->classes[KCOH_EXIT_IRQ] = 1;
	ret_counts->times[0][5] = 2;
	ret_counts->times[0][12] = 3;
	ret_counts->times[0][31] = 1;
	return 0;
}

static void step(struct kcoh_core *core, union kcoh_ev *ev, uint16_t type, size_t size, uint32_t vm,
		 uint16_t vcpu)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];

	ev->hdr = (struct kcoh_ev_hdr){
		.ts_ns = 1000, .vm = vm, .vcpu = vcpu, .type = type, .size = (uint16_t)size
	};
	if (kcoh_core_step(core, &ev->hdr, size, acts, KCOH_CORE_MAX_ACTS) < 0)
		abort();
}

#define STEP(TYPE, member, vm, vcpu, ...)                                                          \
	step(core, &(union kcoh_ev){ .member = { .hdr = { 0 }, ##__VA_ARGS__ } }, KCOH_EV_##TYPE,  \
	     sizeof(((union kcoh_ev *)0)->member), vm, vcpu)

static void vm_make(struct kcoh_core *core, struct kcoh_roster *roster, uint32_t id)
{
	struct kcoh_ev_harvest harvest = {
		.hdr = { .ts_ns = 1000, .type = KCOH_EV_HARVEST, .size = sizeof(harvest) },
		.pages = 64,
		.ns = 1500,
		.cleaned = 64,
		.kind = KCOH_HARVEST_CLEAR,
		.source = KCOH_HARVEST_BY_MODULE,
	};
	struct kcoh_harvest_sum before;
	struct kcoh_vm_view view;
	char name[64];

	snprintf(name, sizeof(name), id % 2 ? "web-%u" : "na\\me \"%u\"\né", id);
	STEP(VM_NEW, vm_new, id, KCOH_VCPU_NONE, .pid = id, .comm = "qemu");
	STEP(MEMSLOT, memslot, id, KCOH_VCPU_NONE, .pages = 256, .change = KCOH_SLOT_CREATE);
	STEP(VCPU, vcpu, id, 0, .state = id % 2 ? KCOH_CACHED : KCOH_UNCACHED, .tid = 1);
	harvest.hdr.vm = id;
	if (kcoh_roster_add(roster, kcoh_ident_new(id, id, "qemu", name, NULL)) < 0)
		abort();
	kcoh_core_vm(core, id, &view);
	kcoh_roster_find(roster, id)->smmu_events = id;
	for (uint32_t i = 0; i < 10; i++) {
		harvest.hdr.ts_ns += 1000000000;
		harvest.source = i % 2 ? KCOH_HARVEST_BY_KVM : KCOH_HARVEST_BY_MODULE;
		kcoh_harvests_add(&kcoh_roster_find(roster, id)->harvests, &harvest, &view,
				  &before);
	}
}

/* A harvest of each decade of time and pages, windows from an instant to an hour. */
static struct kcoh_histograms histograms_make(void)
{
	struct kcoh_histograms histograms = kcoh_histograms_new();

	for (uint64_t n = 1; n < 10000000; n *= 10) {
		kcoh_histogram_add(&histograms.harvest_time, n * 1000);
		kcoh_histogram_add(&histograms.cleaning_time, n * 200);
		kcoh_histogram_add(&histograms.harvest_pages, n);
	}
	for (int i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		kcoh_histogram_add(&histograms.windows[i], 0);
		kcoh_histogram_add(&histograms.windows[i], 10000); /* on a bound: below it */
		kcoh_histogram_add(&histograms.windows[i], 10001);
		kcoh_histogram_add(&histograms.windows[i], 3600000000000);
	}
	return histograms;
}

static void vms_make(struct kcoh_core *core, struct kcoh_roster *roster, uint32_t vms)
{
	STEP(HOST, host, 0, KCOH_VCPU_NONE, .features = KCOH_HOST_MODULE | KCOH_HOST_TRAP,
	     .page_size = 4096);
	for (uint32_t id = 1; id <= vms; id++)
		vm_make(core, roster, id);
}

int made_new(struct made *made, uint32_t vms)
{
	static const struct kcoh_core_config bounds = { MADE_MAX_VMS, 4, 4 };
	static const struct kcoh_smmu_counts smmu = {
		.events = { [0x10] = 7, [0xe3] = 1, [0x2a] = 2 }, .unread = 3
	};
	size_t size = kcoh_core_size(&bounds);

	*made = (struct made){ .memory = malloc(size),
			       .host = { .now_ns = 5000000000,
					 .unix_ns = 1767323045000000000,
					 .page_size = 4096,
					 .features_known = true,
					 .module_up = true,
					 .module_stats_known = true,
					 .fleet_known = true,
					 .fleet = { .up = true, .vms = 5, .lag_ns = 20000000 },
					 .admission_known = true,
					 .smmu = &smmu,
					 .exit_times = true,
					 .hooks = 1,
					 .hook = { { "kvm_exit", "raw_tp" } } } };
	made->core = made->memory ? kcoh_core_init(made->memory, size, &bounds) : NULL;
	if (!made->core || kcoh_roster_new(&made->roster) < 0) {
		free(made->memory);
		return -ENOMEM;
	}
	vms_make(made->core, made->roster, vms);
	made->histograms = histograms_make();
	made->host.histograms = &made->histograms;
	made->host.process_known = kcoh_metrics_process_read(&made->host.process) == 0;
	return 0;
}

void made_free(struct made *made)
{
	kcoh_roster_free(made->roster);
	free(made->memory);
}
