// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - the VMs and vCPUs that we keep something about.
 *
 * A VM has a record from the first dirty logging of one of its slots (or the opening of its file) until it is
 * destroyed; other VMs cost nothing. The record is found by the address of its struct kvm, which the kernel uses again for other VMs:
 * that no address is mistaken rests on kcoh_vm_forget() running in kvm_arch_destroy_vm(), before the
 * memory is freed. The lookup is under RCU, because the hooks that need it are atomic.
 */
#include <linux/hashtable.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "fail.h"
#include "kcoh.h"

static DEFINE_HASHTABLE(vms, 8);
static DEFINE_SPINLOCK(vms_lock); /* writers of vms; leaf but for kvm_get_kvm_safe() */

struct kcoh_vm *kcoh_vm_find(const struct kvm *kvm)
{
	struct kcoh_vm *vm;

	hash_for_each_possible_rcu(vms, vm, node, (unsigned long)kvm) {
		if (vm->key == kvm)
			return vm;
	}
	return NULL;
}

struct kcoh_vm *kcoh_vm_held(const struct kvm *kvm)
{
	struct kcoh_vm *vm;

	rcu_read_lock();
	vm = kcoh_vm_find(kvm);
	rcu_read_unlock();
	return vm;
}

static void vm_free(struct kcoh_vm *vm)
{
	struct kcoh_vcpu *vcpu;
	struct kcoh_slot *slot;
	unsigned long i;

	xa_for_each(&vm->vcpus, i, vcpu)
		kfree(vcpu);
	xa_destroy(&vm->vcpus);
	xa_for_each(&vm->slots, i, slot) {
		kcoh_taint_slot_ends(slot);
		kfree(slot);
	}
	xa_destroy(&vm->slots);
	kvfree(vm->journal);
	kfree(vm);
}

static void vm_free_rcu(struct rcu_head *rcu)
{
	vm_free(container_of(rcu, struct kcoh_vm, rcu));
}

static struct kcoh_vm *vm_alloc(struct kvm *kvm)
{
	struct kcoh_vm *vm = kcoh_fail(KCOH_FAIL_VM) ? NULL : kzalloc(sizeof(*vm), GFP_KERNEL);

	if (!vm)
		return NULL;
	vm->key = kvm;
	mutex_init(&vm->lock);
	kref_init(&vm->ref);
	vm->strategy = KCOH_STRATEGY_AUTO;
	spin_lock_init(&vm->journal_lock);
	init_waitqueue_head(&vm->wait);
	/* vm_free_rcu() takes their locks in softirq context. */
	xa_init_flags(&vm->vcpus, XA_FLAGS_LOCK_BH);
	xa_init_flags(&vm->slots, XA_FLAGS_LOCK_BH);
	return vm;
}

struct kcoh_vm *kcoh_vm_get(struct kvm *kvm)
{
	struct kcoh_vm *vm, *new = NULL;
	unsigned long flags;

	vm = kcoh_vm_held(kvm);
	if (vm)
		return vm;
	new = vm_alloc(kvm);
	if (!new)
		return NULL;
	spin_lock_irqsave(&vms_lock, flags);
	vm = kcoh_vm_find(kvm);
	if (!vm) {
		hash_add_rcu(vms, &new->node, (unsigned long)kvm);
		atomic64_inc(&kcoh_count.vms);
	}
	spin_unlock_irqrestore(&vms_lock, flags);
	if (vm)
		vm_free(new);
	return vm ?: new;
}

void kcoh_vm_ref(struct kcoh_vm *vm)
{
	kref_get(&vm->ref);
}

static void vm_release(struct kref *ref)
{
	struct kcoh_vm *vm = container_of(ref, struct kcoh_vm, ref);

	call_rcu(&vm->rcu, vm_free_rcu); /* a hook may still be looking at it */
}

void kcoh_vm_unref(struct kcoh_vm *vm)
{
	kref_put(&vm->ref, vm_release);
}

struct kvm *kcoh_vm_enter(struct kcoh_vm *vm)
{
	struct kvm *kvm = NULL;
	unsigned long flags;

	spin_lock_irqsave(&vms_lock, flags);
	if (!vm->dead && kvm_get_kvm_safe(vm->key))
		kvm = vm->key;
	spin_unlock_irqrestore(&vms_lock, flags);
	return kvm;
}

bool kcoh_vm_own(struct kcoh_vm *vm)
{
	unsigned long flags;
	bool was;

	spin_lock_irqsave(&vms_lock, flags);
	was = vm->owned;
	vm->owned = true;
	spin_unlock_irqrestore(&vms_lock, flags);
	return !was;
}

void kcoh_vm_disown(struct kcoh_vm *vm)
{
	unsigned long flags;

	spin_lock_irqsave(&vms_lock, flags);
	vm->owned = false;
	spin_unlock_irqrestore(&vms_lock, flags);
}

static void vm_uncount(struct kcoh_vm *vm)
{
	struct kcoh_vcpu *vcpu;
	unsigned long i;

	xa_for_each(&vm->vcpus, i, vcpu) {
		if (test_bit(KCOH_VCPU_ARMED, &vcpu->flags))
			atomic64_dec(&kcoh_count.vcpus_armed);
	}
	atomic64_dec(&kcoh_count.vms);
}

void kcoh_vm_forget(const struct kvm *kvm)
{
	struct kcoh_vm *vm;
	unsigned long flags;

	spin_lock_irqsave(&vms_lock, flags);
	vm = kcoh_vm_find(kvm);
	if (vm) {
		hash_del_rcu(&vm->node);
		vm->dead = true;
	}
	spin_unlock_irqrestore(&vms_lock, flags);
	if (vm) {
		vm_uncount(vm);
		wake_up_all(&vm->wait);
		kcoh_vm_unref(vm);
	}
}

struct kcoh_vcpu *kcoh_vcpu_find(struct kcoh_vm *vm, const struct kvm_vcpu *vcpu)
{
	return xa_load(&vm->vcpus, vcpu->vcpu_idx);
}

struct kcoh_vcpu *kcoh_vcpu_get(struct kcoh_vm *vm, const struct kvm_vcpu *vcpu)
{
	struct kcoh_vcpu *found = kcoh_vcpu_find(vm, vcpu), *new;

	if (found)
		return found;
	new = kcoh_fail(KCOH_FAIL_VCPU) ? NULL : kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return NULL;
	found = xa_cmpxchg_bh(&vm->vcpus, vcpu->vcpu_idx, NULL, new, GFP_KERNEL);
	if (!found)
		return new;
	kfree(new);
	return xa_is_err(found) ? NULL : found;
}

struct kcoh_slot *kcoh_slot_find(struct kcoh_vm *vm, u32 slot_id)
{
	return xa_load(&vm->slots, slot_id);
}

struct kcoh_slot *kcoh_slot_get(struct kcoh_vm *vm, u32 slot_id)
{
	struct kcoh_slot *found = kcoh_slot_find(vm, slot_id), *new;

	if (found)
		return found;
	new = kcoh_fail(KCOH_FAIL_SLOT) ? NULL : kzalloc(sizeof(*new), GFP_KERNEL);
	if (!new)
		return NULL;
	found = xa_cmpxchg_bh(&vm->slots, slot_id, NULL, new, GFP_KERNEL);
	if (!found)
		return new;
	kfree(new);
	return xa_is_err(found) ? NULL : found;
}

static DEFINE_MUTEX(each_lock);
static u64 each_pass;

/*
 * A VM that this pass did not visit yet, with a reference; NULL: there is none. A record in the table is of a VM whose
 * kvm_arch_destroy_vm() did not run yet, so its memory is there to be asked.
 */
static struct kcoh_vm *vm_next_unvisited(void)
{
	struct kcoh_vm *vm, *found = NULL;
	unsigned long flags;
	int bkt;

	spin_lock_irqsave(&vms_lock, flags);
	hash_for_each(vms, bkt, vm, node) {
		if (!found && vm->visited != each_pass && kvm_get_kvm_safe(vm->key)) {
			vm->visited = each_pass;
			found = vm;
		}
	}
	spin_unlock_irqrestore(&vms_lock, flags);
	return found;
}

/* Without an allocation, since unloading must not fail. */
void kcoh_vm_each(void (*fn)(struct kcoh_vm *vm, struct kvm *kvm))
{
	struct kcoh_vm *vm;

	mutex_lock(&each_lock);
	each_pass++;
	while ((vm = vm_next_unvisited())) {
		struct kvm *kvm = vm->key;

		fn(vm, kvm);
		kvm_put_kvm(kvm); /* the record goes with the VM */
	}
	mutex_unlock(&each_lock);
}

void kcoh_vm_exit(void)
{
	struct kcoh_vm *vm;
	struct hlist_node *next;
	int bkt;

	hash_for_each_safe(vms, bkt, next, vm, node) {
		hash_del_rcu(&vm->node);
		kcoh_vm_unref(vm);
	}
	rcu_barrier();
}
