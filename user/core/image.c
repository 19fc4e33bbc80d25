// SPDX-License-Identifier: GPL-2.0-only
/*
 * image.c - the whole state of a core as bytes, and back.
 *
 * A recording of the last minutes begins in mid-life: with this image, a core that is fed what follows goes on exactly as the one
 * that was recorded. It is the core's own structures, VM by VM, without what is unused: 1.1 KB for a VM of 4 vCPUs and 8 slots. So it fits a build
 * whose structures are the same (their sizes, and the number IMAGE_VERSION, which whoever changes what a field means must change);
 * arm64 and x86-64 lay them out alike.
 *
 *   head | struct kcoh_core | entries | for each entry with a body: struct vm, its vCPUs, its slots
 *
 * An image comes from a file that anybody may have made, so nothing in it is believed that an index, a loop or a bool hangs on, and
 * sums are made anew.
 */
#include <errno.h>
#include <string.h>

#include "core/state.h"

#define IMAGE_VERSION 4
#define MAX_PAGES (1ull << 48)

struct head {
	uint32_t version;
	uint32_t core_size, vm_size, vcpu_size, slot_size;
	uint32_t pad;
};

static const struct head this_build = {
	.version = IMAGE_VERSION,
	.core_size = sizeof(struct kcoh_core),
	.vm_size = sizeof(struct vm),
	.vcpu_size = sizeof(struct vcpu),
	.slot_size = sizeof(struct slot),
};

/* --- saved ------------------------------------------------------------------------------------------------ */

static size_t body_size(const struct vm *vm)
{
	return sizeof(*vm) + vm->vcpu_top * sizeof(struct vcpu) + vm->slots * sizeof(struct slot);
}

size_t kcoh_core_image_size(const struct kcoh_core *core)
{
	size_t size = sizeof(this_build) + sizeof(*core) + core->entries * sizeof(struct entry);

	for (uint32_t i = 0; i < core->entries; i++) {
		const struct vm *vm = kcoh_vm_of_entry(core, i);

		if (vm)
			size += body_size(vm);
	}
	return size;
}

static char *put(char *at, const void *from, size_t size)
{
	memcpy(at, from, size);
	return at + size;
}

size_t kcoh_core_save(const struct kcoh_core *core, void *image, size_t size)
{
	char *at = image;

	if (size < kcoh_core_image_size(core))
		return 0;
	at = put(at, &this_build, sizeof(this_build));
	at = put(at, core, sizeof(*core));
	at = put(at, kcoh_entry_at(core, 0), core->entries * sizeof(struct entry));
	for (uint32_t i = 0; i < core->entries; i++) {
		const struct vm *vm = kcoh_vm_of_entry(core, i);

		if (!vm)
			continue;
		at = put(at, vm, sizeof(*vm));
		at = put(at, kcoh_vcpus_of(core, vm), vm->vcpu_top * sizeof(struct vcpu));
		at = put(at, kcoh_slots_of(core, vm), vm->slots * sizeof(struct slot));
	}
	return (size_t)(at - (char *)image);
}

/* --- loaded ----------------------------------------------------------------------------------------------- */

/* What is left of an image. */
struct cursor {
	const char *at;
	size_t left;
};

static bool get(struct cursor *cursor, void *to, size_t size)
{
	if (cursor->left < size)
		return false;
	memcpy(to, cursor->at, size);
	cursor->at += size;
	cursor->left -= size;
	return true;
}

/* A byte that is to be a bool. */
static bool is_bool(const bool *value)
{
	uint8_t byte;

	memcpy(&byte, value, 1);
	return byte <= 1;
}

static bool core_is_right(const struct kcoh_core *core)
{
	const struct sync *sync = &core->sync;

	return core->entries <= 2 * core->config.max_vms && is_bool(&core->due) &&
	       is_bool(&core->unnamed) && is_bool(&sync->on) && is_bool(&sync->wanted) &&
	       is_bool(&sync->sent);
}

static bool flags_are_right(const struct vm *vm)
{
	const struct epoch *epoch = &vm->epoch;
	const struct acts *acts = &vm->acts;

	return is_bool(&vm->known) && is_bool(&epoch->on) && is_bool(&epoch->unclean) &&
	       is_bool(&epoch->failed) && is_bool(&epoch->tainted) && is_bool(&epoch->doubtful) &&
	       is_bool(&epoch->reported) && is_bool(&epoch->device) && is_bool(&acts->dry) &&
	       is_bool(&acts->vetoed) && is_bool(&acts->migrating) && is_bool(&acts->refusing) &&
	       is_bool(&vm->give.tainted) && is_bool(&vm->override.used);
}

static bool vm_is_right(const struct kcoh_core *core, const struct vm *vm, uint32_t id)
{
	return vm->id == id && vm->slots <= core->config.max_slots &&
	       vm->vcpu_top <= core->config.max_vcpus && flags_are_right(vm) &&
	       !vm->comm[KCOH_COMM_LEN - 1];
}

/* What is known of vCPUs, counted anew. False if one is in no state that there is. */
static bool vcpus_count(const struct kcoh_core *core, struct vm *vm)
{
	const struct vcpu *vcpus = kcoh_vcpus_of(core, vm);

	memset(vm->states, 0, sizeof(vm->states));
	vm->vcpus = vm->held = vm->epoch.owed = 0;
	for (uint32_t i = 0; i < vm->vcpu_top; i++) {
		const struct vcpu *vcpu = &vcpus[i];

		if (vcpu->state > KCOH_OFF || vcpu->source > KCOH_SRC_DISARM ||
		    vcpu->passed > 1 + KCOH_OFF)
			return false;
		vm->held += vcpu->held;
		vm->epoch.owed += !!(vcpu->arm & ARM_OWED);
		vm->vcpus += vcpu->known;
		vm->states[vcpu->state] += vcpu->known;
	}
	return true;
}

/* … and pages. False if slots are not in order, or too large to be added up. */
static bool slots_count(const struct kcoh_core *core, struct vm *vm)
{
	const struct slot *slots = kcoh_slots_of(core, vm);

	vm->ram_pages = vm->logged_pages = 0;
	for (uint32_t i = 0; i < vm->slots; i++) {
		const struct slot *slot = &slots[i];

		if (slot->pages > MAX_PAGES || (i && slot[-1].key >= slot->key))
			return false;
		if (slot->flags & KCOH_SLOT_READONLY)
			continue;
		vm->ram_pages += slot->pages;
		if (slot->flags & KCOH_SLOT_LOG_DIRTY)
			vm->logged_pages += slot->pages;
	}
	return true;
}

static bool vm_load(struct kcoh_core *core, struct cursor *cursor, struct entry *entry,
		    uint32_t body)
{
	struct vm *vm = kcoh_vm_at(core, body);
	struct vcpu *vcpus;

	if (!get(cursor, vm, sizeof(*vm)) || !vm_is_right(core, vm, entry->id))
		return false;
	entry->body = vm->body = body;
	vcpus = kcoh_vcpus_of(core, vm);
	memset(vcpus, 0, core->config.max_vcpus * sizeof(*vcpus));
	return get(cursor, vcpus, vm->vcpu_top * sizeof(*vcpus)) &&
	       get(cursor, kcoh_slots_of(core, vm), vm->slots * sizeof(struct slot)) &&
	       vcpus_count(core, vm) && slots_count(core, vm);
}

static bool vms_load(struct kcoh_core *core, struct cursor *cursor)
{
	struct entry *entries = kcoh_entry_at(core, 0);
	uint32_t tracked = 0;

	if (!get(cursor, entries, core->entries * sizeof(*entries)))
		return false;
	for (uint32_t i = 0; i < core->entries; i++) {
		if (!entries[i].id || (i && entries[i - 1].id >= entries[i].id))
			return false;
		if (entries[i].body == BODY_NONE)
			continue;
		if (tracked == core->config.max_vms || !vm_load(core, cursor, &entries[i], tracked))
			return false;
		tracked++;
	}
	core->vms = core->fresh = tracked;
	core->free = BODY_NONE;
	core->stats.vms_untracked = core->entries - tracked;
	return !cursor->left;
}

int kcoh_core_load(struct kcoh_core *core, const void *image, size_t size)
{
	const struct kcoh_core_config config = core->config;
	struct cursor cursor = { image, size };
	struct head head;

	if (!get(&cursor, &head, sizeof(head)))
		return -EINVAL;
	if (memcmp(&head, &this_build, sizeof(head)) != 0)
		return -EPROTO;
	if (!get(&cursor, core, sizeof(*core)) ||
	    memcmp(&core->config, &config, sizeof(config)) != 0 || !core_is_right(core) ||
	    !vms_load(core, &cursor)) {
		core->config = config;
		return -EINVAL;
	}
	return 0;
}
