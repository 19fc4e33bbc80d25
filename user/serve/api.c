// SPDX-License-Identifier: GPL-2.0-only
/*
 * api.c - the paths of the API that are read, and what they answer; those that act are in acting.c.
 *
 * One table of paths. A path that is there with another method is 405 and says which it has; a selector
 * that means no VM is 404, one that means several is 409. Every error is {"error": "one sentence"}.
 *
 * A selector may hold any character of a VM's name, percent-encoded, a slash too: /v1/vms/SEL is
 * matched by its two ends.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "page/page.h"
#include "serve/json_line.h"
#include "serve/request.h"
#include "serve/vm_json.h"

enum MHD_Result answer_text(struct MHD_Connection *connection, unsigned int status,
			    const char *type, char *text, const char *allow)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer_allow(struct MHD_Connection *connection, unsigned int status,
				    json_t *json, const char *allow)
{
	char *line = json ? kcoh_json_line(json) : NULL;

	json_decref(json);
	return line ? answer_text(connection, status, "application/json", line, allow) : MHD_NO;
}

enum MHD_Result answer_json(struct MHD_Connection *connection, unsigned int status, json_t *json)
{
	return answer_allow(connection, status, json, NULL);
}

static json_t *error_json(const char *format, va_list args)
{
	json_t *sentence = json_vsprintf(format, args);

	/* What a client sent need not be UTF-8, and then it is no JSON. */
	if (!sentence)
		sentence = json_string("the request holds bytes that are not UTF-8");
	return json_pack("{s:o}", "error", sentence);
}

enum MHD_Result answer_error(struct MHD_Connection *connection, unsigned int status,
			     const char *format, ...)
{
	va_list args;
	json_t *json;

	va_start(args, format);
	json = error_json(format, args);
	va_end(args);
	return answer_json(connection, status, json);
}

unsigned int vm_select(struct kcoh_serve *serve, struct MHD_Connection *connection,
		       const char *selector, struct kcoh_roster_vm **ret_vm,
		       enum MHD_Result *ret_answered)
{
	char sentence[512];
	int err = kcoh_roster_select(serve->config.roster, selector, ret_vm, sentence,
				     sizeof(sentence));
	unsigned int status = err == 0         ? MHD_HTTP_OK :
			      err == -ENOTUNIQ ? MHD_HTTP_CONFLICT :
			      err == -ENOENT   ? MHD_HTTP_NOT_FOUND :
						 MHD_HTTP_BAD_REQUEST;

	if (err < 0)
		*ret_answered = answer_error(connection, status, "%s", sentence);
	return status;
}

/* The core may not track a VM that the roster has: then all there is to say is why. */
static struct kcoh_vm_view view_of(struct kcoh_serve *serve, const struct kcoh_ident *ident)
{
	struct kcoh_vm_view view = {
		.id = ident->id,
		.verdict = { .kind = KCOH_VERDICT_VETO, .reason = KCOH_RSN_TOO_MANY },
	};

	(void)kcoh_core_vm(serve->config.core, ident->id, &view);
	return view;
}

static json_t *vm_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm, bool each_vcpu)
{
	const struct kcoh_ident *ident = vm->ident;
	const struct kcoh_serve_config *config = &serve->config;
	struct kcoh_vm_view view = view_of(serve, ident);
	struct kcoh_vm_facts facts = {
		.ident = ident,
		.view = &view,
		.core = config->core,
		.exit_rate = &vm->exit_rate,
		.harvests = &vm->harvests,
		.page_size = config->page_size,
		.exits = config->exits,
		.exits_ctx = config->ctx,
		.each_vcpu = each_vcpu,
	};

	if (config->override)
		facts.override = config->override(config->ctx, ident->id);
	if (config->devices)
		facts.devices = config->devices(config->ctx, ident->id);
	return kcoh_vm_json(&facts);
}

static enum MHD_Result get_health(struct kcoh_serve *serve, struct MHD_Connection *connection,
				  const char *rest)
{
	char *text = strdup("ok\n");

	(void)serve;
	(void)rest;
	return text ? answer_text(connection, MHD_HTTP_OK, "text/plain", text, NULL) : MHD_NO;
}

/* A page for people. It may run its own script and ask this server, and nothing else. */
static enum MHD_Result get_page(struct kcoh_serve *serve, struct MHD_Connection *connection,
				const char *rest)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		kcoh_page_html_len, (void *)kcoh_page_html, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	(void)serve;
	(void)rest;
	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_add_response_header(response, "Content-Security-Policy", kcoh_page_policy);
	MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
	MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result get_host(struct kcoh_serve *serve, struct MHD_Connection *connection,
				const char *rest)
{
	const struct kcoh_serve_config *config = &serve->config;

	(void)rest;
	return answer_json(connection, MHD_HTTP_OK,
			   config->host ? config->host(config->ctx) : json_object());
}

static enum MHD_Result get_metrics(struct kcoh_serve *serve, struct MHD_Connection *connection,
				   const char *rest)
{
	const struct kcoh_serve_config *config = &serve->config;
	struct kcoh_metrics_host host = { .page_size = config->page_size };
	const struct kcoh_metrics_source source = {
		.core = config->core,
		.roster = config->roster,
		.host = &host,
		.exits = config->exits,
		.ctx = config->ctx,
	};
	size_t len;
	char *text;

	(void)rest;
	if (config->metrics)
		config->metrics(config->ctx, &host);
	host.streams = serve->stream_count;
	text = kcoh_metrics_render(&source, &len);
	return text ? answer_text(connection, MHD_HTTP_OK, KCOH_METRICS_CONTENT_TYPE, text, NULL) :
		      MHD_NO;
}

bool asker_is_local(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct kcoh_asker asker;

	kcoh_asker_read(info ? info->connect_fd : -1, &asker);
	return asker.local;
}

/* ?times=1: false if they cannot be had, which was answered. */
static bool times_ask(struct kcoh_serve *serve, struct MHD_Connection *connection,
		      enum MHD_Result *ret_answered)
{
	const struct kcoh_serve_config *config = &serve->config;
	const char *times = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "times");
	int err;

	if (!times)
		return true;
	if (strcmp(times, "1")) {
		*ret_answered = answer_error(connection, MHD_HTTP_BAD_REQUEST,
					     "times=%s makes no sense: times=1 asks for them",
					     times);
		return false;
	}
	if (!asker_is_local(connection)) {
		*ret_answered = answer_error(connection, MHD_HTTP_FORBIDDEN,
					     "times cost something at each exit: ask for them on "
					     "the Unix socket, or set exit_times = yes");
		return false;
	}
	err = config->times ? config->times(config->ctx) : -EOPNOTSUPP;
	if (err < 0)
		*ret_answered = answer_error(connection, MHD_HTTP_CONFLICT,
					     "this kernel does not show how long exits take: %s",
					     strerror(-err));
	return err >= 0;
}

static enum MHD_Result get_vms(struct kcoh_serve *serve, struct MHD_Connection *connection,
			       const char *rest)
{
	struct kcoh_roster *roster = serve->config.roster;
	enum MHD_Result answered = MHD_NO;
	json_t *array;

	(void)rest;
	if (!times_ask(serve, connection, &answered))
		return answered;
	array = json_array();
	for (size_t i = 0; i < kcoh_roster_count(roster); i++)
		json_array_append_new(array, vm_json(serve, kcoh_roster_at(roster, i), false));
	return answer_json(connection, MHD_HTTP_OK, json_pack("{s:o}", "vms", array));
}

static bool suffix_cut(char *text, const char *suffix)
{
	size_t len = strlen(text), cut = strlen(suffix);

	if (len <= cut || strcmp(text + len - cut, suffix))
		return false;
	text[len - cut] = '\0';
	return true;
}

static json_t *all_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm)
{
	return vm_json(serve, vm, true);
}

json_t *vm_verdict_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm)
{
	const struct kcoh_serve_config *config = &serve->config;
	struct kcoh_vm_view view = view_of(serve, vm->ident);

	return kcoh_verdict_json(vm->ident, &view,
				 config->override ? config->override(config->ctx, vm->ident->id) :
						    NULL);
}

/* The worst of all: veto before wait before repair before allow; of equals the VM with the smallest number. */
static enum MHD_Result get_host_verdict(struct kcoh_serve *serve, struct MHD_Connection *connection,
					const char *rest)
{
	struct kcoh_verdict worst = { .kind = KCOH_VERDICT_ALLOW, .reason = KCOH_RSN_NONE };
	struct kcoh_roster_vm *vm, *of = NULL;
	json_t *array = json_array();

	(void)rest;
	for (size_t i = 0; (vm = kcoh_roster_at(serve->config.roster, i)); i++) {
		struct kcoh_vm_view view = view_of(serve, vm->ident);

		json_array_append_new(array, vm_verdict_json(serve, vm));
		if (of && view.verdict.kind <= worst.kind)
			continue;
		worst = view.verdict;
		of = vm;
	}
	return answer_json(connection, MHD_HTTP_OK,
			   kcoh_host_verdict_json(of ? of->ident : NULL, &worst, array));
}

static json_t *policy_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm)
{
	const struct kcoh_serve_config *config = &serve->config;

	return config->policy ? config->policy(config->ctx, vm->ident) : json_object();
}

static enum MHD_Result get_vm(struct kcoh_serve *serve, struct MHD_Connection *connection,
			      const char *rest)
{
	json_t *(*json)(struct kcoh_serve * serve, const struct kcoh_roster_vm *vm) = all_json;
	enum MHD_Result answered = MHD_NO;
	char *selector = strdup(rest);
	struct kcoh_roster_vm *vm;

	if (!selector)
		return MHD_NO;
	if (suffix_cut(selector, "/verdict"))
		json = vm_verdict_json;
	else if (suffix_cut(selector, "/policy"))
		json = policy_json;
	else if (suffix_cut(selector, "/evacuations"))
		json = evacuations_json;
	if (vm_select(serve, connection, selector, &vm, &answered) == MHD_HTTP_OK)
		answered = answer_json(connection, MHD_HTTP_OK, json(serve, vm));
	free(selector);
	return answered;
}

static enum MHD_Result get_events(struct kcoh_serve *serve, struct MHD_Connection *connection,
				  const char *rest)
{
	(void)rest;
	return stream_answer(serve, connection);
}

static enum MHD_Result get_history(struct kcoh_serve *serve, struct MHD_Connection *connection,
				   const char *rest)
{
	(void)rest;
	return history_answer(serve, connection);
}

static const struct route {
	const char *path; /* one that ends in / takes what follows */
	enum MHD_Result (*answer)(struct kcoh_serve *serve, struct MHD_Connection *connection,
				  const char *rest);
} routes[] = {
	{ "/", get_page },
	{ "/healthz", get_health },
	{ "/metrics", get_metrics },
	{ "/v1/evacuations", get_evacuations },
	{ "/v1/evacuations/", get_evacuation },
	{ "/v1/events", get_events },
	{ "/v1/history", get_history },
	{ "/v1/host", get_host },
	{ "/v1/host/verdict", get_host_verdict },
	{ "/v1/vms", get_vms },
	{ "/v1/vms/", get_vm },
};

/* A HEAD is a GET whose body libmicrohttpd keeps to itself. */
static bool is_reading(const char *method)
{
	return !strcmp(method, "GET") || !strcmp(method, "HEAD");
}

static bool route_matches(const struct route *route, const char *path)
{
	size_t len = strlen(route->path);

	if (len > 1 && route->path[len - 1] == '/')
		return !strncmp(path, route->path, len) && path[len];
	return !strcmp(path, route->path);
}

static const struct route *route_find(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (route_matches(&routes[i], path))
			return &routes[i];
	}
	return NULL;
}

enum MHD_Result answer_not_allowed(struct MHD_Connection *connection, const char *path,
				   const char *allow)
{
	return answer_allow(
		connection, MHD_HTTP_METHOD_NOT_ALLOWED,
		json_pack("{s:o}", "error", json_sprintf("%s takes %s only", path, allow)), allow);
}

enum MHD_Result serve_answer(struct request *request, const char *path, const char *method)
{
	struct MHD_Connection *connection = request->connection;
	const struct route *route = route_find(path);
	enum MHD_Result answered = MHD_NO;
	const char *allow = NULL;

	if (is_reading(method) && route)
		return route->answer(request->serve, connection, path + strlen(route->path));
	if (acting_answer(request, path, method, &allow, &answered))
		return answered;
	if (allow)
		return answer_not_allowed(connection, path, allow);
	if (route)
		return answer_not_allowed(connection, route->path, "GET");
	return answer_error(connection, MHD_HTTP_NOT_FOUND, "there is nothing at %s", path);
}
