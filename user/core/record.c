// SPDX-License-Identifier: GPL-2.0-only
/*
 * record.c - is this a record? Everything the core believes of its input is checked here, once.
 *
 * A record comes from BPF, from the daemon, or from a file that somebody made up. It is copied
 * first (so that it may be unaligned, and cannot change while it is judged), then checked: size
 * against type, what it names against what the type is about, and each field that is an enum, a
 * count or an address against its range. Padding is not looked at, so that it can get a meaning
 * later. A TOGGLE of 47 bytes, one of the host, or one from cached to cached is refused.
 *
 * Addresses are limited to what an arm64 guest can have (52-bit IPA, 4 KiB pages), with room to
 * spare, so that sums of pages over all slots of a VM cannot overflow: 2^48 pages x 2^15 slots =
 * 2^63.
 */
#include <errno.h>
#include <string.h>

#include "core/record.h"

#define MAX_PAGES (1ull << 48)
#define MAX_HOLD_MS 600000u /* what the module takes */
#define MAX_GFN (1ull << 52)
#define TOLERATE_ALL (KCOH_TOLERATE_NO_MODULE | KCOH_TOLERATE_BLIND)

struct kind {
	uint16_t size;
	uint8_t scope; /* enum scope */
	bool (*valid)(const union kcoh_ev *ev);
};

static bool vm_new_valid(const union kcoh_ev *ev)
{
	return ev->vm_new.existing <= 1 && !ev->vm_new.comm[KCOH_COMM_LEN - 1];
}

static bool vcpu_valid(const union kcoh_ev *ev)
{
	return ev->vcpu.state <= KCOH_OFF && ev->vcpu.source <= KCOH_SRC_DISARM;
}

static bool edge_valid(uint8_t was, uint8_t now)
{
	return (was == KCOH_CACHED && now == KCOH_UNCACHED) ||
	       (was == KCOH_UNCACHED && now == KCOH_CACHED);
}

static bool toggle_valid(const union kcoh_ev *ev)
{
	return edge_valid(ev->toggle.was, ev->toggle.now) &&
	       (ev->toggle.source == KCOH_SRC_TRAP || ev->toggle.source == KCOH_SRC_KVM);
}

static bool set_way_valid(const union kcoh_ev *ev)
{
	return ev->set_way.cached <= 1 && ev->set_way.cleaned <= 1;
}

static bool reset_valid(const union kcoh_ev *ev)
{
	return ev->reset.kind <= KCOH_RESET_SET_SCTLR && ev->reset.has_run <= 1;
}

static bool memslot_valid(const union kcoh_ev *ev)
{
	const struct kcoh_ev_memslot *slot = &ev->memslot;

	return slot->change <= KCOH_SLOT_FOUND && slot->pages <= MAX_PAGES &&
	       slot->base_gfn <= MAX_GFN && (slot->pages || slot->change == KCOH_SLOT_DELETE);
}

static bool epoch_valid(const union kcoh_ev *ev)
{
	const struct kcoh_ev_epoch *epoch = &ev->epoch;

	return epoch->start <= 1 && epoch->armed <= epoch->vcpus &&
	       epoch->pending <= epoch->vcpus && epoch->logged_pages <= epoch->total_pages;
}

static bool harvest_valid(const union kcoh_ev *ev)
{
	const struct kcoh_ev_harvest *harvest = &ev->harvest;

	return harvest->kind <= KCOH_HARVEST_START && harvest->source <= KCOH_HARVEST_BY_MODULE &&
	       harvest->initially_set <= 1 && harvest->pages <= MAX_PAGES;
}

static bool hold_valid(const union kcoh_ev *ev)
{
	return ev->hold.held <= 1 && ev->hold.why <= KCOH_HOLD_CLOSED;
}

static bool scan_valid(const union kcoh_ev *ev)
{
	return ev->scan.done <= 1;
}

static bool unmap_valid(const union kcoh_ev *ev)
{
	return ev->unmap.kind <= KCOH_UNMAP_FOLLOWED && ev->unmap.unmaps;
}

static bool psci_valid(const union kcoh_ev *ev)
{
	return ev->psci.call > KCOH_PSCI_OTHER && ev->psci.call <= KCOH_PSCI_SYSTEM_SUSPEND;
}

/* A text that ends. */
static bool text_valid(const char text[KCOH_DEVICE_LEN])
{
	return !text[KCOH_DEVICE_LEN - 1];
}

static bool smmu_valid(const union kcoh_ev *ev)
{
	return ev->smmu.kind <= KCOH_SMMU_LOST && ev->smmu.count && text_valid(ev->smmu.device) &&
	       text_valid(ev->smmu.smmu);
}

static bool device_valid(const union kcoh_ev *ev)
{
	return ev->device.state <= KCOH_DEVICE_RELEASED && ev->device.via <= KCOH_VIA_IOMMUFD &&
	       text_valid(ev->device.device) && text_valid(ev->device.smmu);
}

static bool policy_valid(const union kcoh_ev *ev)
{
	return ev->policy.strategy <= KCOH_STRATEGY_RETRY &&
	       ev->policy.guard <= KCOH_GUARD_ENFORCE && ev->policy.can_cancel <= 1 &&
	       ev->policy.last_resort <= 1 && ev->policy.hold_ms <= MAX_HOLD_MS &&
	       ev->policy.tolerate <= TOLERATE_ALL &&
	       (ev->policy.hold_ms || ev->policy.strategy != KCOH_STRATEGY_HOLD);
}

static bool phase_valid(const union kcoh_ev *ev)
{
	return ev->phase.phase <= KCOH_PHASE_POSTCOPY;
}

static bool act_done_valid(const union kcoh_ev *ev)
{
	return ev->act_done.result <= 0;
}

static bool always(const union kcoh_ev *ev)
{
	(void)ev;
	return true;
}

#define KIND(member, scope, valid)                                                                 \
	{                                                                                          \
		sizeof(((union kcoh_ev *)NULL)->member), scope, valid                              \
	}

static const struct kind kinds[] = {
	[KCOH_EV_VM_NEW] = KIND(vm_new, SCOPE_VM, vm_new_valid),
	[KCOH_EV_VM_GONE] = KIND(vm_gone, SCOPE_VM, always),
	[KCOH_EV_VCPU] = KIND(vcpu, SCOPE_VCPU, vcpu_valid),
	[KCOH_EV_TOGGLE] = KIND(toggle, SCOPE_VCPU, toggle_valid),
	[KCOH_EV_SET_WAY] = KIND(set_way, SCOPE_VCPU, set_way_valid),
	[KCOH_EV_RESET] = KIND(reset, SCOPE_VCPU, reset_valid),
	[KCOH_EV_MEMSLOT] = KIND(memslot, SCOPE_VM, memslot_valid),
	[KCOH_EV_EPOCH] = KIND(epoch, SCOPE_VM, epoch_valid),
	[KCOH_EV_HARVEST] = KIND(harvest, SCOPE_VM, harvest_valid),
	[KCOH_EV_HOLD] = KIND(hold, SCOPE_VCPU, hold_valid),
	[KCOH_EV_SCAN] = KIND(scan, SCOPE_HOST, scan_valid),
	[KCOH_EV_UNMAP] = KIND(unmap, SCOPE_VM, unmap_valid),
	[KCOH_EV_PSCI] = KIND(psci, SCOPE_VCPU, psci_valid),
	[KCOH_EV_SMMU] = KIND(smmu, SCOPE_EITHER, smmu_valid),
	[KCOH_EV_DEVICE] = KIND(device, SCOPE_EITHER, device_valid),
	[KCOH_EV_HOST] = KIND(host, SCOPE_HOST, always),
	[KCOH_EV_POLICY] = KIND(policy, SCOPE_EITHER, policy_valid),
	[KCOH_EV_PHASE] = KIND(phase, SCOPE_VM, phase_valid),
	[KCOH_EV_TICK] = KIND(tick, SCOPE_HOST, always),
	[KCOH_EV_ACT_DONE] = KIND(act_done, SCOPE_EITHER, act_done_valid),
	[KCOH_EV_OVERRIDE] = KIND(override, SCOPE_VM, always),
	[KCOH_EV_UNCLEAN] = KIND(unclean, SCOPE_HOST, always),
};

static const struct kind *kind_of(uint16_t type)
{
	if (type >= sizeof(kinds) / sizeof(kinds[0]) || kinds[type].scope == SCOPE_UNKNOWN)
		return NULL;
	return &kinds[type];
}

static bool names_fit(enum scope scope, const struct kcoh_ev_hdr *hdr)
{
	switch (scope) {
	case SCOPE_HOST:
		return hdr->vm == KCOH_VM_NONE;
	case SCOPE_VM:
		return hdr->vm != KCOH_VM_NONE;
	case SCOPE_VCPU:
		return hdr->vm != KCOH_VM_NONE && hdr->vcpu != KCOH_VCPU_NONE;
	default:
		return true;
	}
}

static bool header_valid(const struct kcoh_ev_hdr *hdr, size_t len)
{
	return hdr->size >= sizeof(*hdr) && hdr->size % 8 == 0 && hdr->size <= len;
}

int kcoh_record_read(const struct kcoh_ev_hdr *ev, size_t len, union kcoh_ev *ret_ev,
		     enum scope *ret_scope)
{
	const struct kind *kind;

	if (len < sizeof(ret_ev->hdr))
		return -EINVAL;
	memset(ret_ev, 0, sizeof(*ret_ev));
	memcpy(ret_ev, ev, sizeof(ret_ev->hdr));
	if (!header_valid(&ret_ev->hdr, len))
		return -EINVAL;
	kind = kind_of(ret_ev->hdr.type);
	*ret_scope = kind ? (enum scope)kind->scope : SCOPE_UNKNOWN;
	if (!kind)
		return 0;
	if (ret_ev->hdr.size != kind->size)
		return -EINVAL;
	memcpy(ret_ev, ev, kind->size);
	return names_fit(*ret_scope, &ret_ev->hdr) && kind->valid(ret_ev) ? 0 : -EINVAL;
}
