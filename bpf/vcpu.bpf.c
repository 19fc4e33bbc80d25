// SPDX-License-Identifier: GPL-2.0-only
/*
 * vcpu.bpf.c - VMs are born and die, vCPUs are loaded and put, leave the guest, toggle, clean and
 * reset.
 *
 * The problem: for each VM to know at any time which vCPUs may be running with their MMU or caches
 * off, and how often and why its vCPUs leave the guest, without paying for it at each exit.
 *
 * Cache state is sampled where the saved registers are true for certain: before kvm_arch_vcpu_load
 * (the vCPU will run with them; this also shows what userspace wrote with KVM_SET_ONE_REG or
 * KVM_SET_MP_STATE) and after kvm_arch_vcpu_put. A record is sent only if the state differs from
 * the last one sent. Between two samples a guest can toggle and toggle back: KVM's own trap and the
 * module's show edges, samples only correct.
 *
 * A worked example, secondary vCPU 1 of a Linux guest, from its creation:
 *
 *   KVM_ARM_VCPU_INIT, POWER_OFF    RESET init, has_run 0
 *   KVM_RUN: load, sleeps, put      VCPU off
 *   CPU_ON by vCPU 0: wakes, load   nothing: a reset is due, the registers are of an earlier life
 *   kvm_reset_vcpu in its thread    RESET cpu-on; the put inside says nothing, the load: uncached
 *   SCTLR_EL1 := MMU on, trapped    TOGGLE uncached -> cached (source KVM, trapping since then)
 *   preempted: put                  nothing: the state is known
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
 * Cost: see common.bpf.h. Limit: a state sampled is 'not seen to change since', not 'did not
 * change'.
 */
#include "common.bpf.h"

static __always_inline void sample(struct kvm_vcpu *vcpu, const struct vcpu_key *key,
				   struct vcpu_rec *rec)
{
	__u64 sctlr;
	__u32 state;

	if (BPF_CORE_READ(vcpu, arch.reset_state.reset))
		return;
	state = vcpu_state(vcpu, &sctlr);
	if (state == rec->state)
		return;
	if (send_vcpu(key, state, sctlr, vcpu_tid(vcpu), KCOH_SRC_SAMPLE))
		state = STATE_NEVER;
	rec->sctlr = sctlr;
	rec->state = state;
}

static int clear_exits(__u32 cpu, __u32 *slot)
{
	struct kcoh_exits *exits = bpf_map_lookup_percpu_elem(&kcoh_exits, slot, cpu);

	if (!exits)
		return 1;
	__builtin_memset(exits, 0, sizeof(*exits));
	return 0;
}

static int forget_vcpu(__u32 idx, __u32 *vm)
{
	struct vcpu_key key = { .vm = *vm, .idx = idx };

	bpf_map_delete_elem(&kcoh_vcpus, &key);
	return 0;
}

static __always_inline int vm_gone(struct kvm *kvm)
{
	__u64 key = (__u64)kvm;
	struct vm_rec *vm = bpf_map_lookup_elem(&kcoh_vms, &key);
	struct kcoh_ev_vm_gone *ev;
	__u64 nobody = 0;
	__u32 id, slot;

	if (!vm)
		return 0;
	id = vm->id;
	slot = vm->slot;
	bpf_loop(BPF_CORE_READ(kvm, created_vcpus), forget_vcpu, &id, 0);
	bpf_map_delete_elem(&kcoh_vms, &key);
	if (slot) {
		bpf_map_update_elem(&kcoh_slots, &slot, &nobody, BPF_ANY);
		bpf_loop(1 << 16, clear_exits, &slot, 0);
		bpf_map_push_elem(&kcoh_free, &slot, BPF_ANY);
	}
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

static __always_inline int vcpu_load(struct kvm_vcpu *vcpu)
{
	struct vm_rec *vm = vm_get(BPF_CORE_READ(vcpu, kvm));
	struct running *run = running();
	struct vcpu_key key = {};
	struct vcpu_rec *rec;

	if (!run)
		return 0;
	if (!vm) {
		run->who = 0;
		return 0;
	}
	key.vm = vm->id;
	key.idx = BPF_CORE_READ(vcpu, vcpu_idx);
	run->vcpu = vcpu;
	run->who = who_pack(vm, key.idx);
	rec = vcpu_get(&key);
	if (rec)
		sample(vcpu, &key, rec);
	return 0;
}

SEC("fentry/kvm_arch_vcpu_load")
int BPF_PROG(vcpu_load_fe, struct kvm_vcpu *vcpu)
{
	return vcpu_load(vcpu);
}

SEC("kprobe/kvm_arch_vcpu_load")
int BPF_KPROBE(vcpu_load_kp, struct kvm_vcpu *vcpu)
{
	return vcpu_load(vcpu);
}

static __always_inline int vcpu_put(struct kvm_vcpu *vcpu, struct running *run)
{
	struct vcpu_key key = { .vm = WHO_VM(run->who), .idx = WHO_IDX(run->who) };
	struct vcpu_rec *rec;

	if (!run->who)
		return 0;
	run->who = 0;
	run->vcpu = NULL;
	rec = bpf_map_lookup_elem(&kcoh_vcpus, &key);
	if (vcpu && rec && rec->state != STATE_RESET)
		sample(vcpu, &key, rec);
	return 0;
}

SEC("fexit/kvm_arch_vcpu_put")
int BPF_PROG(vcpu_put_fx, struct kvm_vcpu *vcpu)
{
	struct running *run = running();

	return run ? vcpu_put(vcpu, run) : 0;
}

/* A return probe has no arguments; the load has noted whom it loaded. */
SEC("kretprobe/kvm_arch_vcpu_put")
int BPF_KPROBE(vcpu_put_kr)
{
	struct running *run = running();

	return run ? vcpu_put(run->vcpu, run) : 0;
}

/* kvm_exit(int ret, unsigned int esr_ec, unsigned long pc), with preemption off */
SEC("raw_tp/kvm_exit")
int kvm_exit_rt(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 code = (__u32)ctx->args[0] & ~ARM_EXIT_WITH_SERROR_BIT;
	__u32 kind = 65, slot = 0;
	struct running *run = running();
	struct kcoh_exits *exits;

	if (run)
		slot = WHO_SLOT(run->who);
	exits = bpf_map_lookup_elem(&kcoh_exits, &slot);
	if (!exits)
		return 0;
	if (code == ARM_EXCEPTION_TRAP)
		kind = ctx->args[1] & 63;
	else if (code == ARM_EXCEPTION_IRQ)
		kind = 64;
	exits->count[kind]++;
	return 0;
}

/*
 * The vCPU that runs here, for hooks that do not name it. Preemption between the two reads does no
 * harm: whoever ran here meanwhile, our own vCPU is loaded again, on this CPU, before we go on.
 */
static __always_inline struct vcpu_rec *vcpu_here(struct vcpu_key *ret_key)
{
	struct running *run = running();
	__u64 who = run ? run->who : 0;

	if (!who) {
		lose(KCOH_LOST_WHO);
		return NULL;
	}
	ret_key->vm = WHO_VM(who);
	ret_key->idx = WHO_IDX(who);
	return vcpu_get(ret_key);
}

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
	struct vcpu_key key = {};
	struct vcpu_rec *rec;

	if (was == now || !s || s->module)
		return 0;
	rec = vcpu_here(&key);
	if (!rec)
		return 0;
	rec->state = STATE_NEVER;
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
	struct vm_rec *vm = vm_get(BPF_CORE_READ(vcpu, kvm));
	struct vcpu_key key = {};
	struct vcpu_rec *rec;

	if (!vm)
		return 0;
	key.vm = vm->id;
	key.idx = BPF_CORE_READ(vcpu, vcpu_idx);
	rec = vcpu_get(&key);
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
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_here(&key);

	if (!rec)
		return 0;
	rec->set_way = SET_WAY_CLEANED;
	rec->set_way_cached = ctx->args[1] & 1;
	return 0;
}

static __always_inline int set_way_leave(struct kvm_vcpu *vcpu)
{
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_here(&key);
	__u64 pc = vcpu ? BPF_CORE_READ(vcpu, arch.ctxt.regs.pc) : 0;

	if (rec && rec->set_way != SET_WAY_NONE)
		send_set_way(&key, rec, pc);
	return 0;
}

SEC("fexit/kvm_set_way_flush")
int BPF_PROG(set_way_fx, struct kvm_vcpu *vcpu)
{
	return set_way_leave(vcpu);
}

SEC("kretprobe/kvm_set_way_flush")
int BPF_KPROBE(set_way_kr)
{
	struct running *run = running();

	return set_way_leave(run ? run->vcpu : NULL);
}

static __always_inline int vcpu_reset(struct kvm_vcpu *vcpu)
{
	struct vm_rec *vm = vm_get(BPF_CORE_READ(vcpu, kvm));
	struct kcoh_ev_reset *ev;
	struct vcpu_key key = {};
	struct vcpu_rec *rec;

	if (!vm)
		return 0;
	key.vm = vm->id;
	key.idx = BPF_CORE_READ(vcpu, vcpu_idx);
	rec = vcpu_get(&key);
	if (rec) {
		rec->state = STATE_RESET;
		rec->armed = 0;
	}
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
