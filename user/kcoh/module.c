// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - kcoh module release: kcohd lets go of the kernel module, so that it can be unloaded.
 *
 * The kernel refuses to unload a module while a BPF program sits on one of its tracepoints. kcohd takes its programs off
 * for 30 s, goes on as on a host without the module, and picks the module up again when it is (still, or again) there.
 */
#include <stdio.h>
#include <string.h>

#include "kcoh/client.h"

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct common_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = options;
		return 0;
	case ARGP_KEY_ARG:
		if (strcmp(arg, "release") || state->arg_num)
			usage_error(state, "'%s' is not known here: there is only 'release'", arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		usage_error(state, "what about the module? there is 'release'");
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_module(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		NULL,
		on_option,
		"release",
		"Makes a running kcohd let go of the kernel module, so that 'rmmod kcoh' works.\v"
		"It stays off the module for 30 seconds; until the module is back, windows are not "
		"seen "
		"reliably and verdicts say so. Needs root. Exit status: 0, or 2 and one sentence.",
		children,
		NULL,
		NULL
	};
	struct common_options options = { 0 };
	json_t *json = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = client_ask(&options, "POST", "/v1/module/release", &json);
	if (status == STATUS_OK)
		printf("kcohd has let go of the module for %" JSON_INTEGER_FORMAT
		       " s: unload it now with rmmod kcoh\n",
		       json_integer_value(json_object_get(json, "released_ns")) / 1000000000);
	json_decref(json);
	return status;
}
