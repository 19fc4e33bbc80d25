// SPDX-License-Identifier: GPL-2.0-only
/*
 * fleet.c - kcoh fleet: what do the hosts of the fleet say of their VMs?
 *
 *   $ kcoh fleet
 *   HOST      VERSION  VMS  VETO  WAIT  VERDICT
 *   arm-17    0.3.0     50     1     0  veto
 *   $ kcoh fleet --vm d7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5
 *   arm-17: web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off
 *   $ echo $?
 *   20
 *
 * It asks the store, by the configuration, and needs no kcohd: that is what a destination's hook can count on. With --guard the answer
 * is what a guard makes of it (fleet/guard.h): 0 to let the VM come, 20 or 10 to refuse it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "fleet/guard.h"
#include "fleet/lookup.h"
#include "fleet/record.h"
#include "kcoh/cmd.h"
#include "kcoh/table.h"
#include "names/text.h"

#define DEADLINE_S 6
#define DEADLINE_MAX_S 600

struct fleet_options {
	const char *config, *host, *vm, *name;
	uint32_t deadline_s;
	bool guard, json;
};

/* A look-up and what came of it. */
struct asked {
	sd_event *event;
	struct kcoh_http *http;
	struct kcoh_lookup *lookup;
	bool over;
	int error;
	struct kcoh_found found;
	char sentence[640];
};

static const char *text_of(const json_t *record, const char *name)
{
	return json_string_value(json_object_get(record, name));
}

/* --- asking ------------------------------------------------------------------------------------------------- */

static void on_found(void *ctx, int error, const struct kcoh_found *found, const char *sentence)
{
	struct asked *asked = ctx;

	asked->over = true;
	asked->error = error;
	if (found) {
		asked->found.records = json_incref(found->records);
		asked->found.refused = json_incref(found->refused);
	} else {
		snprintf(asked->sentence, sizeof(asked->sentence), "%s", sentence);
	}
}

static int lookup_start(struct asked *asked, const struct kcoh_fleet_config *fleet,
			const struct fleet_options *options)
{
	uint32_t ms = options->deadline_s * 1000;
	int err = sd_event_new(&asked->event);

	if (err >= 0)
		err = kcoh_http_new(asked->event, fleet, &asked->http);
	if (err < 0)
		return err;
	if (options->vm && kcoh_text_is_uuid(options->vm))
		return kcoh_lookup_vm(asked->http, asked->event, fleet, options->vm, ms, on_found,
				      asked, &asked->lookup);
	if (options->vm)
		return kcoh_lookup_name(asked->http, asked->event, fleet, options->vm, ms, on_found,
					asked, &asked->lookup);
	if (options->host)
		return kcoh_lookup_host(asked->http, asked->event, fleet, options->host, ms,
					on_found, asked, &asked->lookup);
	return kcoh_lookup_hosts(asked->http, asked->event, fleet, ms, on_found, asked,
				 &asked->lookup);
}

static void ask(struct asked *asked, const struct kcoh_fleet_config *fleet,
		const struct fleet_options *options)
{
	int err = lookup_start(asked, fleet, options);

	while (err >= 0 && !asked->over)
		err = sd_event_run(asked->event, UINT64_MAX);
	if (err < 0) {
		asked->error = err;
		snprintf(asked->sentence, sizeof(asked->sentence), "%s", strerror(-err));
	}
}

static void asked_free(struct asked *asked)
{
	kcoh_lookup_free(asked->lookup);
	kcoh_http_free(asked->http);
	sd_event_unref(asked->event);
	json_decref(asked->found.records);
	json_decref(asked->found.refused);
}

/* --- telling ------------------------------------------------------------------------------------------------ */

static int status_of(enum kcoh_verdict_kind kind)
{
	return kind == KCOH_VERDICT_VETO ? STATUS_VETO :
	       kind == KCOH_VERDICT_WAIT ? STATUS_WAIT :
					   STATUS_OK;
}

static void refused_print(const struct asked *asked)
{
	const json_t *sentence;
	size_t i;

	json_array_foreach(asked->found.refused, i, sentence)
		complain("%s", json_string_value(sentence));
}

static void verdict_print(const char *verdict)
{
	printf("%s%s%s", paint(paint_of(verdict)), verdict, paint(PAINT_PLAIN));
}

static void vms_print(const json_t *records)
{
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record)
	{
		printf("%s: %s: ", text_of(record, "host"), text_of(record, "name"));
		verdict_print(text_of(record, "verdict"));
		printf(": %s: %s\n", text_of(record, "reason"), text_of(record, "sentence"));
	}
}

static void host_fill(char (*cells)[TABLE_CELL], const json_t *record)
{
	static const char *const counts[] = { "vms", "veto", "wait" };

	snprintf(cells[0], TABLE_CELL, "%s", text_of(record, "host"));
	snprintf(cells[1], TABLE_CELL, "%s", text_of(record, "version"));
	for (size_t i = 0; i < 3; i++)
		snprintf(cells[2 + i], TABLE_CELL, "%" JSON_INTEGER_FORMAT,
			 json_integer_value(json_object_get(record, counts[i])));
	snprintf(cells[5], TABLE_CELL, "%s", text_of(record, "verdict"));
}

static int hosts_print(const json_t *records)
{
	static const struct table_column columns[] = {
		{ .title = "HOST" },
		{ .title = "VERSION" },
		{ .title = "VMS", .right = true },
		{ .title = "VETO", .right = true },
		{ .title = "WAIT", .right = true },
		{ .title = "VERDICT", .colour = paint_of },
	};
	struct table table = TABLE(columns);
	int status = table_fill(&table, records, host_fill);

	if (status != STATUS_OK)
		return status;
	table_print(&table);
	table_free(&table);
	return STATUS_OK;
}

static void json_print(const char *name, const json_t *records)
{
	json_t *o = json_pack("{s:O}", name, records);

	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
	putchar('\n');
	json_decref(o);
}

static enum kcoh_guard guard_of(const struct kcoh_config *config,
				const struct fleet_options *options)
{
	bool uuid = kcoh_text_is_uuid(options->vm);
	const char *name = options->name ? options->name : uuid ? "" : options->vm;

	return kcoh_config_policy(config, name, uuid ? options->vm : "").guard;
}

/* One sentence, and 0 if it may come. */
static int guard_tell(const struct asked *asked, const struct kcoh_config *config,
		      const struct fleet_options *options)
{
	const struct kcoh_fleet_config *fleet = kcoh_config_fleet(config);
	struct kcoh_fleet_answer answer;

	kcoh_fleet_guard(asked->error < 0 ? NULL : &asked->found, asked->sentence,
			 fleet ? fleet->host : NULL, fleet, guard_of(config, options), &answer);
	printf("%s%s\n",
	       answer.blocks                    ? "" :
	       answer.kind >= KCOH_VERDICT_WAIT ? "would be refused with guard = enforce: " :
						  "",
	       answer.sentence);
	return answer.blocks ? status_of(answer.kind) : STATUS_OK;
}

static int vm_tell(const struct asked *asked, const struct kcoh_config *config,
		   const struct fleet_options *options)
{
	int most = KCOH_VERDICT_ALLOW;
	const json_t *record;
	size_t i;

	json_array_foreach(asked->found.records, i, record)
	{
		int rank = kcoh_fleet_rank_of(text_of(record, "verdict"));

		most = rank > most ? rank : most;
	}
	if (options->json)
		json_print("vms", asked->found.records);
	else
		vms_print(asked->found.records);
	if (json_array_size(asked->found.records))
		return status_of((enum kcoh_verdict_kind)most);
	complain("no host of the fleet has published a verdict about %s (unknown_host = %s)",
		 options->vm, kcoh_config_fleet(config)->unknown_veto ? "veto" : "allow");
	return kcoh_config_fleet(config)->unknown_veto ? STATUS_VETO : STATUS_OK;
}

static int tell(const struct asked *asked, const struct kcoh_config *config,
		const struct fleet_options *options)
{
	const json_t *records = asked->found.records;

	if (options->guard)
		return guard_tell(asked, config, options);
	if (asked->error < 0)
		return complain("the fleet's store gave no answer: %s", asked->sentence);
	refused_print(asked);
	if (json_array_size(asked->found.refused))
		return STATUS_ERROR;
	if (options->vm)
		return vm_tell(asked, config, options);
	if (options->json)
		json_print(options->host ? "vms" : "hosts", records);
	else if (options->host)
		vms_print(records);
	else
		return hosts_print(records);
	return STATUS_OK;
}

/* --- the command -------------------------------------------------------------------------------------------- */

static void deadline_read(struct fleet_options *options, const char *arg,
			  const struct argp_state *state)
{
	if (kcoh_text_u32(arg, &options->deadline_s) < 0 || options->deadline_s < 1 ||
	    options->deadline_s > DEADLINE_MAX_S)
		usage_error(state, "--deadline must be a number of seconds from 1 to %d, not '%s'",
			    DEADLINE_MAX_S, arg);
}

static void options_check(const struct fleet_options *options, const struct argp_state *state)
{
	if (options->vm && options->host)
		usage_error(state, "--vm and --host: name one of them");
	if (options->vm && (!*options->vm || strlen(options->vm) >= KCOH_FLEET_NAME_BYTES))
		usage_error(state, "--vm must be a UUID or a name of 1 to %d bytes",
			    KCOH_FLEET_NAME_BYTES - 1);
	if ((options->guard || options->name) && !options->vm)
		usage_error(state, "--guard and --name belong to --vm");
	if (options->guard && options->json)
		usage_error(state, "--guard answers in one sentence: leave out --json");
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct fleet_options *options = state->input;

	switch (key) {
	case 'c':
		options->config = arg;
		return 0;
	case 'H':
		options->host = arg;
		return 0;
	case 'v':
		options->vm = arg;
		for (size_t i = 0; kcoh_text_is_uuid(arg) && arg[i]; i++)
			arg[i] = (char)tolower((unsigned char)arg[i]);
		return 0;
	case 'n':
		options->name = arg;
		return 0;
	case 'g':
		options->guard = true;
		return 0;
	case 'd':
		deadline_read(options, arg, state);
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: kcoh fleet takes options only", arg);
	case ARGP_KEY_SUCCESS:
		options_check(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "vm", 'v', "UUID|NAME", 0, "What its host says of this VM", 0 },
	{ "host", 'H', "HOST", 0, "What this host says of all its VMs", 0 },
	{ "guard", 'g', NULL, 0, "With --vm: may it come to this host?", 0 },
	{ "name", 'n', "NAME", 0,
	  "With --vm UUID: the VM's name, for [vm NAME] in the configuration", 0 },
	{ "deadline", 'd', "S", 0, "Give up after so many seconds (6)", 0 },
	{ "json", 'j', NULL, 0, "Print what the store has, as JSON", 0 },
	{ "config", 'c', "FILE", 0, "Read this configuration (" KCOH_CONFIG_FILE ")", 0 },
	{ 0 },
};

static int run(const struct kcoh_config *config, const struct fleet_options *options)
{
	const struct kcoh_fleet_config *fleet = kcoh_config_fleet(config);
	struct asked asked = { 0 };
	int status;

	if (!fleet && options->guard)
		asked.error = -ENOENT;
	else if (!fleet)
		return complain("%s names no store: set endpoints in its section [fleet]",
				options->config);
	if (fleet)
		ask(&asked, fleet, options);
	else
		strcpy(asked.sentence, "[fleet] of the configuration has no endpoints");
	status = tell(&asked, config, options);
	asked_free(&asked);
	return output_finish(status);
}

int cmd_fleet(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Shows the hosts of the fleet, or what they say of their VMs.\v"
		"It asks the store that [fleet] of the configuration names, and needs no kcohd. "
		"With --guard it says whether the VM may be migrated to this host, by guard and "
		"unknown_host. Exit status with --vm: 0 allow or repair, 10 wait, 20 veto, 2 no "
		"answer; else 0, or 2 and one sentence.",
		NULL,
		NULL,
		NULL
	};
	struct fleet_options options = { .config = KCOH_CONFIG_FILE, .deadline_s = DEADLINE_S };
	struct kcoh_config *config;
	char sentence[1024];
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (kcoh_config_load(options.config, &config, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	status = run(config, &options);
	kcoh_config_free(config);
	return status;
}
