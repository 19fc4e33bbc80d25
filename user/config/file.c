// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - reading one file of the configuration, strictly.
 *
 * A guard that skips what it does not understand guards something else than its owner believes, so an unknown section, an unknown
 * key, a value out of range, and what stands twice in a file are errors, with file, line, and what would be right:
 *
 *   /etc/kcoh/kcoh.conf:7: unknown key 'strategi' in [defaults]; known are strategy, guard, cancel, …
 *
 * Of several files a later one comes before an earlier one: its keys of [kcohd] and [defaults] replace those read before, and its [vm]
 * sections are tried first.
 *
 * libinih parses; it is given the lines by a reader of ours, which counts them (the handler is not told a line
 * number) and sees section headers (the handler is called for keys only).
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/internal.h"
#include "names/text.h"

int parse_fail(struct parser *parser, const char *format, ...)
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

static int on_key(void *ctx, const char *section, const char *name, const char *value)
{
	struct parser *parser = ctx;

	(void)section;
	if (parser->failed)
		return 0;
	if (parser->place == IN_NONE)
		return parse_fail(parser, "'%s' stands before any section; begin with [kcohd]",
				  name);
	return key_read(parser, name, value);
}

/* A section may stand once in a file. */
static void once(struct parser *parser, unsigned int *line)
{
	if (*line)
		parse_fail(parser, "[%s] stands in line %u already: put its keys there",
			   parser->section_name, *line);
	else
		*line = parser->line;
}

static const struct section *section_find(const struct parser *parser, const char *header)
{
	const struct section *section;

	TAILQ_FOREACH(section, &parser->config->vms, link)
	{
		if (section->file == parser->path && !strcmp(section->header, header))
			return section;
	}
	return NULL;
}

static struct section *section_new(struct parser *parser, const char *glob)
{
	struct section *section = calloc(1, sizeof(*section));

	if (section && asprintf(&section->header, "vm %s", glob) < 0) {
		free(section);
		section = NULL;
	}
	if (!section) {
		parse_fail(parser, "no memory");
		return NULL;
	}
	section->file = parser->path;
	section->line = parser->line;
	section->glob = section->header + 3;
	if (!strncmp(section->glob, "uuid:", 5)) {
		section->uuid = section->glob + 5;
		section->glob = NULL;
	}
	return section;
}

static void vm_section_open(struct parser *parser, const char *glob)
{
	struct section *section = section_new(parser, glob);
	const struct section *same = section ? section_find(parser, section->header) : NULL;
	bool wrong = section && section->uuid && !kcoh_text_is_uuid(section->uuid);

	if (same)
		parse_fail(parser, "[%s] stands in line %u already: put its keys there",
			   section->header, same->line);
	if (wrong)
		parse_fail(parser,
			   "[vm uuid:%s] needs a UUID like d7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5",
			   section->uuid);
	if (!section || same || wrong) {
		if (section)
			free(section->header);
		free(section);
		return;
	}
	if (parser->after)
		TAILQ_INSERT_AFTER(&parser->config->vms, parser->after, section, link);
	else
		TAILQ_INSERT_HEAD(&parser->config->vms, section, link);
	parser->after = section;
	parser->section = section;
	parser->place = IN_VM;
}

static void section_open(struct parser *parser, const char *name)
{
	const char *glob = name + 2;

	snprintf(parser->section_name, sizeof(parser->section_name), "%s", name);
	memset(parser->key_lines, 0, sizeof(parser->key_lines));
	parser->section = &parser->config->defaults;
	if (!strcmp(name, "kcohd")) {
		parser->place = IN_KCOHD;
		once(parser, &parser->kcohd_line);
	} else if (!strcmp(name, "fleet")) {
		parser->place = IN_FLEET;
		once(parser, &parser->fleet_line);
	} else if (!strcmp(name, "defaults")) {
		parser->place = IN_DEFAULTS;
		once(parser, &parser->defaults_line);
	} else if (!strncmp(name, "vm", 2) && (!*glob || isblank((unsigned char)*glob))) {
		glob += strspn(glob, " \t");
		if (*glob)
			vm_section_open(parser, glob);
		else
			parse_fail(parser, "[vm] needs the name of a VM, or a pattern: [vm web-*]");
	} else {
		parse_fail(
			parser,
			"unknown section [%s]; known are [kcohd], [fleet], [defaults], [vm NAME] "
			"and [vm uuid:UUID]",
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
		parse_fail(parser, "the line is longer than %d bytes", LINE_BYTES - 3);
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

static int parse(struct parser *parser)
{
	int line;

	libinih_set_up();
	line = ini_parse_stream(on_line, parser, on_key, parser);
	if (line != 0 && !parser->failed) {
		parser->line = line > 0 ? (unsigned int)line : parser->line;
		parse_fail(parser, line > 0 ?
					   "neither a [section], nor key = value, nor a ; comment" :
					   "no memory");
	}
	if (ferror(parser->file))
		parse_fail(parser, "%s", strerror(errno));
	return parser->failed ? -EINVAL : 0;
}

/* Its path is kept as long as the configuration, whose values name it. */
static const char *file_note(struct kcoh_config *config, const char *path)
{
	struct file *file = malloc(sizeof(*file) + strlen(path) + 1);

	if (!file)
		return NULL;
	strcpy(file->path, path);
	TAILQ_INSERT_TAIL(&config->files, file, link);
	return file->path;
}

int file_read(struct kcoh_config *config, const char *path, char *err, size_t err_len)
{
	struct parser parser = { .config = config, .err = err, .err_len = err_len };
	int ret;

	parser.file = fopen(path, "re");
	if (!parser.file) {
		ret = -errno;
		snprintf(err, err_len, "cannot read the configuration %s: %s", path,
			 strerror(-ret));
		return ret;
	}
	parser.path = file_note(config, path);
	if (parser.path) {
		ret = parse(&parser);
	} else {
		snprintf(err, err_len, "no memory for the configuration");
		ret = -ENOMEM;
	}
	fclose(parser.file);
	return ret;
}
