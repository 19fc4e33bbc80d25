/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evacuation_json.h - an evacuation as the JSON object that docs/api.md describes.
 */
#ifndef KCOH_EVACUATION_JSON_H
#define KCOH_EVACUATION_JSON_H

#include <jansson.h>

#include "guard/evacuation.h"

/* A new reference, or NULL without memory. */
json_t *kcoh_evacuation_json(const struct kcoh_evacuation_view *view);

#endif
