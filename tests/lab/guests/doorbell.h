/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * doorbell.h - where things are in a lab guest, and how it talks to the test VMM.
 *
 * Guests are bare metal, linked at GUEST_ENTRY, which is where both QEMU (`-kernel` with a raw binary) and kcoh-vmm
 * put them. Memory below and above is theirs; nothing is zeroed at a reset.
 *
 *   0x09000000  PL011: a store to its data register prints a byte (QEMU and kcoh-vmm)
 *   0x0a000000  the doorbell (kcoh-vmm only; QEMU has empty virtio slots there)
 *   0x40000000  RAM
 *   0x4007f000  parameter page: zero under QEMU, so zero means the default (see PARAM_*)
 *   0x40080000  the guest's image, page table and stacks, all below 0x40100000
 *   0x40100000  100 MB that the writers write
 *
 * The doorbell belongs to whichever vCPU touches it. A guest stores arguments to BELL_ARG(0..3) and then a code
 * to BELL_REPORT; it loads BELL_WAIT, which blocks the vCPU in the VMM, outside KVM_RUN, until the
 * script has a command for it, and then BELL_OPERAND(0..1). Loads and stores are 64 bits wide.
 */
#ifndef KCOH_LAB_DOORBELL_H
#define KCOH_LAB_DOORBELL_H

#define GUEST_GICD 0x08000000 /* QEMU only */
#define GUEST_GICR 0x080a0000
#define GUEST_UART 0x09000000
#define GUEST_BELL 0x0a000000
#define GUEST_BELL_BYTES 0x1000
#define GUEST_RAM 0x40000000
#define GUEST_PARAM 0x4007f000
#define GUEST_ENTRY 0x40080000
#define GUEST_IMAGE_END 0x40100000
#define GUEST_WRITE_BYTES (100 << 20) /* from GUEST_IMAGE_END on */
#define GUEST_MAX_VCPUS 8

/* 64-bit words of the parameter page; kcoh-vmm sets MAGIC, and the others by `--param N=VALUE`. */
#define PARAM_MAGIC 0 /* PARAM_MAGIC_VALUE: the doorbell is there */
#define PARAM_WRITE_BYTES 1 /* how much a writer writes; 0: GUEST_WRITE_BYTES */
#define PARAM_ROUND_US 2 /* pause after each round; 0: 100 ms, 1: none */
#define PARAM_SPIN 8 /* + vCPU: a spinning vCPU goes on when this becomes 0 */
#define PARAM_MAGIC_VALUE 0x6b636f686c616231 /* "kcohlab1" */

#define BELL_REPORT 0x00 /* store: enum of REPORT_* */
#define BELL_WAIT 0x08 /* load: CMD_*, blocks */
#define BELL_ARG(n) (0x10 + 8 * (n))
#define BELL_OPERAND(n) (0x40 + 8 * (n))

#define REPORT_EDGE 1 /* SCTLR_EL1 was written: ARG 0 pc, 1 new value, 2 old value */
#define REPORT_BUSY 2 /* the next thing is a spin, a WFI or a PSCI call that may not return */
#define REPORT_DONE                                                                                \
	3 /* a command: ARG 0 = VM-register writes it made, SCTLR_EL1's too; 1 ISR_EL1 */
#define REPORT_FAULT 4 /* an exception nobody expected: ARG 0 ESR, 1 ELR, 2 FAR */

#define CMD_MMU 1 /* operand 0: MMU_M | MMU_C to be set, others cleared */
#define CMD_NOISE 2 /* operand 0: times to write each VM register with what it holds */
#define CMD_TOGGLE 3 /* operand 0: times off, noise, on, noise, each edge reported */
#define CMD_SET_WAY 4 /* operand 0: number of DC CISW on set 0; 0: the whole of every cache */
#define CMD_WRITE 5 /* operand 0: first byte after GUEST_IMAGE_END, 1: pages to write a byte in */
#define CMD_CPU_ON 6 /* operand 0: vCPU to start by PSCI */
#define CMD_CPU_OFF 7
#define CMD_SPIN 8 /* until PARAM_SPIN + vCPU is 0: no exit */
#define CMD_WFI 9 /* until the VMM raises the interrupt line */
#define CMD_EXITS 11 /* operand 0: EXIT_*, 1: how many */
#define CMD_BUSY_NOISE 10 /* CMD_NOISE, after a REPORT_BUSY: the VMM does not wait for its end */
#define CMD_PSCI 12 /* operand 0: number of a PSCI function that does not return */

/* Ways to leave the guest that always do, so that a guest knows how often it did */
#define EXIT_HVC 1 /* PSCI_VERSION */
#define EXIT_MMIO_WRITE 2
#define EXIT_MMIO_READ 3
#define EXIT_ID 4 /* a read of ID_AA64ISAR1_EL1 */

#define MMU_M 1
#define MMU_C 4

#endif
