// SPDX-License-Identifier: GPL-2.0-only
/*
 * http.c - libcurl's multi interface under sd-event. See http.h.
 *
 * A server that hangs costs a deadline and nothing else: the loop goes on. Names are resolved in a thread of libcurl's, which is not
 * waited for either. Proxies of the environment are not used: a verdict goes to the servers that the configuration names.
 *
 * Certificates are read from their files again for each new connection, so that renewed ones are taken without a restart.
 */
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>

#include "fleet/http.h"

#define ANSWER_MAX_BYTES (64u << 20)
#define CONNECTIONS_MAX 8L /* that are kept */

struct call {
	LIST_ENTRY(call) link;
	struct kcoh_http *http;
	CURL *curl;
	struct curl_slist *headers;
	char *request;
	char *answer;
	size_t answer_len;
	size_t endpoint;
	char complaint[CURL_ERROR_SIZE];
	kcoh_http_done_fn done;
	void *ctx;
};

struct kcoh_http {
	sd_event *event;
	const struct kcoh_fleet_config *fleet;
	CURLM *multi;
	sd_event_source *timer;
	size_t endpoint;
	LIST_HEAD(, call) calls;
};

/* --- a request ---------------------------------------------------------------------------------------------- */

static void call_free(struct call *call)
{
	LIST_REMOVE(call, link);
	if (call->curl) {
		curl_multi_remove_handle(call->http->multi, call->curl);
		curl_easy_cleanup(call->curl);
	}
	curl_slist_free_all(call->headers);
	free(call->request);
	free(call->answer);
	free(call);
}

static size_t on_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct call *call = ctx;
	char *more;

	(void)one;
	if (call->answer_len + len > ANSWER_MAX_BYTES)
		return 0;
	more = realloc(call->answer, call->answer_len + len + 1);
	if (!more)
		return 0;
	memcpy(more + call->answer_len, bytes, len);
	call->answer = more;
	call->answer_len += len;
	more[call->answer_len] = '\0';
	return len;
}

static void tls_set(CURL *curl, const struct kcoh_fleet_config *fleet)
{
	if (fleet->ca)
		curl_easy_setopt(curl, CURLOPT_CAINFO, fleet->ca);
	if (fleet->cert) {
		curl_easy_setopt(curl, CURLOPT_SSLCERT, fleet->cert);
		curl_easy_setopt(curl, CURLOPT_SSLKEY, fleet->key);
	}
	curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_CA_CACHE_TIMEOUT, 0L);
}

static int call_set_up(struct call *call, const char *path, uint32_t deadline_ms)
{
	const struct kcoh_fleet_config *fleet = call->http->fleet;
	CURL *curl = curl_easy_init();
	char url[512];

	call->curl = curl;
	call->headers = curl_slist_append(NULL, "Content-Type: application/json");
	if (!curl || !call->headers)
		return -ENOMEM;
	snprintf(url, sizeof(url), "%s%s", fleet->endpoints[call->endpoint], path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, call->headers);
	curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->request);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)deadline_ms);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, call->complaint);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(curl, CURLOPT_PRIVATE, call);
	tls_set(curl, fleet);
	return curl_multi_add_handle(call->http->multi, curl) == CURLM_OK ? 0 : -ENOMEM;
}

int kcoh_http_post(struct kcoh_http *http, const char *path, json_t *body, uint32_t deadline_ms,
		   kcoh_http_done_fn done, void *ctx)
{
	struct call *call = calloc(1, sizeof(*call));
	int err = -ENOMEM;

	if (call) {
		LIST_INSERT_HEAD(&http->calls, call, link);
		call->http = http;
		call->endpoint = http->endpoint;
		call->done = done;
		call->ctx = ctx;
		call->request = body ? json_dumps(body, JSON_COMPACT) : NULL;
		if (call->request)
			err = call_set_up(call, path, deadline_ms);
		if (err < 0)
			call_free(call);
	}
	json_decref(body);
	return err;
}

/* --- its end ------------------------------------------------------------------------------------------------ */

/* Its callback may drop all that is its own, and this request ends by itself. */
static void *ctx_take(struct call *call)
{
	void *ctx = call->ctx;

	call->ctx = NULL;
	return ctx;
}

/* The next request tries the next server, unless another one's end has moved on already. */
static void endpoint_leave(struct kcoh_http *http, size_t endpoint)
{
	if (http->endpoint == endpoint)
		http->endpoint = (endpoint + 1) % http->fleet->endpoints_count;
}

static void tell_failed(struct call *call, CURLcode code)
{
	bool late = code == CURLE_OPERATION_TIMEDOUT;
	char sentence[CURL_ERROR_SIZE + 320];

	snprintf(sentence, sizeof(sentence), "%s: %s", call->http->fleet->endpoints[call->endpoint],
		 late             ? "no answer in time" :
		 *call->complaint ? call->complaint :
				    curl_easy_strerror(code));
	endpoint_leave(call->http, call->endpoint);
	call->done(ctx_take(call), late ? -ETIMEDOUT : -EHOSTUNREACH, 0, NULL, sentence);
}

/* etcd: {"error": "etcdserver: requested lease not found", "message": …, "code": 5} */
static void tell_refused(struct call *call, long status, const json_t *answer)
{
	const char *why = json_string_value(json_object_get(answer, "error"));
	char sentence[512];

	snprintf(sentence, sizeof(sentence), "%s: %s (HTTP status %ld)",
		 call->http->fleet->endpoints[call->endpoint], why ? why : "it refuses", status);
	if (status >= 500)
		endpoint_leave(call->http, call->endpoint);
	call->done(ctx_take(call), -EREMOTEIO, status, NULL, sentence);
}

static void tell_answer(struct call *call)
{
	json_t *answer = json_loads(call->answer ? call->answer : "", 0, NULL);
	char sentence[320];
	long status = 0;

	curl_easy_getinfo(call->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200) {
		tell_refused(call, status, answer);
	} else if (!json_is_object(answer)) {
		snprintf(sentence, sizeof(sentence), "%s: its answer is no JSON object",
			 call->http->fleet->endpoints[call->endpoint]);
		endpoint_leave(call->http, call->endpoint);
		call->done(ctx_take(call), -EPROTO, status, NULL, sentence);
	} else {
		call->done(ctx_take(call), 0, status, answer, NULL);
	}
	json_decref(answer);
}

static void ends_take(struct kcoh_http *http)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(http->multi, &left))) {
		CURLcode code = message->data.result;
		struct call *call;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		if (code == CURLE_OK)
			tell_answer(call);
		else
			tell_failed(call, code);
		call_free(call);
	}
}

/* --- the loop ----------------------------------------------------------------------------------------------- */

static int on_io(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct kcoh_http *http = ctx;
	int what = (events & EPOLLIN ? CURL_CSELECT_IN : 0) |
		   (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
		   (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
	int running;

	(void)source;
	curl_multi_socket_action(http->multi, fd, what, &running);
	ends_take(http);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_http *http = ctx;
	int running;

	(void)source;
	(void)usec;
	curl_multi_socket_action(http->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	ends_take(http);
	return 0;
}

/* libcurl: wait for this on that socket. `watched` is what was kept for it. */
static int socket_watch(CURL *curl, curl_socket_t fd, int what, void *ctx, void *watched)
{
	struct kcoh_http *http = ctx;
	sd_event_source *source = watched;
	uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) |
			  (what & CURL_POLL_OUT ? EPOLLOUT : 0u);

	(void)curl;
	if (what == CURL_POLL_REMOVE) {
		sd_event_source_disable_unref(source);
		return 0;
	}
	if (source)
		return sd_event_source_set_io_events(source, events) < 0 ? -1 : 0;
	if (sd_event_add_io(http->event, &source, fd, events, on_io, http) < 0)
		return -1;
	curl_multi_assign(http->multi, fd, source);
	return 0;
}

/* libcurl: call me at that time. It must not be called from here. */
static int timer_set(CURLM *multi, long ms, void *ctx)
{
	struct kcoh_http *http = ctx;

	(void)multi;
	if (ms < 0)
		return sd_event_source_set_enabled(http->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
	sd_event_source_set_time_relative(http->timer, (uint64_t)ms * 1000);
	return sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT) < 0 ? -1 : 0;
}

int kcoh_http_new(sd_event *event, const struct kcoh_fleet_config *fleet,
		  struct kcoh_http **ret_http)
{
	struct kcoh_http *http = calloc(1, sizeof(*http));
	int err;

	if (!http)
		return -ENOMEM;
	LIST_INIT(&http->calls);
	http->event = sd_event_ref(event);
	http->fleet = fleet;
	http->multi = curl_multi_init();
	err = sd_event_add_time_relative(event, &http->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					 http);
	if (err >= 0)
		err = sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
	if (err < 0 || !http->multi) {
		kcoh_http_free(http);
		return err < 0 ? err : -ENOMEM;
	}
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, socket_watch);
	curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, timer_set);
	curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
	curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX);
	*ret_http = http;
	return 0;
}

void kcoh_http_free(struct kcoh_http *http)
{
	if (!http)
		return;
	while (!LIST_EMPTY(&http->calls))
		call_free(LIST_FIRST(&http->calls));
	if (http->multi)
		curl_multi_cleanup(http->multi);
	sd_event_source_disable_unref(http->timer);
	sd_event_unref(http->event);
	free(http);
}

void kcoh_http_drop(struct kcoh_http *http, const void *ctx)
{
	struct call *call = LIST_FIRST(&http->calls), *next;

	for (; call; call = next) {
		next = LIST_NEXT(call, link);
		if (call->ctx == ctx)
			call_free(call);
	}
}

const char *kcoh_http_endpoint(const struct kcoh_http *http)
{
	return http->fleet->endpoints[http->endpoint];
}
