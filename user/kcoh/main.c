// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcoh COMMAND: finds the command in the table and runs it.
 *
 * `kcoh COMMAND --help` is the command's own; `kcoh help COMMAND` is the same thing said the other way round.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcoh/cmd.h"
#include "kcoh/version.h"

static const struct command commands[] = {
	{ "ps", "list the virtual machines, their cache states and verdicts", cmd_ps },
	{ "top", "show how often and why they leave their guests, live", cmd_top },
	{ "trace", "show what happens to them, one line an event", cmd_trace },
	{ "check", "ask whether one, or all, may be migrated now", cmd_check },
	{ "evacuate", "move one, or all, guarded by their verdicts", cmd_evacuate },
	{ "clean", "clean all RAM of a paused one, before it is dumped", cmd_clean },
	{ "override", "let one be migrated all the same, and answer for it", cmd_override },
	{ "doctor", "say whether this host is ready, and what to do", cmd_doctor },
	{ "history", "show what happened in the last months", cmd_history },
	{ "report", "write what happened as a page with a time line, or for Perfetto", cmd_report },
	{ "record", "write what was decided upon last to a file", cmd_record },
	{ "replay", "show such a file, and what another policy would have made of it", cmd_replay },
	{ "fleet", "show what the hosts of a fleet say of theirs", cmd_fleet },
	{ "admission", "answer Kubernetes whether one may be migrated", cmd_admission },
	{ "policy", "check the configuration, or explain what applies to one", cmd_policy },
	{ "module", "unload the kernel module, or swap it for another build", cmd_module },
	{ "version", "print the version", cmd_version },
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

int complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fflush(stdout);
	fputs("kcoh: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	return STATUS_ERROR;
}

int output_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return errno == EPIPE ? status : complain("cannot write to standard output");
}

/* argp_error() would add a second line. */
void usage_error(const struct argp_state *state, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", state->name);
	vfprintf(stderr, format, args);
	fprintf(stderr, "; see %s --help\n", state->name);
	va_end(args);
	exit(STATUS_ERROR);
}

static void usage(FILE *file)
{
	fputs("Usage: kcoh COMMAND [OPTION...]\n"
	      "Shows what kcohd knows of the virtual machines of this host.\n\n",
	      file);
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(file, "  %-9s %s\n", commands[i].name, commands[i].summary);
	fputs("\n'kcoh COMMAND --help' tells more. Exit status: 0, or 2 and one sentence.\n", file);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	}
	return NULL;
}

static int command_run(const char *name, int argc, char **argv)
{
	const struct command *command = command_find(name);
	char full[64];

	if (!command)
		return complain("there is no command '%s'; see kcoh --help", name);
	snprintf(full, sizeof(full), "kcoh %s", command->name);
	argv[0] = full;
	argp_program_version = "kcoh " KCOH_VERSION;
	argp_err_exit_status = STATUS_ERROR;
	return command->run(argc, argv);
}

static int help(int argc, char **argv)
{
	char option[] = "--help";
	char *args[] = { argv[0], option, NULL };

	if (argc > 1)
		return command_run(argv[1], 2, args);
	usage(stdout);
	return STATUS_OK;
}

/* A program started without standard descriptors must not print into its own sockets. */
static void descriptors_guard(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	descriptors_guard();
	if (!*name) {
		usage(stderr);
		return STATUS_ERROR;
	}
	if (!strcmp(name, "--help") || !strcmp(name, "-?") || !strcmp(name, "-h") ||
	    !strcmp(name, "help"))
		return help(argc - 1, argv + 1);
	if (!strcmp(name, "--version") || !strcmp(name, "-V"))
		return command_run("version", 1, argv + 1);
	return command_run(name, argc - 1, argv + 1);
}
