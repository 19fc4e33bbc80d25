// SPDX-License-Identifier: GPL-2.0-only
/*
 * request.c - a request's body, which comes in pieces. Its length was checked when the head came: at most 64 KiB.
 */
#include <stdlib.h>
#include <string.h>

#include "serve/request.h"

struct request *request_new(struct kcoh_serve *serve, struct MHD_Connection *connection)
{
	struct request *request = calloc(1, sizeof(*request));

	if (!request)
		return NULL;
	request->serve = serve;
	request->connection = connection;
	return request;
}

void request_free(struct request *request)
{
	if (!request)
		return;
	if (request->right == RIGHT_ASKED)
		LIST_REMOVE(request, waiting);
	kcoh_polkit_drop(request->ask);
	clean_forget(request);
	admission_forget(request);
	free(request->body);
	free(request);
}

bool request_body_add(struct request *request, const char *bytes, size_t len)
{
	char *body = realloc(request->body, request->body_len + len + 1);

	if (!body)
		return false;
	memcpy(body + request->body_len, bytes, len);
	request->body = body;
	request->body_len += len;
	body[request->body_len] = '\0';
	return true;
}

json_t *request_json(struct request *request, enum MHD_Result *ret_answered)
{
	json_error_t error;
	json_t *json;

	if (!request->body_len)
		return json_object();
	json = json_loadb(request->body, request->body_len, JSON_REJECT_DUPLICATES, &error);
	if (!json)
		*ret_answered = answer_error(request->connection, MHD_HTTP_BAD_REQUEST,
					     "the body is no JSON: %s (line %d)", error.text,
					     error.line);
	else if (!json_is_object(json))
		*ret_answered = answer_error(request->connection, MHD_HTTP_BAD_REQUEST,
					     "the body must be a JSON object");
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}
