// SPDX-License-Identifier: GPL-2.0-only
/*
 * vm_json.c - a VM and its verdict as JSON.
 *
 * Everything comes from the core's view at the moment of the request; nothing is kept here. Times are
 * CLOCK_MONOTONIC nanoseconds like those of events. What is not so now is null (no epoch), not left out,
 * so that a reader can tell 'no' from 'an older kcohd did not say'.
 */
#include "serve/event_json.h"
#include "serve/vm_json.h"

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)(value & INT64_MAX));
}

static json_t *vcpu_json(const struct kcoh_vcpu_view *vcpu)
{
	return json_pack("{s:i, s:s, s:s, s:o, s:o}", "index", (int)vcpu->index, "state",
			 kcoh_cache_state_name(vcpu->state), "source",
			 kcoh_source_name(vcpu->source), "sctlr", kcoh_json_hex(vcpu->sctlr),
			 "since_ns", number(vcpu->since_ns));
}

static json_t *windows_json(const struct kcoh_vm_view *view)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		bool open = view->windows_open & 1u << i;

		json_array_append_new(
			array, json_pack("{s:s, s:b, s:o, s:o, s:o}", "class", kcoh_window_name(i),
					 "open", (int)open, "since_ns",
					 open ? number(view->window_since_ns[i]) : json_null(),
					 "count", number(view->windows[i]), "closed_ns",
					 number(view->window_ns[i])));
	}
	return array;
}

static json_t *epoch_json(const struct kcoh_vm_view *view)
{
	if (!view->in_epoch)
		return json_null();
	return json_pack("{s:o, s:b}", "since_ns", number(view->epoch_since_ns), "armed",
			 (int)view->armed);
}

/* Those that are not 0, by name. */
static json_t *counts_json(const uint64_t *counts, uint32_t n, const char *(*name)(uint32_t i))
{
	json_t *object = json_object();

	for (uint32_t i = 0; i < n; i++) {
		if (counts[i])
			json_object_set_new(object, name(i), number(counts[i]));
	}
	return object;
}

/* {"irq": [[12, 40], [13, 2]]}: 40 times from 2^12 to 2^13 - 1 ns, … */
static json_t *times_json(const struct kcoh_exit_counts *counts)
{
	json_t *object = json_object();

	for (uint32_t row = 0; row < KCOH_EXIT_TIMES; row++) {
		json_t *buckets = json_array();

		for (uint32_t i = 0; i < KCOH_EXIT_BUCKETS; i++) {
			if (counts->times[row][i])
				json_array_append_new(
					buckets,
					json_pack("[i, o]", (int)i, number(counts->times[row][i])));
		}
		if (json_array_size(buckets))
			json_object_set_new(object, kcoh_exit_time_name(row), buckets);
		else
			json_decref(buckets);
	}
	return object;
}

/* `total` is null if this is not counted apart. */
static json_t *exits_json(const struct kcoh_vm_facts *facts, uint16_t vcpu)
{
	struct kcoh_exit_counts counts = { 0 };
	uint64_t total = 0;
	bool counted;

	counted = facts->exits &&
		  facts->exits(facts->exits_ctx, facts->ident->id, vcpu, &counts) == 0;
	for (uint32_t i = 0; i < KCOH_EXIT_CLASSES; i++)
		total += counts.classes[i];
	return json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o}", "total", counted ? number(total) : json_null(),
		"classes", counts_json(counts.classes, KCOH_EXIT_CLASSES, kcoh_exit_class_name),
		"sysregs", counts_json(counts.sysregs, KCOH_EXIT_SYSREGS, kcoh_exit_sysreg_name),
		"calls", counts_json(counts.calls, KCOH_EXIT_CALLS, kcoh_exit_call_name), "aborts",
		counts_json(counts.aborts, KCOH_EXIT_ABORTS, kcoh_exit_abort_name), "times",
		times_json(&counts));
}

static json_t *per_s_json(const struct kcoh_vm_facts *facts)
{
	return facts->exit_rate && facts->exit_rate->known ? number(facts->exit_rate->per_s) :
							     json_null();
}

/* Indexes may have holes: a vCPU that never made a record is not known. */
static json_t *vcpus_json(const struct kcoh_vm_facts *facts)
{
	const struct kcoh_vm_view *view = facts->view;
	json_t *array = json_array(), *o;
	struct kcoh_vcpu_view vcpu;

	for (uint32_t i = 0; i < KCOH_VCPU_NONE && json_array_size(array) < view->vcpus; i++) {
		if (kcoh_core_vcpu(facts->core, view->id, (uint16_t)i, &vcpu) < 0)
			continue;
		o = vcpu_json(&vcpu);
		if (facts->each_vcpu)
			json_object_set_new(o, "exits", exits_json(facts, (uint16_t)i));
		json_array_append_new(array, o);
	}
	return array;
}

/* Pages by KVM's hooks; what was cleaned of them by the module, null where it never cleaned. */
static json_t *harvests_json(const struct kcoh_harvests *harvests, uint64_t page_size)
{
	const struct kcoh_harvest_sum *kvm = &harvests->total[KCOH_HARVEST_BY_KVM];
	const struct kcoh_harvest_sum *module = &harvests->total[KCOH_HARVEST_BY_MODULE];
	const struct kcoh_ev_harvest *ev = &module->sum;
	uint64_t rate;
	bool known = kcoh_harvests_rate(harvests, &rate);
	json_t *o = json_pack("{s:o, s:o, s:o, s:o, s:o}", "count", number(kvm->count), "pages",
			      number(kvm->sum.pages), "ns", number(kvm->sum.ns),
			      "dirty_pages_per_s", known ? number(rate) : json_null(),
			      "dirty_bytes_per_s", known ? number(rate * page_size) : json_null());
	json_t *cleaning = json_null();

	if (module->count)
		cleaning = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pages",
				     number(ev->pages), "cleaned", number(ev->cleaned), "absent",
				     number(ev->absent), "no_ram", number(ev->no_ram), "unclean",
				     number(ev->unclean), "extra", number(ev->extra), "untainted",
				     number(ev->untainted), "ns", number(ev->ns));
	json_object_set_new(o, "cleaning", cleaning);
	return o;
}

/* Keys and names are known to be UTF-8 (kcoh_ident_new() sees to that), so they are not looked at again for each request. */
static void set(json_t *o, const char *key, json_t *value)
{
	json_object_set_new_nocheck(o, key, value);
}

static json_t *text_json(const char *text)
{
	return json_string_nocheck(text);
}

static void add_verdict(json_t *o, const struct kcoh_verdict *verdict)
{
	set(o, "verdict", text_json(kcoh_verdict_name(verdict->kind)));
	set(o, "reason", text_json(kcoh_reason_name(verdict->reason)));
	set(o, "sentence", text_json(kcoh_reason_sentence(verdict->reason)));
	set(o, "overrides",
	    verdict->overrides ? text_json(kcoh_reason_name(verdict->overrides)) : json_null());
	set(o, "since_ns", number(verdict->since_ns));
	set(o, "until_ns", verdict->until_ns ? number(verdict->until_ns) : json_null());
}

static json_t *ident_json(const struct kcoh_ident *ident)
{
	json_t *o = json_object();

	if (!o)
		return NULL;
	set(o, "id", number(ident->id));
	set(o, "name", text_json(ident->name));
	set(o, "uuid", *ident->uuid ? text_json(ident->uuid) : json_null());
	set(o, "pid", number(ident->pid));
	set(o, "comm", text_json(ident->comm));
	return o;
}

json_t *kcoh_verdict_json(const struct kcoh_ident *ident, const struct kcoh_vm_view *view,
			  json_t *override)
{
	json_t *o = ident_json(ident);

	if (!o) {
		json_decref(override);
		return NULL;
	}
	add_verdict(o, &view->verdict);
	set(o, "guard", text_json(kcoh_guard_name(view->guard)));
	set(o, "override", override ? override : json_null());
	return o;
}

json_t *kcoh_host_verdict_json(const struct kcoh_ident *ident, const struct kcoh_verdict *worst,
			       json_t *vms)
{
	json_t *o = json_object();

	add_verdict(o, worst);
	json_object_set_new(o, "vm", ident ? number(ident->id) : json_null());
	json_object_set_new(o, "name", ident ? json_string(ident->name) : json_null());
	json_object_set_new(o, "vms", vms);
	return o;
}

static json_t *states_json(const struct kcoh_vm_view *view)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "cached", number(view->vcpus_cached), "uncached",
			 number(view->vcpus_uncached), "off", number(view->vcpus_off), "unknown",
			 number(view->vcpus_unknown));
}

json_t *kcoh_vm_json(const struct kcoh_vm_facts *facts)
{
	const struct kcoh_vm_view *view = facts->view;
	json_t *o = ident_json(facts->ident);
	json_t *verdict = json_object();

	if (!o || !verdict) {
		json_decref(o);
		json_decref(verdict);
		json_decref(facts->devices);
		json_decref(facts->override);
		return NULL;
	}
	add_verdict(verdict, &view->verdict);
	json_object_set_new(o, "vcpus", vcpus_json(facts));
	json_object_set_new(o, "vcpu_states", states_json(view));
	json_object_set_new(o, "slots", number(view->slots));
	json_object_set_new(o, "ram_bytes", number(view->ram_pages * facts->page_size));
	json_object_set_new(o, "logged_bytes", number(view->logged_pages * facts->page_size));
	json_object_set_new(o, "epoch", epoch_json(view));
	json_object_set_new(o, "epochs", number(view->epochs));
	json_object_set_new(o, "windows", windows_json(view));
	json_object_set_new(o, "toggles", number(view->toggles));
	json_object_set_new(o, "resets", number(view->resets));
	json_object_set_new(o, "set_ways", number(view->set_ways));
	json_object_set_new(o, "phase", json_string(kcoh_phase_name(view->phase)));
	json_object_set_new(o, "strategy", json_string(kcoh_strategy_name(view->strategy)));
	json_object_set_new(o, "guard", json_string(kcoh_guard_name(view->guard)));
	json_object_set_new(o, "verdict", verdict);
	json_object_set_new(o, "override", facts->override ? facts->override : json_null());
	json_object_set_new(o, "harvests", harvests_json(facts->harvests, facts->page_size));
	json_object_set_new(o, "exits", exits_json(facts, KCOH_VCPU_NONE));
	json_object_set_new(json_object_get(o, "exits"), "per_s", per_s_json(facts));
	json_object_set_new(o, "devices", facts->devices ? facts->devices : json_null());
	return o;
}
