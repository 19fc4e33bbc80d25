// SPDX-License-Identifier: GPL-2.0-only
/*
 * judge.c - what the facts about a host mean for kcoh.
 *
 * Example, Neoverse N1 without the module: machine, kvm, btf and hooks are ok; `module` is degraded ("… load it with: modprobe
 * kcoh"), so the host is; abilities say what still works: exits, memslots, harvests, sampled cache states.
 *
 * A host with S2FWB needs neither trap nor cleaning: it is ready when it can be watched.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "host/judge.h"

__attribute__((format(printf, 4, 5))) static void find(struct kcoh_diagnosis *diagnosis,
						       enum kcoh_level level, const char *name,
						       const char *format, ...)
{
	struct kcoh_finding *finding = &diagnosis->findings[diagnosis->findings_count];
	va_list args;

	if (level > diagnosis->level)
		diagnosis->level = level;
	if (diagnosis->findings_count == KCOH_FINDINGS_MAX)
		return;
	diagnosis->findings_count++;
	finding->name = name;
	finding->level = level;
	va_start(args, format);
	vsnprintf(finding->sentence, sizeof(finding->sentence), format, args);
	va_end(args);
}

static bool module_answers(const struct kcoh_host_facts *facts)
{
	return facts->hello_err == 0;
}

static bool has(const struct kcoh_host_facts *facts, uint32_t feature)
{
	return module_answers(facts) && facts->hello.host & feature;
}

static void judge_machine(const struct kcoh_host_facts *facts, struct kcoh_diagnosis *diagnosis)
{
	char sentence[256];
	int err = kcoh_host_usable(facts, sentence, sizeof(sentence));

	if (err < 0 && err != -EPERM) /* rights are ours, not the host's: judge_hooks() */
		find(diagnosis, KCOH_LEVEL_UNUSABLE, err == -ENOTSUP ? "machine" : "kvm", "%s",
		     sentence);
	else
		find(diagnosis, KCOH_LEVEL_OK, "machine", "%s, kernel %s, pages of %u bytes, KVM",
		     facts->machine, facts->kernel, facts->page_size);
	if (facts->arm64 && !facts->btf)
		find(diagnosis, KCOH_LEVEL_UNUSABLE, "btf",
		     "the kernel has no type information (/sys/kernel/btf/vmlinux): use one with "
		     "CONFIG_DEBUG_INFO_BTF=y");
	else if (facts->arm64)
		find(diagnosis, KCOH_LEVEL_OK, "btf", "the kernel's type information is there");
}

static void judge_cpu(const struct kcoh_host_facts *facts, struct kcoh_diagnosis *diagnosis)
{
	if (facts->pkvm || has(facts, KCOH_HOST_PKVM))
		find(diagnosis, KCOH_LEVEL_DEGRADED, "pkvm",
		     "the host runs protected KVM, which hides guests' registers: every verdict is "
		     "a veto; boot without kvm-arm.mode=protected");
	if (has(facts, KCOH_HOST_S2FWB))
		find(diagnosis, KCOH_LEVEL_OK, "s2fwb",
		     "the CPU has FEAT_S2FWB: guest RAM is always accessed through the caches, so "
		     "nothing needs to be trapped or cleaned");
	else if (module_answers(facts))
		find(diagnosis, KCOH_LEVEL_NOTE, "s2fwb",
		     "the CPU has no FEAT_S2FWB: guests can access their RAM around the caches");
	else
		find(diagnosis, KCOH_LEVEL_NOTE, "s2fwb",
		     "only the module can tell whether the CPU has FEAT_S2FWB; it shows %s",
		     facts->armv8_4 ? "the features of Armv8.4, so it very likely has" :
				      "not all features of Armv8.4, so it hardly has");
	if (module_answers(facts))
		find(diagnosis, KCOH_LEVEL_NOTE, "mode", "KVM runs in %s mode",
		     has(facts, KCOH_HOST_VHE) ? "VHE" : "nVHE");
}

static void judge_module(const struct kcoh_host_facts *facts, struct kcoh_diagnosis *diagnosis)
{
	if (facts->hello_err == -ENOENT) {
		find(diagnosis, KCOH_LEVEL_DEGRADED, "module",
		     "the kcoh module is not loaded: windows are not seen reliably and nothing is "
		     "cleaned; load it with: modprobe kcoh");
		return;
	}
	if (facts->hello_err == -EACCES || facts->hello_err == -EPERM) {
		find(diagnosis, KCOH_LEVEL_DEGRADED, "module",
		     "the kcoh module is loaded, but only root may ask it: run this as root");
		return;
	}
	if (facts->hello_err) {
		find(diagnosis,
		     facts->hello_err == -EPROTO ? KCOH_LEVEL_UNUSABLE : KCOH_LEVEL_DEGRADED,
		     "module", "%s", facts->hello_sentence);
		return;
	}
	switch (facts->hello.state) {
	case KCOH_MODULE_READY:
		find(diagnosis, KCOH_LEVEL_OK, "module",
		     "loaded, ABI %u; in dirty epochs it %s%s%s", facts->hello.abi,
		     has(facts, KCOH_HOST_TRAP) ? "traps toggles" : "",
		     has(facts, KCOH_HOST_TRAP) && has(facts, KCOH_HOST_CLEAN) ? " and " : "",
		     has(facts, KCOH_HOST_CLEAN) ? "cleans each page that is harvested" : "");
		break;
	case KCOH_MODULE_NOT_NEEDED:
		find(diagnosis, KCOH_LEVEL_OK, "module", "loaded, ABI %u, and not needed here",
		     facts->hello.abi);
		break;
	case KCOH_MODULE_DISABLED:
		find(diagnosis, KCOH_LEVEL_DEGRADED, "module",
		     "loaded, but switched off: echo 1 > /sys/module/kcoh/parameters/enabled");
		break;
	default:
		find(diagnosis, KCOH_LEVEL_DEGRADED, "module",
		     "loaded, but it stepped aside: one of its hooks does not fire (the kernel log "
		     "says which); nothing is trapped or cleaned until it is loaded again");
	}
	if (facts->hello.state == KCOH_MODULE_READY &&
	    !has(facts, KCOH_HOST_CLEAN | KCOH_HOST_S2FWB))
		find(diagnosis, KCOH_LEVEL_DEGRADED, "clean",
		     "this kernel lacks what the module needs to clean at harvest (the kernel log "
		     "says what)");
}

static const struct kcoh_hook_view *hook_find(const struct kcoh_patient *patient, const char *name)
{
	for (size_t i = 0; i < patient->hooks_count; i++) {
		if (!strcmp(patient->hooks[i].name, name))
			return &patient->hooks[i];
	}
	return NULL;
}

bool kcoh_hook_is_excused(const struct kcoh_patient *patient, const struct kcoh_hook_view *hook)
{
	if (!strcmp(hook->name, "kvm_entry"))
		return true; /* attached only while somebody wants to know how long exits take */
	if (!strncmp(hook->name, "kcoh_", 5))
		return !module_answers(&patient->facts); /* then the module itself is a finding */
	return hook->extra || (!strncmp(hook->name, "arm_smmu", 8) && !patient->facts.smmus);
}

static void judge_hooks(const struct kcoh_patient *patient, struct kcoh_diagnosis *diagnosis)
{
	size_t attached = 0, missing = 0;

	if (patient->hooks_err) {
		find(diagnosis,
		     patient->hooks_err == -EPERM ? KCOH_LEVEL_DEGRADED : KCOH_LEVEL_UNUSABLE,
		     "hooks", "%s", patient->hooks_sentence);
		return;
	}
	for (size_t i = 0; i < patient->hooks_count; i++) {
		const struct kcoh_hook_view *hook = &patient->hooks[i];

		attached += hook->method != NULL;
		if (hook->method || kcoh_hook_is_excused(patient, hook))
			continue;
		missing++;
		find(diagnosis, KCOH_LEVEL_DEGRADED, "hooks", "%s is not available: %s", hook->name,
		     hook->why);
	}
	if (!missing)
		find(diagnosis, KCOH_LEVEL_OK, "hooks", "all %zu that this host has are attached",
		     attached);
}

static void judge_rest(const struct kcoh_patient *patient, struct kcoh_diagnosis *diagnosis)
{
	if (patient->facts.smmus)
		find(diagnosis, KCOH_LEVEL_OK, "smmu", "%u SMMUv3", patient->facts.smmus);
	else
		find(diagnosis, KCOH_LEVEL_NOTE, "smmu",
		     "no SMMUv3 is in use: devices cannot be given to virtual machines safely, and "
		     "there are no faults of theirs to show");
	if (patient->daemon == KCOH_DAEMON_SILENT)
		find(diagnosis, KCOH_LEVEL_DEGRADED, "kcohd",
		     "no kcohd answers, so nobody watches or decides: systemctl start kcohd");
	else if (patient->records_lost)
		find(diagnosis, KCOH_LEVEL_NOTE, "kcohd",
		     "kcohd runs; it has lost %llu records so far%s%s, and read again what there "
		     "is",
		     (unsigned long long)patient->records_lost,
		     patient->lost_most ? ", most by " : "",
		     patient->lost_most ? patient->lost_most : "");
	else
		find(diagnosis, KCOH_LEVEL_OK, "kcohd", "runs, and has lost no record");
}

static void judge_fleet(const struct kcoh_patient *patient, struct kcoh_diagnosis *diagnosis)
{
	if (!patient->fleet)
		return;
	if (patient->fleet_error)
		find(diagnosis, KCOH_LEVEL_DEGRADED, "fleet",
		     "other hosts cannot see this host's verdicts: %s; see [fleet] in the "
		     "configuration, "
		     "and whether the store runs",
		     patient->fleet_error);
	else
		find(diagnosis, KCOH_LEVEL_OK, "fleet", "verdicts are published at %s",
		     patient->fleet_endpoint ? patient->fleet_endpoint : "?");
}

/* clang-format off */
static const struct {
	const char *name;
	const char *hooks[4]; /* all are needed */
	uint32_t feature; /* of the module, 0: none */
} abilities[] = {
	{ "virtual machines from birth to end", { "kvm_coalesced_mmio_init", "kvm_arch_destroy_vm" }, 0 },
	{ "virtual machines from before the start", { "task_file" }, 0 },
	{ "exits by vCPU and class", { "kvm_exit" }, 0 },
	{ "memslots and dirty logging", { "kvm_arch_commit_memory_region" }, 0 },
	{ "harvests of dirty pages",
	  { "kvm_vm_ioctl", "kvm_vm_ioctl:return", "kvm_arch_mmu_enable_log_dirty_pt_masked" }, 0 },
	{ "cache states, sampled",
	  { "kvm_arch_vcpu_run_pid_change", "kvm_userspace_exit", "kvm_sched_out",
	    "kvm_arch_vcpu_ioctl" }, 0 },
	{ "resets and set/way operations", { "kvm_reset_vcpu", "kvm_set_way_flush" }, 0 },
	{ "what resets cost",
	  { "stage2_unmap_vm", "stage2_unmap_vm:return", "kvm_pgtable_stage2_map:return",
	    "kvm_exit" }, 0 },
	{ "SMMU events, and whose devices they are about",
	  { "arm_smmu_evtq_thread", "arm_smmu_evtq_thread:return", "iommu_group_claim_dma_owner",
	    "iommu_group_release_dma_owner" }, 0 },
	{ "every incoherent window of a dirty epoch",
	  { "kcoh_epoch", "kcoh_arm", "kcoh_toggle" }, KCOH_HOST_TRAP },
	{ "cleaning at harvest", { "kcoh_harvest" }, KCOH_HOST_CLEAN },
};
/* clang-format on */

static void ability_judge(const struct kcoh_patient *patient, size_t i,
			  struct kcoh_ability *ret_ability)
{
	const struct kcoh_host_facts *facts = &patient->facts;

	*ret_ability = (struct kcoh_ability){ .name = abilities[i].name };
	if (abilities[i].feature && has(facts, KCOH_HOST_S2FWB)) {
		snprintf(ret_ability->why, sizeof(ret_ability->why), "not needed with S2FWB");
		return;
	}
	if (abilities[i].feature &&
	    (!has(facts, abilities[i].feature) || facts->hello.state != KCOH_MODULE_READY)) {
		snprintf(ret_ability->why, sizeof(ret_ability->why), "%s",
			 module_answers(facts) ? "the module does not do it here" :
						 "the module is not loaded");
		return;
	}
	for (size_t h = 0; h < 4 && abilities[i].hooks[h]; h++) {
		const struct kcoh_hook_view *hook = hook_find(patient, abilities[i].hooks[h]);

		if (hook && hook->method)
			continue;
		snprintf(ret_ability->why, sizeof(ret_ability->why), "%s: %s",
			 abilities[i].hooks[h], hook ? hook->why : "not tried");
		return;
	}
	ret_ability->works = true;
}

_Static_assert(sizeof(abilities) / sizeof(abilities[0]) <= KCOH_ABILITIES_MAX,
	       "KCOH_ABILITIES_MAX");

void kcoh_host_judge(const struct kcoh_patient *patient, struct kcoh_diagnosis *ret_diagnosis)
{
	*ret_diagnosis = (struct kcoh_diagnosis){ 0 };
	judge_machine(&patient->facts, ret_diagnosis);
	if (!patient->facts.arm64)
		return; /* one sentence says it all */
	judge_cpu(&patient->facts, ret_diagnosis);
	judge_module(&patient->facts, ret_diagnosis);
	judge_hooks(patient, ret_diagnosis);
	judge_rest(patient, ret_diagnosis);
	judge_fleet(patient, ret_diagnosis);
	for (size_t i = 0; i < sizeof(abilities) / sizeof(abilities[0]); i++)
		ability_judge(patient, i,
			      &ret_diagnosis->abilities[ret_diagnosis->abilities_count++]);
}

const char *kcoh_level_name(enum kcoh_level level)
{
	static const char *const names[] = { "ok", "note", "degraded", "unusable" };

	return (unsigned int)level < 4 ? names[level] : "?";
}
