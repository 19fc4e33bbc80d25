/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vm_json.h - a VM and its verdict as JSON, for /v1/vms.
 */
#ifndef KCOH_VM_JSON_H
#define KCOH_VM_JSON_H

#include <jansson.h>

#include "core/core.h"
#include "feed/feed.h"
#include "names/roster.h"

struct kcoh_vm_facts {
	const struct kcoh_ident *ident;
	const struct kcoh_vm_view *view;
	const struct kcoh_core *core; /* for its vCPUs */
	const struct kcoh_exit_rate *exit_rate;
	const struct kcoh_harvests *harvests;
	json_t *devices; /* an array, taken over; NULL: not known */
	json_t *override; /* an object, taken over; NULL: none is in force */
	/* As kcoh_serve_config.exits; NULL: not counted */
	int (*exits)(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts);
	void *exits_ctx;
	bool each_vcpu; /* tell also what each vCPU did */
	uint32_t page_size; /* bytes */
};

/* New references, or NULL without memory. `override` as above. */
json_t *kcoh_vm_json(const struct kcoh_vm_facts *facts);
json_t *kcoh_verdict_json(const struct kcoh_ident *ident, const struct kcoh_vm_view *view,
			  json_t *override);
/* The worst verdict of a host, whose it is (NULL: there are no VMs), and those of all, an array that is taken over. */
json_t *kcoh_host_verdict_json(const struct kcoh_ident *ident, const struct kcoh_verdict *worst,
			       json_t *vms);

#endif
