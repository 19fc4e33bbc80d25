/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.h - the few things a lab guest needs: registers, a byte on the PL011, time, an identity map.
 *
 * Everything is built with -mgeneral-regs-only -mstrict-align: with the MMU off all memory is Device,
 * where an unaligned access faults.
 */
#ifndef KCOH_LAB_GUEST_H
#define KCOH_LAB_GUEST_H

#include "doorbell.h"

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long u64;

#define read_sysreg(name)                                                                          \
	({                                                                                         \
		u64 value_;                                                                        \
		asm volatile("mrs %0, " #name : "=r"(value_));                                     \
		value_;                                                                            \
	})
#define write_sysreg(name, value) asm volatile("msr " #name ", %0" : : "r"((u64)(value)) : "memory")

#define SCTLR_M (1ul << 0)
#define SCTLR_C (1ul << 2)
#define SCTLR_I (1ul << 12)

extern u64 page_table[512];
extern u8 image_end[];

u64 mmu_off_write(u64 sctlr, u64 first, u64 end);
u64 mmu_on_write(u64 sctlr, u64 first, u64 end);
void guest_main(u64 vcpu, u64 context);
void guest_fault(u64 esr, u64 elr, u64 far);

/* Never merged, split or moved by the compiler: needed for MMIO, and for memory while the MMU is off. */
static inline void store64(u64 address, u64 value)
{
	asm volatile("str %0, [%1]" : : "r"(value), "r"(address) : "memory");
}

static inline u64 load64(u64 address)
{
	u64 value;

	asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(address) : "memory");
	return value;
}

static inline u64 param(int n)
{
	return load64(GUEST_PARAM + 8 * n);
}

static inline void print_byte(char byte)
{
	asm volatile("strb %w0, [%1]" : : "r"(byte), "r"((u64)GUEST_UART) : "memory");
}

static inline void store32(u64 address, u32 value)
{
	asm volatile("str %w0, [%1]" : : "r"(value), "r"(address) : "memory");
}

/*
 * Lets the virtual timer (PPI 27) wake a WFI; its interrupt is never taken. QEMU's GICv3; kcoh-vmm has none, and there
 * KVM wakes a WFI for the timer by itself.
 */
static inline void timer_prepare(void)
{
	if (param(PARAM_MAGIC) == PARAM_MAGIC_VALUE)
		return;
	store32(GUEST_GICR + 0x14, 0); /* GICR_WAKER: awake */
	store32(GUEST_GICR + 0x10080, 1u << 27); /* GICR_IGROUPR0 */
	store32(GUEST_GICR + 0x10100, 1u << 27); /* GICR_ISENABLER0 */
	store32(GUEST_GICD, 0x12); /* GICD_CTLR: affinity routing, group 1 */
	write_sysreg(S3_0_C12_C12_5, 7); /* ICC_SRE_EL1 */
	asm volatile("isb");
	write_sysreg(S3_0_C4_C6_0, 0xff); /* ICC_PMR_EL1 */
	write_sysreg(S3_0_C12_C12_7, 1); /* ICC_IGRPEN1_EL1 */
	asm volatile("isb");
}

static inline void sleep_us(u64 us)
{
	u64 end = read_sysreg(cntvct_el0) + us * read_sysreg(cntfrq_el0) / 1000000;

	write_sysreg(cntv_cval_el0, end);
	write_sysreg(cntv_ctl_el0, 1);
	asm volatile("isb");
	while ((long)(read_sysreg(cntvct_el0) - end) < 0)
		asm volatile("wfi");
	write_sysreg(cntv_ctl_el0, 0);
}

/*
 * Two blocks of 1 GiB: devices below GUEST_RAM, Normal Write-Back Inner-Shareable memory above.
 * Descriptor bits: 0 block, 10 access flag, 8-9 shareable, 2-4 index into MAIR, 53-54 no execute.
 */
static inline void mmu_prepare(void)
{
	store64((u64)&page_table[0], 0x0ul | 0x401 | (3ul << 53));
	store64((u64)&page_table[1], 0x40000000ul | 0x701 | (1 << 2));
	write_sysreg(mair_el1, 0xff00); /* 0: Device-nGnRnE, 1: Normal Write-Back */
	/* 39-bit addresses (T0SZ 25), 4K granule, walks cacheable and shareable, no TTBR1 */
	write_sysreg(tcr_el1, 25 | (1 << 8) | (1 << 10) | (3 << 12) | (1 << 23));
	write_sysreg(ttbr0_el1, page_table);
	asm volatile("dsb sy; isb; tlbi vmalle1; dsb sy; isb" : : : "memory");
}

/* Makes SCTLR_EL1.M and .C what `bits` (MMU_M | MMU_C) says. Returns the pc of the write. */
static inline u64 mmu_set(u64 bits)
{
	u64 sctlr = read_sysreg(sctlr_el1) & ~(SCTLR_M | SCTLR_C | SCTLR_I);

	if (bits & MMU_M)
		sctlr |= SCTLR_M;
	if (bits & MMU_C)
		sctlr |= SCTLR_C | SCTLR_I;
	if (bits == (MMU_M | MMU_C))
		return mmu_on_write(sctlr, GUEST_PARAM, (u64)image_end);
	return mmu_off_write(sctlr, GUEST_PARAM, (u64)image_end);
}

/* Writes a byte, the number of the round, in each page of what PARAM_WRITE_BYTES says. */
static inline void write_round(void)
{
	u64 bytes = param(PARAM_WRITE_BYTES);
	volatile u8 *first = (u8 *)GUEST_IMAGE_END, *at;
	static u8 round;

	if (!bytes)
		bytes = GUEST_WRITE_BYTES;
	round++;
	for (at = first; at < first + bytes; at += 4096)
		*at = round;
}

/* After each round a B, and a pause: a person can read along, and a migration can converge. */
static inline void round_done(void)
{
	u64 us = param(PARAM_ROUND_US);

	print_byte('B');
	if (us != 1)
		sleep_us(us ? us : 100000);
}

#endif
