// SPDX-License-Identifier: GPL-2.0-only
/*
 * Events: the backlog, and each type as the line of JSON that docs/events.md promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/event_json.h"
#include "serve/log.h"
#include "serve/smmu_json.h"

#define NO_VCPU KCOH_VCPU_NONE

/* What all lines begin with: 2026-01-02 03:04:05.678901 UTC is 1767323045678901234 ns. */
#define REAL_NS 1767323045678901234ull
#define PLACELESS(type)                                                                            \
	"{\"ts_ns\":81234567890,\"time\":\"2026-01-02T03:04:05.678901Z\",\"type\":\"" type "\""
#define HEAD(type)                                                                                 \
	"{\"seq\":17,\"ts_ns\":81234567890,\"time\":\"2026-01-02T03:04:05.678901Z\",\"type\":"     \
	"\"" type "\""
#define ABOUT_VM ",\"vm\":3,\"name\":\"web-1\""
#define ABOUT_VCPU ABOUT_VM ",\"vcpu\":1"

#define EDU "0000:00:01.0"
#define SMMU "9050000.smmuv3"
#define SMMU_AND_EDU "\"smmu\":\"" SMMU "\",\"device\":\"" EDU "\",\"group\":1"

static const struct {
	struct kcoh_entry entry;
	const char *line;
} lines[] = {
	{ { .type = KCOH_EV_VM_NEW,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.vm_new = { .pid = 42, .existing = 1 } },
	  HEAD("vm-new") ABOUT_VM ",\"pid\":42,\"comm\":\"qemu\",\"uuid\":\"00112233-4455-6677-"
				  "8899-aabbccddeeff\",\"existing\":true}" },
	{ { .type = KCOH_EV_VM_GONE, .vm = 3, .vcpu = NO_VCPU }, HEAD("vm-gone") ABOUT_VM "}" },
	{ { .type = KCOH_EV_VCPU,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.vcpu = { .sctlr = 0x30d0198d,
			 .tid = 43,
			 .state = KCOH_CACHED,
			 .source = KCOH_SRC_TRAP } },
	  HEAD("vcpu") ABOUT_VCPU
	  ",\"state\":\"cached\",\"source\":\"trap\",\"sctlr\":\"0x30d0198d\",\"tid\":43}" },
	{ { .type = KCOH_EV_TOGGLE,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.toggle = { .pc = 0xffff800010000154,
			   .sctlr = 0x30d00800,
			   .was = KCOH_CACHED,
			   .now = KCOH_UNCACHED,
			   .source = KCOH_SRC_TRAP } },
	  HEAD("toggle") ABOUT_VCPU ",\"was\":\"cached\",\"now\":\"uncached\",\"pc\":"
				    "\"0xffff800010000154\",\"sctlr\":\"0x30d00800\","
				    "\"source\":\"trap\"}" },
	{ { .type = KCOH_EV_SET_WAY, .vm = 3, .vcpu = 1, .ev.set_way = { .pc = 0x80, .cached = 1 } },
	  HEAD("set-way") ABOUT_VCPU ",\"pc\":\"0x80\",\"cached\":true,\"cleaned\":false}" },
	{ { .type = KCOH_EV_RESET,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.reset = { .kind = KCOH_RESET_CPU_ON, .has_run = 1 } },
	  HEAD("reset") ABOUT_VCPU ",\"kind\":\"cpu-on\",\"has_run\":true}" },
	{ { .type = KCOH_EV_RESET, .vm = 3, .vcpu = 1, .ev.reset = { .kind = 99 } },
	  HEAD("reset") ABOUT_VCPU ",\"kind\":\"?\",\"has_run\":false}" },
	{ { .type = KCOH_EV_MEMSLOT,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.memslot = { .base_gfn = 0x40000,
			    .pages = 65536,
			    .hva = 0xffff00000000,
			    .generation = 12,
			    .slot_id = 2,
			    .flags = KCOH_SLOT_LOG_DIRTY | KCOH_SLOT_READONLY | 4,
			    .change = KCOH_SLOT_FLAGS } },
	  HEAD("memslot") ABOUT_VM
	  ",\"change\":\"flags\",\"slot\":2,\"as\":0,\"base_gfn\":\"0x40000\",\"pages\":65536,"
	  "\"hva\":\"0xffff00000000\",\"generation\":12,\"flags\":[\"log-dirty\",\"readonly\","
	  "\"0x4\"],"
	  "\"old_flags\":[]}" },
	{ { .type = KCOH_EV_EPOCH,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.epoch = { .logged_pages = 5,
			  .total_pages = 6,
			  .start = 1,
			  .vcpus = 4,
			  .armed = 3,
			  .pending = 1 } },
	  HEAD("epoch") ABOUT_VM ",\"state\":\"start\",\"source\":\"module\",\"logged_pages\":5,"
				 "\"total_pages\":6,\"vcpus\":4,"
				 "\"armed\":3,\"pending\":1}" },
	{ { .type = KCOH_ENTRY_EPOCH,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .epoch = { .logged_pages = 0, .total_pages = 6 } },
	  HEAD("epoch") ABOUT_VM
	  ",\"state\":\"end\",\"source\":\"memslots\",\"logged_pages\":0,\"total_pages\":6}" },
	{ { .type = KCOH_ENTRY_HARVEST,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .harvest = { .sum = { .pages = 300,
				  .ns = 81000,
				  .slot_id = 2,
				  .tid = 44,
				  .kind = KCOH_HARVEST_CLEAR },
			 .count = 1 } },
	  HEAD("harvest") ABOUT_VM ",\"kind\":\"clear\",\"source\":\"kvm\",\"harvests\":1,"
				   "\"slot\":2,\"tid\":44,\"pages\":300,\"ns\":81000}" },
	{ { .type = KCOH_ENTRY_HARVEST,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .harvest = { .sum = { .pages = 30,
				  .ns = 9,
				  .cleaned = 11,
				  .absent = 12,
				  .no_ram = 3,
				  .unclean = 4,
				  .extra = 5,
				  .untainted = 6,
				  .slot_id = KCOH_SLOT_NONE,
				  .tid = 44,
				  .kind = KCOH_HARVEST_RING,
				  .source = KCOH_HARVEST_BY_MODULE },
			 .count = 7 } },
	  HEAD("harvest") ABOUT_VM
	  ",\"kind\":\"ring\",\"source\":\"module\",\"harvests\":7,\"tid\":44,\"pages\":30,"
	  "\"cleaned\":11,\"absent\":12,\"no_ram\":3,\"unclean\":4,\"extra\":5,"
	  "\"untainted\":6,\"ns\":9}" },
	{ { .type = KCOH_EV_HOLD,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.hold = { .ns = 500000000, .held = 1, .why = KCOH_HOLD_TOGGLE } },
	  HEAD("hold") ABOUT_VCPU ",\"state\":\"held\",\"why\":\"toggle\",\"ns\":500000000}" },
	{ { .type = KCOH_EV_HOLD,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.hold = { .ns = 7, .why = KCOH_HOLD_EPOCH_END } },
	  HEAD("hold") ABOUT_VCPU ",\"state\":\"released\",\"why\":\"epoch-end\",\"ns\":7}" },
	{ { .type = KCOH_EV_UNCLEAN, .vcpu = NO_VCPU, .ev.unclean = { .pages = 3 } },
	  HEAD("unclean") ",\"pages\":3}" },
	{ { .type = KCOH_EV_SCAN, .vcpu = NO_VCPU }, HEAD("scan") ",\"state\":\"begin\"}" },
	{ { .type = KCOH_EV_SCAN, .vcpu = NO_VCPU, .ev.scan = { .done = 1, .vms = 2 } },
	  HEAD("scan") ",\"state\":\"end\",\"vms\":2}" },
	{ { .type = KCOH_EV_UNMAP,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.unmap = { .ns = 190000, .unmaps = 1 } },
	  HEAD("unmap") ABOUT_VM ",\"kind\":\"unmapped\",\"unmaps\":1,\"ns\":190000}" },
	{ { .type = KCOH_EV_UNMAP,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.unmap = { .ns = 192100,
			  .faults = 300,
			  .fault_ns = 2400000,
			  .bytes = 1228800,
			  .span_ns = 5000000000,
			  .unmaps = 2,
			  .kind = KCOH_UNMAP_FOLLOWED } },
	  HEAD("unmap") ABOUT_VM ",\"kind\":\"followed\",\"unmaps\":2,\"ns\":192100,\"faults\":300,"
				 "\"fault_ns\":2400000,\"bytes\":1228800,\"span_ns\":5000000000}" },
	{ { .type = KCOH_EV_PSCI,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.psci = { .call = KCOH_PSCI_SYSTEM_RESET, .function = 0x84000009 } },
	  HEAD("psci") ABOUT_VCPU ",\"call\":\"system-reset\",\"function\":\"0x84000009\"}" },
	{ { .type = KCOH_EV_SMMU,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .raw = { 8ull << 32 | 0x10, 2ull << 40, 0x1000000 },
			 .count = 1,
			 .group = 1,
			 .device = EDU,
			 .smmu = SMMU } },
	  HEAD("smmu") ABOUT_VM ",\"kind\":\"record\",\"count\":1," SMMU_AND_EDU
				",\"event\":\"F_TRANSLATION\",\"id\":\"0x10\",\"stream\":\"0x8\","
				"\"access\":\"write\",\"privileged\":false,\"instruction\":false,"
				"\"stage\":1,\"class\":\"in\",\"address\":\"0x1000000\","
				"\"stall\":false}" },
	{ { .type = KCOH_EV_SMMU,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .raw = { 8ull << 32 | 5 << 12 | 1 << 11 | 0x13,
				  1ull << 39 | 1ull << 40 | 1ull << 35 | 1ull << 33 | 1u << 31 | 7,
				  0xffff000000001000, 0x40001000 },
			 .count = 1,
			 .group = 1,
			 .device = EDU,
			 .smmu = SMMU } },
	  HEAD("smmu") ABOUT_VM
	  ",\"kind\":\"record\",\"count\":1," SMMU_AND_EDU ",\"event\":\"F_PERMISSION\",\"id\":"
	  "\"0x13\",\"stream\":\"0x8\",\"substream\":\"0x5\",\"access\":\"read\",\"privileged\":"
	  "true,\"instruction\":false,\"stage\":2,\"class\":\"ttd\",\"address\":"
	  "\"0xffff000000001000\",\"ipa\":\"0x40001000\",\"stall\":true,\"stag\":7}" },
	{ { .type = KCOH_EV_SMMU,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .raw = { 77ull << 32 | 0x03, 0, 0, 0x80001008 },
			 .count = 1,
			 .group = KCOH_GROUP_NONE,
			 .smmu = SMMU } },
	  HEAD("smmu") ",\"kind\":\"record\",\"count\":1,\"smmu\":\"" SMMU
		       "\",\"device\":null,\"group\":null,\"event\":\"F_STE_FETCH\",\"id\":\"0x3\","
		       "\"stream\":\"0x4d\",\"fetch\":\"0x80001008\"}" },
	{ { .type = KCOH_EV_SMMU,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .raw = { 0xe7 }, .count = 1, .group = 1, .device = EDU, .smmu = SMMU } },
	  HEAD("smmu") ",\"kind\":\"record\",\"count\":1," SMMU_AND_EDU
		       ",\"event\":\"IMPDEF_EVENT7\",\"id\":\"0xe7\",\"stream\":\"0x0\"}" },
	{ { .type = KCOH_EV_SMMU,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .raw = { 8ull << 32 | 0x10 },
			 .count = 967,
			 .group = 1,
			 .kind = KCOH_SMMU_FOLDED,
			 .device = EDU,
			 .smmu = SMMU } },
	  HEAD("smmu") ABOUT_VM
	  ",\"kind\":\"folded\",\"count\":967," SMMU_AND_EDU
	  ",\"event\":\"F_TRANSLATION\",\"id\":\"0x10\",\"stream\":\"0x8\"}" },
	{ { .type = KCOH_EV_SMMU,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .count = 2, .kind = KCOH_SMMU_LOST, .smmu = SMMU } },
	  HEAD("smmu") ",\"kind\":\"lost\",\"count\":2,\"smmu\":\"" SMMU
		       "\",\"sentence\":\"at least so many times events were lost: the queue was "
		       "full\",\"event\":\"lost\"}" },
	{ { .type = KCOH_EV_SMMU,
	    .vcpu = NO_VCPU,
	    .ev.smmu = { .count = 9000, .kind = KCOH_SMMU_UNREAD, .smmu = SMMU } },
	  HEAD("smmu") ",\"kind\":\"unread\",\"count\":9000,\"smmu\":\"" SMMU
		       "\",\"sentence\":\"so many events were written over before they could be "
		       "read\",\"event\":\"unread\"}" },
	{ { .type = KCOH_EV_DEVICE,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.device = { .sid = 8, .group = 1, .state = 1, .device = EDU, .smmu = SMMU } },
	  HEAD("device") ABOUT_VM ",\"state\":\"found\",\"device\":\"" EDU
				  "\",\"via\":\"vfio-group\",\"group\":1,\"stream\":\"0x8\","
				  "\"smmu\":\"" SMMU "\"}" },
	{ { .type = KCOH_EV_DEVICE,
	    .vcpu = NO_VCPU,
	    .ev.device = { .state = 2, .via = 1, .group = 1, .device = EDU, .smmu = SMMU } },
	  HEAD("device") ",\"state\":\"released\",\"device\":\"" EDU
			 "\",\"via\":\"iommufd\",\"group\":1,\"stream\":\"0x0\",\"smmu\":\"" SMMU
			 "\"}" },
	{ { .type = KCOH_EV_HOST,
	    .vcpu = NO_VCPU,
	    .ev.host = { .features = KCOH_HOST_VHE | KCOH_HOST_MODULE | KCOH_HOST_TRAP,
			 .page_size = 4096 } },
	  HEAD("host") ",\"features\":[\"vhe\",\"module\",\"trap\"],\"page_size\":4096}" },
	{ { .type = KCOH_EV_POLICY,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.policy = { .strategy = KCOH_STRATEGY_VETO,
			   .guard = KCOH_GUARD_ENFORCE,
			   .can_cancel = 1,
			   .arm_deadline_ms = 1000,
			   .tolerate = KCOH_TOLERATE_NO_MODULE } },
	  HEAD("policy") ABOUT_VM
	  ",\"strategy\":\"veto\",\"guard\":\"enforce\",\"can_cancel\":"
	  "true,\"last_resort\":false,\"arm_deadline_ms\":1000,\"without_module\":\"allow\","
	  "\"when_blind\":\"veto\"}" },
	{ { .type = KCOH_EV_PHASE,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .ev.phase = { .phase = KCOH_PHASE_ACTIVE } },
	  HEAD("phase") ABOUT_VM ",\"phase\":\"active\"}" },
	{ { .type = KCOH_ENTRY_WINDOW, .vm = 3, .vcpu = NO_VCPU, .window = { .open = 1 } },
	  HEAD("window") ABOUT_VM ",\"class\":\"mmu-off\",\"state\":\"open\"}" },
	{ { .type = KCOH_ENTRY_WINDOW,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .window = { .window_class = KCOH_WINDOW_BLIND, .open_ns = 1500 } },
	  HEAD("window") ABOUT_VM ",\"class\":\"blind\",\"state\":\"close\",\"open_ns\":1500}" },
	{ { .type = KCOH_ENTRY_VERDICT,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .verdict = { .now = { .kind = KCOH_VERDICT_WAIT,
				  .reason = KCOH_RSN_ARMING,
				  .until_ns = 9 },
			 .was = KCOH_VERDICT_ALLOW,
			 .was_reason = KCOH_RSN_NONE } },
	  HEAD("verdict") ABOUT_VM
	  ",\"verdict\":\"wait\",\"reason\":\"arming\",\"sentence\":\"the trap on SCTLR_EL1 writes "
	  "is being "
	  "set\",\"was\":\"allow\",\"was_reason\":\"none\",\"until_ns\":9}" },
	{ { .type = KCOH_ENTRY_VERDICT,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .verdict = { .now = { .kind = KCOH_VERDICT_VETO, .reason = KCOH_RSN_MMU_OFF },
			 .first = true } },
	  HEAD("verdict") ABOUT_VM ",\"verdict\":\"veto\",\"reason\":\"mmu-off\",\"sentence\":\"a "
				   "vCPU runs with its MMU or data cache "
				   "off\"}" },
	{ { .type = KCOH_ENTRY_VERDICT,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .verdict = { .now = { .kind = KCOH_VERDICT_ALLOW,
				  .reason = KCOH_RSN_OVERRIDE,
				  .overrides = KCOH_RSN_RETRY,
				  .until_ns = 9 },
			 .first = true } },
	  HEAD("verdict") ABOUT_VM
	  ",\"verdict\":\"allow\",\"reason\":\"override\",\"sentence\":\"an "
	  "operator lets it be migrated although kcoh says wait or veto, and "
	  "answers for it\",\"overrides\":\"retry\",\"until_ns\":9}" },
	{ { .type = KCOH_ENTRY_OVERRIDE,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .override = { .state = KCOH_OVERRIDE_GIVEN,
			  .uid = 1000,
			  .until_ns = 9,
			  .why = (char[]){ "rack 7 burns" } } },
	  HEAD("override") ABOUT_VM ",\"state\":\"given\",\"uid\":1000,\"until_ns\":9,"
				    "\"why\":\"rack 7 burns\"}" },
	{ { .type = KCOH_ENTRY_ACT,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .act = { .act = KCOH_ACT_CANCEL,
		     .reason = KCOH_RSN_MMU_OFF,
		     .outcome = KCOH_OUTCOME_FAILED,
		     .result = -110,
		     .sentence = (char *)"it \"said\" no" } },
	  HEAD("act") ABOUT_VM ",\"act\":\"cancel\",\"outcome\":\"failed\",\"reason\":\"mmu-off\","
			       "\"result\":-110,\"sentence\":\"it "
			       "\\\"said\\\" no\"}" },
	{ { .type = KCOH_ENTRY_ACT, .vcpu = NO_VCPU, .act = { .act = 77, .outcome = 77 } },
	  HEAD("act") ",\"act\":\"?\",\"outcome\":\"?\",\"reason\":\"none\",\"result\":0}" },
	{ { .type = KCOH_ENTRY_EVACUATION,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .evacuation = { .id = 2,
			    .attempt = 1,
			    .state = KCOH_EVACUATION_CANCELLED,
			    .cause = KCOH_CAUSE_VERDICT,
			    .reason = KCOH_RSN_MMU_OFF,
			    .over = true,
			    .total_ms = 40,
			    .sent_bytes = 4096,
			    .destination = (char *)"tcp:there:4444",
			    .sentence = (char *)"no" } },
	  HEAD("evacuation") ABOUT_VM
	  ",\"evacuation\":2,\"state\":\"cancelled\",\"cause\":\"verdict\",\"reason\":"
	  "\"mmu-off\",\"destination\":\"tcp:there:4444\",\"attempt\":1,\"taken_over\":false,"
	  "\"downtime_ms\":0,\"total_ms\":40,\"sent_bytes\":4096,\"sentence\":\"no\"}" },
	{ { .type = KCOH_ENTRY_EVACUATION, .vcpu = NO_VCPU, .evacuation = { .id = 1 } },
	  HEAD("evacuation") ",\"evacuation\":1,\"state\":\"waiting\",\"cause\":\"none\","
			     "\"reason\":"
			     "\"none\",\"destination\":\"?\",\"attempt\":0,\"taken_over\":false}" },
	{ { .type = KCOH_ENTRY_AUDIT,
	    .vm = 3,
	    .vcpu = NO_VCPU,
	    .audit = { .what = "recording",
		       .comm = "kcoh",
		       .uid = 1000,
		       .pid = 42,
		       .local = true,
		       .allowed = true,
		       .by_polkit = true } },
	  HEAD("audit") ABOUT_VM ",\"what\":\"recording\",\"allowed\":true,\"by\":\"polkit\","
				 "\"uid\":1000,\"pid\":42,\"comm\":\"kcoh\"}" },
	{ { .type = KCOH_ENTRY_AUDIT,
	    .vcpu = NO_VCPU,
	    .audit = { .what = "module-release", .left_out = 7 } },
	  HEAD("audit") ",\"what\":\"module-release\",\"allowed\":false,\"by\":\"none\","
			"\"uid\":null,\"pid\":null,\"comm\":null,\"left_out\":7}" },
	{ { .type = KCOH_ENTRY_CLOCK, .vcpu = NO_VCPU, .clock = { .by_ns = -10800000000000 } },
	  HEAD("clock") ",\"by_ns\":-10800000000000}" },
	{ { .type = KCOH_ENTRY_LOST, .vcpu = NO_VCPU, .lost = { .count = 12 } },
	  HEAD("lost") ",\"count\":12}" },
	{ { .type = KCOH_ENTRY_LOST, .vcpu = NO_VCPU, .lost = { .count = 12, .exits = true } },
	  PLACELESS("lost") ",\"count\":12,\"of\":\"exits\"}" },
	{ { .type = KCOH_EV_EXIT,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.exit = { .pc = 0x40080154,
			 .esr = 0x93840047,
			 .arg = 0x9000018,
			 .exit_class = 0x24 } },
	  PLACELESS("exit") ABOUT_VCPU ",\"class\":\"DABT_LOW\",\"pc\":\"0x40080154\",\"esr\":"
				       "\"0x93840047\",\"ipa\":\"0x9000018\"}" },
	{ { .type = KCOH_EV_EXIT,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.exit = { .pc = 0x1000, .esr = 0x5a000000, .arg = 0x84000000, .exit_class = 0x16 } },
	  PLACELESS("exit") ABOUT_VCPU ",\"class\":\"HVC64\",\"pc\":\"0x1000\",\"esr\":"
				       "\"0x5a000000\",\"x0\":\"0x84000000\"}" },
	{ { .type = KCOH_EV_EXIT,
	    .vm = 3,
	    .vcpu = 1,
	    .ev.exit = { .pc = 0x1000, .exit_class = 64 } },
	  PLACELESS("exit") ABOUT_VCPU ",\"class\":\"IRQ\",\"pc\":\"0x1000\"}" },
	{ { .type = 999, .vcpu = NO_VCPU }, HEAD("?") "}" },
};

/* What was made goes to the file that $KCOH_EVENTS names, for tests/schema/events.py; not what has no type. */
static void keep(FILE *file, unsigned int type, const char *line)
{
	if (file && strcmp(kcoh_event_type_name(type), "?"))
		fprintf(file, "%s\n", line);
}

static void each_type(void **state)
{
	struct kcoh_ident *ident =
		kcoh_ident_new(3, 42, "qemu", "web-1", "00112233-4455-6677-8899-AABBCCDDEEFF");
	const char *name = getenv("KCOH_EVENTS");
	FILE *file = name ? fopen(name, "we") : NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct kcoh_entry entry = lines[i].entry;
		char *line;

		entry.seq = 17;
		entry.ts_ns = 81234567890;
		entry.real_ns = REAL_NS;
		entry.ident = entry.vm ? ident : NULL;
		line = kcoh_event_line(&entry);
		assert_int_equal(line[strlen(line) - 1], '\n');
		line[strlen(line) - 1] = '\0';
		assert_string_equal(line, lines[i].line);
		keep(file, entry.type, line);
		free(line);
	}
	kcoh_ident_unref(ident);
	if (file)
		fclose(file);
}

/* A VM that nobody introduced: its number stands, its name is null. */
static void nameless(void **state)
{
	struct kcoh_entry entry = { .type = KCOH_EV_VM_GONE, .vm = 8, .vcpu = NO_VCPU };
	char *line = kcoh_event_line(&entry);

	(void)state;
	assert_non_null(strstr(line, "\"vm\":8,\"name\":null"));
	free(line);
}

/* Of /v1/vms: a device whose memory was mapped, and one of which kcohd has seen nothing yet. */
static void devices(void **state)
{
	static const struct kcoh_mapping mapping = { 3, 1, 4096, 10, 2, 8192, 20, 5, 30 };
	struct kcoh_device_view view = {
		.sid = 8, .group = 1, .events = 9, .device = EDU, .smmu = SMMU, .mapping = &mapping
	};
	const char *begin = "{\"device\":\"" EDU "\",\"via\":\"vfio-group\",\"group\":1,\"stream\":"
			    "\"0x8\",\"smmu\":\"" SMMU "\",\"smmu_events\":9,\"mapping\":";
	char wanted[512];

	(void)state;
	for (int i = 0; i < 2; i++) {
		json_t *o = kcoh_device_json(&view);
		char *text = json_dumps(o, JSON_COMPACT);

		snprintf(wanted, sizeof(wanted), "%s%s}", begin,
			 i ? "null" :
			     "{\"domain\":3,\"maps\":1,\"mapped_bytes\":4096,\"map_ns\":10,"
			     "\"unmaps\":2,\"unmapped_bytes\":8192,\"unmap_ns\":20,"
			     "\"commands\":5,\"command_ns\":30}");
		assert_string_equal(text, wanted);
		free(text);
		json_decref(o);
		view.mapping = NULL;
	}
}

/* The daemon's table of names and the core's are the same words. */
static void one_vocabulary(void **state)
{
	(void)state;
	for (unsigned int type = 1; type < 32; type++) {
		const char *name = kcoh_event_type_name(type);

		if (strcmp(name, "?"))
			assert_string_equal(name, kcoh_ev_name(type));
	}
}

/* docs/events.md names every type and every reason. */
static void documented(void **state)
{
	static char doc[65536];
	FILE *file = fopen("docs/events.md", "re");
	char word[64];

	(void)state;
	assert_non_null(file);
	doc[fread(doc, 1, sizeof(doc) - 1, file)] = '\0';
	fclose(file);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		snprintf(word, sizeof(word), "`%s`", kcoh_event_type_name(lines[i].entry.type));
		assert_true(!strcmp(word, "`?`") || strstr(doc, word));
	}
	for (int reason = 0; strcmp(kcoh_reason_name((enum kcoh_reason)reason), "?"); reason++) {
		snprintf(word, sizeof(word), "`%s`", kcoh_reason_name((enum kcoh_reason)reason));
		if (!strstr(doc, word))
			fail_msg("docs/events.md does not name reason %s", word);
	}
}

static int notified;

static void on_news(void *ctx)
{
	assert_ptr_equal(ctx, &notified);
	notified++;
}

static void backlog(void **state)
{
	struct kcoh_ident *ident = kcoh_ident_new(1, 1, "x", "x", NULL);
	struct kcoh_entry entry = { .ts_ns = 100, .type = KCOH_EV_VM_GONE, .ident = ident };
	struct kcoh_log *log;

	(void)state;
	assert_int_equal(kcoh_log_new(0, &log), -EINVAL);
	assert_int_equal(kcoh_log_new(4, &log), 0);
	assert_true(kcoh_log_first(log) > kcoh_log_last(log));
	assert_null(kcoh_log_get(log, 0));
	assert_null(kcoh_log_get(log, 1));
	kcoh_log_set_clock(log, 1000);
	kcoh_log_set_notify(log, on_news, &notified);
	for (uint64_t seq = 1; seq <= 10; seq++)
		assert_int_equal(kcoh_log_add(log, &entry), seq);
	assert_int_equal(notified, 10);
	assert_int_equal(kcoh_log_first(log), 7);
	assert_int_equal(kcoh_log_last(log), 10);
	assert_null(kcoh_log_get(log, 6));
	assert_null(kcoh_log_get(log, 11));
	assert_int_equal(kcoh_log_get(log, 7)->seq, 7);
	assert_int_equal(kcoh_log_get(log, 10)->real_ns, 1100);
	assert_int_equal(ident->refs, 5);
	kcoh_log_free(log);
	assert_int_equal(ident->refs, 1);
	kcoh_ident_unref(ident);
	kcoh_log_free(NULL);
}

/* A sentence belongs to the log from the moment it is added until its entry is dropped. */
static void sentences(void **state)
{
	struct kcoh_entry act = { .type = KCOH_ENTRY_ACT };
	struct kcoh_entry other = { .type = KCOH_ENTRY_LOST };
	struct kcoh_log *log;

	(void)state;
	assert_int_equal(kcoh_log_new(2, &log), 0);
	for (int i = 0; i < 5; i++) {
		act.act.sentence = strdup("a sentence");
		kcoh_log_add(log, &act);
		kcoh_log_add(log, &other);
	}
	act.act.sentence = strdup("the last");
	kcoh_log_add(log, &act);
	kcoh_log_free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type),  cmocka_unit_test(nameless),
		cmocka_unit_test(devices),    cmocka_unit_test(one_vocabulary),
		cmocka_unit_test(backlog),    cmocka_unit_test(sentences),
		cmocka_unit_test(documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
