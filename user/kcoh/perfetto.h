/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * perfetto.h - events as a trace that Perfetto and chrome://tracing open: the JSON of Chrome's trace event format.
 *
 * A VM is a process. Its tracks are threads: verdict, epoch, a window class each, harvests, acts and the like, and each vCPU with its cache
 * states. Times are microseconds since the first event, with nanoseconds as fractions.
 */
#ifndef KCOH_PERFETTO_H
#define KCOH_PERFETTO_H

#include <jansson.h>
#include <stdio.h>

struct perfetto; /* opaque */

/* Writes to `file`, which stays the caller's. NULL without memory. */
struct perfetto *perfetto_new(FILE *file);

/* The next event, as docs/events.md has it. 0, or -ENOMEM. What it does not know becomes a moment on its VM's or the host's track. */
int perfetto_add(struct perfetto *trace, const json_t *event);

/* Ends what goes on at the last event, and the file's text. Frees the trace; NULL is allowed. */
void perfetto_end(struct perfetto *trace);

#endif
