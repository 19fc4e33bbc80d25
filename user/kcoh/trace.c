// SPDX-License-Identifier: GPL-2.0-only
/*
 * trace.c - kcoh trace: what happens, one line an event, in the manner of strace.
 *
 *   12:00:01.123456 web-1#3/1  toggle(pc=0x40080154, sctlr=0x30d00800, source=trap) = cached -> uncached
 *   12:00:01.123456 web-1#3    window(class=mmu-off) = open
 *   12:00:01.123456 web-1#3    verdict(reason=mmu-off) = veto: a vCPU runs with its MMU or data cache off
 *
 * NAME#ID/VCPU says whom it is about. With --json each line is the event as kcohd sent it (docs/events.md).
 *
 * A table says which fields of a type are shown and which one is the result; an event of a type that this kcoh does
 * not know is shown with all its fields.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kcoh/client.h"
#include "kcoh/event_print.h"
#include "kcoh/filter.h"
#include "kcoh/paint.h"

struct trace_options {
	struct common_options common;
	const char *vm;
	bool json;
	const char *since; /* a sequence number */
	bool exits;
	struct filter filter;
	unsigned long long count; /* 0: no limit */
	unsigned long long seen;
};

#define ARGS_MAX 16

static const struct style {
	const char *type;
	const char *class_name; /* for --class */
	const char *args[ARGS_MAX + 1];
	const char *result; /* NULL: none */
} styles[] = {
	{ "vm-new", "vm", { "pid", "comm", "uuid", "existing" }, NULL },
	{ "vm-gone", "vm", { NULL }, NULL },
	{ "vcpu", "cache", { "sctlr", "source", "tid" }, "state" },
	{ "toggle", "cache", { "pc", "sctlr", "source" }, "now" },
	{ "set-way", "cache", { "pc", "cached", "cleaned" }, NULL },
	{ "reset", "cache", { "has_run" }, "kind" },
	{ "memslot", "memory", { "slot", "base_gfn", "pages", "flags", "old_flags" }, "change" },
	{ "epoch",
	  "memory",
	  { "logged_pages", "total_pages", "vcpus", "armed", "pending", "source" },
	  "state" },
	{ "harvest",
	  "memory",
	  { "source", "slot", "harvests", "pages", "cleaned", "absent", "no_ram", "unclean",
	    "extra", "untainted", "ns" },
	  "kind" },
	{ "hold", "cache", { "why", "ns" }, "state" },
	{ "scan", "host", { "vms" }, "state" },
	{ "unclean", "memory", { "pages" }, NULL },
	{ "unmap", "memory", { "unmaps", "ns", "faults", "fault_ns", "bytes", "span_ns" }, "kind" },
	{ "psci", "cache", { "function" }, "call" },
	{ "smmu",
	  "device",
	  { "kind", "count", "device", "stream", "substream", "access", "stage", "class", "address",
	    "ipa", "fetch", "stall", "stag", "smmu" },
	  "event" },
	{ "device", "device", { "device", "via", "group", "stream", "smmu" }, "state" },
	{ "host", "host", { "features", "page_size" }, NULL },
	{ "policy",
	  "guard",
	  { "strategy", "guard", "can_cancel", "arm_deadline_ms", "without_module", "when_blind" },
	  NULL },
	{ "phase", "guard", { NULL }, "phase" },
	{ "window", "guard", { "class" }, "state" },
	{ "verdict", "guard", { "reason" }, "verdict" },
	{ "act", "guard", { "act", "reason" }, "outcome" },
	{ "override", "guard", { "uid", "why" }, "state" },
	{ "evacuation",
	  "guard",
	  { "evacuation", "destination", "attempt", "cause", "reason", "downtime_ms", "total_ms" },
	  "state" },
	{ "audit", "guard", { "what", "allowed", "by", "uid", "pid", "comm", "left_out" }, NULL },
	{ "clock", "host", { "by_ns" }, NULL },
	{ "exit", "exit", { "pc", "esr", "ipa", "x0" }, "class" },
	{ "lost", "host", { "of" }, "count" },
};

static const struct style *style_find(const char *type)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		if (!strcmp(styles[i].type, type))
			return &styles[i];
	}
	return NULL;
}

static const char *class_of(const char *type)
{
	const struct style *style = style_find(type);

	return style ? style->class_name : "other";
}

/* Is it a class, or a type? */
static bool is_class(const char *word)
{
	for (size_t i = 0; i < sizeof(styles) / sizeof(styles[0]); i++) {
		if (!strcmp(styles[i].type, word) || !strcmp(styles[i].class_name, word))
			return true;
	}
	return !strcmp(word, "other");
}

static const char *text_of(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "?";
}

static void value_print(const json_t *value)
{
	const json_t *item;
	size_t i;

	if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", stdout);
	else if (json_is_string(value))
		fputs(json_string_value(value), stdout);
	json_array_foreach(value, i, item) printf("%s%s", i ? "|" : "", json_string_value(item));
	if (json_is_array(value) && !json_array_size(value))
		putchar('0');
}

/* The local time of an ISO 8601 time in UTC, with its microseconds. */
static void time_print(const char *time, bool with_date)
{
	struct tm tm = { 0 };
	const char *fraction = strptime(time, "%Y-%m-%dT%H:%M:%S", &tm);
	time_t seconds = timegm(&tm);
	char text[32];

	if (!fraction || !localtime_r(&seconds, &tm) ||
	    !strftime(text, sizeof(text), with_date ? "%Y-%m-%d %H:%M:%S" : "%H:%M:%S", &tm))
		return;
	printf("%s%s%.7s%s ", paint(PAINT_DIM), text, fraction, paint(PAINT_PLAIN));
}

static void subject_print(const json_t *event)
{
	char text[160] = "host";
	const json_t *vm = json_object_get(event, "vm"), *vcpu = json_object_get(event, "vcpu");
	size_t len = 0;

	if (vm)
		len = (size_t)snprintf(text, sizeof(text), "%s#%" JSON_INTEGER_FORMAT,
				       text_of(event, "name"), json_integer_value(vm));
	if (vcpu && len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, "/%" JSON_INTEGER_FORMAT,
			 json_integer_value(vcpu));
	printf("%-12s ", text);
}

static bool is_common(const char *key)
{
	static const char *const common[] = { "seq", "ts_ns", "time", "type", "vm", "name", "vcpu" };

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (!strcmp(common[i], key))
			return true;
	}
	return false;
}

static bool is_shown(const struct style *style, const char *key)
{
	if (!style)
		return !is_common(key);
	for (size_t i = 0; style->args[i]; i++) {
		if (!strcmp(style->args[i], key))
			return true;
	}
	return false;
}

static void args_print(const json_t *event, const struct style *style)
{
	const char *key, *between = "";
	json_t *value;

	printf("%s%s%s(", paint(PAINT_BOLD), text_of(event, "type"), paint(PAINT_PLAIN));
	json_object_foreach((json_t *)event, key, value)
	{
		if (!is_shown(style, key))
			continue;
		printf("%s%s=", between, key);
		value_print(value);
		between = ", ";
	}
	putchar(')');
}

static void painted_print(const json_t *value)
{
	const char *word = json_string_value(value);
	enum paint colour = word ? paint_of(word) : PAINT_PLAIN;

	fputs(colour == PAINT_PLAIN ? "" : paint(colour), stdout);
	value_print(value);
	fputs(colour == PAINT_PLAIN ? "" : paint(PAINT_PLAIN), stdout);
}

static void result_print(const json_t *event, const struct style *style)
{
	const json_t *was = json_object_get(event, "was");
	const json_t *open_ns = json_object_get(event, "open_ns");
	const char *sentence = json_string_value(json_object_get(event, "sentence"));

	if (!style || !style->result)
		return;
	fputs(" = ", stdout);
	if (was) {
		painted_print(was);
		fputs(" -> ", stdout);
	}
	painted_print(json_object_get(event, style->result));
	if (open_ns)
		printf(" after %.6f s", (double)json_integer_value(open_ns) / 1e9);
	if (sentence)
		printf(": %s", sentence);
}

void event_print(const json_t *event, bool with_date)
{
	const struct style *style = style_find(text_of(event, "type"));

	time_print(text_of(event, "time"), with_date);
	subject_print(event);
	args_print(event, style);
	result_print(event, style);
	putchar('\n');
}

static bool on_line(void *ctx, const char *text, size_t len)
{
	struct trace_options *options = ctx;
	json_t *event = json_loadb(text, len, 0, NULL);
	bool wanted = event &&
		      filter_takes(&options->filter, event, class_of(text_of(event, "type")));

	if (wanted && options->json) {
		fwrite(text, 1, len, stdout);
		putchar('\n');
	} else if (wanted) {
		event_print(event, false);
	}
	json_decref(event);
	if (!wanted)
		return true;
	if (fflush(stdout) == EOF)
		return false;
	return ++options->seen != options->count;
}

static void number_read(struct argp_state *state, const char *name, const char *arg,
			unsigned long long *ret_value)
{
	char *end;

	if (*arg < '0' || *arg > '9')
		usage_error(state, "--%s takes a number, not '%s'", name, arg);
	*ret_value = strtoull(arg, &end, 10);
	if (*end)
		usage_error(state, "--%s takes a number, not '%s'", name, arg);
}

/* A sequence number, or how long ago: then all that is kept is asked for and what is older left out. */
static void since_read(struct argp_state *state, struct trace_options *options, char *arg)
{
	unsigned long long seq;
	struct timespec now;
	uint64_t ago_ns, now_ns;

	if (filter_duration(arg, &ago_ns) < 0) {
		if (strspn(arg, "0123456789") != strlen(arg))
			usage_error(state, "--since takes a number or a time like 5m, not '%s'",
				    arg);
		number_read(state, "since", arg, &seq);
		options->since = arg;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	now_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
	options->filter.since_ns = now_ns > ago_ns ? now_ns - ago_ns : 0;
	options->since = "0";
}

static void classes_read(struct argp_state *state, struct trace_options *options, char *arg)
{
	const char *bad;

	if (filter_classes(&options->filter, arg, is_class, &bad) < 0)
		usage_error(state,
			    "'%s' is no class of events (vm, cache, memory, device, guard, host, "
			    "other) and "
			    "no type",
			    bad);
}

enum { OPTION_SMMU = 0x100 };

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	static char device_class[] = "device";
	struct trace_options *options = state->input;

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
	case 'S':
		since_read(state, options, arg);
		return 0;
	case 'x':
		options->exits = true;
		return 0;
	case OPTION_SMMU:
		classes_read(state, options, device_class);
		return 0;
	case 'c':
		classes_read(state, options, arg);
		return 0;
	case 'n':
		number_read(state, "count", arg, &options->count);
		if (!options->count)
			usage_error(state, "--count takes a number above 0");
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: name the VM with --vm", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0, "Events of this VM only: its id, its name, its UUID, or pid:N", 0 },
	{ "json", 'j', NULL, 0, "Print each event as one line of JSON", 0 },
	{ "smmu", OPTION_SMMU, NULL, 0,
	  "What SMMUs report, and which VM has which device: the same as --class device", 0 },
	{ "class", 'c', "LIST", 0,
	  "Events of these classes only, with commas between: vm, cache, memory, device, guard, "
	  "host, exit, or "
	  "types "
	  "of events",
	  0 },
	{ "exits", 'x', NULL, 0,
	  "Also every single exit from the guest; costs something at each, and is not kept", 0 },
	{ "since", 'S', "SEQ|TIME", 0,
	  "Begin behind this sequence number (0: all that is kept), or that long ago: 90s, 5m, 2h, "
	  "1d",
	  0 },
	{ "count", 'n', "N", 0, "End after N events", 0 },
	{ 0 },
};

/* The path to ask for, to be freed. */
static char *path_make(const struct trace_options *options)
{
	char *selector = client_escape(options->vm ? options->vm : "");
	char *path = NULL;

	if (selector &&
	    asprintf(&path, "/v1/events%s%s%s%s%s", options->exits ? "?exits=1" : "?",
		     options->vm ? "&vm=" : "", selector, options->since ? "&since=" : "",
		     options->since ? options->since : "") < 0)
		path = NULL;
	free(selector);
	return path;
}

int cmd_trace(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Shows what happens to the virtual machines of this host, as it happens.\v"
		"Runs until Ctrl-C. If events come faster than they are read, a 'lost' event says "
		"how "
		"many were missed. Exit status: 0, or 2 and one sentence.",
		children,
		NULL,
		NULL
	};
	struct trace_options options = { 0 };
	char *path;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	path = path_make(&options);
	if (!path)
		return complain("no memory");
	status = client_stream(&options.common, path, on_line, &options);
	free(path);
	return output_finish(status);
}
