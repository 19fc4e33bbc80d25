// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - kcoh module release, swap, unload: the kernel module goes, or makes room for another build.
 *
 * The kernel refuses to unload a module while a BPF program sits on one of its tracepoints. kcohd takes its programs off
 * for 30 s, goes on as on a host without the module, and picks the module up again when it is (still, or again) there.
 *
 *   # kcoh module swap
 *   the kcoh module was swapped: for 61 ms there was none
 *
 * While there is no module nothing is cleaned, so nothing of this is done while a VM is in a dirty epoch. Where no kcohd answers the
 * module is asked: in an epoch it has trapped the VM's vCPUs. One of another ABI cannot be asked; then there must be no VM.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/facts.h"
#include "host/swap.h"
#include "kcoh/client.h"

struct module_options {
	struct common_options common;
	bool force;
	int (*run)(const struct module_options *options);
};

/* The name of a VM that is in a dirty epoch, by what kcohd answered; NULL: none is. */
static const char *migrating(const json_t *vms)
{
	const json_t *vm;
	size_t i;

	json_array_foreach(json_object_get(vms, "vms"), i, vm)
	{
		if (json_is_object(json_object_get(vm, "epoch")))
			return json_string_value(json_object_get(vm, "name"));
	}
	return NULL;
}

static int not_now(const char *who)
{
	complain("%s is in a dirty epoch: let its migration end first, or insist with --force",
		 who);
	return STATUS_WAIT;
}

/* No kcohd answers: what the module itself tells. */
static int wait_by_module(void)
{
	struct kcoh_stats stats = { 0 };
	int err = kcoh_host_stats(KCOH_DEV, &stats);

	if (err == 0)
		return stats.vcpus_armed ? not_now("a VM") : STATUS_OK;
	if (err == -ENOENT || kcoh_host_nothing_to_clean(""))
		return STATUS_OK; /* not loaded: that is said later */
	complain("neither kcohd nor the loaded module can say whether a VM is in a dirty epoch: if "
		 "none is being migrated, insist with --force");
	return STATUS_WAIT;
}

/* STATUS_OK, or a sentence and STATUS_WAIT: try again later. */
static int wait_for_epochs(const struct module_options *options, const json_t *vms)
{
	const char *name = migrating(vms);
	char who[256];

	if (options->force)
		return STATUS_OK;
	if (!vms)
		return wait_by_module();
	snprintf(who, sizeof(who), "VM %s", name ? name : "?");
	return name ? not_now(who) : STATUS_OK;
}

static int release_ask(const struct module_options *options, json_t **ret_json)
{
	return client_ask(&options->common, "POST",
			  options->force ? "/v1/module/release?force=1" : "/v1/module/release",
			  ret_json);
}

static int release(const struct module_options *options)
{
	json_t *json = NULL;
	int status = release_ask(options, &json);

	if (status == STATUS_OK)
		printf("kcohd has let go of the module for %" JSON_INTEGER_FORMAT
		       " s: unload it now with rmmod kcoh\n",
		       json_integer_value(json_object_get(json, "released_ns")) / 1000000000);
	json_decref(json);
	return status;
}

/* What began while there was no module. */
static void look_back(const struct module_options *options)
{
	json_t *vms = client_try(&options->common, "/v1/vms");
	const char *name = migrating(vms);

	if (name)
		complain("VM %s is in a dirty epoch: if that began while there was no module, "
			 "cancel its migration and start it again",
			 name);
	json_decref(vms);
}

static int unload_now(const struct module_options *options)
{
	char sentence[256];

	if (kcoh_host_unload("", sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	printf("the kcoh module was unloaded\n");
	look_back(options);
	return STATUS_OK;
}

static int swap_now(const struct module_options *options)
{
	struct kcoh_hello hello;
	char sentence[256];
	uint64_t ns;

	if (kcoh_host_swap("", &ns, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	printf("the kcoh module was swapped: for %" PRIu64 " ms there was none\n", ns / 1000000);
	look_back(options);
	if (kcoh_host_hello(KCOH_DEV, &hello, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	return STATUS_OK;
}

/* kcohd may use the module or not; what stands in the way it says itself. */
static int let_go(const struct module_options *options)
{
	json_t *host = client_try(&options->common, "/v1/host"), *vms, *json = NULL;
	int status = STATUS_OK;

	if (json_is_true(json_object_get(json_object_get(host, "module"), "watched")))
		status = release_ask(options, &json);
	json_decref(host);
	json_decref(json);
	if (status == STATUS_OK || options->force)
		return status;
	vms = client_try(&options->common, "/v1/vms");
	status = migrating(vms) ? STATUS_WAIT : status;
	json_decref(vms);
	return status;
}

/* Sees to it that nothing stands in the way, then does it. */
static int when_idle(const struct module_options *options,
		     int (*now)(const struct module_options *options))
{
	json_t *vms;
	int status;

	if (geteuid() != 0)
		return complain("only root may unload or swap the module");
	vms = client_try(&options->common, "/v1/vms");
	status = wait_for_epochs(options, vms);
	json_decref(vms);
	if (status == STATUS_OK)
		status = let_go(options);
	return status == STATUS_OK ? now(options) : status;
}

static int swap(const struct module_options *options)
{
	return when_idle(options, swap_now);
}

static int unload(const struct module_options *options)
{
	return when_idle(options, unload_now);
}

static const struct {
	const char *word;
	int (*run)(const struct module_options *options);
} deeds[] = {
	{ "release", release },
	{ "swap", swap },
	{ "unload", unload },
};

static int (*must_deed(const struct argp_state *state,
		       const char *word))(const struct module_options *)
{
	for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
		if (!strcmp(deeds[i].word, word) && !state->arg_num)
			return deeds[i].run;
	}
	usage_error(state, "'%s' is not known here: there are release, swap and unload", word);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct module_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'f':
		options->force = true;
		return 0;
	case ARGP_KEY_ARG:
		options->run = must_deed(state, arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		usage_error(state, "what about the module? there are release, swap and unload");
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "force", 'f', NULL, 0,
	  "Also while a VM is in a dirty epoch: what it sends then is not cleaned", 0 },
	{ 0 },
};

int cmd_module(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = { argp_options,
					  on_option,
					  "release\nswap\nunload",
					  "release makes a running kcohd let go of the kernel "
					  "module, so that 'rmmod kcoh' works; unload "
					  "does that and unloads it; swap puts the installed build "
					  "of the module in the place of the "
					  "loaded one.\v"
					  "After release kcohd stays off the module for 30 "
					  "seconds, or until there is another; "
					  "until then windows are not seen reliably and verdicts "
					  "say so. Nothing of this is done "
					  "while a VM is in a dirty epoch. Needs root. Exit "
					  "status: 0, 10 not now (swap, unload), or 2 "
					  "and one sentence.",
					  children,
					  NULL,
					  NULL };
	struct module_options options = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return options.run(&options);
}
