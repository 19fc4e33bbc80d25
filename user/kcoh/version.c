// SPDX-License-Identifier: GPL-2.0-only
/*
 * version.c - kcoh version: of this program and its ABI. It asks no daemon.
 */
#include <stdio.h>

#include "kcoh/abi.h"
#include "kcoh/cmd.h"
#include "kcoh/version.h"

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	usage_error(state, "'%s' is too much: kcoh version takes nothing", arg);
}

int cmd_version(int argc, char **argv)
{
	static const struct argp argp = { NULL, on_option,
					  NULL, "Prints the version of kcoh and of its kernel ABI.",
					  NULL, NULL,
					  NULL };

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	printf("kcoh %s (ABI %d)\n", KCOH_VERSION, KCOH_ABI);
	return STATUS_OK;
}
