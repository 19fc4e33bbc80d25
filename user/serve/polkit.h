/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * polkit.h - asks polkit whether somebody who is not root may act, without waiting for the answer.
 */
#ifndef KCOH_POLKIT_H
#define KCOH_POLKIT_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "serve/asker.h"

#define KCOH_POLKIT_ACTION "org.kcoh.act" /* scripts/packaging/system/org.kcoh.policy */

struct kcoh_polkit; /* opaque */
struct kcoh_polkit_ask; /* a question that is not answered */

/* Connects to the system bus when somebody is first asked about. -ENOMEM. The loop must outlive it. */
int kcoh_polkit_new(sd_event *event, struct kcoh_polkit **ret_polkit);

/* All questions must have been answered or dropped. NULL is allowed. */
void kcoh_polkit_free(struct kcoh_polkit *polkit);

/*
 * May `asker` do `what` (which rules see as the detail "what")? The answer comes from the loop, never from inside of this call, within
 * 5 s: 1 yes, 0 no, or a negative errno if polkit cannot be asked; with a sentence unless it is yes. -ENOTCONN and a
 * sentence if there is no bus: no answer follows then.
 */
typedef void (*kcoh_polkit_fn)(void *ctx, int result, const char *sentence);
int kcoh_polkit_ask(struct kcoh_polkit *polkit, const struct kcoh_asker *asker, const char *what,
		    kcoh_polkit_fn fn, void *ctx, struct kcoh_polkit_ask **ret_ask, char *err,
		    size_t err_len);

/* No answer follows. NULL is allowed. Not to be called for one that was answered. */
void kcoh_polkit_drop(struct kcoh_polkit_ask *ask);

#endif
