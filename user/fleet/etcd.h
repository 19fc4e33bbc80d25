/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * etcd.h - the few words of etcd's v3 HTTP/JSON gateway that kcoh speaks.
 *
 * The gateway takes POSTs whose keys and values are base64 and whose 64-bit numbers are strings:
 *
 *   /v3/lease/grant      {"TTL": "15"}                                     → {"ID": "7587…", "TTL": "15"}
 *   /v3/lease/keepalive  {"ID": "7587…"}                                   → {"result": {"TTL": "15"}}, no TTL: it is gone
 *   /v3/kv/txn           {"success": [{"requestPut": {…}}, …]}             → {"succeeded": true}
 *   /v3/kv/range         {"key": …, "range_end": …, "limit": "500"}        → {"kvs": [{"key": …, "value": …}], "more": true}
 *
 * A member of the cluster without a majority answers none of these: what is read is what the cluster agreed upon. Written against and
 * tried with etcd 3.4.
 */
#ifndef KCOH_FLEET_ETCD_H
#define KCOH_FLEET_ETCD_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define KCOH_ETCD_GRANT "/v3/lease/grant"
#define KCOH_ETCD_KEEPALIVE "/v3/lease/keepalive"
#define KCOH_ETCD_TXN "/v3/kv/txn"
#define KCOH_ETCD_RANGE "/v3/kv/range"

/* How many operations a transaction may have: etcd's default for --max-txn-ops. */
#define KCOH_ETCD_TXN_MAX 128

/* Requests: new references, NULL without memory. */
json_t *kcoh_etcd_grant(uint32_t seconds);
json_t *kcoh_etcd_keepalive(int64_t lease);
/* All keys from `from` on that begin with `prefix` (NULL: the key `from` only); 0: no limit. */
json_t *kcoh_etcd_range(const char *from, const char *prefix, uint32_t limit);
json_t *kcoh_etcd_txn(void);
/* Adds to a transaction. 0 or -ENOMEM. */
int kcoh_etcd_txn_put(json_t *txn, const char *key, const char *value, int64_t lease);
int kcoh_etcd_txn_delete(json_t *txn, const char *key);
int kcoh_etcd_txn_range(json_t *txn, const char *key);

/* An integer, which the gateway writes as a string; 0 if it is left out or none. */
int64_t kcoh_etcd_number(const json_t *object, const char *name);

/* The lease and its seconds; -EPROTO if that is no answer to a grant. */
int kcoh_etcd_granted(const json_t *answer, int64_t *ret_lease, uint32_t *ret_seconds);

/* The seconds that it lives on; 0: it is gone. */
int64_t kcoh_etcd_kept(const json_t *answer);

/* The text of "key" or "value" of a pair, to be freed; NULL if there is none, or if it holds a NUL. */
char *kcoh_etcd_text(const json_t *kv, const char *name);

/* Base64 with padding. To be freed; NULL without memory, or if `text` is not such. ret_len may be NULL. */
char *kcoh_base64_encode(const char *bytes, size_t len);
char *kcoh_base64_decode(const char *text, size_t *ret_len);

#endif
