/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * admission.h - asks the fleet's store what a review is to be answered, on an sd-event loop that never waits for it.
 *
 * `kcoh admission` answers by it for a whole cluster, and kcohd on its own API (POST /v1/admission). The store has a deadline of 2 s, well below
 * the 10 s that Kubernetes gives a webhook: then it is the fail-safe contract that answers (fleet/guard.h), and not failurePolicy.
 *
 * Nothing is kept of a question, and nothing is changed: a dry run is answered as any other.
 */
#ifndef KCOH_ADMISSION_H
#define KCOH_ADMISSION_H

#include <systemd/sd-event.h>

#include "admission/review.h"
#include "config/config.h"

#define KCOH_ADMISSION_DEADLINE_MS 2000

struct kcoh_admission; /* opaque */
struct kcoh_admission_ask; /* opaque: one review that is being answered */

struct kcoh_admission_config {
	sd_event *event;
	const struct kcoh_config *config; /* must live as long; its [fleet] may not change */
	uint32_t deadline_ms; /* of the store; 0: KCOH_ADMISSION_DEADLINE_MS */
	/*
	 * Adds this host's own records (fleet/record.h) of VMs of that name: they count instead of what the store has of this
	 * host. May be NULL.
	 */
	void (*local)(void *ctx, const char *name, json_t *records);
	/* Something was said: refused, or allowed with a warning. One sentence. May be NULL. */
	void (*said)(void *ctx, enum kcoh_review_outcome outcome, const char *sentence);
	void *ctx;
};

struct kcoh_admission_counts {
	uint64_t outcomes[KCOH_REVIEW_OUTCOMES]; /* answers */
	uint64_t malformed; /* what was no AdmissionReview */
	uint64_t unanswered; /* of the answers: the store gave none, and the contract did */
};

int kcoh_admission_new(const struct kcoh_admission_config *config,
		       struct kcoh_admission **ret_admission);
/* All asks must have been answered or dropped. NULL is allowed. */
void kcoh_admission_free(struct kcoh_admission *admission);

/* The answer, whose reference is taken over; NULL without memory. It ends the ask. */
typedef void (*kcoh_admission_done_fn)(void *ctx, json_t *answer);

/*
 * Answers a review. 0: `done` is called once, later, never from inside of this call. -EINVAL and one sentence: it is none. Or another negative
 * errno and one sentence.
 */
int kcoh_admission_ask(struct kcoh_admission *admission, const char *body, size_t len,
		       kcoh_admission_done_fn done, void *ctx, struct kcoh_admission_ask **ret_ask,
		       char *err, size_t err_len);
/* Nobody waits for it any more: `done` does not follow. NULL is allowed. */
void kcoh_admission_drop(struct kcoh_admission_ask *ask);

void kcoh_admission_count(const struct kcoh_admission *admission,
			  struct kcoh_admission_counts *ret_counts);

#endif
