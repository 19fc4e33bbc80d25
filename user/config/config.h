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
	bool cancel; /* a migration under way is cancelled, if that can be done */
	bool last_resort; /* one that cannot be is refused in the kernel */
	bool without_module_allow; /* that there is no module is no reason to veto */
	bool when_blind_allow; /* nor that something may have been missed */
	uint32_t arm_deadline_ms;
	uint32_t defer_deadline_ms;
	uint32_t hold_deadline_ms;
	const char *
		qmp; /* pattern of the path of its QMP socket, or NULL; owned by the configuration */
};

/* The store that the hosts of a fleet publish verdicts in. All is owned by the configuration. */
#define KCOH_FLEET_ENDPOINTS 8
struct kcoh_fleet_config {
	char *endpoints[KCOH_FLEET_ENDPOINTS]; /* https://ADDRESS:PORT, tried in turn */
	size_t endpoints_count;
	char *prefix; /* of all keys: "/kcoh" */
	char *host; /* what this host is called there */
	char *ca; /* PEM file of who signs the store's certificate; NULL: the system's */
	char *cert, *key; /* PEM files of our own certificate; NULL: none */
	uint32_t lease_s; /* how long what a dead host published stays */
	bool unknown_veto; /* a VM that the fleet does not know may not come here */
};

/* The configuration of a host that has no file. */
int kcoh_config_new(struct kcoh_config **ret_config);

/*
 * Reads a file, and then those of the directory `path`.d whose names end in .conf, by name. -ENOENT if there are none,
 * -EINVAL if what one says makes no sense, or why it cannot be read; `err` then holds one sentence, with file and line.
 */
int kcoh_config_load(const char *path, struct kcoh_config **ret_config, char *err, size_t err_len);
void kcoh_config_free(struct kcoh_config *config);

/* The i-th file that was read, or NULL. */
const char *kcoh_config_file(const struct kcoh_config *config, size_t i);

/*
 * Takes from `fresh`, which it frees, all that can change while kcohd runs: what applies to VMs, exit_times, and unknown_host. The keys that
 * differ and stay as they were are named in `ret_rest`: "socket, history_mb", or "".
 */
void kcoh_config_adopt(struct kcoh_config *config, struct kcoh_config *fresh, char *ret_rest,
		       size_t len);

/* The history's database, or NULL: none is kept; how many days and MB of it (0: no limit). */
const char *kcoh_config_history(const struct kcoh_config *config);
uint32_t kcoh_config_history_days(const struct kcoh_config *config);
uint32_t kcoh_config_history_mb(const struct kcoh_config *config);
/* NULL: there is no fleet. */
const struct kcoh_fleet_config *kcoh_config_fleet(const struct kcoh_config *config);
const char *kcoh_config_listen(const struct kcoh_config *config); /* TCP address, or NULL */
/* Which libvirt is asked ("qemu:///system"), or NULL: none. */
const char *kcoh_config_libvirt(const struct kcoh_config *config);
const char *kcoh_config_socket(const struct kcoh_config *config);
const char *kcoh_config_bpf_dir(const struct kcoh_config *config);
/* How many vCPUs' exits are counted apart; whether the times of exits are counted all the time. */
uint32_t kcoh_config_exit_vcpus(const struct kcoh_config *config);
bool kcoh_config_times(const struct kcoh_config *config);
/* Memory for what the core was told last (0: none), where it is written to, and how many files of it are kept. */
uint32_t kcoh_config_record_mb(const struct kcoh_config *config);
const char *kcoh_config_recordings(const struct kcoh_config *config);
uint32_t kcoh_config_recordings_keep(const struct kcoh_config *config);
/* The command line comes before the file. 0 or -ENOMEM. */
int kcoh_config_set_socket(struct kcoh_config *config, const char *path);
int kcoh_config_set_bpf_dir(struct kcoh_config *config, const char *path);

/*
 * The policy for a VM of that name and UUID (NULL or "": none): of the first [vm] section that fits, the rest from
 * [defaults].
 */
struct kcoh_policy kcoh_config_policy(const struct kcoh_config *config, const char *name,
				      const char *uuid);

/* That of VMs that no section matches. */
struct kcoh_policy kcoh_config_defaults(const struct kcoh_config *config);

/* Has any VM, or may one have, a policy with last_resort? */
bool kcoh_config_last_resort(const struct kcoh_config *config);

/* Fills all of a POLICY record but its header. `can_cancel`: there is a way to cancel this VM's migrations. */
void kcoh_policy_event(const struct kcoh_policy *policy, bool can_cancel,
		       struct kcoh_ev_policy *ret_ev);

/* Where a value comes from. */
struct kcoh_config_line {
	const char *key;
	char value[256]; /* as it would stand in a file */
	const char *file; /* NULL: it is built in */
	unsigned int line;
	const char *section; /* "defaults", "vm web-*"; NULL: it is built in */
};

/* Calls fn for each setting of that VM, in the order of the documentation. `line` is valid during the call. */
void kcoh_config_explain(const struct kcoh_config *config, const char *name, const char *uuid,
			 void (*fn)(void *ctx, const struct kcoh_config_line *line), void *ctx);

/*
 * A QMP pattern as a path: %n is the VM's name, %u its UUID, %p its pid, %% a percent sign. -EINVAL if a name or
 * UUID is needed that would not be one component of a path, -ENAMETOOLONG if it does not fit.
 */
int kcoh_config_qmp_path(const char *pattern, const char *name, const char *uuid, uint32_t pid,
			 char *ret_path, size_t path_len);

#endif
