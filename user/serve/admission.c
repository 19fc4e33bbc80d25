// SPDX-License-Identifier: GPL-2.0-only
/*
 * admission.c - POST /v1/admission: an AdmissionReview of Kubernetes, answered (admission/review.h).
 *
 * It is a question: who may read may ask it, over TCP, too. While the fleet's store is asked the connection is suspended, as it is while
 * polkit is; libmicrohttpd then calls the access handler once more, with the answer at hand.
 *
 * kube-apiserver does not come here, for it speaks TLS only: to it `kcoh admission` answers, which has the same answers but for VMs that this host
 * knows best.
 */
#include <errno.h>
#include <stdlib.h>

#include "admission/admission.h"
#include "serve/request.h"

struct review_wait {
	LIST_ENTRY(review_wait) link; /* of serve->reviewing, while it is not over */
	struct request *request;
	struct kcoh_admission_ask *ask; /* NULL: it is over */
	json_t *answer; /* NULL: there was none */
};

static void over(struct review_wait *wait, json_t *answer)
{
	LIST_REMOVE(wait, link);
	wait->ask = NULL;
	wait->answer = answer;
	MHD_resume_connection(wait->request->connection);
	serve_soon(wait->request->serve);
}

static void on_answered(void *ctx, json_t *answer)
{
	over(ctx, answer);
}

static enum MHD_Result begin(struct request *request)
{
	struct kcoh_serve *serve = request->serve;
	struct review_wait *wait = calloc(1, sizeof(*wait));
	char sentence[512] = "there is no memory";
	int err = wait ? kcoh_admission_ask(serve->config.admission, request->body,
					    request->body_len, on_answered, wait, &wait->ask,
					    sentence, sizeof(sentence)) :
			 -ENOMEM;

	if (err < 0) {
		free(wait);
		return answer_error(request->connection,
				    err == -EINVAL ? MHD_HTTP_BAD_REQUEST :
						     MHD_HTTP_INTERNAL_SERVER_ERROR,
				    "%s", sentence);
	}
	wait->request = request;
	request->review = wait;
	LIST_INSERT_HEAD(&serve->reviewing, wait, link);
	MHD_suspend_connection(request->connection);
	return MHD_YES;
}

enum MHD_Result admission_post(struct request *request)
{
	struct review_wait *wait = request->review;
	json_t *answer;

	if (!request->serve->config.admission)
		return answer_error(request->connection, MHD_HTTP_CONFLICT,
				    "this kcohd answers no AdmissionReviews");
	if (!wait)
		return begin(request);
	answer = wait->answer;
	wait->answer = NULL;
	if (!answer)
		return answer_error(request->connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				    "kcohd is being stopped, or has no memory");
	return answer_json(request->connection, MHD_HTTP_OK, answer);
}

void admission_forget(struct request *request)
{
	struct review_wait *wait = request->review;

	request->review = NULL;
	if (!wait)
		return;
	if (wait->ask) {
		LIST_REMOVE(wait, link);
		kcoh_admission_drop(wait->ask);
	}
	json_decref(wait->answer);
	free(wait);
}

void admissions_end(struct kcoh_serve *serve)
{
	struct review_wait *wait;

	while ((wait = LIST_FIRST(&serve->reviewing))) {
		kcoh_admission_drop(wait->ask);
		over(wait, NULL);
	}
}
