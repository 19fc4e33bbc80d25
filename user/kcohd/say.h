/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * say.h - what kcohd tells people: to the journal if it runs under it, else to standard error.
 */
#ifndef KCOHD_SAY_H
#define KCOHD_SAY_H

#include <stdbool.h>
#include <syslog.h>

#include "kcoh/reason.h"
#include "names/roster.h"
#include "serve/log.h"

/* Debug messages are said too. */
void say_set_verbose(bool verbose);

/* One sentence without its full stop. `priority` is syslog's. */
void say(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* One about a VM; the journal gets its id, name, UUID and the reason as fields. */
void say_vm(int priority, const struct kcoh_ident *ident, enum kcoh_reason reason,
	    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Who acts by the API, or was refused; the journal gets what, uid, pid and VM as fields. `entry` is of type AUDIT. */
void say_audit(const struct kcoh_entry *entry);

#endif
