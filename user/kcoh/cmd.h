/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * cmd.h - kcoh's commands: one table, a file each.
 */
#ifndef KCOH_CMD_H
#define KCOH_CMD_H

#include <argp.h>
#include <stdbool.h>

/* Exit statuses of all commands; `check` has more. */
enum {
	STATUS_OK = 0,
	STATUS_DIFFERS = 1, /* replay; evacuate: cancelled; clean: not all */
	STATUS_WAIT = 10,
	STATUS_VETO = 20,
	STATUS_ERROR = 2,
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv); /* argv[0] is "kcoh NAME"; returns the exit status */
};

int cmd_ps(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_trace(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_override(int argc, char **argv);
int cmd_evacuate(int argc, char **argv);
int cmd_clean(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_history(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_fleet(int argc, char **argv);
int cmd_admission(int argc, char **argv);
int cmd_policy(int argc, char **argv);
int cmd_module(int argc, char **argv);
int cmd_version(int argc, char **argv);

/* Options that all commands which ask the daemon have; a child of their argp. Its input is this. */
struct common_options {
	const char *socket;
};
extern const struct argp common_argp;

/* "kcoh: …" on standard error. Returns STATUS_ERROR. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* `status`, unless not all could be printed for another reason than that nobody reads it any more. */
int output_finish(int status);

/* What was typed makes no sense: "kcoh NAME: …; see kcoh NAME --help", and the program ends with STATUS_ERROR. */
void usage_error(const struct argp_state *state, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

#endif
