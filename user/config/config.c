// SPDX-License-Identifier: GPL-2.0-only
/*
 * config.c - reading kcohd's configuration, strictly.
 *
 * A guard that skips what it does not understand guards something else than its owner believes, so an unknown
 * section, an unknown key and a value out of range are errors, with file, line, and what would be right:
 *
 *   /etc/kcoh/kcoh.conf:7: unknown key 'strategi' in [defaults]; known are strategy, guard, arm_deadline_ms
 *
 * One table has all keys: where they may stand and who reads them. Sections [vm GLOB] keep the order of the
 * file, and the first whose glob matches a VM's name applies, alone; what it leaves open comes from
 * [defaults], wherever that stands.
 *
 * libinih parses; it is given the lines by a reader of ours, which counts them (the handler is not told a line
 * number) and sees section headers (the handler is called for keys only).
 */
#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "config/config.h"
#include "core/core.h"
#include "names/text.h"
#include "serve/tcp.h"
#include "serve/version.h"

#define HISTORY "/var/lib/kcoh/history.db"
#define HISTORY_DAYS 90
#define HISTORY_MB 256
#define HISTORY_LIMIT_MAX 1000000
#define ARM_DEADLINE_MS 1000
#define ARM_DEADLINE_MAX_MS 60000
#define EXIT_VCPUS 2048
#define EXIT_VCPUS_MAX 65535
#define DEFER_DEADLINE_MS 30000
#define DEFER_DEADLINE_MAX_MS 3600000
#define HOLD_DEADLINE_MS 10000
#define HOLD_DEADLINE_MAX_MS 600000 /* what the module takes */
#define LINE_BYTES 1024

/* Keys of [defaults] and [vm …], each with a bit that says it was given. */
#define HAS_STRATEGY (1u << 0)
#define HAS_GUARD (1u << 1)
#define HAS_ARM_DEADLINE (1u << 2)
#define HAS_QMP (1u << 3)
#define HAS_DEFER_DEADLINE (1u << 4)
#define HAS_HOLD_DEADLINE (1u << 5)

struct section {
	TAILQ_ENTRY(section) link;
	char *glob;
	char *qmp;
	unsigned int has;
	struct kcoh_policy policy;
};

struct kcoh_config {
	char *socket;
	char *listen;
	char *history; /* empty: none */
	uint32_t history_days, history_mb;
	char *bpf_dir;
	uint32_t exit_vcpus;
	bool times;
	struct section defaults;
	TAILQ_HEAD(, section) vms;
};

enum place { IN_NONE, IN_KCOHD, IN_DEFAULTS, IN_VM, PLACES };

struct parser {
	struct kcoh_config *config;
	const char *path;
	FILE *file;
	unsigned int line;
	enum place place;
	char section_name[LINE_BYTES];
	struct section *section;
	bool failed;
	char *err;
	size_t err_len;
};

/* The first error is the one that is told. Returns 0, which to libinih is an error. */
__attribute__((format(printf, 2, 3))) static int fail(struct parser *parser, const char *format,
						      ...)
{
	va_list args;
	int n;

	if (parser->failed)
		return 0;
	parser->failed = true;
	n = snprintf(parser->err, parser->err_len, "%s:%u: ", parser->path, parser->line);
	if (n < 0 || (size_t)n >= parser->err_len)
		return 0;
	va_start(args, format);
	vsnprintf(parser->err + n, parser->err_len - (size_t)n, format, args);
	va_end(args);
	return 0;
}

static int replace(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int text_set(struct parser *parser, char **text, const char *value)
{
	return replace(text, value) < 0 ? fail(parser, "no memory") : 1;
}

/* A path that a Unix socket can have: absolute, and short enough for the kernel's address. */
static int socket_path_check(struct parser *parser, const char *key, const char *value)
{
	size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (*value != '/')
		return fail(parser, "%s must be an absolute path, not '%s'", key, value);
	if (strlen(value) > max)
		return fail(parser, "%s is longer than the %zu bytes that a socket's path may have",
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
		return fail(parser, "%s must be ADDRESS:PORT like 127.0.0.1:9754, not '%s'", key,
			    value);
	return text_set(parser, &parser->config->listen, value);
}

static int read_history(struct parser *parser, const char *key, const char *value)
{
	if (!strcmp(value, "none"))
		value = "";
	else if (*value != '/')
		return fail(parser, "%s must be an absolute path or none, not '%s'", key, value);
	return text_set(parser, &parser->config->history, value);
}

static int read_history_limit(struct parser *parser, const char *key, const char *value)
{
	struct kcoh_config *config = parser->config;
	uint32_t number;

	if (kcoh_text_u32(value, &number) < 0 || number > HISTORY_LIMIT_MAX)
		return fail(parser, "%s must be a number from 0 (no limit) to %d, not '%s'", key,
			    HISTORY_LIMIT_MAX, value);
	*(!strcmp(key, "history_mb") ? &config->history_mb : &config->history_days) = number;
	return 1;
}

static int read_bpf_dir(struct parser *parser, const char *key, const char *value)
{
	if (*value != '/')
		return fail(parser, "%s must be an absolute path, not '%s'", key, value);
	return text_set(parser, &parser->config->bpf_dir, value);
}

static int read_exit_vcpus(struct parser *parser, const char *key, const char *value)
{
	uint32_t vcpus;

	if (kcoh_text_u32(value, &vcpus) < 0 || vcpus < 1 || vcpus > EXIT_VCPUS_MAX)
		return fail(parser, "%s must be a number from 1 to %d, not '%s'", key,
			    EXIT_VCPUS_MAX, value);
	parser->config->exit_vcpus = vcpus;
	return 1;
}

static int read_times(struct parser *parser, const char *key, const char *value)
{
	if (strcmp(value, "yes") && strcmp(value, "no"))
		return fail(parser, "%s must be yes or no, not '%s'", key, value);
	parser->config->times = !strcmp(value, "yes");
	return 1;
}

static int read_strategy(struct parser *parser, const char *key, const char *value)
{
	int strategy = kcoh_strategy_parse(value);

	if (strategy < 0)
		return fail(parser,
			    "%s '%s' is not known; choose observe, clean, clean-tainted, hold, "
			    "defer, retry or veto",
			    key, value);
	parser->section->policy.strategy = (enum kcoh_strategy)strategy;
	parser->section->has |= HAS_STRATEGY;
	return 1;
}

static int read_guard(struct parser *parser, const char *key, const char *value)
{
	if (!strcmp(value, kcoh_guard_name(KCOH_GUARD_WARN)))
		parser->section->policy.guard = KCOH_GUARD_WARN;
	else if (!strcmp(value, kcoh_guard_name(KCOH_GUARD_ENFORCE)))
		parser->section->policy.guard = KCOH_GUARD_ENFORCE;
	else
		return fail(parser, "%s '%s' is not known; choose warn or enforce", key, value);
	parser->section->has |= HAS_GUARD;
	return 1;
}

static int read_ms(struct parser *parser, const char *key, const char *value, unsigned int has,
		   uint32_t max, uint32_t *ret_ms)
{
	uint32_t ms;

	if (kcoh_text_u32(value, &ms) < 0 || ms < 1 || ms > max)
		return fail(parser,
			    "%s must be a number of milliseconds from 1 to %" PRIu32 ", not '%s'",
			    key, max, value);
	*ret_ms = ms;
	parser->section->has |= has;
	return 1;
}

static int read_arm_deadline(struct parser *parser, const char *key, const char *value)
{
	return read_ms(parser, key, value, HAS_ARM_DEADLINE, ARM_DEADLINE_MAX_MS,
		       &parser->section->policy.arm_deadline_ms);
}

static int read_defer_deadline(struct parser *parser, const char *key, const char *value)
{
	return read_ms(parser, key, value, HAS_DEFER_DEADLINE, DEFER_DEADLINE_MAX_MS,
		       &parser->section->policy.defer_deadline_ms);
}

static int read_hold_deadline(struct parser *parser, const char *key, const char *value)
{
	return read_ms(parser, key, value, HAS_HOLD_DEADLINE, HOLD_DEADLINE_MAX_MS,
		       &parser->section->policy.hold_deadline_ms);
}

static int read_qmp(struct parser *parser, const char *key, const char *value)
{
	char path[4096];

	if (kcoh_config_qmp_path(value, "n", "u", 1, path, sizeof(path)) < 0)
		return fail(parser, "%s may hold %%n, %%u, %%p and %%%%, and no other %%", key);
	parser->section->has |= HAS_QMP;
	return socket_path_check(parser, key, value) &&
	       text_set(parser, &parser->section->qmp, value);
}

#define AT(place) (1u << (place))

static const struct key {
	const char *name;
	unsigned int places;
	int (*read)(struct parser *parser, const char *key, const char *value);
} keys[] = {
	{ "socket", AT(IN_KCOHD), read_socket },
	{ "listen", AT(IN_KCOHD), read_listen },
	{ "bpf_dir", AT(IN_KCOHD), read_bpf_dir },
	{ "history", AT(IN_KCOHD), read_history },
	{ "history_days", AT(IN_KCOHD), read_history_limit },
	{ "history_mb", AT(IN_KCOHD), read_history_limit },
	{ "exit_vcpus", AT(IN_KCOHD), read_exit_vcpus },
	{ "exit_times", AT(IN_KCOHD), read_times },
	{ "strategy", AT(IN_DEFAULTS) | AT(IN_VM), read_strategy },
	{ "guard", AT(IN_DEFAULTS) | AT(IN_VM), read_guard },
	{ "arm_deadline_ms", AT(IN_DEFAULTS) | AT(IN_VM), read_arm_deadline },
	{ "defer_deadline_ms", AT(IN_DEFAULTS) | AT(IN_VM), read_defer_deadline },
	{ "hold_deadline_ms", AT(IN_DEFAULTS) | AT(IN_VM), read_hold_deadline },
	{ "qmp", AT(IN_VM), read_qmp },
};

static int unknown_key(struct parser *parser, const char *name)
{
	char known[128] = "";

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (!(keys[i].places & AT(parser->place)))
			continue;
		if (*known)
			strcat(known, ", ");
		strcat(known, keys[i].name);
	}
	return fail(parser, "unknown key '%s' in [%s]; known are %s", name, parser->section_name,
		    known);
}

static int on_key(void *ctx, const char *section, const char *name, const char *value)
{
	struct parser *parser = ctx;

	(void)section;
	if (parser->failed)
		return 0;
	if (parser->place == IN_NONE)
		return fail(parser, "'%s' stands before any section; begin with [kcohd]", name);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (keys[i].places & AT(parser->place) && !strcmp(keys[i].name, name))
			return keys[i].read(parser, name, value);
	}
	return unknown_key(parser, name);
}

static void vm_section_open(struct parser *parser, const char *glob)
{
	struct section *section = calloc(1, sizeof(*section));

	if (section)
		section->glob = strdup(glob);
	if (!section || !section->glob) {
		free(section);
		fail(parser, "no memory");
		return;
	}
	TAILQ_INSERT_TAIL(&parser->config->vms, section, link);
	parser->section = section;
	parser->place = IN_VM;
}

static void section_open(struct parser *parser, const char *name)
{
	const char *glob = name + 2;

	snprintf(parser->section_name, sizeof(parser->section_name), "%s", name);
	parser->section = &parser->config->defaults;
	if (!strcmp(name, "kcohd")) {
		parser->place = IN_KCOHD;
	} else if (!strcmp(name, "defaults")) {
		parser->place = IN_DEFAULTS;
	} else if (!strncmp(name, "vm", 2) && (!*glob || isblank((unsigned char)*glob))) {
		glob += strspn(glob, " \t");
		if (*glob)
			vm_section_open(parser, glob);
		else
			fail(parser, "[vm] needs the name of a VM, or a pattern: [vm web-*]");
	} else {
		fail(parser, "unknown section [%s]; known are [kcohd], [defaults] and [vm NAME]",
		     name);
	}
}

/* Where a comment behind a header begins, or the end of the line. */
static const char *comment_find(const char *line)
{
	const char *at;

	for (at = line; *at; at++) {
		if (*at == ';' && at > line && isblank((unsigned char)at[-1]))
			break;
	}
	return at;
}

/*
 * [ NAME ] without its ends; NAME may hold brackets, as globs do. A header that never closes is left to libinih,
 * which calls it an error.
 */
static void header_read(struct parser *parser, const char *line)
{
	const char *close = memrchr(line, ']', (size_t)(comment_find(line) - line));
	char name[LINE_BYTES];
	size_t len;

	if (!close)
		return;
	line += 1 + strspn(line + 1, " \t");
	len = close > line ? (size_t)(close - line) : 0;
	while (len && isblank((unsigned char)line[len - 1]))
		len--;
	snprintf(name, sizeof(name), "%.*s", (int)len, line);
	section_open(parser, name);
}

/* libinih's reader: the next line without its indentation, which would make it a continuation. */
static char *on_line(char *line, int room, void *ctx)
{
	struct parser *parser = ctx;
	size_t len, indent;

	if (parser->failed || !fgets(line, room, parser->file))
		return NULL;
	parser->line++;
	len = strlen(line);
	if (len + 1 == (size_t)room && line[len - 1] != '\n') {
		fail(parser, "the line is longer than %d bytes", LINE_BYTES - 3);
		return NULL;
	}
	indent = strspn(line, " \t");
	memmove(line, line + indent, len - indent + 1);
	if (*line == '[')
		header_read(parser, line);
	return line;
}

static void libinih_set_up(void)
{
	ini_use_stack = false;
	ini_max_line = LINE_BYTES;
	ini_initial_alloc = LINE_BYTES;
	ini_allow_multiline = false;
	ini_stop_on_first_error = true;
}

int kcoh_config_new(struct kcoh_config **ret_config)
{
	struct kcoh_config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	TAILQ_INIT(&config->vms);
	config->defaults.policy = (struct kcoh_policy){
		.strategy = KCOH_STRATEGY_CLEAN,
		.guard = KCOH_GUARD_WARN,
		.arm_deadline_ms = ARM_DEADLINE_MS,
		.defer_deadline_ms = DEFER_DEADLINE_MS,
		.hold_deadline_ms = HOLD_DEADLINE_MS,
	};
	config->socket = strdup(KCOH_SOCKET);
	config->bpf_dir = strdup(KCOH_BPF_DIR);
	config->exit_vcpus = EXIT_VCPUS;
	config->history = strdup(HISTORY);
	config->history_days = HISTORY_DAYS;
	config->history_mb = HISTORY_MB;
	if (!config->socket || !config->bpf_dir || !config->history) {
		kcoh_config_free(config);
		return -ENOMEM;
	}
	*ret_config = config;
	return 0;
}

static int parse(struct parser *parser)
{
	int line;

	libinih_set_up();
	line = ini_parse_stream(on_line, parser, on_key, parser);
	if (line != 0 && !parser->failed) {
		parser->line = line > 0 ? (unsigned int)line : parser->line;
		fail(parser, line > 0 ? "neither a [section], nor key = value, nor a ; comment" :
					"no memory");
	}
	if (ferror(parser->file))
		fail(parser, "%s", strerror(errno));
	return parser->failed ? -EINVAL : 0;
}

int kcoh_config_load(const char *path, struct kcoh_config **ret_config, char *err, size_t err_len)
{
	struct parser parser = { .path = path, .err = err, .err_len = err_len };
	int ret;

	parser.file = fopen(path, "re");
	if (!parser.file) {
		ret = -errno;
		snprintf(err, err_len, "cannot read the configuration %s: %s", path,
			 strerror(-ret));
		return ret;
	}
	ret = kcoh_config_new(&parser.config);
	if (ret == 0)
		ret = parse(&parser);
	else
		snprintf(err, err_len, "no memory for the configuration");
	fclose(parser.file);
	if (ret < 0)
		kcoh_config_free(parser.config);
	else
		*ret_config = parser.config;
	return ret;
}

void kcoh_config_free(struct kcoh_config *config)
{
	struct section *section;

	if (!config)
		return;
	while ((section = TAILQ_FIRST(&config->vms))) {
		TAILQ_REMOVE(&config->vms, section, link);
		free(section->glob);
		free(section->qmp);
		free(section);
	}
	free(config->socket);
	free(config->listen);
	free(config->history);
	free(config->bpf_dir);
	free(config);
}

const char *kcoh_config_socket(const struct kcoh_config *config)
{
	return config->socket;
}

const char *kcoh_config_history(const struct kcoh_config *config)
{
	return *config->history ? config->history : NULL;
}

uint32_t kcoh_config_history_days(const struct kcoh_config *config)
{
	return config->history_days;
}

uint32_t kcoh_config_history_mb(const struct kcoh_config *config)
{
	return config->history_mb;
}

const char *kcoh_config_listen(const struct kcoh_config *config)
{
	return config->listen;
}

uint32_t kcoh_config_exit_vcpus(const struct kcoh_config *config)
{
	return config->exit_vcpus;
}

bool kcoh_config_times(const struct kcoh_config *config)
{
	return config->times;
}

const char *kcoh_config_bpf_dir(const struct kcoh_config *config)
{
	return config->bpf_dir;
}

int kcoh_config_set_socket(struct kcoh_config *config, const char *path)
{
	return replace(&config->socket, path);
}

int kcoh_config_set_bpf_dir(struct kcoh_config *config, const char *path)
{
	return replace(&config->bpf_dir, path);
}

struct kcoh_policy kcoh_config_defaults(const struct kcoh_config *config)
{
	return config->defaults.policy;
}

struct kcoh_policy kcoh_config_policy(const struct kcoh_config *config, const char *name)
{
	struct kcoh_policy policy = config->defaults.policy;
	const struct section *section;

	TAILQ_FOREACH(section, &config->vms, link)
	{
		if (fnmatch(section->glob, name, 0))
			continue;
		if (section->has & HAS_STRATEGY)
			policy.strategy = section->policy.strategy;
		if (section->has & HAS_GUARD)
			policy.guard = section->policy.guard;
		if (section->has & HAS_ARM_DEADLINE)
			policy.arm_deadline_ms = section->policy.arm_deadline_ms;
		if (section->has & HAS_DEFER_DEADLINE)
			policy.defer_deadline_ms = section->policy.defer_deadline_ms;
		if (section->has & HAS_HOLD_DEADLINE)
			policy.hold_deadline_ms = section->policy.hold_deadline_ms;
		policy.qmp = section->qmp;
		break;
	}
	return policy;
}

/* A name is whatever somebody typed: it may not lead out of the directory that the pattern means. */
static bool is_component(const char *text)
{
	return *text && !strchr(text, '/') && strcmp(text, ".") && strcmp(text, "..");
}

int kcoh_config_qmp_path(const char *pattern, const char *name, const char *uuid, uint32_t pid,
			 char *ret_path, size_t path_len)
{
	char number[16], one[2] = "";
	size_t len = 0;

	snprintf(number, sizeof(number), "%" PRIu32, pid);
	*ret_path = '\0';
	for (; *pattern; pattern++) {
		const char *add = one;

		one[0] = *pattern;
		if (*pattern == '%') {
			pattern++;
			add = *pattern == 'n' ? name :
			      *pattern == 'u' ? uuid :
			      *pattern == 'p' ? number :
			      *pattern == '%' ? one :
						"";
			if (*pattern != '%' && !is_component(add))
				return -EINVAL;
		}
		len += strlen(add);
		if (len >= path_len)
			return -ENAMETOOLONG;
		strcat(ret_path, add);
	}
	return 0;
}
