// SPDX-License-Identifier: GPL-2.0-only
/*
 * history.c - kcoh history: what happened to the virtual machines of this host in the last months.
 *
 *   2026-01-02 03:04:05.561230 web-1#3    window(class=mmu-off) = open
 *   2026-01-02 03:04:05.561230 web-1#3    verdict(reason=mmu-off) = veto: a vCPU runs with its MMU or data cache off
 *
 * kcohd answers, from its database. With --file the database is read directly: from another host, or when kcohd is dead.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kcoh/client.h"
#include "kcoh/event_print.h"
#include "kcoh/filter.h"
#include "store/store.h"

#define NS 1000000000ull

struct history_options {
	struct common_options common;
	const char *vm;
	const char *file;
	bool json;
	long long since, until; /* Unix time; 0: not given */
	unsigned long limit;
};

static bool on_line(void *ctx, const char *text, size_t len)
{
	const struct history_options *options = ctx;
	json_t *event;

	if (options->json) {
		fwrite(text, 1, len, stdout);
		putchar('\n');
	} else {
		event = json_loadb(text, len, 0, NULL);
		if (event)
			event_print(event, true);
		json_decref(event);
	}
	return !ferror(stdout);
}

static bool on_row(void *ctx, const char *event)
{
	return on_line(ctx, event, strlen(event));
}

/* 2026-01-02, 2026-01-02 03:04, 2026-01-02 03:04:05, also with a T between: local time. */
static bool moment_read(const char *text, long long *ret_time)
{
	static const char *const formats[] = { "%Y-%m-%d",          "%Y-%m-%d %H:%M",
					       "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M",
					       "%Y-%m-%dT%H:%M:%S", "@%s" };

	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		struct tm tm = { .tm_isdst = -1 };
		const char *end = strptime(text, formats[i], &tm);

		if (end && !*end) {
			tm.tm_isdst = -1;
			*ret_time = mktime(&tm);
			return *ret_time > 0;
		}
	}
	return false;
}

static void when_read(struct argp_state *state, const char *name, const char *text,
		      long long *ret_time)
{
	uint64_t ago_ns;

	if (filter_duration(text, &ago_ns) == 0)
		*ret_time = time(NULL) - (long long)(ago_ns / NS);
	else if (!moment_read(text, ret_time))
		usage_error(state, "--%s takes a time like 2h, 7d or '2026-01-02 03:04', not '%s'",
			    name, text);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct history_options *options = state->input;
	char *end;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'v':
		options->vm = arg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'f':
		options->file = arg;
		return 0;
	case 'S':
		when_read(state, "since", arg, &options->since);
		return 0;
	case 'U':
		when_read(state, "until", arg, &options->until);
		return 0;
	case 'n':
		options->limit = strtoul(arg, &end, 10);
		if (*arg < '1' || *arg > '9' || *end || options->limit > 100000)
			usage_error(state, "--limit takes a number from 1 to 100000, not '%s'",
				    arg);
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: name the VM with --vm", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0,
	  "Events of this VM only: its name, its UUID, or the id it had; one that runs now also by "
	  "pid:N",
	  0 },
	{ "since", 'S', "WHEN", 0, "From then on: 45s, 30m, 2h, 7d ago, or a local time", 0 },
	{ "until", 'U', "WHEN", 0, "Up to then", 0 },
	{ "limit", 'n', "N", 0, "The youngest N that match (1000)", 0 },
	{ "json", 'j', NULL, 0, "Print each event as one line of JSON", 0 },
	{ "file", 'f', "PATH", 0, "Read this database and do not ask kcohd", 0 },
	{ 0 },
};

static int read_file(struct history_options *options)
{
	const struct kcoh_store_query query = {
		.vm = options->vm,
		.since_ns = (uint64_t)options->since * NS,
		.until_ns = options->until ? (uint64_t)options->until * NS + (NS - 1) : 0,
		.limit = (uint32_t)options->limit,
	};
	char sentence[512];

	if (kcoh_store_query(options->file, &query, on_row, options, sentence, sizeof(sentence)) <
	    0)
		return complain("%s", sentence);
	return STATUS_OK;
}

static int ask(struct history_options *options)
{
	char *selector = client_escape(options->vm ? options->vm : ""), *path = NULL;
	int status;

	if (selector &&
	    asprintf(&path, "/v1/history?limit=%lu&since=%lld&until=%lld%s%s", options->limit,
		     options->since, options->until, options->vm ? "&vm=" : "", selector) < 0)
		path = NULL;
	free(selector);
	if (!path)
		return complain("no memory");
	status = client_stream(&options->common, path, on_line, options);
	free(path);
	return status;
}

int cmd_history(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { argp_options,
					  on_option,
					  NULL,
					  "Shows windows, verdicts, acts and migrations of the "
					  "virtual machines of this host, "
					  "oldest first.\vExit status: 0, or 2 and one sentence.",
					  children,
					  NULL,
					  NULL };
	struct history_options options = { .limit = 1000 };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return output_finish(options.file ? read_file(&options) : ask(&options));
}
