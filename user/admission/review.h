/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * review.h - an AdmissionReview of Kubernetes: what is asked, and what is answered.
 *
 * Before a VirtualMachineInstanceMigration is created, which is how every migration of KubeVirt's begins (virtctl migrate, a drained node, an
 * update of KubeVirt), kube-apiserver posts to each webhook that wants to know:
 *
 *   {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "705ab4f5-…", "operation": "CREATE",
 *    "kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachineInstanceMigration"}, "namespace": "prod",
 *    "object": {"spec": {"vmiName": "web-1"}, …}, …}}
 *
 * and goes by what comes back, whose message is what the user, or the event of the VM, then says:
 *
 *   {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "705ab4f5-…", "allowed": false, "status":
 *    {"code": 403, "reason": "Forbidden", "message": "kcoh refuses the migration of prod/web-1: arm-17: veto: mmu-off: …"}}}
 *
 * The VM is looked up by the name that its QEMU has, prod_web-1. By its UUID it cannot be: that is not in the request, and VMs of one name in
 * two namespaces can have the same. Neither a namespace nor a VM's name can hold a '_', so that the name stands for one VM only.
 *
 * What is asked about anything else is allowed without a look. So is the target's half of a migration between clusters or namespaces
 * (spec.receive): the VM is at the source, where it was asked about.
 */
#ifndef KCOH_ADMISSION_REVIEW_H
#define KCOH_ADMISSION_REVIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "fleet/guard.h"

#define KCOH_REVIEW_BYTES 256 /* of a name of Kubernetes', with its NUL; the longest has 253 */
#define KCOH_REVIEW_SPACE_BYTES 64 /* of a namespace's */

struct kcoh_review {
	char uid[KCOH_REVIEW_BYTES];
	bool ours; /* a migration that is to begin */
	char space[KCOH_REVIEW_SPACE_BYTES], vmi[KCOH_REVIEW_BYTES]; /* of it; else "" */
	char name[KCOH_REVIEW_SPACE_BYTES + KCOH_REVIEW_BYTES]; /* as its QEMU is called */
};

enum kcoh_review_outcome {
	KCOH_REVIEW_IGNORED, /* it is none of ours: allowed */
	KCOH_REVIEW_ALLOWED,
	KCOH_REVIEW_WARNED, /* allowed, and something was to be said */
	KCOH_REVIEW_REFUSED,
	KCOH_REVIEW_OUTCOMES
};

/* 0; or -EINVAL and one sentence: it is no AdmissionReview v1. */
int kcoh_review_parse(const char *body, size_t len, struct kcoh_review *ret_review, char *err,
		      size_t err_len);

/*
 * The answer, a new reference; NULL without memory. `answer` NULL: the review is none of ours. `ret_message` has what was said, if
 * anything was, for a log.
 */
json_t *kcoh_review_answer(const struct kcoh_review *review, const struct kcoh_fleet_answer *answer,
			   enum kcoh_review_outcome *ret_outcome, char *ret_message, size_t len);

/* "ignored", "allowed", "warned", "refused". */
const char *kcoh_review_outcome_name(enum kcoh_review_outcome outcome);

#endif
