// SPDX-License-Identifier: GPL-2.0-only
/*
 * exit.bpf.c - every exit from a guest, counted in place; timed or told one by one on request.
 *
 * The problem: how often and why does each vCPU leave the guest, at a price that one pays always? An
 * exit that KVM handles itself is some 1,900 instructions on 6.12, so a hash look-up (150), a read of
 * kernel memory by a helper (90) and a record (400) are all too dear. So, per exit: who is it (two
 * loads and a comparison, common.bpf.h), one look-up in an array, one addition. Only three classes are
 * looked into further, and by what KVM has just written into struct kvm_vcpu:
 *
 *   SYS64       which register, by the ISS of ESR_EL2: a table of 8192 bytes, index op0:op1:CRn:CRm
 *   HVC, SMC    whose function, by x0
 *   data abort  read or write, by ESR_EL2.WnR; and whether it was MMIO, which the abort itself does not
 *               say: KVM finds out by looking for a memslot. kvm_userspace_exit then says KVM_EXIT_MMIO, or
 *               KVM has incremented vcpu->stat.mmio_exit_kernel, which is looked at when the vCPU leaves
 *               the guest the next time. Until then a reader sees a fault on a memslot.
 *
 * Each program is here twice. Where the kernel has bpf_rdonly_cast() (6.2 and later; the verifier makes a
 * move of it), a struct kvm_vcpu is read by plain loads; where not, by a helper.
 *
 * Time, while wanted (kcoh_exits.wanted): kvm_exit and kvm_entry read the clock; how long the vCPU was outside
 * goes to the row of why it left, how long inside to a row of its own, in buckets of powers of two. The
 * loader wipes what was noted in earlier days before it asks for times again.
 * Example: left for a WFI, entered again after 5,000,000 ns: time[WFX][22]++.
 *
 * What resets want to know of exits (reset.bpf.h) is noted in passing.
 *
 * Records, while wanted, go to a ring buffer of their own, so that a flood of them cannot push out what
 * the core decides by; what does not fit is counted, and the next record says so.
 *
 * Cost: docs/bench.md. Limit: exits of a vCPU without a slot are counted by class only.
 */
#include "reset.bpf.h"
#include "state.bpf.h"

extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

/* The vCPU last seen to leave the guest on each CPU. A global: its address is a constant. */
#define CPUS 4096
#define NOBODY 1
#define NO_SLOT 0xffffffff /* no element of kcoh_exits: counted apart */
struct here {
	__u64 notifier; /* &vcpu->preempt_notifier.link, or NOBODY */
	struct kvm_vcpu *vcpu;
	struct kvm *kvm;
	__u64 task; /* that had it loaded */
	struct vcpu_key key;
	__u32 slot;
	__u32 pad[5];
};
struct here here[CPUS];

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* the loader's choice */
} kcoh_exit_ring SEC(".maps");

/* A member of a struct kvm_vcpu, by a load or by a helper. */
#define vcpu_read(vcpu, cast, member)                                                              \
	({                                                                                         \
		typeof(((struct kvm_vcpu *)0)->member) vcpu_read_value;                            \
		if (cast)                                                                          \
			vcpu_read_value = vcpu_cast(vcpu)->member;                                 \
		else                                                                               \
			vcpu_read_value = BPF_CORE_READ(vcpu, member);                             \
		vcpu_read_value;                                                                   \
	})

static __always_inline struct kvm_vcpu *vcpu_cast(const struct kvm_vcpu *vcpu)
{
	return bpf_rdonly_cast(vcpu, bpf_core_type_id_kernel(struct kvm_vcpu));
}

/* --- who it is -------------------------------------------------------------------------------- */

/* The vCPU behind a notifier is not the one noted for this CPU. */
static __noinline int here_find(__u32 cpu, __u64 notifier)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct vcpu_key key = {};
	struct thread_rec *thread;
	struct kvm_vcpu *vcpu;
	struct vcpu_rec *rec;
	struct here *h;

	if (cpu >= CPUS || !notifier)
		return -1;
	h = &here[cpu];
	h->notifier = NOBODY;
	vcpu = vcpu_behind(notifier);
	rec = vcpu_of(vcpu, &key);
	if (!rec)
		return -1;
	h->task = (__u64)task;
	h->vcpu = vcpu;
	h->kvm = BPF_CORE_READ(vcpu, kvm);
	h->key = key;
	h->slot = rec->slot ? rec->slot : NO_SLOT;
	h->notifier = notifier;
	thread = bpf_task_storage_get(&kcoh_threads, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (thread) {
		thread->ran = vcpu;
		thread->ran_key = key;
	}
	return 0;
}

/*
 * With preemption off only. NULL: nobody that is known. A pointer that the compiler does not see
 * through is computed once.
 */
static __always_inline struct here *here_get(void)
{
	__u64 notifier = notifier_now();
	__u32 cpu = bpf_get_smp_processor_id();
	struct here *h;

	if (cpu >= CPUS)
		return NULL;
	h = &here[cpu];
	asm volatile("" : "+r"(h));
	return h->notifier == notifier || !here_find(cpu, notifier) ? h : NULL;
}

/* The addresses of a VM that ends will be another's. */
static int here_forget(__u32 cpu, struct kvm **kvm)
{
	if (cpu >= CPUS)
		return 1;
	if (here[cpu].kvm == *kvm)
		here[cpu].notifier = NOBODY;
	return 0;
}

SEC("fentry/kvm_arch_destroy_vm")
int BPF_PROG(forget_vm_fe, struct kvm *kvm)
{
	bpf_loop(CPUS, here_forget, &kvm, 0);
	return 0;
}

SEC("kprobe/kvm_arch_destroy_vm")
int BPF_KPROBE(forget_vm_kp, struct kvm *kvm)
{
	bpf_loop(CPUS, here_forget, &kvm, 0);
	return 0;
}

/* --- what a register, a call, a class is ------------------------------------------------------ */

#define SYS(op0, op1, crn, crm) ((op0) << 11 | (op1) << 8 | (crn) << 4 | (crm))
#define CRM(op0, op1, crn, first, last) [SYS(op0, op1, crn, first)... SYS(op0, op1, crn, last)]
#define CRN(op0, op1, first, last) [SYS(op0, op1, first, 0)... SYS(op0, op1, last, 15)]
#define OP1(op0, first, last) [SYS(op0, first, 0, 0)... SYS(op0, last, 15, 15)]

/* Later lines overrule earlier ones. Encodings: Arm ARM D22. */
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Winitializer-overrides"
static const __u8 sysreg_groups[1 << 13] = {
	OP1(1, 0, 7) = KCOH_SYSREG_CACHE, /* IC, DC, BRB, CFP, … */
	CRM(1, 0, 7, 8, 9) = KCOH_SYSREG_TLB, /* AT S1E1R, S1E1RP, … */
	CRM(1, 4, 7, 8, 8) = KCOH_SYSREG_TLB,
	CRM(1, 6, 7, 8, 8) = KCOH_SYSREG_TLB,
	CRN(1, 0, 8, 9) = KCOH_SYSREG_TLB, /* TLBI */
	CRN(1, 4, 8, 9) = KCOH_SYSREG_TLB,
	CRN(1, 6, 8, 9) = KCOH_SYSREG_TLB,
	CRM(1, 0, 7, 6, 6) = KCOH_SYSREG_SET_WAY, /* DC ISW; DC IVAC is of the same CRm */
	CRM(1, 0, 7, 10, 10) = KCOH_SYSREG_SET_WAY, /* DC CSW */
	CRM(1, 0, 7, 14, 14) = KCOH_SYSREG_SET_WAY, /* DC CISW */
	OP1(2, 0, 7) = KCOH_SYSREG_DEBUG,
	CRN(3, 0, 0, 0) = KCOH_SYSREG_ID,
	CRN(3, 1, 0, 0) = KCOH_SYSREG_ID, /* CCSIDR, CLIDR */
	CRN(3, 2, 0, 0) = KCOH_SYSREG_ID, /* CSSELR */
	CRN(3, 3, 0, 0) = KCOH_SYSREG_ID, /* CTR, DCZID */
	CRM(3, 0, 1, 0, 0) = KCOH_SYSREG_VM, /* SCTLR, ACTLR, CPACR */
	CRN(3, 0, 2, 2) = KCOH_SYSREG_VM, /* TTBR, TCR */
	CRN(3, 0, 5, 6) = KCOH_SYSREG_VM, /* AFSR, ESR, FAR */
	CRN(3, 0, 10, 10) = KCOH_SYSREG_VM, /* MAIR, AMAIR */
	CRM(3, 0, 13, 0, 0) = KCOH_SYSREG_VM, /* CONTEXTIDR */
	CRM(3, 0, 4, 6, 6) = KCOH_SYSREG_GIC, /* ICC_PMR_EL1 */
	CRM(3, 0, 12, 8, 12) = KCOH_SYSREG_GIC,
	CRM(3, 0, 9, 14, 14) = KCOH_SYSREG_PMU, /* PMINTENSET_EL1, … */
	CRM(3, 3, 9, 12, 14) = KCOH_SYSREG_PMU,
	CRM(3, 3, 14, 8, 15) = KCOH_SYSREG_PMU, /* PMEVCNTR, PMEVTYPER */
	CRM(3, 3, 14, 0, 3) = KCOH_SYSREG_TIMER,
	CRM(3, 0, 14, 1, 1) = KCOH_SYSREG_TIMER, /* CNTKCTL_EL1 */
	CRM(3, 5, 14, 0, 3) = KCOH_SYSREG_TIMER,
	CRM(3, 7, 14, 2, 2) = KCOH_SYSREG_TIMER, /* CNTPS */
	OP1(3, 4, 4) = KCOH_SYSREG_EL2,
	CRN(3, 5, 0, 13) = KCOH_SYSREG_EL2, /* _EL12 */
	CRN(3, 0, 11, 11) = KCOH_SYSREG_IMPDEF,
	CRN(3, 0, 15, 15) = KCOH_SYSREG_IMPDEF,
	CRN(3, 1, 11, 11) = KCOH_SYSREG_IMPDEF,
	CRN(3, 1, 15, 15) = KCOH_SYSREG_IMPDEF,
	CRN(3, 2, 11, 11) = KCOH_SYSREG_IMPDEF,
	CRN(3, 2, 15, 15) = KCOH_SYSREG_IMPDEF,
	CRN(3, 3, 11, 11) = KCOH_SYSREG_IMPDEF,
	CRN(3, 3, 15, 15) = KCOH_SYSREG_IMPDEF,
};
#pragma clang diagnostic pop

/* ISS of a trapped register: Op0[21:20], Op1[16:14], CRn[13:10], CRm[4:1] */
static __always_inline __u32 sysreg_group(__u32 esr)
{
	__u32 at = (esr >> 20 & 3) << 11 | (esr >> 10 & 0x7f) << 4 | (esr >> 1 & 0xf);

	asm volatile("" : "+r"(at)); /* 6.1's verifier forgets the bounds of what was ORed */
	return sysreg_groups[at & 0x1fff];
}

/* By the owner of a fast call, bits 29:24. */
static const __u8 call_groups[64] = {
	[0] = KCOH_CALL_ARCH, [1 ... 3] = KCOH_CALL_FIRMWARE, [4] = KCOH_CALL_STANDARD,
	[5] = KCOH_CALL_HYP,  [6] = KCOH_CALL_VENDOR,
};

/* PSCI has functions 0 to 0x1f of the standard services, most calls are one; TRNG 0x50 to 0x5f. */
static __always_inline __u64 call_group(__u64 x0)
{
	__u64 function = x0 & 0xffffffff, n = function & 0xffff, group;

	if ((function >> 5 & 0x5ffffff) == (PSCI_0_2_FN >> 5))
		return KCOH_CALL_PSCI;
	if (!(function >> 31))
		return KCOH_CALL_OTHER;
	group = call_groups[function >> 24 & 0x3f];
	if (group == KCOH_CALL_STANDARD && n >= 0x50 && n < 0x60)
		return KCOH_CALL_TRNG;
	return group;
}

#define KIND_IRQ 64ul
#define KIND_OTHER 65ul

static const __u8 time_rows[KCOH_EXIT_KINDS] = {
	[ESR_EC_WFX] = KCOH_TIME_WFX,
	[0x07] = KCOH_TIME_FP,
	[ESR_EC_HVC32] = KCOH_TIME_HVC,
	[ESR_EC_SMC32] = KCOH_TIME_SMC,
	[ESR_EC_HVC64] = KCOH_TIME_HVC,
	[ESR_EC_SMC64] = KCOH_TIME_SMC,
	[ESR_EC_SYS64] = KCOH_TIME_SYSREG,
	[0x19] = KCOH_TIME_FP,
	[0x1d] = KCOH_TIME_FP,
	[0x20] = KCOH_TIME_IABT,
	[ESR_EC_DABT_LOW] = KCOH_TIME_DABT,
	[KIND_IRQ] = KCOH_TIME_IRQ,
};

static __always_inline __u64 kind_of(const struct bpf_raw_tracepoint_args *ctx)
{
	__u64 code = ctx->args[0] & 0x7fffffff; /* without ARM_EXIT_WITH_SERROR_BIT */

	if (code == ARM_EXCEPTION_TRAP)
		return ctx->args[1] & 63;
	return code == ARM_EXCEPTION_IRQ ? KIND_IRQ : KIND_OTHER;
}

/* --- time ------------------------------------------------------------------------------------- */

static __always_inline __u32 log2_of(__u64 ns)
{
	__u32 v = ns >> 32 ? 0xffffffff : ns, n = 0;

	if (v >> 16) {
		n = 16;
		v >>= 16;
	}
	if (v >> 8) {
		n += 8;
		v >>= 8;
	}
	if (v >> 4) {
		n += 4;
		v >>= 4;
	}
	if (v >> 2) {
		n += 2;
		v >>= 2;
	}
	return n + (v >> 1);
}

static __always_inline void time_add(struct kcoh_exits *exits, __u64 row, __u64 ns)
{
	__u64 at = row * KCOH_TIME_BUCKETS + log2_of(ns);

	asm volatile("" : "+r"(at)); /* the compiler would OR, and the verifier forget the bounds */
	if (at < KCOH_TIME_ROWS * KCOH_TIME_BUCKETS)
		exits->time[at]++;
}

static __always_inline void time_inside(struct kcoh_exits *exits, __u64 kind)
{
	__u64 now = bpf_ktime_get_ns(), since = exits->entered_ns;

	exits->left_ns = now;
	exits->row = time_rows[kind];
	if (since)
		time_add(exits, KCOH_TIME_INSIDE, now - since);
}

/* kvm_entry(unsigned long pc), with preemption off; attached while time is wanted */
SEC("raw_tp/kvm_entry")
int kvm_entry_rt(struct bpf_raw_tracepoint_args *ctx)
{
	struct here *h = here_get();
	struct kcoh_exits *exits;
	__u64 now, since, row;

	if (!h)
		return 0;
	exits = bpf_map_lookup_elem(&kcoh_exits, &h->slot);
	if (!exits)
		return 0;
	now = bpf_ktime_get_ns();
	since = exits->left_ns;
	row = exits->row;
	exits->entered_ns = now;
	if (since)
		time_add(exits, row, now - since);
	return 0;
}

/* --- records ---------------------------------------------------------------------------------- */

static __noinline int record(const struct here *h, __u64 pc, __u64 kind)
{
	struct kcoh_shared *s = shared();
	struct kcoh_ev_exit *ev;
	struct kvm_vcpu *vcpu;
	struct vcpu_key key;
	__u64 gap = 0;

	if (!s || (s->records_vm && s->records_vm != h->key.vm))
		return 0;
	vcpu = h->vcpu;
	key = h->key;
	ev = bpf_ringbuf_reserve(&kcoh_exit_ring, sizeof(*ev), 0);
	if (!ev) {
		__sync_fetch_and_add(&s->exits_lost, 1);
		__sync_fetch_and_add(&s->exits_gap, 1);
		return 0;
	}
	if (s->exits_gap)
		gap = __sync_lock_test_and_set(&s->exits_gap, 0);
	__builtin_memset(ev, 0, sizeof(*ev));
	ev->hdr.ts_ns = bpf_ktime_get_ns();
	ev->hdr.vm = key.vm;
	ev->hdr.vcpu = key.idx;
	ev->hdr.type = KCOH_EV_EXIT;
	ev->hdr.size = sizeof(*ev);
	ev->hdr.gap = gap > 0xffffffff ? 0xffffffff : gap;
	ev->pc = pc;
	ev->exit_class = kind;
	if (kind < KIND_IRQ)
		ev->esr = BPF_CORE_READ(vcpu, arch.fault.esr_el2);
	if (kind == ESR_EC_DABT_LOW || kind == ESR_EC_IABT_LOW)
		ev->arg = (BPF_CORE_READ(vcpu, arch.fault.hpfar_el2) & HPFAR_FIPA) << 8 |
			  (BPF_CORE_READ(vcpu, arch.fault.far_el2) & 0xfff);
	else if (kind == ESR_EC_HVC64 || kind == ESR_EC_SMC64)
		ev->arg = BPF_CORE_READ(vcpu, arch.ctxt.regs.regs[0]);
	ev_submit(ev);
	return 0;
}

/* --- counts ----------------------------------------------------------------------------------- */

/* Slot 0 has many writers. */
static __noinline int count_apart(__u64 kind)
{
	__u32 zero = 0;
	struct kcoh_exits *exits = bpf_map_lookup_elem(&kcoh_exits, &zero);

	if (exits && kind < KCOH_EXIT_KINDS)
		__sync_fetch_and_add(&exits->count[kind], 1);
	return 0;
}

/* Whether KVM has done the MMIO of the last data abort itself. */
static __always_inline void account_kernel(struct kcoh_exits *exits, struct kvm_vcpu *vcpu,
					   __u32 cast)
{
	__u64 now = vcpu_read(vcpu, cast, stat.mmio_exit_kernel);

	if (exits->aborted == 2)
		exits->abort[KCOH_ABORT_KERNEL_WRITE] += now - exits->mmio_kernel;
	else
		exits->abort[KCOH_ABORT_KERNEL_READ] += now - exits->mmio_kernel;
	exits->mmio_kernel = now;
	exits->aborted = 0;
}

static __always_inline void count_call(struct kcoh_exits *exits, const struct here *h, __u64 kind,
				       __u32 cast)
{
	struct kvm_vcpu *vcpu = h->vcpu;
	__u64 x0 = vcpu_read(vcpu, cast, arch.ctxt.regs.regs[0]), group = call_group(x0);

	if (group < KCOH_CALL_GROUPS)
		exits->call[group]++;
	if (group == KCOH_CALL_PSCI && kind == ESR_EC_HVC64)
		reset_see_psci(h->key.vm, h->key.idx, x0);
}

static __always_inline void count_sysreg(struct kcoh_exits *exits, struct kvm_vcpu *vcpu,
					 __u32 cast)
{
	__u64 group = sysreg_group(vcpu_read(vcpu, cast, arch.fault.esr_el2));

	if (group < KCOH_SYSREG_GROUPS)
		exits->sysreg[group]++;
}

static __always_inline void count_abort(struct kcoh_exits *exits, const struct here *h, __u32 cast)
{
	struct kvm_vcpu *vcpu = h->vcpu;

	exits->aborted = 1;
	if (vcpu_read(vcpu, cast, arch.fault.esr_el2) & ESR_WNR) {
		exits->aborted = 2;
		exits->abort[KCOH_ABORT_WRITE]++;
	}
	reset_see_abort(h->key.vm);
}

/* kvm_exit(int ret, unsigned int esr_ec, unsigned long pc), with preemption off */
static __always_inline int on_exit(struct bpf_raw_tracepoint_args *ctx, __u32 cast)
{
	struct here *h = here_get();
	struct kcoh_exits *exits;
	__u64 kind;

	if (!h)
		return count_apart(kind_of(ctx));
	kind = kind_of(ctx);
	exits = bpf_map_lookup_elem(&kcoh_exits, &h->slot);
	if (!exits)
		return count_apart(kind);
	exits->count[kind]++;
	if (*(__u32 *)&exits->aborted) { /* or wanted */
		if (exits->aborted)
			account_kernel(exits, h->vcpu, cast);
		if (exits->wanted & KCOH_WANT_TIME)
			time_inside(exits, kind);
		if (exits->wanted & KCOH_WANT_RECORDS)
			record(h, ctx->args[2], kind);
	}
	if (kind == ESR_EC_HVC64 || kind == ESR_EC_SMC64)
		count_call(exits, h, kind, cast);
	else if (kind == ESR_EC_DABT_LOW)
		count_abort(exits, h, cast);
	else if (kind == ESR_EC_SYS64)
		count_sysreg(exits, h->vcpu, cast);
	else if (kind == ESR_EC_IABT_LOW)
		reset_see_abort(h->key.vm);
	return 0;
}

SEC("raw_tp/kvm_exit")
int kvm_exit_cast(struct bpf_raw_tracepoint_args *ctx)
{
	return on_exit(ctx, 1);
}

SEC("raw_tp/kvm_exit")
int kvm_exit_rt(struct bpf_raw_tracepoint_args *ctx)
{
	return on_exit(ctx, 0);
}

/* --- exits to user space ---------------------------------------------------------------------- */

static __noinline int stopped(struct kvm_vcpu *vcpu)
{
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_of(vcpu, &key);

	if (rec)
		state_look(vcpu, &key, rec, 0);
	return 0;
}

/* Whether the last data abort is an MMIO that user space is to do. */
static __always_inline void account_user(struct kcoh_exits *exits, __u32 reason, int error)
{
	if (!exits->aborted || reason != KVM_EXIT_MMIO || error)
		return;
	exits->abort[exits->aborted == 2 ? KCOH_ABORT_USER_WRITE : KCOH_ABORT_USER_READ]++;
	exits->aborted = 0;
}

/* The thread moved to another CPU after its vCPU was put, or this KVM_RUN never entered the guest. */
static __noinline int stopped_elsewhere(__u32 reason, int error)
{
	struct kcoh_exits *exits;
	struct thread_rec *thread;
	struct kvm_vcpu *vcpu;
	struct vcpu_rec *rec;
	struct vcpu_key key;

	thread = bpf_task_storage_get(&kcoh_threads, bpf_get_current_task_btf(), NULL, 0);
	if (!thread)
		return 0;
	key = thread->ran_key;
	vcpu = thread->ran;
	rec = bpf_map_lookup_elem(&kcoh_vcpus, &key); /* its VM may be gone, and its memory */
	if (!rec)
		return 0;
	exits = rec->slot ? bpf_map_lookup_elem(&kcoh_exits, &rec->slot) : NULL;
	if (exits)
		account_user(exits, reason, error);
	if (BPF_CORE_READ(vcpu, cpu) == -1)
		state_look(vcpu, &key, rec, 0);
	return 0;
}

/*
 * kvm_userspace_exit(__u32 reason, int errno): KVM_RUN is about to return, its vCPU was put. The CPU's
 * word tells which that was if it is this thread's; read before `task`, so that a thread that came
 * between is noticed. A vCPU that is loaded is another thread's by now.
 */
static __always_inline int on_userspace(struct bpf_raw_tracepoint_args *ctx, __u32 cast)
{
	__u64 idx = bpf_core_enum_value(enum vcpu_sysreg, SCTLR_EL1), notifier, sctlr = 0;
	__u64 cpu = bpf_get_smp_processor_id();
	struct kcoh_exits *exits;
	struct kvm_vcpu *vcpu;
	__u32 slot, looked;
	void *sys_regs;

	if (cpu >= CPUS)
		return 0;
	vcpu = here[cpu].vcpu;
	slot = here[cpu].slot;
	notifier = here[cpu].notifier;
	barrier();
	if (notifier == NOBODY || here[cpu].task != (__u64)bpf_get_current_task_btf())
		return stopped_elsewhere(ctx->args[0], ctx->args[1]);
	if (vcpu_read(vcpu, cast, cpu) != -1)
		return 0;
	exits = bpf_map_lookup_elem(&kcoh_exits, &slot);
	if (!exits)
		return stopped(vcpu);
	account_user(exits, ctx->args[0], ctx->args[1]);
	looked = 1 + vcpu_read(vcpu, cast, arch.mp_state.mp_state);
	if (cast) {
		sys_regs = &vcpu_cast(vcpu)->arch.ctxt.sys_regs;
		sctlr = *(__u64 *)(sys_regs + idx * 8);
	} else {
		sys_regs = __builtin_preserve_access_index(&vcpu->arch.ctxt.sys_regs);
		bpf_probe_read_kernel(&sctlr, sizeof(sctlr), sys_regs + idx * 8);
	}
	if (exits->looked == looked && exits->sctlr == sctlr)
		return 0;
	exits->sctlr = sctlr;
	exits->looked = looked;
	return stopped(vcpu);
}

SEC("raw_tp/kvm_userspace_exit")
int user_exit_cast(struct bpf_raw_tracepoint_args *ctx)
{
	return on_userspace(ctx, 1);
}

SEC("raw_tp/kvm_userspace_exit")
int user_exit_rt(struct bpf_raw_tracepoint_args *ctx)
{
	return on_userspace(ctx, 0);
}
