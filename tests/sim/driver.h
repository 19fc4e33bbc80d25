/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * driver.h - the real core as the world sees it: records in, acts out, verdicts to look at.
 *
 * driver.c is the one file of the simulator that includes user/core/core.h.
 */
#ifndef SIM_DRIVER_H
#define SIM_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"
#include "kcoh/reason.h"

struct driver; /* opaque */

enum seen_kind { SEEN_ALLOW, SEEN_REPAIR, SEEN_WAIT, SEEN_VETO };

/* What the core says of a VM. */
struct seen {
	bool known;
	bool in_epoch;
	bool untracked;
	uint8_t kind; /* enum seen_kind */
	uint32_t reason; /* enum kcoh_reason */
	uint32_t overrides; /* enum kcoh_reason */
	uint64_t until_ns;
	uint64_t override_ns; /* an override's end; 0: there is none */
	uint32_t slots;
	uint64_t ram_pages;
	uint64_t logged_pages;
};

struct seen_act {
	uint32_t type; /* enum kcoh_act_type */
	uint32_t vm;
	uint32_t reason;
	bool dry;
	uint32_t strategy, hold_ms; /* ARM */
};

#define SEEN_ACTS 64

struct driver *driver_new(void);
void driver_free(struct driver *driver);
void driver_restart(struct driver *driver); /* a core that knows nothing */

/* One record. The number of acts, or -EINVAL. */
int driver_step(struct driver *driver, const union kcoh_ev *ev, struct seen_act *acts);
struct seen driver_look(const struct driver *driver, uint32_t vm);

/*
 * From its next life on what the core is told is recorded, in so many bytes; driver_write() writes what there is of this life to a
 * file for `kcoh replay`. False and errno if that fails.
 */
void driver_record(struct driver *driver, size_t bytes);
bool driver_write(const struct driver *driver, const char *path);

/* For people. */
const char *driver_verdict_name(uint32_t kind);
const char *driver_reason_name(uint32_t reason);
const char *driver_act_name(uint32_t act);
const char *driver_record_name(uint32_t type);

#endif
