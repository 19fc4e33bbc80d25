/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * trace.h - the module's tracepoints: what BPF programs (raw_tp, arguments in this order) and
 * people (tracefs, /sys/kernel/tracing/events/kcoh) see of it.
 *
 * The prototypes are part of the ABI: a change bumps KCOH_ABI (include/kcoh/abi.h). In tracefs `vm` is the
 * process that made the VM; the argument is the struct kvm, valid during the call.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kcoh

#if !defined(KCOH_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KCOH_TRACE_H

#include <linux/kvm_host.h>
#include <linux/tracepoint.h>

#define kcoh_show_state(state) \
	__print_symbolic(state, { 0, "unknown" }, { 1, "cached" }, { 2, "uncached" }, { 3, "off" })

/* An edge of a dirty epoch over most of the VM's RAM, fired before the ioctl is back in user mode. */
TRACE_EVENT(kcoh_epoch,
	TP_PROTO(struct kvm *kvm, u64 logged_pages, u64 total_pages, u32 start, u32 vcpus,
		 u32 armed, u32 pending),
	TP_ARGS(kvm, logged_pages, total_pages, start, vcpus, armed, pending),
	TP_STRUCT__entry(
		__field(u64, logged_pages)
		__field(u64, total_pages)
		__field(u32, vm)
		__field(u32, start)
		__field(u32, vcpus)
		__field(u32, armed)
		__field(u32, pending)
	),
	TP_fast_assign(
		__entry->logged_pages = logged_pages;
		__entry->total_pages = total_pages;
		__entry->vm = kvm->userspace_pid;
		__entry->start = start;
		__entry->vcpus = vcpus;
		__entry->armed = armed;
		__entry->pending = pending;
	),
	TP_printk("vm=%u %s logged_pages=%llu total_pages=%llu vcpus=%u armed=%u pending=%u",
		  __entry->vm, __entry->start ? "start" : "end", __entry->logged_pages,
		  __entry->total_pages, __entry->vcpus, __entry->armed, __entry->pending)
);

/* A vCPU got the trap (source 2, KCOH_SRC_TRAP) or lost it (3, KCOH_SRC_DISARM), in its own thread. */
TRACE_EVENT(kcoh_arm,
	TP_PROTO(struct kvm_vcpu *vcpu, u64 sctlr, u32 state, u32 source),
	TP_ARGS(vcpu, sctlr, state, source),
	TP_STRUCT__entry(
		__field(u64, sctlr)
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u32, state)
		__field(u32, source)
	),
	TP_fast_assign(
		__entry->sctlr = sctlr;
		__entry->vm = vcpu->kvm->userspace_pid;
		__entry->vcpu = vcpu->vcpu_idx;
		__entry->state = state;
		__entry->source = source;
	),
	TP_printk("vm=%u vcpu=%u %s sctlr=0x%llx state=%s", __entry->vm, __entry->vcpu,
		  __entry->source == 2 ? "armed" : "disarmed", __entry->sctlr,
		  kcoh_show_state(__entry->state))
);

/* SCTLR_EL1.M && .C changed by a trapped write. Writes that change neither fire nothing. */
TRACE_EVENT(kcoh_toggle,
	TP_PROTO(struct kvm_vcpu *vcpu, u64 pc, u64 sctlr, u32 was, u32 now),
	TP_ARGS(vcpu, pc, sctlr, was, now),
	TP_STRUCT__entry(
		__field(u64, pc)
		__field(u64, sctlr)
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u32, was)
		__field(u32, now)
	),
	TP_fast_assign(
		__entry->pc = pc;
		__entry->sctlr = sctlr;
		__entry->vm = vcpu->kvm->userspace_pid;
		__entry->vcpu = vcpu->vcpu_idx;
		__entry->was = was;
		__entry->now = now;
	),
	TP_printk("vm=%u vcpu=%u pc=0x%llx sctlr=0x%llx %s->%s", __entry->vm, __entry->vcpu,
		  __entry->pc, __entry->sctlr, kcoh_show_state(__entry->was),
		  kcoh_show_state(__entry->now))
);

/* A harvest was cleaned, in the task that harvested, before it is back in user mode. */
TRACE_EVENT(kcoh_harvest,
	TP_PROTO(struct kvm *kvm, u32 slot_id, u64 protected, u64 cleaned, u64 absent,
		 u64 no_ram, u64 unclean, u64 extra, u64 untainted, u64 ns),
	TP_ARGS(kvm, slot_id, protected, cleaned, absent, no_ram, unclean, extra, untainted, ns),
	TP_STRUCT__entry(
		__field(u64, protected)
		__field(u64, cleaned)
		__field(u64, absent)
		__field(u64, no_ram)
		__field(u64, unclean)
		__field(u64, extra)
		__field(u64, untainted)
		__field(u64, ns)
		__field(u32, vm)
		__field(u32, slot_id)
	),
	TP_fast_assign(
		__entry->protected = protected;
		__entry->cleaned = cleaned;
		__entry->absent = absent;
		__entry->no_ram = no_ram;
		__entry->unclean = unclean;
		__entry->extra = extra;
		__entry->untainted = untainted;
		__entry->ns = ns;
		__entry->vm = kvm->userspace_pid;
		__entry->slot_id = slot_id;
	),
	TP_printk("vm=%u slot=%u protected=%llu cleaned=%llu absent=%llu no_ram=%llu unclean=%llu extra=%llu untainted=%llu ns=%llu",
		  __entry->vm, __entry->slot_id, __entry->protected, __entry->cleaned,
		  __entry->absent, __entry->no_ram, __entry->unclean,
		  __entry->extra, __entry->untainted, __entry->ns)
);

/* A vCPU is held (held 1, ns: for how long at most) or released (held 0, ns: for how long it was); why: enum kcoh_hold_why. */
TRACE_EVENT(kcoh_hold,
	TP_PROTO(struct kvm_vcpu *vcpu, u32 held, u32 why, u64 ns),
	TP_ARGS(vcpu, held, why, ns),
	TP_STRUCT__entry(
		__field(u64, ns)
		__field(u32, vm)
		__field(u32, vcpu)
		__field(u32, held)
		__field(u32, why)
	),
	TP_fast_assign(
		__entry->ns = ns;
		__entry->vm = vcpu->kvm->userspace_pid;
		__entry->vcpu = vcpu->vcpu_idx;
		__entry->held = held;
		__entry->why = why;
	),
	TP_printk("vm=%u vcpu=%u %s why=%s ns=%llu", __entry->vm, __entry->vcpu,
		  __entry->held ? "held" : "released",
		  __print_symbolic(__entry->why, { 0, "toggle" }, { 1, "asked" }, { 2, "released" },
				   { 3, "epoch-end" }, { 4, "deadline" }, { 5, "closed" }),
		  __entry->ns)
);

/* A run of pages was cleaned and invalidated to the PoC; the maintenance is complete. */
TRACE_EVENT(kcoh_clean,
	TP_PROTO(struct kvm *kvm, u32 slot_id, u64 gfn, u64 pages),
	TP_ARGS(kvm, slot_id, gfn, pages),
	TP_STRUCT__entry(
		__field(u64, gfn)
		__field(u64, pages)
		__field(u32, vm)
		__field(u32, slot_id)
	),
	TP_fast_assign(
		__entry->gfn = gfn;
		__entry->pages = pages;
		__entry->vm = kvm->userspace_pid;
		__entry->slot_id = slot_id;
	),
	TP_printk("vm=%u slot=%u gfn=0x%llx pages=%llu", __entry->vm, __entry->slot_id,
		  __entry->gfn, __entry->pages)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
