/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * roster.h - the VMs as people know them: id, name, UUID, pid.
 *
 * The core knows a VM by its number only. The roster holds what a person, a script or an
 * orchestrator calls it, and finds the one that a selector means.
 */
#ifndef KCOH_ROSTER_H
#define KCOH_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/core.h"
#include "relay/harvests.h"

#define KCOH_UUID_LEN 37 /* 8-4-4-4-12 and NUL */

/* Who a VM is. Shared by the roster and by each event about it, which may outlive the VM. */
struct kcoh_ident {
	unsigned int refs;
	uint32_t id;
	uint32_t pid;
	char comm[KCOH_COMM_LEN];
	char uuid[KCOH_UUID_LEN]; /* lower case, or empty */
	char *name; /* printable UTF-8, never empty */
};

/* `name` NULL or empty: COMM-PID; `uuid` NULL or not one: none. NULL without memory. */
struct kcoh_ident *kcoh_ident_new(uint32_t id, uint32_t pid, const char *comm, const char *name,
				  const char *uuid);
struct kcoh_ident *kcoh_ident_ref(struct kcoh_ident *ident); /* NULL is allowed here */
void kcoh_ident_unref(struct kcoh_ident *ident); /* and here */

/* What readers of events were last told about a VM; a difference to the core's view is news. */
struct kcoh_vm_shown {
	bool known; /* the core has had a view of it */
	bool has_memory; /* memslots */
	bool in_epoch;
	uint32_t windows_open;
	uint64_t window_since_ns[KCOH_WINDOW_CLASSES];
	uint64_t windows_closed[KCOH_WINDOW_CLASSES]; /* that are in the histograms */
	uint64_t window_ns[KCOH_WINDOW_CLASSES]; /* how long these were open */
	enum kcoh_verdict_kind verdict;
	enum kcoh_reason reason, overrides;
};

/* How often it leaves the guest, by two samples of its counters. */
struct kcoh_exit_rate {
	uint64_t at_ns; /* of the last sample; 0: none */
	uint64_t total;
	uint64_t per_s; /* between the last two */
	bool known;
};

struct kcoh_roster_vm {
	struct kcoh_ident *ident;
	struct kcoh_vm_shown shown;
	struct kcoh_ev_policy policy; /* as the core was told last, with ts_ns 0 */
	struct kcoh_harvests harvests;
	struct kcoh_exit_rate exit_rate;
	uint64_t smmu_events; /* of its devices, while they were its own */
};

struct kcoh_roster; /* opaque */

int kcoh_roster_new(struct kcoh_roster **ret_roster);
void kcoh_roster_free(struct kcoh_roster *roster);

/* Adds a VM, or gives a known id a new identity. The roster takes the reference, also on error. */
int kcoh_roster_add(struct kcoh_roster *roster, struct kcoh_ident *ident);
void kcoh_roster_remove(struct kcoh_roster *roster, uint32_t id);

/* NULL if there is none. Valid until the next add or remove. */
struct kcoh_roster_vm *kcoh_roster_find(struct kcoh_roster *roster, uint32_t id);

/* The i-th VM in ascending id, NULL beyond the last. */
struct kcoh_roster_vm *kcoh_roster_at(struct kcoh_roster *roster, size_t i);
size_t kcoh_roster_count(const struct kcoh_roster *roster);

/*
 * The VM that a selector means: a number is kcoh's id, `pid:N` a process, then a UUID, then a name.
 * QEMU makes a second VM for some ms when it starts, to try things out: of several VMs the only one that has memory is
 * meant. 0 and *ret_vm; -ENOENT if there is none, -ENOTUNIQ if several, -EINVAL if it cannot be one;
 * `err` then holds a sentence.
 */
int kcoh_roster_select(struct kcoh_roster *roster, const char *selector,
		       struct kcoh_roster_vm **ret_vm, char *err, size_t err_len);

#endif
