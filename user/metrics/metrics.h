/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * metrics.h - what Prometheus is told: one table of metrics (table.c), written as OpenMetrics.
 *
 * A metric is a row: its name, type, unit, labels, what it means, and the function that writes its samples. The scrape, the
 * list in docs/metrics.md and the test of dashboards and rules all read that table, so none can name a metric that is not.
 *
 * Cardinality is bounded by the VMs that exist: those that went away are gone from the next scrape on. There is no series
 * per vCPU.
 *
 * Cost: one pass over all VMs per family; see docs/bench.md for figures.
 */
#ifndef KCOH_METRICS_H
#define KCOH_METRICS_H

#include "admission/admission.h"
#include "core/core.h"
#include "feed/feed.h"
#include "fleet/publish.h"
#include "kcoh/ioctl.h"
#include "metrics/openmetrics.h"
#include "names/roster.h"
#include "relay/histograms.h"
#include "relay/smmu_counts.h"

struct kcoh_metrics_hook {
	const char *name;
	const char *method; /* NULL: not attached */
};
#define KCOH_METRICS_HOOKS 128

/* Of this process, by /proc/self. */
struct kcoh_metrics_process {
	uint64_t cpu_ns; /* user and system */
	uint64_t resident_bytes;
	uint64_t open_fds;
	uint64_t start_ns; /* CLOCK_REALTIME */
};

/* What the wiring knows of the host. Members that are not known stay zero and their flag false. */
struct kcoh_metrics_host {
	uint64_t now_ns; /* CLOCK_MONOTONIC, the clock of views and events */
	uint64_t unix_ns; /* CLOCK_REALTIME at that moment */
	uint32_t page_size; /* bytes */
	bool features_known; /* S2FWB and VHE are known only once the module has answered */
	uint32_t features; /* KCOH_HOST_* */
	bool module_up; /* loaded, of our ABI, its events read */
	uint32_t module_state; /* enum kcoh_module_state */
	bool module_stats_known;
	struct kcoh_stats module;
	uint64_t records_lost[KCOH_FEED_LOST_REASONS], records_malformed;
	uint32_t streams; /* of events */
	uint32_t hooks;
	struct kcoh_metrics_hook hook[KCOH_METRICS_HOOKS];
	bool process_known;
	struct kcoh_metrics_process process;
	bool exit_times; /* times of exits are always counted: show them */
	bool fleet_known; /* it is published to a fleet's store */
	struct kcoh_publish_stats fleet;
	bool admission_known; /* it answers AdmissionReviews */
	struct kcoh_admission_counts admission;
	const struct kcoh_smmu_counts *smmu; /* NULL: not known */
	const struct kcoh_histograms *histograms; /* NULL: not known */
	struct kcoh_core_stats core; /* filled by kcoh_metrics_render() */
};

struct kcoh_metrics_source {
	const struct kcoh_core *core;
	struct kcoh_roster *roster;
	struct kcoh_metrics_host *host;
	/* Exit counters of a VM, as in kcoh_serve_config. May be NULL. */
	int (*exits)(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts);
	void *ctx;
};

/* All metrics now: a text that the caller frees, and its length. NULL if there was no memory. */
char *kcoh_metrics_render(const struct kcoh_metrics_source *source, size_t *ret_len);

/* Only those of `kcoh admission`: kcoh_admission_*, and of the process. */
char *kcoh_metrics_admission_render(const struct kcoh_admission_counts *counts, size_t *ret_len);

/* A row of the table, for documentation. */
struct kcoh_metric_view {
	const char *name; /* without the suffix of its samples */
	enum kcoh_metric_type type;
	const char *unit;
	const char *labels; /* their names, with commas */
	const char *help;
};

/* The i-th row; false beyond the last. */
bool kcoh_metrics_at(size_t i, struct kcoh_metric_view *ret_metric);

/* Reads /proc/self. 0, or a negative errno. */
int kcoh_metrics_process_read(struct kcoh_metrics_process *ret_process);

#define KCOH_METRICS_CONTENT_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

#endif
