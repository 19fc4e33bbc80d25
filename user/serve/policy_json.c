// SPDX-License-Identifier: GPL-2.0-only
/*
 * policy_json.c - the settings of a VM as JSON, in the order of the documentation.
 */
#include "serve/policy_json.h"

static void line_add(void *ctx, const struct kcoh_config_line *line)
{
	json_array_append_new(ctx, json_pack("{s:s, s:s, s:s?, s:i, s:s?}", "key", line->key,
					     "value", line->value, "file", line->file, "line",
					     (int)line->line, "section", line->section));
}

json_t *kcoh_policy_json(const struct kcoh_config *config, const struct kcoh_ident *ident,
			 json_t *reading)
{
	json_t *settings = json_array();

	kcoh_config_explain(config, ident->name, ident->uuid, line_add, settings);
	return json_pack("{s:i, s:s, s:s, s:o, s:o}", "id", (int)ident->id, "name", ident->name,
			 "uuid", ident->uuid, "settings", settings, "config", reading);
}
