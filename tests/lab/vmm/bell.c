// SPDX-License-Identifier: GPL-2.0-only
/*
 * bell.c - a doorbell per vCPU: the script gives orders, the guest reports.
 *
 * A puppet that waits is blocked here, in user mode, on vm->changed; an order wakes it, and its load of
 * BELL_WAIT returns. So between two orders a vCPU runs no guest instruction, and what lies between two
 * steps of a script is exact. Under 50 µs a step on hardware, some hundred in the emulated lab.
 */
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "bell.h"
#include "say.h"

static const char *cache_state(uint64_t sctlr)
{
	return (sctlr & (MMU_M | MMU_C)) == (MMU_M | MMU_C) ? "cached" : "uncached";
}

static void report_edge(struct vm_vcpu *vcpu, struct bell *bell, const uint64_t *arg)
{
	const char *was = cache_state(arg[2]), *now = cache_state(arg[1]);

	if (was != now)
		bell->edges++;
	say("{\"%s\":{\"vcpu\":%u,\"was\":\"%s\",\"now\":\"%s\",\"pc\":\"%#" PRIx64
	    "\",\"sctlr\":\"%#" PRIx64 "\"}}",
	    was != now ? "edge" : "write", vcpu->index, was, now, arg[0], arg[1]);
}

static void report(struct vm_vcpu *vcpu, struct bell *bell, uint64_t code)
{
	struct bell_line *line = &bell->lines[vcpu->index];

	switch (code) {
	case REPORT_EDGE:
		report_edge(vcpu, bell, line->arg);
		break;
	case REPORT_BUSY:
		line->state = BELL_BUSY;
		break;
	case REPORT_DONE:
		bell->writes += line->arg[0];
		break;
	case REPORT_FAULT:
		die("vCPU %u took an exception: ESR %#" PRIx64 " at %#" PRIx64 ", FAR %#" PRIx64,
		    vcpu->index, line->arg[0], line->arg[1], line->arg[2]);
	default:
		die("vCPU %u rang with code %" PRIu64 ", which means nothing", vcpu->index, code);
	}
}

/* Blocks until there is an order. The vCPU counts as stopped meanwhile. */
static uint64_t wait_for_order(struct vm_vcpu *vcpu, struct bell_line *line)
{
	uint64_t command;

	line->state = BELL_WAITING;
	vcpu->stopped = true;
	pthread_cond_broadcast(&vcpu->vm->changed);
	while (!line->command)
		pthread_cond_wait(&vcpu->vm->changed, &vcpu->vm->lock);
	vcpu->stopped = false;
	command = line->command;
	line->command = 0;
	line->state = BELL_RUNNING;
	return command;
}

static uint64_t load(struct vm_vcpu *vcpu, struct bell_line *line, uint64_t offset)
{
	if (offset == BELL_WAIT)
		return wait_for_order(vcpu, line);
	if (offset == BELL_OPERAND(0) || offset == BELL_OPERAND(1))
		return line->operand[(offset - BELL_OPERAND(0)) / 8];
	return 0;
}

static void store(struct vm_vcpu *vcpu, struct bell *bell, uint64_t offset, uint64_t value)
{
	if (offset == BELL_REPORT)
		report(vcpu, bell, value);
	else if (offset >= BELL_ARG(0) && offset <= BELL_ARG(3))
		bell->lines[vcpu->index].arg[(offset - BELL_ARG(0)) / 8] = value;
}

bool bell_mmio(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value, void *ctx)
{
	struct vm *vm = vcpu->vm;
	struct bell *bell = ctx;
	bool known = true, reinit = false;

	pthread_mutex_lock(&vm->lock);
	if (ipa == GUEST_UART && is_store) {
		bell->bytes++;
	} else if (ipa - GUEST_BELL < GUEST_BELL_BYTES && is_store) {
		store(vcpu, bell, ipa - GUEST_BELL, *value);
	} else if (ipa - GUEST_BELL < GUEST_BELL_BYTES) {
		*value = load(vcpu, &bell->lines[vcpu->index], ipa - GUEST_BELL);
		reinit = ipa == GUEST_BELL + BELL_WAIT && *value == BELL_REINIT;
		if (reinit && vcpu->index)
			bell->lines[vcpu->index].state = BELL_BUSY; /* PSCI off */
	} else {
		known = false;
	}
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
	if (!known)
		die("vCPU %u touched %#" PRIx64 ", where nothing is", vcpu->index, ipa);
	return !reinit;
}

static struct timespec deadline_in(unsigned int ms)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += ms / 1000;
	at.tv_nsec += ms % 1000 * 1000000l;
	if (at.tv_nsec >= 1000000000l) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000l;
	}
	return at;
}

/* Called with vm->lock held. */
static int wait_for_state(struct vm_vcpu *vcpu, struct bell_line *line, bool may_stay,
			  const struct timespec *deadline)
{
	while (line->command ||
	       (line->state != BELL_WAITING && !(may_stay && line->state == BELL_BUSY)))
		if (pthread_cond_timedwait(&vcpu->vm->changed, &vcpu->vm->lock, deadline))
			return -ETIMEDOUT;
	return 0;
}

int bell_order(struct vm_vcpu *vcpu, struct bell *bell, const uint64_t order[3], bool may_stay,
	       unsigned int ms)
{
	struct bell_line *line = &bell->lines[vcpu->index];
	struct timespec deadline = deadline_in(ms);
	int error;

	if (!vcpu->started)
		return -EINVAL;
	pthread_mutex_lock(&vcpu->vm->lock);
	error = wait_for_state(vcpu, line, false, &deadline);
	if (!error) {
		line->operand[0] = order[1];
		line->operand[1] = order[2];
		line->command = order[0];
		pthread_cond_broadcast(&vcpu->vm->changed);
		error = wait_for_state(vcpu, line, may_stay, &deadline);
	}
	pthread_mutex_unlock(&vcpu->vm->lock);
	return error;
}

int bell_wait(struct vm_vcpu *vcpu, struct bell *bell, unsigned int ms)
{
	struct timespec deadline = deadline_in(ms);
	int error;

	if (!vcpu->started)
		return -EINVAL;
	pthread_mutex_lock(&vcpu->vm->lock);
	error = wait_for_state(vcpu, &bell->lines[vcpu->index], false, &deadline);
	pthread_mutex_unlock(&vcpu->vm->lock);
	return error;
}

int bell_wait_bytes(struct vm *vm, struct bell *bell, uint64_t bytes, unsigned int ms)
{
	struct timespec deadline = deadline_in(ms);
	int error = 0;

	pthread_mutex_lock(&vm->lock);
	bytes += bell->bytes;
	while (!error && bell->bytes < bytes)
		error = -pthread_cond_timedwait(&vm->changed, &vm->lock, &deadline);
	pthread_mutex_unlock(&vm->lock);
	return error;
}
