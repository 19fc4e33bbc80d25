/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * check_guard.h - kcoh check --guard: what whoever is about to begin a VM's migration here is to do. It is for rules and hooks: where the
 * guard only warns nothing is refused, and where no kcohd answers the configuration says what that means.
 *
 *   kcohd says …           guard = enforce           guard = warn
 *   allow, repair          yes                       yes
 *   wait, veto             not yet, no               yes, and says what would have been
 *   no VM of that UUID     yes: it is not here       yes
 *   no answer              no, but for a broken      yes, and says so
 *                          glass (kcoh override)
 */
#ifndef KCOH_CHECK_GUARD_H
#define KCOH_CHECK_GUARD_H

#include <stdbool.h>

#include "kcoh/cmd.h"

struct check_guard_options {
	const struct common_options *common;
	const char *uuid;
	const char *name; /* the VM's, for its section of the configuration; NULL: not known */
	const char *config; /* which says what no answer means; NULL: the usual one */
};

/* One line on standard output. The exit status: 0 yes, 10 not yet, 20 no, 2 nobody can tell (and a sentence on standard error). */
int check_guard(const struct check_guard_options *options);

#endif
