// SPDX-License-Identifier: GPL-2.0-only
/*
 * check.c - kcoh check: may this VM be migrated now?
 *
 *   $ kcoh check --vm web-1
 *   web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off
 *   $ echo $?
 *   20
 *
 * The exit status is for scripts and hooks. An answer that could not be had is 2 and not 0: what to make of that is
 * for the caller's policy to say.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcoh/client.h"
#include "kcoh/paint.h"

struct check_options {
	struct common_options common;
	const char *vm;
	bool json;
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

static int verdict_print(const json_t *json)
{
	const char *name = "?", *verdict = "?", *reason = "?", *sentence = "?";

	json_unpack((json_t *)json, "{s:s, s:s, s:s, s:s}", "name", &name, "verdict", &verdict,
		    "reason", &reason, "sentence", &sentence);
	printf("%s: %s%s%s: %s: %s\n", name, paint(paint_of(verdict)), verdict, paint(PAINT_PLAIN),
	       reason, sentence);
	return status_of(verdict);
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
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: name the VM with --vm", arg);
	case ARGP_KEY_END:
		if (!options->vm)
			usage_error(state, "which VM? name it with --vm SEL");
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0, "This VM: its id, its name, its UUID, or pid:N", 0 },
	{ "json", 'j', NULL, 0, "Print the verdict as JSON", 0 },
	{ 0 },
};

int cmd_check(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Asks whether a VM may be migrated now.\vPrints the verdict, the reason, and what "
		"the "
		"reason means. Exit status: 0 allow or repair, 10 wait, 20 veto, 2 no answer.",
		children,
		NULL,
		NULL
	};
	struct check_options options = { 0 };
	char *selector, *path = NULL;
	json_t *json = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	selector = client_escape(options.vm);
	if (!selector || asprintf(&path, "/v1/vms/%s/verdict", selector) < 0)
		return complain("no memory");
	status = client_ask(&options.common, "GET", path, &json);
	free(selector);
	free(path);
	if (status != STATUS_OK)
		return status;
	if (options.json) {
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
		status = status_of(json_string_value(json_object_get(json, "verdict")));
	} else {
		status = verdict_print(json);
	}
	json_decref(json);
	return status;
}
