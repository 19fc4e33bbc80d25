/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * server.h - POST /v1/admission over TLS, for kube-apiserver, which speaks to webhooks in no other way.
 *
 *   POST /v1/admission   an AdmissionReview (review.h)
 *   GET /healthz         200, or 503 while it ends; needs no client certificate
 *   GET /metrics         how many were asked, by what came of it, in OpenMetrics' format
 *
 * It never waits: TLS, requests and look-ups are all sources of one sd-event loop. Who reaches the address may be anybody of the cluster, so
 * everything has a bound (server.c).
 */
#ifndef KCOH_ADMISSION_SERVER_H
#define KCOH_ADMISSION_SERVER_H

#include "admission/admission.h"
#include "admission/tls.h"

struct kcoh_admission_server; /* opaque */

struct kcoh_admission_server_config {
	sd_event *event;
	int listen_fd; /* a listening TCP socket, non-blocking; the server closes it, also on error */
	struct kcoh_tls_paths tls; /* must live as long */
	struct kcoh_admission *admission; /* must outlive the server */
	unsigned int request_ms; /* how long a request may take to come; 0: 10 s */
	/* Certificates were read again, or could not be: a syslog priority and one sentence. May be NULL. */
	void (*say)(void *ctx, int priority, const char *sentence);
	void *ctx;
};

/* 0, or a negative errno and one sentence. */
int kcoh_admission_server_new(const struct kcoh_admission_server_config *config,
			      struct kcoh_admission_server **ret_server, char *err, size_t err_len);

/* Takes newer certificates now (it looks for them every 10 s by itself). */
void kcoh_admission_server_reload(struct kcoh_admission_server *server);

/* It will end: /healthz says so, and each answer closes its connection. */
void kcoh_admission_server_drain(struct kcoh_admission_server *server);

/* NULL is allowed. */
void kcoh_admission_server_free(struct kcoh_admission_server *server);

#endif
