// SPDX-License-Identifier: GPL-2.0-only
/*
 * record.c - keys and values of the fleet's store. See record.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fleet/record.h"
#include "kcoh/version.h"

#define KEY_PLAIN "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* PREFIX/KIND/A/B, or what those without B, or without both, begin with. */
static void key(char *ret_key, const char *prefix, const char *kind, const char *a, const char *b)
{
	snprintf(ret_key, KCOH_FLEET_KEY_BYTES, "%s/%s/%s%s%s", prefix, kind, a ? a : "",
		 a ? "/" : "", a && b ? b : "");
}

void kcoh_fleet_key_host(char *ret_key, const char *prefix, const char *host)
{
	snprintf(ret_key, KCOH_FLEET_KEY_BYTES, "%s/hosts/%s", prefix, host ? host : "");
}

void kcoh_fleet_key_vm(char *ret_key, const char *prefix, const char *uuid, const char *host)
{
	key(ret_key, prefix, "vms", uuid, host);
}

void kcoh_fleet_key_name(char *ret_key, const char *prefix, const char *name, const char *host)
{
	char quoted[3 * KCOH_FLEET_NAME_BYTES];
	size_t used = 0;

	for (const char *at = name; *at && used + 4 <= sizeof(quoted); at++) {
		bool plain = strchr(KEY_PLAIN, *at);

		used += (size_t)snprintf(quoted + used, sizeof(quoted) - used,
					 plain ? "%c" : "%%%02X", (unsigned char)*at);
	}
	quoted[used] = '\0';
	key(ret_key, prefix, "names", quoted, host);
}

void kcoh_fleet_key_index(char *ret_key, const char *prefix, const char *host, const char *uuid)
{
	key(ret_key, prefix, "index", host, uuid);
}

/* --- made --------------------------------------------------------------------------------------------------- */

/* Seconds to the millisecond; null: never. */
static json_t *time_json(uint64_t mono_ns, int64_t clock_ns)
{
	int64_t ms = ((int64_t)mono_ns + clock_ns) / 1000000;

	return mono_ns ? json_real((double)ms / 1000) : json_null();
}

static char *text_of(json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;

	json_decref(json);
	return text;
}

char *kcoh_fleet_vm_text(const struct kcoh_fleet_vm *vm, const char *host, int64_t clock_ns)
{
	const struct kcoh_verdict *verdict = &vm->verdict;

	return text_of(json_pack(
		"{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "v", KCOH_FLEET_V, "host",
		host, "uuid", vm->uuid, "name", vm->name, "verdict",
		kcoh_verdict_name(verdict->kind), "reason", kcoh_reason_name(verdict->reason),
		"sentence", kcoh_reason_sentence(verdict->reason), "guard",
		kcoh_guard_name(vm->guard), "since", time_json(verdict->since_ns, clock_ns),
		"until", time_json(verdict->until_ns, clock_ns)));
}

/* The host's own verdict is that of the VM that holds it back most. */
static enum kcoh_verdict_kind worst(const struct kcoh_fleet_host *facts)
{
	for (int kind = KCOH_VERDICT_VETO; kind > KCOH_VERDICT_ALLOW; kind--) {
		if (facts->verdicts[kind])
			return (enum kcoh_verdict_kind)kind;
	}
	return KCOH_VERDICT_ALLOW;
}

char *kcoh_fleet_host_text(const struct kcoh_fleet_host *facts, const char *host)
{
	return text_of(json_pack(
		"{s:i, s:s, s:s, s:s, s:i, s:i, s:i, s:i}", "v", KCOH_FLEET_V, "host", host,
		"version", KCOH_VERSION, "verdict", kcoh_verdict_name(worst(facts)), "vms",
		(int)facts->vms, "veto", (int)facts->verdicts[KCOH_VERDICT_VETO], "wait",
		(int)facts->verdicts[KCOH_VERDICT_WAIT], "without_uuid", (int)facts->without_uuid));
}

/* --- read --------------------------------------------------------------------------------------------------- */

int kcoh_fleet_rank(enum kcoh_verdict_kind kind)
{
	return (int)kind;
}

int kcoh_fleet_rank_of(const char *verdict)
{
	for (int kind = KCOH_VERDICT_ALLOW; kind <= KCOH_VERDICT_VETO; kind++) {
		if (!strcmp(verdict, kcoh_verdict_name((enum kcoh_verdict_kind)kind)))
			return kind;
	}
	return -EINVAL;
}

__attribute__((format(printf, 4, 5))) static json_t *refuse(json_t *json, char *err, size_t err_len,
							    const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, err_len, format, args);
	va_end(args);
	json_decref(json);
	return NULL;
}

/* An object of a version that we know. */
static json_t *object_parse(const char *text, char *err, size_t err_len)
{
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	json_int_t v = json_integer_value(json_object_get(json, "v"));

	if (v > KCOH_FLEET_V)
		return refuse(json, err, err_len,
			      "a newer kcoh wrote it (its version is %d, this kcoh reads %d)",
			      (int)v, KCOH_FLEET_V);
	if (v != KCOH_FLEET_V)
		return refuse(json, err, err_len, "it is no record of kcoh's");
	return json;
}

json_t *kcoh_fleet_vm_parse(const char *text, char *err, size_t err_len)
{
	json_t *json = object_parse(text, err, err_len);
	const char *host, *uuid, *name, *verdict, *reason, *sentence, *guard;

	if (!json)
		return NULL;
	if (json_unpack(json, "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:F}", "host", &host, "uuid",
			&uuid, "name", &name, "verdict", &verdict, "reason", &reason, "sentence",
			&sentence, "guard", &guard, "since", &(double){ 0 }) < 0 ||
	    kcoh_fleet_rank_of(verdict) < 0 ||
	    (strcmp(guard, kcoh_guard_name(KCOH_GUARD_WARN)) &&
	     strcmp(guard, kcoh_guard_name(KCOH_GUARD_ENFORCE))))
		return refuse(json, err, err_len, "it is no record of a VM");
	return json;
}

json_t *kcoh_fleet_host_parse(const char *text, char *err, size_t err_len)
{
	json_t *json = object_parse(text, err, err_len);
	const char *host, *version, *verdict;
	int vms, veto, wait;

	if (!json)
		return NULL;
	if (json_unpack(json, "{s:s, s:s, s:s, s:i, s:i, s:i}", "host", &host, "version", &version,
			"verdict", &verdict, "vms", &vms, "veto", &veto, "wait", &wait) < 0 ||
	    kcoh_fleet_rank_of(verdict) < 0)
		return refuse(json, err, err_len, "it is no record of a host");
	return json;
}
