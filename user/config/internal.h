/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the configuration's files share: config.c keeps it, file.c reads a file, keys.c knows the keys.
 */
#ifndef KCOH_CONFIG_INTERNAL_H
#define KCOH_CONFIG_INTERNAL_H

#include <stdio.h>
#include <sys/queue.h>

#include "config/config.h"

/* What [defaults] and [vm …] may hold, in the order in which it is explained. */
enum setting {
	SET_STRATEGY,
	SET_GUARD,
	SET_CANCEL,
	SET_LAST_RESORT,
	SET_WITHOUT_MODULE,
	SET_WHEN_BLIND,
	SET_ARM_DEADLINE,
	SET_DEFER_DEADLINE,
	SET_HOLD_DEADLINE,
	SET_QMP,
	SETTINGS,
};

/* One that was given. */
struct value {
	const char *file; /* of config->files; NULL: it was not given */
	unsigned int line;
	uint32_t number; /* or the value's place among the words of its setting */
	char *text; /* SET_QMP */
};

struct section {
	TAILQ_ENTRY(section) link;
	const char *file;
	unsigned int line;
	char *header; /* "vm web-*" */
	const char *glob; /* in `header`; NULL: `uuid` is meant */
	const char *uuid; /* in `header` */
	struct value values[SETTINGS];
};

struct file {
	TAILQ_ENTRY(file) link;
	char path[];
};

struct kcoh_config {
	/* [kcohd] */
	char *socket;
	char *listen;
	char *libvirt; /* NULL: none is asked */
	char *history; /* empty: none */
	uint32_t history_days, history_mb;
	char *bpf_dir;
	uint32_t exit_vcpus;
	bool times;
	uint32_t record_mb; /* 0: nothing is recorded */
	char *recordings;
	uint32_t recordings_keep;
	struct kcoh_fleet_config fleet; /* [fleet] */
	/* what applies to VMs */
	TAILQ_HEAD(, file) files; /* in the order they were read */
	struct section defaults;
	TAILQ_HEAD(sections, section) vms; /* in the order in which they are tried */
};

enum place { IN_NONE, IN_KCOHD, IN_FLEET, IN_DEFAULTS, IN_VM };

#define LINE_BYTES 1024
#define KEYS_MAX 32 /* more than any section has */

/* A file that is being read. */
struct parser {
	struct kcoh_config *config;
	const char *path; /* of config->files */
	FILE *file;
	unsigned int line;
	enum place place;
	char section_name[LINE_BYTES];
	struct section *section;
	struct section *after; /* the last section of this file, behind which the next one goes */
	unsigned int kcohd_line, fleet_line,
		defaults_line; /* where these stand in it; 0: not yet */
	unsigned int key_lines[KEYS_MAX]; /* … and each key of the section that is read */
	bool failed;
	char *err;
	size_t err_len;
};

/* A key of a section that stands once. Reads return 1, or 0 after parse_fail(). */
struct key {
	const char *name; /* NULL: the end of the table */
	int (*read)(struct parser *parser, const char *key, const char *value);
};

/* fleet.c */
extern const struct key fleet_keys[];
int fleet_new(struct kcoh_fleet_config *fleet);
void fleet_free(struct kcoh_fleet_config *fleet);
/* 0, or -EINVAL and a sentence: keys that do not fit each other. */
int fleet_check(const struct kcoh_fleet_config *fleet, char *err, size_t err_len);
/* In what cannot change while kcohd runs. */
bool fleet_differs(const struct kcoh_fleet_config *a, const struct kcoh_fleet_config *b);

/* file.c: the first error is the one that is told. Returns 0, which to libinih is an error. */
int parse_fail(struct parser *parser, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* 0, or a negative errno and a sentence. */
int file_read(struct kcoh_config *config, const char *path, char *err, size_t err_len);

/* keys.c: takes `name = value`. Returns 1, or 0 after parse_fail(). */
int key_read(struct parser *parser, const char *name, const char *value);
const char *setting_name(enum setting setting);
uint32_t setting_builtin(enum setting setting);
/* A value as it would stand in a file; `text` is what SET_QMP has. */
void setting_print(enum setting setting, uint32_t number, const char *text, char *ret_text,
		   size_t len);

#endif
