// SPDX-License-Identifier: GPL-2.0-only
/*
 * acting.c - the paths of the API that act: one table.
 *
 * What is asked for is looked at first, then the right is (rights.c), then it is done: who may not act learns no more than who reads.
 * With a suffix a path is /v1/vms/SEL/…, and the VM is found before anything else.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/request.h"

static const char *argument(const struct request *request, const char *name)
{
	return MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
}

static int stop_at_epoch(const struct kcoh_vm_view *view, void *ctx)
{
	uint32_t *ret_id = ctx;

	*ret_id = view->id;
	return view->in_epoch;
}

/* What a harvest takes while the module is away is not cleaned: never in an epoch, unless somebody insists. */
static enum MHD_Result post_release(struct request *request, struct kcoh_roster_vm *unused)
{
	const struct kcoh_serve_config *config = &request->serve->config;
	struct MHD_Connection *connection = request->connection;
	const char *force = argument(request, "force");
	const struct kcoh_roster_vm *vm;
	uint32_t id;
	char sentence[256] = "this kcohd has nothing to do with the module";
	uint64_t ns = 0;
	int err;

	(void)unused;
	if (force && strcmp(force, "1"))
		return answer_error(connection, MHD_HTTP_BAD_REQUEST,
				    "force=%s makes no sense: force=1 insists", force);
	if (!force && kcoh_core_each_vm(config->core, stop_at_epoch, &id)) {
		vm = kcoh_roster_find(config->roster, id);
		return answer_error(connection, MHD_HTTP_CONFLICT,
				    "VM %u (%s) is in a dirty epoch: let its migration end first, "
				    "or insist with --force",
				    id, vm ? vm->ident->name : "?");
	}
	err = config->module_release ?
		      config->module_release(config->ctx, &ns, sentence, sizeof(sentence)) :
		      -ENOENT;
	if (err < 0)
		return answer_error(connection, MHD_HTTP_CONFLICT, "%s", sentence);
	return answer_json(connection, MHD_HTTP_OK,
			   json_pack("{s:I}", "released_ns", (json_int_t)ns));
}

static enum MHD_Result post_recording(struct request *request, struct kcoh_roster_vm *unused)
{
	const struct kcoh_serve_config *config = &request->serve->config;
	char sentence[256] = "this kcohd records nothing", path[PATH_MAX];
	int err;

	(void)unused;
	err = config->record ?
		      config->record(config->ctx, path, sizeof(path), sentence, sizeof(sentence)) :
		      -ENOENT;
	if (err < 0)
		return answer_error(request->connection, MHD_HTTP_CONFLICT, "%s", sentence);
	return answer_json(request->connection, MHD_HTTP_OK, json_pack("{s:s}", "path", path));
}

static enum MHD_Result post_admission(struct request *request, struct kcoh_roster_vm *unused)
{
	(void)unused;
	return admission_post(request);
}

static enum MHD_Result delete_one(struct request *request, struct kcoh_roster_vm *unused)
{
	(void)unused;
	return delete_evacuation(request, request->rest);
}

static const struct act_route {
	const char *method;
	const char *
		path; /* all of it, or what comes before the selector; with a / at its end: before what follows (request.rest) */
	const char *suffix; /* what comes after the selector; NULL: the path has none */
	const char *allow; /* methods of this path */
	const char *what; /* in the audit; NULL: who may read may do it */
	enum MHD_Result (*answer)(struct request *request, struct kcoh_roster_vm *vm);
} routes[] = {
	{ "POST", "/v1/admission", NULL, "POST", NULL, post_admission },
	{ "POST", "/v1/module/release", NULL, "POST", "module-release", post_release },
	{ "POST", "/v1/vms/", "/override", "POST, DELETE", "override", override_post },
	{ "DELETE", "/v1/vms/", "/override", "POST, DELETE", "override-end", override_delete },
	{ "POST", "/v1/vms/", "/clean", "POST", "clean", clean_post },
	{ "POST", "/v1/recordings", NULL, "POST", "recording", post_recording },
	{ "POST", "/v1/vms/", "/evacuations", "GET, POST", "evacuation", post_evacuation },
	{ "DELETE", "/v1/evacuations/", NULL, "GET, DELETE", "evacuation-cancel", delete_one },
};

static bool route_matches(const struct act_route *route, const char *path)
{
	size_t len = strlen(path), prefix = strlen(route->path);
	size_t suffix = route->suffix ? strlen(route->suffix) : 0;

	if (!route->suffix && route->path[prefix - 1] == '/')
		return len > prefix && !strncmp(path, route->path, prefix);
	if (!route->suffix)
		return !strcmp(path, route->path);
	return len > prefix + suffix && !strncmp(path, route->path, prefix) &&
	       !strcmp(path + len - suffix, route->suffix);
}

static enum MHD_Result carry_out(const struct act_route *route, struct request *request,
				 struct kcoh_roster_vm *vm)
{
	enum MHD_Result answered = MHD_NO;

	/* One that waited for a VM to be cleaned had its right then, and was audited. */
	if (route->what && !request->clean &&
	    !right_have(request, route->what, vm ? vm->ident : NULL, &answered))
		return answered;
	return route->answer(request, vm);
}

static enum MHD_Result route_answer(const struct act_route *route, struct request *request,
				    const char *path)
{
	enum MHD_Result answered = MHD_NO;
	struct kcoh_roster_vm *vm;
	char *selector;

	request->rest = path + strlen(route->path);
	if (!route->suffix)
		return carry_out(route, request, NULL);
	selector = strdup(path + strlen(route->path));
	if (!selector)
		return MHD_NO;
	selector[strlen(selector) - strlen(route->suffix)] = '\0';
	if (vm_select(request->serve, request->connection, selector, &vm, &answered) == MHD_HTTP_OK)
		answered = carry_out(route, request, vm);
	free(selector);
	return answered;
}

bool acting_answer(struct request *request, const char *path, const char *method,
		   const char **ret_allow, enum MHD_Result *ret_answered)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!route_matches(&routes[i], path))
			continue;
		*ret_allow = routes[i].allow;
		if (strcmp(routes[i].method, method))
			continue;
		*ret_answered = route_answer(&routes[i], request, path);
		return true;
	}
	return false;
}
