// SPDX-License-Identifier: GPL-2.0-only
/*
 * relay.c - the way of each record.
 *
 * A guest of VM 3 turns its MMU off in an epoch, under strategy veto, enforced. One record comes in, and the log has:
 *
 *   toggle   vcpu 1: cached -> uncached       the record
 *   window   mmu-off: open                    the core's view differs from what was shown before
 *   verdict  veto, mmu-off (was allow)        so does this
 *   act      cancel: started                  written by whoever carries acts out
 *
 * Losses. A record says in hdr.gap how many were lost before it; readers get that as a `lost` event of its own. A record
 * that is none (its sizes or values make no sense) is a loss too: the core hears of it with the next TICK.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "relay/relay.h"

struct kcoh_relay {
	struct kcoh_relay_config config;
	uint64_t malformed;
	uint64_t untold; /* records lost by being none, and by what those said of losses */
	uint32_t host_features;
	struct kcoh_smmu_counts smmu;
	struct kcoh_histograms histograms;
};

int kcoh_relay_new(const struct kcoh_relay_config *config, struct kcoh_relay **ret_relay)
{
	struct kcoh_relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return -ENOMEM;
	relay->config = *config;
	relay->histograms = kcoh_histograms_new();
	*ret_relay = relay;
	return 0;
}

void kcoh_relay_free(struct kcoh_relay *relay)
{
	free(relay);
}

uint64_t kcoh_relay_malformed(const struct kcoh_relay *relay)
{
	return relay->malformed;
}

const struct kcoh_smmu_counts *kcoh_relay_smmu(const struct kcoh_relay *relay)
{
	return &relay->smmu;
}

const struct kcoh_histograms *kcoh_relay_histograms(const struct kcoh_relay *relay)
{
	return &relay->histograms;
}

static struct kcoh_entry entry_of(struct kcoh_relay *relay, unsigned int type,
				  const struct kcoh_ev_hdr *hdr, uint32_t vm)
{
	struct kcoh_roster_vm *known = kcoh_roster_find(relay->config.roster, vm);

	return (struct kcoh_entry){ .ts_ns = hdr->ts_ns,
				    .vm = vm,
				    .vcpu = KCOH_VCPU_NONE,
				    .type = (uint16_t)type,
				    .ident = known ? known->ident : NULL };
}

static void lost_log(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_entry entry = entry_of(relay, KCOH_ENTRY_LOST, hdr, KCOH_VM_NONE);

	entry.lost.count = hdr->gap;
	kcoh_log_add(relay->config.log, &entry);
}

/* Ticks, ends of acts and overrides are no news: who carries acts out, and who keeps overrides, writes about these in words. */
static bool is_news(const union kcoh_ev *ev)
{
	return ev->hdr.type != KCOH_EV_TICK && ev->hdr.type != KCOH_EV_ACT_DONE &&
	       ev->hdr.type != KCOH_EV_OVERRIDE &&
	       ev->hdr.type != KCOH_EV_HARVEST && /* harvests_show() */
	       strcmp(kcoh_ev_name(ev->hdr.type), "?");
}

static void record_log(struct kcoh_relay *relay, const union kcoh_ev *ev)
{
	struct kcoh_entry entry = entry_of(relay, ev->hdr.type, &ev->hdr, ev->hdr.vm);

	if (ev->hdr.gap)
		lost_log(relay, &ev->hdr);
	if (!is_news(ev))
		return;
	entry.vcpu = ev->hdr.vcpu;
	entry.ev = *ev;
	kcoh_log_add(relay->config.log, &entry);
}

static void harvest_log(struct kcoh_relay *relay, uint32_t vm, const struct kcoh_harvest_sum *sum)
{
	struct kcoh_entry entry = entry_of(relay, KCOH_ENTRY_HARVEST, &sum->sum.hdr, vm);

	entry.harvest = *sum;
	kcoh_log_add(relay->config.log, &entry);
}

static void harvests_show(struct kcoh_relay *relay, struct kcoh_roster_vm *vm, bool all)
{
	struct kcoh_harvest_sum due;

	for (int source = 0; source < KCOH_HARVEST_SOURCES; source++) {
		if (kcoh_harvests_due(&vm->harvests, source, vm->shown.in_epoch, all, &due))
			harvest_log(relay, vm->ident->id, &due);
	}
}

static void harvest_count(struct kcoh_histograms *histograms, const struct kcoh_ev_harvest *ev)
{
	if (ev->source == KCOH_HARVEST_BY_MODULE) {
		kcoh_histogram_add(&histograms->cleaning_time, ev->ns);
		return;
	}
	kcoh_histogram_add(&histograms->harvest_time, ev->ns);
	kcoh_histogram_add(&histograms->harvest_pages, ev->pages);
}

static void harvest_take(struct kcoh_relay *relay, const struct kcoh_ev_harvest *ev)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(relay->config.roster, ev->hdr.vm);
	struct kcoh_harvest_sum before;
	struct kcoh_vm_view view;

	if (!vm || kcoh_core_vm(relay->config.core, ev->hdr.vm, &view) < 0)
		return;
	harvest_count(&relay->histograms, ev);
	if (kcoh_harvests_add(&vm->harvests, ev, &view, &before))
		harvest_log(relay, ev->hdr.vm, &before);
	harvests_show(relay, vm, false);
}

static void harvests_tick(struct kcoh_relay *relay, uint64_t now_ns)
{
	struct kcoh_roster_vm *vm;

	for (size_t i = 0; (vm = kcoh_roster_at(relay->config.roster, i)); i++) {
		kcoh_harvests_tick(&vm->harvests, now_ns);
		harvests_show(relay, vm, false);
	}
}

static void smmu_take(struct kcoh_relay *relay, const struct kcoh_ev_smmu *ev)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(relay->config.roster, ev->hdr.vm);

	kcoh_smmu_counts_add(&relay->smmu, ev);
	if (vm)
		vm->smmu_events += ev->count;
}

static uint64_t window_ns(const struct kcoh_ev_hdr *hdr, uint64_t since_ns)
{
	return hdr->ts_ns > since_ns ? hdr->ts_ns - since_ns : 0;
}

static void window_log(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr,
		       const struct kcoh_roster_vm *vm, uint32_t window_class, bool open)
{
	struct kcoh_entry entry = entry_of(relay, KCOH_ENTRY_WINDOW, hdr, vm->ident->id);

	entry.window.window_class = window_class;
	entry.window.open = open;
	if (!open)
		entry.window.open_ns = window_ns(hdr, vm->shown.window_since_ns[window_class]);
	kcoh_log_add(relay->config.log, &entry);
}

/*
 * Windows of that class that closed since this VM was shown last. The core adds them up; if several closed in one step, all
 * but the first one began in it, too, and were of length 0.
 */
static void windows_count(struct kcoh_relay *relay, struct kcoh_vm_shown *shown,
			  const struct kcoh_vm_view *view, uint32_t window_class)
{
	uint64_t closed = view->windows[window_class] - (view->windows_open >> window_class & 1);

	for (; shown->windows_closed[window_class] < closed;
	     shown->windows_closed[window_class]++) {
		kcoh_histogram_add(&relay->histograms.windows[window_class],
				   view->window_ns[window_class] - shown->window_ns[window_class]);
		shown->window_ns[window_class] = view->window_ns[window_class];
	}
}

static void windows_show(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr,
			 struct kcoh_roster_vm *vm, const struct kcoh_vm_view *view)
{
	uint32_t changed = vm->shown.windows_open ^ view->windows_open;

	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		if (changed & 1u << i)
			window_log(relay, hdr, vm, i, view->windows_open & 1u << i);
		windows_count(relay, &vm->shown, view, i);
		vm->shown.window_since_ns[i] = view->window_since_ns[i];
	}
	vm->shown.windows_open = view->windows_open;
}

/* With the module there, its own record tells the epoch, and more than this could. */
static void epoch_show(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr,
		       struct kcoh_roster_vm *vm, const struct kcoh_vm_view *view)
{
	struct kcoh_entry entry = entry_of(relay, KCOH_ENTRY_EPOCH, hdr, vm->ident->id);

	if (vm->shown.in_epoch == view->in_epoch)
		return;
	harvests_show(relay, vm, true);
	vm->shown.in_epoch = view->in_epoch;
	if (relay->host_features & KCOH_HOST_MODULE)
		return;
	entry.epoch = (struct kcoh_entry_epoch){ .start = view->in_epoch,
						 .logged_pages = view->logged_pages,
						 .total_pages = view->ram_pages };
	kcoh_log_add(relay->config.log, &entry);
}

static void verdict_show(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr,
			 struct kcoh_roster_vm *vm, const struct kcoh_vm_view *view)
{
	struct kcoh_entry entry = entry_of(relay, KCOH_ENTRY_VERDICT, hdr, vm->ident->id);
	struct kcoh_vm_shown *shown = &vm->shown;

	if (shown->known && shown->verdict == view->verdict.kind &&
	    shown->reason == view->verdict.reason && shown->overrides == view->verdict.overrides)
		return;
	entry.verdict = (struct kcoh_entry_verdict){ .now = view->verdict,
						     .first = !shown->known,
						     .was = shown->verdict,
						     .was_reason = shown->reason };
	shown->known = true;
	shown->verdict = view->verdict.kind;
	shown->reason = view->verdict.reason;
	shown->overrides = view->verdict.overrides;
	kcoh_log_add(relay->config.log, &entry);
}

static void vm_show(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr,
		    struct kcoh_roster_vm *vm)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(relay->config.core, vm->ident->id, &view) < 0)
		return;
	vm->shown.has_memory = view.slots;
	epoch_show(relay, hdr, vm, &view);
	windows_show(relay, hdr, vm, &view);
	verdict_show(relay, hdr, vm, &view);
}

/* A window that was open ends with its VM. */
static void vm_end(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(relay->config.roster, hdr->vm);

	if (!vm)
		return;
	harvests_show(relay, vm, true);
	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		if (!(vm->shown.windows_open & 1u << i))
			continue;
		window_log(relay, hdr, vm, i, false);
		kcoh_histogram_add(&relay->histograms.windows[i],
				   window_ns(hdr, vm->shown.window_since_ns[i]));
	}
	if (relay->config.gone)
		relay->config.gone(relay->config.ctx, vm->ident);
}

/* At the end of a scan the core drops VMs that are not there any more: the record of their end was lost. */
static void vms_sweep(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_roster *roster = relay->config.roster;
	struct kcoh_vm_view view;

	for (size_t i = kcoh_roster_count(roster); i--;) {
		uint32_t id = kcoh_roster_at(roster, i)->ident->id;
		union kcoh_ev gone = { .vm_gone = { .hdr = *hdr } };

		if (kcoh_core_vm(relay->config.core, id, &view) == 0)
			continue;
		gone.hdr.type = KCOH_EV_VM_GONE;
		gone.hdr.size = sizeof(gone.vm_gone);
		gone.hdr.vm = id;
		gone.hdr.gap = 0;
		vm_end(relay, &gone.hdr);
		record_log(relay, &gone);
		kcoh_roster_remove(roster, id);
	}
}

/* A record of a VM touches that VM, but a loss, a tick and host facts touch all. */
static void changes_show(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_roster *roster = relay->config.roster;
	struct kcoh_roster_vm *vm;

	if (hdr->vm != KCOH_VM_NONE && !hdr->gap) {
		vm = kcoh_roster_find(roster, hdr->vm);
		if (vm)
			vm_show(relay, hdr, vm);
		return;
	}
	for (size_t i = 0; (vm = kcoh_roster_at(roster, i)); i++)
		vm_show(relay, hdr, vm);
}

static void vm_learn(struct kcoh_relay *relay, const union kcoh_ev *ev)
{
	struct kcoh_ident *ident = relay->config.identify(relay->config.ctx, &ev->vm_new);

	if (ident)
		kcoh_roster_add(relay->config.roster, ident);
}

static int step(struct kcoh_relay *relay, const union kcoh_ev *ev);

static struct kcoh_ev_policy policy_of(struct kcoh_relay *relay, const struct kcoh_roster_vm *vm)
{
	struct kcoh_ev_policy ev = { .hdr = { .vm = vm->ident->id,
					      .vcpu = KCOH_VCPU_NONE,
					      .type = KCOH_EV_POLICY,
					      .size = sizeof(ev) } };

	relay->config.policy(relay->config.ctx, vm->ident, &ev);
	return ev;
}

static void policy_tell(struct kcoh_relay *relay, struct kcoh_roster_vm *vm,
			const struct kcoh_ev_policy *policy, uint64_t ts_ns)
{
	union kcoh_ev ev = { .policy = *policy };

	vm->policy = *policy;
	ev.hdr.ts_ns = ts_ns;
	step(relay, &ev);
}

static void policy_push(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(relay->config.roster, hdr->vm);
	struct kcoh_ev_policy policy;

	if (!vm)
		return;
	policy = policy_of(relay, vm);
	policy_tell(relay, vm, &policy, hdr->ts_ns);
}

/* Given to a core before this one. */
static void override_push(struct kcoh_relay *relay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(relay->config.roster, hdr->vm);
	union kcoh_ev ev = { .override = { .hdr = { .ts_ns = hdr->ts_ns,
						    .vm = hdr->vm,
						    .vcpu = KCOH_VCPU_NONE,
						    .type = KCOH_EV_OVERRIDE,
						    .size = sizeof(ev.override) } } };

	if (vm && relay->config.override &&
	    relay->config.override(relay->config.ctx, vm->ident, &ev.override))
		step(relay, &ev);
}

size_t kcoh_relay_policies(struct kcoh_relay *relay, uint64_t ts_ns)
{
	struct kcoh_roster_vm *vm;
	size_t changed = 0;

	for (size_t i = 0; (vm = kcoh_roster_at(relay->config.roster, i)); i++) {
		struct kcoh_ev_policy policy = policy_of(relay, vm);

		if (!memcmp(&policy, &vm->policy, sizeof(policy)))
			continue;
		changed++;
		policy_tell(relay, vm, &policy, ts_ns);
	}
	return changed;
}

/* The core took it. A new VM is shown when it has its policy, and one that goes while it still has its name. */
static void accepted(struct kcoh_relay *relay, const union kcoh_ev *ev)
{
	switch (ev->hdr.type) {
	case KCOH_EV_VM_NEW:
		vm_learn(relay, ev);
		record_log(relay, ev);
		policy_push(relay, &ev->hdr);
		override_push(relay, &ev->hdr);
		break;
	case KCOH_EV_VM_GONE:
		vm_end(relay, &ev->hdr);
		record_log(relay, ev);
		kcoh_roster_remove(relay->config.roster, ev->hdr.vm);
		break;
	case KCOH_EV_HARVEST:
		record_log(relay, ev); /* what it says of losses */
		harvest_take(relay, &ev->harvest);
		break;
	case KCOH_EV_TICK:
		record_log(relay, ev);
		harvests_tick(relay, ev->hdr.ts_ns);
		break;
	case KCOH_EV_SMMU:
		smmu_take(relay, &ev->smmu);
		record_log(relay, ev);
		break;
	case KCOH_EV_HOST:
		relay->host_features = ev->host.features;
		record_log(relay, ev);
		break;
	default:
		record_log(relay, ev);
	}
	if (ev->hdr.type == KCOH_EV_SCAN && ev->scan.done)
		vms_sweep(relay, &ev->hdr);
	changes_show(relay, &ev->hdr);
}

static int step(struct kcoh_relay *relay, const union kcoh_ev *ev)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	int n = kcoh_core_step(relay->config.core, &ev->hdr, sizeof(*ev), acts, KCOH_CORE_MAX_ACTS);

	if (n < 0) {
		relay->malformed++;
		relay->untold += 1ull + ev->hdr.gap;
		return n;
	}
	if (relay->config.took)
		relay->config.took(relay->config.ctx, ev, acts, n);
	accepted(relay, ev);
	for (int i = 0; i < n; i++)
		relay->config.act(relay->config.ctx, &acts[i]);
	return 0;
}

int kcoh_relay_push(struct kcoh_relay *relay, const struct kcoh_ev_hdr *ev, size_t len)
{
	union kcoh_ev record = { 0 };

	memcpy(&record, ev, len < sizeof(record) ? len : sizeof(record));
	if (len < sizeof(record.hdr) || record.hdr.size > len)
		record.hdr.size = 0;
	return step(relay, &record);
}

void kcoh_relay_tick(struct kcoh_relay *relay, uint64_t ts_ns)
{
	uint64_t gap = relay->untold;
	union kcoh_ev ev = { .tick = { .hdr = { .ts_ns = ts_ns,
						.vcpu = KCOH_VCPU_NONE,
						.type = KCOH_EV_TICK,
						.size = sizeof(ev.tick) } } };

	ev.hdr.gap = gap < UINT32_MAX ? (uint32_t)gap : UINT32_MAX;
	relay->untold = 0;
	step(relay, &ev);
}
