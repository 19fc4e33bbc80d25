// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.bpf.c - VMs are born and die; vCPUs stop, toggle, clean and reset.
 *
 * state.bpf.h says when the cache state of a vCPU is looked at and what is sent of it. Between two
 * looks a guest can toggle and toggle back: KVM's own trap and the module's show edges, looks only
 * correct.
 *
 * INIT and CPU_ON both call kvm_reset_vcpu. CPU_ON left vcpu->arch.reset_state.reset set (PSCI sets
 * it, the reset consumes it), and inside KVM_RUN the vCPU is loaded; KVM_ARM_VCPU_INIT does not
 * load it. If a vCPU is initialised while a CPU_ON is still due, KVM performs that CPU_ON then, and
 * we call it so.
 *
 * Set/way: kvm_set_way_flush cleans only if TVM is clear, and the module may clear TVM at its
 * entry, so whether KVM cleaned is known only afterwards: its tracepoint has fired or not. One
 * record per operation, made at the function's return; if a return is missed (kretprobes can be)
 * the next operation of the vCPU sends it.
 *
 * Cost: nothing at an exit (exit.bpf.c); a hook at each switch of a vCPU's thread to another, and at
 * each ioctl on a vCPU besides KVM_RUN. Limit: state.bpf.h's.
 */
#include "state.bpf.h"

static __always_inline int vm_gone(struct kvm *kvm)
{
	__u64 key = (__u64)kvm;
	struct vm_rec *vm = bpf_map_lookup_elem(&kcoh_vms, &key);
	struct kcoh_ev_vm_gone *ev;
	__u32 id;

	if (!vm)
		return 0;
	id = vm->id;
	bpf_loop(BPF_CORE_READ(kvm, created_vcpus), vcpu_forget, &id, 0);
	bpf_map_delete_elem(&kcoh_vms, &key);
	if (ev_reserve(ev, KCOH_EV_VM_GONE, id, KCOH_VCPU_NONE))
		ev_submit(ev);
	return 0;
}

/*
 * kvm_coalesced_mmio_init(kvm) is called once in kvm_create_vm, after kvm_arch_init_vm succeeded:
 * from there on every way out, also that of a creation that fails, passes kvm_arch_destroy_vm. It
 * is no static function on any kernel.
 */
static __always_inline int vm_new(struct kvm *kvm)
{
	vm_gone(kvm); /* an end that was missed: this address belonged to another VM */
	vm_add(kvm, (struct task_struct *)bpf_get_current_task(), 0);
	return 0;
}

SEC("fentry/kvm_coalesced_mmio_init")
int BPF_PROG(vm_new_fe, struct kvm *kvm)
{
	return vm_new(kvm);
}

SEC("kprobe/kvm_coalesced_mmio_init")
int BPF_KPROBE(vm_new_kp, struct kvm *kvm)
{
	return vm_new(kvm);
}

SEC("fentry/kvm_arch_destroy_vm")
int BPF_PROG(vm_gone_fe, struct kvm *kvm)
{
	return vm_gone(kvm);
}

SEC("kprobe/kvm_arch_destroy_vm")
int BPF_KPROBE(vm_gone_kp, struct kvm *kvm)
{
	return vm_gone(kvm);
}

/* --- when a vCPU's saved registers are looked at ---------------------------------------------- */

static __always_inline int look(struct kvm_vcpu *vcpu, __u32 tid)
{
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu ? vcpu_of(vcpu, &key) : NULL;

	if (rec)
		state_look(vcpu, &key, rec, tid);
	return 0;
}

/* A return probe has no arguments: what its function was called for is noted at the entry. */
static __always_inline int note(struct kvm_vcpu *vcpu)
{
	struct thread_rec *thread;

	thread = bpf_task_storage_get(&kcoh_threads, bpf_get_current_task_btf(), NULL,
				      BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (thread)
		thread->noted = vcpu;
	return 0;
}

static __always_inline struct kvm_vcpu *noted(void)
{
	struct thread_rec *thread;

	thread = bpf_task_storage_get(&kcoh_threads, bpf_get_current_task_btf(), NULL, 0);
	return thread ? thread->noted : NULL;
}

/* In KVM_RUN by a thread that did not run this vCPU last: for once, most often. It is not loaded. */
static __always_inline int first_run(struct kvm_vcpu *vcpu)
{
	return look(vcpu, (__u32)bpf_get_current_pid_tgid());
}

SEC("fentry/kvm_arch_vcpu_run_pid_change")
int BPF_PROG(first_run_fe, struct kvm_vcpu *vcpu)
{
	return first_run(vcpu);
}

SEC("kprobe/kvm_arch_vcpu_run_pid_change")
int BPF_KPROBE(first_run_kp, struct kvm_vcpu *vcpu)
{
	return first_run(vcpu);
}

/* The vCPU is put, its notifier still there. */
static __always_inline int sched_out(void)
{
	struct kvm_vcpu *vcpu = NULL;
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_here(&key, &vcpu);

	if (rec && rec->state != STATE_RESET)
		state_look(vcpu, &key, rec, 0);
	return 0;
}

SEC("fexit/kvm_sched_out")
int BPF_PROG(sched_out_fx)
{
	return sched_out();
}

SEC("kretprobe/kvm_sched_out")
int BPF_KPROBE(sched_out_kr)
{
	return sched_out();
}

/* kvm_arch_vcpu_ioctl(file, ioctl, arg): all but KVM_RUN; KVM holds the vCPU for it, not loaded. */
SEC("fexit/kvm_arch_vcpu_ioctl")
int BPF_PROG(ioctl_fx, struct file *file)
{
	return look(BPF_CORE_READ(file, private_data), 0);
}

SEC("kprobe/kvm_arch_vcpu_ioctl")
int BPF_KPROBE(ioctl_kp, struct file *file)
{
	return note(BPF_CORE_READ(file, private_data));
}

SEC("kretprobe/kvm_arch_vcpu_ioctl")
int BPF_KPROBE(ioctl_kr)
{
	return look(noted(), 0);
}

SEC("fexit/kvm_arch_vcpu_ioctl_set_mpstate")
int BPF_PROG(mpstate_fx, struct kvm_vcpu *vcpu)
{
	return look(vcpu, 0);
}

SEC("kprobe/kvm_arch_vcpu_ioctl_set_mpstate")
int BPF_KPROBE(mpstate_kp, struct kvm_vcpu *vcpu)
{
	return note(vcpu);
}

SEC("kretprobe/kvm_arch_vcpu_ioctl_set_mpstate")
int BPF_KPROBE(mpstate_kr)
{
	return look(noted(), 0);
}

/* --- toggles and set/way ---------------------------------------------------------------------- */

/*
 * kvm_toggle_cache(unsigned long pc, bool was, bool now): every trapped write of a VM register. The
 * written value is in the CPU's register on VHE, out of our reach: sctlr is 0, 'not known'.
 */
SEC("raw_tp/kvm_toggle_cache")
int kvm_toggle_rt(struct bpf_raw_tracepoint_args *ctx)
{
	__u8 was = ctx->args[1] & 1, now = ctx->args[2] & 1;
	struct kcoh_shared *s = shared();
	struct kcoh_ev_toggle *ev;
	struct kvm_vcpu *vcpu;
	struct vcpu_key key = {};
	struct vcpu_rec *rec;

	if (was == now || !s || s->module)
		return 0;
	rec = vcpu_here(&key, &vcpu);
	if (!rec)
		return 0;
	state_forget(rec, STATE_NEVER);
	if (!ev_reserve(ev, KCOH_EV_TOGGLE, key.vm, key.idx))
		return 0;
	ev->pc = ctx->args[0];
	ev->was = was ? KCOH_CACHED : KCOH_UNCACHED;
	ev->now = now ? KCOH_CACHED : KCOH_UNCACHED;
	ev->source = KCOH_SRC_KVM;
	rec->sctlr = 0;
	rec->state = ev->now;
	ev_submit(ev);
	return 0;
}

static __always_inline void send_set_way(const struct vcpu_key *key, struct vcpu_rec *rec, __u64 pc)
{
	struct kcoh_ev_set_way *ev;
	__u32 step = rec->set_way;

	rec->set_way = SET_WAY_NONE;
	if (!ev_reserve(ev, KCOH_EV_SET_WAY, key->vm, key->idx))
		return;
	ev->pc = pc;
	ev->cleaned = step == SET_WAY_CLEANED;
	ev->cached = ev->cleaned ? rec->set_way_cached : rec->state == KCOH_CACHED;
	ev_submit(ev);
}

static __always_inline int set_way_enter(struct kvm_vcpu *vcpu)
{
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_of(vcpu, &key);

	if (!rec)
		return 0;
	if (rec->set_way != SET_WAY_NONE)
		send_set_way(&key, rec, 0); /* its return was missed, and its pc with it */
	rec->set_way = SET_WAY_ENTERED;
	return 0;
}

SEC("fentry/kvm_set_way_flush")
int BPF_PROG(set_way_fe, struct kvm_vcpu *vcpu)
{
	return set_way_enter(vcpu);
}

SEC("kprobe/kvm_set_way_flush")
int BPF_KPROBE(set_way_kp, struct kvm_vcpu *vcpu)
{
	return set_way_enter(vcpu);
}

/* kvm_set_way_flush(unsigned long pc, bool cached): KVM is about to clean its stage 2 */
SEC("raw_tp/kvm_set_way_flush")
int set_way_clean(struct bpf_raw_tracepoint_args *ctx)
{
	struct kvm_vcpu *vcpu;
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_here(&key, &vcpu);

	if (!rec)
		return 0;
	rec->set_way = SET_WAY_CLEANED;
	rec->set_way_cached = ctx->args[1] & 1;
	return 0;
}

/* In the vCPU's thread, which has it loaded. */
static __always_inline int set_way_leave(void)
{
	struct kvm_vcpu *vcpu = NULL;
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_here(&key, &vcpu);

	if (rec && rec->set_way != SET_WAY_NONE)
		send_set_way(&key, rec, BPF_CORE_READ(vcpu, arch.ctxt.regs.pc));
	return 0;
}

SEC("fexit/kvm_set_way_flush")
int BPF_PROG(set_way_fx)
{
	return set_way_leave();
}

SEC("kretprobe/kvm_set_way_flush")
int BPF_KPROBE(set_way_kr)
{
	return set_way_leave();
}

/* --- resets ----------------------------------------------------------------------------------- */

static __always_inline int vcpu_reset(struct kvm_vcpu *vcpu)
{
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_of(vcpu, &key);
	struct kcoh_ev_reset *ev;

	if (!rec)
		return 0;
	state_forget(rec, STATE_RESET);
	rec->armed = 0;
	if (!ev_reserve(ev, KCOH_EV_RESET, key.vm, key.idx))
		return 0;
	ev->has_run = vcpu_tid(vcpu) != 0;
	ev->kind = KCOH_RESET_INIT;
	if (BPF_CORE_READ(vcpu, arch.reset_state.reset) || BPF_CORE_READ(vcpu, cpu) != -1)
		ev->kind = KCOH_RESET_CPU_ON;
	ev_submit(ev);
	return 0;
}

SEC("fentry/kvm_reset_vcpu")
int BPF_PROG(vcpu_reset_fe, struct kvm_vcpu *vcpu)
{
	return vcpu_reset(vcpu);
}

SEC("kprobe/kvm_reset_vcpu")
int BPF_KPROBE(vcpu_reset_kp, struct kvm_vcpu *vcpu)
{
	return vcpu_reset(vcpu);
}

/* By CPU_ON the vCPU is loaded, in its thread; by KVM_ARM_VCPU_INIT it is not, and that ioctl goes on. */
static __always_inline int vcpu_was_reset(void)
{
	__u64 notifier = notifier_now();

	return notifier ? look(vcpu_behind(notifier), 0) : 0;
}

SEC("fexit/kvm_reset_vcpu")
int BPF_PROG(vcpu_reset_fx)
{
	return vcpu_was_reset();
}

SEC("kretprobe/kvm_reset_vcpu")
int BPF_KPROBE(vcpu_reset_kr)
{
	return vcpu_was_reset();
}
