/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * options.h - kcohd's command line.
 */
#ifndef KCOHD_OPTIONS_H
#define KCOHD_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *config; /* NULL: the default file, if there is one */
	const char *bpf_dir; /* NULL: as configured */
	const char *socket; /* NULL: as configured */
	bool dry_run; /* acts are said, and not done */
	bool verbose;
};

/* Ends the program on --help, --version (status 0) and on what it does not understand (2). */
void options_parse(int argc, char **argv, struct options *ret_options);

#endif
