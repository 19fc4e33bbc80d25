/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * json_line.h - JSON as one line of text: what the server answers and streams.
 */
#ifndef KCOH_JSON_LINE_H
#define KCOH_JSON_LINE_H

#include <jansson.h>

/* `json`, compact, newline included, to be freed; NULL without memory. What json_dumps() would write, byte for byte. */
char *kcoh_json_line(const json_t *json);

#endif
