// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fleet without a store: base64, what records are taken, which changes are written when, and what a destination makes of what it
 * finds. With a real etcd: tests/fleet/run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/etcd.h"
#include "fleet/guard.h"
#include "fleet/table.h"

#define S 1000000000ull
#define UUID "d7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5"
#define OTHER "e7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5"

static void base64(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" },
		{ "f", "Zg==" },
		{ "fo", "Zm8=" },
		{ "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" },
		{ "\xff\xfe", "//4=" },
		{ "/kcoh", "L2tjb2g=" },
	};
	static const char *const wrong[] = { "Zg",       "Zg=",      "Z===", "====",
					     "Zg==Zg==", "Zm9v!A==", "Zm 9" };
	size_t len;
	char *text;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		text = kcoh_base64_encode(pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(text, pairs[i][1]);
		free(text);
		text = kcoh_base64_decode(pairs[i][1], &len);
		assert_string_equal(text, pairs[i][0]);
		assert_int_equal(len, strlen(pairs[i][0]));
		free(text);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_null(kcoh_base64_decode(wrong[i], &len));
}

static void answers(void **state)
{
	json_t *granted = json_pack("{s:s, s:s}", "ID", "-7587848390", "TTL", "15");
	json_t *gone = json_pack("{s:{s:s}}", "result", "ID", "7");
	json_t *nul = json_pack("{s:s}", "value", "AGE=");
	uint32_t seconds;
	int64_t lease;

	(void)state;
	assert_int_equal(kcoh_etcd_granted(granted, &lease, &seconds), 0);
	assert_int_equal(lease, -7587848390);
	assert_int_equal(seconds, 15);
	assert_int_equal(kcoh_etcd_granted(gone, &lease, &seconds), -EPROTO);
	assert_int_equal(kcoh_etcd_kept(gone), 0);
	assert_null(kcoh_etcd_text(nul, "value"));
	json_decref(granted);
	json_decref(gone);
	json_decref(nul);
}

static struct kcoh_fleet_vm vm(enum kcoh_verdict_kind kind)
{
	return (struct kcoh_fleet_vm){
		.uuid = UUID,
		.name = "na\"me",
		.verdict = { .kind = kind, .reason = KCOH_RSN_MMU_OFF, .since_ns = 5 * S },
		.guard = KCOH_GUARD_ENFORCE
	};
}

static void records(void **state)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{}",
		"{\"v\":\"1\"}",
		"{\"v\":1}",
		"{\"v\":1,\"v\":1}",
		"{\"v\":1,\"host\":\"h\",\"uuid\":\"u\",\"name\":\"n\",\"verdict\":\"maybe\","
		"\"reason\":\"r\","
		"\"sentence\":\"s\",\"guard\":\"warn\",\"since\":1.0}",
		"{\"v\":1,\"host\":\"h\",\"uuid\":\"u\",\"name\":\"n\",\"verdict\":\"veto\","
		"\"reason\":\"r\","
		"\"sentence\":\"s\",\"guard\":\"\",\"since\":1.0}",
		"{\"v\":1,\"host\":7,\"uuid\":\"u\",\"name\":\"n\",\"verdict\":\"veto\",\"reason\":"
		"\"r\","
		"\"sentence\":\"s\",\"guard\":\"warn\",\"since\":1.0}",
	};
	struct kcoh_fleet_vm one = vm(KCOH_VERDICT_VETO);
	char *text = kcoh_fleet_vm_text(&one, "arm-1", 100 * (int64_t)S);
	char why[160];
	json_t *record = kcoh_fleet_vm_parse(text, why, sizeof(why));

	(void)state;
	assert_non_null(record);
	assert_string_equal(json_string_value(json_object_get(record, "name")), "na\"me");
	assert_true(json_real_value(json_object_get(record, "since")) == 105.0);
	assert_true(json_is_null(json_object_get(record, "until")));
	json_decref(record);
	free(text);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_null(kcoh_fleet_vm_parse(wrong[i], why, sizeof(why)));
	assert_null(kcoh_fleet_vm_parse("{\"v\":2}", why, sizeof(why)));
	assert_string_equal(why, "a newer kcoh wrote it (its version is 2, this kcoh reads 1)");
}

static int round_of(struct fleet_table *table, uint64_t now_ns, const struct kcoh_fleet_vm *a,
		    const struct kcoh_fleet_vm *b)
{
	table_begin(table);
	if (a)
		assert_int_equal(table_put(table, a->uuid, a, 2), 0);
	if (b)
		assert_int_equal(table_put(table, b->uuid, b, 2), 0);
	return table_end(table, now_ns);
}

static void writes(void **state)
{
	struct kcoh_fleet_vm allowed = vm(KCOH_VERDICT_ALLOW), vetoed = vm(KCOH_VERDICT_VETO);
	struct fleet_table table = { 0 };
	struct fleet_entry *entry;

	(void)state;
	assert_int_equal(round_of(&table, 1 * S, &allowed, NULL), 1);
	assert_int_equal(round_of(&table, 1 * S, &allowed, NULL), 0); /* nothing new */
	entry = table.entries[0];
	assert_int_equal(entry_due(entry, 1 * S), 0);
	entry_send(entry);
	assert_int_equal(entry_due(entry, 1 * S), UINT64_MAX); /* it is on its way */
	assert_int_equal(entry_confirm(entry, 2 * S), 1 * S);
	assert_int_equal(entry_due(entry, 2 * S), UINT64_MAX);
	/* stricter: at once; milder: 1 s after the last write */
	assert_int_equal(round_of(&table, 2 * S, &vetoed, NULL), 1);
	assert_int_equal(entry_due(entry, 2 * S), 0);
	entry_send(entry);
	entry_confirm(entry, 3 * S);
	assert_int_equal(round_of(&table, 3 * S, &allowed, NULL), 1);
	assert_int_equal(entry_due(entry, 3 * S), 4 * S);
	assert_int_equal(entry_due(entry, 4 * S), 0);
	/* what changes while it is on its way is not confirmed with it */
	entry_send(entry);
	assert_int_equal(round_of(&table, 4 * S, &vetoed, NULL), 1);
	entry_confirm(entry, 5 * S);
	assert_true(entry->dirty);
	assert_int_equal(entry_due(entry, 5 * S), 0);
	/* all is to be written anew: with what is on its way already */
	assert_int_equal(table_renew(&table, 5 * S), 1);
	assert_int_equal(table.merged, 1);
	entry_send(entry);
	entry_confirm(entry, 6 * S);
	assert_false(entry->dirty);
	assert_int_equal(table_renew(&table, 7 * S), 1);
	assert_int_equal(entry_due(entry, 7 * S), 0);
	assert_int_equal(entry->changed_ns, 7 * S);
	/* what did not arrive is due again */
	entry_send(entry);
	entry_fail(entry);
	assert_int_equal(entry_due(entry, 7 * S), 0);
	table_free(&table);
}

static void gone(void **state)
{
	struct kcoh_fleet_vm a = vm(KCOH_VERDICT_ALLOW), b = vm(KCOH_VERDICT_ALLOW), c = b;
	struct fleet_table table = { 0 };

	(void)state;
	b.uuid = OTHER;
	c.uuid = "f7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5";
	assert_int_equal(round_of(&table, 1 * S, &b, &a), 2);
	assert_string_equal(table.entries[0]->uuid, UUID); /* in order */
	table_begin(&table);
	assert_int_equal(table_put(&table, c.uuid, &c, 2), -ENOSPC);
	table_put(&table, a.uuid, &a, 2);
	table_put(&table, b.uuid, &b, 2);
	assert_int_equal(table_end(&table, 1 * S), 0);
	for (int i = 0; i < 2; i++) {
		entry_send(table.entries[i]);
		entry_confirm(table.entries[i], 1 * S);
	}
	assert_int_equal(round_of(&table, 2 * S, &a, NULL), 1);
	table_sweep(&table);
	assert_int_equal(table.count, 2); /* the store has it still */
	assert_int_equal(entry_due(table.entries[1], 2 * S), 0);
	entry_send(table.entries[1]);
	entry_confirm(table.entries[1], 2 * S);
	table_sweep(&table);
	assert_int_equal(table.count, 1);
	/* the store forgot everything: those that are gone need not be deleted */
	round_of(&table, 3 * S, &b, NULL);
	table_reset(&table, 3 * S);
	assert_int_equal(table.count, 1);
	assert_string_equal(table.entries[0]->uuid, OTHER);
	assert_int_equal(entry_due(table.entries[0], 3 * S), 0);
	table_free(&table);
}

/* QEMU's second VM has the same UUID: the stricter counts, whichever is told first, and that is no change each time. */
static void twice(void **state)
{
	struct kcoh_fleet_vm allowed = vm(KCOH_VERDICT_ALLOW), vetoed = vm(KCOH_VERDICT_VETO);
	struct fleet_table table = { 0 };

	(void)state;
	assert_int_equal(round_of(&table, 1 * S, &allowed, &vetoed), 1);
	assert_int_equal(table.entries[0]->verdict.kind, KCOH_VERDICT_VETO);
	assert_int_equal(round_of(&table, 1 * S, &allowed, &vetoed), 0);
	assert_int_equal(round_of(&table, 1 * S, &vetoed, &allowed), 0);
	assert_int_equal(table.merged, 0);
	table_free(&table);
}

static json_t *record_of(const char *host, enum kcoh_verdict_kind kind, enum kcoh_guard guard)
{
	struct kcoh_fleet_vm one = vm(kind);
	char *text, why[160];
	json_t *record;

	one.guard = guard;
	text = kcoh_fleet_vm_text(&one, host, 0);
	record = kcoh_fleet_vm_parse(text, why, sizeof(why));
	free(text);
	return record;
}

static void guards(void **state)
{
	struct kcoh_fleet_config fleet = { .host = (char *)"here" };
	struct kcoh_found found = { json_array(), json_array() };
	struct kcoh_fleet_answer answer;

	(void)state;
	json_array_append_new(found.records,
			      record_of("here", KCOH_VERDICT_VETO, KCOH_GUARD_ENFORCE));
	kcoh_fleet_guard(&found, NULL, fleet.host, &fleet, KCOH_GUARD_ENFORCE, &answer);
	assert_false(answer.known || answer.blocks); /* only of this host */
	json_array_append_new(found.records, record_of("a", KCOH_VERDICT_ALLOW, KCOH_GUARD_WARN));
	json_array_append_new(found.records, record_of("b", KCOH_VERDICT_VETO, KCOH_GUARD_ENFORCE));
	json_array_append_new(found.records, record_of("c", KCOH_VERDICT_WAIT, KCOH_GUARD_WARN));
	kcoh_fleet_guard(&found, NULL, fleet.host, &fleet, KCOH_GUARD_WARN, &answer);
	assert_true(answer.known && answer.blocks); /* the strictest, by its own guard */
	assert_string_equal(answer.sentence,
			    "b: veto: mmu-off: a vCPU runs with its MMU or data cache off");
	json_array_append_new(found.refused, json_string("x cannot be read"));
	kcoh_fleet_guard(&found, NULL, fleet.host, &fleet, KCOH_GUARD_WARN, &answer);
	assert_true(answer.blocks); /* a veto stands, whatever else cannot be read */
	json_array_remove(found.records, 2);
	kcoh_fleet_guard(&found, NULL, fleet.host, &fleet, KCOH_GUARD_ENFORCE, &answer);
	assert_true(answer.blocks && !answer.known);
	assert_non_null(strstr(answer.sentence, "x cannot be read"));
	kcoh_fleet_guard(NULL, "it hangs", fleet.host, &fleet, KCOH_GUARD_WARN, &answer);
	assert_false(answer.blocks);
	assert_int_equal(answer.kind, KCOH_VERDICT_VETO);
	kcoh_fleet_guard(NULL, "no [fleet]", NULL, NULL, KCOH_GUARD_ENFORCE, &answer);
	assert_true(answer.blocks);
	json_decref(found.records);
	json_decref(found.refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64), cmocka_unit_test(answers), cmocka_unit_test(records),
		cmocka_unit_test(writes), cmocka_unit_test(gone),    cmocka_unit_test(twice),
		cmocka_unit_test(guards),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
