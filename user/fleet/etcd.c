// SPDX-License-Identifier: GPL-2.0-only
/*
 * etcd.c - requests to etcd, and what its answers say. See etcd.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/etcd.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* --- base64 ------------------------------------------------------------------------------------------------- */

char *kcoh_base64_encode(const char *bytes, size_t len)
{
	char *text = malloc((len + 2) / 3 * 4 + 1), *to = text;

	if (!text)
		return NULL;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t group = (uint32_t)(uint8_t)bytes[i] << 16;

		group |= i + 1 < len ? (uint32_t)(uint8_t)bytes[i + 1] << 8 : 0;
		group |= i + 2 < len ? (uint32_t)(uint8_t)bytes[i + 2] : 0;
		*to++ = alphabet[group >> 18];
		*to++ = alphabet[group >> 12 & 63];
		*to++ = i + 1 < len ? alphabet[group >> 6 & 63] : '=';
		*to++ = i + 2 < len ? alphabet[group & 63] : '=';
	}
	*to = '\0';
	return text;
}

/* Four characters to 1, 2 or 3 bytes; 0 if they are no base64. Padding may stand at the text's end only. */
static size_t group_decode(const char *text, bool last, char *ret_bytes)
{
	size_t digits = last && text[3] == '=' ? text[2] == '=' ? 2 : 3 : 4;
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		const char *digit = i < digits && text[i] ? strchr(alphabet, text[i]) : alphabet;

		if (!digit)
			return 0;
		group = group << 6 | (uint32_t)(digit - alphabet);
	}
	ret_bytes[0] = (char)(group >> 16);
	ret_bytes[1] = (char)(group >> 8 & 255);
	ret_bytes[2] = (char)(group & 255);
	return digits - 1;
}

char *kcoh_base64_decode(const char *text, size_t *ret_len)
{
	size_t len = strlen(text), used = 0;
	char *bytes = len % 4 == 0 ? malloc(len / 4 * 3 + 1) : NULL;

	for (size_t i = 0; bytes && i < len; i += 4) {
		size_t n = group_decode(text + i, i + 4 == len, bytes + used);

		used += n;
		if (!n) {
			free(bytes);
			return NULL;
		}
	}
	if (bytes)
		bytes[used] = '\0';
	if (ret_len)
		*ret_len = used;
	return bytes;
}

/* --- requests ----------------------------------------------------------------------------------------------- */

static json_t *base64_json(const char *bytes, size_t len)
{
	char *text = kcoh_base64_encode(bytes, len);
	json_t *json = text ? json_string(text) : NULL;

	free(text);
	return json;
}

static json_t *key_json(const char *key)
{
	return base64_json(key, strlen(key));
}

static json_t *number_json(int64_t number)
{
	return json_sprintf("%" PRId64, number);
}

json_t *kcoh_etcd_grant(uint32_t seconds)
{
	return json_pack("{s:o}", "TTL", number_json(seconds));
}

json_t *kcoh_etcd_keepalive(int64_t lease)
{
	return json_pack("{s:o}", "ID", number_json(lease));
}

/* What stands behind all keys with this prefix: the prefix with its last byte one higher. Ours end in '/', never in 0xff. */
static json_t *end_json(const char *prefix)
{
	char *end = strdup(prefix);
	json_t *json = NULL;

	if (end && *end) {
		end[strlen(end) - 1]++;
		json = key_json(end);
	}
	free(end);
	return json;
}

json_t *kcoh_etcd_range(const char *from, const char *prefix, uint32_t limit)
{
	json_t *request = json_pack("{s:o}", "key", key_json(from));

	if (request && prefix &&
	    (json_object_set_new(request, "range_end", end_json(prefix)) < 0 ||
	     json_object_set_new(request, "limit", number_json(limit)) < 0)) {
		json_decref(request);
		return NULL;
	}
	return request;
}

json_t *kcoh_etcd_txn(void)
{
	return json_pack("{s:[]}", "success");
}

static int txn_add(json_t *txn, json_t *operation)
{
	return json_array_append_new(json_object_get(txn, "success"), operation) < 0 ? -ENOMEM : 0;
}

int kcoh_etcd_txn_put(json_t *txn, const char *key, const char *value, int64_t lease)
{
	return txn_add(txn,
		       json_pack("{s:{s:o, s:o, s:o}}", "requestPut", "key", key_json(key), "value",
				 base64_json(value, strlen(value)), "lease", number_json(lease)));
}

int kcoh_etcd_txn_delete(json_t *txn, const char *key)
{
	return txn_add(txn, json_pack("{s:{s:o}}", "requestDeleteRange", "key", key_json(key)));
}

int kcoh_etcd_txn_range(json_t *txn, const char *key)
{
	return txn_add(txn, json_pack("{s:{s:o}}", "requestRange", "key", key_json(key)));
}

/* --- answers ------------------------------------------------------------------------------------------------ */

int64_t kcoh_etcd_number(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);
	const char *text = json_string_value(value);
	int64_t number;
	char *end;

	if (json_is_integer(value))
		return json_integer_value(value);
	if (!text || !*text)
		return 0;
	errno = 0;
	number = strtoll(text, &end, 10);
	return *end || errno ? 0 : number;
}

int kcoh_etcd_granted(const json_t *answer, int64_t *ret_lease, uint32_t *ret_seconds)
{
	int64_t lease = kcoh_etcd_number(answer, "ID"), seconds = kcoh_etcd_number(answer, "TTL");

	if (lease == 0 || seconds < 1 || seconds > UINT32_MAX)
		return -EPROTO;
	*ret_lease = lease;
	*ret_seconds = (uint32_t)seconds;
	return 0;
}

int64_t kcoh_etcd_kept(const json_t *answer)
{
	return kcoh_etcd_number(json_object_get(answer, "result"), "TTL");
}

char *kcoh_etcd_text(const json_t *kv, const char *name)
{
	const json_t *value = json_object_get(kv, name);
	size_t len = 0;
	char *text;

	if (!value)
		return strdup(""); /* the gateway leaves empty ones out */
	text = json_is_string(value) ? kcoh_base64_decode(json_string_value(value), &len) : NULL;
	if (text && strlen(text) != len) {
		free(text);
		return NULL;
	}
	return text;
}
