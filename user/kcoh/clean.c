// SPDX-License-Identifier: GPL-2.0-only
/*
 * clean.c - kcoh clean: what is about to be read of a paused VM's RAM shall be what its guest wrote.
 *
 *   # virsh suspend web-1
 *   # kcoh clean --vm web-1
 *   web-1: cleaned 27414 of 65536 pages (38122 not populated, 0 no RAM, 0 could not be cleaned) in 5 ms
 *   # virsh dump --memory-only web-1 web-1.dump
 *   # virsh resume web-1
 *
 * For readers that harvest no dirty log, so that nothing cleans for them: dump-guest-memory, pmemsave, gdb at the gdbstub. It holds until
 * the VM runs again. A VM that runs is refused: what it writes after its page was cleaned may be read stale.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kcoh/client.h"

#define CLEAN_SECONDS 3600L /* 1 TiB takes about one minute at 20 GB/s */

struct clean_options {
	struct common_options common;
	const char *vm;
	bool json;
};

static int print(const struct clean_options *options, const json_t *json)
{
	const json_t *complete = json_object_get(json, "complete");

	if (options->json) {
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		printf("%s: %s\n", json_string_value(json_object_get(json, "name")),
		       json_string_value(json_object_get(json, "sentence")));
	}
	return json_is_false(complete) ? STATUS_DIFFERS : STATUS_OK;
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct clean_options *options = state->input;

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
	{ "json", 'j', NULL, 0, "Print the result as JSON", 0 },
	{ 0 },
};

int cmd_clean(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Cleans all RAM of a VM that is paused, before something reads it that takes no "
		"dirty log: dump-guest-memory, pmemsave, gdb.\vPause the VM, clean it, "
		"read it, and let it run again only then; a VM that runs is refused. Exit status: "
		"0 every page that is populated was cleaned, or nothing is to be cleaned on this "
		"host; 1 some could not be; 2 nothing was, and one sentence.",
		children,
		NULL,
		NULL
	};
	struct clean_options options = { 0 };
	json_t *json = NULL;
	char *path;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	path = client_vm_path(options.vm, "/clean");
	if (!path)
		return complain("no memory");
	status = client_wait(&options.common, path, CLEAN_SECONDS, &json);
	if (status == STATUS_OK)
		status = print(&options, json);
	free(path);
	json_decref(json);
	return output_finish(status);
}
