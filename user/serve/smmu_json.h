/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * smmu_json.h - events of SMMUs and devices behind them as JSON.
 */
#ifndef KCOH_SMMU_JSON_H
#define KCOH_SMMU_JSON_H

#include <jansson.h>

#include "feed/feed.h"
#include "kcoh/event.h"

/* Add the fields of docs/events.md to an event's object. */
void kcoh_smmu_fields(json_t *o, const struct kcoh_ev_smmu *ev);
void kcoh_device_fields(json_t *o, const struct kcoh_ev_device *ev);

/* A device of a VM as /v1/vms has it: a new reference, or NULL without memory. */
json_t *kcoh_device_json(const struct kcoh_device_view *device);

#endif
