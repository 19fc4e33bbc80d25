// SPDX-License-Identifier: GPL-2.0-only
/*
 * report.c - kcoh report: what happened, as one file of HTML to send to somebody, or as a trace for Perfetto.
 *
 *   kcoh trace --json >night.ndjson; kcoh report night.ndjson -o night.html
 *   kcoh report --since 2h --perfetto two-hours.json
 *
 * The HTML is user/page/report.html with the events in it: the time line of the page, and tables that it counts when it is opened. Events
 * come from a file as 'kcoh trace --json' prints it, or from kcohd: its history, and what it still has of all events.
 *
 * A file is complete or not there: it is written under another name first. Single exits are left out: there may be millions.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kcoh/client.h"
#include "kcoh/filter.h"
#include "kcoh/perfetto.h"
#include "page/page.h"

#define NS 1000000000ull
#define HISTORY_LIMIT 100000
#define DEFAULT_OUT "kcoh-report.html"

struct report_options {
	struct common_options common;
	const char *file; /* of events; NULL: ask kcohd */
	const char *out, *perfetto; /* NULL: not wanted */
	const char *vm;
	uint64_t since_ns; /* ago; 0: not given */
};

/* A file that is written under another name first, unless it is no regular one, as /dev/stdout. */
struct output {
	const char *path; /* NULL: not wanted */
	char *partial; /* NULL: written in place */
	FILE *file;
};

struct report {
	const struct report_options *options;
	struct output html, trace;
	struct perfetto *perfetto;
	uint64_t events, exits;
	int status;
	char since[32]; /* ISO 8601: older events are left out; empty: none are */
	char until[32]; /* the first event of kcohd's own backlog */
	json_t *backlog; /* events that kcohd still has */
	uint64_t seq, last_seq; /* of it: read up to here, and its end */
};

static int output_open(struct output *output, const char *path)
{
	struct stat st;

	output->path = path;
	if (!path)
		return STATUS_OK;
	if (!strcmp(path, "-"))
		path = "/dev/stdout";
	if ((stat(path, &st) < 0 || S_ISREG(st.st_mode)) &&
	    asprintf(&output->partial, "%s.partial", path) < 0)
		return complain("no memory");
	output->file = fopen(output->partial ? output->partial : path, "we");
	if (!output->file)
		return complain("cannot write %s: %s", output->partial ? output->partial : path,
				strerror(errno));
	return STATUS_OK;
}

/* Gives it its name, or removes it. */
static int output_close(struct output *output, int status)
{
	bool bad;

	if (!output->file) {
		free(output->partial);
		return status;
	}
	bad = ferror(output->file);
	bad |= fclose(output->file) == EOF;
	if (bad && status == STATUS_OK)
		status = complain("cannot write %s: %s", output->path, strerror(errno));
	if (output->partial && status == STATUS_OK && rename(output->partial, output->path) < 0)
		status = complain("cannot write %s: %s", output->path, strerror(errno));
	if (output->partial && status != STATUS_OK)
		unlink(output->partial);
	free(output->partial);
	return status;
}

/* JSON inside HTML: no '<', so that no text in it can end the element. */
static void html_put(FILE *file, const char *text)
{
	for (const char *next; (next = strchr(text, '<')); text = next + 1) {
		fwrite(text, 1, (size_t)(next - text), file);
		fputs("\\u003c", file);
	}
	fputs(text, file);
}

static int event_put(struct report *report, const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));
	char *text;

	if (type && !strcmp(type, "exit")) {
		report->exits++;
		return STATUS_OK;
	}
	if (report->html.file) {
		text = json_dumps(event, JSON_COMPACT);
		if (!text)
			return complain("no memory");
		fputs(report->events ? ",\n" : "\n", report->html.file);
		html_put(report->html.file, text);
		free(text);
	}
	report->events++;
	return report->perfetto && perfetto_add(report->perfetto, event) < 0 ?
		       complain("no memory") :
		       STATUS_OK;
}

/* Is it an event at all? Its own fields are looked at by whoever shows it. */
static bool is_event(const json_t *event)
{
	return json_is_string(json_object_get(event, "type")) &&
	       json_is_integer(json_object_get(event, "ts_ns")) &&
	       json_is_string(json_object_get(event, "time"));
}

/* Of the VM that was asked for, or of all and the host. */
static bool is_wanted(const struct report *report, const json_t *event)
{
	const char *time = json_string_value(json_object_get(event, "time"));
	const char *name = json_string_value(json_object_get(event, "name")),
		   *vm = report->options->vm;
	char id[24];

	if (strcmp(time, report->since) < 0)
		return false;
	if (!vm || !json_object_get(event, "vm"))
		return true;
	snprintf(id, sizeof(id), "%lld",
		 (long long)json_integer_value(json_object_get(event, "vm")));
	return (name && !strcmp(name, vm)) || !strcmp(id, vm);
}

static int file_read(struct report *report)
{
	const char *path = report->options->file;
	FILE *file = strcmp(path, "-") ? fopen(path, "re") : stdin;
	unsigned long long number = 0;
	int status = STATUS_OK;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	if (!file)
		return complain("cannot read %s: %s", path, strerror(errno));
	while (status == STATUS_OK && (len = getline(&line, &room, file)) > 0) {
		json_t *event = json_loadb(line, (size_t)len, 0, NULL);

		number++;
		if (is_event(event))
			status = is_wanted(report, event) ? event_put(report, event) : STATUS_OK;
		else if (len > 1)
			status = complain(
				"%s, line %llu: no event as 'kcoh trace --json' prints them", path,
				number);
		json_decref(event);
	}
	if (status == STATUS_OK && ferror(file))
		status = complain("cannot read %s: %s", path, strerror(errno));
	free(line);
	if (file != stdin)
		fclose(file);
	return status;
}

/* The first line, if kcohd had more events than it still has: these may be in the history. */
static bool is_beginning(const json_t *event)
{
	const char *type = json_string_value(json_object_get(event, "type"));

	return type && !strcmp(type, "lost") &&
	       json_equal(json_object_get(event, "count"), json_object_get(event, "seq"));
}

static bool on_backlog(void *ctx, const char *text, size_t len)
{
	struct report *report = ctx;
	json_t *event = json_loadb(text, len, 0, NULL);

	if (is_event(event) && !*report->until)
		snprintf(report->until, sizeof(report->until), "%s",
			 json_string_value(json_object_get(event, "time")));
	report->seq = (uint64_t)json_integer_value(json_object_get(event, "seq"));
	if (json_array_size(report->backlog) == 0 && is_beginning(event))
		json_decref(event);
	else
		json_array_append_new(report->backlog, event);
	return report->seq < report->last_seq;
}

/* Up to where the backlog begins. */
static bool on_history(void *ctx, const char *text, size_t len)
{
	struct report *report = ctx;
	json_t *event = json_loadb(text, len, 0, NULL);

	if (is_event(event) &&
	    (!*report->until ||
	     strcmp(json_string_value(json_object_get(event, "time")), report->until) < 0) &&
	    is_wanted(report, event))
		report->status = event_put(report, event);
	json_decref(event);
	return report->status == STATUS_OK;
}

static int history_ask(struct report *report)
{
	const struct report_options *options = report->options;
	char path[128];
	int status;

	snprintf(path, sizeof(path), "/v1/history?limit=%d&since=%lld", HISTORY_LIMIT,
		 (long long)time(NULL) - (long long)(options->since_ns / NS));
	status = client_stream(&options->common, path, on_history, report);
	return status == STATUS_OK ? report->status : status;
}

static int backlog_ask(struct report *report)
{
	int status =
		client_stream(&report->options->common, "/v1/events?since=0", on_backlog, report);

	if (status == STATUS_OK && report->seq < report->last_seq)
		status = complain("interrupted before all events were there");
	return status;
}

/* First what kcohd still has, so that it is known where the history ends. */
static int daemon_ask(struct report *report)
{
	const struct report_options *options = report->options;
	time_t since = time(NULL) - (time_t)(options->since_ns / NS);
	json_t *host = NULL, *event;
	struct tm tm;
	size_t i;
	int status = client_ask(&options->common, "GET", "/v1/host", &host);

	gmtime_r(&since, &tm);
	strftime(report->since, sizeof(report->since), "%Y-%m-%dT%H:%M:%S", &tm);
	report->backlog = json_array();
	report->last_seq = (uint64_t)json_integer_value(json_object_get(host, "seq"));
	if (status == STATUS_OK && report->last_seq)
		status = backlog_ask(report);
	if (status == STATUS_OK && json_is_true(json_object_get(host, "history")))
		status = history_ask(report);
	json_array_foreach(report->backlog, i, event)
	{
		if (status == STATUS_OK && is_event(event) && is_wanted(report, event))
			status = event_put(report, event);
	}
	json_decref(report->backlog);
	json_decref(host);
	return status;
}

static int write_all(struct report *report)
{
	const struct report_options *options = report->options;
	const char *hole = strstr(kcoh_report_html, KCOH_REPORT_EVENTS);
	int status;

	if (report->html.file)
		fwrite(kcoh_report_html, 1, (size_t)(hole - kcoh_report_html), report->html.file);
	if (report->trace.file && !(report->perfetto = perfetto_new(report->trace.file)))
		return complain("no memory");
	status = options->file ? file_read(report) : daemon_ask(report);
	if (status == STATUS_OK && !report->events)
		status =
			complain("there is no event to report%s", options->vm ? " of that VM" : "");
	perfetto_end(report->perfetto);
	if (report->html.file)
		fputs(hole + strlen(KCOH_REPORT_EVENTS), report->html.file);
	return status;
}

static void tell(const struct report *report, const char *path)
{
	if (path && strcmp(path, "-"))
		fprintf(stderr, "%s: %llu events\n", path, (unsigned long long)report->events);
}

static int report_make(const struct report_options *options)
{
	struct report report = { .options = options };
	int status = output_open(&report.html, options->out);

	if (status == STATUS_OK)
		status = output_open(&report.trace, options->perfetto);
	if (status == STATUS_OK)
		status = write_all(&report);
	status = output_close(&report.html, status);
	status = output_close(&report.trace, status);
	if (status != STATUS_OK)
		return status;
	tell(&report, options->out);
	tell(&report, options->perfetto);
	if (report.exits)
		fprintf(stderr, "%llu single exits are left out\n",
			(unsigned long long)report.exits);
	return status;
}

static void options_judge(struct report_options *options, struct argp_state *state)
{
	if (!options->file == !options->since_ns)
		usage_error(state,
			    "say what to report: a FILE of events, or --since, and not both");
	if (!options->out && !options->perfetto)
		options->out = DEFAULT_OUT;
	if (options->out && options->perfetto && !strcmp(options->out, options->perfetto))
		usage_error(state, "the report and the trace cannot be one file");
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct report_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'o':
		options->out = arg;
		return 0;
	case 'p':
		options->perfetto = arg;
		return 0;
	case 'v':
		options->vm = arg;
		return 0;
	case 'S':
		if (filter_duration(arg, &options->since_ns) < 0 || !options->since_ns)
			usage_error(state,
				    "--since takes how long ago, like 90s, 5m, 2h or 7d, not '%s'",
				    arg);
		return 0;
	case ARGP_KEY_ARG:
		if (options->file)
			usage_error(state, "one FILE at a time: '%s' is too much", arg);
		options->file = arg;
		return 0;
	case ARGP_KEY_END:
		options_judge(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "output", 'o', "PATH", 0,
	  "Write the HTML there; - is standard output (" DEFAULT_OUT ", if nothing else is wanted)",
	  0 },
	{ "perfetto", 'p', "PATH", 0, "Write a trace for ui.perfetto.dev there", 0 },
	{ "since", 'S', "WHEN", 0, "Ask kcohd for what happened since then: 45s, 30m, 2h, 7d ago",
	  0 },
	{ "vm", 'v', "SEL", 0, "Events of this VM only: its name, or its id", 0 },
	{ 0 },
};

int cmd_report(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		"[FILE]",
		"Writes a report of what happened to the virtual machines: one file of HTML with a "
		"time line, a summary of each VM, what its resets cost, and what opened windows "
		"and vetoed.\v"
		"FILE has events as 'kcoh trace -j' prints them; - is standard input. Without FILE "
		"kcohd is asked, since WHEN: for what it still has of all events, and before that "
		"its history of windows, verdicts, epochs and acts.\n\n"
		"Exit status: 0, or 2 and one sentence; then no file is left behind.",
		children,
		NULL,
		NULL
	};
	struct report_options options = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return output_finish(report_make(&options));
}
