// SPDX-License-Identifier: GPL-2.0-only
/*
 * override.c - kcoh override: an operator lets a VM be migrated although kcoh says wait or veto, and answers for it.
 *
 *   # kcoh override --vm web-1 --for 10m --why 'rack 7 burns'
 *   web-1: allow: override: of mmu-off, by uid 0, for 599 s more: rack 7 burns
 *   # kcoh override --vm web-1 --end
 *   web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off
 *
 * With kcohd dead there is nobody to ask. --break-glass then writes a file beside its socket by which `kcoh check` allows every VM of this
 * host, as long as no kcohd answers and for as long as was said; the journal has it, and kcohd tells of it when it is back.
 */
#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "host/clock.h"
#include "kcoh/client.h"
#include "kcoh/filter.h"
#include "kcoh/verdict_print.h"
#include "override/glass.h"

struct override_options {
	struct common_options common;
	const char *vm;
	const char *why;
	uint64_t ns; /* 0: not said */
	bool end;
	bool glass;
};

/* --- with kcohd ------------------------------------------------------------------------------------------- */

static int ask(const struct override_options *options)
{
	json_t *body = options->end ? NULL :
				      json_pack("{s:s, s:I}", "why", options->why, "for",
						(json_int_t)(options->ns / 1000000000));
	json_t *json = NULL;
	char *path;
	int status;

	if (!options->end && !body)
		return complain("the reason is no UTF-8");
	path = client_vm_path(options->vm, "/override");
	if (!path)
		return complain("no memory");
	status = client_send(&options->common, options->end ? "DELETE" : "POST", path, body, &json);
	if (status == STATUS_OK)
		verdict_print(json);
	if (status == STATUS_OK && !options->end &&
	    !json_is_string(json_object_get(json, "overrides")))
		puts("there is nothing to override now; the override stands by");
	free(path);
	json_decref(body);
	json_decref(json);
	return output_finish(status);
}

/* --- without ---------------------------------------------------------------------------------------------- */

/* Who it is: after sudo, who logged in. */
static uint32_t operator_uid(void)
{
	FILE *file = fopen("/proc/self/loginuid", "re");
	unsigned int uid = UINT32_MAX;

	if (file && fscanf(file, "%u", &uid) != 1)
		uid = UINT32_MAX;
	if (file)
		fclose(file);
	return uid == UINT32_MAX ? getuid() : uid;
}

static void glass_tell(const struct kcoh_glass *glass, const char *path)
{
	uint64_t seconds = (glass->until_ns - glass->given_ns) / 1000000000;

	sd_journal_send("MESSAGE=break-glass by uid %" PRIu32 ": for %" PRIu64
			" s kcoh check allows all VMs while no kcohd answers: %s",
			glass->uid, seconds, glass->why, "PRIORITY=%d", LOG_CRIT,
			"SYSLOG_IDENTIFIER=kcoh", "KCOH_REASON=override", "KCOH_BREAK_GLASS=1",
			"KCOH_UID=%" PRIu32, glass->uid, NULL);
	printf("for %" PRIu64 " s kcoh check allows all VMs of this host while no kcohd answers; "
	       "the journal has it (%s)\n",
	       seconds, path);
}

static int glass_break(const struct override_options *options, char *path)
{
	uint64_t now_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	struct kcoh_glass glass = { .uid = operator_uid(),
				    .given_ns = now_ns,
				    .until_ns = now_ns + options->ns };
	char sentence[512], *copy = strdup(path);

	if (!client_is_silent(&options->common)) {
		free(copy);
		return complain("kcohd is there, and is asked first: override its verdict with "
				"--vm SEL, or stop it (systemctl stop kcohd.socket kcohd)");
	}
	if (copy)
		mkdir(dirname(copy), 0755); /* if that fails, writing says it */
	free(copy);
	memcpy(glass.why, options->why, strlen(options->why));
	if (kcoh_glass_write(path, &glass, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	glass_tell(&glass, path);
	return output_finish(STATUS_OK);
}

static int glass_end(const char *path)
{
	if (unlink(path) < 0)
		return errno == ENOENT ? complain("the glass is not broken") :
					 complain("cannot remove %s: %s", path, strerror(errno));
	sd_journal_send("MESSAGE=break-glass taken back by uid %" PRIu32, operator_uid(),
			"PRIORITY=%d", LOG_NOTICE, "SYSLOG_IDENTIFIER=kcoh", "KCOH_REASON=override",
			"KCOH_BREAK_GLASS=0", NULL);
	puts("taken back: kcoh check has no answer where no kcohd answers");
	return output_finish(STATUS_OK);
}

static int glass(const struct override_options *options)
{
	char *path = kcoh_override_path(client_socket(&options->common), KCOH_GLASS);
	int status;

	if (!path)
		return complain("no memory");
	if (geteuid() != 0)
		status = complain("only root may break the glass");
	else
		status = options->end ? glass_end(path) : glass_break(options, path);
	free(path);
	return status;
}

/* --- options ---------------------------------------------------------------------------------------------- */

static void options_check(const struct override_options *options, struct argp_state *state)
{
	char sentence[128];

	if (!options->vm == !options->glass)
		usage_error(state, "of which VM? name it with --vm SEL, or say --break-glass");
	if (options->end && (options->why || options->ns))
		usage_error(state, "--end takes neither --why nor --for");
	if (options->end)
		return;
	if (!options->why || !options->ns)
		usage_error(state, "say --why and --for how long, or --end");
	if (kcoh_override_why_check(options->why, sentence, sizeof(sentence)) < 0)
		usage_error(state, "--why: %s", sentence);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct override_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'v':
		options->vm = arg;
		return 0;
	case 'w':
		options->why = arg;
		return 0;
	case 'f':
		if (filter_duration(arg, &options->ns) < 0 || !options->ns ||
		    options->ns > KCOH_OVERRIDE_MAX_S * 1000000000ull)
			usage_error(state, "--for %s: like 90s, 10m or 2h, at most 24h", arg);
		return 0;
	case 'e':
		options->end = true;
		return 0;
	case 'g':
		options->glass = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: name the VM with --vm", arg);
	case ARGP_KEY_END:
		options_check(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "SEL", 0, "This VM: its id, its name, its UUID, or pid:N", 0 },
	{ "why", 'w', "TEXT", 0, "Why, in words for those who ask later", 0 },
	{ "for", 'f', "TIME", 0, "For how long at most: 90s, 10m, 2h, up to 24h", 0 },
	{ "end", 'e', NULL, 0, "Take it back", 0 },
	{ "break-glass", 'g', NULL, 0, "All VMs of this host, while no kcohd answers", 0 },
	{ 0 },
};

int cmd_override(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Lets a VM be migrated although kcoh says wait or veto: you answer for it.\v"
		"Until it ends the verdict is allow with the reason override. It ends at its time, "
		"with --end, with the VM, and when a migration that it let through has completed. "
		"Who, why and until when is in the history. Exit status: 0, or 2 and one sentence.",
		children,
		NULL,
		NULL
	};
	struct override_options options = { 0 };

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	return options.glass ? glass(&options) : ask(&options);
}
