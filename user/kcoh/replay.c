// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay.c - kcoh replay FILE: a recording of kcohd through the decision core again, here and now.
 *
 *   $ kcoh replay 20261122T181530Z-alert.rec
 *      12.000000 web-1 is there: allow/cleaning
 *      12.500000 web-1 window mmu-off opens
 *      12.500000 web-1 veto/mmu-off (allow/cleaning before)
 *      12.500000 web-1 act cancel (mmu-off)
 *   913 events in 74.2 s: 1 window edge, 1 verdict, 1 act; as it went then
 *
 * It needs no kcohd, and runs on any machine. With --policy the VMs get the policies of another configuration: what would have been?
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "kcoh/cmd.h"
#include "record/replay.h"

struct replay_options {
	const char *file;
	const char *policy;
};

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct replay_options *options = state->input;

	switch (key) {
	case 'p':
		options->policy = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num)
			usage_error(state, "'%s' is too much: one recording at a time", arg);
		options->file = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		usage_error(state, "which recording? name its file");
	}
	return ARGP_ERR_UNKNOWN;
}

static const char *plural(uint64_t n)
{
	return n == 1 ? "" : "s";
}

/* The last line. */
static void summary_print(const struct replay_options *options,
			  const struct kcoh_replay_result *result)
{
	uint64_t ns = result->last_ns > result->first_ns ? result->last_ns - result->first_ns : 0;

	printf("%" PRIu64 " event%s in %" PRIu64 ".%" PRIu64 " s: %" PRIu64
	       " window edge%s, %" PRIu64 " verdict%s, %" PRIu64 " act%s; ",
	       result->events, plural(result->events), ns / 1000000000, ns % 1000000000 / 100000000,
	       result->windows, plural(result->windows), result->verdicts, plural(result->verdicts),
	       result->acts, plural(result->acts));
	if (options->policy)
		printf("under the policies of %s\n", options->policy);
	else if (result->differs)
		printf("otherwise than it went then, from event %" PRIu64 " on\n",
		       result->differs_first);
	else
		printf("as it went then\n");
}

static int play(const struct replay_options *options, struct kcoh_recording *recording,
		const struct kcoh_config *config)
{
	struct kcoh_replay_result result;
	int err = kcoh_replay(recording, config, stdout, &result);
	int status = STATUS_OK;

	if (err < 0)
		return complain("%s: %s", options->file,
				err == -ENOMEM ? "no memory" :
						 "the bounds in its header make no sense");
	summary_print(options, &result);
	if (result.without_state)
		status =
			complain("%s: its state at the beginning is of another version of kcoh, so "
				 "what came before is not known",
				 options->file);
	if (result.damaged)
		status = complain("%s: %s", options->file, kcoh_recording_damage(recording));
	if (status == STATUS_OK && result.differs && !options->policy)
		status = STATUS_DIFFERS;
	return output_finish(status);
}

int cmd_replay(int argc, char **argv)
{
	static const struct argp_option argp_options[] = {
		{ "policy", 'p', "FILE", 0,
		  "What if: the policies of this configuration, in place of the recorded ones", 0 },
		{ 0 },
	};
	static const struct argp argp = { argp_options,
					  on_option,
					  "FILE",
					  "Shows what a recording of kcohd holds: windows, "
					  "verdicts and acts, as the decision "
					  "core takes them.\vA file that is cut or damaged is "
					  "shown up to there. Exit status: 0 "
					  "as it went "
					  "when it was recorded, 1 otherwise, 2 and one sentence "
					  "if it is damaged or cannot be "
					  "read.",
					  NULL,
					  NULL,
					  NULL };
	struct replay_options options = { 0 };
	struct kcoh_recording *recording;
	struct kcoh_config *config = NULL;
	char sentence[1024];
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (options.policy &&
	    kcoh_config_load(options.policy, &config, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	if (kcoh_recording_open(options.file, &recording, sentence, sizeof(sentence)) < 0) {
		kcoh_config_free(config);
		return complain("%s: %s", options.file, sentence);
	}
	status = play(&options, recording, config);
	kcoh_recording_close(recording);
	kcoh_config_free(config);
	return status;
}
