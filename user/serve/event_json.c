// SPDX-License-Identifier: GPL-2.0-only
/*
 * event_json.c - events as JSON, in the stable names of docs/events.md.
 *
 * A toggle of vCPU 1 of VM 3 becomes, on one line:
 *
 *   {"seq":17,"ts_ns":81234567890,"time":"2026-01-02T03:04:05.678901Z","type":"toggle","vm":3,
 *    "name":"web-1","vcpu":1,"was":"cached","now":"uncached","pc":"0x40080154",
 *    "sctlr":"0x30d00800","source":"trap"}
 *
 * Each type has one function that adds its own fields to the object with the common ones, and one line
 * in the table. A record of a type that this build does not know never reaches the log.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "feed/feed.h"
#include "serve/event_json.h"
#include "serve/json_line.h"
#include "serve/smmu_json.h"

json_t *kcoh_json_hex(uint64_t value)
{
	return json_sprintf("0x%" PRIx64, value);
}

static void set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

static void set_text(json_t *object, const char *key, const char *value)
{
	set(object, key, json_string(value));
}

static void set_number(json_t *object, const char *key, uint64_t value)
{
	set(object, key, json_integer((json_int_t)(value & INT64_MAX)));
}

static void set_bool(json_t *object, const char *key, bool value)
{
	set(object, key, json_boolean(value));
}

static void set_hex(json_t *object, const char *key, uint64_t value)
{
	set(object, key, kcoh_json_hex(value));
}

struct bit_name {
	uint32_t bit;
	const char *name;
};

/* The names of the bits that are set; those without a name as one hex string at the end. */
static void set_bits(json_t *object, const char *key, uint32_t bits, const struct bit_name *names)
{
	json_t *array = json_array();

	for (; names->name; names++) {
		if (bits & names->bit)
			json_array_append_new(array, json_string(names->name));
		bits &= ~names->bit;
	}
	if (bits)
		json_array_append_new(array, kcoh_json_hex(bits));
	set(object, key, array);
}

static void vm_new_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_vm_new *ev = &entry->ev.vm_new;

	set_number(o, "pid", ev->pid);
	set_text(o, "comm", entry->ident ? entry->ident->comm : "?");
	if (entry->ident && *entry->ident->uuid)
		set_text(o, "uuid", entry->ident->uuid);
	set_bool(o, "existing", ev->existing);
}

static void no_fields(json_t *o, const struct kcoh_entry *entry)
{
	(void)o;
	(void)entry;
}

static void vcpu_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_vcpu *ev = &entry->ev.vcpu;

	set_text(o, "state", kcoh_cache_state_name(ev->state));
	set_text(o, "source", kcoh_source_name(ev->source));
	set_hex(o, "sctlr", ev->sctlr);
	set_number(o, "tid", ev->tid);
}

static void toggle_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_toggle *ev = &entry->ev.toggle;

	set_text(o, "was", kcoh_cache_state_name(ev->was));
	set_text(o, "now", kcoh_cache_state_name(ev->now));
	set_hex(o, "pc", ev->pc);
	set_hex(o, "sctlr", ev->sctlr);
	set_text(o, "source", kcoh_source_name(ev->source));
}

static void set_way_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_set_way *ev = &entry->ev.set_way;

	set_hex(o, "pc", ev->pc);
	set_bool(o, "cached", ev->cached);
	set_bool(o, "cleaned", ev->cleaned);
}

static void reset_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const kinds[] = { "init", "cpu-on", "set-sctlr" };
	const struct kcoh_ev_reset *ev = &entry->ev.reset;

	set_text(o, "kind", ev->kind < 3 ? kinds[ev->kind] : "?");
	set_bool(o, "has_run", ev->has_run);
}

static void memslot_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const changes[] = { "create", "delete", "move", "flags", "found" };
	static const struct bit_name flags[] = { { KCOH_SLOT_LOG_DIRTY, "log-dirty" },
						 { KCOH_SLOT_READONLY, "readonly" },
						 { 0, NULL } };
	const struct kcoh_ev_memslot *ev = &entry->ev.memslot;

	set_text(o, "change", ev->change < 5 ? changes[ev->change] : "?");
	set_number(o, "slot", ev->slot_id);
	set_number(o, "as", ev->as_id);
	set_hex(o, "base_gfn", ev->base_gfn);
	set_number(o, "pages", ev->pages);
	set_hex(o, "hva", ev->hva);
	set_number(o, "generation", ev->generation);
	set_bits(o, "flags", ev->flags, flags);
	set_bits(o, "old_flags", ev->old_flags, flags);
}

static void epoch_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_epoch *ev = &entry->ev.epoch;

	set_text(o, "state", ev->start ? "start" : "end");
	set_text(o, "source", "module");
	set_number(o, "logged_pages", ev->logged_pages);
	set_number(o, "total_pages", ev->total_pages);
	set_number(o, "vcpus", ev->vcpus);
	set_number(o, "armed", ev->armed);
	set_number(o, "pending", ev->pending);
}

static void judged_epoch_fields(json_t *o, const struct kcoh_entry *entry)
{
	set_text(o, "state", entry->epoch.start ? "start" : "end");
	set_text(o, "source", "memslots");
	set_number(o, "logged_pages", entry->epoch.logged_pages);
	set_number(o, "total_pages", entry->epoch.total_pages);
}

/* By the module also what became of the pages. */
static void harvest_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const kinds[] = { "?", "get", "clear", "ring", "start" };
	const struct kcoh_ev_harvest *ev = &entry->harvest.sum;
	bool module = ev->source == KCOH_HARVEST_BY_MODULE;

	set_text(o, "kind", ev->kind < 5 ? kinds[ev->kind] : "?");
	set_text(o, "source", module ? "module" : "kvm");
	set_number(o, "harvests", entry->harvest.count);
	if (ev->slot_id != KCOH_SLOT_NONE)
		set_number(o, "slot", ev->slot_id);
	set_number(o, "tid", ev->tid);
	set_number(o, "pages", ev->pages);
	if (module) {
		set_number(o, "cleaned", ev->cleaned);
		set_number(o, "absent", ev->absent);
		set_number(o, "no_ram", ev->no_ram);
		set_number(o, "unclean", ev->unclean);
		set_number(o, "extra", ev->extra);
		set_number(o, "untainted", ev->untainted);
	}
	set_number(o, "ns", ev->ns);
}

static void hold_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const whys[] = { "toggle",    "asked",    "released",
					    "epoch-end", "deadline", "closed" };
	const struct kcoh_ev_hold *ev = &entry->ev.hold;

	set_text(o, "state", ev->held ? "held" : "released");
	set_text(o, "why", ev->why < 6 ? whys[ev->why] : "?");
	set_number(o, "ns", ev->ns);
}

static void scan_fields(json_t *o, const struct kcoh_entry *entry)
{
	set_text(o, "state", entry->ev.scan.done ? "end" : "begin");
	if (entry->ev.scan.done)
		set_number(o, "vms", entry->ev.scan.vms);
}

static void unclean_fields(json_t *o, const struct kcoh_entry *entry)
{
	set_number(o, "pages", entry->ev.unclean.pages);
}

static void unmap_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_unmap *ev = &entry->ev.unmap;

	set_text(o, "kind", ev->kind == KCOH_UNMAP_UNMAPPED ? "unmapped" : "followed");
	set_number(o, "unmaps", ev->unmaps);
	set_number(o, "ns", ev->ns);
	if (ev->kind == KCOH_UNMAP_UNMAPPED)
		return;
	set_number(o, "faults", ev->faults);
	set_number(o, "fault_ns", ev->fault_ns);
	set_number(o, "bytes", ev->bytes);
	set_number(o, "span_ns", ev->span_ns);
}

static void psci_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const calls[] = { "?", "cpu-off", "system-off", "system-reset",
					     "system-suspend" };
	const struct kcoh_ev_psci *ev = &entry->ev.psci;

	set_text(o, "call", ev->call < 5 ? calls[ev->call] : "?");
	set_hex(o, "function", ev->function);
}

static void smmu_fields(json_t *o, const struct kcoh_entry *entry)
{
	kcoh_smmu_fields(o, &entry->ev.smmu);
}

static void device_fields(json_t *o, const struct kcoh_entry *entry)
{
	kcoh_device_fields(o, &entry->ev.device);
}

static void host_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const struct bit_name features[] = {
		{ KCOH_HOST_S2FWB, "s2fwb" },
		{ KCOH_HOST_VHE, "vhe" },
		{ KCOH_HOST_PKVM, "pkvm" },
		{ KCOH_HOST_MODULE, "module" },
		{ KCOH_HOST_TRAP, "trap" },
		{ KCOH_HOST_CLEAN, "clean" },
		{ 0, NULL },
	};

	set_bits(o, "features", entry->ev.host.features, features);
	set_number(o, "page_size", entry->ev.host.page_size);
}

static void policy_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_policy *ev = &entry->ev.policy;

	set_text(o, "strategy", kcoh_strategy_name(ev->strategy));
	set_text(o, "guard", kcoh_guard_name(ev->guard));
	set_bool(o, "can_cancel", ev->can_cancel);
	set_bool(o, "last_resort", ev->last_resort);
	set_number(o, "arm_deadline_ms", ev->arm_deadline_ms);
	set_text(o, "without_module", ev->tolerate & KCOH_TOLERATE_NO_MODULE ? "allow" : "veto");
	set_text(o, "when_blind", ev->tolerate & KCOH_TOLERATE_BLIND ? "allow" : "veto");
}

static void phase_fields(json_t *o, const struct kcoh_entry *entry)
{
	set_text(o, "phase", kcoh_phase_name(entry->ev.phase.phase));
}

static void window_fields(json_t *o, const struct kcoh_entry *entry)
{
	set_text(o, "class", kcoh_window_name(entry->window.window_class));
	set_text(o, "state", entry->window.open ? "open" : "close");
	if (!entry->window.open)
		set_number(o, "open_ns", entry->window.open_ns);
}

static void verdict_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_entry_verdict *verdict = &entry->verdict;

	set_text(o, "verdict", kcoh_verdict_name(verdict->now.kind));
	set_text(o, "reason", kcoh_reason_name(verdict->now.reason));
	set_text(o, "sentence", kcoh_reason_sentence(verdict->now.reason));
	if (!verdict->first) {
		set_text(o, "was", kcoh_verdict_name(verdict->was));
		set_text(o, "was_reason", kcoh_reason_name(verdict->was_reason));
	}
	if (verdict->now.overrides)
		set_text(o, "overrides", kcoh_reason_name(verdict->now.overrides));
	if (verdict->now.until_ns)
		set_number(o, "until_ns", verdict->now.until_ns);
}

static void act_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const outcomes[] = { "dry", "started", "done", "failed" };
	const struct kcoh_entry_act *act = &entry->act;

	set_text(o, "act", kcoh_act_name(act->act));
	set_text(o, "outcome", (unsigned int)act->outcome < 4 ? outcomes[act->outcome] : "?");
	set_text(o, "reason", kcoh_reason_name(act->reason));
	set(o, "result", json_integer(act->result));
	if (act->sentence)
		set_text(o, "sentence", act->sentence);
}

static void override_fields(json_t *o, const struct kcoh_entry *entry)
{
	static const char *const states[] = { "given",   "again",     "taken-back",
					      "expired", "completed", "break-glass" };
	const struct kcoh_entry_override *override = &entry->override;

	set_text(o, "state", (unsigned int) override->state < 6 ? states[override->state] : "?");
	set_number(o, "uid", override->uid);
	set_number(o, "until_ns", override->until_ns);
	set_text(o, "why", override->why ? override->why : "?");
}

static void exit_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_ev_exit *ev = &entry->ev.exit;
	const char *class_name = kcoh_exit_class_name(ev->exit_class);

	set_text(o, "class", class_name);
	set_hex(o, "pc", ev->pc);
	if (ev->exit_class < KCOH_EXIT_IRQ)
		set_hex(o, "esr", ev->esr);
	if (!strcmp(class_name, "DABT_LOW") || !strcmp(class_name, "IABT_LOW"))
		set_hex(o, "ipa", ev->arg);
	else if (!strcmp(class_name, "HVC64") || !strcmp(class_name, "SMC64"))
		set_hex(o, "x0", ev->arg);
}

static void lost_fields(json_t *o, const struct kcoh_entry *entry)
{
	set_number(o, "count", entry->lost.count);
	if (entry->lost.exits)
		set_text(o, "of", "exits");
}

/* Over TCP nobody knows who it was. */
static void audit_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_entry_audit *audit = &entry->audit;

	set_text(o, "what", audit->what);
	set_bool(o, "allowed", audit->allowed);
	set_text(o, "by", audit->by_polkit ? "polkit" : audit->allowed ? "root" : "none");
	set(o, "uid", audit->local ? json_integer(audit->uid) : json_null());
	set(o, "pid", audit->local ? json_integer(audit->pid) : json_null());
	set(o, "comm", *audit->comm ? json_string(audit->comm) : json_null());
	if (audit->left_out)
		set_number(o, "left_out", audit->left_out);
}

static void clock_fields(json_t *o, const struct kcoh_entry *entry)
{
	set(o, "by_ns", json_integer(entry->clock.by_ns));
}

static void evacuation_fields(json_t *o, const struct kcoh_entry *entry)
{
	const struct kcoh_entry_evacuation *one = &entry->evacuation;

	set_number(o, "evacuation", one->id);
	set_text(o, "state", kcoh_evacuation_state_name(one->state));
	set_text(o, "cause", kcoh_evacuation_cause_name(one->cause));
	set_text(o, "reason", kcoh_reason_name(one->reason));
	set_text(o, "destination", one->destination ? one->destination : "?");
	set_number(o, "attempt", one->attempt);
	set_bool(o, "taken_over", one->taken_over);
	if (one->over) {
		set_number(o, "downtime_ms", one->downtime_ms);
		set_number(o, "total_ms", one->total_ms);
		set_number(o, "sent_bytes", one->sent_bytes);
	}
	if (one->sentence)
		set_text(o, "sentence", one->sentence);
}

static const struct event_type {
	unsigned int type;
	const char *name;
	void (*fields)(json_t *o, const struct kcoh_entry *entry);
} event_types[] = {
	{ KCOH_EV_VM_NEW, "vm-new", vm_new_fields },
	{ KCOH_EV_VM_GONE, "vm-gone", no_fields },
	{ KCOH_EV_VCPU, "vcpu", vcpu_fields },
	{ KCOH_EV_TOGGLE, "toggle", toggle_fields },
	{ KCOH_EV_SET_WAY, "set-way", set_way_fields },
	{ KCOH_EV_RESET, "reset", reset_fields },
	{ KCOH_EV_MEMSLOT, "memslot", memslot_fields },
	{ KCOH_EV_EPOCH, "epoch", epoch_fields },
	{ KCOH_EV_HOLD, "hold", hold_fields },
	{ KCOH_EV_SCAN, "scan", scan_fields },
	{ KCOH_EV_UNCLEAN, "unclean", unclean_fields },
	{ KCOH_EV_UNMAP, "unmap", unmap_fields },
	{ KCOH_EV_PSCI, "psci", psci_fields },
	{ KCOH_EV_SMMU, "smmu", smmu_fields },
	{ KCOH_EV_DEVICE, "device", device_fields },
	{ KCOH_EV_HOST, "host", host_fields },
	{ KCOH_EV_POLICY, "policy", policy_fields },
	{ KCOH_EV_PHASE, "phase", phase_fields },
	{ KCOH_EV_EXIT, "exit", exit_fields },
	{ KCOH_ENTRY_WINDOW, "window", window_fields },
	{ KCOH_ENTRY_EPOCH, "epoch", judged_epoch_fields },
	{ KCOH_ENTRY_HARVEST, "harvest", harvest_fields },
	{ KCOH_ENTRY_VERDICT, "verdict", verdict_fields },
	{ KCOH_ENTRY_ACT, "act", act_fields },
	{ KCOH_ENTRY_OVERRIDE, "override", override_fields },
	{ KCOH_ENTRY_AUDIT, "audit", audit_fields },
	{ KCOH_ENTRY_CLOCK, "clock", clock_fields },
	{ KCOH_ENTRY_EVACUATION, "evacuation", evacuation_fields },
	{ KCOH_ENTRY_LOST, "lost", lost_fields },
};

static const struct event_type *event_type_find(unsigned int type)
{
	static const struct event_type unknown = { 0, "?", no_fields };

	for (size_t i = 0; i < sizeof(event_types) / sizeof(event_types[0]); i++) {
		if (event_types[i].type == type)
			return &event_types[i];
	}
	return &unknown;
}

const char *kcoh_event_type_name(unsigned int type)
{
	return event_type_find(type)->name;
}

/* ISO 8601 in UTC, to the microsecond. */
static json_t *time_json(uint64_t real_ns)
{
	time_t seconds = (time_t)(real_ns / 1000000000);
	unsigned int us = (unsigned int)(real_ns % 1000000000 / 1000);
	char text[32];
	struct tm tm;

	if (!gmtime_r(&seconds, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm))
		return json_null();
	return json_sprintf("%s.%06uZ", text, us);
}

/* Single exits are in no sequence with the rest, and nobody can ask for them later. */
static bool has_place(const struct kcoh_entry *entry)
{
	return entry->type != KCOH_EV_EXIT &&
	       !(entry->type == KCOH_ENTRY_LOST && entry->lost.exits);
}

json_t *kcoh_event_json(const struct kcoh_entry *entry)
{
	const struct event_type *type = event_type_find(entry->type);
	json_t *o = json_object();

	if (!o)
		return NULL;
	if (has_place(entry))
		set_number(o, "seq", entry->seq);
	set_number(o, "ts_ns", entry->ts_ns);
	set(o, "time", time_json(entry->real_ns));
	set_text(o, "type", type->name);
	if (entry->vm != KCOH_VM_NONE) {
		set_number(o, "vm", entry->vm);
		set(o, "name", entry->ident ? json_string(entry->ident->name) : json_null());
	}
	if (entry->vcpu != KCOH_VCPU_NONE)
		set_number(o, "vcpu", entry->vcpu);
	type->fields(o, entry);
	return o;
}

char *kcoh_event_line(const struct kcoh_entry *entry)
{
	json_t *o = kcoh_event_json(entry);
	char *line = o ? kcoh_json_line(o) : NULL;

	json_decref(o);
	return line;
}
