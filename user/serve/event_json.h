/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * event_json.h - an event as the JSON object that docs/events.md describes.
 */
#ifndef KCOH_EVENT_JSON_H
#define KCOH_EVENT_JSON_H

#include <jansson.h>

#include "serve/log.h"

/* A new reference, or NULL without memory. */
json_t *kcoh_event_json(const struct kcoh_entry *entry);

/* One line of NDJSON, newline included, to be freed; NULL without memory. */
char *kcoh_event_line(const struct kcoh_entry *entry);

/* The stable name of an entry's type; never NULL. */
const char *kcoh_event_type_name(unsigned int type);

/* "0x…", for masks, addresses and registers, which do not fit JSON's numbers. A new reference. */
json_t *kcoh_json_hex(uint64_t value);

#endif
