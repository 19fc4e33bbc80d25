// SPDX-License-Identifier: GPL-2.0-only
/*
 * lookup.c - look-ups in the fleet's store. See lookup.h.
 *
 * Of a VM, and of all hosts: the keys with one prefix, 500 at a time. Of a host: first its index, then the records that the index names, 100 a
 * transaction, so that a look-up costs what the host has and not what the fleet has.
 *
 * Example: 200 hosts of 50 VMs. --vm UUID or NAME reads 1 record, --host H 51 keys and 50 records, no option 200 records.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/etcd.h"
#include "fleet/lookup.h"
#include "fleet/record.h"

#define PAGE 500
#define BATCH 100
#define TRIES 3

_Static_assert(BATCH <= KCOH_ETCD_TXN_MAX, "a batch is a transaction");

struct kcoh_lookup {
	struct kcoh_http *http;
	const struct kcoh_fleet_config *fleet;
	json_t *(*parse)(const char *text, char *err, size_t err_len);
	char prefix[KCOH_FLEET_KEY_BYTES]; /* of the keys that are read */
	char from[KCOH_FLEET_KEY_BYTES]; /* the next page */
	const char *host; /* its index is read first; NULL: no index */
	json_t *uuids; /* of the index */
	size_t taken; /* of these */
	bool indexing;
	json_t *request; /* to try again */
	const char *path;
	unsigned int tries;
	uint32_t deadline_ms; /* of one try */
	struct kcoh_found found;
	sd_event_source *start;
	kcoh_lookup_done_fn done;
	void *ctx;
};

static void ask_next(struct kcoh_lookup *lookup);

static void finish(struct kcoh_lookup *lookup, int error, const char *sentence)
{
	lookup->done(lookup->ctx, error, error < 0 ? NULL : &lookup->found, sentence);
}

/* --- what comes --------------------------------------------------------------------------------------------- */

static void record_take(struct kcoh_lookup *lookup, const json_t *kv)
{
	char *key = kcoh_etcd_text(kv, "key"), *text = kcoh_etcd_text(kv, "value");
	char why[160] = "it is no text";
	json_t *record = text ? lookup->parse(text, why, sizeof(why)) : NULL;

	if (record)
		json_array_append_new(lookup->found.records, record);
	else
		json_array_append_new(
			lookup->found.refused,
			json_sprintf("%s cannot be read: %s", key ? key : "a key", why));
	free(key);
	free(text);
}

/* What follows the prefix in a key of the index. */
static void uuid_take(struct kcoh_lookup *lookup, const json_t *kv)
{
	char *key = kcoh_etcd_text(kv, "key");
	size_t len = strlen(lookup->prefix);

	if (key && strlen(key) > len)
		json_array_append_new(lookup->uuids, json_string(key + len));
	free(key);
}

static int page_take(struct kcoh_lookup *lookup, const json_t *range)
{
	const json_t *kvs = json_object_get(range, "kvs"), *kv;
	char *last;
	size_t i;

	json_array_foreach(kvs, i, kv)
	{
		if (lookup->indexing)
			uuid_take(lookup, kv);
		else
			record_take(lookup, kv);
	}
	if (!json_is_true(json_object_get(range, "more")))
		return 0;
	last = kcoh_etcd_text(json_array_get(kvs, json_array_size(kvs) - 1), "key");
	if (!last || strlen(last) + 2 > sizeof(lookup->from)) {
		free(last);
		return -EPROTO;
	}
	/* The key behind a key is that key with a NUL, which a C string cannot hold: \1 is as good, no key of ours has it. */
	snprintf(lookup->from, sizeof(lookup->from), "%s\1", last);
	free(last);
	return 1;
}

static void responses_take(struct kcoh_lookup *lookup, const json_t *answer)
{
	const json_t *response, *kv;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "responses"), i, response)
	{
		json_array_foreach(
			json_object_get(json_object_get(response, "response_range"), "kvs"), k, kv)
			record_take(lookup, kv);
	}
}

static void answer_take(struct kcoh_lookup *lookup, const json_t *answer)
{
	int more = 0;

	if (lookup->uuids && !lookup->indexing)
		responses_take(lookup, answer);
	else
		more = page_take(lookup, answer);
	if (more < 0) {
		finish(lookup, more, "the store's answer makes no sense");
		return;
	}
	if (more == 0)
		lookup->indexing = false;
	if (more > 0 || (lookup->uuids && lookup->taken < json_array_size(lookup->uuids)))
		ask_next(lookup);
	else
		finish(lookup, 0, NULL);
}

static void on_answer(void *ctx, int error, long status, const json_t *answer,
		      const char *sentence);

static int ask(struct kcoh_lookup *lookup)
{
	lookup->tries++;
	return kcoh_http_post(lookup->http, lookup->path, json_incref(lookup->request),
			      lookup->deadline_ms, on_answer, lookup);
}

static void on_answer(void *ctx, int error, long status, const json_t *answer, const char *sentence)
{
	struct kcoh_lookup *lookup = ctx;

	(void)status;
	if (error < 0 && lookup->tries < TRIES && ask(lookup) == 0)
		return;
	if (error < 0) {
		finish(lookup, error, sentence);
		return;
	}
	lookup->tries = 0;
	answer_take(lookup, answer);
}

/* --- what is asked ------------------------------------------------------------------------------------------ */

static json_t *batch_request(struct kcoh_lookup *lookup)
{
	json_t *txn = kcoh_etcd_txn();
	char key[KCOH_FLEET_KEY_BYTES];

	for (int i = 0; txn && i < BATCH && lookup->taken < json_array_size(lookup->uuids); i++) {
		kcoh_fleet_key_vm(key, lookup->fleet->prefix,
				  json_string_value(json_array_get(lookup->uuids, lookup->taken++)),
				  lookup->host);
		kcoh_etcd_txn_range(txn, key);
	}
	return txn;
}

static void ask_next(struct kcoh_lookup *lookup)
{
	bool by_index = lookup->uuids && !lookup->indexing;
	int err;

	json_decref(lookup->request);
	lookup->path = by_index ? KCOH_ETCD_TXN : KCOH_ETCD_RANGE;
	lookup->request = by_index ? batch_request(lookup) :
				     kcoh_etcd_range(lookup->from, lookup->prefix, PAGE);
	err = lookup->request ? ask(lookup) : -ENOMEM;
	if (err < 0)
		finish(lookup, err, strerror(-err));
}

static int on_start(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	ask_next(ctx);
	return 0;
}

/* It begins when the loop runs, so that no callback comes before the caller has it. */
static int start(struct kcoh_lookup *lookup, sd_event *event, struct kcoh_lookup **ret_lookup)
{
	int err = -ENOMEM;

	strcpy(lookup->from, lookup->prefix);
	if (lookup->found.records && lookup->found.refused && (!lookup->indexing || lookup->uuids))
		err = sd_event_add_time_relative(event, &lookup->start, CLOCK_MONOTONIC, 0, 0,
						 on_start, lookup);
	if (err < 0) {
		kcoh_lookup_free(lookup);
		return err;
	}
	*ret_lookup = lookup;
	return 0;
}

static struct kcoh_lookup *lookup_new(struct kcoh_http *http, const struct kcoh_fleet_config *fleet,
				      uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx)
{
	struct kcoh_lookup *lookup = calloc(1, sizeof(*lookup));

	if (!lookup)
		return NULL;
	lookup->http = http;
	lookup->fleet = fleet;
	lookup->parse = kcoh_fleet_vm_parse;
	lookup->deadline_ms = deadline_ms / TRIES;
	lookup->found.records = json_array();
	lookup->found.refused = json_array();
	lookup->done = done;
	lookup->ctx = ctx;
	return lookup;
}

int kcoh_lookup_vm(struct kcoh_http *http, sd_event *event, const struct kcoh_fleet_config *fleet,
		   const char *uuid, uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx,
		   struct kcoh_lookup **ret_lookup)
{
	struct kcoh_lookup *lookup = lookup_new(http, fleet, deadline_ms, done, ctx);

	if (!lookup)
		return -ENOMEM;
	kcoh_fleet_key_vm(lookup->prefix, fleet->prefix, uuid, NULL);
	return start(lookup, event, ret_lookup);
}

int kcoh_lookup_name(struct kcoh_http *http, sd_event *event, const struct kcoh_fleet_config *fleet,
		     const char *name, uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx,
		     struct kcoh_lookup **ret_lookup)
{
	struct kcoh_lookup *lookup;

	if (strlen(name) >= KCOH_FLEET_NAME_BYTES)
		return -ENAMETOOLONG;
	lookup = lookup_new(http, fleet, deadline_ms, done, ctx);
	if (!lookup)
		return -ENOMEM;
	kcoh_fleet_key_name(lookup->prefix, fleet->prefix, name, NULL);
	return start(lookup, event, ret_lookup);
}

int kcoh_lookup_host(struct kcoh_http *http, sd_event *event, const struct kcoh_fleet_config *fleet,
		     const char *host, uint32_t deadline_ms, kcoh_lookup_done_fn done, void *ctx,
		     struct kcoh_lookup **ret_lookup)
{
	struct kcoh_lookup *lookup = lookup_new(http, fleet, deadline_ms, done, ctx);

	if (!lookup)
		return -ENOMEM;
	lookup->host = host;
	lookup->indexing = true;
	lookup->uuids = json_array();
	kcoh_fleet_key_index(lookup->prefix, fleet->prefix, host, NULL);
	return start(lookup, event, ret_lookup);
}

int kcoh_lookup_hosts(struct kcoh_http *http, sd_event *event,
		      const struct kcoh_fleet_config *fleet, uint32_t deadline_ms,
		      kcoh_lookup_done_fn done, void *ctx, struct kcoh_lookup **ret_lookup)
{
	struct kcoh_lookup *lookup = lookup_new(http, fleet, deadline_ms, done, ctx);

	if (!lookup)
		return -ENOMEM;
	lookup->parse = kcoh_fleet_host_parse;
	kcoh_fleet_key_host(lookup->prefix, fleet->prefix, NULL);
	return start(lookup, event, ret_lookup);
}

void kcoh_lookup_free(struct kcoh_lookup *lookup)
{
	if (!lookup)
		return;
	kcoh_http_drop(lookup->http, lookup);
	sd_event_source_disable_unref(lookup->start);
	json_decref(lookup->request);
	json_decref(lookup->uuids);
	json_decref(lookup->found.records);
	json_decref(lookup->found.refused);
	free(lookup);
}
