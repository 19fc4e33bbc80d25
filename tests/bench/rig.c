// SPDX-License-Identifier: GPL-2.0-only
/*
 * rig.c - the doorbell of the guest that takes the time.
 *
 * What is measured must not be ours: a store to BENCH_NOTHING returns to KVM_RUN at once, without a lock. Orders are given
 * and reported outside what is timed. There is no deadline, because time is instructions: the lab has one.
 */
#include <string.h>

#include "../lab/vmm/say.h"
#include "rig.h"

/* Called with vm->lock held. */
static uint64_t wait_for_order(struct rig *rig)
{
	rig->idle = true;
	pthread_cond_broadcast(&rig->vm.changed);
	while (!rig->order)
		pthread_cond_wait(&rig->vm.changed, &rig->vm.lock);
	rig->idle = false;
	return rig->order;
}

static void done(struct rig *rig, uint64_t ticks)
{
	rig->ticks = ticks;
	rig->order = 0;
	pthread_cond_broadcast(&rig->vm.changed);
}

static bool mmio(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value, void *ctx)
{
	struct rig *rig = ctx;

	if (ipa == GUEST_BELL + BENCH_NOTHING && is_store)
		return true;
	pthread_mutex_lock(&vcpu->vm->lock);
	if (ipa == GUEST_BELL + BENCH_ORDER && !is_store)
		*value = wait_for_order(rig);
	else if (ipa == GUEST_BELL + BENCH_TIMES && !is_store)
		*value = rig->times;
	else if (ipa == GUEST_BELL + BENCH_DONE && is_store)
		done(rig, *value);
	else
		die("the guest touched %#llx, where nothing is", (unsigned long long)ipa);
	pthread_mutex_unlock(&vcpu->vm->lock);
	return true;
}

void rig_must_start(struct rig *rig, const char *guest, uint32_t manual_protect)
{
	struct vm_config config = {
		.vcpus = 1,
		.slots = 1,
		.slot_bytes = { RIG_BYTES },
		.manual_protect = manual_protect,
		.mmio = mmio,
		.ctx = rig,
	};
	int error;

	memset(rig, 0, sizeof(*rig));
	vm_must_create(&rig->vm, &config);
	vm_must_load(&rig->vm, guest, GUEST_ENTRY);
	error = vm_vcpu_start(&rig->vm.vcpus[0]);
	if (error)
		die("cannot start the vCPU: %s", strerror(-error));
}

/* Called with vm->lock held. */
static void wait_until_idle(struct rig *rig)
{
	while (!rig->idle || rig->order)
		pthread_cond_wait(&rig->vm.changed, &rig->vm.lock);
}

uint64_t rig_obey(struct rig *rig, uint64_t order, uint64_t times)
{
	uint64_t ticks;

	pthread_mutex_lock(&rig->vm.lock);
	wait_until_idle(rig);
	rig->order = order;
	rig->times = times;
	pthread_cond_broadcast(&rig->vm.changed);
	wait_until_idle(rig);
	ticks = rig->ticks;
	pthread_mutex_unlock(&rig->vm.lock);
	return ticks;
}

void rig_must_log(struct rig *rig)
{
	int error = vm_slot_log(&rig->vm, RIG_SLOT, true);

	if (error)
		die("KVM refuses to log dirty pages: %s", strerror(-error));
}
