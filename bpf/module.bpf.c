// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.bpf.c - what the module (kmod/) reports through its kcoh:* tracepoints becomes records.
 *
 * The problem: the module sees every edge while its trap is set, in the vCPU's own thread, with the
 * register's true value; all other sources only sample. These programs are attached when the module
 * is there, and detached before it is unloaded (an attached program holds it). They are raw
 * tracepoints: found by name, without the module's BTF. Arguments are those of kmod/trace.h.
 *
 * Example: a trapped write turns vCPU 1's MMU off: kcoh_toggle(vcpu, pc, sctlr, was, now) ->
 * TOGGLE, source TRAP. While the trap is not set the same tracepoint fires for the edges that KVM's
 * own trap shows: source KVM, as edges between them may be missed.
 *
 * A harvest that the module cleaned is told with what became of its pages, a vCPU that it holds with
 * why and for how long.
 *
 * Cost: a record an edge, a harvest, a hold. Limit: none beyond the ring buffer's.
 */
#include "state.bpf.h"

SEC("raw_tp/kcoh_epoch")
int kcoh_epoch_rt(struct bpf_raw_tracepoint_args *ctx)
{
	struct vm_rec *vm = vm_get((struct kvm *)ctx->args[0]);
	struct kcoh_ev_epoch *ev;

	if (!vm || !ev_reserve(ev, KCOH_EV_EPOCH, vm->id, KCOH_VCPU_NONE))
		return 0;
	ev->logged_pages = ctx->args[1];
	ev->total_pages = ctx->args[2];
	ev->start = ctx->args[3];
	ev->vcpus = ctx->args[4];
	ev->armed = ctx->args[5];
	ev->pending = ctx->args[6];
	ev_submit(ev);
	return 0;
}

SEC("raw_tp/kcoh_arm")
int kcoh_arm_rt(struct bpf_raw_tracepoint_args *ctx)
{
	struct kvm_vcpu *vcpu = (struct kvm_vcpu *)ctx->args[0];
	__u32 state = ctx->args[2], source = ctx->args[3];
	__u64 sctlr = state == KCOH_OFF ? 0 : ctx->args[1];
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_of(vcpu, &key);
	struct kcoh_shared *s = shared();

	if (!rec || !s)
		return 0;
	rec->armed = source == KCOH_SRC_TRAP ? s->module : 0;
	rec->sctlr = sctlr;
	state_forget(rec, STATE_NEVER);
	if (!send_vcpu(&key, state, sctlr, vcpu_tid(vcpu), source))
		rec->state = state;
	return 0;
}

SEC("raw_tp/kcoh_toggle")
int kcoh_toggle_rt(struct bpf_raw_tracepoint_args *ctx)
{
	struct vcpu_key key = {};
	struct vcpu_rec *rec = vcpu_of((struct kvm_vcpu *)ctx->args[0], &key);
	struct kcoh_shared *s = shared();
	struct kcoh_ev_toggle *ev;

	if (!rec || !s)
		return 0;
	state_forget(rec, STATE_NEVER);
	if (!ev_reserve(ev, KCOH_EV_TOGGLE, key.vm, key.idx))
		return 0;
	ev->pc = ctx->args[1];
	ev->sctlr = ctx->args[2];
	ev->was = ctx->args[3];
	ev->now = ctx->args[4];
	ev->source = rec->armed && rec->armed == s->module ? KCOH_SRC_TRAP : KCOH_SRC_KVM;
	rec->sctlr = ev->sctlr;
	rec->state = ev->now;
	ev_submit(ev);
	return 0;
}

/*
 * kcoh_harvest(kvm, slot_id, protected, cleaned, absent, no_ram, unclean, extra, untainted, ns), in
 * the task that harvested and on its way back from the ioctl: harvest.bpf.c has noted which.
 */
SEC("raw_tp/kcoh_harvest")
int kcoh_harvest_rt(struct bpf_raw_tracepoint_args *ctx)
{
	struct kvm *kvm = (struct kvm *)ctx->args[0];
	__u64 task = bpf_get_current_pid_tgid();
	struct harvest_rec *rec = bpf_map_lookup_elem(&kcoh_harvests, &task);
	struct vm_rec *vm = vm_get(kvm);
	struct kcoh_ev_harvest *ev;

	if (!vm || !ev_reserve(ev, KCOH_EV_HARVEST, vm->id, KCOH_VCPU_NONE))
		return 0;
	ev->pages = ctx->args[2];
	ev->slot_id = ev->pages ? ctx->args[1] : KCOH_SLOT_NONE;
	ev->cleaned = ctx->args[3];
	ev->absent = ctx->args[4];
	ev->no_ram = ctx->args[5];
	ev->unclean = ctx->args[6];
	ev->extra = ctx->args[7];
	ev->untainted = ctx->args[8];
	ev->ns = ctx->args[9];
	ev->tid = (__u32)task;
	ev->kind = rec ? rec->kind : KCOH_HARVEST_UNKNOWN;
	ev->source = KCOH_HARVEST_BY_MODULE;
	ev->initially_set =
		!!(BPF_CORE_READ(kvm, manual_dirty_log_protect) & KVM_DIRTY_LOG_INITIALLY_SET);
	ev_submit(ev);
	return 0;
}

SEC("raw_tp/kcoh_hold")
int kcoh_hold_rt(struct bpf_raw_tracepoint_args *ctx)
{
	struct vcpu_key key = {};
	struct kcoh_ev_hold *ev;

	if (!vcpu_of((struct kvm_vcpu *)ctx->args[0], &key) ||
	    !ev_reserve(ev, KCOH_EV_HOLD, key.vm, key.idx))
		return 0;
	ev->held = ctx->args[1];
	ev->why = ctx->args[2];
	ev->ns = ctx->args[3];
	ev_submit(ev);
	return 0;
}
