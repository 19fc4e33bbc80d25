// SPDX-License-Identifier: GPL-2.0-only
/*
 * names.c - what an exit class is called, and what is told apart within some.
 *
 * A class is ESR_EL2.EC of the exception that took the vCPU out of the guest (Arm ARM D24.2.41), or
 * one of two of our own. Names follow the kernel's ESR_ELx_EC_* and so what people know from `perf
 * kvm stat` and trace-cmd: class 0x24 is DABT_LOW, a data abort from the guest. Reserved values are
 * "EC_xx".
 */
#include "feed.h"

#define RESERVED(ec) [0x##ec] = "EC_" #ec

static const char *const names[KCOH_EXIT_CLASSES] = {
	[0x00] = "UNKNOWN",
	[0x01] = "WFx",
	[0x03] = "CP15_32",
	[0x04] = "CP15_64",
	[0x05] = "CP14_MR",
	[0x06] = "CP14_LS",
	[0x07] = "FP_ASIMD",
	[0x08] = "CP10_ID",
	[0x09] = "PAC",
	[0x0a] = "OTHER_LS64",
	[0x0c] = "CP14_64",
	[0x0d] = "BTI",
	[0x0e] = "ILL",
	[0x11] = "SVC32",
	[0x12] = "HVC32",
	[0x13] = "SMC32",
	[0x14] = "SYSREG128",
	[0x15] = "SVC64",
	[0x16] = "HVC64",
	[0x17] = "SMC64",
	[0x18] = "SYS64",
	[0x19] = "SVE",
	[0x1a] = "ERET",
	[0x1c] = "FPAC",
	[0x1d] = "SME",
	[0x1f] = "IMP_DEF",
	[0x20] = "IABT_LOW",
	[0x21] = "IABT_CUR",
	[0x22] = "PC_ALIGN",
	[0x24] = "DABT_LOW",
	[0x25] = "DABT_CUR",
	[0x26] = "SP_ALIGN",
	[0x27] = "MOPS",
	[0x28] = "FP_EXC32",
	[0x2c] = "FP_EXC64",
	[0x2d] = "GCS",
	[0x2f] = "SERROR",
	[0x30] = "BREAKPT_LOW",
	[0x31] = "BREAKPT_CUR",
	[0x32] = "SOFTSTP_LOW",
	[0x33] = "SOFTSTP_CUR",
	[0x34] = "WATCHPT_LOW",
	[0x35] = "WATCHPT_CUR",
	[0x38] = "BKPT32",
	[0x3a] = "VECTOR32",
	[0x3c] = "BRK64",
	[KCOH_EXIT_IRQ] = "IRQ",
	[KCOH_EXIT_OTHER] = "OTHER",
	RESERVED(02),
	RESERVED(0b),
	RESERVED(0f),
	RESERVED(10),
	RESERVED(1b),
	RESERVED(1e),
	RESERVED(23),
	RESERVED(29),
	RESERVED(2a),
	RESERVED(2b),
	RESERVED(2e),
	RESERVED(36),
	RESERVED(37),
	RESERVED(39),
	RESERVED(3b),
	RESERVED(3d),
	RESERVED(3e),
	RESERVED(3f),
};

const char *kcoh_exit_class_name(uint32_t exit_class)
{
	return exit_class < KCOH_EXIT_CLASSES && names[exit_class] ? names[exit_class] : "?";
}

/* Order as in bpf/maps.h; aborts as in exits.c. */
static const char *const sysregs[KCOH_EXIT_SYSREGS] = {
	"other", "id",      "vm",    "timer", "gic", "pmu",
	"debug", "set-way", "cache", "tlb",   "el2", "impdef",
};
static const char *const calls[KCOH_EXIT_CALLS] = {
	"other", "arch", "psci", "trng", "standard", "hyp", "vendor-hyp", "firmware",
};
static const char *const aborts[KCOH_EXIT_ABORTS] = {
	"memslot-read",    "memslot-write",    "mmio-user-read",
	"mmio-user-write", "mmio-kernel-read", "mmio-kernel-write",
};
static const char *const times[KCOH_EXIT_TIMES] = {
	"other", "wfx", "hvc", "smc", "sysreg", "iabt", "dabt", "irq", "fp", "inside",
};

static const char *const losses[KCOH_FEED_LOST_REASONS] = {
	"ring-full", "vms-full", "vcpus-full", "vcpu-unknown", "slots-unread", "missed",
};

const char *kcoh_exit_sysreg_name(uint32_t sysreg)
{
	return sysreg < KCOH_EXIT_SYSREGS ? sysregs[sysreg] : "?";
}

const char *kcoh_exit_call_name(uint32_t call)
{
	return call < KCOH_EXIT_CALLS ? calls[call] : "?";
}

const char *kcoh_exit_abort_name(uint32_t abort)
{
	return abort < KCOH_EXIT_ABORTS ? aborts[abort] : "?";
}

const char *kcoh_exit_time_name(uint32_t time)
{
	return time < KCOH_EXIT_TIMES ? times[time] : "?";
}

const char *kcoh_feed_lost_name(enum kcoh_feed_lost_why why)
{
	return why < KCOH_FEED_LOST_REASONS ? losses[why] : "?";
}
