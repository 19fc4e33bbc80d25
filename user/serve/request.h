/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * request.h - what is kept of a request from its head to its answer, and the right to act.
 */
#ifndef KCOH_REQUEST_H
#define KCOH_REQUEST_H

#include "serve/asker.h"
#include "serve/internal.h"
#include "serve/polkit.h"

enum right {
	RIGHT_UNKNOWN = 0,
	RIGHT_ASKED, /* of polkit: the connection is suspended until it answers */
	RIGHT_GIVEN,
	RIGHT_REFUSED,
};

struct request {
	struct kcoh_serve *serve;
	struct MHD_Connection *connection;
	char *body; /* NUL-terminated; NULL: none */
	size_t body_len;
	const char *rest; /* of the path, after what its route names; while it is being answered */
	enum right right;
	bool by_polkit;
	struct kcoh_asker asker; /* known once a right was asked for */
	struct kcoh_polkit_ask *ask;
	LIST_ENTRY(request) waiting; /* for polkit: of serve->waiting */
	struct clean_wait *clean; /* what it waits for, or has waited for; clean.c */
	struct review_wait *review; /* what it waits for, or has waited for; admission.c */
	char refusal[512];
};

/* NULL without memory. */
struct request *request_new(struct kcoh_serve *serve, struct MHD_Connection *connection);
void request_free(struct request *request);

/* Adds bytes of the body. False without memory. */
bool request_body_add(struct request *request, const char *bytes, size_t len);

/* The body as a JSON object, a new reference; one without members if there is no body. NULL: it is none, which was answered. */
json_t *request_json(struct request *request, enum MHD_Result *ret_answered);

/*
 * rights.c: may who asks do `what` (a word of the audit; to `ident`, or NULL)? False: not, or not yet; *ret_answered is then what the
 * access handler returns. Whatever comes of it is audited.
 */
bool right_have(struct request *request, const char *what, struct kcoh_ident *ident,
		enum MHD_Result *ret_answered);

/* Resumes all that wait for polkit: the server ends. */
void rights_end(struct kcoh_serve *serve);

/* override.c: POST and DELETE /v1/vms/SEL/override. */
enum MHD_Result override_post(struct request *request, struct kcoh_roster_vm *vm);
enum MHD_Result override_delete(struct request *request, struct kcoh_roster_vm *vm);

/* clean.c: POST /v1/vms/SEL/clean. */
enum MHD_Result clean_post(struct request *request, struct kcoh_roster_vm *vm);
/* The request ends, whether it was answered or not. */
void clean_forget(struct request *request);
/* Resumes all that wait for a VM to be cleaned: the server ends. */
void cleans_end(struct kcoh_serve *serve);

/* admission.c: POST /v1/admission. */
enum MHD_Result admission_post(struct request *request);
/* The request ends, whether it was answered or not. */
void admission_forget(struct request *request);
/* Resumes all that wait for the fleet's store: the server ends. */
void admissions_end(struct kcoh_serve *serve);

/* acting.c: the requests that act, and those that come with a body. False: there is no such path; *ret_allow: its methods. */
bool acting_answer(struct request *request, const char *path, const char *method,
		   const char **ret_allow, enum MHD_Result *ret_answered);

/* evacuations.c */
json_t *evacuations_json(struct kcoh_serve *serve, const struct kcoh_roster_vm *vm);
enum MHD_Result get_evacuations(struct kcoh_serve *serve, struct MHD_Connection *connection,
				const char *rest);
enum MHD_Result get_evacuation(struct kcoh_serve *serve, struct MHD_Connection *connection,
			       const char *rest);
enum MHD_Result post_evacuation(struct request *request, struct kcoh_roster_vm *vm);
enum MHD_Result delete_evacuation(struct request *request, const char *number);

#endif
