// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - how many records a second the decision core takes on one processor, and what a VM costs in memory.
 *
 *   $ make bench-core
 *   1000 VMs of 64 vCPUs and 8 slots: 2.2 MB, 2240 bytes a VM
 *   toggle         3.10 million records/s
 *
 * The core is pure, so this runs on the machine at hand and says nothing about arm64's exits. Half of the VMs are in a dirty epoch, all
 * vCPUs are known. Each kind of record is timed by itself, over VMs in an order that the cache does not guess; a TICK touches all VMs.
 * A record takes the search of its VM among 1000, and what it changes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/core.h"

#define VMS 1000
#define VCPUS 64
#define SLOTS 8
#define PAGES 65536

static struct kcoh_core *core;
static uint64_t now_ns = 1000000000;
static uint64_t acts_seen;
static uint64_t generation;

static void step(union kcoh_ev *ev)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	int n;

	ev->hdr.ts_ns = now_ns += 1000;
	n = kcoh_core_step(core, &ev->hdr, ev->hdr.size, acts, KCOH_CORE_MAX_ACTS);
	if (n < 0) {
		fprintf(stderr, "bench-core: the core refuses a %s record\n",
			kcoh_ev_name(ev->hdr.type));
		exit(1);
	}
	acts_seen += (uint64_t)n;
}

#define EV(TYPE, member, vm_, vcpu_, ...)                                                          \
	(union kcoh_ev)                                                                            \
	{                                                                                          \
		.member = {                                                                        \
			.hdr = { .vm = (vm_),                                                      \
				 .vcpu = (uint16_t)(vcpu_),                                        \
				 .type = KCOH_EV_##TYPE,                                           \
				 .size = sizeof(((union kcoh_ev *)NULL)->member) },                \
			##__VA_ARGS__                                                              \
		}                                                                                  \
	}

/* A fixed sequence that visits VMs and vCPUs in no order. */
static uint32_t draw(uint32_t n)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % n;
}

static void slot(uint32_t vm, uint32_t id, uint32_t flags, uint32_t old, uint8_t change)
{
	union kcoh_ev ev = EV(MEMSLOT, memslot, vm, KCOH_VCPU_NONE, .slot_id = id,
			      .base_gfn = (uint64_t)id << 20, .pages = PAGES, .flags = flags,
			      .old_flags = old, .change = change, .generation = ++generation);

	step(&ev);
}

static void vm_make(uint32_t vm)
{
	union kcoh_ev ev = EV(VM_NEW, vm_new, vm, KCOH_VCPU_NONE, .pid = vm, .comm = "qemu");

	step(&ev);
	for (uint32_t i = 0; i < SLOTS; i++)
		slot(vm, i, 0, 0, KCOH_SLOT_CREATE);
	for (uint32_t i = 0; i < SLOTS && vm % 2; i++)
		slot(vm, i, KCOH_SLOT_LOG_DIRTY, 0, KCOH_SLOT_FLAGS);
	for (uint32_t i = 0; i < VCPUS; i++) {
		ev = EV(VCPU, vcpu, vm, i, .state = KCOH_CACHED, .source = KCOH_SRC_TRAP);
		step(&ev);
	}
}

/* --- what is timed ---------------------------------------------------------------------------------------- */

static void one_toggle(uint64_t i)
{
	static bool off[VMS][VCPUS];
	uint32_t vm = draw(VMS), vcpu = draw(VCPUS);
	bool was = off[vm][vcpu];
	union kcoh_ev ev = EV(TOGGLE, toggle, vm + 1, vcpu,
			      .was = was ? KCOH_UNCACHED : KCOH_CACHED,
			      .now = was ? KCOH_CACHED : KCOH_UNCACHED, .source = KCOH_SRC_TRAP);

	(void)i;
	off[vm][vcpu] = !was;
	step(&ev);
}

static void one_sample(uint64_t i)
{
	union kcoh_ev ev = EV(VCPU, vcpu, 1 + draw(VMS), draw(VCPUS), .state = KCOH_CACHED,
			      .source = KCOH_SRC_SAMPLE);

	(void)i;
	step(&ev);
}

static void one_harvest(uint64_t i)
{
	union kcoh_ev ev = EV(HARVEST, harvest, 1 + draw(VMS), KCOH_VCPU_NONE, .pages = 64,
			      .cleaned = 64, .kind = KCOH_HARVEST_CLEAR,
			      .source = (uint8_t)(i % 2));

	step(&ev);
}

static void one_memslot(uint64_t i)
{
	uint32_t vm = 1 + draw(VMS);
	uint32_t on = vm % 2 ? KCOH_SLOT_LOG_DIRTY : 0;

	(void)i;
	slot(vm, draw(SLOTS), on, on, KCOH_SLOT_FLAGS);
}

static void one_tick(uint64_t i)
{
	union kcoh_ev ev = EV(TICK, tick, KCOH_VM_NONE, KCOH_VCPU_NONE);

	(void)i;
	step(&ev);
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void measure(const char *name, void (*one)(uint64_t i), uint64_t batch)
{
	double begun = seconds(), took;
	uint64_t n = 0;

	do {
		for (uint64_t i = 0; i < batch; i++)
			one(n++);
		took = seconds() - begun;
	} while (took < 1);
	if (batch > 1)
		printf("%-10s %8.2f million records/s\n", name, (double)n / took / 1e6);
	else
		printf("%-10s %8.2f us each, over %d VMs\n", name, took / (double)n * 1e6, VMS);
}

int main(void)
{
	const struct kcoh_core_config config = { VMS, VCPUS, SLOTS };
	size_t size = kcoh_core_size(&config);
	union kcoh_ev host = EV(HOST, host, KCOH_VM_NONE, KCOH_VCPU_NONE,
				.features = KCOH_HOST_MODULE | KCOH_HOST_TRAP | KCOH_HOST_CLEAN,
				.page_size = 4096);
	void *memory = malloc(size);

	core = kcoh_core_init(memory, size, &config);
	if (!core) {
		fprintf(stderr, "bench-core: no memory\n");
		return 1;
	}
	step(&host);
	for (uint32_t vm = 1; vm <= VMS; vm++)
		vm_make(vm);
	printf("%d VMs of %d vCPUs and %d slots: %.1f MB, %zu bytes a VM\n", VMS, VCPUS, SLOTS,
	       (double)size / 1e6, size / VMS);
	measure("toggle", one_toggle, 10000);
	measure("sample", one_sample, 10000);
	measure("harvest", one_harvest, 10000);
	measure("memslot", one_memslot, 10000);
	measure("tick", one_tick, 1);
	free(memory);
	return 0;
}
