// SPDX-License-Identifier: GPL-2.0-only
/*
 * Is a host ready for kcoh? Every kind of host, as kcoh doctor judges it.
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
#include <sys/stat.h>
#include <unistd.h>

#include "host/judge.h"

#define ARM64 .machine = "aarch64", .kernel = "6.1.0", .page_size = 4096, .arm64 = true
#define GOOD ARM64, .kvm = true, .btf = true, .may_bpf = true, .smmus = 1
#define MODULE(state_, host_) .hello = { .abi = KCOH_ABI, .state = (state_), .host = (host_) }
#define ACTS (KCOH_HOST_TRAP | KCOH_HOST_CLEAN)

static struct kcoh_hook_view all_hooks[] = {
	{ "kvm_coalesced_mmio_init", "kprobe", NULL, false },
	{ "kvm_arch_destroy_vm", "kprobe", NULL, false },
	{ "task_file", "iter", NULL, false },
	{ "kvm_exit", "raw_tp", NULL, false },
	{ "kvm_entry", NULL, "nobody asks for it now", false },
	{ "kvm_arch_vcpu_run_pid_change", "kprobe", NULL, false },
	{ "kvm_userspace_exit", "raw_tp", NULL, false },
	{ "kvm_sched_out", "kretprobe", NULL, false },
	{ "kvm_arch_vcpu_ioctl", "kretprobe", NULL, false },
	{ "kvm_arch_commit_memory_region", "kprobe", NULL, false },
	{ "kvm_vm_ioctl", "kprobe", NULL, false },
	{ "kvm_vm_ioctl:return", "kretprobe", NULL, false },
	{ "kvm_arch_mmu_enable_log_dirty_pt_masked", "kprobe", NULL, false },
	{ "kvm_reset_vcpu", "kprobe", NULL, false },
	{ "kvm_set_way_flush", "kprobe", NULL, false },
	{ "arm_smmu_evtq_thread", "kprobe", NULL, false },
	{ "arm_smmu_evtq_thread:return", "kretprobe", NULL, false },
	{ "arm_smmu_handle_evt", "kprobe", NULL, true },
	{ "stage2_unmap_vm", "kprobe", NULL, false },
	{ "stage2_unmap_vm:return", "kretprobe", NULL, false },
	{ "kvm_pgtable_stage2_map:return", "kretprobe", NULL, false },
	{ "iommu_group_claim_dma_owner", "kprobe", NULL, false },
	{ "iommu_group_release_dma_owner", "kprobe", NULL, false },
	{ "kcoh_epoch", "raw_tp", NULL, false },
	{ "kcoh_arm", "raw_tp", NULL, false },
	{ "kcoh_toggle", "raw_tp", NULL, false },
	{ "kcoh_harvest", "raw_tp", NULL, false },
};
#define HOOKS (sizeof(all_hooks) / sizeof(all_hooks[0]))

static const struct {
	const char *what;
	struct kcoh_host_facts facts;
	const char *missing; /* a hook that is not attached; "kcoh_*": all of the module's */
	int hooks_err;
	bool no_daemon;
	enum kcoh_level level;
	const char *finding; /* one that must be there: its name … */
	const char *sentence; /* … and a part of its sentence */
	const char *broken; /* the first ability that does not work; NULL: all do */
} cases[] = {
	{ "all is well",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS | KCOH_HOST_VHE) },
	  .level = KCOH_LEVEL_NOTE,
	  .finding = "module",
	  .sentence = "traps toggles and cleans each page" },
	{ "it knows its mode",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
	  .level = KCOH_LEVEL_NOTE,
	  .finding = "mode",
	  .sentence = "nVHE" },
	{ "a PC",
	  { .machine = "x86_64", .kvm = true, .btf = true, .may_bpf = true },
	  .level = KCOH_LEVEL_UNUSABLE,
	  .finding = "machine",
	  .sentence = "x86_64" },
	{ "no KVM",
	  { ARM64, .btf = true, .may_bpf = true, MODULE(KCOH_MODULE_READY, ACTS) },
	  .level = KCOH_LEVEL_UNUSABLE,
	  .finding = "kvm",
	  .sentence = "EL2" },
	{ "no BTF",
	  { ARM64, .kvm = true, .may_bpf = true, MODULE(KCOH_MODULE_READY, ACTS) },
	  .level = KCOH_LEVEL_UNUSABLE,
	  .finding = "btf",
	  .sentence = "CONFIG_DEBUG_INFO_BTF" },
	{ "asked by a user",
	  { ARM64, .kvm = true, .btf = true, .hello_err = -EACCES },
	  .hooks_err = -EPERM,
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "hooks",
	  .sentence = "why it failed",
	  .broken = "virtual machines from birth to end" },
	{ "a damaged installation",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
	  .hooks_err = -ENOEXEC,
	  .level = KCOH_LEVEL_UNUSABLE,
	  .finding = "hooks",
	  .sentence = "why it failed",
	  .broken = "virtual machines from birth to end" },
	{ "no module",
	  { GOOD, .hello_err = -ENOENT },
	  .missing = "kcoh_*",
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "module",
	  .sentence = "modprobe kcoh",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "no module, and so hooks of it are no finding",
	  { GOOD, .hello_err = -ENOENT },
	  .missing = "kcoh_*",
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "hooks",
	  .sentence = "all 22 that this host has are attached",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "no module on an old CPU",
	  { GOOD, .hello_err = -ENOENT },
	  .missing = "kcoh_*",
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "s2fwb",
	  .sentence = "hardly",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "no module on a new one",
	  { GOOD, .hello_err = -ENOENT, .armv8_4 = true },
	  .missing = "kcoh_*",
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "s2fwb",
	  .sentence = "very likely",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "a module of another build",
	  { GOOD, .hello_err = -EPROTO, .hello_sentence = "ABI 1 and ABI 2" },
	  .missing = "kcoh_*",
	  .level = KCOH_LEVEL_UNUSABLE,
	  .finding = "module",
	  .sentence = "ABI 1 and ABI 2",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "a module that is switched off",
	  { GOOD, MODULE(KCOH_MODULE_DISABLED, ACTS) },
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "module",
	  .sentence = "parameters/enabled",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "a module that stepped aside",
	  { GOOD, MODULE(KCOH_MODULE_STEPPED_ASIDE, ACTS) },
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "module",
	  .sentence = "stepped aside",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "a module that cannot clean",
	  { GOOD, MODULE(KCOH_MODULE_READY, KCOH_HOST_TRAP) },
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "clean",
	  .sentence = "kernel log",
	  .broken = "cleaning at harvest" },
	{ "S2FWB",
	  { GOOD, MODULE(KCOH_MODULE_NOT_NEEDED, KCOH_HOST_S2FWB | KCOH_HOST_VHE) },
	  .level = KCOH_LEVEL_NOTE,
	  .finding = "s2fwb",
	  .sentence = "nothing needs to be trapped",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "S2FWB, and asked to observe",
	  { GOOD, MODULE(KCOH_MODULE_READY, KCOH_HOST_S2FWB | KCOH_HOST_TRAP) },
	  .level = KCOH_LEVEL_NOTE,
	  .finding = "module",
	  .sentence = "it traps toggles",
	  .broken = "every incoherent window of a dirty epoch" },
	{ "protected KVM",
	  { GOOD, .pkvm = true, MODULE(KCOH_MODULE_READY, ACTS) },
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "pkvm",
	  .sentence = "protected" },
	{ "a hook is missing",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
	  .missing = "kvm_exit",
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "hooks",
	  .sentence = "kvm_exit is not available: no reason",
	  .broken = "exits by vCPU and class" },
	{ "a hook is missing that many a kernel does not have",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
	  .missing = "arm_smmu_handle_evt",
	  .level = KCOH_LEVEL_NOTE,
	  .finding = "hooks",
	  .sentence = "all " },
	{ "no SMMU events",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
	  .missing = "arm_smmu_evtq_thread",
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "hooks",
	  .sentence = "arm_smmu_evtq_thread is not available: no reason",
	  .broken = "SMMU events, and whose devices they are about" },
	{ "no SMMU, no hook on it",
	  { ARM64, .kvm = true, .btf = true, .may_bpf = true, MODULE(KCOH_MODULE_READY, ACTS) },
	  .missing = "arm_smmu_evtq_thread",
	  .level = KCOH_LEVEL_NOTE,
	  .finding = "smmu",
	  .sentence = "no SMMUv3",
	  .broken = "SMMU events, and whose devices they are about" },
	{ "nobody watches",
	  { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
	  .no_daemon = true,
	  .level = KCOH_LEVEL_DEGRADED,
	  .finding = "kcohd",
	  .sentence = "start kcohd" },
};

static bool is_missing(const char *missing, const char *name)
{
	if (!missing)
		return false;
	return !strcmp(missing, "kcoh_*") ? !strncmp(name, "kcoh_", 5) : !strcmp(missing, name);
}

static size_t hooks_fill(size_t i, struct kcoh_hook_view *hooks)
{
	for (size_t h = 0; h < HOOKS; h++) {
		hooks[h] = all_hooks[h];
		if (is_missing(cases[i].missing, hooks[h].name)) {
			hooks[h].method = NULL;
			hooks[h].why = "no reason";
		}
	}
	return cases[i].hooks_err ? 0 : HOOKS;
}

static const char *first_broken(const struct kcoh_diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->abilities_count; i++) {
		assert_true(diagnosis->abilities[i].works == !*diagnosis->abilities[i].why);
		if (!diagnosis->abilities[i].works)
			return diagnosis->abilities[i].name;
	}
	return NULL;
}

static bool has_finding(const struct kcoh_diagnosis *diagnosis, const char *name,
			const char *sentence)
{
	for (size_t i = 0; i < diagnosis->findings_count; i++) {
		if (!strcmp(diagnosis->findings[i].name, name) &&
		    strstr(diagnosis->findings[i].sentence, sentence))
			return true;
	}
	return false;
}

static void case_check(size_t i)
{
	struct kcoh_hook_view hooks[HOOKS];
	struct kcoh_patient patient = {
		.facts = cases[i].facts,
		.hooks = hooks,
		.hooks_count = hooks_fill(i, hooks),
		.hooks_err = cases[i].hooks_err,
		.hooks_sentence = "why it failed",
		.daemon = cases[i].no_daemon ? KCOH_DAEMON_SILENT : KCOH_DAEMON_ANSWERS,
	};
	struct kcoh_diagnosis diagnosis;
	const char *broken;

	kcoh_host_judge(&patient, &diagnosis);
	broken = first_broken(&diagnosis);
	if (diagnosis.level != cases[i].level)
		fail_msg("%s: %s", cases[i].what, kcoh_level_name(diagnosis.level));
	if (!has_finding(&diagnosis, cases[i].finding, cases[i].sentence))
		fail_msg("%s: no finding %s: …%s…", cases[i].what, cases[i].finding,
			 cases[i].sentence);
	if (!broken != !cases[i].broken || (broken && strcmp(broken, cases[i].broken)))
		fail_msg("%s: '%s' does not work", cases[i].what, broken ? broken : "nothing");
}

static void each_host(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		case_check(i);
}

/* What was lost is said with its main reason, and makes nobody less ready. */
static void losses(void **state)
{
	struct kcoh_hook_view hooks[HOOKS];
	struct kcoh_patient patient = { .facts = { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
					.hooks = hooks,
					.hooks_count = hooks_fill(0, hooks),
					.daemon = KCOH_DAEMON_ANSWERS,
					.records_lost = 7 };
	struct kcoh_diagnosis diagnosis;

	(void)state;
	kcoh_host_judge(&patient, &diagnosis);
	assert_true(has_finding(&diagnosis, "kcohd", "lost 7 records so far, and"));
	patient.lost_most = "ring-full";
	kcoh_host_judge(&patient, &diagnosis);
	assert_true(has_finding(&diagnosis, "kcohd", "lost 7 records so far, most by ring-full, "));
	assert_int_equal(diagnosis.level, KCOH_LEVEL_NOTE);
	/* a fleet's store that takes nothing makes it so */
	assert_false(has_finding(&diagnosis, "fleet", ""));
	patient.fleet = true;
	patient.fleet_endpoint = "https://10.0.0.11:2379";
	kcoh_host_judge(&patient, &diagnosis);
	assert_true(has_finding(&diagnosis, "fleet", "published at https://10.0.0.11:2379"));
	assert_int_equal(diagnosis.level, KCOH_LEVEL_NOTE);
	patient.fleet_error = "no answer in time";
	kcoh_host_judge(&patient, &diagnosis);
	assert_true(has_finding(&diagnosis, "fleet", "verdicts: no answer in time; see [fleet]"));
	assert_int_equal(diagnosis.level, KCOH_LEVEL_DEGRADED);
}

/* More findings than there is room for: the level counts all the same. */
static void many_findings(void **state)
{
	struct kcoh_hook_view hooks[2 * KCOH_FINDINGS_MAX];
	struct kcoh_patient patient = { .facts = { GOOD, MODULE(KCOH_MODULE_READY, ACTS) },
					.hooks = hooks,
					.hooks_count = 2 * KCOH_FINDINGS_MAX,
					.daemon = KCOH_DAEMON_ANSWERS };
	struct kcoh_diagnosis diagnosis;

	(void)state;
	for (size_t i = 0; i < 2 * KCOH_FINDINGS_MAX; i++)
		hooks[i] = (struct kcoh_hook_view){ "x", NULL, "y", false };
	kcoh_host_judge(&patient, &diagnosis);
	assert_int_equal(diagnosis.findings_count, KCOH_FINDINGS_MAX);
	assert_int_equal(diagnosis.level, KCOH_LEVEL_DEGRADED);
}

static void make(const char *root, const char *path, const char *text)
{
	char full[512];
	FILE *file;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	if (!text) {
		assert_int_equal(mkdir(full, 0700), 0);
		return;
	}
	file = fopen(full, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A directory that stands for a host. */
static void looking(void **state)
{
	char root[] = "/tmp/kcoh-host-XXXXXX", command[64];
	struct kcoh_host_facts facts;

	(void)state;
	assert_non_null(mkdtemp(root));
	kcoh_host_look(root, &facts);
	assert_false(facts.kvm || facts.btf || facts.pkvm || facts.smmus);
	assert_int_equal(facts.hello_err, -ENOENT);
	for (const char *const *dir =
		     (const char *const[]){ "dev", "proc", "sys", "sys/kernel", "sys/kernel/btf",
					    "sys/class", "sys/class/iommu", NULL };
	     *dir; dir++)
		make(root, *dir, NULL);
	make(root, "dev/kvm", "");
	make(root, "dev/kcoh", "not a device");
	make(root, "sys/kernel/btf/vmlinux", "");
	make(root, "proc/cmdline", "quiet kvm-arm.mode=protected\n");
	make(root, "sys/class/iommu/smmu3.0x1", "");
	make(root, "sys/class/iommu/smmu3.0x2", "");
	make(root, "sys/class/iommu/iommufd", "");
	kcoh_host_look(root, &facts);
	assert_true(facts.kvm && facts.btf && facts.pkvm);
	assert_int_equal(facts.smmus, 2);
	assert_int_equal(facts.hello_err, -ENOTTY);
	assert_non_null(strstr(facts.hello_sentence, "does not answer"));
	assert_int_equal(facts.page_size, sysconf(_SC_PAGESIZE));
	snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_host),
		cmocka_unit_test(losses),
		cmocka_unit_test(many_findings),
		cmocka_unit_test(looking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
