// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm.c - the KVM ioctls behind vm.h: memory and vCPUs.
 *
 * One thing is easily got wrong: an MMIO exit is finished by the *next* KVM_RUN, which writes the loaded
 * value and steps the pc. A vCPU that is initialised again in between would start one instruction late, so
 * settle() first runs it with immediate_exit set, which finishes the access and enters no guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "say.h"
#include "vm.h"

#define CORE_REG(word) (KVM_REG_ARM64 | KVM_REG_SIZE_U64 | KVM_REG_ARM_CORE | (word))
#define REG_PC CORE_REG(KVM_REG_ARM_CORE_REG(regs.pc))
#define HUGE_BYTES (32ul << 20) /* of a kernel with 16k pages; others have smaller ones */
#define REG_SCTLR_EL1 ARM64_SYS_REG(3, 0, 1, 0, 0)

static int set_reg(struct vm_vcpu *vcpu, uint64_t id, uint64_t value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (uintptr_t)&value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) ? -errno : 0;
}

static int vcpu_init(struct vm_vcpu *vcpu)
{
	struct kvm_vcpu_init init = vcpu->vm->init;

	init.features[0] |= 1u << KVM_ARM_VCPU_PSCI_0_2;
	if (vcpu->index)
		init.features[0] |= 1u << KVM_ARM_VCPU_POWER_OFF;
	if (ioctl(vcpu->fd, KVM_ARM_VCPU_INIT, &init))
		return -errno;
	return vcpu->index ? 0 : set_reg(vcpu, REG_PC, GUEST_ENTRY);
}

static void vcpu_must_create(struct vm *vm, unsigned int index)
{
	struct vm_vcpu *vcpu = &vm->vcpus[index];
	int bytes = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0)
		die("cannot create vCPU %u: %s", index, strerror(errno));
	vcpu->run = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED || vcpu_init(vcpu))
		die("cannot initialise vCPU %u: %s", index, strerror(errno));
}

static int slot_set(struct vm *vm, const struct vm_slot *slot, uint32_t flags, uint64_t bytes)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot->id,
		.flags = flags,
		.guest_phys_addr = slot->ipa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)slot->hva,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region) ? -errno : 0;
}

/* Aligned so that huge pages are possible, on both sides. */
static void *must_map(uint64_t bytes, int flags)
{
	char *area = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);

	if (area == MAP_FAILED)
		die("cannot map %llu bytes of guest memory: %s", (unsigned long long)bytes,
		    strerror(errno));
	return area + (-(uintptr_t)area & (HUGE_BYTES - 1));
}

static void slots_must_create(struct vm *vm)
{
	uint64_t ipa = GUEST_RAM;
	unsigned int id;

	for (id = 0; id < vm->config.slots; id++) {
		struct vm_slot *slot = &vm->slots[id];
		int error;

		slot->id = id;
		slot->ipa = ipa;
		slot->bytes = vm->config.slot_bytes[id];
		slot->hva = must_map(slot->bytes, vm->config.map_flags);
		error = slot_set(vm, slot, 0, slot->bytes);
		if (error)
			die("KVM refuses memory slot %u: %s", id, strerror(-error));
		ipa += slot->bytes;
	}
}

static void manual_protect_must_enable(struct vm *vm)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { vm->config.manual_protect },
	};

	if (cap.args[0] && ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		die("KVM refuses manual dirty-log protection: %s", strerror(errno));
}

/*
 * With the bitmap beside it, although no vCPU ever writes there: without one, arm64's KVM takes a slot for not
 * logged when it maps a page, and loses writes (memslot_is_logging() in arch/arm64/kvm/mmu.c, 6.2 to 7.3).
 */
static void ring_must_enable(struct vm *vm)
{
	struct kvm_enable_cap ring = {
		.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL,
		.args = { vm->config.ring_bytes },
	};
	struct kvm_enable_cap bitmap = { .cap = VM_CAP_DIRTY_LOG_RING_WITH_BITMAP };

	if (vm->config.ring_bytes &&
	    (ioctl(vm->fd, KVM_ENABLE_CAP, &ring) || ioctl(vm->fd, KVM_ENABLE_CAP, &bitmap)))
		die("KVM refuses a dirty ring of %u bytes: %s", vm->config.ring_bytes,
		    strerror(errno));
}

static void ignore_signal(int signal)
{
	(void)signal;
}

void vm_must_create(struct vm *vm, const struct vm_config *config)
{
	struct sigaction kick = { .sa_handler = ignore_signal };
	pthread_condattr_t attr;
	unsigned int i;

	memset(vm, 0, sizeof(*vm));
	vm->config = *config;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&vm->changed, &attr);
	sigaction(SIGUSR1, &kick, NULL);

	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		die("cannot open /dev/kvm: %s", strerror(errno));
	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		die("cannot create a VM: %s", strerror(errno));
	if (ioctl(vm->fd, KVM_ARM_PREFERRED_TARGET, &vm->init))
		die("KVM names no CPU for its guests: %s", strerror(errno));
	manual_protect_must_enable(vm);
	ring_must_enable(vm);
	slots_must_create(vm);
	for (i = 0; i < config->vcpus; i++)
		vcpu_must_create(vm, i);
}

void *vm_hva(struct vm *vm, uint64_t ipa)
{
	unsigned int id;

	for (id = 0; id < vm->config.slots; id++) {
		struct vm_slot *slot = &vm->slots[id];

		if (ipa >= slot->ipa && ipa - slot->ipa < slot->bytes)
			return (char *)slot->hva + (ipa - slot->ipa);
	}
	return NULL;
}

void vm_clean(const void *hva, size_t bytes)
{
	uint64_t ctr, line;
	uintptr_t at, end = (uintptr_t)hva + bytes;

	asm volatile("mrs %0, ctr_el0" : "=r"(ctr));
	line = 4ul << (ctr >> 16 & 0xf);
	for (at = (uintptr_t)hva & ~(line - 1); at < end; at += line)
		asm volatile("dc civac, %0" : : "r"(at) : "memory");
	asm volatile("dsb sy" : : : "memory");
}

void vm_must_load(struct vm *vm, const char *path, uint64_t ipa)
{
	char *to = vm_hva(vm, ipa);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die("cannot open the guest %s: %s", path, strerror(errno));
	if (!to || st.st_size > GUEST_IMAGE_END - GUEST_ENTRY ||
	    read(fd, to, st.st_size) != st.st_size)
		die("cannot load the guest %s: it does not fit", path);
	vm_clean(to, st.st_size);
	close(fd);
}

/* A guest that asked for a reset gets one, as from other VMMs; KVM has stopped all its vCPUs. */
static void system_event(struct vm_vcpu *vcpu)
{
	if (vcpu->run->system_event.type != KVM_SYSTEM_EVENT_RESET || vcpu->index)
		die("vCPU %u ended the system (event %u)", vcpu->index,
		    vcpu->run->system_event.type);
	if (vcpu_init(vcpu))
		die("cannot initialise vCPU %u again: %s", vcpu->index, strerror(errno));
}

/* Finishes the MMIO access of the last exit. */
static void settle(struct vm_vcpu *vcpu)
{
	vcpu->run->immediate_exit = 1;
	ioctl(vcpu->fd, KVM_RUN, 0);
	vcpu->run->immediate_exit = 0;
}

static void mmio(struct vm_vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	uint64_t value = 0;

	if (vcpu->run->mmio.is_write)
		memcpy(&value, vcpu->run->mmio.data, vcpu->run->mmio.len);
	if (!vm->config.mmio(vcpu, vcpu->run->mmio.phys_addr, vcpu->run->mmio.is_write, &value,
			     vm->config.ctx)) {
		settle(vcpu);
		if (vcpu_init(vcpu))
			die("cannot initialise vCPU %u again: %s", vcpu->index, strerror(errno));
		return;
	}
	if (!vcpu->run->mmio.is_write)
		memcpy(vcpu->run->mmio.data, &value, vcpu->run->mmio.len);
}

static void wait_while_stopped(struct vm_vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;

	pthread_mutex_lock(&vm->lock);
	while (vcpu->stop) {
		vcpu->stopped = true;
		pthread_cond_broadcast(&vm->changed);
		pthread_cond_wait(&vm->changed, &vm->lock);
	}
	vcpu->stopped = false;
	vcpu->run->immediate_exit = 0;
	pthread_mutex_unlock(&vm->lock);
}

static void *vcpu_thread(void *arg)
{
	struct vm_vcpu *vcpu = arg;

	pthread_mutex_lock(&vcpu->vm->lock);
	vcpu->tid = syscall(SYS_gettid);
	pthread_cond_broadcast(&vcpu->vm->changed);
	pthread_mutex_unlock(&vcpu->vm->lock);
	for (;;) {
		wait_while_stopped(vcpu);
		if (ioctl(vcpu->fd, KVM_RUN, 0)) {
			if (errno != EINTR && errno != EAGAIN)
				die("KVM_RUN of vCPU %u: %s", vcpu->index, strerror(errno));
			continue;
		}
		if (vcpu->run->exit_reason == KVM_EXIT_DIRTY_RING_FULL) {
			vcpu->vm->config.ring_full(vcpu, vcpu->vm->config.ctx);
			continue;
		}
		if (vcpu->run->exit_reason == KVM_EXIT_SYSTEM_EVENT) {
			system_event(vcpu);
			continue;
		}
		if (vcpu->run->exit_reason != KVM_EXIT_MMIO)
			die("vCPU %u left the guest for reason %u, which no lab guest should give",
			    vcpu->index, vcpu->run->exit_reason);
		mmio(vcpu);
	}
	return NULL;
}

int vm_vcpu_start(struct vm_vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	int error;

	if (vcpu->started)
		return -EALREADY;
	vcpu->started = true;
	error = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (error)
		return -error;
	pthread_mutex_lock(&vm->lock);
	while (!vcpu->tid)
		pthread_cond_wait(&vm->changed, &vm->lock);
	pthread_mutex_unlock(&vm->lock);
	return 0;
}

/* A vCPU blocked in the MMIO callback counts as stopped: bell.c sets that. */
void vm_stop(struct vm *vm)
{
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->config.vcpus; i++) {
		struct vm_vcpu *vcpu = &vm->vcpus[i];

		vcpu->stop = true;
		if (!vcpu->started)
			continue;
		vcpu->run->immediate_exit = 1;
		pthread_kill(vcpu->thread, SIGUSR1);
		while (!vcpu->stopped)
			pthread_cond_wait(&vm->changed, &vm->lock);
	}
	pthread_mutex_unlock(&vm->lock);
}

void vm_continue(struct vm *vm)
{
	unsigned int i;

	pthread_mutex_lock(&vm->lock);
	for (i = 0; i < vm->config.vcpus; i++)
		vm->vcpus[i].stop = false;
	pthread_cond_broadcast(&vm->changed);
	pthread_mutex_unlock(&vm->lock);
}

int vm_irq(struct vm_vcpu *vcpu, bool level)
{
	struct kvm_irq_level irq = {
		.irq = KVM_ARM_IRQ_TYPE_CPU << KVM_ARM_IRQ_TYPE_SHIFT |
		       vcpu->index << KVM_ARM_IRQ_VCPU_SHIFT |
		       KVM_ARM_IRQ_CPU_IRQ << KVM_ARM_IRQ_NUM_SHIFT,
		.level = level,
	};

	return ioctl(vcpu->vm->fd, KVM_IRQ_LINE, &irq) ? -errno : 0;
}

/* The kernel function in which the thread sleeps says whether it does so for KVM. */
bool vm_vcpu_asleep(struct vm_vcpu *vcpu)
{
	char path[64], wchan[64] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/task/%d/wchan", vcpu->tid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (!fgets(wchan, sizeof(wchan), file))
		wchan[0] = '\0';
	fclose(file);
	return strstr(wchan, "kvm") != NULL;
}

int vm_vcpu_set_sctlr(struct vm_vcpu *vcpu, uint64_t value)
{
	return set_reg(vcpu, REG_SCTLR_EL1, value);
}

int vm_slot_log(struct vm *vm, unsigned int id, bool on)
{
	struct vm_slot *slot = &vm->slots[id];
	uint32_t flags = on ? slot->flags | KVM_MEM_LOG_DIRTY_PAGES :
			      slot->flags & ~KVM_MEM_LOG_DIRTY_PAGES;
	int error = slot_set(vm, slot, flags, slot->bytes);

	if (!error)
		slot->flags = flags;
	return error;
}

int vm_slot_remove(struct vm *vm, unsigned int id)
{
	struct vm_slot *slot = &vm->slots[id];
	int error = slot_set(vm, slot, 0, 0);

	if (!error) {
		slot->bytes = 0;
		slot->flags = 0;
	}
	return error;
}

int vm_slot_add(struct vm *vm, unsigned int id)
{
	struct vm_slot *slot = &vm->slots[id];
	int error = slot_set(vm, slot, 0, vm->config.slot_bytes[id]);

	if (!error)
		slot->bytes = vm->config.slot_bytes[id];
	return error;
}

int vm_slot_move(struct vm *vm, unsigned int id, uint64_t ipa)
{
	struct vm_slot *slot = &vm->slots[id], moved = *slot;
	int error;

	moved.ipa = ipa;
	error = slot_set(vm, &moved, slot->flags, slot->bytes);
	if (!error)
		slot->ipa = ipa;
	return error;
}

size_t vm_bitmap_bytes(const struct vm_slot *slot)
{
	uint64_t pages = slot->bytes / sysconf(_SC_PAGESIZE);

	return (pages + 63) / 64 * 8;
}

int vm_dirty_get(struct vm *vm, unsigned int id, uint64_t *bitmap, uint64_t *ret_dirty)
{
	struct kvm_dirty_log log = { .slot = id, .dirty_bitmap = bitmap };
	size_t i, words = vm_bitmap_bytes(&vm->slots[id]) / 8;

	if (ioctl(vm->fd, KVM_GET_DIRTY_LOG, &log))
		return -errno;
	*ret_dirty = 0;
	for (i = 0; i < words; i++)
		*ret_dirty += __builtin_popcountll(bitmap[i]);
	return 0;
}

int vm_dirty_clear(struct vm *vm, unsigned int id, uint64_t *bitmap, uint64_t first_page,
		   uint32_t pages)
{
	struct kvm_clear_dirty_log log = {
		.slot = id,
		.num_pages = pages,
		.first_page = first_page,
		.dirty_bitmap = bitmap,
	};

	return ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, &log) ? -errno : 0;
}
