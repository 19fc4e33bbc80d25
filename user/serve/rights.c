// SPDX-License-Identifier: GPL-2.0-only
/*
 * rights.c - who may act, and the audit of who did.
 *
 * Reading needs what the socket's mode asks for (group kcoh). Acting needs root, or polkit's yes to org.kcoh.act. While polkit thinks
 * the connection is suspended and the loop goes on; libmicrohttpd then calls the access handler once more, with the answer in the
 * request. Over TCP nobody is anybody, so nothing can be done.
 *
 * Each act, and each refusal, is an `audit` event: what, by whom, by what right. Refusals are bounded, or a member of group kcoh could push
 * everything else out of the history: ten in ten seconds, then they are counted, and the next one tells how many there were.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "host/clock.h"
#include "serve/request.h"

#define REFUSALS_MAX 10
#define REFUSALS_NS (10 * 1000000000ull)

/* False: too many of late; this one is counted. */
static bool refusal_is_told(struct kcoh_serve *serve, uint64_t now, uint64_t *ret_left_out)
{
	if (now - serve->refusals_since_ns >= REFUSALS_NS) {
		serve->refusals_since_ns = now;
		serve->refusals = 0;
	}
	if (serve->refusals == REFUSALS_MAX) {
		serve->refusals_left_out++;
		return false;
	}
	serve->refusals++;
	*ret_left_out = serve->refusals_left_out;
	serve->refusals_left_out = 0;
	return true;
}

static void audit(struct request *request, const char *what, struct kcoh_ident *ident)
{
	const struct kcoh_serve_config *config = &request->serve->config;
	struct kcoh_entry entry = {
		.ts_ns = kcoh_clock_ns(CLOCK_MONOTONIC),
		.vm = ident ? ident->id : KCOH_VM_NONE,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_AUDIT,
		.ident = ident,
		.audit = { .local = request->asker.local,
			   .allowed = request->right == RIGHT_GIVEN,
			   .by_polkit = request->by_polkit,
			   .uid = request->asker.uid,
			   .pid = request->asker.pid },
	};

	if (!entry.audit.allowed &&
	    !refusal_is_told(request->serve, entry.ts_ns, &entry.audit.left_out))
		return;
	snprintf(entry.audit.what, sizeof(entry.audit.what), "%s", what);
	memcpy(entry.audit.comm, request->asker.comm, sizeof(entry.audit.comm));
	kcoh_log_add(config->log, &entry);
	if (config->audit)
		config->audit(config->ctx, &entry);
}

static void on_answer(void *ctx, int result, const char *sentence)
{
	struct request *request = ctx;

	request->ask = NULL;
	LIST_REMOVE(request, waiting);
	request->right = result > 0 ? RIGHT_GIVEN : RIGHT_REFUSED;
	request->by_polkit = result >= 0;
	snprintf(request->refusal, sizeof(request->refusal), "%s", sentence);
	MHD_resume_connection(request->connection);
	serve_soon(request->serve);
}

/* Root acts, and over TCP nobody; of anybody else polkit is asked. */
static void right_look(struct request *request, const char *what)
{
	struct kcoh_serve *serve = request->serve;
	struct kcoh_polkit *polkit = serve->config.polkit;
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	kcoh_asker_read(info ? info->connect_fd : -1, &request->asker);
	request->right = RIGHT_REFUSED;
	if (!request->asker.local)
		snprintf(request->refusal, sizeof(request->refusal),
			 "over TCP nothing can be done: ask on the Unix socket");
	else if (request->asker.uid == 0)
		request->right = RIGHT_GIVEN;
	else if (!polkit || !request->asker.start_time)
		snprintf(request->refusal, sizeof(request->refusal), "only root may do that");
	else if (kcoh_polkit_ask(polkit, &request->asker, what, on_answer, request, &request->ask,
				 request->refusal, sizeof(request->refusal)) == 0)
		request->right = RIGHT_ASKED;
}

bool right_have(struct request *request, const char *what, struct kcoh_ident *ident,
		enum MHD_Result *ret_answered)
{
	if (request->right == RIGHT_UNKNOWN)
		right_look(request, what);
	if (request->right == RIGHT_ASKED) {
		LIST_INSERT_HEAD(&request->serve->waiting, request, waiting);
		MHD_suspend_connection(request->connection);
		*ret_answered = MHD_YES;
		return false;
	}
	audit(request, what, ident);
	if (request->right == RIGHT_GIVEN)
		return true;
	*ret_answered =
		answer_error(request->connection, MHD_HTTP_FORBIDDEN, "%s", request->refusal);
	return false;
}

void rights_end(struct kcoh_serve *serve)
{
	struct request *request;

	while ((request = LIST_FIRST(&serve->waiting))) {
		kcoh_polkit_drop(request->ask);
		on_answer(request, -ECANCELED, "kcohd is being stopped");
	}
}
