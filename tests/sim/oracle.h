/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * oracle.h - what must hold, whatever happens. oracle.c says why.
 */
#ifndef SIM_ORACLE_H
#define SIM_ORACLE_H

#include "driver.h"
#include "world.h"

struct oracle *oracle_new(void);
void oracle_free(struct oracle *oracle);
void oracle_begin(struct world *world); /* a run */

/* What happened, told by the world. */
void oracle_restarted(struct world *world); /* the daemon is up, and knows nothing */
void oracle_down(struct world *world);
void oracle_lost(struct world *world);
void oracle_arm_trouble(struct world *world, const struct vm *vm);
void oracle_module_changed(struct world *world);
void oracle_cancel_failed(struct world *world, const struct vm *vm);
void oracle_completed(struct world *world, const struct vm *vm);

/* What the core was told, and what it made of it. */
void oracle_record(struct world *world, const struct sent *sent);
void oracle_stepped(struct world *world, const union kcoh_ev *ev, const struct seen_act *acts,
		    int n);
void oracle_quiet(struct world *world); /* all that was on its way has been told */
void oracle_gone(struct world *world, uint32_t vm);

#endif
