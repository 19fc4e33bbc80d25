// SPDX-License-Identifier: GPL-2.0-only
/*
 * keys.c - every key of the configuration: where it may stand, what it takes, who reads it.
 *
 * Two tables. [kcohd] has a reader a key. What applies to VMs, in [defaults] and [vm …], has a name, the words or the numbers that it
 * takes, and what is built in; from that one table it is read, applied, and explained (kcoh policy explain).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "config/internal.h"
#include "names/text.h"
#include "serve/tcp.h"

#define HISTORY_LIMIT_MAX 1000000
#define EXIT_VCPUS_MAX 65535
#define RECORD_MB_MAX 1024
#define RECORDINGS_KEEP_MAX 10000
#define ARM_DEADLINE_MAX_MS 60000
#define DEFER_DEADLINE_MAX_MS 3600000
#define HOLD_DEADLINE_MAX_MS 600000 /* what the module takes */

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int text_set(struct parser *parser, char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return parse_fail(parser, "no memory");
	free(*text);
	*text = copy;
	return 1;
}

/* --- [kcohd] ---------------------------------------------------------------------------------------------- */

/* A path that a Unix socket can have: absolute, and short enough for the kernel's address. */
static int socket_path_check(struct parser *parser, const char *key, const char *value)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (*value != '/')
		return parse_fail(parser, "%s must be an absolute path, not '%s'", key, value);
	if (strlen(value) > max)
		return parse_fail(parser,
				  "%s is longer than the %zu bytes that a socket's path may have",
				  key, max);
	return 1;
}

static int read_socket(struct parser *parser, const char *key, const char *value)
{
	return socket_path_check(parser, key, value) &&
	       text_set(parser, &parser->config->socket, value);
}

static int read_listen(struct parser *parser, const char *key, const char *value)
{
	if (kcoh_tcp_check(value) < 0)
		return parse_fail(parser, "%s must be ADDRESS:PORT like 127.0.0.1:9754, not '%s'",
				  key, value);
	return text_set(parser, &parser->config->listen, value);
}

static int read_history(struct parser *parser, const char *key, const char *value)
{
	if (!strcmp(value, "none"))
		value = "";
	else if (*value != '/')
		return parse_fail(parser, "%s must be an absolute path or none, not '%s'", key,
				  value);
	return text_set(parser, &parser->config->history, value);
}

static int read_history_limit(struct parser *parser, const char *key, const char *value)
{
	struct kcoh_config *config = parser->config;
	uint32_t number;

	if (kcoh_text_u32(value, &number) < 0 || number > HISTORY_LIMIT_MAX)
		return parse_fail(parser, "%s must be a number from 0 (no limit) to %d, not '%s'",
				  key, HISTORY_LIMIT_MAX, value);
	*(!strcmp(key, "history_mb") ? &config->history_mb : &config->history_days) = number;
	return 1;
}

static int read_record_mb(struct parser *parser, const char *key, const char *value)
{
	uint32_t mb;

	if (kcoh_text_u32(value, &mb) < 0 || mb > RECORD_MB_MAX)
		return parse_fail(parser, "%s must be a number from 0 (none) to %d, not '%s'", key,
				  RECORD_MB_MAX, value);
	parser->config->record_mb = mb;
	return 1;
}

static int read_recordings(struct parser *parser, const char *key, const char *value)
{
	if (*value != '/')
		return parse_fail(parser, "%s must be an absolute path, not '%s'", key, value);
	return text_set(parser, &parser->config->recordings, value);
}

static int read_recordings_keep(struct parser *parser, const char *key, const char *value)
{
	uint32_t keep;

	if (kcoh_text_u32(value, &keep) < 0 || keep < 1 || keep > RECORDINGS_KEEP_MAX)
		return parse_fail(parser, "%s must be a number from 1 to %d, not '%s'", key,
				  RECORDINGS_KEEP_MAX, value);
	parser->config->recordings_keep = keep;
	return 1;
}

static int read_bpf_dir(struct parser *parser, const char *key, const char *value)
{
	if (*value != '/')
		return parse_fail(parser, "%s must be an absolute path, not '%s'", key, value);
	return text_set(parser, &parser->config->bpf_dir, value);
}

static int read_exit_vcpus(struct parser *parser, const char *key, const char *value)
{
	uint32_t vcpus;

	if (kcoh_text_u32(value, &vcpus) < 0 || vcpus < 1 || vcpus > EXIT_VCPUS_MAX)
		return parse_fail(parser, "%s must be a number from 1 to %d, not '%s'", key,
				  EXIT_VCPUS_MAX, value);
	parser->config->exit_vcpus = vcpus;
	return 1;
}

static int read_times(struct parser *parser, const char *key, const char *value)
{
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return parse_fail(parser, "%s must be yes or no, not '%s'", key, value);
	parser->config->times = !strcmp(value, "yes");
	return 1;
}

/* Only this machine's own libvirt, and only the system's: others have other VMs. */
static int read_libvirt(struct parser *parser, const char *key, const char *value)
{
	if (!strcmp(value, "none")) {
		free(parser->config->libvirt);
		parser->config->libvirt = NULL;
		return 1;
	}
	if (strcmp(value, "qemu:///system") &&
	    strncmp(value, "qemu+unix:///system?", strlen("qemu+unix:///system?")))
		return parse_fail(parser,
				  "%s must be qemu:///system, qemu+unix:///system?socket=PATH or "
				  "none, not '%s'",
				  key, value);
	return text_set(parser, &parser->config->libvirt, value);
}

static const struct key kcohd_keys[] = {
	{ "socket", read_socket },
	{ "listen", read_listen },
	{ "bpf_dir", read_bpf_dir },
	{ "history", read_history },
	{ "history_days", read_history_limit },
	{ "history_mb", read_history_limit },
	{ "exit_vcpus", read_exit_vcpus },
	{ "exit_times", read_times },
	{ "record_mb", read_record_mb },
	{ "recordings", read_recordings },
	{ "recordings_keep", read_recordings_keep },
	{ "libvirt", read_libvirt },
	{ NULL, NULL },
};

/* The keys of a section that stands once, or NULL: it is about VMs. */
static const struct key *keys_of(enum place place)
{
	return place == IN_KCOHD ? kcohd_keys : place == IN_FLEET ? fleet_keys : NULL;
}

/* --- [defaults] and [vm …] -------------------------------------------------------------------------------- */

static const char *const strategy_words[] = {
	[KCOH_STRATEGY_OBSERVE] = "observe", [KCOH_STRATEGY_VETO] = "veto",
	[KCOH_STRATEGY_CLEAN] = "clean",     [KCOH_STRATEGY_CLEAN_TAINTED] = "clean-tainted",
	[KCOH_STRATEGY_HOLD] = "hold",       [KCOH_STRATEGY_DEFER] = "defer",
	[KCOH_STRATEGY_RETRY] = "retry",
};
static const char *const guard_words[] = {
	[KCOH_GUARD_WARN] = "warn",
	[KCOH_GUARD_ENFORCE] = "enforce",
};
static const char *const no_yes[] = { "no", "yes" };
static const char *const veto_allow[] = { "veto", "allow" };

#define WORDS(table) .words = (table), .max = COUNT(table) - 1

static const struct key_of_vm {
	const char *name;
	const char *const *words; /* NULL: milliseconds, from 1 on */
	const char *choose; /* the words for people */
	uint32_t max;
	uint32_t builtin;
	bool vm_only; /* not in [defaults] */
	bool text;
} settings[SETTINGS] = {
	[SET_STRATEGY] = { .name = "strategy",
			   WORDS(strategy_words),
			   .choose = "observe, clean, clean-tainted, hold, defer, retry or veto",
			   .builtin = KCOH_STRATEGY_CLEAN },
	[SET_GUARD] = { .name = "guard",
			WORDS(guard_words),
			.choose = "warn or enforce",
			.builtin = KCOH_GUARD_WARN },
	[SET_CANCEL] = { .name = "cancel", WORDS(no_yes), .choose = "yes or no", .builtin = 1 },
	[SET_LAST_RESORT] = { .name = "last_resort",
			      WORDS(no_yes),
			      .choose = "yes or no",
			      .builtin = 0 },
	[SET_WITHOUT_MODULE] = { .name = "without_module",
				 WORDS(veto_allow),
				 .choose = "veto or allow",
				 .builtin = 0 },
	[SET_WHEN_BLIND] = { .name = "when_blind",
			     WORDS(veto_allow),
			     .choose = "veto or allow",
			     .builtin = 0 },
	[SET_ARM_DEADLINE] = { .name = "arm_deadline_ms",
			       .max = ARM_DEADLINE_MAX_MS,
			       .builtin = 1000 },
	[SET_DEFER_DEADLINE] = { .name = "defer_deadline_ms",
				 .max = DEFER_DEADLINE_MAX_MS,
				 .builtin = 30000 },
	[SET_HOLD_DEADLINE] = { .name = "hold_deadline_ms",
				.max = HOLD_DEADLINE_MAX_MS,
				.builtin = 10000 },
	[SET_QMP] = { .name = "qmp", .vm_only = true, .text = true },
};

static int read_word(struct parser *parser, const struct key_of_vm *key, const char *value,
		     uint32_t *ret_number)
{
	for (uint32_t i = 0; i <= key->max; i++) {
		if (!strcmp(value, key->words[i])) {
			*ret_number = i;
			return 1;
		}
	}
	return parse_fail(parser, "%s '%s' is not known; choose %s", key->name, value, key->choose);
}

static int read_ms(struct parser *parser, const struct key_of_vm *key, const char *value,
		   uint32_t *ret_number)
{
	uint32_t ms;

	if (kcoh_text_u32(value, &ms) < 0 || ms < 1 || ms > key->max)
		return parse_fail(parser,
				  "%s must be a number of milliseconds from 1 to %" PRIu32
				  ", not '%s'",
				  key->name, key->max, value);
	*ret_number = ms;
	return 1;
}

static int read_qmp(struct parser *parser, const char *key, const char *value, char **ret_text)
{
	char path[4096];

	if (kcoh_config_qmp_path(value, "n", "u", 1, path, sizeof(path)) < 0)
		return parse_fail(parser, "%s may hold %%n, %%u, %%p and %%%%, and no other %%",
				  key);
	return socket_path_check(parser, key, value) && text_set(parser, ret_text, value);
}

static int setting_read(struct parser *parser, enum setting setting, const char *text)
{
	const struct key_of_vm *key = &settings[setting];
	struct value *value = &parser->section->values[setting];
	int ok = key->text  ? read_qmp(parser, key->name, text, &value->text) :
		 key->words ? read_word(parser, key, text, &value->number) :
			      read_ms(parser, key, text, &value->number);

	if (ok) {
		value->file = parser->path;
		value->line = parser->line;
	}
	return ok;
}

const char *setting_name(enum setting setting)
{
	return settings[setting].name;
}

uint32_t setting_builtin(enum setting setting)
{
	return settings[setting].builtin;
}

void setting_print(enum setting setting, uint32_t number, const char *text, char *ret_text,
		   size_t len)
{
	const struct key_of_vm *key = &settings[setting];

	if (key->text)
		snprintf(ret_text, len, "%s", text ? text : "");
	else if (key->words)
		snprintf(ret_text, len, "%s", key->words[number]);
	else
		snprintf(ret_text, len, "%" PRIu32, number);
}

/* --- both ------------------------------------------------------------------------------------------------- */

/* The i-th key of this kind of section, or NULL for one that may not stand there. */
static const char *key_name(enum place place, size_t i)
{
	if (keys_of(place))
		return keys_of(place)[i].name;
	return place == IN_DEFAULTS && settings[i].vm_only ? NULL : settings[i].name;
}

static size_t key_count(enum place place)
{
	const struct key *keys = keys_of(place);
	size_t n = 0;

	if (!keys)
		return SETTINGS;
	while (keys[n].name)
		n++;
	return n;
}

_Static_assert(COUNT(kcohd_keys) <= KEYS_MAX && (int)SETTINGS <= KEYS_MAX, "keys fit");

static int unknown_key(struct parser *parser, const char *name)
{
	char known[512] = "";
	size_t len = 0;

	for (size_t i = 0; i < key_count(parser->place); i++) {
		const char *key = key_name(parser->place, i);

		if (key && len < sizeof(known))
			len += (size_t)snprintf(known + len, sizeof(known) - len, "%s%s",
						len ? ", " : "", key);
	}
	return parse_fail(parser, "unknown key '%s' in [%s]; known are %s", name,
			  parser->section_name, known);
}

int key_read(struct parser *parser, const char *name, const char *value)
{
	for (size_t i = 0; i < key_count(parser->place); i++) {
		const char *key = key_name(parser->place, i);

		if (!key || strcmp(key, name))
			continue;
		if (parser->key_lines[i])
			return parse_fail(parser,
					  "'%s' stands in [%s] already, in line %u: keep one", name,
					  parser->section_name, parser->key_lines[i]);
		parser->key_lines[i] = parser->line;
		if (keys_of(parser->place))
			return keys_of(parser->place)[i].read(parser, name, value);
		return setting_read(parser, (enum setting)i, value);
	}
	return unknown_key(parser, name);
}
