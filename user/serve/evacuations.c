// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuations.c - evacuations by the API.
 *
 *   GET    /v1/evacuations             all, those that are over, too
 *   GET    /v1/evacuations/N           one
 *   DELETE /v1/evacuations/N           cancels it
 *   GET    /v1/vms/SEL/evacuations     can this VM be evacuated, if not why; and those it had
 *   POST   /v1/vms/SEL/evacuations     {"destination": "tcp:HOST:PORT", "timeout_ms": N, "pause_ms": N}: begins one
 *
 * A VM that has left is soon gone from /v1/vms; its evacuation is found by its number.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "names/text.h"
#include "serve/evacuation_json.h"
#include "serve/request.h"

struct collecting {
	json_t *array;
	uint32_t vm; /* KCOH_VM_NONE: of all */
};

static int collect(const struct kcoh_evacuation_view *view, void *ctx)
{
	const struct collecting *collecting = ctx;

	if (collecting->vm == KCOH_VM_NONE || view->ident->id == collecting->vm)
		json_array_append_new(collecting->array, kcoh_evacuation_json(view));
	return 0;
}

static json_t *list_json(struct kcoh_serve *serve, uint32_t vm)
{
	struct collecting collecting = { .array = json_array(), .vm = vm };

	if (serve->config.evacuations)
		kcoh_evacuations_each(serve->config.evacuations, collect, &collecting);
	return collecting.array;
}

json_t *evacuations_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm)
{
	char sentence[512] = "this kcohd carries out none";
	bool can = serve->config.evacuations &&
		   kcoh_evacuations_can(serve->config.evacuations, vm->ident, sentence,
					sizeof(sentence)) == 0;

	return json_pack("{s:b, s:s?, s:o}", "can", (int)can, "why", can ? NULL : sentence,
			 "evacuations", list_json(serve, vm->ident->id));
}

static enum MHD_Result no_such(struct MHD_Connection *connection, const char *number)
{
	return answer_error(connection, MHD_HTTP_NOT_FOUND, "there is no evacuation %s", number);
}

enum MHD_Result get_evacuations(struct kcoh_serve *serve, struct MHD_Connection *connection,
				const char *rest)
{
	(void)rest;
	return answer_json(connection, MHD_HTTP_OK,
			   json_pack("{s:o}", "evacuations", list_json(serve, KCOH_VM_NONE)));
}

enum MHD_Result get_evacuation(struct kcoh_serve *serve, struct MHD_Connection *connection,
			       const char *rest)
{
	struct kcoh_evacuation_view view;
	uint32_t id;

	if (kcoh_text_u32(rest, &id) < 0 || !serve->config.evacuations ||
	    kcoh_evacuations_find(serve->config.evacuations, id, &view) < 0)
		return no_such(connection, rest);
	return answer_json(connection, MHD_HTTP_OK, kcoh_evacuation_json(&view));
}

/* Reads a number of milliseconds; false: it is none, which was answered. */
static bool ms_read(struct request *request, const json_t *value, const char *key, uint32_t *ret_ms,
		    enum MHD_Result *ret_answered)
{
	json_int_t ms = json_integer_value(value);

	if (!value)
		return true;
	if (json_is_integer(value) && ms >= 1 && ms <= INT32_MAX) {
		*ret_ms = (uint32_t)ms;
		return true;
	}
	*ret_answered = answer_error(request->connection, MHD_HTTP_BAD_REQUEST,
				     "%s must be a number of milliseconds from 1", key);
	return false;
}

/* What is not known here is a mistake: who writes `timeout` would get ten minutes and not know why. */
static bool order_read(struct request *request, const json_t *body,
		       struct kcoh_evacuation_order *ret_order, enum MHD_Result *ret_answered)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)body, key, value)
	{
		if (!strcmp(key, "destination")) {
			ret_order->destination = json_string_value(value);
		} else if (!strcmp(key, "timeout_ms")) {
			if (!ms_read(request, value, key, &ret_order->timeout_ms, ret_answered))
				return false;
		} else if (!strcmp(key, "pause_ms")) {
			if (!ms_read(request, value, key, &ret_order->pause_ms, ret_answered))
				return false;
		} else {
			*ret_answered = answer_error(request->connection, MHD_HTTP_BAD_REQUEST,
						     "there is no '%s': an evacuation takes "
						     "destination, timeout_ms and pause_ms",
						     key);
			return false;
		}
	}
	return true;
}

static unsigned int status_of(int err)
{
	return err == -EINVAL ? MHD_HTTP_BAD_REQUEST :
	       err == -ENOSPC ? MHD_HTTP_SERVICE_UNAVAILABLE :
	       err == -ENOMEM ? MHD_HTTP_INTERNAL_SERVER_ERROR :
				MHD_HTTP_CONFLICT;
}

static enum MHD_Result begin(struct request *request, struct kcoh_roster_vm *vm,
			     const struct kcoh_evacuation_order *order)
{
	struct kcoh_evacuations *all = request->serve->config.evacuations;
	struct kcoh_evacuation_view view;
	char sentence[512] = "this kcohd carries out no evacuations";
	uint32_t id;
	int err = all ? kcoh_evacuations_start(all, vm->ident, order, &id, sentence,
					       sizeof(sentence)) :
			-ENOTSUP;

	if (err < 0)
		return answer_error(request->connection, status_of(err), "%s", sentence);
	kcoh_evacuations_find(all, id, &view);
	return answer_json(request->connection, MHD_HTTP_ACCEPTED, kcoh_evacuation_json(&view));
}

enum MHD_Result post_evacuation(struct request *request, struct kcoh_roster_vm *vm)
{
	struct kcoh_evacuation_order order = { 0 };
	enum MHD_Result answered = MHD_NO;
	json_t *body = request_json(request, &answered);

	if (!body)
		return answered;
	if (order_read(request, body, &order, &answered))
		answered = begin(request, vm, &order);
	json_decref(body);
	return answered;
}

enum MHD_Result delete_evacuation(struct request *request, const char *number)
{
	struct kcoh_evacuations *all = request->serve->config.evacuations;
	struct kcoh_evacuation_view view;
	char sentence[256] = "";
	uint32_t id;
	int err;

	if (!all || kcoh_text_u32(number, &id) < 0)
		return no_such(request->connection, number);
	err = kcoh_evacuations_stop(all, id, sentence, sizeof(sentence));
	if (err < 0)
		return answer_error(request->connection,
				    err == -ENOENT ? MHD_HTTP_NOT_FOUND : MHD_HTTP_CONFLICT, "%s",
				    sentence);
	kcoh_evacuations_find(all, id, &view);
	return answer_json(request->connection, MHD_HTTP_ACCEPTED, kcoh_evacuation_json(&view));
}
