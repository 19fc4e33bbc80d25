// SPDX-License-Identifier: GPL-2.0-only
/*
 * table.c - the metrics. See metrics.h.
 *
 * To add one: a function that writes its samples, and a row. `make docs` then writes docs/metrics.md anew.
 *
 * Example, the row "kcoh_vm_toggles" for VM 3 "web-1":
 *
 *   # TYPE kcoh_vm_toggles counter
 *   # HELP kcoh_vm_toggles Times a vCPU turned its MMU or data cache on or off, as far as seen.
 *   kcoh_vm_toggles_total{vm="3",name="web-1"} 4
 *
 * A metric with labels of its own writes the value that all its samples have in common last, so that `sum without`
 * and `by` read well. A state is one series per possible value, 1 or 0, so that a query never loses the series when the
 * state changes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/facts.h"
#include "kcoh/version.h"
#include "metrics/metrics.h"

#define LABELS_LEN 1024
#define EXIT_BUCKET_FIRST 9 /* up to 1023 ns */
#define EXIT_BUCKET_LAST 29 /* up to 1.07 s */

struct vm_facts {
	struct kcoh_vm_view view;
	const struct kcoh_harvests *harvests;
	uint64_t smmu_events;
	bool exits_known;
	struct kcoh_exit_counts exits;
	char labels[LABELS_LEN]; /* vm="3",name="web-1" */
};

struct metric;

struct scrape {
	struct kcoh_om *text;
	const struct kcoh_metrics_host *host;
	const struct metric *metric; /* being written */
};

struct metric {
	const char *name, *unit, *labels, *help;
	enum kcoh_metric_type type;
	void (*host)(const struct scrape *scrape);
	void (*vm)(const struct scrape *scrape, const struct vm_facts *vm);
};

static void number(const struct scrape *scrape, const char *labels, const char *more,
		   const char *value, uint64_t n)
{
	kcoh_om_u64(scrape->text, scrape->metric->name, scrape->metric->type, labels, more, value,
		    n);
}

static void seconds(const struct scrape *scrape, const char *labels, const char *more,
		    const char *value, uint64_t ns)
{
	kcoh_om_ns(scrape->text, scrape->metric->name, scrape->metric->type, labels, more, value,
		   ns);
}

/* --- the host ------------------------------------------------------------------------------------------- */

static void build(const struct scrape *scrape)
{
	char labels[64] = "", abi[16];

	snprintf(abi, sizeof(abi), "%u", KCOH_ABI);
	kcoh_om_label(labels, sizeof(labels), "version", KCOH_VERSION);
	kcoh_om_label(labels, sizeof(labels), "abi", abi);
	number(scrape, labels, NULL, NULL, 1);
}

static void host_feature(const struct scrape *scrape)
{
	static const struct {
		const char *name;
		uint32_t bit;
		bool by_module;
	} features[] = {
		{ "s2fwb", KCOH_HOST_S2FWB, true }, { "vhe", KCOH_HOST_VHE, true },
		{ "pkvm", KCOH_HOST_PKVM, false },  { "module", KCOH_HOST_MODULE, false },
		{ "trap", KCOH_HOST_TRAP, false },  { "clean", KCOH_HOST_CLEAN, false },
	};

	for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		if (!features[i].by_module || scrape->host->features_known)
			number(scrape, "", "feature", features[i].name,
			       !!(scrape->host->features & features[i].bit));
	}
}

static void module_up(const struct scrape *scrape)
{
	number(scrape, "", NULL, NULL, scrape->host->module_up);
}

static void module_state(const struct scrape *scrape)
{
	for (uint32_t i = 0; scrape->host->module_up && i <= KCOH_MODULE_STEPPED_ASIDE; i++)
		number(scrape, "", "state", kcoh_module_state_name(i),
		       scrape->host->module_state == i);
}

static void hook_attached(const struct scrape *scrape)
{
	for (uint32_t i = 0; i < scrape->host->hooks; i++)
		number(scrape, "", "hook", scrape->host->hook[i].name,
		       scrape->host->hook[i].method != NULL);
}

static void records_lost(const struct scrape *scrape)
{
	for (int why = 0; why < KCOH_FEED_LOST_REASONS; why++)
		number(scrape, "", "reason", kcoh_feed_lost_name(why),
		       scrape->host->records_lost[why]);
}

#define HOST_NUMBER(fn, expression)                                                                \
	static void fn(const struct scrape *scrape)                                                \
	{                                                                                          \
		number(scrape, "", NULL, NULL, scrape->host->expression);                          \
	}
HOST_NUMBER(vms, core.vms)
HOST_NUMBER(vms_untracked, core.vms_untracked)
HOST_NUMBER(records, core.records)
HOST_NUMBER(records_malformed, records_malformed)
HOST_NUMBER(rescans, core.rescans)
HOST_NUMBER(cancels, core.cancels)
HOST_NUMBER(refusals, core.refusals)
HOST_NUMBER(alerts, core.alerts)
HOST_NUMBER(alerts_quiet, core.alerts_quiet)
HOST_NUMBER(event_streams, streams)

/* Nothing, unless there is a fleet. */
#define FLEET_NUMBER(fn, expression)                                                               \
	static void fn(const struct scrape *scrape)                                                \
	{                                                                                          \
		if (scrape->host->fleet_known)                                                     \
			number(scrape, "", NULL, NULL, scrape->host->fleet.expression);            \
	}
FLEET_NUMBER(fleet_up, up)
FLEET_NUMBER(fleet_vms, vms)
FLEET_NUMBER(fleet_without_uuid, without_uuid)
FLEET_NUMBER(fleet_pending, pending)
FLEET_NUMBER(fleet_writes, writes)
FLEET_NUMBER(fleet_records, records)
FLEET_NUMBER(fleet_failures, failures)
FLEET_NUMBER(fleet_resyncs, resyncs)

static void fleet_lag(const struct scrape *scrape)
{
	if (scrape->host->fleet_known)
		seconds(scrape, "", NULL, NULL, scrape->host->fleet.lag_ns);
}

static void admission_reviews(const struct scrape *scrape)
{
	for (int i = 0; scrape->host->admission_known && i < KCOH_REVIEW_OUTCOMES; i++)
		number(scrape, "", "outcome", kcoh_review_outcome_name((enum kcoh_review_outcome)i),
		       scrape->host->admission.outcomes[i]);
}

static void admission_unanswered(const struct scrape *scrape)
{
	if (scrape->host->admission_known)
		number(scrape, "", NULL, NULL, scrape->host->admission.unanswered);
}

static void admission_malformed(const struct scrape *scrape)
{
	if (scrape->host->admission_known)
		number(scrape, "", NULL, NULL, scrape->host->admission.malformed);
}

/* Named as in events: by the architecture, else by its number. */
static void smmu_events(const struct scrape *scrape)
{
	const struct kcoh_smmu_counts *smmu = scrape->host->smmu;
	char name[KCOH_SMMU_TEXT];

	for (unsigned int id = 0; smmu && id < 256; id++) {
		if (!smmu->events[id])
			continue;
		kcoh_smmu_text((uint8_t)id, name, sizeof(name));
		number(scrape, "", "event", name, smmu->events[id]);
	}
}

static void smmu_lost(const struct scrape *scrape)
{
	const struct kcoh_smmu_counts *smmu = scrape->host->smmu;

	if (!smmu)
		return;
	number(scrape, "", "why", "unread", smmu->unread);
	number(scrape, "", "why", "full", smmu->lost);
}

static void window_duration(const struct scrape *scrape)
{
	const struct kcoh_histograms *all = scrape->host->histograms;
	char labels[64];

	for (uint32_t i = 0; all && i < KCOH_WINDOW_CLASSES; i++) {
		*labels = '\0';
		kcoh_om_label(labels, sizeof(labels), "class", kcoh_window_name(i));
		kcoh_om_histogram(scrape->text, scrape->metric->name, labels, &all->windows[i]);
	}
}

#define HOST_HISTOGRAM(fn, member)                                                                 \
	static void fn(const struct scrape *scrape)                                                \
	{                                                                                          \
		if (scrape->host->histograms)                                                      \
			kcoh_om_histogram(scrape->text, scrape->metric->name, "",                  \
					  &scrape->host->histograms->member);                      \
	}
HOST_HISTOGRAM(harvest_duration, harvest_time)
HOST_HISTOGRAM(harvest_pages, harvest_pages)
HOST_HISTOGRAM(cleaning_duration, cleaning_time)

#define MODULE_NUMBER(fn, member)                                                                  \
	static void fn(const struct scrape *scrape)                                                \
	{                                                                                          \
		if (scrape->host->module_stats_known)                                              \
			number(scrape, "", NULL, NULL, scrape->host->module.member);               \
	}
MODULE_NUMBER(module_epochs, epochs)
MODULE_NUMBER(module_harvests, harvests)
MODULE_NUMBER(module_pages_protected, pages_protected)
MODULE_NUMBER(module_pages_marked, pages_marked)
MODULE_NUMBER(module_whole_slots, whole_slots)
MODULE_NUMBER(module_arms, arms)
MODULE_NUMBER(module_arm_late, arm_late)
MODULE_NUMBER(module_traps, traps)
MODULE_NUMBER(module_toggles, toggles)
MODULE_NUMBER(module_set_ways, set_way)
MODULE_NUMBER(module_hook_misses, hook_misses)
MODULE_NUMBER(module_no_memory, no_memory)
MODULE_NUMBER(module_over_budget, over_budget)
MODULE_NUMBER(module_holds, holds)
MODULE_NUMBER(module_vcpus_armed, vcpus_armed)

/* What becomes of pages; all but `extra` add up to those write-protected. */
static const char *const results[] = { "cleaned", "absent",    "unclean",
				       "no-ram",  "untainted", "extra" };
#define RESULTS (sizeof(results) / sizeof(results[0]))

static void pages_write(const struct scrape *scrape, const char *labels, const uint64_t *pages)
{
	for (size_t i = 0; i < RESULTS; i++)
		number(scrape, labels, "result", results[i], pages[i]);
}

static void module_pages(const struct scrape *scrape)
{
	const struct kcoh_stats *stats = &scrape->host->module;
	const uint64_t pages[] = { stats->pages_cleaned,   stats->pages_absent,
				   stats->pages_unclean,   stats->pages_no_ram,
				   stats->pages_untainted, stats->pages_extra };

	if (scrape->host->module_stats_known)
		pages_write(scrape, "", pages);
}

static void process_cpu(const struct scrape *scrape)
{
	if (scrape->host->process_known)
		seconds(scrape, "", NULL, NULL, scrape->host->process.cpu_ns);
}

static void process_start(const struct scrape *scrape)
{
	if (scrape->host->process_known)
		seconds(scrape, "", NULL, NULL, scrape->host->process.start_ns);
}

static void process_resident(const struct scrape *scrape)
{
	if (scrape->host->process_known)
		number(scrape, "", NULL, NULL, scrape->host->process.resident_bytes);
}

static void process_fds(const struct scrape *scrape)
{
	if (scrape->host->process_known)
		number(scrape, "", NULL, NULL, scrape->host->process.open_fds);
}

/* --- a VM ----------------------------------------------------------------------------------------------- */

#define VM_NUMBER(fn, expression)                                                                  \
	static void fn(const struct scrape *scrape, const struct vm_facts *vm)                     \
	{                                                                                          \
		number(scrape, vm->labels, NULL, NULL, expression);                                \
	}
VM_NUMBER(vm_tracked, vm->view.tracked)
VM_NUMBER(vm_ram, vm->view.ram_pages * scrape->host->page_size)
VM_NUMBER(vm_logged, vm->view.logged_pages * scrape->host->page_size)
VM_NUMBER(vm_epoch, vm->view.in_epoch)
VM_NUMBER(vm_armed, vm->view.armed)
VM_NUMBER(vm_epochs, vm->view.epochs)
VM_NUMBER(vm_toggles, vm->view.toggles)
VM_NUMBER(vm_resets, vm->view.resets)
VM_NUMBER(vm_set_ways, vm->view.set_ways)
VM_NUMBER(vm_smmu_events, vm->smmu_events)

static void vm_vcpus(const struct scrape *scrape, const struct vm_facts *vm)
{
	const struct kcoh_vm_view *view = &vm->view;

	number(scrape, vm->labels, "state", "cached", view->vcpus_cached);
	number(scrape, vm->labels, "state", "uncached", view->vcpus_uncached);
	number(scrape, vm->labels, "state", "off", view->vcpus_off);
	number(scrape, vm->labels, "state", "unknown", view->vcpus_unknown);
}

static void vm_verdict(const struct scrape *scrape, const struct vm_facts *vm)
{
	for (uint32_t i = 0; i <= KCOH_VERDICT_VETO; i++)
		number(scrape, vm->labels, "verdict", kcoh_verdict_name(i),
		       vm->view.verdict.kind == i);
}

/* Views have monotonic time; Prometheus compares with its own time(). */
static void vm_verdict_changed(const struct scrape *scrape, const struct vm_facts *vm)
{
	const struct kcoh_metrics_host *host = scrape->host;
	uint64_t since = vm->view.verdict.since_ns;
	uint64_t age = since < host->now_ns ? host->now_ns - since : 0;

	seconds(scrape, vm->labels, NULL, NULL, host->unix_ns - age);
}

static void vm_reason(const struct scrape *scrape, const struct vm_facts *vm)
{
	number(scrape, vm->labels, "reason", kcoh_reason_name(vm->view.verdict.reason), 1);
}

static void vm_strategy(const struct scrape *scrape, const struct vm_facts *vm)
{
	number(scrape, vm->labels, "strategy", kcoh_strategy_name(vm->view.strategy), 1);
}

static void vm_window_open(const struct scrape *scrape, const struct vm_facts *vm)
{
	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++)
		number(scrape, vm->labels, "class", kcoh_window_name(i),
		       vm->view.windows_open >> i & 1);
}

static void vm_windows(const struct scrape *scrape, const struct vm_facts *vm)
{
	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++)
		number(scrape, vm->labels, "class", kcoh_window_name(i), vm->view.windows[i]);
}

static void vm_window_seconds(const struct scrape *scrape, const struct vm_facts *vm)
{
	const struct kcoh_vm_view *view = &vm->view;

	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		uint64_t ns = view->window_ns[i];

		if (view->windows_open & 1u << i && view->window_since_ns[i] < scrape->host->now_ns)
			ns += scrape->host->now_ns - view->window_since_ns[i];
		seconds(scrape, vm->labels, "class", kcoh_window_name(i), ns);
	}
}

static void vm_exits(const struct scrape *scrape, const struct vm_facts *vm)
{
	for (uint32_t i = 0; vm->exits_known && i < KCOH_EXIT_CLASSES; i++) {
		if (vm->exits.classes[i])
			number(scrape, vm->labels, "class", kcoh_exit_class_name(i),
			       vm->exits.classes[i]);
	}
}

/*
 * Counted in powers of two; every second one is shown, from 1 us to a second, so that a VM has 120 series at most and not 320. A
 * bucket holds whole nanoseconds up to 2^n - 1, so that is its bound.
 */
static void exit_times_write(const struct scrape *scrape, const char *labels,
			     const uint64_t *buckets)
{
	uint64_t count = 0;
	char le[24];

	for (uint32_t i = 0; i < KCOH_EXIT_BUCKETS; i++) {
		uint64_t bound_ns = (2ull << i) - 1;

		count += buckets[i];
		if (i < EXIT_BUCKET_FIRST || i > EXIT_BUCKET_LAST || (i - EXIT_BUCKET_FIRST) % 2)
			continue;
		snprintf(le, sizeof(le), "%u.%09u", (unsigned int)(bound_ns / 1000000000),
			 (unsigned int)(bound_ns % 1000000000));
		number(scrape, labels, "le", le, count);
	}
	number(scrape, labels, "le", "+Inf", count);
}

static void vm_exit_seconds(const struct scrape *scrape, const struct vm_facts *vm)
{
	char labels[LABELS_LEN + 32];

	for (uint32_t i = 0; scrape->host->exit_times && vm->exits_known && i < KCOH_EXIT_TIMES;
	     i++) {
		const uint64_t *buckets = vm->exits.times[i];
		uint64_t any = 0;

		for (uint32_t j = 0; j < KCOH_EXIT_BUCKETS; j++)
			any |= buckets[j];
		if (!any)
			continue;
		snprintf(labels, sizeof(labels), "%s", vm->labels);
		kcoh_om_label(labels, sizeof(labels), "why", kcoh_exit_time_name(i));
		exit_times_write(scrape, labels, buckets);
	}
}

#define VM_HARVESTS(fn, write, expression)                                                         \
	static void fn(const struct scrape *scrape, const struct vm_facts *vm)                     \
	{                                                                                          \
		write(scrape, vm->labels, NULL, NULL, vm->harvests->expression);                   \
	}
VM_HARVESTS(vm_harvests, number, total[KCOH_HARVEST_BY_KVM].count)
VM_HARVESTS(vm_harvested, number, total[KCOH_HARVEST_BY_KVM].sum.pages)
VM_HARVESTS(vm_harvest_seconds, seconds, total[KCOH_HARVEST_BY_KVM].sum.ns)
VM_HARVESTS(vm_cleaning_seconds, seconds, total[KCOH_HARVEST_BY_MODULE].sum.ns)

static void vm_pages(const struct scrape *scrape, const struct vm_facts *vm)
{
	const struct kcoh_ev_harvest *ev = &vm->harvests->total[KCOH_HARVEST_BY_MODULE].sum;
	const uint64_t pages[] = { ev->cleaned, ev->absent,    ev->unclean,
				   ev->no_ram,  ev->untainted, ev->extra };

	pages_write(scrape, vm->labels, pages);
}

static void vm_dirty_rate(const struct scrape *scrape, const struct vm_facts *vm)
{
	uint64_t rate;

	if (kcoh_harvests_rate(vm->harvests, &rate))
		number(scrape, vm->labels, NULL, NULL, rate * scrape->host->page_size);
}

/* --- the table ------------------------------------------------------------------------------------------ */

#define GAUGE .type = KCOH_METRIC_GAUGE
#define COUNTER .type = KCOH_METRIC_COUNTER
#define INFO .type = KCOH_METRIC_INFO
#define HISTOGRAM .type = KCOH_METRIC_HISTOGRAM

static const struct metric metrics[] = {
	{ "kcoh_build", "", "version, abi", "Version of kcohd.", INFO, .host = build },
	{ "kcoh_host_feature", "", "feature",
	  "1 if the host has it. s2fwb and vhe are known only once the module was loaded.", GAUGE,
	  .host = host_feature },
	{ "kcoh_module_up", "", "",
	  "1 if the kernel module is loaded, of the same ABI, and its events are read.", GAUGE,
	  .host = module_up },
	{ "kcoh_module_state", "", "state", "1 for the state that the module is in.", GAUGE,
	  .host = module_state },
	{ "kcoh_hook_attached", "", "hook", "1 if this hook in the kernel is attached.", GAUGE,
	  .host = hook_attached },
	{ "kcoh_vms", "", "", "VMs known.", GAUGE, .host = vms },
	{ "kcoh_vms_untracked", "", "",
	  "VMs beyond what kcohd has room for; their verdict is veto.", GAUGE,
	  .host = vms_untracked },
	{ "kcoh_records", "", "", "Records taken from the kernel and made by kcohd.", COUNTER,
	  .host = records },
	{ "kcoh_records_lost", "", "reason",
	  "Records that the kernel could not hand over, by reason.", COUNTER,
	  .host = records_lost },
	{ "kcoh_records_malformed", "", "", "Records refused because they were no records.",
	  COUNTER, .host = records_malformed },
	{ "kcoh_rescans", "", "", "Times all VMs were looked at anew.", COUNTER, .host = rescans },
	{ "kcoh_cancels", "", "", "Migrations that were to be cancelled, dry runs too.", COUNTER,
	  .host = cancels },
	{ "kcoh_last_resorts", "", "",
	  "Migrations whose stream the kernel was to refuse (last_resort = yes).", COUNTER,
	  .host = refusals },
	{ "kcoh_alerts", "", "", "Alerts given.", COUNTER, .host = alerts },
	{ "kcoh_alerts_repeated", "", "",
	  "Alerts not given because the same one was given just before.", COUNTER,
	  .host = alerts_quiet },
	{ "kcoh_event_streams", "", "", "Readers of the event stream now.", GAUGE,
	  .host = event_streams },
	{ "kcoh_fleet_up", "", "",
	  "1 if the fleet's store has taken what was written to it last. This and those below: "
	  "only "
	  "with a [fleet].",
	  GAUGE, .host = fleet_up },
	{ "kcoh_fleet_vms", "", "", "VMs whose verdicts are published.", GAUGE, .host = fleet_vms },
	{ "kcoh_fleet_vms_without_uuid", "", "",
	  "VMs without a UUID: the fleet finds them by name only.", GAUGE,
	  .host = fleet_without_uuid },
	{ "kcoh_fleet_pending", "", "", "VMs whose change is not in the store yet.", GAUGE,
	  .host = fleet_pending },
	{ "kcoh_fleet_lag_seconds", "seconds", "", "How long the oldest of these waits.", GAUGE,
	  .host = fleet_lag },
	{ "kcoh_fleet_writes", "", "", "Transactions that the store confirmed.", COUNTER,
	  .host = fleet_writes },
	{ "kcoh_fleet_records", "", "", "Records in these: two a verdict, by UUID and by name.",
	  COUNTER, .host = fleet_records },
	{ "kcoh_fleet_failures", "", "", "Requests to the store that failed.", COUNTER,
	  .host = fleet_failures },
	{ "kcoh_fleet_resyncs", "", "",
	  "Times that everything was published anew, since the lease or the store's data were "
	  "lost.",
	  COUNTER, .host = fleet_resyncs },
	{ "kcoh_admission_reviews", "", "outcome",
	  "Answers to Kubernetes: ignored (about something else), allowed, warned (allowed, and "
	  "why "
	  "it would be refused with guard = enforce or cannot be judged), refused.",
	  COUNTER, .host = admission_reviews },
	{ "kcoh_admission_unanswered", "", "",
	  "Of these, those that the fleet's store gave no answer for.", COUNTER,
	  .host = admission_unanswered },
	{ "kcoh_admission_malformed", "", "", "Requests that were no AdmissionReview.", COUNTER,
	  .host = admission_malformed },
	{ "kcoh_smmu_events", "", "event",
	  "Event records of all SMMUs, by what they report; what never occurred is left out. Of a "
	  "storm all count as its last one.",
	  COUNTER, .host = smmu_events },
	{ "kcoh_smmu_events_lost", "", "why",
	  "Event records that nobody could read: written over in the queue (unread), or never "
	  "written since it was full (at least so many).",
	  COUNTER, .host = smmu_lost },
	{ "kcoh_window_duration_seconds", "seconds", "class, le",
	  "How long incoherent windows were, of all VMs since kcohd began; counted when they "
	  "close.",
	  HISTOGRAM, .host = window_duration },
	{ "kcoh_harvest_duration_seconds", "seconds", "le",
	  "How long the ioctls of harvests took that took pages, of all VMs since kcohd began.",
	  HISTOGRAM, .host = harvest_duration },
	{ "kcoh_harvest_pages", "pages", "le", "Pages that each of them write-protected.",
	  HISTOGRAM, .host = harvest_pages },
	{ "kcoh_cleaning_duration_seconds", "seconds", "le",
	  "How long the module cleaned after each harvest, of all VMs since kcohd began.",
	  HISTOGRAM, .host = cleaning_duration },
	{ "kcoh_module_epochs", "", "", "Dirty epochs over most of a VM's RAM.", COUNTER,
	  .host = module_epochs },
	{ "kcoh_module_harvests", "", "", "Harvests whose pages were cleaned.", COUNTER,
	  .host = module_harvests },
	{ "kcoh_module_pages_write_protected", "", "", "Pages that harvests write-protected.",
	  COUNTER, .host = module_pages_protected },
	{ "kcoh_module_pages", "", "result",
	  "What became of pages: cleaned, absent (not populated), unclean (should have been "
	  "cleaned), no-ram, untainted (left alone by clean-tainted), extra (cleaned besides).",
	  COUNTER, .host = module_pages },
	{ "kcoh_module_pages_marked_dirty", "", "",
	  "Of the unclean pages, those put back into the dirty log.", COUNTER,
	  .host = module_pages_marked },
	{ "kcoh_module_whole_slots", "", "",
	  "Memslots cleaned whole because what was noted did not fit.", COUNTER,
	  .host = module_whole_slots },
	{ "kcoh_module_arms", "", "", "Times the trap was set on a vCPU.", COUNTER,
	  .host = module_arms },
	{ "kcoh_module_arms_late", "", "", "vCPUs not trapped in time when an epoch began.",
	  COUNTER, .host = module_arm_late },
	{ "kcoh_module_traps", "", "", "Trapped writes of a VM register.", COUNTER,
	  .host = module_traps },
	{ "kcoh_module_toggles", "", "", "Changes of a vCPU's MMU or data cache.", COUNTER,
	  .host = module_toggles },
	{ "kcoh_module_set_ways", "", "", "Set/way cache operations.", COUNTER,
	  .host = module_set_ways },
	{ "kcoh_module_hook_misses", "", "", "Hooks that did not run although their function did.",
	  COUNTER, .host = module_hook_misses },
	{ "kcoh_module_no_memory", "", "", "Times there was no memory to set a trap.", COUNTER,
	  .host = module_no_memory },
	{ "kcoh_module_over_budget", "", "",
	  "VMs no longer trapped for a while, because their guest trapped too often.", COUNTER,
	  .host = module_over_budget },
	{ "kcoh_module_holds", "", "", "vCPUs held.", COUNTER, .host = module_holds },
	{ "kcoh_module_vcpus_armed", "", "", "vCPUs trapped now.", GAUGE,
	  .host = module_vcpus_armed },
	{ "kcoh_vm_tracked", "", "vm, name", "0 if kcohd has no room for this VM.", GAUGE,
	  .vm = vm_tracked },
	{ "kcoh_vm_vcpus", "", "vm, name, state", "vCPUs by cache state.", GAUGE, .vm = vm_vcpus },
	{ "kcoh_vm_ram_bytes", "bytes", "vm, name", "RAM, in writable memslots.", GAUGE,
	  .vm = vm_ram },
	{ "kcoh_vm_logged_bytes", "bytes", "vm, name", "Of it, with dirty logging.", GAUGE,
	  .vm = vm_logged },
	{ "kcoh_vm_epoch", "", "vm, name", "1 while most of its RAM is logged: it is migrated.",
	  GAUGE, .vm = vm_epoch },
	{ "kcoh_vm_armed", "", "vm, name", "1 while every vCPU is trapped.", GAUGE,
	  .vm = vm_armed },
	{ "kcoh_vm_epochs", "", "vm, name", "Dirty epochs.", COUNTER, .vm = vm_epochs },
	{ "kcoh_vm_verdict", "", "vm, name, verdict", "1 for the verdict that it has.", GAUGE,
	  .vm = vm_verdict },
	{ "kcoh_vm_verdict_changed_timestamp_seconds", "seconds", "vm, name",
	  "When its verdict or the reason last changed, Unix time.", GAUGE,
	  .vm = vm_verdict_changed },
	{ "kcoh_vm_verdict_reason", "", "vm, name, reason", "The reason of its verdict.", INFO,
	  .vm = vm_reason },
	{ "kcoh_vm_strategy", "", "vm, name, strategy", "The strategy for it.", INFO,
	  .vm = vm_strategy },
	{ "kcoh_vm_window_open", "", "vm, name, class", "1 while an incoherent window is open.",
	  GAUGE, .vm = vm_window_open },
	{ "kcoh_vm_windows", "", "vm, name, class", "Incoherent windows.", COUNTER,
	  .vm = vm_windows },
	{ "kcoh_vm_window_seconds", "seconds", "vm, name, class",
	  "Time in incoherent windows, an open one included.", COUNTER, .vm = vm_window_seconds },
	{ "kcoh_vm_toggles", "", "vm, name",
	  "Times a vCPU turned its MMU or data cache on or off, as far as seen.", COUNTER,
	  .vm = vm_toggles },
	{ "kcoh_vm_resets", "", "vm, name", "Resets of vCPUs.", COUNTER, .vm = vm_resets },
	{ "kcoh_vm_set_ways", "", "vm, name", "Set/way cache operations.", COUNTER,
	  .vm = vm_set_ways },
	{ "kcoh_vm_smmu_events", "", "vm, name",
	  "Event records of SMMUs about its devices, while they were its own.", COUNTER,
	  .vm = vm_smmu_events },
	{ "kcoh_vm_exits", "", "vm, name, class",
	  "Exits from the guest, by exception class; classes that never occurred are left out.",
	  COUNTER, .vm = vm_exits },
	{ "kcoh_vm_exit_seconds", "seconds", "vm, name, why, le",
	  "Time outside the guest by why it was left, user space included; inside: time inside. "
	  "Only "
	  "with exit_times = yes.",
	  HISTOGRAM, .vm = vm_exit_seconds },
	{ "kcoh_vm_harvests", "", "vm, name", "Harvests of its dirty log.", COUNTER,
	  .vm = vm_harvests },
	{ "kcoh_vm_pages_harvested", "", "vm, name", "Pages that harvests write-protected.",
	  COUNTER, .vm = vm_harvested },
	{ "kcoh_vm_harvest_seconds", "seconds", "vm, name", "Time in their ioctls.", COUNTER,
	  .vm = vm_harvest_seconds },
	{ "kcoh_vm_pages", "", "vm, name, result",
	  "What became of pages, as kcoh_module_pages_total has it.", COUNTER, .vm = vm_pages },
	{ "kcoh_vm_cleaning_seconds", "seconds", "vm, name",
	  "Time spent cleaning, which comes after each.", COUNTER, .vm = vm_cleaning_seconds },
	{ "kcoh_vm_dirty_bytes_per_second", "bytes_per_second", "vm, name",
	  "How fast the guest dirties its RAM, by the last harvests; absent if they do not tell.",
	  GAUGE, .vm = vm_dirty_rate },
	{ "process_cpu_seconds", "seconds", "", "CPU time of kcohd.", COUNTER,
	  .host = process_cpu },
	{ "process_start_time_seconds", "seconds", "", "When kcohd started, Unix time.", GAUGE,
	  .host = process_start },
	{ "process_resident_memory_bytes", "bytes", "", "Memory of kcohd.", GAUGE,
	  .host = process_resident },
	{ "process_open_fds", "", "", "File descriptors of kcohd.", GAUGE, .host = process_fds },
};

#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

bool kcoh_metrics_at(size_t i, struct kcoh_metric_view *ret_metric)
{
	if (i >= METRICS)
		return false;
	*ret_metric = (struct kcoh_metric_view){ metrics[i].name, metrics[i].type, metrics[i].unit,
						 metrics[i].labels, metrics[i].help };
	return true;
}

/* --- a scrape ------------------------------------------------------------------------------------------- */

static void facts_fill(const struct kcoh_metrics_source *source,
		       const struct kcoh_roster_vm *roster_vm, struct vm_facts *vm)
{
	const struct kcoh_ident *ident = roster_vm->ident;
	char id[16];

	vm->view = (struct kcoh_vm_view){
		.id = ident->id,
		.verdict = { .kind = KCOH_VERDICT_VETO, .reason = KCOH_RSN_TOO_MANY },
	};
	(void)kcoh_core_vm(source->core, ident->id, &vm->view);
	vm->harvests = &roster_vm->harvests;
	vm->smmu_events = roster_vm->smmu_events;
	vm->exits_known = source->exits &&
			  source->exits(source->ctx, ident->id, KCOH_VCPU_NONE, &vm->exits) == 0;
	snprintf(id, sizeof(id), "%u", ident->id);
	kcoh_om_label(vm->labels, sizeof(vm->labels), "vm", id);
	/* A name too long for a label is left out: `vm` says which it is. */
	kcoh_om_label(vm->labels, sizeof(vm->labels), "name", ident->name);
}

static void metric_write(struct scrape *scrape, const struct vm_facts *vms, size_t n)
{
	const struct metric *metric = scrape->metric;

	kcoh_om_family(scrape->text, metric->name, metric->type, metric->unit, metric->help);
	if (metric->host)
		metric->host(scrape);
	for (size_t i = 0; metric->vm && i < n; i++)
		metric->vm(scrape, &vms[i]);
}

char *kcoh_metrics_render(const struct kcoh_metrics_source *source, size_t *ret_len)
{
	size_t n = kcoh_roster_count(source->roster);
	struct vm_facts *vms = calloc(n + 1, sizeof(*vms));
	struct kcoh_om text = { 0 };
	struct scrape scrape = { .text = &text, .host = source->host };

	if (!vms)
		return NULL;
	for (size_t i = 0; i < n; i++)
		facts_fill(source, kcoh_roster_at(source->roster, i), &vms[i]);
	kcoh_core_stats(source->core, &source->host->core);
	for (size_t i = 0; i < METRICS; i++) {
		scrape.metric = &metrics[i];
		metric_write(&scrape, vms, n);
	}
	free(vms);
	return kcoh_om_take(&text, ret_len);
}

static bool is_of_admission(const char *name)
{
	return !strncmp(name, "kcoh_admission_", 15) || !strncmp(name, "process_", 8);
}

char *kcoh_metrics_admission_render(const struct kcoh_admission_counts *counts, size_t *ret_len)
{
	struct kcoh_metrics_host host = { .admission_known = true, .admission = *counts };
	struct kcoh_om text = { 0 };
	struct scrape scrape = { .text = &text, .host = &host };

	host.process_known = kcoh_metrics_process_read(&host.process) == 0;
	for (size_t i = 0; i < METRICS; i++) {
		scrape.metric = &metrics[i];
		if (is_of_admission(metrics[i].name))
			metric_write(&scrape, NULL, 0);
	}
	return kcoh_om_take(&text, ret_len);
}
