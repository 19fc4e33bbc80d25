// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfio.c - assigns a device to the VM: container, group, mappings, KVM's VFIO device.
 *
 * KVM's VFIO device holds the group's file, and the group's file holds the VM: what each of them keeps alive when the
 * process dies is what a test wants to see.
 *
 * The device is QEMU's `edu`, which does one DMA at a time, 100 ms after it was told to (docs/specs/edu.rst of QEMU).
 * Its addresses have 28 bits, and the VM's memory begins above: what it is told to touch is never mapped, and the SMMU
 * has something to report.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define EDU_DMA_SOURCE 0x80
#define EDU_DMA_TARGET 0x88
#define EDU_DMA_COUNT 0x90
#define EDU_DMA_COMMAND 0x98
#define EDU_DMA_RUN 1 /* reads as 1 until it is done */
#define EDU_DMA_TO_MEMORY 2
#define EDU_BUFFER 0x40000 /* of 4096 bytes, in the device */

#define PCI_COMMAND 4
#define PCI_COMMAND_MEMORY_AND_MASTER 6

static int container = -1;
static char *bar; /* of the device taken last */

/* The address (0000:00:01.0) of the group's first device. */
static int device_name(unsigned int number, char name[NAME_MAX + 1])
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%u/devices", number);
	dir = opendir(path);
	if (!dir)
		return -errno;
	name[0] = '\0';
	while (!name[0] && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			strcpy(name, entry->d_name);
	closedir(dir);
	return name[0] ? 0 : -ENODEV;
}

static int group_open(unsigned int number)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char path[32];
	int group;

	snprintf(path, sizeof(path), "/dev/vfio/%u", number);
	group = open(path, O_RDWR | O_CLOEXEC);
	if (group < 0)
		return -errno;
	if (ioctl(group, VFIO_GROUP_GET_STATUS, &status) ||
	    ioctl(group, VFIO_GROUP_SET_CONTAINER, &container) ||
	    ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return -errno;
	return status.flags & VFIO_GROUP_FLAGS_VIABLE ? group : -EPERM;
}

static int memory_map(struct vm *vm)
{
	unsigned int id;

	for (id = 0; id < vm->config.slots; id++) {
		struct vfio_iommu_type1_dma_map map = {
			.argsz = sizeof(map),
			.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
			.vaddr = (uintptr_t)vm->slots[id].hva,
			.iova = vm->slots[id].ipa,
			.size = vm->slots[id].bytes,
		};

		if (ioctl(container, VFIO_IOMMU_MAP_DMA, &map))
			return -errno;
	}
	return 0;
}

static int memory_unmap(struct vm *vm)
{
	unsigned int id;

	for (id = 0; id < vm->config.slots; id++) {
		struct vfio_iommu_type1_dma_unmap unmap = {
			.argsz = sizeof(unmap),
			.iova = vm->slots[id].ipa,
			.size = vm->slots[id].bytes,
		};

		if (ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap))
			return -errno;
	}
	return 0;
}

int vfio_remap(struct vm *vm)
{
	int error = container < 0 ? -ENODEV : memory_unmap(vm);

	return error ? error : memory_map(vm);
}

static int kvm_learn(struct vm *vm, int group)
{
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_device_attr attr = {
		.group = KVM_DEV_VFIO_GROUP, /* since 6.6 also called KVM_DEV_VFIO_FILE */
		.attr = KVM_DEV_VFIO_GROUP_ADD,
		.addr = (uintptr_t)&group,
	};

	if (ioctl(vm->fd, KVM_CREATE_DEVICE, &device) ||
	    ioctl(device.fd, KVM_SET_DEVICE_ATTR, &attr))
		return -errno;
	return 0;
}

static int device_map(int device)
{
	struct vfio_region_info config = { .argsz = sizeof(config),
					   .index = VFIO_PCI_CONFIG_REGION_INDEX };
	struct vfio_region_info registers = { .argsz = sizeof(registers) };
	uint16_t command = PCI_COMMAND_MEMORY_AND_MASTER;
	void *memory;

	if (ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config) ||
	    ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &registers) ||
	    pwrite(device, &command, sizeof(command), config.offset + PCI_COMMAND) !=
		    sizeof(command))
		return -errno;
	memory = mmap(NULL, registers.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
		      registers.offset);
	if (memory == MAP_FAILED)
		return -errno;
	bar = memory;
	return 0;
}

static volatile uint64_t *edu(unsigned int offset)
{
	return (volatile uint64_t *)(bar + offset);
}

int vfio_dma(uint64_t iova, uint64_t bytes, bool write)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	unsigned int ms;

	if (!bar)
		return -ENODEV;
	*edu(EDU_DMA_SOURCE) = write ? EDU_BUFFER : iova;
	*edu(EDU_DMA_TARGET) = write ? iova : EDU_BUFFER;
	*edu(EDU_DMA_COUNT) = bytes;
	*edu(EDU_DMA_COMMAND) = EDU_DMA_RUN | (write ? EDU_DMA_TO_MEMORY : 0);
	for (ms = 0; *edu(EDU_DMA_COMMAND) & EDU_DMA_RUN; ms++) {
		if (ms > 10000)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

int vfio_take(struct vm *vm, unsigned int number)
{
	int group, device, error;
	char name[NAME_MAX + 1];

	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		return -errno;
	error = device_name(number, name);
	if (error)
		return error;
	group = group_open(number);
	if (group < 0)
		return group;
	error = memory_map(vm);
	if (!error)
		error = kvm_learn(vm, group);
	if (error)
		return error;
	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	return device < 0 ? -errno : device_map(device);
}
