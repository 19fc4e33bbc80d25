// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoch.c - dirty epochs of a VM, and the arming of its vCPUs in them.
 *
 * An epoch is on while most of the writable RAM is logged (kcoh_epoch_covers_ram). It begins and
 * ends only when the sum of logged pages changes (or when the module says that it began): memory
 * that is plugged in during a migration does not end the epoch. What was judged while records were
 * lost is judged again when a scan has read the slots.
 *
 * In an epoch the module traps SCTLR_EL1 writes of each vCPU. Until that is so, nothing is
 * claimed: every vCPU that is not off owes an exact record (source TRAP) from the epoch's start
 * on, and the verdict is WAIT/ARMING. What settles the debt:
 *
 *   VCPU or TOGGLE with source TRAP   of that vCPU
 *   EPOCH start=1                     of all: the module promises, when the ioctl that began the
 *                                     epoch returns, that no vCPU enters the guest untrapped from
 *                                     here on. Its `pending` vCPUs sleep in the kernel: their
 *                                     sampled state is exact until their TRAP record comes, maybe
 *                                     much later (an idle vCPU in WFI). Where it cannot promise,
 *                                     the module says nothing
 *   the vCPU is off                   its RESET (PSCI CPU_ON) makes it owe again
 *
 * If it is not settled by arm_since + arm_deadline_ms, the epoch is blind to its end
 * (ARM_TIMEOUT). With no vCPU known to run, the module's first sign of life (EPOCH, or any TRAP
 * record) is waited for all the same: a vCPU in its first run may not have been sampled yet.
 * Owing is not being unknown: it opens no window by itself.
 *
 * Order. The records of an epoch's start are usually: MEMSLOT, the VCPU records of the vCPUs' own
 * threads, EPOCH. Two hooks on one kernel function run in any order, so a TRAP record may come
 * before the MEMSLOT record: the vCPU is then trapped already when the epoch begins, and owes
 * nothing. Likewise at the end a DISARM may come first: the vCPU owes, the verdict waits for a
 * moment, and the MEMSLOT record ends it all. A DISARM that is not followed by the epoch's end
 * but by another TRAP was a hole in the watch: the epoch is blind. One that is followed by
 * nothing runs into the deadline. A trap still set from the epoch before counts, for it sees
 * every edge.
 *
 * A page that the module could not clean makes the epoch `failed`, also when that is told after its end.
 */
#include "core/state.h"
#include "kcoh/smmu.h"

#define LATE_NS (3 * SEC_NS) /* by then after its end all is told (kcohd looks once a second) */
#define TOLD_NS (10 * SEC_NS) /* and stands in the verdict for so long */

static void owe(struct kcoh_core *core, struct vm *vm, struct vcpu *vcpu, bool owes)
{
	if (owes == !!(vcpu->arm & ARM_OWED))
		return;
	vcpu->arm ^= ARM_OWED;
	if (!owes) {
		vm->epoch.owed--;
		return;
	}
	if (!vm->epoch.owed++ && vm->epoch.reported)
		vm->epoch.arm_since_ns = core->now_ns;
}

static bool is_runnable(const struct vcpu *vcpu)
{
	return vcpu->known && vcpu->state != KCOH_OFF;
}

static void owe_all(struct kcoh_core *core, struct vm *vm, bool owes)
{
	struct vcpu *vcpus = kcoh_vcpus_of(core, vm);
	uint32_t i;

	for (i = 0; i < vm->vcpu_top; i++)
		if (is_runnable(&vcpus[i]))
			owe(core, vm, &vcpus[i], owes);
}

static void begin_vcpus(struct kcoh_core *core, struct vm *vm)
{
	struct vcpu *vcpus = kcoh_vcpus_of(core, vm);
	uint32_t i;

	for (i = 0; i < vm->vcpu_top; i++) {
		vcpus[i].arm = 0;
		if (is_runnable(&vcpus[i]) && vcpus[i].source != KCOH_SRC_TRAP)
			owe(core, vm, &vcpus[i], true);
	}
}

static void begin(struct kcoh_core *core, struct vm *vm, bool late)
{
	vm->epoch = (struct epoch){
		.since_ns = core->now_ns,
		.begun_ns = core->record_ns,
		.arm_since_ns = core->now_ns,
		.count = vm->epoch.count + 1,
		.classes = vm->open,
		.on = true,
		.doubtful = !vm->known,
		.unclean = late || !kcoh_cleaned_then(core, vm, core->record_ns),
		.tainted = vm->give.tainted,
	};
	vm->judged_pages = vm->logged_pages;
	if (late)
		vm->blind |= BLIND_LATE;
	begin_vcpus(core, vm);
	kcoh_acts_epoch(vm);
}

static void end(const struct kcoh_core *core, struct vm *vm)
{
	vm->epoch.on = false;
	vm->epoch.failed = false;
	vm->epoch.end_ns = vm->epoch.doubtful ? 0 : core->now_ns;
	vm->epoch.classes = 0;
	vm->blind &= ~(BLIND_LATE | BLIND_ARM);
	if (vm->known)
		vm->blind &= ~BLIND_LOST;
}

static bool covers_ram(const struct vm *vm)
{
	return kcoh_epoch_covers_ram(vm->logged_pages, vm->ram_pages);
}

/* What was judged while slots were unknown: a framebuffer that is logged may have looked like all of the RAM. */
static bool is_doubtful(const struct vm *vm)
{
	return vm->epoch.on ? vm->epoch.doubtful : vm->blind & BLIND_LOST;
}

/* After a change of slots. `late`: it was not seen when it happened. */
void kcoh_epoch_judge(struct kcoh_core *core, struct vm *vm, bool late)
{
	if (vm->blind & BLIND_SYNC)
		return;
	if (vm->logged_pages == vm->judged_pages && !(late && is_doubtful(vm)))
		return;
	vm->judged_pages = vm->logged_pages;
	if (covers_ram(vm) == vm->epoch.on)
		return;
	if (vm->epoch.on)
		end(core, vm);
	else
		begin(core, vm, late);
}

/*
 * What the module says at an edge. A start that we have not seen: if the slots bear it out (RAM was
 * taken away, and what is left is logged), it is one; if not, the slots are not what they seem. An
 * end while RAM is still logged means that the module gave up: all owe.
 */
void kcoh_epoch_told(struct kcoh_core *core, struct vm *vm, const struct kcoh_ev_epoch *ev)
{
	if (vm->blind & BLIND_SYNC)
		return;
	if (!vm->epoch.on && !ev->start)
		return;
	if (!vm->epoch.on && !covers_ram(vm)) {
		kcoh_sync_suspect(core, vm);
		return;
	}
	if (!vm->epoch.on)
		begin(core, vm, false);
	vm->epoch.reported = true;
	owe_all(core, vm, !ev->start);
}

static bool is_just_over(const struct kcoh_core *core, const struct epoch *epoch)
{
	return epoch->end_ns && core->now_ns < after_ns(epoch->end_ns, LATE_NS);
}

/*
 * A page that could not be cleaned was marked dirty again by the module, so another harvest takes it; but
 * this may have been the last one, and nobody tells. Of an epoch that is over it is told for a while: whoever waited for the
 * migration's end must hear of it, and the next migration is another matter.
 */
static void fails(const struct kcoh_core *core, struct vm *vm)
{
	struct epoch *epoch = &vm->epoch;

	if (!epoch->on && !is_just_over(core, epoch))
		return;
	epoch->failed = true;
	if (!epoch->on)
		epoch->told_until_ns = after_ns(core->now_ns, TOLD_NS);
}

void kcoh_epoch_harvested(const struct kcoh_core *core, struct vm *vm,
			  const struct kcoh_ev_harvest *ev)
{
	if (ev->source == KCOH_HARVEST_BY_MODULE && ev->unclean)
		fails(core, vm);
}

void kcoh_epoch_span(struct vm *vm)
{
	if (vm->epoch.on)
		return;
	vm->epoch.end_ns = 0;
	vm->epoch.failed = false;
}

/* Pages that no record told of: they may be any VM's that is, or just was, in an epoch. */
void kcoh_epochs_unclean(struct kcoh_core *core)
{
	uint32_t i;
	struct vm *vm;

	for (i = 0; i < core->entries; i++) {
		vm = kcoh_vm_of_entry(core, i);
		if (vm)
			fails(core, vm);
	}
}

bool kcoh_epoch_failed(const struct kcoh_core *core, const struct vm *vm)
{
	const struct epoch *epoch = &vm->epoch;

	return epoch->failed && (epoch->on || core->now_ns < epoch->told_until_ns);
}

/*
 * What a device writes goes past KVM's dirty log, and so do its faults. A write that the SMMU ended is lost to the guest, one that
 * it stalls may be done when the last page was sent. Where it is not known what the transaction was (no such field in the record, or
 * one that stands for several), it was a write.
 */
void kcoh_epoch_faulted(struct vm *vm, const struct kcoh_ev_smmu *ev)
{
	struct kcoh_smmu_fault fault;

	kcoh_smmu_decode(ev->raw, &fault);
	if (ev->kind == KCOH_SMMU_EVENT && fault.has & KCOH_SMMU_HAS_RNW && fault.read &&
	    !fault.stall)
		return;
	if (vm->epoch.on)
		vm->epoch.device = true;
}

static void report(struct kcoh_core *core, struct vm *vm, struct vcpu *vcpu)
{
	if (vcpu->arm & ARM_HOLE)
		vm->blind |= BLIND_ARM;
	vm->epoch.reported = true;
	owe(core, vm, vcpu, false);
	vcpu->arm |= ARM_HERE;
}

/* After a record of a vCPU. `started`: it was off, or is to report anew. */
void kcoh_epoch_vcpu(struct kcoh_core *core, struct vm *vm, struct vcpu *vcpu, bool started)
{
	if (!vm->epoch.on || !(core->host & KCOH_HOST_TRAP))
		return;
	if (vcpu->state == KCOH_OFF) {
		owe(core, vm, vcpu, false);
	} else if (vcpu->source == KCOH_SRC_TRAP) {
		report(core, vm, vcpu);
	} else if (vcpu->source == KCOH_SRC_DISARM) {
		if (vcpu->arm & ARM_HERE)
			vcpu->arm |= ARM_HOLE;
		owe(core, vm, vcpu, true);
	} else if (started) {
		owe(core, vm, vcpu, true);
	}
}

bool kcoh_epoch_arming(const struct kcoh_core *core, const struct vm *vm)
{
	return vm->epoch.on && (core->host & KCOH_HOST_TRAP) && !(vm->blind & BLIND_LATE) &&
	       (vm->epoch.owed || !vm->epoch.reported);
}

uint64_t kcoh_epoch_deadline(const struct vm *vm)
{
	return after_ns(vm->epoch.arm_since_ns, vm->policy.arm_deadline_ms * MS_NS);
}
