// SPDX-License-Identifier: GPL-2.0-only
/*
 * clean.c - POST /v1/vms/SEL/clean: all RAM of a VM that is paused is cleaned, and the answer comes when it is done.
 *
 *   {"id": 3, "name": "web-1", "uuid": null, "needed": true, "complete": true, "pages": 65536, "cleaned": 27414, "absent": 38122,
 *    "no_ram": 0, "unclean": 0, "slots": 1, "page_size": 4096, "ns": 5482000, "run_state": "paused", "sentence": "cleaned 27414 of …"}
 *
 * Meanwhile the connection is suspended, as it is while polkit is asked; libmicrohttpd then calls the access handler once more, with the
 * result at hand. A client that goes away meanwhile changes nothing: the VM is cleaned.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean/clean.h"
#include "serve/request.h"

struct clean_wait {
	LIST_ENTRY(clean_wait) link; /* of serve->cleaning, while it is not over */
	struct request *request; /* NULL: it ended without waiting */
	bool over;
	int err;
	struct kcoh_clean_result result;
	char sentence[512];
};

static unsigned int status_of(int err)
{
	return err == -ENODEV    ? MHD_HTTP_NOT_FOUND :
	       err == -ENOMEM    ? MHD_HTTP_INTERNAL_SERVER_ERROR :
	       err == -ECANCELED ? MHD_HTTP_SERVICE_UNAVAILABLE :
				   MHD_HTTP_CONFLICT;
}

static json_t *who_json(const struct kcoh_ident *ident, bool needed, const char *sentence)
{
	return json_pack("{s:I, s:s, s:s?, s:b, s:s}", "id", (json_int_t)ident->id, "name",
			 ident->name, "uuid", *ident->uuid ? ident->uuid : NULL, "needed",
			 (int)needed, "sentence", sentence);
}

static json_t *result_json(const struct request *request, const struct kcoh_ident *ident,
			   const struct clean_wait *wait)
{
	const struct kcoh_clean_result *result = &wait->result;
	json_t *json = who_json(ident, true, wait->sentence);
	json_t *more = json_pack(
		"{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:s?}", "complete", !result->unclean,
		"slots", (json_int_t)result->slots, "page_size",
		(json_int_t)request->serve->config.page_size, "pages", (json_int_t)result->pages,
		"cleaned", (json_int_t)result->cleaned, "absent", (json_int_t)result->absent,
		"no_ram", (json_int_t)result->no_ram, "unclean", (json_int_t)result->unclean, "ns",
		(json_int_t)result->ns, "run_state", *result->run_state ? result->run_state : NULL);

	json_object_update(json, more);
	json_decref(more);
	return json;
}

static void over(struct clean_wait *wait, int err, const char *sentence)
{
	struct request *request = wait->request;

	LIST_REMOVE(wait, link);
	if (!request) {
		free(wait);
		return;
	}
	wait->over = true;
	wait->err = err;
	snprintf(wait->sentence, sizeof(wait->sentence), "%s", sentence);
	MHD_resume_connection(request->connection);
	serve_soon(request->serve);
}

static void on_done(void *ctx, int result, const struct kcoh_clean_result *ret_result,
		    const char *sentence)
{
	struct clean_wait *wait = ctx;

	if (ret_result)
		wait->result = *ret_result;
	over(wait, result, sentence);
}

static enum MHD_Result begin(struct request *request, struct kcoh_ident *ident)
{
	const struct kcoh_serve_config *config = &request->serve->config;
	struct clean_wait *wait = calloc(1, sizeof(*wait));
	char sentence[512] = "this kcohd cleans nothing";
	int err = -ENOTSUP;

	if (!wait)
		return MHD_NO;
	wait->request = request;
	if (config->clean)
		err = config->clean(config->ctx, ident, on_done, wait, sentence, sizeof(sentence));
	if (err == 0) {
		LIST_INSERT_HEAD(&request->serve->cleaning, wait, link);
		request->clean = wait;
		MHD_suspend_connection(request->connection);
		return MHD_YES;
	}
	free(wait);
	if (err == -EALREADY)
		return answer_json(request->connection, MHD_HTTP_OK,
				   who_json(ident, false, sentence));
	return answer_error(request->connection, status_of(err), "%s", sentence);
}

enum MHD_Result clean_post(struct request *request, struct kcoh_roster_vm *vm)
{
	struct clean_wait *wait = request->clean;

	if (!wait)
		return begin(request, vm->ident);
	if (wait->err < 0)
		return answer_error(request->connection, status_of(wait->err), "%s",
				    wait->sentence);
	return answer_json(request->connection, MHD_HTTP_OK, result_json(request, vm->ident, wait));
}

void clean_forget(struct request *request)
{
	struct clean_wait *wait = request->clean;

	request->clean = NULL;
	if (wait && wait->over)
		free(wait);
	else if (wait)
		wait->request = NULL; /* freed when it is over */
}

void cleans_end(struct kcoh_serve *serve)
{
	struct clean_wait *wait;

	while ((wait = LIST_FIRST(&serve->cleaning)))
		over(wait, -ECANCELED, "kcohd is being stopped");
}
