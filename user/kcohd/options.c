// SPDX-License-Identifier: GPL-2.0-only
/*
 * options.c - kcohd's command line.
 *
 * It overrides the configuration, and is made for trying things out; what is to last belongs in the file.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "kcoh/version.h"
#include "kcohd/options.h"
#include "serve/paths.h"

static const struct argp_option argp_options[] = {
	{ "config", 'c', "FILE", 0, "Read this configuration (" KCOH_CONFIG_FILE ")", 0 },
	{ "bpf-dir", 'b', "DIR", 0, "Load the BPF objects from this directory", 0 },
	{ "socket", 's', "PATH", 0, "Serve the API on this Unix socket (" KCOH_SOCKET ")", 0 },
	{ "dry-run", 'n', NULL, 0, "Say what would be done to VMs and do none of it", 0 },
	{ "verbose", 'v', NULL, 0, "Say more, also what libbpf says", 0 },
	{ 0 },
};

static const char doc[] =
	"Watches the KVM virtual machines of this arm64 host, and vetoes a live migration that "
	"would "
	"copy stale memory."
	"\v"
	"Without " KCOH_CONFIG_FILE
	" all VMs get strategy clean and guard warn: kcohd says what it "
	"would have done. Exit status: 0 stopped by a signal, 1 failed while running, 2 could not "
	"start.";

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;

	switch (key) {
	case 'c':
		options->config = arg;
		return 0;
	case 'b':
		options->bpf_dir = arg;
		return 0;
	case 's':
		options->socket = arg;
		return 0;
	case 'n':
		options->dry_run = true;
		return 0;
	case 'v':
		options->verbose = true;
		return 0;
	case ARGP_KEY_ARG:
		fprintf(stderr, "kcohd: '%s' is too much: kcohd takes options only\n", arg);
		exit(argp_err_exit_status);
	}
	return ARGP_ERR_UNKNOWN;
}

void options_parse(int argc, char **argv, struct options *ret_options)
{
	static const struct argp argp = { argp_options, on_option, NULL, doc, NULL, NULL, NULL };

	argp_program_version = "kcohd " KCOH_VERSION;
	argp_err_exit_status = 2;
	*ret_options = (struct options){ 0 };
	argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}
