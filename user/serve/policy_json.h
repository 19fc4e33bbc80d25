/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * policy_json.h - what applies to a VM, and which line of which file says so, as JSON.
 */
#ifndef KCOH_POLICY_JSON_H
#define KCOH_POLICY_JSON_H

#include <jansson.h>

#include "config/config.h"
#include "names/roster.h"

/* A new reference; `reading` is how the configuration was read last, taken over. */
json_t *kcoh_policy_json(const struct kcoh_config *config, const struct kcoh_ident *ident,
			 json_t *reading);

#endif
