// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - how much memory a core needs, and where things are in it.
 *
 * The caller decides the bounds and gives the memory; nothing is ever allocated after that. The
 * block is laid out as state.h says, each part rounded up to 16 bytes. An example: max_vms = 2,
 * max_vcpus = 4, max_slots = 8 gives the header, 4 entries of 8 bytes, 2 VMs, 8 vCPUs of 24 and
 * 16 slots of 40 bytes. Bounds are limited so that no sum here can overflow: 65536 VMs with 32768
 * slots each stay below 2^37 bytes.
 *
 * Init writes the header only. A VM's part is cleared when the VM appears, so a caller may give a
 * large mapping of untouched pages and pays for the VMs that live.
 */
#include <errno.h>
#include <string.h>

#include "core/state.h"

_Static_assert(sizeof(size_t) == 8, "sizes are computed without overflow checks in 64 bits");

#define MAX_VMS 65536u
#define MAX_VCPUS 512u
#define MAX_SLOTS 32768u

#define DEFAULT_ARM_DEADLINE_MS 1000

static size_t round_up(size_t bytes)
{
	return (bytes + 15) & ~(size_t)15;
}

static size_t entries_at(void)
{
	return round_up(sizeof(struct kcoh_core));
}

static size_t vms_at(const struct kcoh_core_config *config)
{
	return entries_at() + round_up(2 * (size_t)config->max_vms * sizeof(struct entry));
}

static size_t vcpus_at(const struct kcoh_core_config *config)
{
	return vms_at(config) + round_up(config->max_vms * sizeof(struct vm));
}

static size_t slots_at(const struct kcoh_core_config *config)
{
	return vcpus_at(config) +
	       round_up((size_t)config->max_vms * config->max_vcpus * sizeof(struct vcpu));
}

static bool in_range(uint32_t value, uint32_t max)
{
	return value >= 1 && value <= max;
}

size_t kcoh_core_size(const struct kcoh_core_config *config)
{
	if (!in_range(config->max_vms, MAX_VMS) || !in_range(config->max_vcpus, MAX_VCPUS) ||
	    !in_range(config->max_slots, MAX_SLOTS))
		return 0;
	return slots_at(config) +
	       round_up((size_t)config->max_vms * config->max_slots * sizeof(struct slot));
}

struct kcoh_core *kcoh_core_init(void *memory, size_t size, const struct kcoh_core_config *config)
{
	size_t need = kcoh_core_size(config);
	struct kcoh_core *core = memory;

	if (!memory || !need || size < need || (uintptr_t)memory % _Alignof(max_align_t))
		return NULL;
	memset(core, 0, sizeof(*core));
	core->config = *config;
	core->free = BODY_NONE;
	core->policy.strategy = KCOH_STRATEGY_VETO;
	core->policy.guard = KCOH_GUARD_WARN;
	core->policy.arm_deadline_ms = DEFAULT_ARM_DEADLINE_MS;
	return core;
}

struct entry *kcoh_entry_at(const struct kcoh_core *core, uint32_t i)
{
	return (struct entry *)((char *)core + entries_at()) + i;
}

struct vm *kcoh_vm_at(const struct kcoh_core *core, uint32_t body)
{
	return (struct vm *)((char *)core + vms_at(&core->config)) + body;
}

struct vcpu *kcoh_vcpus_of(const struct kcoh_core *core, const struct vm *vm)
{
	return (struct vcpu *)((char *)core + vcpus_at(&core->config)) +
	       (size_t)vm->body * core->config.max_vcpus;
}

struct slot *kcoh_slots_of(const struct kcoh_core *core, const struct vm *vm)
{
	return (struct slot *)((char *)core + slots_at(&core->config)) +
	       (size_t)vm->body * core->config.max_slots;
}
