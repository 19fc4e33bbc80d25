/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * made.h - VMs that a real core has been told of, for a scrape to look at: each has harvests, exits of two classes, SMMU events;
 * and histograms of the host.
 */
#ifndef KCOH_TESTS_METRICS_MADE_H
#define KCOH_TESTS_METRICS_MADE_H

#include "metrics/metrics.h"

#define MADE_MAX_VMS 1024

struct made {
	struct kcoh_metrics_host host;
	struct kcoh_histograms histograms;
	struct kcoh_core *core;
	struct kcoh_roster *roster;
	void *memory; /* the core's */
};

/* VMs 1 to `vms`; every second one's name needs escaping, every third has no exits counted. 0, or -ENOMEM. */
int made_new(struct made *made, uint32_t vms);
void made_free(struct made *made);

/* Their exits, as kcoh_metrics_source has it. */
int made_exits(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts);

#endif
