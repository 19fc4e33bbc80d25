/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event_print.h - an event as one line for people, in the manner of strace (trace.c).
 */
#ifndef KCOH_EVENT_PRINT_H
#define KCOH_EVENT_PRINT_H

#include <jansson.h>
#include <stdbool.h>

/* To standard output; with_date: the time of day has its date before it. */
void event_print(const json_t *event, bool with_date);

#endif
