// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor.c - kcoh doctor: is this host ready, and what is to be done?
 *
 *   ok        machine  aarch64, kernel 6.1.0-50-arm64, pages of 4096 bytes, KVM
 *   degraded  module   the kcoh module is not loaded: …; load it with: modprobe kcoh
 *   …
 *   hook      kvm_exit: attached as raw_tp
 *   …
 *   works     exits by vCPU and class
 *   does not  cleaning at harvest: the module is not loaded
 *   this host is degraded
 *
 * A running kcohd says which hooks it has attached, and what it lost. Without one the same programs are loaded and attached
 * here for a moment, and taken off again; that needs the rights that kcohd needs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/judge.h"
#include "kcoh/client.h"
#include "kcoh/paint.h"
#include "kcoh/version.h"
#include "serve/paths.h"

#define HOOKS_MAX 128

enum { STATUS_DEGRADED = 1 };

struct doctor_options {
	struct common_options common;
	const char *bpf_dir;
	bool json;
};

struct ward {
	struct kcoh_patient patient;
	struct kcoh_hook_view hooks[HOOKS_MAX];
	char hooks_sentence[512];
	json_t *host; /* what kcohd said; hooks point into it */
	struct kcoh_feed *feed; /* or into this one */
};

/* --- by kcohd --------------------------------------------------------------------------------- */

/* The reason with the largest count; NULL if none has one. */
static const char *lost_most(json_t *by)
{
	const char *why, *most = NULL;
	json_int_t highest = 0;
	json_t *count;

	json_object_foreach(by, why, count)
	{
		if (json_integer_value(count) > highest) {
			highest = json_integer_value(count);
			most = why;
		}
	}
	return most;
}

static void fleet_by_kcohd(struct ward *ward)
{
	const json_t *fleet = json_object_get(ward->host, "fleet");
	const char *error = json_string_value(json_object_get(fleet, "error"));

	ward->patient.fleet = json_is_object(fleet);
	ward->patient.fleet_endpoint = json_string_value(json_object_get(fleet, "endpoint"));
	if (!json_is_true(json_object_get(fleet, "up")) &&
	    (error || !json_integer_value(json_object_get(fleet, "writes"))))
		ward->patient.fleet_error = error ? error : "nothing has been written yet";
}

static bool hooks_by_kcohd(struct ward *ward)
{
	const json_t *hooks = json_object_get(ward->host, "hooks"), *hook;
	size_t i;

	if (!json_is_array(hooks))
		return false;
	json_array_foreach(hooks, i, hook)
	{
		const char *name = json_string_value(json_object_get(hook, "name"));
		const char *why = json_string_value(json_object_get(hook, "why"));

		if (i == HOOKS_MAX || !name)
			break;
		ward->hooks[i] = (struct kcoh_hook_view){
			.name = name,
			.method = json_string_value(json_object_get(hook, "method")),
			.why = why ? why : "kcohd does not say why",
			.extra = json_is_true(json_object_get(hook, "extra")),
		};
		ward->patient.hooks_count = i + 1;
	}
	ward->patient.daemon = KCOH_DAEMON_ANSWERS;
	ward->patient.records_lost =
		(uint64_t)json_integer_value(json_object_get(ward->host, "records_lost"));
	fleet_by_kcohd(ward);
	ward->patient.lost_most = lost_most(json_object_get(ward->host, "records_lost_by"));
	return true;
}

/* --- by trying -------------------------------------------------------------------------------- */

static void no_record(const struct kcoh_ev_hdr *ev, size_t len, void *ctx)
{
	(void)ev;
	(void)len;
	(void)ctx;
}

static int add_hook(const struct kcoh_hook_view *hook, void *ctx)
{
	struct ward *ward = ctx;

	if (ward->patient.hooks_count == HOOKS_MAX)
		return 1;
	ward->hooks[ward->patient.hooks_count++] = *hook;
	return 0;
}

static void hooks_by_trying(struct ward *ward, const struct doctor_options *options)
{
	struct kcoh_patient *patient = &ward->patient;
	const struct kcoh_feed_config config = {
		.bpf_dir = options->bpf_dir ? options->bpf_dir : KCOH_BPF_DIR,
		.fn = no_record,
	};

	patient->hooks_err = kcoh_host_usable(&patient->facts, ward->hooks_sentence,
					      sizeof(ward->hooks_sentence));
	if (!patient->hooks_err)
		patient->hooks_err = kcoh_feed_open(&config, &ward->feed, ward->hooks_sentence,
						    sizeof(ward->hooks_sentence));
	if (patient->hooks_err)
		return;
	if (!patient->facts.hello_err)
		kcoh_feed_module_attach(ward->feed);
	kcoh_feed_each_hook(ward->feed, add_hook, ward);
}

/* --- what is printed ---------------------------------------------------------------------------- */

static enum paint level_paint(enum kcoh_level level)
{
	static const enum paint paints[] = { PAINT_GOOD, PAINT_DIM, PAINT_CARE, PAINT_BAD };

	return paints[level];
}

static const char *status_name(enum kcoh_level level)
{
	return level < KCOH_LEVEL_DEGRADED ? "ready" : kcoh_level_name(level);
}

static void painted(enum paint colour, const char *word, int width)
{
	printf("%s%-*s%s", paint(colour), width, word, paint(PAINT_PLAIN));
}

static void hooks_print(const struct kcoh_patient *patient)
{
	for (size_t i = 0; i < patient->hooks_count; i++) {
		const struct kcoh_hook_view *hook = &patient->hooks[i];

		painted(PAINT_DIM, "hook", 9);
		printf(" %s: %s%s\n", hook->name, hook->method ? "attached as " : "not available: ",
		       hook->method ? hook->method : hook->why);
	}
}

static void diagnosis_print(const struct kcoh_patient *patient,
			    const struct kcoh_diagnosis *diagnosis)
{
	for (size_t i = 0; i < diagnosis->findings_count; i++) {
		const struct kcoh_finding *finding = &diagnosis->findings[i];

		painted(level_paint(finding->level), kcoh_level_name(finding->level), 9);
		printf(" %-8s %s\n", finding->name, finding->sentence);
	}
	hooks_print(patient);
	for (size_t i = 0; i < diagnosis->abilities_count; i++) {
		const struct kcoh_ability *ability = &diagnosis->abilities[i];

		painted(ability->works ? PAINT_GOOD : PAINT_CARE,
			ability->works ? "works" : "does not", 9);
		printf(" %s%s%s\n", ability->name, ability->works ? "" : ": ", ability->why);
	}
	printf("this host is %s%s%s\n", paint(level_paint(diagnosis->level)),
	       status_name(diagnosis->level), paint(PAINT_PLAIN));
}

static json_t *findings_json(const struct kcoh_diagnosis *diagnosis)
{
	json_t *array = json_array();

	for (size_t i = 0; i < diagnosis->findings_count; i++) {
		const struct kcoh_finding *finding = &diagnosis->findings[i];

		json_array_append_new(array, json_pack("{s:s, s:s, s:s}", "name", finding->name,
						       "level", kcoh_level_name(finding->level),
						       "sentence", finding->sentence));
	}
	return array;
}

static json_t *abilities_json(const struct kcoh_diagnosis *diagnosis)
{
	json_t *array = json_array();

	for (size_t i = 0; i < diagnosis->abilities_count; i++) {
		const struct kcoh_ability *ability = &diagnosis->abilities[i];

		json_array_append_new(array, json_pack("{s:s, s:b, s:s?}", "name", ability->name,
						       "works", (int)ability->works, "why",
						       ability->works ? NULL : ability->why));
	}
	return array;
}

static json_t *hooks_json(const struct kcoh_patient *patient)
{
	json_t *array = json_array();

	for (size_t i = 0; i < patient->hooks_count; i++) {
		const struct kcoh_hook_view *hook = &patient->hooks[i];

		json_array_append_new(array, json_pack("{s:s, s:s?, s:s?, s:b}", "name", hook->name,
						       "method", hook->method, "why",
						       hook->method ? NULL : hook->why, "needed",
						       !kcoh_hook_is_excused(patient, hook)));
	}
	return array;
}

static json_t *module_json(const struct kcoh_host_facts *facts)
{
	if (facts->hello_err)
		return json_null();
	return json_pack("{s:i, s:s, s:i}", "abi", (int)facts->hello.abi, "state",
			 kcoh_module_state_name(facts->hello.state), "line_bytes",
			 (int)facts->hello.line_bytes);
}

/* null: not known, since only the module can tell. */
static json_t *feature_json(const struct kcoh_host_facts *facts, uint32_t feature)
{
	return facts->hello_err ? json_null() : json_boolean(facts->hello.host & feature);
}

static void json_print(const struct kcoh_patient *patient, const struct kcoh_diagnosis *diagnosis)
{
	const struct kcoh_host_facts *facts = &patient->facts;
	json_t *o = json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:i, s:b, s:b, s:b, s:b, s:b, s:i, s:b}", "status",
		status_name(diagnosis->level), "version", KCOH_VERSION, "abi", KCOH_ABI, "machine",
		facts->machine, "kernel", facts->kernel, "page_size", (int)facts->page_size, "kvm",
		(int)facts->kvm, "btf", (int)facts->btf, "may_load_bpf", (int)facts->may_bpf,
		"pkvm", (int)facts->pkvm, "armv8_4", (int)facts->armv8_4, "smmus",
		(int)facts->smmus, "kcohd", (int)(patient->daemon == KCOH_DAEMON_ANSWERS));

	json_object_set_new(o, "s2fwb", feature_json(facts, KCOH_HOST_S2FWB));
	json_object_set_new(o, "vhe", feature_json(facts, KCOH_HOST_VHE));
	json_object_set_new(o, "module", module_json(facts));
	json_object_set_new(o, "hooks", hooks_json(patient));
	json_object_set_new(o, "abilities", abilities_json(diagnosis));
	json_object_set_new(o, "findings", findings_json(diagnosis));
	json_dumpf(o, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(o);
}

static int status_of(enum kcoh_level level)
{
	if (level == KCOH_LEVEL_UNUSABLE)
		return STATUS_ERROR;
	return level == KCOH_LEVEL_DEGRADED ? STATUS_DEGRADED : STATUS_OK;
}

static int report(const struct ward *ward, const struct doctor_options *options)
{
	struct kcoh_diagnosis diagnosis;

	kcoh_host_judge(&ward->patient, &diagnosis);
	if (options->json)
		json_print(&ward->patient, &diagnosis);
	else if (!ward->patient.facts.arm64)
		return complain("%s", diagnosis.findings[0].sentence);
	else
		diagnosis_print(&ward->patient, &diagnosis);
	return output_finish(status_of(diagnosis.level));
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct doctor_options *options = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &options->common;
		return 0;
	case 'b':
		options->bpf_dir = arg;
		return 0;
	case 'j':
		options->json = true;
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: kcoh doctor takes options only", arg);
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "bpf-dir", 'b', "DIR", 0,
	  "Without a running kcohd: try the BPF objects of this directory (" KCOH_BPF_DIR ")", 0 },
	{ "json", 'j', NULL, 0, "Print all that was found as JSON", 0 },
	{ 0 },
};

int cmd_doctor(int argc, char **argv)
{
	static const struct argp_child children[] = { { &common_argp, 0, NULL, 0 }, { 0 } };
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Says whether this host is ready for kcoh, what works and what does not, and what "
		"to do.\v"
		"If no kcohd answers, its BPF programs are attached for a moment to see which "
		"hooks "
		"this kernel has. Exit status: 0 ready, 1 degraded, 2 unusable.",
		children,
		NULL,
		NULL
	};
	struct doctor_options options = { 0 };
	struct ward ward = { 0 };
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	ward.patient.hooks = ward.hooks;
	ward.patient.hooks_sentence = ward.hooks_sentence;
	kcoh_host_look("", &ward.patient.facts);
	ward.host = client_try(&options.common, "/v1/host");
	if (!hooks_by_kcohd(&ward))
		hooks_by_trying(&ward, &options);
	status = report(&ward, &options);
	kcoh_feed_close(ward.feed);
	json_decref(ward.host);
	return status;
}
