// SPDX-License-Identifier: GPL-2.0-only
/*
 * AdmissionReviews without a store and without TLS: what is taken for one, what is answered for each verdict, and which of this host's and the
 * store's records counts. Over TLS, with a real etcd and a real kube-apiserver: tests/admission/run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admission/admission.h"
#include "fleet/record.h"

#define UID "705ab4f5-6393-11e8-b7cc-42010a800002"

/* As kube-apiserver writes it; %s: more of the request, and more of the object's spec. */
static const char review_format[] =
	"{\"kind\":\"AdmissionReview\",\"apiVersion\":\"admission.k8s.io/v1\",\"request\":{"
	"\"uid\":\"" UID "\",\"kind\":{\"group\":\"kubevirt.io\",\"version\":\"v1\",\"kind\":"
	"\"VirtualMachineInstanceMigration\"},"
	"\"resource\":{\"group\":\"kubevirt.io\",\"version\":\"v1\",\"resource\":"
	"\"virtualmachineinstancemigrations\"},"
	"\"requestKind\":{\"group\":\"kubevirt.io\",\"version\":\"v1\",\"kind\":"
	"\"VirtualMachineInstanceMigration\"},"
	"\"namespace\":\"prod\",\"operation\":\"CREATE\","
	"\"userInfo\":{\"username\":\"kubernetes-admin\",\"groups\":[\"system:masters\",\"system:"
	"authenticated\"]},"
	"\"object\":{\"apiVersion\":\"kubevirt.io/"
	"v1\",\"kind\":\"VirtualMachineInstanceMigration\",\"metadata\":{"
	"\"generateName\":\"kubevirt-migrate-vm-\",\"namespace\":\"prod\",\"annotations\":{\"a\":"
	"\"\\u0000\",\"n\":\"1\"},"
	"\"managedFields\":[{\"manager\":\"virtctl\",\"n\":99999999999999999999}]},"
	"\"spec\":{\"vmiName\":\"web-1\"%s}},\"oldObject\":null,\"dryRun\":%s}}";

static char *review_text(const char *spec, const char *dry)
{
	char *text;

	assert_true(asprintf(&text, review_format, spec, dry) > 0);
	return text;
}

static void takes(void **state)
{
	struct kcoh_review review;
	char why[256], *text = review_text("", "false");

	(void)state;
	assert_int_equal(kcoh_review_parse(text, strlen(text), &review, why, sizeof(why)), 0);
	assert_true(review.ours);
	assert_string_equal(review.uid, UID);
	assert_string_equal(review.name, "prod_web-1");
	free(text);
	/* the target's half of a migration between clusters */
	text = review_text(",\"receive\":{\"migrationID\":\"m\"}", "true");
	assert_int_equal(kcoh_review_parse(text, strlen(text), &review, why, sizeof(why)), 0);
	assert_false(review.ours);
	free(text);
	text = review_text(",\"sendTo\":{\"migrationID\":\"m\",\"connectURL\":\"u\"}", "true");
	assert_int_equal(kcoh_review_parse(text, strlen(text), &review, why, sizeof(why)), 0);
	assert_true(review.ours);
	free(text);
}

/* `text` with the first `from` in it replaced. */
static char *with(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *copy;

	assert_non_null(at);
	assert_true(asprintf(&copy, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	return copy;
}

static void leaves(void **state)
{
	static const char *const others[][2] = {
		{ "\"operation\":\"CREATE\"", "\"operation\":\"UPDATE\"" },
		{ "\"operation\":\"CREATE\"", "\"operation\":\"DELETE\"" },
		{ "\"group\":\"kubevirt.io\"", "\"group\":\"snapshot.kubevirt.io\"" },
		{ "\"kind\":\"VirtualMachineInstanceMigration\"}",
		  "\"kind\":\"VirtualMachineInstance\"}" },
		{ "\"operation\":", "\"subResource\":\"status\",\"operation\":" },
		{ "\"group\":\"kubevirt.io\",", "\"group\":7," },
	};
	char *text = review_text("", "false"), why[256];
	struct kcoh_review review;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char *other = with(text, others[i][0], others[i][1]);

		assert_int_equal(kcoh_review_parse(other, strlen(other), &review, why, sizeof(why)),
				 0);
		assert_false(review.ours);
		assert_string_equal(review.uid, UID);
		free(other);
	}
	free(text);
}

static void refuses(void **state)
{
	static const struct {
		const char *from, *to, *why;
	} wrong[] = {
		{ "admission.k8s.io/v1", "admission.k8s.io/v1beta1",
		  "is 'admission.k8s.io/v1beta1'" },
		{ "\"kind\":\"AdmissionReview\"", "\"kind\":\"Pod\"", "its kind 'Pod'" },
		{ "\"uid\":\"" UID "\",", "", "request.uid is missing" },
		{ "\"uid\":\"" UID "\"", "\"uid\":\"a\\u0000b\"", "request.uid is no name" },
		{ "\"uid\":\"" UID "\"", "\"uid\":7", "request.uid is missing, or no string" },
		{ "\"request\":{", "\"reqest\":{", "has no request" },
		{ "\"vmiName\":\"web-1\"", "\"vmiName\":\"\"", "spec.vmiName is missing" },
		{ "\"vmiName\":\"web-1\"", "\"vmiNome\":\"web-1\"", "spec.vmiName is missing" },
		{ "\"vmiName\":\"web-1\"", "\"vmiName\":\"web\\u0000-1\"", "spec.vmiName is no" },
		{ "\"namespace\":\"prod\",\"operation\"", "\"namespace\":[],\"operation\"",
		  "request.namespace is missing" },
		{ "\"namespace\":\"prod\",\"operation\"",
		  "\"namespace\":\"a23456789012345678901234567890123456789012345678901234567890"
		  "1234\",\"operation\"",
		  "request.namespace is no name" },
		{ "}}", "}", "the body is no JSON" },
	};
	char *text = review_text("", "false"), why[256];
	struct kcoh_review review;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		char *bad = with(text, wrong[i].from, wrong[i].to);

		assert_int_equal(kcoh_review_parse(bad, strlen(bad), &review, why, sizeof(why)),
				 -EINVAL);
		if (!strstr(why, wrong[i].why))
			fail_msg("%zu: %s", i, why);
		assert_false(review.ours);
		free(bad);
	}
	for (size_t len = 0; len < strlen(text); len++)
		assert_int_equal(kcoh_review_parse(text, len, &review, why, sizeof(why)), -EINVAL);
	assert_int_equal(kcoh_review_parse(NULL, 0, &review, why, sizeof(why)), -EINVAL);
	assert_int_equal(kcoh_review_parse("[]", 2, &review, why, sizeof(why)), -EINVAL);
	free(text);
}

/* What a record of a host says. */
static json_t *record_of(const char *host, enum kcoh_verdict_kind kind, enum kcoh_guard guard)
{
	const struct kcoh_fleet_vm vm = { .uuid = "",
					  .name = "prod_web-1",
					  .verdict = { .kind = kind,
						       .reason = KCOH_RSN_MMU_OFF,
						       .since_ns = 1000000000,
						       .until_ns = 1700000000000000000 },
					  .guard = guard };
	char *text = kcoh_fleet_vm_text(&vm, host, 0), why[160];
	json_t *record = kcoh_fleet_vm_parse(text, why, sizeof(why));

	assert_non_null(record);
	free(text);
	return record;
}

/* The answer's member `name` of its response. */
static const json_t *response(const json_t *answer, const char *name)
{
	const json_t *object = json_object_get(answer, "response");

	assert_string_equal(json_string_value(json_object_get(answer, "apiVersion")),
			    "admission.k8s.io/v1");
	assert_string_equal(json_string_value(json_object_get(answer, "kind")), "AdmissionReview");
	assert_string_equal(json_string_value(json_object_get(object, "uid")), UID);
	return json_object_get(object, name);
}

static void answers(void **state)
{
	static const struct {
		enum kcoh_verdict_kind kind;
		enum kcoh_guard guard;
		enum kcoh_review_outcome outcome;
		int code; /* 0: none */
		const char *said; /* NULL: nothing */
	} cases[] = {
		{ KCOH_VERDICT_ALLOW, KCOH_GUARD_ENFORCE, KCOH_REVIEW_ALLOWED, 0, NULL },
		{ KCOH_VERDICT_REPAIR, KCOH_GUARD_ENFORCE, KCOH_REVIEW_ALLOWED, 0, NULL },
		{ KCOH_VERDICT_WAIT, KCOH_GUARD_ENFORCE, KCOH_REVIEW_REFUSED, 429,
		  "kcoh refuses the migration of prod/web-1: arm-1: wait: mmu-off: a vCPU runs "
		  "with its MMU or data cache off, until 2023-11-14T22:13:20Z" },
		{ KCOH_VERDICT_VETO, KCOH_GUARD_ENFORCE, KCOH_REVIEW_REFUSED, 403,
		  "kcoh refuses the migration of prod/web-1: arm-1: veto: mmu-off: a vCPU runs "
		  "with its MMU or data cache off, until 2023-11-14T22:13:20Z" },
		{ KCOH_VERDICT_VETO, KCOH_GUARD_WARN, KCOH_REVIEW_WARNED, 0,
		  "with guard = enforce kcoh would refuse the migration of prod/web-1: arm-1: "
		  "veto: mmu-off: a vCPU runs with its MMU or data cache off, until "
		  "2023-11-14T22:13:20Z" },
	};
	const struct kcoh_review review = {
		.uid = UID, .ours = true, .space = "prod", .vmi = "web-1", .name = "prod_web-1"
	};
	struct kcoh_fleet_config fleet = { .host = (char *)"here" };
	enum kcoh_review_outcome outcome;
	char message[1280];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct kcoh_found found = { json_array(), json_array() };
		struct kcoh_fleet_answer judged;
		const json_t *status;
		json_t *answer;

		json_array_append_new(found.records,
				      record_of("arm-1", cases[i].kind, cases[i].guard));
		kcoh_fleet_guard(&found, NULL, NULL, &fleet, KCOH_GUARD_ENFORCE, &judged);
		answer = kcoh_review_answer(&review, &judged, &outcome, message, sizeof(message));
		assert_int_equal(outcome, cases[i].outcome);
		assert_string_equal(message, cases[i].said ? cases[i].said : "");
		assert_int_equal(json_is_true(response(answer, "allowed")), !cases[i].code);
		status = response(answer, "status");
		assert_int_equal(json_integer_value(json_object_get(status, "code")),
				 cases[i].code);
		if (cases[i].code)
			assert_string_equal(json_string_value(json_object_get(status, "message")),
					    cases[i].said);
		assert_int_equal(json_array_size(response(answer, "warnings")),
				 outcome == KCOH_REVIEW_WARNED);
		json_decref(answer);
		json_decref(found.records);
		json_decref(found.refused);
	}
}

/* A warning is not longer than what kube-apiserver lets pass, and no character is cut in two. */
static void warns(void **state)
{
	const struct kcoh_review review = { .uid = UID, .space = "prod", .vmi = "web-1" };
	struct kcoh_fleet_answer judged = { .kind = KCOH_VERDICT_VETO,
					    .known = true,
					    .answered = true };
	enum kcoh_review_outcome outcome;
	char message[1280];

	(void)state;
	for (size_t pad = 0; pad < 4; pad++) {
		json_t *answer;
		size_t len;

		memset(judged.sentence, 'x', pad);
		for (size_t i = pad; i + 3 < sizeof(judged.sentence); i += 3)
			memcpy(judged.sentence + i, "€", 4);
		answer = kcoh_review_answer(&review, &judged, &outcome, message, sizeof(message));
		assert_int_equal(outcome, KCOH_REVIEW_WARNED);
		len = json_string_length(json_array_get(response(answer, "warnings"), 0));
		assert_true(len < 256 && len > 252);
		json_decref(answer);
	}
}

/* --- the answerer ------------------------------------------------------------------------------------------- */

struct rig {
	sd_event *event;
	struct kcoh_config *config;
	struct kcoh_admission *admission;
	enum kcoh_verdict_kind local; /* what this host says of its VM prod_web-1 */
	bool has; /* it has it */
	json_t *answer;
	char said[1280];
};

static void local(void *ctx, const char *name, json_t *records)
{
	struct rig *rig = ctx;

	assert_string_equal(name, "prod_web-1");
	if (rig->has)
		json_array_append_new(records, record_of("here", rig->local, KCOH_GUARD_ENFORCE));
}

static void said(void *ctx, enum kcoh_review_outcome outcome, const char *sentence)
{
	struct rig *rig = ctx;

	snprintf(rig->said, sizeof(rig->said), "%s: %s", kcoh_review_outcome_name(outcome),
		 sentence);
}

static void on_answer(void *ctx, json_t *answer)
{
	struct rig *rig = ctx;

	rig->answer = answer;
	sd_event_exit(rig->event, 0);
}

static void up(struct rig *rig, const char *text)
{
	char path[] = "/tmp/kcoh-admission-XXXXXX", why[512];
	int fd = mkstemp(path);
	struct kcoh_admission_config config = { .local = local, .said = said, .ctx = rig };

	memset(rig, 0, sizeof(*rig));
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	close(fd);
	assert_int_equal(kcoh_config_load(path, &rig->config, why, sizeof(why)), 0);
	unlink(path);
	assert_true(sd_event_new(&rig->event) >= 0);
	config.event = rig->event;
	config.config = rig->config;
	assert_int_equal(kcoh_admission_new(&config, &rig->admission), 0);
}

static void down(struct rig *rig)
{
	kcoh_admission_free(rig->admission);
	sd_event_unref(rig->event);
	kcoh_config_free(rig->config);
}

/* Whether it is allowed. */
static bool ask(struct rig *rig, const char *spec)
{
	struct kcoh_admission_ask *one;
	char *text = review_text(spec, "false"), why[512];
	bool allowed;

	*rig->said = '\0';
	assert_int_equal(kcoh_admission_ask(rig->admission, text, strlen(text), on_answer, rig,
					    &one, why, sizeof(why)),
			 0);
	free(text);
	assert_null(rig->answer); /* never from inside of the call */
	sd_event_loop(rig->event);
	assert_non_null(rig->answer);
	allowed = json_is_true(response(rig->answer, "allowed"));
	json_decref(rig->answer);
	rig->answer = NULL;
	return allowed;
}

static void once(const char *config, bool has, enum kcoh_verdict_kind kind, bool allowed,
		 const char *sentence, uint64_t unanswered)
{
	struct kcoh_admission_counts counts;
	struct rig rig;

	up(&rig, config);
	rig.has = has;
	rig.local = kind;
	assert_int_equal(ask(&rig, ""), allowed);
	if (!strstr(rig.said, sentence))
		fail_msg("said: %s; wanted: %s", rig.said, sentence);
	kcoh_admission_count(rig.admission, &counts);
	assert_int_equal(counts.unanswered, unanswered);
	down(&rig);
}

#define NOBODY "[fleet]\nendpoints = http://127.0.0.1:1\n" /* where nobody listens */

static void contract(void **state)
{
	(void)state;
	/* no store, or none that answers, and a VM that is not here */
	once("[defaults]\nguard = enforce\n", false, 0, false, "refused: kcoh refuses", 1);
	once("[defaults]\nguard = warn\n", false, 0, true, "warned: with guard = enforce", 1);
	once("[defaults]\nguard = enforce\n" NOBODY, false, 0, false, "no usable answer", 1);
	once("[defaults]\nguard = warn\n" NOBODY, false, 0, true, "no usable answer", 1);
	/* the VM's own section counts */
	once("[defaults]\nguard = warn\n[vm prod_*]\nguard = enforce\n" NOBODY, false, 0, false,
	     "no usable answer", 1);
	/* it is here: what this host says needs no store */
	once("[defaults]\nguard = warn\n" NOBODY, true, KCOH_VERDICT_VETO, false, "here: veto", 0);
	once("[defaults]\nguard = enforce\n" NOBODY, true, KCOH_VERDICT_ALLOW, true, "", 0);
	once("[defaults]\nguard = enforce\n", true, KCOH_VERDICT_WAIT, false, "here: wait", 0);
}

static void counts(void **state)
{
	struct kcoh_admission_counts counted;
	struct kcoh_admission_ask *one;
	char why[512], *text;
	struct rig rig;

	(void)state;
	up(&rig, "[defaults]\nguard = enforce\n");
	assert_int_equal(
		kcoh_admission_ask(rig.admission, "{}", 2, on_answer, &rig, &one, why, sizeof(why)),
		-EINVAL);
	/* one that is dropped is not answered, and not counted */
	text = review_text("", "true");
	assert_int_equal(kcoh_admission_ask(rig.admission, text, strlen(text), on_answer, &rig,
					    &one, why, sizeof(why)),
			 0);
	kcoh_admission_drop(one);
	free(text);
	assert_true(ask(&rig, ",\"receive\":{}"));
	kcoh_admission_count(rig.admission, &counted);
	assert_int_equal(counted.malformed, 1);
	assert_int_equal(counted.outcomes[KCOH_REVIEW_IGNORED], 1);
	assert_int_equal(counted.outcomes[KCOH_REVIEW_REFUSED], 0);
	assert_int_equal(counted.unanswered, 0);
	down(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes),   cmocka_unit_test(leaves), cmocka_unit_test(refuses),
		cmocka_unit_test(answers), cmocka_unit_test(warns),  cmocka_unit_test(contract),
		cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
