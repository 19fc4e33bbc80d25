// SPDX-License-Identifier: GPL-2.0-only
/*
 * perfetto.c - events as a Chrome trace. See perfetto.h.
 *
 *   {"ph":"X","pid":3,"tid":16,"ts":1200.5,"dur":300.25,"name":"mmu-off"}     a slice, written when it ends
 *   {"ph":"i","pid":3,"tid":5,"ts":1200.5,"s":"t","name":"act cancel", …}     a moment
 *   {"ph":"C","pid":3,"tid":0,"ts":1200.5,"name":"pages", "args":{…}}         a counter
 *   {"ph":"M","pid":3,"tid":16,"name":"thread_name","args":{"name":…}}        what a track is called
 *
 * A track's state is its one open slice: a new state ends it and begins the next. A slice whose begin was not seen starts at the
 * first event, unless the event of its end says how long it was. Slices of a track follow each other and never overlap.
 *
 * A clock that begins anew (the events of a history may be of several boots) is followed by Unix time. If somebody set the wall clock
 * meanwhile (an event `clock`) the trace goes on by the clock as it was at first.
 */
#include <errno.h>
#include <inttypes.h>
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include "kcoh/perfetto.h"

#define NS 1000000000ll
#define BOOT_NS                                                                                    \
	(10 * NS) /* a jump of Unix time against CLOCK_MONOTONIC that must be another boot */

/* Track numbers within a VM. */
enum {
	TRACK_VERDICT = 1,
	TRACK_EPOCH,
	TRACK_HARVEST,
	TRACK_OTHER,
	TRACK_WINDOW = 16,
	TRACK_VCPU = 1000
};

struct track {
	LIST_ENTRY(track) link;
	uint64_t vm;
	uint32_t tid;
	char state[96]; /* name of the open slice; empty: none */
	int64_t since_ns; /* of the open slice; without one, the end of the last */
};

struct perfetto {
	FILE *file;
	void *tree; /* of tracks, by VM and number */
	LIST_HEAD(, track) tracks;
	int64_t first_ns, last_ns; /* Unix time of the first and the youngest event */
	int64_t offset_ns; /* Unix time minus CLOCK_MONOTONIC */
	int64_t set_ns; /* how far Unix time was set since the first event */
	bool begun;
	char windows[8][32]; /* classes, in the order they were met */
};

static const char *text_of(const json_t *event, const char *key)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text ? text : "?";
}

static int64_t number_of(const json_t *event, const char *key)
{
	return json_integer_value(json_object_get(event, key));
}

/* A value as JSON, which does the escaping. */
static void put_json(struct perfetto *trace, const char *key, json_t *value)
{
	char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;

	if (text)
		fprintf(trace->file, ",\"%s\":%s", key, text);
	free(text);
	json_decref(value);
}

static void put_time(struct perfetto *trace, const char *key, int64_t ns)
{
	fprintf(trace->file, ",\"%s\":%" PRId64 ".%03d", key, ns / 1000, (int)(ns % 1000));
}

static void put_head(struct perfetto *trace, const char *phase, uint64_t vm, uint32_t tid)
{
	fprintf(trace->file, ",\n{\"ph\":\"%s\",\"pid\":%" PRIu64 ",\"tid\":%u", phase, vm, tid);
}

/* {"name": TEXT} as arguments of a record of metadata. */
static void put_name(struct perfetto *trace, uint64_t vm, uint32_t tid, const char *what,
		     const char *text)
{
	put_head(trace, "M", vm, tid);
	put_json(trace, "name", json_string(what));
	put_json(trace, "args", json_pack("{s:s}", "name", text));
	fputs("}", trace->file);
}

static void put_order(struct perfetto *trace, uint64_t vm, uint32_t tid)
{
	put_head(trace, "M", vm, tid);
	fprintf(trace->file, ",\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}}", tid);
}

/* The fields that are the event's own. */
static json_t *args_of(const json_t *event)
{
	static const char *const common[] = { "seq", "ts_ns", "type", "vm", "name", "vcpu" };
	json_t *args = json_copy((json_t *)event);

	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		json_object_del(args, common[i]);
	return args;
}

static int track_compare(const void *a, const void *b)
{
	const struct track *one = a, *other = b;

	if (one->vm != other->vm)
		return one->vm < other->vm ? -1 : 1;
	return one->tid < other->tid ? -1 : one->tid > other->tid;
}

/* A new one if there is none, and *ret_new says so. NULL without memory. */
static struct track *track_find(struct perfetto *trace, uint64_t vm, uint32_t tid, bool *ret_new)
{
	struct track key = { .vm = vm, .tid = tid }, *track, **found;

	*ret_new = false;
	found = tfind(&key, &trace->tree, track_compare);
	if (found)
		return *found;
	track = calloc(1, sizeof(*track));
	if (!track)
		return NULL;
	track->vm = vm;
	track->tid = tid;
	if (!tsearch(track, &trace->tree, track_compare)) {
		free(track);
		return NULL;
	}
	LIST_INSERT_HEAD(&trace->tracks, track, link);
	*ret_new = true;
	return track;
}

/* The VM itself, as track 0: only its name. */
static int process_name(struct perfetto *trace, uint64_t vm, const json_t *event)
{
	char name[320] = "host";
	bool is_new;

	if (!track_find(trace, vm, 0, &is_new))
		return -ENOMEM;
	if (vm)
		snprintf(name, sizeof(name), "%s (VM %" PRIu64 ")", text_of(event, "name"), vm);
	if (is_new)
		put_name(trace, vm, 0, "process_name", name);
	return 0;
}

static struct track *track_get(struct perfetto *trace, const json_t *event, uint32_t tid,
			       const char *name)
{
	uint64_t vm = (uint64_t)number_of(event, "vm");
	struct track *track;
	bool is_new;

	if (process_name(trace, vm, event) < 0)
		return NULL;
	track = track_find(trace, vm, tid, &is_new);
	if (is_new) {
		put_name(trace, vm, tid, "thread_name", name);
		put_order(trace, vm, tid);
	}
	return track;
}

static void slice_end(struct perfetto *trace, struct track *track, int64_t now_ns)
{
	if (*track->state) {
		put_head(trace, "X", track->vm, track->tid);
		put_time(trace, "ts", track->since_ns);
		put_time(trace, "dur", now_ns > track->since_ns ? now_ns - track->since_ns : 0);
		put_json(trace, "name", json_string(track->state));
		fputs("}", trace->file);
	}
	*track->state = '\0';
	if (now_ns > track->since_ns)
		track->since_ns = now_ns;
}

static void slice_begin(struct perfetto *trace, struct track *track, int64_t now_ns,
			const char *state)
{
	if (!strcmp(track->state, state))
		return;
	slice_end(trace, track, now_ns);
	snprintf(track->state, sizeof(track->state), "%s", state);
}

/* It ends, and its begin was `ns` ago if that was not seen. */
static void slice_close(struct perfetto *trace, struct track *track, int64_t now_ns, int64_t ns,
			const char *state)
{
	if (!*track->state) {
		snprintf(track->state, sizeof(track->state), "%s", state);
		if (now_ns - ns > track->since_ns)
			track->since_ns = now_ns - ns;
	}
	slice_end(trace, track, now_ns);
}

static int verdict_add(struct perfetto *trace, const json_t *event, int64_t now_ns)
{
	struct track *track = track_get(trace, event, TRACK_VERDICT, "verdict");
	char state[96];

	if (!track)
		return -ENOMEM;
	snprintf(state, sizeof(state), "%s: %s", text_of(event, "verdict"),
		 text_of(event, "reason"));
	slice_begin(trace, track, now_ns, state);
	return 0;
}

static int epoch_add(struct perfetto *trace, const json_t *event, int64_t now_ns)
{
	struct track *track = track_get(trace, event, TRACK_EPOCH, "epoch");

	if (!track)
		return -ENOMEM;
	if (!strcmp(text_of(event, "state"), "start"))
		slice_begin(trace, track, now_ns, "epoch");
	else
		slice_close(trace, track, now_ns, now_ns, "epoch");
	return 0;
}

/* Track number of a window class; those beyond the table share the last one. */
static uint32_t window_track(struct perfetto *trace, const char *name)
{
	const uint32_t most = sizeof(trace->windows) / sizeof(trace->windows[0]);
	uint32_t i;

	for (i = 0; i < most - 1 && *trace->windows[i]; i++) {
		if (!strcmp(trace->windows[i], name))
			return TRACK_WINDOW + i;
	}
	snprintf(trace->windows[i], sizeof(trace->windows[i]), "%s", name);
	return TRACK_WINDOW + i;
}

static int window_add(struct perfetto *trace, const json_t *event, int64_t now_ns)
{
	const char *class_name = text_of(event, "class");
	char name[64];
	struct track *track;

	snprintf(name, sizeof(name), "window %s", class_name);
	track = track_get(trace, event, window_track(trace, class_name), name);
	if (!track)
		return -ENOMEM;
	if (!strcmp(text_of(event, "state"), "open"))
		slice_begin(trace, track, now_ns, class_name);
	else
		slice_close(trace, track, now_ns, number_of(event, "open_ns"), class_name);
	return 0;
}

static int vcpu_add(struct perfetto *trace, const json_t *event, int64_t now_ns)
{
	int64_t index = number_of(event, "vcpu");
	bool toggled = !strcmp(text_of(event, "type"), "toggle");
	struct track *track;
	char name[32];

	snprintf(name, sizeof(name), "vCPU %" PRId64, index);
	track = track_get(trace, event, TRACK_VCPU + (uint32_t)index, name);
	if (!track)
		return -ENOMEM;
	if (toggled && !*track->state && !track->since_ns)
		slice_begin(trace, track, track->since_ns, text_of(event, "was"));
	slice_begin(trace, track, now_ns, text_of(event, toggled ? "now" : "state"));
	return 0;
}

static int moment_add(struct perfetto *trace, const json_t *event, int64_t now_ns, uint32_t tid,
		      const char *track_name)
{
	struct track *track = track_get(trace, event, tid, track_name);
	static const char *const details[] = { "kind",   "act",   "phase",   "call",
					       "change", "state", "strategy" };
	const char *detail = NULL;
	char name[96];

	if (!track)
		return -ENOMEM;
	for (size_t i = 0; !detail && i < sizeof(details) / sizeof(details[0]); i++)
		detail = json_string_value(json_object_get(event, details[i]));
	snprintf(name, sizeof(name), "%s%s%s", text_of(event, "type"), detail ? " " : "",
		 detail ? detail : "");
	put_head(trace, "i", track->vm, tid);
	put_time(trace, "ts", now_ns);
	fputs(",\"s\":\"t\"", trace->file);
	put_json(trace, "name", json_string(name));
	put_json(trace, "args", args_of(event));
	fputs("}", trace->file);
	return 0;
}

/* What KVM did is a moment and a point of the curve of pages; what the module did, of the curve of cleaned ones. */
static int harvest_add(struct perfetto *trace, const json_t *event, int64_t now_ns)
{
	bool by_module = !strcmp(text_of(event, "source"), "module");
	int err = by_module ? 0 : moment_add(trace, event, now_ns, TRACK_HARVEST, "harvests");

	if (process_name(trace, (uint64_t)number_of(event, "vm"), event) < 0)
		return -ENOMEM;
	put_head(trace, "C", (uint64_t)number_of(event, "vm"), 0);
	put_time(trace, "ts", now_ns);
	put_json(trace, "name", json_string(by_module ? "pages cleaned" : "pages harvested"));
	put_json(trace, "args",
		 json_pack("{s:I}", "pages",
			   (json_int_t)number_of(event, by_module ? "cleaned" : "pages")));
	fputs("}", trace->file);
	return err;
}

static void vm_end(struct perfetto *trace, uint64_t vm, int64_t now_ns)
{
	struct track *track;

	LIST_FOREACH(track, &trace->tracks, link)
	{
		if (track->vm == vm)
			slice_end(trace, track, now_ns);
	}
}

/* Unix time by the text, to the microsecond; CLOCK_MONOTONIC tells the nanoseconds. */
static int64_t unix_ns_of(const json_t *event)
{
	struct tm tm = { 0 };
	const char *rest = strptime(text_of(event, "time"), "%Y-%m-%dT%H:%M:%S", &tm);

	return rest && *rest == '.' ?
		       (int64_t)timegm(&tm) * NS + strtoll(rest + 1, NULL, 10) * 1000 :
		       0;
}

/* When an event was, ns since the first one; never before that. */
static int64_t when(struct perfetto *trace, const json_t *event)
{
	int64_t mono_ns = number_of(event, "ts_ns"), unix_ns = unix_ns_of(event), off, at_ns;

	if (trace->begun && !strcmp(text_of(event, "type"), "clock"))
		trace->set_ns += json_integer_value(json_object_get(event, "by_ns"));
	unix_ns = unix_ns ? unix_ns - trace->set_ns : mono_ns + trace->offset_ns;
	off = unix_ns - mono_ns - trace->offset_ns;
	if (!trace->begun || off > BOOT_NS || off < -BOOT_NS)
		trace->offset_ns = unix_ns - mono_ns;
	at_ns = mono_ns + trace->offset_ns;
	if (!trace->begun)
		trace->first_ns = trace->last_ns = at_ns;
	trace->begun = true;
	if (at_ns > trace->last_ns)
		trace->last_ns = at_ns;
	return at_ns > trace->first_ns ? at_ns - trace->first_ns : 0;
}

int perfetto_add(struct perfetto *trace, const json_t *event)
{
	static const struct {
		const char *type;
		int (*add)(struct perfetto *trace, const json_t *event, int64_t now_ns);
	} types[] = {
		{ "verdict", verdict_add }, { "epoch", epoch_add }, { "window", window_add },
		{ "vcpu", vcpu_add },       { "toggle", vcpu_add }, { "harvest", harvest_add },
	};
	const char *type = text_of(event, "type");
	int64_t now_ns = when(trace, event);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!strcmp(type, types[i].type))
			return types[i].add(trace, event, now_ns);
	}
	if (!strcmp(type, "vm-gone"))
		vm_end(trace, (uint64_t)number_of(event, "vm"), now_ns);
	return moment_add(trace, event, now_ns, TRACK_OTHER,
			  json_object_get(event, "vm") ? "acts, resets, …" : "host");
}

struct perfetto *perfetto_new(FILE *file)
{
	struct perfetto *trace = calloc(1, sizeof(*trace));

	if (!trace)
		return NULL;
	trace->file = file;
	/* The first element, so that each other one can begin with a comma. */
	fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"program\":\"kcoh "
	      "report\"},\"traceEvents\":[\n"
	      "{\"ph\":\"M\",\"pid\":0,\"tid\":0,\"name\":\"process_labels\",\"args\":{\"labels\":"
	      "\"kcoh\"}}",
	      file);
	return trace;
}

void perfetto_end(struct perfetto *trace)
{
	struct track *track;

	if (!trace)
		return;
	while ((track = LIST_FIRST(&trace->tracks))) {
		slice_end(trace, track, trace->last_ns - trace->first_ns);
		LIST_REMOVE(track, link);
		tdelete(track, &trace->tree, track_compare);
		free(track);
	}
	fputs("\n]}\n", trace->file);
	free(trace);
}
