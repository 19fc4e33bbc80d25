// SPDX-License-Identifier: GPL-2.0-only
/*
 * mapping.bpf.c - what it costs to keep the SMMU's tables in step with a VM's memory.
 *
 * The problem: a device that a VM has reaches its memory through tables that userspace keeps (VFIO,
 * iommufd): all of the VM's RAM is mapped when it starts, and unmapped and mapped again when a slot
 * changes, a balloon moves or a BAR is reprogrammed. Each unmap is followed by invalidation commands
 * in the SMMU's command queue. How many and how long is counted by domain, in place.
 *
 * Example, a VM with 1 GiB of RAM and one device, started and ended:
 *
 *   maps=1 mapped_bytes=1073741824 map_ns=… unmaps=1 unmapped_bytes=1073741824 unmap_ns=…
 *   commands=9 command_ns=…
 *
 * Only domains that userspace keeps are counted; those of the host's own drivers are seen by their
 * type and left alone. Commands do not say for which domain they are: what a task issued is kept until
 * it is told (arm_smmu_atc_inv_domain(), arm_smmu_domain_inv_range()) that this was for a domain, and
 * belongs to the domain that the task mapped or unmapped last if it is that one.
 *
 * Cost: a comparison at each mapping of the host's own drivers; about 1 µs at those of userspace.
 * Limits: 1024 domains. Nested translation, where the guest's own commands go to the SMMU, was never
 * tested: there is no hardware for it in the lab.
 */
#include "common.bpf.h"

#define IOMMU_DOMAIN_UNMANAGED 1
#define SMMU_DOMAIN_BYTES                                                                          \
	8192 /* more than struct arm_smmu_domain, which holds its struct iommu_domain */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct kcoh_domain);
} kcoh_domains SEC(".maps");

/* What a task does, and what it issued since its last begin. */
struct step {
	__u64 domain;
	__u64 start_ns; /* 0: not in it */
	__u64 bytes;
	__u64 commands;
	__u64 command_ns;
	__u64 issue_ns; /* when it began to issue commands; 0: not in it */
	__u64 issuing;
	__u64 of; /* the SMMU's domain that was told, as a number: arithmetic with pointers is refused */
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct step);
} kcoh_steps SEC(".maps");

__u64 domains_seen;

static __always_inline int is_kept(struct iommu_domain *domain)
{
	return BPF_CORE_READ(domain, type) == IOMMU_DOMAIN_UNMANAGED;
}

static __always_inline struct step *step_here(void)
{
	__u64 task = bpf_get_current_pid_tgid();

	return bpf_map_lookup_elem(&kcoh_steps, &task);
}

static __always_inline struct kcoh_domain *domain_get(__u64 domain)
{
	struct kcoh_domain *found = bpf_map_lookup_elem(&kcoh_domains, &domain), new = {};

	if (found)
		return found;
	new.id = __sync_fetch_and_add(&domains_seen, 1) + 1;
	bpf_map_update_elem(&kcoh_domains, &domain, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&kcoh_domains, &domain);
}

static __always_inline int enter(struct iommu_domain *domain, __u64 bytes)
{
	struct step step = { .domain = (__u64)domain, .bytes = bytes };
	__u64 task = bpf_get_current_pid_tgid();

	if (!is_kept(domain))
		return 0;
	step.start_ns = bpf_ktime_get_ns();
	bpf_map_update_elem(&kcoh_steps, &task, &step, BPF_ANY);
	return 0;
}

static __always_inline int map_done(long err)
{
	struct step *step = step_here();
	struct kcoh_domain *domain;
	__u64 start;

	if (!step || !step->start_ns)
		return 0;
	start = step->start_ns;
	step->start_ns = 0;
	domain = err ? NULL : domain_get(step->domain);
	if (!domain)
		return 0;
	__sync_fetch_and_add(&domain->maps, 1);
	__sync_fetch_and_add(&domain->mapped_bytes, step->bytes);
	__sync_fetch_and_add(&domain->map_ns, bpf_ktime_get_ns() - start);
	return 0;
}

static __always_inline int unmap_done(__u64 bytes)
{
	struct step *step = step_here();
	struct kcoh_domain *domain;
	__u64 start;

	if (!step || !step->start_ns)
		return 0;
	start = step->start_ns;
	step->start_ns = 0;
	domain = domain_get(step->domain);
	if (!domain)
		return 0;
	__sync_fetch_and_add(&domain->unmaps, 1);
	__sync_fetch_and_add(&domain->unmapped_bytes, bytes);
	__sync_fetch_and_add(&domain->unmap_ns, bpf_ktime_get_ns() - start);
	return 0;
}

SEC("fentry/iommu_map")
int BPF_PROG(iommu_map_fe, struct iommu_domain *domain, unsigned long iova, __u64 paddr, __u64 size)
{
	return enter(domain, size);
}

SEC("kprobe/iommu_map")
int BPF_KPROBE(iommu_map_kp, struct iommu_domain *domain, unsigned long iova, __u64 paddr,
	       __u64 size)
{
	return enter(domain, size);
}

/* Before 6.3 iommu_map() has one parameter less, and a trampoline gives the result behind the last. */
SEC("fexit/iommu_map")
int BPF_PROG(iommu_map_fx, struct iommu_domain *domain, unsigned long iova, __u64 paddr, __u64 size,
	     int prot, __u32 gfp, int err)
{
	return is_kept(domain) ? map_done(err) : 0;
}

SEC("kretprobe/iommu_map")
int BPF_KRETPROBE(iommu_map_kr, int err)
{
	return map_done(err);
}

SEC("fentry/iommu_unmap")
int BPF_PROG(iommu_unmap_fe, struct iommu_domain *domain, unsigned long iova, __u64 size)
{
	return enter(domain, size);
}

SEC("kprobe/iommu_unmap")
int BPF_KPROBE(iommu_unmap_kp, struct iommu_domain *domain, unsigned long iova, __u64 size)
{
	return enter(domain, size);
}

SEC("fexit/iommu_unmap")
int BPF_PROG(iommu_unmap_fx, struct iommu_domain *domain, unsigned long iova, __u64 size,
	     __u64 unmapped)
{
	return is_kept(domain) ? unmap_done(unmapped) : 0;
}

SEC("kretprobe/iommu_unmap")
int BPF_KRETPROBE(iommu_unmap_kr, __u64 unmapped)
{
	return unmap_done(unmapped);
}

SEC("fentry/iommu_unmap_fast")
int BPF_PROG(unmap_fast_fe, struct iommu_domain *domain, unsigned long iova, __u64 size)
{
	return enter(domain, size);
}

SEC("kprobe/iommu_unmap_fast")
int BPF_KPROBE(unmap_fast_kp, struct iommu_domain *domain, unsigned long iova, __u64 size)
{
	return enter(domain, size);
}

SEC("fexit/iommu_unmap_fast")
int BPF_PROG(unmap_fast_fx, struct iommu_domain *domain, unsigned long iova, __u64 size,
	     void *gather, __u64 unmapped)
{
	return is_kept(domain) ? unmap_done(unmapped) : 0;
}

SEC("kretprobe/iommu_unmap_fast")
int BPF_KRETPROBE(unmap_fast_kr, __u64 unmapped)
{
	return unmap_done(unmapped);
}

/* --- invalidation commands --------------------------------------------------------------------- */

static __always_inline int issue(__u64 commands)
{
	struct step *step = step_here();

	if (!step)
		return 0;
	step->issuing = commands;
	step->issue_ns = bpf_ktime_get_ns();
	return 0;
}

static __always_inline int issued(void)
{
	struct step *step = step_here();

	if (!step || !step->issue_ns)
		return 0;
	step->commands += step->issuing;
	step->command_ns += bpf_ktime_get_ns() - step->issue_ns;
	step->issue_ns = 0;
	return 0;
}

/* (smmu, cmdq, cmds, n, sync); without cmdq where a batch does not name its queue, as on 6.1 */
SEC("fentry/arm_smmu_cmdq_issue_cmdlist")
int BPF_PROG(issue_fe, void *smmu, void *a, __u64 b, __u64 c)
{
	return issue((__u32)(bpf_core_field_exists(struct arm_smmu_cmdq_batch, cmdq) ? c : b));
}

SEC("kprobe/arm_smmu_cmdq_issue_cmdlist")
int BPF_KPROBE(issue_kp, void *smmu, void *a, __u64 b, __u64 c)
{
	return issue((__u32)(bpf_core_field_exists(struct arm_smmu_cmdq_batch, cmdq) ? c : b));
}

SEC("fexit/arm_smmu_cmdq_issue_cmdlist")
int BPF_PROG(issue_fx)
{
	return issued();
}

SEC("kretprobe/arm_smmu_cmdq_issue_cmdlist")
int BPF_KPROBE(issue_kr)
{
	return issued();
}

static __always_inline int settle(__u64 smmu_domain)
{
	struct step *step = step_here();
	struct kcoh_domain *domain;

	if (!step || !step->commands)
		return 0;
	*(volatile __u64 *)&step->of = smmu_domain;
	smmu_domain = *(volatile __u64 *)&step->of;
	domain = step->domain - smmu_domain < SMMU_DOMAIN_BYTES ? domain_get(step->domain) : NULL;
	if (domain) {
		__sync_fetch_and_add(&domain->commands, step->commands);
		__sync_fetch_and_add(&domain->command_ns, step->command_ns);
	}
	step->commands = 0;
	step->command_ns = 0;
	return 0;
}

/* At its entry the commands of the SMMU's TLBs are issued; its own, for TLBs in devices, come after it. */
SEC("fentry/arm_smmu_atc_inv_domain")
int BPF_PROG(atc_inv_fe, void *smmu_domain)
{
	return settle((__u64)smmu_domain);
}

SEC("kprobe/arm_smmu_atc_inv_domain")
int BPF_KPROBE(atc_inv_kp, void *smmu_domain)
{
	return settle((__u64)smmu_domain);
}

SEC("fexit/arm_smmu_domain_inv_range")
int BPF_PROG(inv_range_fx, void *smmu_domain)
{
	return settle((__u64)smmu_domain);
}

static __always_inline int domain_free(struct iommu_domain *domain)
{
	__u64 key = (__u64)domain;

	bpf_map_delete_elem(&kcoh_domains, &key);
	return 0;
}

SEC("fentry/iommu_domain_free")
int BPF_PROG(domain_free_fe, struct iommu_domain *domain)
{
	return domain_free(domain);
}

SEC("kprobe/iommu_domain_free")
int BPF_KPROBE(domain_free_kp, struct iommu_domain *domain)
{
	return domain_free(domain);
}
