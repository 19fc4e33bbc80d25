// SPDX-License-Identifier: GPL-2.0-only
/*
 * admission.c - asks the fleet's store what a review is to be answered. See admission.h.
 *
 * Eight look-ups are under way at a time, over connections that are kept; others wait for their turn. A store that hangs costs eight
 * handshakes then, and not one for each question; each question has its own deadline, from when it came.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "admission/admission.h"
#include "fleet/lookup.h"

#define MAX_LOOKUPS 8
#define NO_STORE "[fleet] of the configuration has no endpoints"

struct kcoh_admission {
	struct kcoh_admission_config config;
	struct kcoh_http *http; /* NULL: there is no store */
	TAILQ_HEAD(, kcoh_admission_ask) turns; /* those that wait for theirs */
	unsigned int lookups; /* under way */
	struct kcoh_admission_counts counts;
};

struct kcoh_admission_ask {
	struct kcoh_admission *admission;
	struct kcoh_review review;
	json_t *local; /* records of this host */
	struct kcoh_lookup *lookup; /* NULL: the store is not asked, or not yet */
	TAILQ_ENTRY(kcoh_admission_ask) turn;
	bool waits; /* for its turn */
	sd_event_source *soon; /* it needs no store */
	sd_event_source *late; /* its deadline */
	kcoh_admission_done_fn done;
	void *ctx;
};

/* --- answering ---------------------------------------------------------------------------------------------- */

/* What the store has of other hosts, and what this host says itself. */
static json_t *records_join(const struct kcoh_admission_ask *ask, const struct kcoh_found *found)
{
	const struct kcoh_fleet_config *fleet = kcoh_config_fleet(ask->admission->config.config);
	json_t *records = json_copy(ask->local), *record;
	size_t i;

	json_array_foreach(found->records, i, record)
	{
		const char *host = json_string_value(json_object_get(record, "host"));

		if (!json_array_size(ask->local) || strcmp(host, fleet->host))
			json_array_append(records, record);
	}
	return records;
}

static void judge(const struct kcoh_admission_ask *ask, const struct kcoh_found *found,
		  const char *failure, struct kcoh_fleet_answer *ret_answer)
{
	const struct kcoh_config *config = ask->admission->config.config;
	enum kcoh_guard guard = kcoh_config_policy(config, ask->review.name, "").guard;

	kcoh_fleet_guard(found, failure, NULL, kcoh_config_fleet(config), guard, ret_answer);
}

static void answer(struct kcoh_admission_ask *ask, const struct kcoh_fleet_answer *fleet_answer)
{
	struct kcoh_admission *admission = ask->admission;
	enum kcoh_review_outcome outcome;
	char message[1280];
	json_t *json =
		kcoh_review_answer(&ask->review, fleet_answer, &outcome, message, sizeof(message));
	kcoh_admission_done_fn done = ask->done;
	void *ctx = ask->ctx;

	admission->counts.outcomes[outcome]++;
	if (fleet_answer && !fleet_answer->answered)
		admission->counts.unanswered++;
	if (*message && admission->config.said)
		admission->config.said(admission->config.ctx, outcome, message);
	kcoh_admission_drop(ask);
	done(ctx, json);
}

/* What this host says of its own VM needs no store: if that gives no answer, the VM's own host is the one to go by. */
static void on_found(void *ctx, int error, const struct kcoh_found *found, const char *sentence)
{
	struct kcoh_admission_ask *ask = ctx;
	struct kcoh_found all = { 0 };
	struct kcoh_fleet_answer fleet_answer;

	if (found) {
		all.records = records_join(ask, found);
		all.refused = json_incref(found->refused);
	} else if (json_array_size(ask->local)) {
		all.records = json_incref(ask->local);
	}
	(void)error;
	judge(ask, all.records ? &all : NULL, sentence, &fleet_answer);
	answer(ask, &fleet_answer);
	json_decref(all.records);
	json_decref(all.refused);
}

static int on_late(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	on_found(ctx, -ETIMEDOUT, NULL, "no answer in time");
	return 0;
}

static int on_soon(sd_event_source *source, void *ctx)
{
	struct kcoh_admission_ask *ask = ctx;

	(void)source;
	if (ask->review.ours)
		on_found(ask, -ENOENT, NULL, NO_STORE);
	else
		answer(ask, NULL);
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------------------- */

static int look_up(struct kcoh_admission_ask *ask)
{
	struct kcoh_admission *admission = ask->admission;
	const struct kcoh_admission_config *config = &admission->config;
	int err = kcoh_lookup_name(admission->http, config->event,
				   kcoh_config_fleet(config->config), ask->review.name,
				   config->deadline_ms, on_found, ask, &ask->lookup);

	admission->lookups += err == 0;
	return err;
}

/* One that cannot be looked up for want of memory is answered at its deadline. */
static void next_look_up(struct kcoh_admission *admission)
{
	struct kcoh_admission_ask *ask;

	while (admission->lookups < MAX_LOOKUPS && (ask = TAILQ_FIRST(&admission->turns))) {
		TAILQ_REMOVE(&admission->turns, ask, turn);
		ask->waits = false;
		look_up(ask);
	}
}

static int begin(struct kcoh_admission_ask *ask)
{
	struct kcoh_admission *admission = ask->admission;
	const struct kcoh_admission_config *config = &admission->config;
	int err;

	if (!ask->review.ours || !admission->http)
		return sd_event_add_defer(config->event, &ask->soon, on_soon, ask);
	err = sd_event_add_time_relative(config->event, &ask->late, CLOCK_MONOTONIC,
					 config->deadline_ms * 1000ull, 0, on_late, ask);
	if (err < 0 || admission->lookups < MAX_LOOKUPS)
		return err < 0 ? err : look_up(ask);
	TAILQ_INSERT_TAIL(&admission->turns, ask, turn);
	ask->waits = true;
	return 0;
}

int kcoh_admission_ask(struct kcoh_admission *admission, const char *body, size_t len,
		       kcoh_admission_done_fn done, void *ctx, struct kcoh_admission_ask **ret_ask,
		       char *err, size_t err_len)
{
	const struct kcoh_admission_config *config = &admission->config;
	struct kcoh_admission_ask *ask = calloc(1, sizeof(*ask));
	int bad = ask ? kcoh_review_parse(body, len, &ask->review, err, err_len) : -ENOMEM;

	if (bad == -EINVAL)
		admission->counts.malformed++;
	if (bad < 0) {
		free(ask);
		return bad;
	}
	ask->admission = admission;
	ask->done = done;
	ask->ctx = ctx;
	ask->local = json_array();
	if (ask->review.ours && config->local)
		config->local(config->ctx, ask->review.name, ask->local);
	bad = begin(ask);
	if (bad < 0) {
		kcoh_admission_drop(ask);
		snprintf(err, err_len, "the question cannot be answered: %s", strerror(-bad));
		return bad == -EINVAL ? -EIO : bad;
	}
	*ret_ask = ask;
	return 0;
}

void kcoh_admission_drop(struct kcoh_admission_ask *ask)
{
	struct kcoh_admission *admission = ask ? ask->admission : NULL;

	if (!ask)
		return;
	if (ask->waits)
		TAILQ_REMOVE(&admission->turns, ask, turn);
	admission->lookups -= ask->lookup != NULL;
	kcoh_lookup_free(ask->lookup);
	sd_event_source_disable_unref(ask->soon);
	sd_event_source_disable_unref(ask->late);
	json_decref(ask->local);
	free(ask);
	next_look_up(admission);
}

/* --- life --------------------------------------------------------------------------------------------------- */

int kcoh_admission_new(const struct kcoh_admission_config *config,
		       struct kcoh_admission **ret_admission)
{
	const struct kcoh_fleet_config *fleet = kcoh_config_fleet(config->config);
	struct kcoh_admission *admission = calloc(1, sizeof(*admission));
	int err = 0;

	if (!admission)
		return -ENOMEM;
	admission->config = *config;
	TAILQ_INIT(&admission->turns);
	if (!config->deadline_ms)
		admission->config.deadline_ms = KCOH_ADMISSION_DEADLINE_MS;
	if (fleet)
		err = kcoh_http_new(config->event, fleet, &admission->http);
	if (err < 0) {
		free(admission);
		return err;
	}
	*ret_admission = admission;
	return 0;
}

void kcoh_admission_free(struct kcoh_admission *admission)
{
	if (!admission)
		return;
	kcoh_http_free(admission->http);
	free(admission);
}

void kcoh_admission_count(const struct kcoh_admission *admission,
			  struct kcoh_admission_counts *ret_counts)
{
	*ret_counts = admission->counts;
}
