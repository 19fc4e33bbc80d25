/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smmu.h - what an SMMUv3 event record says (Arm IHI 0070, 7.3). Pure: four words in, fields out.
 *
 * An SMMU tells in a queue of 32-byte records which transaction of which device it could not do. A
 * worked example, a device with StreamID 8 that wrote to an address which nobody mapped for it:
 *
 *   0x0000'0008'0000'0010   F_TRANSLATION (0x10), StreamID 8, no SubstreamID
 *   0x0000'0200'0000'0000   write, stage 1, class IN (the input address itself), no stall
 *   0x0000'0000'0100'0000   the address
 *   0                       no IPA: that is there for faults of stage 2 only
 *
 * Which fields a record has depends on its id; all other bits are reserved or unknown and are not
 * looked at. struct kcoh_smmu_fault says by KCOH_SMMU_HAS_* what is there.
 *
 * Limit: an SMMU may merge equal records unless the stream forbids it, so one record is one
 * transaction or more. IMPLEMENTATION DEFINED reasons are not decoded.
 */
#ifndef KCOH_SMMU_H
#define KCOH_SMMU_H

#include "abi.h"

#define KCOH_SMMU_WORDS 4 /* 64-bit words of a record */

/* Id, name, and the fields that such a record has. */
#define KCOH_SMMU_EVENTS(X)                                                                        \
	X(0x01, F_UUT, KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_HAS_ACCESS)           \
	X(0x02, C_BAD_STREAMID, KCOH_SMMU_HAS_SSV)                                                 \
	X(0x03, F_STE_FETCH, KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_FETCH)                              \
	X(0x04, C_BAD_STE, KCOH_SMMU_HAS_SSV)                                                      \
	X(0x05, F_BAD_ATS_TREQ, KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_PAGE)        \
	X(0x06, F_STREAM_DISABLED, 0)                                                              \
	X(0x07, F_TRANSL_FORBIDDEN, KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_HAS_RNW)                     \
	X(0x08, C_BAD_SUBSTREAMID, KCOH_SMMU_HAS_SSID)                                             \
	X(0x09, F_CD_FETCH, KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_FETCH)                               \
	X(0x0a, C_BAD_CD, KCOH_SMMU_HAS_SSV)                                                       \
	X(0x0b, F_WALK_EABT,                                                                       \
	  KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_HAS_ACCESS | KCOH_SMMU_HAS_STAGE | \
		  KCOH_SMMU_HAS_CLASS | KCOH_SMMU_HAS_FETCH)                                       \
	X(0x10, F_TRANSLATION, KCOH_SMMU_TRANSLATION)                                              \
	X(0x11, F_ADDR_SIZE, KCOH_SMMU_TRANSLATION)                                                \
	X(0x12, F_ACCESS, KCOH_SMMU_TRANSLATION)                                                   \
	X(0x13, F_PERMISSION, KCOH_SMMU_TRANSLATION)                                               \
	X(0x20, F_TLB_CONFLICT,                                                                    \
	  KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_HAS_ACCESS | KCOH_SMMU_HAS_STAGE | \
		  KCOH_SMMU_HAS_IPA)                                                               \
	X(0x21, F_CFG_CONFLICT, KCOH_SMMU_HAS_SSV)                                                 \
	X(0x24, E_PAGE_REQUEST, KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_PAGE)        \
	X(0x25, F_VMS_FETCH, KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_FETCH)

enum kcoh_smmu_has {
	KCOH_SMMU_HAS_SSV = 1 << 0, /* SubstreamID if SSV is set */
	KCOH_SMMU_HAS_SSID = 1 << 1, /* SubstreamID always; in a decoded record: it is there */
	KCOH_SMMU_HAS_ADDRESS = 1 << 2,
	KCOH_SMMU_PAGE = 1 << 3, /* its address is that of a page: bits 11:0 are something else */
	KCOH_SMMU_HAS_RNW = 1 << 4,
	KCOH_SMMU_HAS_ATTRS = 1 << 5, /* privileged, instruction */
	KCOH_SMMU_HAS_STAGE = 1 << 6,
	KCOH_SMMU_HAS_CLASS = 1 << 7,
	KCOH_SMMU_HAS_STALL = 1 << 8, /* stall, and STAG if it is set */
	KCOH_SMMU_HAS_IPA = 1 << 9, /* of a fault of stage 2 */
	KCOH_SMMU_HAS_FETCH = 1 << 10, /* physical address of a table's entry */
	KCOH_SMMU_HAS_ACCESS = KCOH_SMMU_HAS_RNW | KCOH_SMMU_HAS_ATTRS,
	KCOH_SMMU_TRANSLATION = KCOH_SMMU_HAS_SSV | KCOH_SMMU_HAS_ADDRESS | KCOH_SMMU_HAS_ACCESS |
				KCOH_SMMU_HAS_STAGE | KCOH_SMMU_HAS_CLASS | KCOH_SMMU_HAS_STALL |
				KCOH_SMMU_HAS_IPA,
};

enum kcoh_smmu_class {
	KCOH_SMMU_CLASS_CD = 0, /* fetching a context descriptor */
	KCOH_SMMU_CLASS_TTD = 1, /* fetching a descriptor of a stage-1 table */
	KCOH_SMMU_CLASS_IN = 2, /* the address itself */
};

struct kcoh_smmu_fault {
	__u32 has; /* KCOH_SMMU_HAS_*; a field that is not there is 0 */
	__u32 sid;
	__u32 ssid;
	__u16 stag; /* of the stalled transaction */
	__u8 id;
	__u8 stage; /* 1 or 2 */
	__u8 fault_class; /* enum kcoh_smmu_class, or 3: reserved */
	__u8 read; /* 0: write */
	__u8 privileged;
	__u8 instruction;
	__u8 stall; /* it waits until somebody resumes or ends it */
	__u8 pad[3];
	__u64 address; /* VA, IPA or PA: what came in */
	__u64 ipa;
	__u64 fetch;
};

static inline __u8 kcoh_smmu_id(const __u64 *raw)
{
	return raw[0] & 0xff;
}

static inline __u32 kcoh_smmu_sid(const __u64 *raw)
{
	return raw[0] >> 32;
}

/* "F_TRANSLATION"; NULL for an id that the architecture reserves or leaves to implementations. */
static inline const char *kcoh_smmu_name(__u8 id)
{
	switch (id) {
#define X(value, name, has)                                                                        \
	case value:                                                                                \
		return #name;
		KCOH_SMMU_EVENTS(X)
#undef X
	}
	return (const char *)0;
}

static inline __u32 kcoh_smmu_layout(__u8 id)
{
	switch (id) {
#define X(value, name, has)                                                                        \
	case value:                                                                                \
		return (has);
		KCOH_SMMU_EVENTS(X)
#undef X
	}
	return 0;
}

static inline void kcoh_smmu_decode(const __u64 *raw, struct kcoh_smmu_fault *ret_fault)
{
	__u32 has = kcoh_smmu_layout(kcoh_smmu_id(raw));
	struct kcoh_smmu_fault f = { .id = kcoh_smmu_id(raw), .sid = kcoh_smmu_sid(raw) };

	if (has & KCOH_SMMU_HAS_SSV && raw[0] >> 11 & 1)
		has |= KCOH_SMMU_HAS_SSID;
	has &= ~(__u32)KCOH_SMMU_HAS_SSV;
	if (has & KCOH_SMMU_HAS_SSID)
		f.ssid = raw[0] >> 12 & 0xfffff;
	if (has & KCOH_SMMU_HAS_STALL) {
		f.stall = raw[1] >> 31 & 1;
		f.stag = f.stall ? raw[1] & 0xffff : 0;
	}
	if (has & KCOH_SMMU_HAS_ATTRS) {
		f.privileged = raw[1] >> 33 & 1;
		f.instruction = raw[1] >> 34 & 1;
	}
	if (has & KCOH_SMMU_HAS_RNW)
		f.read = raw[1] >> 35 & 1;
	if (has & KCOH_SMMU_HAS_STAGE)
		f.stage = raw[1] >> 39 & 1 ? 2 : 1;
	if (has & KCOH_SMMU_HAS_CLASS)
		f.fault_class = raw[1] >> 40 & 3;
	if (has & KCOH_SMMU_HAS_ADDRESS)
		f.address = has & KCOH_SMMU_PAGE ? raw[2] & ~0xfffull : raw[2];
	if (f.stage != 2)
		has &= ~(__u32)KCOH_SMMU_HAS_IPA;
	if (has & KCOH_SMMU_HAS_IPA)
		f.ipa = raw[3] & 0x00fffffffffff000ull;
	if (has & KCOH_SMMU_HAS_FETCH)
		f.fetch = raw[3] & 0x00fffffffffffff8ull;
	f.has = has & ~(__u32)KCOH_SMMU_PAGE;
	*ret_fault = f;
}

#endif
