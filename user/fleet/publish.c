// SPDX-License-Identifier: GPL-2.0-only
/*
 * publish.c - a lease that is kept alive, and the changes that are written under it. See publish.h.
 *
 * Of each VM there are two records, by UUID and by name, and a table of each. Two requests are under way at a time at most: one that keeps
 * the lease, and one transaction of up to 120 keys; after each that fails half as many, down to 8, so that a store that is overrun when a whole fleet comes back gets done with something. What the
 * store said to a transaction that failed is not known, so what was in it counts as not written, and is written again: writing the same
 * twice is no harm. While requests fail the lease is asked after first, since nothing can be written without it:
 *
 *   alive   only what is not confirmed yet is written
 *   gone    all keys went with it: a new one, and everything is written
 *   another cluster answers, or its revision went back (it was restored from a backup): the same as gone
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>
#include <time.h>

#include "fleet/etcd.h"
#include "fleet/http.h"
#include "fleet/publish.h"
#include "fleet/table.h"
#include "host/clock.h"

#define BATCH_KEYS 120
#define BATCH_MIN_KEYS 8
#define GATHER_NS 10000000ull /* what changes within that is written together */
#define BACKOFF_MS 500
#define BACKOFF_MAX_MS 10000
#define DEADLINE_MIN_MS 1000
#define DEADLINE_MAX_MS 5000

/* The last VM's second key, and the host's. */
_Static_assert(BATCH_KEYS + 2 <= KCOH_ETCD_TXN_MAX, "a batch is a transaction");

enum { BY_UUID, BY_NAME, TABLES };

struct kcoh_publish {
	struct kcoh_publish_config config;
	struct kcoh_http *http;
	struct fleet_table tables[TABLES];
	struct kcoh_fleet_host host, told; /* as it is; as the round that is told makes it */
	char *host_text; /* as the store has it; NULL: it has none */
	char *host_sent;
	sd_event_source *next; /* the next thing to write or to try */
	sd_event_source *keep; /* the next time to keep the lease */
	uint64_t next_ns; /* when; UINT64_MAX: not at all */
	int64_t lease;
	char cluster[32]; /* its id */
	int64_t revision; /* of the store, when it was written last */
	bool granting, writing, keeping; /* requests under way */
	uint32_t batch; /* keys of a transaction */
	bool failing; /* the last one failed: only the lease is asked after */
	bool up;
	bool told_down;
	uint32_t tries;
	uint64_t writes, records, failures, resyncs, refused;
	char error[512];
};

static void go_on(struct kcoh_publish *publish);

static uint64_t now(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static void next_at(struct kcoh_publish *publish, uint64_t ns)
{
	if (ns >= publish->next_ns)
		return;
	publish->next_ns = ns;
	sd_event_source_set_time(publish->next, ns / 1000);
	sd_event_source_set_enabled(publish->next, SD_EVENT_ONESHOT);
}

/* The i-th entry of all tables, and whose it is; NULL: there are no more. */
static struct fleet_entry *entry_at(const struct kcoh_publish *publish, size_t i, int *ret_table)
{
	for (*ret_table = 0; *ret_table < TABLES; ++*ret_table) {
		const struct fleet_table *table = &publish->tables[*ret_table];

		if (i < table->count)
			return table->entries[i];
		i -= table->count;
	}
	return NULL;
}

static uint32_t third_of_lease_ms(const struct kcoh_publish *publish)
{
	return publish->config.fleet->lease_s * 1000 / 3;
}

static uint32_t deadline_ms(const struct kcoh_publish *publish)
{
	uint32_t ms = third_of_lease_ms(publish);

	return ms < DEADLINE_MIN_MS ? DEADLINE_MIN_MS : ms > DEADLINE_MAX_MS ? DEADLINE_MAX_MS : ms;
}

/* --- failing, and no longer --------------------------------------------------------------------------------- */

/* 0.5 s, 1 s, 2 s, … and of that 50 to 75 %. */
static uint64_t backoff_ns(struct kcoh_publish *publish)
{
	uint32_t max = third_of_lease_ms(publish), ms = BACKOFF_MS, random = 0;

	if (max > BACKOFF_MAX_MS)
		max = BACKOFF_MAX_MS;
	for (uint32_t i = 0; i < publish->tries && ms < max; i++)
		ms *= 2;
	if (ms > max)
		ms = max;
	publish->tries++;
	(void)!getrandom(&random, sizeof(random), GRND_NONBLOCK);
	return (uint64_t)ms * 500000 + (uint64_t)ms * 250000 * random / UINT32_MAX;
}

static void say(struct kcoh_publish *publish, int priority, const char *sentence)
{
	if (publish->config.say)
		publish->config.say(publish->config.ctx, priority, sentence);
}

static void fail(struct kcoh_publish *publish, const char *sentence)
{
	char said[640];

	publish->failures++;
	publish->failing = true;
	publish->up = false;
	snprintf(publish->error, sizeof(publish->error), "%s", sentence);
	if (!publish->told_down) {
		snprintf(
			said, sizeof(said),
			"the fleet's store cannot be written: %s; it is tried again, and the guard "
			"of this host goes on",
			sentence);
		say(publish, LOG_WARNING, said);
	}
	publish->told_down = true;
	publish->next_ns = UINT64_MAX;
	next_at(publish, now() + backoff_ns(publish));
}

/* All is written. */
static void succeed(struct kcoh_publish *publish)
{
	char said[160];

	publish->up = true;
	publish->tries = 0;
	publish->error[0] = '\0';
	if (publish->told_down) {
		snprintf(said, sizeof(said), "the fleet's store is written again: %zu VMs by %s",
			 (size_t)publish->host.vms, kcoh_http_endpoint(publish->http));
		say(publish, LOG_NOTICE, said);
	}
	publish->told_down = false;
}

static void lease_lost(struct kcoh_publish *publish)
{
	publish->lease = 0;
	publish->cluster[0] = '\0';
	publish->revision = 0;
	publish->resyncs++;
	free(publish->host_text);
	publish->host_text = NULL;
	for (int i = 0; i < TABLES; i++)
		table_reset(&publish->tables[i], now());
	sd_event_source_set_enabled(publish->keep, SD_EVENT_OFF);
}

/* Is it still the store that we wrote to? */
static bool store_is_same(struct kcoh_publish *publish, const json_t *header, bool written)
{
	const char *cluster = json_string_value(json_object_get(header, "cluster_id"));
	int64_t revision = kcoh_etcd_number(header, "revision");
	bool same = !cluster || !*publish->cluster || !strcmp(publish->cluster, cluster);

	if (written) {
		same = same && revision > publish->revision;
		publish->revision = revision;
	}
	if (cluster)
		snprintf(publish->cluster, sizeof(publish->cluster), "%s", cluster);
	return same;
}

/* --- the lease ---------------------------------------------------------------------------------------------- */

static void keep_later(struct kcoh_publish *publish)
{
	sd_event_source_set_time_relative(publish->keep, third_of_lease_ms(publish) * 1000ull);
	sd_event_source_set_enabled(publish->keep, SD_EVENT_ONESHOT);
}

static void on_granted(void *ctx, int error, long status, const json_t *answer,
		       const char *sentence)
{
	struct kcoh_publish *publish = ctx;
	uint32_t seconds;

	(void)status;
	publish->granting = false;
	if (error < 0) {
		fail(publish, sentence);
		return;
	}
	if (kcoh_etcd_granted(answer, &publish->lease, &seconds) < 0) {
		fail(publish, "the store did not answer with a lease; is it etcd?");
		return;
	}
	publish->failing = false;
	keep_later(publish);
	go_on(publish);
}

static void grant(struct kcoh_publish *publish)
{
	int err = kcoh_http_post(publish->http, KCOH_ETCD_GRANT,
				 kcoh_etcd_grant(publish->config.fleet->lease_s),
				 deadline_ms(publish), on_granted, publish);

	publish->granting = err == 0;
	if (err < 0)
		fail(publish, strerror(-err));
}

static void on_kept(void *ctx, int error, long status, const json_t *answer, const char *sentence)
{
	struct kcoh_publish *publish = ctx;
	bool was_failing = publish->failing;

	(void)status;
	publish->keeping = false;
	if (error < 0) {
		fail(publish, sentence);
		return;
	}
	publish->failing = false;
	if (!publish->lease)
		return; /* it was given up meanwhile */
	if (kcoh_etcd_kept(answer) < 1 ||
	    !store_is_same(publish, json_object_get(json_object_get(answer, "result"), "header"),
			   false))
		lease_lost(publish);
	else
		keep_later(publish);
	if (was_failing || !publish->lease)
		go_on(publish);
}

static void keep(struct kcoh_publish *publish)
{
	int err;

	if (publish->keeping || !publish->lease)
		return;
	err = kcoh_http_post(publish->http, KCOH_ETCD_KEEPALIVE,
			     kcoh_etcd_keepalive(publish->lease), deadline_ms(publish), on_kept,
			     publish);
	publish->keeping = err == 0;
	if (err < 0)
		fail(publish, strerror(-err));
}

static int on_keep(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	keep(ctx);
	return 0;
}

/* --- a transaction ------------------------------------------------------------------------------------------ */

/* By UUID it stands in the host's index, too. */
static int add_vm(struct kcoh_publish *publish, json_t *txn, const struct fleet_entry *entry,
		  int table)
{
	const struct kcoh_fleet_config *fleet = publish->config.fleet;
	const struct kcoh_fleet_vm vm = { entry->uuid, entry->name, entry->verdict, entry->guard };
	int64_t clock_ns = (int64_t)(kcoh_clock_ns(CLOCK_REALTIME) - now());
	char key[KCOH_FLEET_KEY_BYTES], index[KCOH_FLEET_KEY_BYTES];
	char *text;
	int err;

	if (table == BY_UUID)
		kcoh_fleet_key_vm(key, fleet->prefix, entry->key, fleet->host);
	else
		kcoh_fleet_key_name(key, fleet->prefix, entry->key, fleet->host);
	kcoh_fleet_key_index(index, fleet->prefix, fleet->host, entry->key);
	if (!entry->present) {
		err = kcoh_etcd_txn_delete(txn, key);
		return err < 0 || table != BY_UUID ? err : kcoh_etcd_txn_delete(txn, index);
	}
	text = kcoh_fleet_vm_text(&vm, fleet->host, clock_ns);
	err = text ? kcoh_etcd_txn_put(txn, key, text, publish->lease) : -ENOMEM;
	free(text);
	if (err == 0 && table == BY_UUID && !entry->indexed)
		err = kcoh_etcd_txn_put(txn, index, "", publish->lease);
	return err;
}

static int add_host(struct kcoh_publish *publish, json_t *txn)
{
	const struct kcoh_fleet_config *fleet = publish->config.fleet;
	char key[KCOH_FLEET_KEY_BYTES];

	free(publish->host_sent);
	publish->host_sent = kcoh_fleet_host_text(&publish->host, fleet->host);
	if (!publish->host_sent)
		return -ENOMEM;
	if (publish->host_text && !strcmp(publish->host_text, publish->host_sent))
		return 0;
	kcoh_fleet_key_host(key, fleet->prefix, fleet->host);
	return kcoh_etcd_txn_put(txn, key, publish->host_sent, publish->lease);
}

static void on_written(void *ctx, int error, long status, const json_t *answer,
		       const char *sentence)
{
	struct kcoh_publish *publish = ctx;
	struct fleet_entry *entry;
	uint64_t at_ns = now();
	bool same;
	int table;

	(void)status;
	publish->writing = false;
	same = error == 0 && publish->lease &&
	       store_is_same(publish, json_object_get(answer, "header"), true);
	for (size_t i = 0; (entry = entry_at(publish, i, &table)); i++) {
		uint64_t ns;

		if (!entry->sent.version)
			continue;
		if (error < 0 || !same) {
			entry_fail(entry);
			continue;
		}
		ns = entry_confirm(entry, at_ns);
		publish->records++;
		if (publish->config.confirmed && table == BY_UUID)
			publish->config.confirmed(publish->config.ctx, entry->uuid, ns);
	}
	if (error < 0) {
		publish->batch = publish->batch / 2 > BATCH_MIN_KEYS ? publish->batch / 2 :
								       BATCH_MIN_KEYS;
		fail(publish, sentence); /* whether the lease is alive is asked next */
		return;
	}
	publish->writes++;
	publish->batch = publish->batch * 2 < BATCH_KEYS ? publish->batch * 2 : BATCH_KEYS;
	if (same) {
		free(publish->host_text);
		publish->host_text = publish->host_sent;
		publish->host_sent = NULL;
		for (int i = 0; i < TABLES; i++)
			table_sweep(&publish->tables[i]);
	} else if (publish->lease) {
		lease_lost(publish);
	}
	go_on(publish);
}

/* Those that are due; when the first of the others is. */
static int batch_fill(struct kcoh_publish *publish, json_t *txn, uint64_t *ret_later_ns)
{
	const json_t *operations = json_object_get(txn, "success");
	uint64_t at_ns = now(), due;
	struct fleet_entry *entry;
	int err = 0, table;

	*ret_later_ns = UINT64_MAX;
	for (size_t i = 0; err == 0 && (entry = entry_at(publish, i, &table)); i++) {
		due = entry_due(entry, at_ns);
		if (due == 0 && json_array_size(operations) < publish->batch) {
			err = add_vm(publish, txn, entry, table);
			entry_send(entry);
		} else if (due < *ret_later_ns) {
			*ret_later_ns = due;
		}
	}
	return err < 0 ? err : add_host(publish, txn);
}

static void write_due(struct kcoh_publish *publish)
{
	json_t *txn = kcoh_etcd_txn();
	struct fleet_entry *entry;
	uint64_t later_ns;
	int table, err = txn ? batch_fill(publish, txn, &later_ns) : -ENOMEM;

	if (err == 0 && json_array_size(json_object_get(txn, "success")) == 0) {
		json_decref(txn);
		if (later_ns == UINT64_MAX)
			succeed(publish);
		else
			next_at(publish, later_ns);
		return;
	}
	if (err == 0)
		err = kcoh_http_post(publish->http, KCOH_ETCD_TXN, txn, deadline_ms(publish),
				     on_written, publish);
	else
		json_decref(txn);
	publish->writing = err == 0;
	for (size_t i = 0; err < 0 && (entry = entry_at(publish, i, &table)); i++)
		entry_fail(entry);
	if (err < 0)
		fail(publish, strerror(-err));
}

/* --- what comes next ---------------------------------------------------------------------------------------- */

static void go_on(struct kcoh_publish *publish)
{
	if (publish->failing || publish->granting || publish->writing)
		return;
	if (publish->lease)
		write_due(publish);
	else
		grant(publish);
}

static int on_next(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_publish *publish = ctx;

	(void)source;
	(void)usec;
	publish->next_ns = UINT64_MAX;
	if (!publish->failing)
		go_on(publish);
	else if (publish->lease)
		keep(publish);
	else if (!publish->granting)
		grant(publish);
	return 0;
}

void kcoh_publish_begin(struct kcoh_publish *publish)
{
	publish->told = (struct kcoh_fleet_host){ 0 };
	publish->refused = 0;
	for (int i = 0; i < TABLES; i++)
		table_begin(&publish->tables[i]);
}

int kcoh_publish_vm(struct kcoh_publish *publish, const struct kcoh_fleet_vm *vm)
{
	/* As many again may wait for the store to hear that they are gone. */
	size_t max = 2 * (size_t)publish->config.max_vms;
	int err = 0;

	publish->told.vms++;
	publish->told.verdicts[vm->verdict.kind]++;
	publish->told.without_uuid += !*vm->uuid;
	if (*vm->uuid)
		err = table_put(&publish->tables[BY_UUID], vm->uuid, vm, max);
	if (err == 0 && strlen(vm->name) < KCOH_FLEET_NAME_BYTES)
		err = table_put(&publish->tables[BY_NAME], vm->name, vm, max);
	if (err == -ENOSPC)
		publish->refused++;
	return err;
}

/* What waits to be deleted has filled the table: under a new lease all that goes by itself. */
static void make_room(struct kcoh_publish *publish)
{
	size_t most = 0;

	for (int i = 0; i < TABLES; i++) {
		if (publish->tables[i].count > most)
			most = publish->tables[i].count;
	}
	if (publish->refused && most > publish->told.vms)
		lease_lost(publish);
}

/* Soon, so that what else changes goes with it; if the store cannot be reached, with the next try. */
static void changed(struct kcoh_publish *publish)
{
	publish->up = publish->up && !publish->failing;
	if (!publish->failing)
		next_at(publish, now() + GATHER_NS);
}

void kcoh_publish_end(struct kcoh_publish *publish)
{
	bool is_new = false;

	for (int i = 0; i < TABLES; i++)
		is_new |= table_end(&publish->tables[i], now()) != 0;
	make_room(publish);
	if (memcmp(&publish->host, &publish->told, sizeof(publish->host))) {
		publish->host = publish->told;
		is_new = true;
	}
	if (is_new)
		changed(publish);
}

void kcoh_publish_clock_set(struct kcoh_publish *publish)
{
	bool is_new = false;

	for (int i = 0; i < TABLES; i++)
		is_new |= table_renew(&publish->tables[i], now()) != 0;
	if (is_new)
		changed(publish);
}

/* --- life --------------------------------------------------------------------------------------------------- */

static int timer_add(struct kcoh_publish *publish, sd_event_source **ret_timer, uint64_t us,
		     sd_event_time_handler_t handler)
{
	return sd_event_add_time_relative(publish->config.event, ret_timer, CLOCK_MONOTONIC, us,
					  1000, handler, publish);
}

int kcoh_publish_new(const struct kcoh_publish_config *config, struct kcoh_publish **ret_publish)
{
	struct kcoh_publish *publish = calloc(1, sizeof(*publish));
	int err;

	if (!publish)
		return -ENOMEM;
	publish->config = *config;
	publish->batch = BATCH_KEYS;
	err = kcoh_http_new(config->event, config->fleet, &publish->http);
	if (err == 0)
		err = timer_add(publish, &publish->next, 0, on_next);
	if (err >= 0)
		err = timer_add(publish, &publish->keep, 0, on_keep);
	if (err < 0) {
		kcoh_publish_free(publish);
		return err;
	}
	sd_event_source_set_enabled(publish->keep, SD_EVENT_OFF);
	*ret_publish = publish;
	return 0;
}

void kcoh_publish_free(struct kcoh_publish *publish)
{
	if (!publish)
		return;
	kcoh_http_free(publish->http);
	sd_event_source_disable_unref(publish->next);
	sd_event_source_disable_unref(publish->keep);
	for (int i = 0; i < TABLES; i++)
		table_free(&publish->tables[i]);
	free(publish->host_text);
	free(publish->host_sent);
	free(publish);
}

void kcoh_publish_stats(const struct kcoh_publish *publish, struct kcoh_publish_stats *ret_stats)
{
	uint32_t pending[TABLES] = { 0 };
	const struct fleet_entry *entry;
	uint64_t at_ns = now();
	int table;

	*ret_stats = (struct kcoh_publish_stats){
		.up = publish->up,
		.endpoint = kcoh_http_endpoint(publish->http),
		.error = publish->error,
		.lease = publish->lease,
		.vms = publish->host.vms - publish->host.without_uuid,
		.without_uuid = publish->host.without_uuid,
		.writes = publish->writes,
		.records = publish->records,
		.merged = publish->tables[BY_UUID].merged,
		.failures = publish->failures,
		.resyncs = publish->resyncs,
		.refused = publish->refused,
	};
	for (size_t i = 0; (entry = entry_at(publish, i, &table)); i++) {
		if (!entry->dirty)
			continue;
		pending[table]++;
		if (at_ns - entry->changed_ns > ret_stats->lag_ns)
			ret_stats->lag_ns = at_ns - entry->changed_ns;
	}
	ret_stats->pending = pending[BY_UUID] > pending[BY_NAME] ? pending[BY_UUID] :
								   pending[BY_NAME];
}
