/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm.h - a virtual machine on the raw KVM API: memory slots, vCPUs in threads, dirty logging. Nothing else.
 *
 * What answers a guest's MMIO is a callback, so that the same machine serves a scripted test (bell.c) and
 * whatever else reads or migrates its memory. No interrupt controller: a vCPU asleep in WFI is woken by its
 * interrupt line (vm_irq).
 *
 * Threads: each vCPU has one, which alone uses run and enters the guest. vm->lock guards started, stop, stopped and tid;
 * vm->changed is broadcast at every change of them. Functions that can fail return 0 or a negative errno, and
 * those named vm_must_… end the program with one sentence.
 */
#ifndef KCOH_LAB_VM_H
#define KCOH_LAB_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../guests/doorbell.h"

#define VM_MAX_SLOTS 8
#define VM_CAP_DIRTY_LOG_RING_WITH_BITMAP 225 /* Linux 6.2 (Documentation/virt/kvm/api.rst, 8.29) */

struct vm;

struct vm_slot {
	uint32_t id;
	uint32_t flags; /* KVM_MEM_* as KVM has them now */
	uint64_t ipa;
	uint64_t bytes; /* 0: not there */
	void *hva;
};

struct vm_vcpu {
	struct vm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	pid_t tid;
	bool started; /* it has a thread */
	bool stop; /* it shall leave KVM_RUN and stay out */
	bool stopped; /* it is out, or waits in the MMIO callback */
};

/*
 * A guest's load (value to be filled in) or store of `bytes` at `ipa`, on the vCPU's own thread. May block. Returns
 * false to have the vCPU initialised again (KVM_ARM_VCPU_INIT), as after a reset.
 */
typedef bool (*vm_mmio_fn)(struct vm_vcpu *vcpu, uint64_t ipa, bool is_store, uint64_t *value,
			   void *ctx);
/* The vCPU's dirty ring is full: it cannot go on before that ring was reset. On its own thread; may block. */
typedef void (*vm_ring_full_fn)(struct vm_vcpu *vcpu, void *ctx);

struct vm_config {
	unsigned int vcpus;
	unsigned int slots;
	uint64_t slot_bytes[VM_MAX_SLOTS]; /* one after the other from GUEST_RAM on */
	uint32_t manual_protect; /* flags of KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2; 0: automatic */
	uint32_t ring_bytes; /* of each vCPU's dirty ring; 0: dirty bitmaps */
	int map_flags; /* more flags for the mmap() of guest memory: MAP_HUGETLB */
	vm_mmio_fn mmio;
	vm_ring_full_fn ring_full; /* with ring_bytes */
	void *ctx;
};

struct vm {
	int kvm_fd;
	int fd;
	struct vm_config config;
	struct kvm_vcpu_init init;
	struct vm_slot slots[VM_MAX_SLOTS];
	struct vm_vcpu vcpus[GUEST_MAX_VCPUS];
	pthread_mutex_t lock;
	pthread_cond_t changed;
};

void vm_must_create(struct vm *vm, const struct vm_config *config);
void vm_must_load(struct vm *vm, const char *path, uint64_t ipa);

/* Where the host sees guest memory; NULL outside all slots. */
void *vm_hva(struct vm *vm, uint64_t ipa);
/* Cleans and invalidates by address to the point of coherency, as EL0 may. */
void vm_clean(const void *hva, size_t bytes);

/* Gives the vCPU its thread. */
int vm_vcpu_start(struct vm_vcpu *vcpu);
/* All vCPUs that have a thread leave the guest and stay out, or go on. */
void vm_stop(struct vm *vm);
void vm_continue(struct vm *vm);
/* Level of a vCPU's interrupt line. */
int vm_irq(struct vm_vcpu *vcpu, bool level);
/* True if the thread sleeps inside KVM (WFI, or PSCI off). */
bool vm_vcpu_asleep(struct vm_vcpu *vcpu);
int vm_vcpu_set_sctlr(struct vm_vcpu *vcpu, uint64_t value);

/* KVM_SET_USER_MEMORY_REGION. vm_slot_remove keeps the host's memory for vm_slot_add. */
int vm_slot_log(struct vm *vm, unsigned int id, bool on);
int vm_slot_remove(struct vm *vm, unsigned int id);
int vm_slot_add(struct vm *vm, unsigned int id);
int vm_slot_move(struct vm *vm, unsigned int id, uint64_t ipa);

/* Dirty log: bitmap of (bytes / page size) bits, rounded up to 64. *ret_dirty counts the set ones. */
size_t vm_bitmap_bytes(const struct vm_slot *slot);
int vm_dirty_get(struct vm *vm, unsigned int id, uint64_t *bitmap, uint64_t *ret_dirty);
int vm_dirty_clear(struct vm *vm, unsigned int id, uint64_t *bitmap, uint64_t first_page,
		   uint32_t pages);

#endif
