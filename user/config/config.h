/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * config.h - kcohd's configuration. docs/kcoh.conf.example has every key.
 */
#ifndef KCOH_CONFIG_H
#define KCOH_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"

#define KCOH_CONFIG_FILE "/etc/kcoh/kcoh.conf"

struct kcoh_config; /* opaque */

/* What applies to a VM. */
struct kcoh_policy {
	enum kcoh_strategy strategy;
	enum kcoh_guard guard;
	uint32_t arm_deadline_ms;
	uint32_t defer_deadline_ms;
	uint32_t hold_deadline_ms;
	const char *
		qmp; /* pattern of the path of its QMP socket, or NULL; owned by the configuration */
};

/* The configuration of a host that has no file. */
int kcoh_config_new(struct kcoh_config **ret_config);

/*
 * Reads a file. -ENOENT if there is none, -EINVAL if what it says makes no sense, or why it cannot be
 * read; `err` then holds one sentence, with file and line.
 */
int kcoh_config_load(const char *path, struct kcoh_config **ret_config, char *err, size_t err_len);
void kcoh_config_free(struct kcoh_config *config);

/* The history's database, or NULL: none is kept; how many days and MB of it (0: no limit). */
const char *kcoh_config_history(const struct kcoh_config *config);
uint32_t kcoh_config_history_days(const struct kcoh_config *config);
uint32_t kcoh_config_history_mb(const struct kcoh_config *config);
const char *kcoh_config_listen(const struct kcoh_config *config); /* TCP address, or NULL */
const char *kcoh_config_socket(const struct kcoh_config *config);
const char *kcoh_config_bpf_dir(const struct kcoh_config *config);
/* How many vCPUs' exits are counted apart; whether the times of exits are counted all the time. */
uint32_t kcoh_config_exit_vcpus(const struct kcoh_config *config);
bool kcoh_config_times(const struct kcoh_config *config);
/* The command line comes before the file. 0 or -ENOMEM. */
int kcoh_config_set_socket(struct kcoh_config *config, const char *path);
int kcoh_config_set_bpf_dir(struct kcoh_config *config, const char *path);

/* The policy for a VM of that name: of the first [vm] section that matches, the rest from [defaults]. */
struct kcoh_policy kcoh_config_policy(const struct kcoh_config *config, const char *name);

/* That of VMs that no section matches. */
struct kcoh_policy kcoh_config_defaults(const struct kcoh_config *config);

/*
 * A QMP pattern as a path: %n is the VM's name, %u its UUID, %p its pid, %% a percent sign. -EINVAL if a name or
 * UUID is needed that would not be one component of a path, -ENAMETOOLONG if it does not fit.
 */
int kcoh_config_qmp_path(const char *pattern, const char *name, const char *uuid, uint32_t pid,
			 char *ret_path, size_t path_len);

#endif
