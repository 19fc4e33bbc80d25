// SPDX-License-Identifier: GPL-2.0-only
/*
 * admission.c - what kcohd itself says to an AdmissionReview: of its own VMs what it knows now, of others what the fleet's store has.
 */
#include <string.h>

#include "admission/admission.h"
#include "fleet/view.h"
#include "host/clock.h"
#include "kcohd/daemon.h"

static void local(void *ctx, const char *name, json_t *records)
{
	struct daemon *daemon = ctx;
	const struct kcoh_fleet_config *fleet = kcoh_config_fleet(daemon->config);

	kcoh_fleet_view_named(daemon->core, daemon->roster, fleet ? fleet->host : "this host",
			      (int64_t)(kcoh_clock_ns(CLOCK_REALTIME) - now_ns()), name, records);
}

static void said(void *ctx, enum kcoh_review_outcome outcome, const char *sentence)
{
	(void)ctx;
	say(outcome == KCOH_REVIEW_REFUSED ? LOG_NOTICE : LOG_INFO, "%s", sentence);
}

int admission_up(struct daemon *daemon)
{
	const struct kcoh_admission_config config = {
		.event = daemon->event,
		.config = daemon->config,
		.local = local,
		.said = said,
		.ctx = daemon,
	};
	int err = kcoh_admission_new(&config, &daemon->admission);

	if (err < 0)
		say(LOG_ERR, "cannot set up what answers AdmissionReviews: %s", strerror(-err));
	return err;
}

void admission_down(struct daemon *daemon)
{
	kcoh_admission_free(daemon->admission);
	daemon->admission = NULL;
}
