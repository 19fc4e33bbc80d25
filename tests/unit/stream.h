/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * stream.h - how the core's tests are written: streams of records, and what is expected after each.
 *
 * A case is a table. A line says when (ms), which record, and what must be true afterwards: the
 * verdict of VM 1 (or of the VM in `.look`) and the acts that came out, as text. An example:
 *
 *   static const struct line lines[] = {
 *           { 10, TOGGLE(1, 0, CACHED, UNCACHED, TRAP), VETO(MMU_OFF), "cancel:1 alert:1" },
 *           { 12, TOGGLE(1, 0, UNCACHED, CACHED, TRAP), VETO(MMU_OFF_EARLIER), "" },
 *   };
 *
 * Acts in text (but for arm and disarm, unless world.arms is set): `cancel:1`, `dry-cancel:1`, `alert:1`, `rescan:0`, in the order they were handed
 * out. The core lives in memory of exactly its size, so that the address sanitizer sees any step
 * outside.
 */
#ifndef KCOH_TESTS_STREAM_H
#define KCOH_TESTS_STREAM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "core/core.h"

/* A line of a table ends where there is nothing more to say. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define RAM_PAGES 262144
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

#define HDR(member, type_, vm_, vcpu_)                                                             \
	.hdr = { .vm = (vm_),                                                                      \
		 .vcpu = (vcpu_),                                                                  \
		 .type = KCOH_EV_##type_,                                                          \
		 .size = sizeof(((union kcoh_ev *)NULL)->member) }
#define VM_NEW_AS(vm, existing_)                                                                   \
	{                                                                                          \
		.vm_new = {                                                                        \
			HDR(vm_new, VM_NEW, vm, KCOH_VCPU_NONE),                                   \
			.pid = 100 + (vm),                                                         \
			.existing = (existing_),                                                   \
			.comm = "qemu"                                                             \
		}                                                                                  \
	}
#define VM_NEW(vm) VM_NEW_AS(vm, 0)
#define VM_MET(vm) VM_NEW_AS(vm, 1)
#define VM_GONE(vm)                                                                                \
	{                                                                                          \
		.vm_gone = { HDR(vm_gone, VM_GONE, vm, KCOH_VCPU_NONE) }                           \
	}
#define VCPU(vm, index, state_, source_)                                                           \
	{                                                                                          \
		.vcpu = {                                                                          \
			HDR(vcpu, VCPU, vm, index),                                                \
			.state = KCOH_##state_,                                                    \
			.source = KCOH_SRC_##source_,                                              \
			.sctlr = 0x30d00800                                                        \
		}                                                                                  \
	}
#define TOGGLE(vm, index, was_, now_, source_)                                                     \
	{                                                                                          \
		.toggle = {                                                                        \
			HDR(toggle, TOGGLE, vm, index),                                            \
			.was = KCOH_##was_,                                                        \
			.now = KCOH_##now_,                                                        \
			.source = KCOH_SRC_##source_,                                              \
			.sctlr = 0x30d0180d                                                        \
		}                                                                                  \
	}
#define SET_WAY(vm, index)                                                                         \
	{                                                                                          \
		.set_way = { HDR(set_way, SET_WAY, vm, index), .cached = 1, .cleaned = 1 }         \
	}
#define RESET(vm, index, kind_, has_run_)                                                          \
	{                                                                                          \
		.reset = {                                                                         \
			HDR(reset, RESET, vm, index),                                              \
			.kind = KCOH_RESET_##kind_,                                                \
			.has_run = (has_run_)                                                      \
		}                                                                                  \
	}
#define SLOT(vm, change_, id, pages_, flags_, old_flags_, generation_)                             \
	{                                                                                          \
		.memslot = {                                                                       \
			HDR(memslot, MEMSLOT, vm, KCOH_VCPU_NONE),                                 \
			.change = KCOH_SLOT_##change_,                                             \
			.slot_id = (id),                                                           \
			.pages = (pages_),                                                         \
			.base_gfn = 0x40000,                                                       \
			.flags = (flags_),                                                         \
			.old_flags = (old_flags_),                                                 \
			.generation = (generation_)                                                \
		}                                                                                  \
	}
#define LOGS KCOH_SLOT_LOG_DIRTY
#define RAM(vm) SLOT(vm, CREATE, 3, RAM_PAGES, 0, 0, 0)
#define LOG_ON(vm) SLOT(vm, FLAGS, 3, RAM_PAGES, LOGS, 0, 0)
#define LOG_OFF(vm) SLOT(vm, FLAGS, 3, RAM_PAGES, 0, LOGS, 0)
#define EPOCH(vm, start_, vcpus_, pending_)                                                        \
	{                                                                                          \
		.epoch = {                                                                         \
			HDR(epoch, EPOCH, vm, KCOH_VCPU_NONE),                                     \
			.start = (start_),                                                         \
			.vcpus = (vcpus_),                                                         \
			.armed = (vcpus_) - (pending_),                                            \
			.pending = (pending_),                                                     \
			.logged_pages = RAM_PAGES,                                                 \
			.total_pages = RAM_PAGES                                                   \
		}                                                                                  \
	}
#define HARVEST(vm, unclean_)                                                                      \
	{                                                                                          \
		.harvest = {                                                                       \
			HDR(harvest, HARVEST, vm, KCOH_VCPU_NONE),                                 \
			.pages = 10,                                                               \
			.cleaned = 10 - (unclean_),                                                \
			.unclean = (unclean_),                                                     \
			.kind = KCOH_HARVEST_CLEAR,                                                \
			.source = KCOH_HARVEST_BY_MODULE                                           \
		}                                                                                  \
	}
#define SCAN(done_)                                                                                \
	{                                                                                          \
		.scan = { HDR(scan, SCAN, 0, KCOH_VCPU_NONE), .done = (done_) }                    \
	}
#define UNCLEAN(pages_)                                                                            \
	{                                                                                          \
		.unclean = { HDR(unclean, UNCLEAN, 0, KCOH_VCPU_NONE), .pages = (pages_) }         \
	}
#define UNMAP(vm, kind_)                                                                           \
	{                                                                                          \
		.unmap = {                                                                         \
			HDR(unmap, UNMAP, vm, KCOH_VCPU_NONE),                                     \
			.unmaps = 1,                                                               \
			.kind = KCOH_UNMAP_##kind_                                                 \
		}                                                                                  \
	}
#define PSCI(vm, vcpu, call_)                                                                      \
	{                                                                                          \
		.psci = { HDR(psci, PSCI, vm, vcpu), .call = KCOH_PSCI_##call_ }                   \
	}
#define SMMU(vm)                                                                                   \
	{                                                                                          \
		.smmu = {                                                                          \
			HDR(smmu, SMMU, vm, KCOH_VCPU_NONE),                                       \
			.raw = { 8ull << 32 | 0x10, 1ull << 41, 0x01000000 },                      \
			.count = 1,                                                                \
			.group = 1,                                                                \
			.device = "0000:00:01.0",                                                  \
			.smmu = "9050000.smmuv3"                                                   \
		}                                                                                  \
	}
/* One that says what it was: `kind` EVENT or FOLDED; `word1` READS, STALLS. */
#define FAULT(vm, kind_, word1)                                                                    \
	{                                                                                          \
		.smmu = {                                                                          \
			HDR(smmu, SMMU, vm, KCOH_VCPU_NONE),                                       \
			.raw = { 8ull << 32 | 0x10, 1ull << 41 | (word1), 0x01000000 },            \
			.count = 1,                                                                \
			.kind = KCOH_SMMU_##kind_                                                  \
		}                                                                                  \
	}
#define READS (1ull << 35)
#define STALLS (1ull << 31)
#define DEVICE(vm, state_)                                                                         \
	{                                                                                          \
		.device = {                                                                        \
			HDR(device, DEVICE, vm, KCOH_VCPU_NONE),                                   \
			.sid = 8,                                                                  \
			.group = 1,                                                                \
			.state = KCOH_DEVICE_##state_,                                             \
			.device = "0000:00:01.0",                                                  \
			.smmu = "9050000.smmuv3"                                                   \
		}                                                                                  \
	}
#define HOST(features_)                                                                            \
	{                                                                                          \
		.host = {                                                                          \
			HDR(host, HOST, 0, KCOH_VCPU_NONE),                                        \
			.features = (features_),                                                   \
			.page_size = 4096                                                          \
		}                                                                                  \
	}
#define MODULE (KCOH_HOST_VHE | KCOH_HOST_MODULE | KCOH_HOST_TRAP)
#define POLICY(vm, strategy_, guard_, can_cancel_)                                                 \
	{                                                                                          \
		.policy = {                                                                        \
			HDR(policy, POLICY, vm, KCOH_VCPU_NONE),                                   \
			.strategy = KCOH_STRATEGY_##strategy_,                                     \
			.guard = KCOH_GUARD_##guard_,                                              \
			.can_cancel = (can_cancel_),                                               \
			.arm_deadline_ms = 500,                                                    \
			.defer_ms = 2000,                                                          \
			.hold_ms = 30000                                                           \
		}                                                                                  \
	}
#define ENFORCED POLICY(0, VETO, ENFORCE, 1)
#define PHASE(vm, phase_)                                                                          \
	{                                                                                          \
		.phase = { HDR(phase, PHASE, vm, KCOH_VCPU_NONE), .phase = KCOH_PHASE_##phase_ }   \
	}
#define OVERRIDE(vm, until_ms_, uid_)                                                              \
	{                                                                                          \
		.override = {                                                                      \
			HDR(override, OVERRIDE, vm, KCOH_VCPU_NONE),                               \
			.until_ns = (until_ms_)*1000000ull,                                        \
			.uid = (uid_),                                                             \
			.number = 7                                                                \
		}                                                                                  \
	}
#define TICK                                                                                       \
	{                                                                                          \
		.tick = { HDR(tick, TICK, 0, KCOH_VCPU_NONE) }                                     \
	}
#define DONE(vm, act_, result_)                                                                    \
	{                                                                                          \
		.act_done = {                                                                      \
			HDR(act_done, ACT_DONE, vm, KCOH_VCPU_NONE),                               \
			.act = KCOH_ACT_##act_,                                                    \
			.result = (result_)                                                        \
		}                                                                                  \
	}

#define ALLOW(reason) KCOH_VERDICT_ALLOW, KCOH_RSN_##reason
#define REPAIR(reason) KCOH_VERDICT_REPAIR, KCOH_RSN_##reason
#define WAIT(reason) KCOH_VERDICT_WAIT, KCOH_RSN_##reason
#define VETO(reason) KCOH_VERDICT_VETO, KCOH_RSN_##reason
#define NO_VM -1, 0 /* the VM is not known */
#define ANY -2, 0

struct line {
	uint64_t ms;
	union kcoh_ev ev;
	int kind; /* enum kcoh_verdict_kind, or NO_VM, ANY */
	int reason;
	const char *acts; /* NULL: not looked at */
	uint32_t gap;
	uint32_t look; /* the VM whose verdict is meant; 0: VM 1 */
};

struct world {
	struct kcoh_core *core;
	size_t size;
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	int n_acts;
	bool arms; /* ARM and DISARM are looked at, too: what test_core_give.c is about */
};

static inline void world_make(struct world *world, uint32_t vms, uint32_t vcpus, uint32_t slots)
{
	struct kcoh_core_config config = { .max_vms = vms, .max_vcpus = vcpus, .max_slots = slots };
	void *memory;

	memset(world, 0, sizeof(*world));
	world->size = kcoh_core_size(&config);
	assert_int_not_equal(world->size, 0);
	memory = malloc(world->size);
	assert_non_null(memory);
	memset(memory, 0xa5, world->size); /* the core must not rely on zeros */
	world->core = kcoh_core_init(memory, world->size, &config);
	assert_non_null(world->core);
}

static inline void world_free(struct world *world)
{
	free(world->core);
}

static inline void world_step(struct world *world, const union kcoh_ev *ev)
{
	world->n_acts = kcoh_core_step(world->core, &ev->hdr, ev->hdr.size, world->acts,
				       COUNT(world->acts));
}

static inline void acts_text(const struct world *world, char *text, size_t size)
{
	size_t used = 0;
	int i;

	text[0] = 0;
	for (i = 0; i < world->n_acts && used < size; i++) {
		if (!world->arms &&
		    (world->acts[i].type == KCOH_ACT_ARM || world->acts[i].type == KCOH_ACT_DISARM))
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s%s%s:%u", used ? " " : "",
					 world->acts[i].dry ? "dry-" : "",
					 kcoh_act_name(world->acts[i].type), world->acts[i].vm);
	}
}

static inline void check_verdict(const struct world *world, const struct line *line,
				 const char *where, size_t i)
{
	uint32_t vm = line->look ? line->look : 1;
	struct kcoh_vm_view view;
	int err = kcoh_core_vm(world->core, vm, &view);

	if (line->kind == -2)
		return;
	if (line->kind == -1 || err) {
		if ((line->kind == -1) != (err != 0))
			fail_msg("%s line %zu: VM %u is %sknown", where, i, vm, err ? "not " : "");
		return;
	}
	if ((int)view.verdict.kind != line->kind || (int)view.verdict.reason != line->reason)
		fail_msg("%s line %zu: %s/%s expected, %s/%s found", where, i,
			 kcoh_verdict_name(line->kind), kcoh_reason_name(line->reason),
			 kcoh_verdict_name(view.verdict.kind),
			 kcoh_reason_name(view.verdict.reason));
}

static inline void run_line(struct world *world, const struct line *line, const char *where,
			    size_t i)
{
	union kcoh_ev ev = line->ev;
	char text[256];

	ev.hdr.ts_ns = line->ms * 1000000;
	ev.hdr.gap = line->gap;
	world_step(world, &ev);
	if (world->n_acts < 0)
		fail_msg("%s line %zu: refused (%d)", where, i, world->n_acts);
	check_verdict(world, line, where, i);
	acts_text(world, text, sizeof(text));
	if (line->acts && strcmp(line->acts, text))
		fail_msg("%s line %zu: acts '%s' expected, '%s' found", where, i, line->acts, text);
}

/* Lines are counted from 0. */
static inline void run_lines(struct world *world, const struct line *lines, size_t n,
			     const char *where)
{
	size_t i;

	for (i = 0; i < n; i++)
		run_line(world, &lines[i], where, i);
}

#define RUN(world, lines) run_lines(world, lines, COUNT(lines), __func__)

/* Runs a whole case in a world of its own: 4 VMs of 8 vCPUs and 8 slots. */
static inline void run_case(const struct line *lines, size_t n, const char *where)
{
	struct world world;

	world_make(&world, 4, 8, 8);
	run_lines(&world, lines, n, where);
	world_free(&world);
}

#define CASE(lines) run_case(lines, COUNT(lines), __func__)

static inline struct kcoh_vm_view vm_view(const struct world *world, uint32_t vm)
{
	struct kcoh_vm_view view;

	assert_int_equal(kcoh_core_vm(world->core, vm, &view), 0);
	return view;
}

static inline struct kcoh_vcpu_view vcpu_view(const struct world *world, uint32_t vm,
					      uint16_t index)
{
	struct kcoh_vcpu_view view;

	assert_int_equal(kcoh_core_vcpu(world->core, vm, index, &view), 0);
	return view;
}

#endif
