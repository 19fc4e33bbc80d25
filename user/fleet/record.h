/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - what is kept in the fleet's store: keys, and values as JSON.
 *
 *   /kcoh/hosts/HOST       {"v": 1, "host": …, "version": …, "verdict": …, "vms": 50, "veto": 1, "wait": 0, "without_uuid": 0}
 *   /kcoh/vms/UUID/HOST    {"v": 1, "host": …, "uuid": …, "name": …, "verdict": "veto", "reason": "mmu-off", "sentence": …,
 *                           "guard": "enforce", "since": 1767323045.12, "until": null}
 *   /kcoh/names/NAME/HOST  the same record, found by the VM's name
 *   /kcoh/index/HOST/UUID  (empty) which VMs a host has
 *
 * A VM that is being migrated is at two hosts, so a look-up by its UUID or its name finds one record a host. All of a host hangs on one
 * lease of its own, and goes with it. Times are Unix times in seconds.
 *
 * By name it is a record of its own and no reference to that of the UUID: KubeVirt gives VMs of one name in two namespaces the same UUID,
 * and then the record of the UUID is that of the stricter of both. In a key, what is not a letter, a digit or one of . _ - of a name
 * stands as %XX, so that no name is the beginning of another.
 *
 * `v` is raised when a reader of today would misread what is written then; members may be added without that.
 */
#ifndef KCOH_FLEET_RECORD_H
#define KCOH_FLEET_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "names/roster.h"

#define KCOH_FLEET_V 1
#define KCOH_FLEET_NAME_BYTES 384 /* of a name that can be looked up, with its NUL */
#define KCOH_FLEET_KEY_BYTES 1664 /* prefix, host, and a name of which each byte is quoted */

/* A verdict about a VM, as kcohd has it. */
struct kcoh_fleet_vm {
	const char *uuid; /* "": it has none, and can be looked up by name only */
	const char *name;
	struct kcoh_verdict verdict; /* times: CLOCK_MONOTONIC */
	enum kcoh_guard guard;
};

/* What a host tells of itself. */
struct kcoh_fleet_host {
	uint32_t vms; /* all of it */
	uint32_t without_uuid; /* of these */
	uint32_t verdicts[4]; /* of these, by enum kcoh_verdict_kind */
};

/* Keys; `ret_key` has KCOH_FLEET_KEY_BYTES. With `host` or `uuid` NULL: what all of them begin with. */
void kcoh_fleet_key_host(char *ret_key, const char *prefix, const char *host);
void kcoh_fleet_key_vm(char *ret_key, const char *prefix, const char *uuid, const char *host);
/* `name` is shorter than KCOH_FLEET_NAME_BYTES. */
void kcoh_fleet_key_name(char *ret_key, const char *prefix, const char *name, const char *host);
void kcoh_fleet_key_index(char *ret_key, const char *prefix, const char *host, const char *uuid);

/* Values, to be freed; NULL without memory. `clock_ns`: what to add to a monotonic time for the Unix time. */
char *kcoh_fleet_vm_text(const struct kcoh_fleet_vm *vm, const char *host, int64_t clock_ns);
char *kcoh_fleet_host_text(const struct kcoh_fleet_host *facts, const char *host);

/* Of two verdicts the one that allows less: allow, repair, wait, veto. */
int kcoh_fleet_rank(enum kcoh_verdict_kind kind);
/* By name; -EINVAL if it is none. */
int kcoh_fleet_rank_of(const char *verdict);

/*
 * Is that a VM's (or a host's) record of a form that we can read? A new reference to it, or NULL and a sentence. Who could write to
 * the store could have written anything.
 */
json_t *kcoh_fleet_vm_parse(const char *text, char *err, size_t err_len);
json_t *kcoh_fleet_host_parse(const char *text, char *err, size_t err_len);

#endif
