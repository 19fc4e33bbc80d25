// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_smmu.c - SMMUv3 event records: every id there can be, each field of each, and nothing that a record has not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "kcoh/smmu.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define NO_SSID (1 << 0) /* SSV does not make one */
#define SSID (1 << 1) /* there without SSV */
#define ADDRESS (1 << 2)
#define PAGE (1 << 3)
#define RNW (1 << 4)
#define ATTRS (1 << 5)
#define STAGE (1 << 6)
#define CLASS (1 << 7)
#define STALL (1 << 8)
#define IPA (1 << 9)
#define FETCH (1 << 10)
#define FAULT (ADDRESS | RNW | ATTRS | STAGE | CLASS | STALL | IPA)

/* Written from the architecture (IHI 0070, 7.3.2 to 7.3.20), not from smmu.h. */
static const struct event {
	uint8_t id;
	const char *name;
	unsigned int fields;
} events[] = {
	{ 0x01, "F_UUT", ADDRESS | RNW | ATTRS },
	{ 0x02, "C_BAD_STREAMID", 0 },
	{ 0x03, "F_STE_FETCH", FETCH },
	{ 0x04, "C_BAD_STE", 0 },
	{ 0x05, "F_BAD_ATS_TREQ", ADDRESS | PAGE },
	{ 0x06, "F_STREAM_DISABLED", NO_SSID },
	{ 0x07, "F_TRANSL_FORBIDDEN", NO_SSID | ADDRESS | RNW },
	{ 0x08, "C_BAD_SUBSTREAMID", SSID },
	{ 0x09, "F_CD_FETCH", FETCH },
	{ 0x0a, "C_BAD_CD", 0 },
	{ 0x0b, "F_WALK_EABT", ADDRESS | RNW | ATTRS | STAGE | CLASS | FETCH },
	{ 0x10, "F_TRANSLATION", FAULT },
	{ 0x11, "F_ADDR_SIZE", FAULT },
	{ 0x12, "F_ACCESS", FAULT },
	{ 0x13, "F_PERMISSION", FAULT },
	{ 0x20, "F_TLB_CONFLICT", ADDRESS | RNW | ATTRS | STAGE | IPA },
	{ 0x21, "F_CFG_CONFLICT", 0 },
	{ 0x24, "E_PAGE_REQUEST", ADDRESS | PAGE },
	{ 0x25, "F_VMS_FETCH", FETCH },
};

static const struct event *event_of(unsigned int id)
{
	for (size_t i = 0; i < COUNT(events); i++) {
		if (events[i].id == id)
			return &events[i];
	}
	return NULL;
}

static void every_id_has_its_name(void **state)
{
	const struct event *event;

	(void)state;
	for (unsigned int id = 0; id < 256; id++) {
		event = event_of(id);
		if (event)
			assert_string_equal(kcoh_smmu_name((uint8_t)id), event->name);
		else
			assert_null(kcoh_smmu_name((uint8_t)id));
	}
}

/* What a record with these words must give, field by field. */
static void expect(const struct event *event, const uint64_t raw[4], unsigned int id)
{
	unsigned int fields = event ? event->fields : NO_SSID;
	const uint64_t w1 = raw[1], mask = 0x00ffffffffffffff;
	int stage = !(fields & STAGE) ? 0 : w1 & 1ull << 39 ? 2 : 1;
	int ssid = fields & SSID || (!(fields & NO_SSID) && raw[0] & 1u << 11);
	int stall = fields & STALL && w1 & 1ull << 31;
	struct kcoh_smmu_fault f;

	memset(&f, 0xa5, sizeof(f));
	kcoh_smmu_decode((const __u64 *)raw, &f);
	assert_int_equal(f.id, id);
	assert_int_equal(f.sid, raw[0] >> 32);
	assert_int_equal(f.ssid, ssid ? (raw[0] >> 12 & 0xfffff) : 0);
	assert_int_equal(f.stage, stage);
	assert_int_equal(f.fault_class, fields & CLASS ? (w1 >> 40 & 3) : 0);
	assert_int_equal(f.read, fields & RNW && w1 & 1ull << 35);
	assert_int_equal(f.privileged, fields & ATTRS && w1 & 1ull << 33);
	assert_int_equal(f.instruction, fields & ATTRS && w1 & 1ull << 34);
	assert_int_equal(f.stall, stall);
	assert_int_equal(f.stag, stall ? (w1 & 0xffff) : 0);
	assert_int_equal(f.address, !(fields & ADDRESS) ? 0 :
				    fields & PAGE       ? raw[2] & ~0xfffull :
							  raw[2]);
	assert_int_equal(f.ipa, fields & IPA && stage == 2 ? raw[3] & mask & ~0xfffull : 0);
	assert_int_equal(f.fetch, fields & FETCH ? raw[3] & mask & ~7ull : 0);
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_SSID), !!ssid);
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_ADDRESS), !!(fields & ADDRESS));
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_RNW), !!(fields & RNW));
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_ATTRS), !!(fields & ATTRS));
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_STAGE), !!(fields & STAGE));
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_CLASS), !!(fields & CLASS));
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_STALL), !!(fields & STALL));
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_IPA), fields & IPA && stage == 2);
	assert_int_equal(!!(f.has & KCOH_SMMU_HAS_FETCH), !!(fields & FETCH));
}

/* One bit set at a time, all of them, and none: a field taken from the wrong place shows. */
static void every_bit_of_every_id(void **state)
{
	(void)state;
	for (unsigned int id = 0; id < 256; id++) {
		for (unsigned int bit = 8; bit < 256; bit++) {
			uint64_t lone[4] = { id }, all[4] = { ~0xffull | id, ~0ull, ~0ull, ~0ull };

			lone[bit / 64] |= 1ull << bit % 64;
			all[bit / 64] &= ~(1ull << bit % 64);
			expect(event_of(id), lone, id);
			expect(event_of(id), all, id);
			if (bit / 64 == 3) { /* an IPA is there with stage 2 only */
				lone[1] |= 1ull << 39;
				expect(event_of(id), lone, id);
			}
		}
	}
}

static void the_example(void **state)
{
	static const __u64 raw[4] = { 0x0000000800000010, 0x0000020000000000, 0x01000000, 0x123 };
	struct kcoh_smmu_fault f;

	(void)state;
	kcoh_smmu_decode(raw, &f);
	assert_string_equal(kcoh_smmu_name(f.id), "F_TRANSLATION");
	assert_int_equal(f.sid, 8);
	assert_int_equal(f.stage, 1);
	assert_int_equal(f.fault_class, KCOH_SMMU_CLASS_IN);
	assert_false(f.read);
	assert_false(f.stall);
	assert_int_equal(f.address, 0x01000000);
	assert_int_equal(f.ipa, 0);
	assert_false(f.has & KCOH_SMMU_HAS_IPA);
}

static void a_stalled_write_of_stage_2(void **state)
{
	static const __u64 raw[4] = { 0x0000123400005810 | 0x03, 0x000002008000beef | 1ull << 39,
				      0xffff000012345678, 0x0000000087654000 };
	struct kcoh_smmu_fault f;

	(void)state;
	kcoh_smmu_decode(raw, &f);
	assert_string_equal(kcoh_smmu_name(f.id), "F_PERMISSION");
	assert_int_equal(f.sid, 0x1234);
	assert_true(f.has & KCOH_SMMU_HAS_SSID);
	assert_int_equal(f.ssid, 5);
	assert_int_equal(f.stage, 2);
	assert_true(f.stall);
	assert_int_equal(f.stag, 0xbeef);
	assert_int_equal(f.address, 0xffff000012345678);
	assert_int_equal(f.ipa, 0x87654000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_id_has_its_name),
		cmocka_unit_test(every_bit_of_every_id),
		cmocka_unit_test(the_example),
		cmocka_unit_test(a_stalled_write_of_stage_2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
