// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - kcoh check: may this VM be migrated now? Or all VMs of this host?
 *
 *   $ kcoh check --vm web-1
 *   web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off
 *   $ echo $?
 *   20
 *
 * With --host there is a line a VM, and the status is that of the worst. With --wait S a verdict `wait` is asked for again, twice a
 * second, until it is another one or S seconds are over; a veto is not waited for.
 *
 * With --guard the answer is what a guard makes of the verdict, and of none: check_guard.h.
 *
 * The exit status is for scripts and hooks. An answer that could not be had is 2 and not 0: what to make of that is
 * for the caller's policy to say. But where no kcohd answers and root has broken the glass (override.c), all VMs are allowed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/clock.h"
#include "kcoh/check_guard.h"
#include "kcoh/client.h"
#include "kcoh/paint.h"
#include "kcoh/verdict_print.h"
#include "names/text.h"
#include "override/glass.h"

#define WAIT_STEP_US (500 * 1000)
#define WAIT_MAX_S 86400

struct check_options {
	struct common_options common;
	const char *vm;
	bool host;
	uint32_t wait_s;
	bool json;
	bool guard;
	const char *name, *config; /* with guard */
};

static int status_of(const char *verdict)
{
	static const struct {
		const char *verdict;
		int status;
	} statuses[] = {
		{ "allow", STATUS_OK },
		{ "repair", STATUS_OK },
		{ "wait", STATUS_WAIT },
		{ "veto", STATUS_VETO },
	};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		if (!strcmp(statuses[i].verdict, verdict))
			return statuses[i].status;
	}
	return complain("kcohd gave a verdict '%s' that this kcoh does not know", verdict);
}

static void glass_dump(const char *vm, const struct kcoh_glass *glass)
{
	json_t *json = json_pack(
		"{s:s, s:s, s:s, s:b, s:s, s:{s:I, s:I, s:I, s:s}}", "name", vm, "verdict", "allow",
		"reason", "override", "break_glass", 1, "sentence",
		"no kcohd answers, and root lets all VMs of this host through", "override", "uid",
		(json_int_t)glass->uid, "given_ns", (json_int_t)glass->given_ns, "until_ns",
		(json_int_t)glass->until_ns, "why", glass->why);

	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(json);
}

static void glass_print(const char *vm, const struct kcoh_glass *glass, uint64_t now_ns)
{
	printf("%s: %sallow%s: override: no kcohd answers; the glass was broken by uid %" PRIu32
	       ", for %" PRIu64 " s more: %s\n",
	       vm, paint(paint_of("allow")), paint(PAINT_PLAIN), glass->uid,
	       (glass->until_ns - now_ns) / 1000000000, glass->why);
}

/* kcohd gave no verdict. If it is not there at all, has root said what to make of that? */
static int without_kcohd(const struct check_options *options)
{
	uint64_t now_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	struct kcoh_glass glass;
	char sentence[512] = "no memory", *path;
	int err;

	if (!client_is_silent(&options->common))
		return STATUS_ERROR;
	path = kcoh_override_path(client_socket(&options->common), KCOH_GLASS);
	err = path ? kcoh_glass_read(path, now_ns, &glass, sentence, sizeof(sentence)) : -ENOMEM;
	free(path);
	if (err == -ENOENT)
		return STATUS_ERROR;
	if (err < 0)
		return complain("%s", sentence);
	if (options->json)
		glass_dump(options->host ? "host" : options->vm, &glass);
	else
		glass_print(options->host ? "host" : options->vm, &glass, now_ns);
	return STATUS_OK;
}

static void host_print(const json_t *json)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(json, "vms"), i, vm)
	{
		verdict_print(vm);
	}
	if (!i)
		puts("there are no VMs");
}

static int print(const struct check_options *options, const json_t *json)
{
	if (options->json) {
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (options->host) {
		host_print(json);
	} else {
		verdict_print(json);
	}
	return status_of(json_string_value(json_object_get(json, "verdict")));
}

static bool is_wait(const json_t *json)
{
	const char *verdict = json_string_value(json_object_get(json, "verdict"));

	return verdict && !strcmp(verdict, "wait");
}

/* Asks until the verdict is no `wait`, or time is over. */
static int ask(const struct check_options *options, const char *path, json_t **ret_json)
{
	uint64_t end_ns = kcoh_clock_ns(CLOCK_MONOTONIC) + options->wait_s * 1000000000ull;
	int status;

	for (;;) {
		status = client_ask(&options->common, "GET", path, ret_json);
		if (status != STATUS_OK || !is_wait(*ret_json) ||
		    kcoh_clock_ns(CLOCK_MONOTONIC) >= end_ns)
			return status;
		json_decref(*ret_json);
		*ret_json = NULL;
		usleep(WAIT_STEP_US);
	}
}

static char *path_make(const struct check_options *options)
{
	return options->host ? strdup("/v1/host/verdict") : client_vm_path(options->vm, "/verdict");
}

static void guard_options_check(const struct check_options *options, const struct argp_state *state)
{
	if (!options->guard && (options->name || options->config))
		usage_error(state, "--name and --config belong to --guard");
	if (options->guard && (!options->vm || !kcoh_text_is_uuid(options->vm)))
		usage_error(state, "--guard needs --vm with a UUID");
	if (options->guard && (options->json || options->wait_s))
		usage_error(state, "--guard answers at once, in one sentence: leave out --json "
				   "and --wait");
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct check_options *options = state->input;

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
	case 'w':
		if (kcoh_text_u32(arg, &options->wait_s) < 0 || options->wait_s > WAIT_MAX_S)
			usage_error(state, "--wait takes seconds from 0 to %d, not '%s'",
				    WAIT_MAX_S, arg);
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case 'g':
		options->guard = true;
		return 0;
	case 'n':
		options->name = arg;
		return 0;
	case 'c':
		options->config = arg;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: name the VM with --vm", arg);
	case ARGP_KEY_END:
		if (!options->vm == !options->host)
			usage_error(state, "which VM? name one with --vm SEL, or all with --host");
		guard_options_check(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0, "This VM: its id, its name, its UUID, or pid:N", 0 },
	{ "host", 'a', NULL, 0, "All VMs of this host: the worst verdict counts", 0 },
	{ "wait", 'w', "S", 0, "Wait up to S seconds as long as the verdict is wait", 0 },
	{ "json", 'j', NULL, 0, "Print the verdict as JSON", 0 },
	{ "guard", 'g', NULL, 0, "With --vm UUID: may its migration begin, by guard and verdict?",
	  0 },
	{ "name", 'n', "NAME", 0, "With --guard: the VM's name", 0 },
	{ "config", 'c', "FILE", 0, "With --guard: what says what no answer means", 0 },
	{ 0 },
};

int cmd_check(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Asks whether a VM, or every VM of this host, may be migrated now.\vPrints the "
		"verdict, the reason, and what the reason means. Where no kcohd answers, a glass "
		"that "
		"was broken counts (see kcoh override). With --guard a warning guard refuses "
		"nothing, a VM that is not here is let through, and where no kcohd answers "
		"guard = enforce refuses. Exit status: 0 allow or repair, 10 wait, "
		"20 veto, 2 no answer.",
		children,
		NULL,
		NULL
	};
	struct check_options options = { 0 };
	json_t *json = NULL;
	char *path;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.guard)
		return output_finish(check_guard(&(struct check_guard_options){
			&options.common, options.vm, options.name, options.config }));
	path = path_make(&options);
	if (!path)
		return complain("no memory");
	status = ask(&options, path, &json);
	free(path);
	if (status == STATUS_OK)
		status = print(&options, json);
	else
		status = without_kcohd(&options);
	json_decref(json);
	return output_finish(status);
}
