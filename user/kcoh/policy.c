// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy.c - kcoh policy: is this configuration right, and which line of it decides what for a VM?
 *
 *   $ kcoh policy check /etc/kcoh/kcoh.conf
 *   /etc/kcoh/kcoh.conf: right
 *   /etc/kcoh/kcoh.conf.d/50-web.conf: right
 *   $ kcoh policy explain --vm web-1
 *   SETTING            VALUE    FROM
 *   strategy           veto     [vm web-*]  /etc/kcoh/kcoh.conf.d/50-web.conf:2
 *   guard              enforce  [defaults]  /etc/kcoh/kcoh.conf:9
 *   arm_deadline_ms    1000     built in
 *
 * `check` reads files and needs no kcohd: it is what to run before systemctl reload kcohd. `explain` asks the kcohd that runs, so
 * it tells what applies, and not what a file says that was not read yet.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "kcoh/client.h"

struct policy_options {
	struct common_options common;
	const char *what; /* "check" or "explain" */
	const char *file;
	const char *vm;
	bool json;
};

static int check(const char *path)
{
	struct kcoh_config *config;
	char sentence[1024];

	if (kcoh_config_load(path, &config, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	for (size_t i = 0; kcoh_config_file(config, i); i++)
		printf("%s: right\n", kcoh_config_file(config, i));
	kcoh_config_free(config);
	return output_finish(STATUS_OK);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)); /* NULL for null */
}

static void setting_print(const json_t *setting)
{
	const char *file = text_of(setting, "file");

	printf("%-17s  %-13s  ", text_of(setting, "key"), text_of(setting, "value"));
	if (file)
		printf("[%s]  %s:%" JSON_INTEGER_FORMAT "\n", text_of(setting, "section"), file,
		       json_integer_value(json_object_get(setting, "line")));
	else
		puts("built in");
}

static void settings_print(const json_t *json)
{
	const char *error = text_of(json_object_get(json, "config"), "error");
	json_t *setting;
	size_t i;

	puts("SETTING            VALUE          FROM");
	json_array_foreach(json_object_get(json, "settings"), i, setting) setting_print(setting);
	if (error)
		printf("\nnot read, because there is a mistake: %s\n", error);
}

static int explain(const struct policy_options *options)
{
	char *path = client_vm_path(options->vm, "/policy");
	json_t *json = NULL;
	int status;

	if (!path)
		return complain("no memory");
	status = client_ask(&options->common, "GET", path, &json);
	free(path);
	if (status != STATUS_OK)
		return status;
	if (options->json) {
		json_dumpf(json, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		settings_print(json);
	}
	json_decref(json);
	return output_finish(STATUS_OK);
}

static void on_argument(struct policy_options *options, char *arg, struct argp_state *state)
{
	if (state->arg_num == 0 && (!strcmp(arg, "check") || !strcmp(arg, "explain")))
		options->what = arg;
	else if (state->arg_num == 0)
		usage_error(state, "'%s' is not known here: there are 'check' and 'explain'", arg);
	else if (state->arg_num == 1 && !strcmp(options->what, "check"))
		options->file = arg;
	else
		usage_error(state, "'%s' is too much", arg);
}

static void finish(const struct policy_options *options, const struct argp_state *state)
{
	bool explains = !strcmp(options->what, "explain");

	if (explains && !options->vm)
		usage_error(state, "which VM? name it with --vm SEL");
	if (!explains && (options->vm || options->json))
		usage_error(state, "--vm and --json belong to 'explain'");
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct policy_options *options = state->input;

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
		on_argument(options, arg, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		usage_error(state, "what about the policy? there are 'check' and 'explain'");
	case ARGP_KEY_SUCCESS:
		finish(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0, "explain: this VM: its id, its name, its UUID, or pid:N", 0 },
	{ "json", 'j', NULL, 0, "explain: print JSON", 0 },
	{ 0 },
};

int cmd_policy(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		"check\nexplain",
		"Checks a configuration of kcohd, or explains what applies to a VM.\v"
		"'check [FILE]' reads FILE (" KCOH_CONFIG_FILE
		") and the files in FILE.d, and tells the first mistake with its line. 'explain' "
		"asks "
		"kcohd which "
		"file and line gave each setting. Exit status: 0, or 2 and one sentence.",
		children,
		NULL,
		NULL
	};
	struct policy_options options = { .file = KCOH_CONFIG_FILE };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return !strcmp(options.what, "check") ? check(options.file) : explain(&options);
}
