// SPDX-License-Identifier: GPL-2.0-only
/*
 * override.c - an operator lets a VM be migrated whatever kcoh says of it, or takes that back.
 *
 *   POST /v1/vms/web-1/override     {"why": "rack 7 burns", "for": 600}
 *   DELETE /v1/vms/web-1/override
 *
 * Both answer what /v1/vms/SEL/verdict does from now on.
 */
#include <errno.h>

#include "override/file.h"
#include "serve/request.h"

static enum MHD_Result answer_refused(struct request *request, int err, const char *sentence)
{
	return answer_error(request->connection,
			    err == -EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_CONFLICT, "%s",
			    sentence);
}

/* Valid as long as `json`. 0, or -EINVAL and a sentence. */
static int body_read(const json_t *json, const char **ret_why, uint64_t *ret_ns, char *err,
		     size_t err_len)
{
	json_int_t seconds;

	if (json_unpack((json_t *)json, "{s:s, s:I !}", "why", ret_why, "for", &seconds) < 0) {
		snprintf(err, err_len,
			 "an override needs a why (text) and a for (seconds), and nothing else");
		return -EINVAL;
	}
	if (seconds < 1 || seconds > KCOH_OVERRIDE_MAX_S) {
		snprintf(err, err_len, "for: 1 to %d seconds", KCOH_OVERRIDE_MAX_S);
		return -EINVAL;
	}
	*ret_ns = (uint64_t)seconds * 1000000000;
	return kcoh_override_why_check(*ret_why, err, err_len);
}

enum MHD_Result override_post(struct request *request, struct kcoh_roster_vm *vm)
{
	const struct kcoh_serve_config *config = &request->serve->config;
	enum MHD_Result answered = MHD_NO;
	json_t *json = request_json(request, &answered);
	char sentence[256] = "this kcohd keeps no overrides";
	const char *why;
	uint64_t ns;
	int err;

	if (!json)
		return answered;
	err = body_read(json, &why, &ns, sentence, sizeof(sentence));
	if (err == 0)
		err = config->override_give ?
			      config->override_give(config->ctx, vm->ident, request->asker.uid, ns,
						    why, sentence, sizeof(sentence)) :
			      -ENOENT;
	json_decref(json);
	if (err < 0)
		return answer_refused(request, err, sentence);
	return answer_json(request->connection, MHD_HTTP_OK, vm_verdict_json(request->serve, vm));
}

enum MHD_Result override_delete(struct request *request, struct kcoh_roster_vm *vm)
{
	const struct kcoh_serve_config *config = &request->serve->config;
	char sentence[256] = "this kcohd keeps no overrides";
	int err = config->override_end ?
			  config->override_end(config->ctx, vm->ident, request->asker.uid, sentence,
					       sizeof(sentence)) :
			  -ENOENT;

	if (err < 0)
		return answer_refused(request, err, sentence);
	return answer_json(request->connection, MHD_HTTP_OK, vm_verdict_json(request->serve, vm));
}
