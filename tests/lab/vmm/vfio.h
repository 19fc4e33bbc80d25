/* SPDX-License-Identifier: GPL-2.0-only */
/* vfio.h - a PCI device of the host that is given to the VM, as QEMU does. */
#ifndef KCOH_LAB_VFIO_H
#define KCOH_LAB_VFIO_H

#include "vm.h"

/*
 * Takes VFIO group `number` (/dev/vfio/NUMBER, its device bound to vfio-pci): all guest memory is mapped for it, which pins
 * it, KVM learns of the group, and the device is opened. It is the VM's to the end of the process. 0 or a negative errno.
 */
int vfio_take(struct vm *vm, unsigned int number);

/* Unmaps all guest memory for it, and maps it again. */
int vfio_remap(struct vm *vm);

/* One DMA of up to 4096 bytes of that device, if it is an `edu`, at an address below 2^28. Returns when it is done. */
int vfio_dma(uint64_t iova, uint64_t bytes, bool write);

#endif
