// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuate.c - kcoh evacuate: moves a VM, or all VMs of this host one after the other, guarded by their verdicts.
 *
 *   $ kcoh evacuate --host --to tcp:host2:%i4444
 *   web-1: migrating  [=========>          ]  47 %  1.1 GiB left  12.3 s
 *
 *   NAME   RESULT     CAUSE    REASON    TRIES  SENT     DOWNTIME  PAUSED  TIME    WHAT
 *   web-1  completed  none     cleaning      1  2.1 GiB     81 ms   0 ms   23.1 s  the guest has left
 *   fw     refused    verdict  mmu-off       0  0 B             -   0 ms    0.0 s  a vCPU runs with its MMU or data cache off
 *
 * kcohd does the work; this program begins it, shows it, and cancels it on Ctrl-C, and then waits until the guest runs again. If it is killed
 * kcohd goes on alone. On a terminal there is one line with a bar, elsewhere a line for each state.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "kcoh/client.h"
#include "kcoh/table.h"
#include "names/text.h"

#define LOOK_US (200 * 1000)
#define BAR 20
#define TIMEOUT_MAX_S 86400
#define PAUSE_MAX_MS 30000

struct evacuate_options {
	struct common_options common;
	const char *vm;
	bool host, plan, json;
	const char *to;
	uint32_t timeout_s, pause_ms; /* 0: kcohd's own */
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
	(void)signal_number;
	interrupted = 1;
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* --- what would be done ---------------------------------------------------------------------------------- */

static const char *plan_of(const char *verdict, bool can)
{
	if (!can)
		return "cannot";
	if (!strcmp(verdict, "veto"))
		return "refuse";
	return strcmp(verdict, "wait") ? "evacuate" : "wait, then evacuate";
}

static json_t *can_ask(const struct evacuate_options *options, json_int_t id)
{
	json_t *json = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/v1/vms/%" JSON_INTEGER_FORMAT "/evacuations", id);
	client_ask(&options->common, "GET", path, &json);
	return json;
}

static int plan_one(const struct evacuate_options *options, const json_t *vm, json_t *all)
{
	const json_t *verdict = json_object_get(vm, "verdict");
	json_t *can = can_ask(options, number_of(vm, "id"));
	bool possible = json_is_true(json_object_get(can, "can"));
	const char *word = text_of(verdict, "verdict");
	const char *why = possible ? text_of(verdict, "sentence") : text_of(can, "why");

	if (!can)
		return STATUS_ERROR;
	json_array_append_new(
		all,
		json_pack("{s:I, s:s, s:I, s:O?, s:s, s:s, s:s, s:s}", "vm",
			  (json_int_t)number_of(vm, "id"), "name", text_of(vm, "name"), "ram_bytes",
			  (json_int_t)number_of(vm, "ram_bytes"), "dirty_bytes_per_s",
			  json_object_get(json_object_get(vm, "harvests"), "dirty_bytes_per_s"),
			  "verdict", word, "reason", text_of(verdict, "reason"), "plan",
			  plan_of(word, possible), "why", why));
	json_decref(can);
	return STATUS_OK;
}

static void plan_fill(char (*cells)[TABLE_CELL], const json_t *one)
{
	snprintf(cells[0], TABLE_CELL, "%s", text_of(one, "name"));
	table_bytes(cells[1], number_of(one, "ram_bytes"));
	snprintf(cells[2], TABLE_CELL, "%s", text_of(one, "verdict"));
	snprintf(cells[3], TABLE_CELL, "%s", text_of(one, "reason"));
	snprintf(cells[4], TABLE_CELL, "%s", text_of(one, "plan"));
	snprintf(cells[5], TABLE_CELL, "%s", text_of(one, "why"));
}

static int plan_print(const json_t *all)
{
	static const struct table_column columns[] = {
		{ .title = "NAME" },
		{ .title = "RAM", .right = true },
		{ .title = "VERDICT", .colour = paint_of },
		{ .title = "REASON" },
		{ .title = "PLAN" },
		{ .title = "WHY" },
	};
	struct table table = TABLE(columns);
	int status = table_fill(&table, all, plan_fill);

	if (status != STATUS_OK)
		return status;
	table_print(&table);
	table_free(&table);
	return STATUS_OK;
}

static int plan(const struct evacuate_options *options, const json_t *vms)
{
	json_t *all = json_array();
	int status = STATUS_OK;
	const json_t *vm;
	size_t i;

	json_array_foreach(vms, i, vm)
	{
		if (status == STATUS_OK)
			status = plan_one(options, vm, all);
	}
	if (status == STATUS_OK && options->json) {
		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (status == STATUS_OK) {
		status = plan_print(all);
	}
	json_decref(all);
	return status;
}

/* --- doing it -------------------------------------------------------------------------------------------- */

/* %i is the VM's id, %n its name, %u its UUID, %% a percent sign. NULL: another sign follows a percent sign, or no memory. */
static char *destination_make(const char *pattern, const json_t *vm)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool good = out;

	for (; good && *pattern; pattern++) {
		if (*pattern != '%') {
			fputc(*pattern, out);
			continue;
		}
		switch (*++pattern) {
		case 'i':
			fprintf(out, "%" JSON_INTEGER_FORMAT, number_of(vm, "id"));
			break;
		case 'n':
			fputs(text_of(vm, "name"), out);
			break;
		case 'u':
			fputs(text_of(vm, "uuid"), out);
			break;
		case '%':
			fputc('%', out);
			break;
		default:
			good = false;
			pattern--; /* its end may be here */
		}
	}
	if (out)
		fclose(out);
	if (good)
		return text;
	free(text);
	return NULL;
}

static void bar_print(const json_t *one)
{
	const json_t *progress = json_object_get(one, "progress");
	json_int_t total = number_of(progress, "total_bytes");
	json_int_t left = number_of(progress, "remaining_bytes");
	int done = total > 0 ? (int)((total - left) * 100 / total) : 0, filled = done * BAR / 100;
	uint64_t since = (uint64_t)number_of(one, "since_ns");
	char bytes[TABLE_CELL];

	table_bytes(bytes, left);
	printf("\r\033[K%s: %-10s [%.*s>%*s] %3d %%  %s left  %.1f s", text_of(one, "name"),
	       text_of(one, "state"), filled, "====================", BAR - filled, "", done, bytes,
	       (double)(kcoh_clock_ns(CLOCK_MONOTONIC) - since) / 1e9);
	fflush(stdout);
}

/* A line for each state; with a sentence if there is one. */
static void state_print(const json_t *one, char *was, size_t room)
{
	const char *state = text_of(one, "state"), *sentence = text_of(one, "sentence");

	if (!strcmp(was, state))
		return;
	snprintf(was, room, "%s", state);
	printf("%s: %s%s%s\n", text_of(one, "name"), state, *sentence ? ": " : "", sentence);
	fflush(stdout);
}

static void progress_print(const struct evacuate_options *options, const json_t *one, char *was,
			   size_t room)
{
	if (options->json)
		return;
	if (isatty(STDOUT_FILENO))
		bar_print(one);
	else
		state_print(one, was, room);
}

/* A cancel that is refused since it is switching over is no error: it is about to end. */
static void cancel(const struct evacuate_options *options, json_int_t number)
{
	json_t *json = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/v1/evacuations/%" JSON_INTEGER_FORMAT, number);
	client_ask(&options->common, "DELETE", path, &json);
	json_decref(json);
}

/* Until it is over: *one is replaced by what is known last. */
static int follow(const struct evacuate_options *options, json_t **one)
{
	json_int_t number = number_of(*one, "evacuation");
	bool cancelled = false;
	char path[64], was[32] = "";
	json_t *next;
	int status;

	snprintf(path, sizeof(path), "/v1/evacuations/%" JSON_INTEGER_FORMAT, number);
	for (;;) {
		progress_print(options, *one, was, sizeof(was));
		if (json_is_true(json_object_get(*one, "over")))
			break;
		if (interrupted && !cancelled) {
			cancelled = true;
			cancel(options, number);
		}
		usleep(LOOK_US);
		status = client_ask(&options->common, "GET", path, &next);
		if (status != STATUS_OK)
			return status;
		json_decref(*one);
		*one = next;
	}
	if (!options->json && isatty(STDOUT_FILENO))
		printf("\r\033[K");
	return STATUS_OK;
}

static json_t *order_make(const struct evacuate_options *options, const char *destination)
{
	json_t *json = json_pack("{s:s}", "destination", destination);

	if (options->timeout_s)
		json_object_set_new(json, "timeout_ms",
				    json_integer(options->timeout_s * (json_int_t)1000));
	if (options->pause_ms)
		json_object_set_new(json, "pause_ms", json_integer(options->pause_ms));
	return json;
}

/* *ret_one: as it ended, a new reference; NULL if it could not be begun, which was said. */
static int move(const struct evacuate_options *options, const json_t *vm, json_t **ret_one)
{
	char *destination = destination_make(options->to, vm);
	json_t *order;
	int status = STATUS_ERROR;
	char path[64];

	if (!destination)
		return complain("--to takes %%i, %%n, %%u and %%%%, and no other percent signs");
	order = order_make(options, destination);
	snprintf(path, sizeof(path), "/v1/vms/%" JSON_INTEGER_FORMAT "/evacuations",
		 number_of(vm, "id"));
	if (order)
		status = client_send(&options->common, "POST", path, order, ret_one);
	if (status == STATUS_OK)
		status = follow(options, ret_one);
	free(destination);
	json_decref(order);
	return status;
}

static void summary_fill(char (*cells)[TABLE_CELL], const json_t *one)
{
	const json_t *progress = json_object_get(one, "progress");
	json_int_t downtime = number_of(progress, "downtime_ms");

	snprintf(cells[0], TABLE_CELL, "%s", text_of(one, "name"));
	snprintf(cells[1], TABLE_CELL, "%s", text_of(one, "state"));
	snprintf(cells[2], TABLE_CELL, "%s", text_of(one, "cause"));
	snprintf(cells[3], TABLE_CELL, "%s", text_of(one, "reason"));
	snprintf(cells[4], TABLE_CELL, "%" JSON_INTEGER_FORMAT, number_of(one, "attempt"));
	table_bytes(cells[5], number_of(progress, "sent_bytes"));
	if (downtime)
		snprintf(cells[6], TABLE_CELL, "%" JSON_INTEGER_FORMAT " ms", downtime);
	else
		snprintf(cells[6], TABLE_CELL, "-");
	snprintf(cells[7], TABLE_CELL, "%" JSON_INTEGER_FORMAT " ms",
		 number_of(one, "paused_ns") / 1000000);
	snprintf(cells[8], TABLE_CELL, "%.1f s",
		 (double)(number_of(one, "end_ns") - number_of(one, "since_ns")) / 1e9);
	snprintf(cells[9], TABLE_CELL, "%s", text_of(one, "sentence"));
}

static int summary_print(const json_t *all)
{
	static const struct table_column columns[] = {
		{ .title = "NAME" },
		{ .title = "RESULT" },
		{ .title = "CAUSE" },
		{ .title = "REASON" },
		{ .title = "TRIES", .right = true },
		{ .title = "SENT", .right = true },
		{ .title = "DOWNTIME", .right = true },
		{ .title = "PAUSED", .right = true },
		{ .title = "TIME", .right = true },
		{ .title = "WHAT" },
	};
	struct table table = TABLE(columns);
	int status = table_fill(&table, all, summary_fill);

	if (status != STATUS_OK)
		return status;
	putchar('\n');
	table_print(&table);
	table_free(&table);
	return STATUS_OK;
}

static int status_of(const json_t *one)
{
	const char *cause = text_of(one, "cause");

	if (!strcmp(text_of(one, "state"), "completed"))
		return STATUS_OK;
	if (!strcmp(cause, "asked"))
		return STATUS_DIFFERS;
	if (!strcmp(cause, "time"))
		return STATUS_WAIT;
	return !strcmp(cause, "verdict") ? STATUS_VETO : STATUS_ERROR;
}

/* Of several the gravest: an error before a veto, before what ran out of time, before what was cancelled. */
static int graver(int a, int b)
{
	static const int order[] = { STATUS_ERROR, STATUS_VETO, STATUS_WAIT, STATUS_DIFFERS };

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (a == order[i] || b == order[i])
			return order[i];
	}
	return STATUS_OK;
}

static void interrupts_take(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int evacuate(const struct evacuate_options *options, const json_t *vms)
{
	json_t *all = json_array();
	int status = STATUS_OK;
	const json_t *vm;
	size_t i;

	interrupts_take();
	json_array_foreach(vms, i, vm)
	{
		json_t *one = NULL;

		if (interrupted) {
			status = graver(status, STATUS_DIFFERS);
			break;
		}
		status = graver(status, move(options, vm, &one));
		if (!one)
			continue;
		status = graver(status, status_of(one));
		json_array_append_new(all, one);
	}
	if (options->json) {
		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (json_array_size(all)) {
		status = graver(status, summary_print(all));
	}
	json_decref(all);
	return status;
}

/* --- what was asked for ---------------------------------------------------------------------------------- */

/* An array, a new reference. */
static int vms_ask(const struct evacuate_options *options, json_t **ret_vms)
{
	char *path = options->vm ? client_vm_path(options->vm, "") : strdup("/v1/vms");
	json_t *json = NULL;
	int status;

	if (!path)
		return complain("no memory");
	status = client_ask(&options->common, "GET", path, &json);
	free(path);
	if (status != STATUS_OK)
		return status;
	*ret_vms = options->vm ? json_pack("[O]", json) : json_incref(json_object_get(json, "vms"));
	json_decref(json);
	return STATUS_OK;
}

static uint32_t must_number(const struct argp_state *state, const char *name, const char *arg,
			    uint32_t max)
{
	uint32_t number;

	if (kcoh_text_u32(arg, &number) < 0 || number < 1 || number > max)
		usage_error(state, "%s takes a number from 1 to %" PRIu32 ", not '%s'", name, max,
			    arg);
	return number;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct evacuate_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'v':
		options->vm = arg;
		return 0;
	case 'a':
		options->host = true;
		return 0;
	case 't':
		options->to = arg;
		return 0;
	case 'T':
		options->timeout_s = must_number(state, "--timeout", arg, TIMEOUT_MAX_S);
		return 0;
	case 'P':
		options->pause_ms = must_number(state, "--pause", arg, PAUSE_MAX_MS);
		return 0;
	case 'p':
		options->plan = true;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: name the VM with --vm", arg);
	case ARGP_KEY_END:
		if (!options->vm == !options->host)
			usage_error(state, "which VM? name one with --vm SEL, or all with --host");
		if (!options->to && !options->plan)
			usage_error(state, "where to? name it with --to URI, or ask for a --plan");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0, "This VM: its id, its name, its UUID, or pid:N", 0 },
	{ "host", 'a', NULL, 0, "All VMs of this host, one after the other", 0 },
	{ "to", 't', "URI", 0,
	  "Where a QEMU waits for it (-incoming): tcp:HOST:PORT or unix:/PATH; %i is the VM's id, "
	  "%n its "
	  "name, %u its UUID",
	  0 },
	{ "timeout", 'T', "S", 0, "Cancel a VM's evacuation after S seconds (600)", 0 },
	{ "pause", 'P', "MS", 0,
	  "How long a guest may stand before its switchover while the verdict is wait (2000)", 0 },
	{ "plan", 'p', NULL, 0, "Say what would be done, and do nothing", 0 },
	{ "json", 'j', NULL, 0, "Print JSON, at the end", 0 },
	{ 0 },
};

int cmd_evacuate(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { argp_options,
					  on_option,
					  NULL,
					  "Moves a VM, or every VM of this host, guarded by its "
					  "verdict: waits while it is wait, "
					  "refuses a veto, cancels at a veto under way.\vkcohd "
					  "must have a QMP socket of each (qmp =). "
					  "Ctrl-C cancels, and waits until the guest runs again. "
					  "Exit status: 0 all have left, 1 "
					  "cancelled by Ctrl-C, 10 time was over, 20 refused or "
					  "cancelled by a verdict, 2 something "
					  "failed; of several VMs the gravest: 2, 20, 10, 1.",
					  children,
					  NULL,
					  NULL };
	struct evacuate_options options = { 0 };
	json_t *vms = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = vms_ask(&options, &vms);
	if (status == STATUS_OK)
		status = options.plan ? plan(&options, vms) : evacuate(&options, vms);
	json_decref(vms);
	return output_finish(status);
}
