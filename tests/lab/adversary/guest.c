// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest.c - the doorbell that storm.c rings, and the waiting for it.
 *
 * A store of the guest that finds no memory slot (one was deleted, or moved, under its feet) comes out as MMIO; on a
 * real machine it would be lost on the bus, and so it is here. It is counted, and is no write.
 */
#include <errno.h>
#include <time.h>

#include "../vmm/say.h"
#include "draw.h"
#include "guest.h"

static uint64_t told(struct guest *guest, struct vm_vcpu *vcpu, uint64_t offset)
{
	unsigned int region;

	if (offset == STORM_FLAVOUR)
		return guest->flavour[vcpu->index];
	if (offset == STORM_VCPUS)
		return vcpu->vm->config.vcpus;
	if (offset == STORM_SEED)
		return draw(&guest->random);
	if (offset == STORM_LONG)
		return guest->long_burst;
	for (region = 0; region < STORM_REGIONS; region++) {
		if (offset == STORM_BASE(region))
			return guest->base[region];
		if (offset == STORM_BYTES(region))
			return guest->bytes[region];
	}
	die("vCPU %u asks for register %#llx of the doorbell, which means nothing", vcpu->index,
	    (unsigned long long)offset);
}

/* Returns false if the vCPU is to be initialised again. */
static bool done(struct guest *guest, struct vm_vcpu *vcpu, uint64_t value)
{
	bool reset = guest->reset[vcpu->index];

	guest->bursts++;
	guest->writes += (uint32_t)value;
	guest->edges += value >> 32;
	guest->resets += reset;
	guest->reset[vcpu->index] = false;
	return !reset;
}

static bool in_region(uint64_t ipa)
{
	return ipa >= GUEST_RAM;
}

bool guest_mmio(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value, void *ctx)
{
	struct guest *guest = ctx;
	uint64_t offset = ipa - GUEST_BELL;
	bool goes_on = true;

	pthread_mutex_lock(&vcpu->vm->lock);
	if (is_store && in_region(ipa)) {
		guest->dropped++;
		guest->writes--; /* the guest counts it, too */
	} else if (is_store && offset == STORM_DONE) {
		goes_on = done(guest, vcpu, *value);
	} else if (!is_store && offset < GUEST_BELL_BYTES) {
		*value = told(guest, vcpu, offset);
	} else {
		die("vCPU %u touched %#llx, where nothing is", vcpu->index,
		    (unsigned long long)ipa);
	}
	pthread_cond_broadcast(&vcpu->vm->changed);
	pthread_mutex_unlock(&vcpu->vm->lock);
	return goes_on;
}

/* The vCPU counts as stopped meanwhile, as one that waits for an order does. */
void guest_ring_full(struct vm_vcpu *vcpu, void *ctx)
{
	struct guest *guest = ctx;
	struct vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->lock);
	guest->full[vcpu->index] = true;
	vcpu->stopped = true;
	pthread_cond_broadcast(&vm->changed);
	while (guest->full[vcpu->index])
		pthread_cond_wait(&vm->changed, &vm->lock);
	vcpu->stopped = false;
	pthread_mutex_unlock(&vm->lock);
}

void guest_must_start(struct guest *guest, struct vm *vm, uint64_t seed)
{
	unsigned int i;
	int error;

	guest->vm = vm;
	guest->random = seed;
	guest->base[0] = GUEST_IMAGE_END;
	guest->bytes[0] = vm->slots[0].ipa + vm->slots[0].bytes - GUEST_IMAGE_END;
	guest->base[1] = vm->slots[1].ipa;
	guest->bytes[1] = vm->slots[1].bytes;
	for (i = 0; i < vm->config.vcpus; i++) {
		error = vm_vcpu_start(&vm->vcpus[i]);
		if (error)
			die("cannot start vCPU %u: %d", i, error);
	}
}

void guest_move(struct guest *guest, unsigned int region, uint64_t base)
{
	pthread_mutex_lock(&guest->vm->lock);
	guest->base[region] = base;
	pthread_mutex_unlock(&guest->vm->lock);
}

static uint64_t rings_full(const struct guest *guest)
{
	uint64_t rings = 0;
	unsigned int i;

	for (i = 0; i < guest->vm->config.vcpus; i++)
		rings |= (uint64_t)guest->full[i] << i;
	return rings;
}

static bool is_reset_pending(const struct guest *guest)
{
	unsigned int i;

	for (i = 0; i < guest->vm->config.vcpus; i++)
		if (guest->reset[i])
			return true;
	return false;
}

enum guest_wait guest_must_wait(struct guest *guest, uint64_t bursts, uint64_t rings)
{
	struct vm *vm = guest->vm;
	enum guest_wait result = GUEST_GOT_THERE;
	struct timespec deadline;
	uint64_t goal;

	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += GUEST_DEADLINE_MS / 1000;
	pthread_mutex_lock(&vm->lock);
	goal = guest->bursts + bursts;
	while (guest->bursts < goal || is_reset_pending(guest)) {
		if (rings_full(guest) & rings) {
			result = GUEST_RING_FULL;
			break;
		}
		if (pthread_cond_timedwait(&vm->changed, &vm->lock, &deadline))
			die("the guest made no progress in %d ms", GUEST_DEADLINE_MS);
	}
	pthread_mutex_unlock(&vm->lock);
	return result;
}

void guest_rings_reset(struct guest *guest, uint64_t rings)
{
	unsigned int i;

	pthread_mutex_lock(&guest->vm->lock);
	for (i = 0; i < guest->vm->config.vcpus; i++)
		if (rings >> i & 1)
			guest->full[i] = false;
	pthread_cond_broadcast(&guest->vm->changed);
	pthread_mutex_unlock(&guest->vm->lock);
}

void guest_reset(struct guest *guest)
{
	unsigned int i;

	pthread_mutex_lock(&guest->vm->lock);
	for (i = 0; i < guest->vm->config.vcpus; i++)
		guest->reset[i] = true;
	pthread_mutex_unlock(&guest->vm->lock);
}

uint64_t guest_writes(struct guest *guest)
{
	uint64_t writes;

	pthread_mutex_lock(&guest->vm->lock);
	writes = guest->writes;
	pthread_mutex_unlock(&guest->vm->lock);
	return writes;
}
