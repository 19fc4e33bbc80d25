// SPDX-License-Identifier: GPL-2.0-only
/*
 * review.c - an AdmissionReview of Kubernetes: what is asked, and what is answered. See review.h.
 *
 * Whoever may create a migration writes most of what comes here. What cannot be read is for kube-apiserver a webhook that failed, and with
 * failurePolicy: Ignore the migration then begins; so nothing that a user can put into an object may make it unreadable: a NUL in an
 * annotation, a number that is too large for 64 bits.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "admission/review.h"

#define VERSION "admission.k8s.io/v1"
#define KIND "AdmissionReview"
#define GROUP "kubevirt.io"
#define MIGRATION "VirtualMachineInstanceMigration"
#define WARNING_BYTES 256 /* kube-apiserver may cut longer ones */

/* --- what is asked ------------------------------------------------------------------------------------------ */

__attribute__((format(printf, 3, 4))) static int refuse(char *err, size_t err_len,
							const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(err, err_len, format, args);
	va_end(args);
	return -EINVAL;
}

/* "" if it is left out, or is no string. */
static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* A string without a NUL, as long as Kubernetes' names may be. */
static int text_take(const json_t *value, const char *what, char *ret_text, size_t text_len,
		     char *err, size_t err_len)
{
	size_t len = json_string_length(value);

	if (!json_is_string(value) || !len)
		return refuse(err, err_len, "%s is missing, or no string", what);
	if (len >= text_len || strlen(json_string_value(value)) != len)
		return refuse(err, err_len, "%s is no name of Kubernetes", what);
	memcpy(ret_text, json_string_value(value), len + 1);
	return 0;
}

static bool is_ours(const json_t *request)
{
	const json_t *kind = json_object_get(request, "kind");

	return !strcmp(text_of(request, "operation"), "CREATE") &&
	       !*text_of(request, "subResource") && !strcmp(text_of(kind, "group"), GROUP) &&
	       !strcmp(text_of(kind, "kind"), MIGRATION);
}

static int migration_take(const json_t *request, struct kcoh_review *review, char *err,
			  size_t err_len)
{
	const json_t *object = json_object_get(request, "object");
	const json_t *spec = json_object_get(object, "spec");
	const json_t *space = json_object_get(request, "namespace");
	int bad;

	if (json_is_object(json_object_get(spec, "receive")))
		return 0;
	if (!space)
		space = json_object_get(json_object_get(object, "metadata"), "namespace");
	bad = text_take(space, "request.namespace", review->space, sizeof(review->space), err,
			err_len);
	if (bad == 0)
		bad = text_take(json_object_get(spec, "vmiName"), "request.object.spec.vmiName",
				review->vmi, sizeof(review->vmi), err, err_len);
	if (bad < 0)
		return bad;
	snprintf(review->name, sizeof(review->name), "%s_%s", review->space, review->vmi);
	review->ours = true;
	return 0;
}

static int review_take(const json_t *json, struct kcoh_review *review, char *err, size_t err_len)
{
	const json_t *request = json_object_get(json, "request");
	int bad;

	if (strcmp(text_of(json, "apiVersion"), VERSION) || strcmp(text_of(json, "kind"), KIND))
		return refuse(err, err_len,
			      "the body is no " KIND " of " VERSION
			      ": its apiVersion is '%.80s', its kind '%.80s'",
			      text_of(json, "apiVersion"), text_of(json, "kind"));
	if (!json_is_object(request))
		return refuse(err, err_len, "the " KIND " has no request");
	bad = text_take(json_object_get(request, "uid"), "request.uid", review->uid,
			sizeof(review->uid), err, err_len);
	return bad < 0 || !is_ours(request) ? bad : migration_take(request, review, err, err_len);
}

int kcoh_review_parse(const char *body, size_t len, struct kcoh_review *ret_review, char *err,
		      size_t err_len)
{
	json_error_t error;
	json_t *json =
		json_loadb(body ? body : "", len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
	int bad;

	*ret_review = (struct kcoh_review){ 0 };
	if (!json)
		return refuse(err, err_len, "the body is no JSON: %s (line %d)", error.text,
			      error.line);
	bad = review_take(json, ret_review, err, err_len);
	json_decref(json);
	return bad;
}

/* --- what is answered --------------------------------------------------------------------------------------- */

/* HTTP status and reason as Kubernetes has them: later, never mind, or nobody knows. None of them makes a client wait by itself. */
static void code_of(const struct kcoh_fleet_answer *answer, int *ret_code, const char **ret_reason)
{
	if (!answer->answered) {
		*ret_code = 503;
		*ret_reason = "ServiceUnavailable";
	} else if (answer->kind == KCOH_VERDICT_WAIT) {
		*ret_code = 429;
		*ret_reason = "TooManyRequests";
	} else {
		*ret_code = 403;
		*ret_reason = "Forbidden";
	}
}

/* ", until 2026-11-23T08:00:00Z", or "". */
static void until_of(const json_t *record, char *ret_text, size_t len)
{
	const json_t *until = json_object_get(record, "until");
	time_t seconds = (time_t)json_number_value(until);
	struct tm tm;

	*ret_text = '\0';
	if (json_is_number(until) && gmtime_r(&seconds, &tm))
		strftime(ret_text, len, ", until %Y-%m-%dT%H:%M:%SZ", &tm);
}

/* Cut where a character ends. */
static json_t *warning_json(const char *message)
{
	size_t len = strlen(message);

	if (len >= WARNING_BYTES) {
		len = WARNING_BYTES - 1;
		while (len && ((unsigned char)message[len] & 0xc0) == 0x80)
			len--;
	}
	return json_stringn(message, len);
}

static enum kcoh_review_outcome outcome_of(const struct kcoh_fleet_answer *answer)
{
	return !answer                                             ? KCOH_REVIEW_IGNORED :
	       answer->blocks                                      ? KCOH_REVIEW_REFUSED :
	       !answer->known || answer->kind >= KCOH_VERDICT_WAIT ? KCOH_REVIEW_WARNED :
								     KCOH_REVIEW_ALLOWED;
}

static void message_make(const struct kcoh_review *review, const struct kcoh_fleet_answer *answer,
			 char *ret_message, size_t len)
{
	char until[64];

	until_of(answer->record, until, sizeof(until));
	snprintf(ret_message, len, "%s the migration of %s/%s: %s%s",
		 answer->blocks                    ? "kcoh refuses" :
		 answer->kind >= KCOH_VERDICT_WAIT ? "with guard = enforce kcoh would refuse" :
						     "kcoh cannot judge",
		 review->space, review->vmi, answer->sentence, until);
}

static json_t *response_json(const struct kcoh_review *review,
			     const struct kcoh_fleet_answer *answer,
			     enum kcoh_review_outcome outcome, const char *message)
{
	json_t *response = json_pack("{s:s, s:b}", "uid", review->uid, "allowed",
				     outcome != KCOH_REVIEW_REFUSED);
	const char *reason;
	int code;

	if (outcome == KCOH_REVIEW_REFUSED) {
		code_of(answer, &code, &reason);
		json_object_set_new(response, "status",
				    json_pack("{s:s, s:s, s:s, s:i}", "status", "Failure",
					      "message", message, "reason", reason, "code", code));
	} else if (outcome == KCOH_REVIEW_WARNED) {
		json_object_set_new(response, "warnings", json_pack("[o]", warning_json(message)));
	}
	/* What Kubernetes' own audit log then has. */
	if (answer && answer->known)
		json_object_set_new(response, "auditAnnotations",
				    json_pack("{s:s, s:s}", "verdict",
					      text_of(answer->record, "verdict"), "host",
					      text_of(answer->record, "host")));
	return response;
}

json_t *kcoh_review_answer(const struct kcoh_review *review, const struct kcoh_fleet_answer *answer,
			   enum kcoh_review_outcome *ret_outcome, char *ret_message, size_t len)
{
	*ret_outcome = outcome_of(answer);
	*ret_message = '\0';
	if (*ret_outcome >= KCOH_REVIEW_WARNED)
		message_make(review, answer, ret_message, len);
	return json_pack("{s:s, s:s, s:o}", "apiVersion", VERSION, "kind", KIND, "response",
			 response_json(review, answer, *ret_outcome, ret_message));
}

const char *kcoh_review_outcome_name(enum kcoh_review_outcome outcome)
{
	static const char *const names[] = { "ignored", "allowed", "warned", "refused" };

	return names[outcome];
}
