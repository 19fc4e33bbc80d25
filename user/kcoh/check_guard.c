// SPDX-License-Identifier: GPL-2.0-only
/*
 * check_guard.c - what a guard makes of a verdict, and of none. See check_guard.h.
 *
 * The verdicts of all VMs are asked for and the VM's is looked for among them, so that 'there is no such VM' and 'there is no answer' are
 * two things. QEMU makes a second VM for some ms when it starts: of several with the same UUID the strictest counts.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"
#include "host/clock.h"
#include "kcoh/check_guard.h"
#include "kcoh/client.h"
#include "kcoh/verdict_print.h"
#include "override/glass.h"

#define WOULD "would be refused with guard = enforce: "

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* What is not known is as strict as a veto. */
static int status_of(const json_t *verdict)
{
	const char *word = text_of(verdict, "verdict");

	if (!strcmp(word, "allow") || !strcmp(word, "repair"))
		return STATUS_OK;
	return !strcmp(word, "wait") ? STATUS_WAIT : STATUS_VETO;
}

static const json_t *strictest(const json_t *answer, const char *uuid)
{
	const json_t *vm, *most = NULL;
	size_t i;

	json_array_foreach(json_object_get(answer, "vms"), i, vm)
	{
		if (!strcasecmp(text_of(vm, "uuid"), uuid) &&
		    (!most || status_of(vm) > status_of(most)))
			most = vm;
	}
	return most;
}

static int answered(const struct check_guard_options *options, const json_t *answer)
{
	const json_t *vm = strictest(answer, options->uuid);
	int status;

	if (!vm) {
		printf("%s: this host has no such VM, so nothing stands against it here\n",
		       options->uuid);
		return STATUS_OK;
	}
	status = status_of(vm);
	if (status != STATUS_OK && !strcmp(text_of(vm, "guard"), "warn")) {
		fputs(WOULD, stdout);
		status = STATUS_OK;
	}
	verdict_print(vm);
	return status;
}

/* True, and said: root lets all VMs of this host through while no kcohd answers. */
static bool glass_is_broken(const struct check_guard_options *options, bool silent)
{
	char *path = kcoh_override_path(client_socket(options->common), KCOH_GLASS), sentence[512];
	uint64_t now_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	struct kcoh_glass glass;
	bool broken = silent && path &&
		      kcoh_glass_read(path, now_ns, &glass, sentence, sizeof(sentence)) == 0;

	free(path);
	if (broken)
		printf("%s: no kcohd answers; the glass was broken by uid %" PRIu32 ", for %" PRIu64
		       " s more: %s\n",
		       options->uuid, glass.uid, (glass.until_ns - now_ns) / 1000000000, glass.why);
	return broken;
}

static int config_read(const struct check_guard_options *options, enum kcoh_guard *ret_guard)
{
	struct kcoh_config *config;
	char sentence[512];
	int err = kcoh_config_load(options->config ? options->config : KCOH_CONFIG_FILE, &config,
				   sentence, sizeof(sentence));

	if (err == -ENOENT && !options->config)
		err = kcoh_config_new(&config);
	if (err < 0)
		return complain("no kcohd answers, and what that means cannot be read: %s",
				sentence);
	*ret_guard =
		kcoh_config_policy(config, options->name ? options->name : "", options->uuid).guard;
	kcoh_config_free(config);
	return STATUS_OK;
}

static int unanswered(const struct check_guard_options *options)
{
	bool silent = client_is_silent(options->common);
	enum kcoh_guard guard;

	if (glass_is_broken(options, silent))
		return STATUS_OK;
	if (config_read(options, &guard) != STATUS_OK)
		return STATUS_ERROR;
	printf("%s%s: %s, so nobody knows whether it may be migrated\n",
	       guard == KCOH_GUARD_WARN ? WOULD : "", options->uuid,
	       silent ? "no kcohd answers" :
			"kcohd does not answer this user (who is in group kcoh may ask)");
	return guard == KCOH_GUARD_WARN ? STATUS_OK : STATUS_VETO;
}

int check_guard(const struct check_guard_options *options)
{
	json_t *answer = client_try(options->common, "/v1/host/verdict");
	int status = answer ? answered(options, answer) : unanswered(options);

	json_decref(answer);
	return status;
}
