// SPDX-License-Identifier: GPL-2.0-only
/*
 * hooks.c - which hook by which method, found by trying.
 *
 * The problem: the same function can be hooked in ways that cost differently (fentry is a call, a
 * kprobe on arm64 a breakpoint exception), and which of them a kernel has is not told by its
 * version: arm64 6.1 lists BPF trampolines in its BTF, lets such a program load and refuses only to
 * attach it (-524, ENOTSUPP).
 *
 * So each hook has a list of programs, cheapest first, and is attached with the first one that
 * works. The object is loaded as a whole and one refused program would fail it, therefore
 * trampolines are tried once, beforehand, with a program of two instructions; if they fail, or BTF
 * does not know the function, those programs are not loaded. The same for programs that need
 * bpf_rdonly_cast(), which are called …_cast.
 *
 * Example, on 6.1: kvm_reset_vcpu: tries "vcpu_reset_fe" (not loaded), then "vcpu_reset_kp":
 * method "kprobe". On 6.12: method "fentry".
 *
 * Cost: at start only. Limit: methods are chosen once; nothing is retried while running, but for
 * the module's hooks.
 */
#include "internal.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ENOTSUPP_KERNEL 524 /* include/linux/errno.h, not for user space, and yet returned */

/* Order matters: the ends of VMs are watched before their beginnings. */
/* clang-format off */
const struct kcoh_hook kcoh_hooks[] = {
	{ "kvm_arch_destroy_vm", KCOH_HOOK_REQUIRED, { "vm_gone_fe", "vm_gone_kp" },
	  "the end of VMs" },
	{ "kvm_arch_destroy_vm:exits", KCOH_HOOK_REQUIRED, { "forget_vm_fe", "forget_vm_kp" },
	  "the end of VMs whose exits are counted" },
	{ "kvm_coalesced_mmio_init", KCOH_HOOK_OPTIONAL, { "vm_new_fe", "vm_new_kp" },
	  "VMs before their first use" },
	{ "kvm_arch_vcpu_run_pid_change", KCOH_HOOK_REQUIRED, { "first_run_fe", "first_run_kp" },
	  "vCPUs that begin to run" },
	{ "kvm_userspace_exit", KCOH_HOOK_OPTIONAL, { "user_exit_cast", "user_exit_rt" },
	  "the state of vCPUs that left KVM_RUN" },
	{ "kvm_sched_out", KCOH_HOOK_OPTIONAL, { "sched_out_fx", "sched_out_kr" },
	  "the state of vCPUs that were preempted or sleep" },
	{ "kvm_arch_vcpu_ioctl", KCOH_HOOK_OPTIONAL, { "ioctl_fx", "ioctl_kp+ioctl_kr" },
	  "registers that user space writes" },
	{ "kvm_arch_vcpu_ioctl_set_mpstate", KCOH_HOOK_OPTIONAL, { "mpstate_fx", "mpstate_kp+mpstate_kr" },
	  "vCPUs that user space stops or starts" },
	{ "kvm_arch_commit_memory_region", KCOH_HOOK_REQUIRED, { "memslot_fe", "memslot_kp" },
	  "memslot changes and dirty logging" },
	{ "kvm_arch_mmu_enable_log_dirty_pt_masked", KCOH_HOOK_OPTIONAL, { "protect_fe", "protect_kp" },
	  "how many pages a harvest takes" },
	{ "kvm_vm_ioctl:return", KCOH_HOOK_OPTIONAL, { "harvest_fx", "harvest_kr" },
	  "harvests of dirty pages" },
	{ "kvm_vm_ioctl", KCOH_HOOK_OPTIONAL, { "harvest_fe", "harvest_kp" },
	  "harvests of dirty pages" },
	{ "kvm_reset_vcpu", KCOH_HOOK_OPTIONAL, { "vcpu_reset_fe", "vcpu_reset_kp" },
	  "vCPU resets" },
	{ "kvm_reset_vcpu:return", KCOH_HOOK_OPTIONAL, { "vcpu_reset_fx", "vcpu_reset_kr" },
	  "the state of vCPUs that CPU_ON started" },
	{ "kvm_exit", KCOH_HOOK_OPTIONAL, { "kvm_exit_cast", "kvm_exit_rt" },
	  "exits, that guests switch themselves off, faults after a reset" },
	{ "kvm_entry", KCOH_HOOK_WANTED, { "kvm_entry_rt" },
	  "how long exits take" },
	{ "kvm_toggle_cache", KCOH_HOOK_OPTIONAL, { "kvm_toggle_rt" },
	  "toggles that KVM traps" },
	{ "kvm_set_way_flush:clean", KCOH_HOOK_OPTIONAL, { "set_way_clean" },
	  "whether KVM cleaned for a set/way operation" },
	{ "kvm_set_way_flush", KCOH_HOOK_OPTIONAL, { "set_way_fe", "set_way_kp" },
	  "set/way operations" },
	{ "kvm_set_way_flush:return", KCOH_HOOK_OPTIONAL, { "set_way_fx", "set_way_kr" },
	  "set/way operations as they end" },
	{ "task_file", KCOH_HOOK_OPTIONAL, { "vmlist" },
	  "VMs from before the start" },
	{ "stage2_unmap_vm:return", KCOH_HOOK_OPTIONAL, { "unmap_fx", "unmap_kr" },
	  "how long resets unmap memory" },
	{ "stage2_unmap_vm", KCOH_HOOK_OPTIONAL, { "unmap_fe", "unmap_kp" },
	  "that resets unmap memory" },
	{ "kvm_pgtable_stage2_map:return", KCOH_HOOK_OPTIONAL, { "map_fx", "map_kr" },
	  "faults after a reset" },
	{ "kvm_pgtable_stage2_map", KCOH_HOOK_OPTIONAL, { "map_fe", "map_kp" },
	  "faults after a reset" },
	{ "kvm_arm_set_reg", KCOH_HOOK_OPTIONAL, { "set_reg_fe", "set_reg_kp" },
	  "MMUs that userspace turns on or off" },
	{ "iommu_group_claim_dma_owner", KCOH_HOOK_OPTIONAL, { "group_claim_fe", "group_claim_kp" },
	  "which VM has which VFIO group" },
	{ "iommu_group_release_dma_owner", KCOH_HOOK_OPTIONAL,
	  { "group_release_fe", "group_release_kp" },
	  "that a VM gives a VFIO group back" },
	{ "iommu_device_claim_dma_owner", KCOH_HOOK_EXTRA, { "device_claim_fe", "device_claim_kp" },
	  "which VM has which device through iommufd" },
	{ "iommu_device_release_dma_owner", KCOH_HOOK_EXTRA,
	  { "device_release_fe", "device_release_kp" },
	  "that a VM gives a device of iommufd's back" },
	{ "iommu_attach_group", KCOH_HOOK_MAPPING, { "group_attach_fe", "group_attach_kp" },
	  "which tables a VM's device uses" },
	{ "iommu_domain_free", KCOH_HOOK_MAPPING, { "domain_free_fe", "domain_free_kp" },
	  "that a VM's mappings end" },
	{ "iommu_map:return", KCOH_HOOK_MAPPING, { "iommu_map_fx", "iommu_map_kr" },
	  "what mapping memory for devices costs" },
	{ "iommu_map", KCOH_HOOK_MAPPING, { "iommu_map_fe", "iommu_map_kp" },
	  "what mapping memory for devices costs" },
	{ "iommu_unmap:return", KCOH_HOOK_MAPPING, { "iommu_unmap_fx", "iommu_unmap_kr" },
	  "what unmapping memory of devices costs" },
	{ "iommu_unmap", KCOH_HOOK_MAPPING, { "iommu_unmap_fe", "iommu_unmap_kp" },
	  "what unmapping memory of devices costs" },
	{ "iommu_unmap_fast:return", KCOH_HOOK_MAPPING, { "unmap_fast_fx", "unmap_fast_kr" },
	  "what unmapping memory of devices costs" },
	{ "iommu_unmap_fast", KCOH_HOOK_MAPPING, { "unmap_fast_fe", "unmap_fast_kp" },
	  "what unmapping memory of devices costs" },
	{ "arm_smmu_cmdq_issue_cmdlist:return", KCOH_HOOK_MAPPING, { "issue_fx", "issue_kr" },
	  "invalidation commands" },
	{ "arm_smmu_cmdq_issue_cmdlist", KCOH_HOOK_MAPPING, { "issue_fe", "issue_kp" },
	  "invalidation commands" },
	{ "arm_smmu_atc_inv_domain", KCOH_HOOK_MAPPING, { "atc_inv_fe", "atc_inv_kp" },
	  "whose invalidation commands they are, up to 6.12" },
	{ "arm_smmu_domain_inv_range", KCOH_HOOK_MAPPING, { "inv_range_fx" },
	  "whose invalidation commands they are, on 7" },
	{ "arm_smmu_evtq_thread:return", KCOH_HOOK_OPTIONAL, { "smmu_evtq_fx", "smmu_evtq_kr" },
	  "SMMU events" },
	{ "arm_smmu_evtq_thread", KCOH_HOOK_OPTIONAL, { "smmu_evtq_fe", "smmu_evtq_kp" },
	  "SMMU events" },
	{ "arm_smmu_handle_evt", KCOH_HOOK_EXTRA, { "smmu_event_kp" },
	  "SMMU events that are written over while a storm is handled; they are counted" },
	{ "_dev_warn", KCOH_HOOK_OPTIONAL, { "smmu_gerror_kp" },
	  "that an SMMU could not write its events" },
	{ "task_file:devices", KCOH_HOOK_OPTIONAL, { "devlist" },
	  "devices that VMs have from before the start" },
	{ "kcoh_epoch", KCOH_HOOK_MODULE, { "kcoh_epoch_rt" },
	  "dirty epochs" },
	{ "kcoh_arm", KCOH_HOOK_MODULE, { "kcoh_arm_rt" },
	  "the module's trap" },
	{ "kcoh_toggle", KCOH_HOOK_MODULE, { "kcoh_toggle_rt" },
	  "toggles that the module traps" },
	{ "kcoh_harvest", KCOH_HOOK_MODULE, { "kcoh_harvest_rt" },
	  "what was cleaned of a harvest" },
	{ "kcoh_hold", KCOH_HOOK_MODULE, { "kcoh_hold_rt" },
	  "vCPUs that the module holds" },
	{ "socket_sendmsg", KCOH_HOOK_REFUSE, { "refuse_lsm" },
	  "nothing; it refuses migration streams" },
};
/* clang-format on */
const size_t kcoh_hooks_count = sizeof(kcoh_hooks) / sizeof(kcoh_hooks[0]);

_Static_assert(sizeof(kcoh_hooks) / sizeof(kcoh_hooks[0]) <= KCOH_HOOKS_MAX, "KCOH_HOOKS_MAX");

int kcoh_trampoline_try(const struct btf *vmlinux, const char *func)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_TRACE_FENTRY);
	int id, prog, link;

	id = btf__find_by_name_kind(vmlinux, func, BTF_KIND_FUNC);
	if (id < 0)
		return id;
	opts.attach_btf_id = id;
	prog = bpf_prog_load(BPF_PROG_TYPE_TRACING, "kcoh_try", "GPL", insns, 2, &opts);
	if (prog < 0)
		return prog;
	link = bpf_raw_tracepoint_open(NULL, prog);
	close(prog);
	if (link < 0)
		return link;
	close(link);
	return 0;
}

/* The function that a trampoline program hooks; "" if it is none. */
static void trampoline_of(const struct bpf_program *prog, char *ret_func, size_t len)
{
	const char *section = bpf_program__section_name(prog);
	const char *func = strchr(section, '/');

	*ret_func = 0;
	if (!strncmp(section, "fentry/", 7) || !strncmp(section, "fexit/", 6))
		snprintf(ret_func, len, "%s", func + 1);
	else if (!strncmp(section, "lsm/", 4))
		snprintf(ret_func, len, "bpf_lsm_%s", func + 1);
}

static bool casts(const struct bpf_program *prog)
{
	const char *end = strrchr(bpf_program__name(prog), '_');

	return end && !strcmp(end, "_cast");
}

void kcoh_hooks_choose(struct bpf_object *obj, const struct btf *vmlinux, int trampoline_err)
{
	bool can_cast = btf__find_by_name_kind(vmlinux, "bpf_rdonly_cast", BTF_KIND_FUNC) >= 0;
	struct bpf_program *prog;
	char func[128];

	bpf_object__for_each_program(prog, obj)
	{
		trampoline_of(prog, func, sizeof(func));
		if (*func &&
		    (trampoline_err || btf__find_by_name_kind(vmlinux, func, BTF_KIND_FUNC) < 0))
			bpf_program__set_autoload(prog, false);
		if (!can_cast && casts(prog))
			bpf_program__set_autoload(prog, false);
	}
}

/* The method stands before the slash in the name of the section. */
static const char *method_of(const struct bpf_program *prog)
{
	static const char *const methods[] = { "raw_tp",    "fentry", "fexit", "kprobe",
					       "kretprobe", "iter",   "lsm" };
	const char *section = bpf_program__section_name(prog);
	size_t i, len;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		len = strlen(methods[i]);
		if (!strncmp(section, methods[i], len) && section[len] == '/')
			return methods[i];
	}
	return "bpf";
}

static void explain(const struct kcoh_hook *hook, struct kcoh_hook_state *state, int err)
{
	const char *why = err == -ENOTSUPP_KERNEL ? "not supported by this kernel" : strerror(-err);

	if (err == -ENOENT)
		why = hook->kind == KCOH_HOOK_MODULE ? "the kcoh module is not loaded" :
		      hook->kind == KCOH_HOOK_WANTED ? "nobody asks for it now" :
		      hook->kind == KCOH_HOOK_MAPPING && !kcoh_feed_maps_devices() ?
						       "neither VFIO nor iommufd is there" :
						       "this kernel has no such hook";
	snprintf(state->why, sizeof(state->why), "%s (not seen: %s)", why, hook->unseen);
}

/*
 * One try: "PROGRAM", or "ENTRY+PROGRAM" for a return probe, which knows no arguments: the first one
 * notes them at the function's entry, and is attached before the other.
 */
static int attach_try(const char *name, struct kcoh_hook_state *state, const struct bpf_object *obj)
{
	const char *plus = strchr(name, '+');
	struct bpf_program *prog, *first = NULL;
	char entry[32];
	int err;

	prog = bpf_object__find_program_by_name(obj, plus ? plus + 1 : name);
	if (!prog || !bpf_program__autoload(prog))
		return -ENOENT;
	if (plus) {
		snprintf(entry, sizeof(entry), "%.*s", (int)(plus - name), name);
		first = bpf_object__find_program_by_name(obj, entry);
		if (!first)
			return -ENOENT;
		state->entry_link = bpf_program__attach(first);
		if (!state->entry_link)
			return -errno;
	}
	state->link = bpf_program__attach(prog);
	if (state->link) {
		state->prog = prog;
		state->entry_prog = plus ? first : NULL;
		state->method = method_of(prog);
		return 0;
	}
	err = -errno;
	bpf_link__destroy(state->entry_link);
	state->entry_link = NULL;
	return err;
}

int kcoh_hook_attach(const struct kcoh_hook *hook, struct kcoh_hook_state *state,
		     const struct bpf_object *obj)
{
	int i, tried, err = -ENOENT;

	for (i = 0; i < KCOH_TRIES_MAX && hook->tries[i]; i++) {
		tried = attach_try(hook->tries[i], state, obj);
		if (!tried) {
			state->why[0] = 0;
			return 0;
		}
		if (tried != -ENOENT)
			err = tried;
	}
	explain(hook, state, err);
	return err;
}

void kcoh_hook_detach(const struct kcoh_hook *hook, struct kcoh_hook_state *state)
{
	bpf_link__destroy(state->link);
	bpf_link__destroy(state->entry_link);
	memset(state, 0, sizeof(*state));
	explain(hook, state, -ENOENT);
}
