// SPDX-License-Identifier: GPL-2.0-only
/*
 * record.c - kcoh record: kcohd writes what it decided upon last to a file, for kcoh replay.
 *
 *   $ kcoh record
 *   /var/lib/kcoh/recordings/20261122T181530Z-asked.rec
 */
#include <stdio.h>

#include "kcoh/client.h"

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct common_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = options;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: the configuration names the directory", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

int cmd_record(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		NULL,
		on_option,
		NULL,
		"Makes a running kcohd write what it was told last, and decided upon, to a file.\v"
		"Prints the file's name; it is there a moment later. 'kcoh replay' reads it. Needs "
		"root. Exit status: 0, or 2 and one sentence.",
		children,
		NULL,
		NULL
	};
	struct common_options options = { 0 };
	json_t *json = NULL;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	status = client_ask(&options, "POST", "/v1/recordings", &json);
	if (status == STATUS_OK)
		puts(json_string_value(json_object_get(json, "path")));
	json_decref(json);
	return output_finish(status);
}
