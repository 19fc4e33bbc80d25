// SPDX-License-Identifier: GPL-2.0-only
/*
 * server.c - POST /v1/admission over TLS. See server.h.
 *
 * libmicrohttpd with GnuTLS, as a source of an sd-event loop (as in serve/http.c). The listening socket is ours, and each connection is given to
 * it: so new certificates are a second libmicrohttpd beside the first, which gets the connections from then on, while the first one
 * answers what it has, closes each connection with its answer, and ends when it has none, or after 2 minutes.
 *
 * Bounds: 128 connections; when they are taken, a new one takes the place of one that is not being answered, first of those that never
 * asked anything, the oldest before others. A request must be whole within 10 s of its connection's begin; then the connection may rest for 2
 * minutes (kube-apiserver keeps its connections, for 90 s). 4 MiB of body, more than kube-apiserver takes for an object itself, and 32 MiB of
 * bodies at a time.
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "admission/server.h"
#include "host/clock.h"
#include "metrics/metrics.h"
#include "names/text.h"

#define MAX_CONNECTIONS 128
#define REQUEST_MS 10000
#define REST_SECONDS 120
#define HEAD_BYTES (32 * 1024)
#define BODY_BYTES (4u << 20)
#define BODIES_BYTES (32u << 20)
#define LOOK_US (100 * 1000)
#define FILES_LOOK_NS (10 * 1000000000ull)
#define OLD_NS (REST_SECONDS * 1000000000ull)
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* libmicrohttpd with one set of certificates. */
struct generation {
	LIST_ENTRY(generation) link;
	struct kcoh_admission_server *server;
	struct kcoh_tls_texts texts;
	struct MHD_Daemon *http;
	sd_event_source *io;
	uint64_t old_ns; /* since when there is a newer one; 0: there is none */
	unsigned int connections;
};

struct connection {
	TAILQ_ENTRY(connection) link;
	struct generation *generation;
	int fd;
	bool busy; /* being answered */
	bool asked; /* it was answered once */
	bool cut; /* it is being closed */
	uint64_t since_ns; /* it began, or was answered last */
};

struct request {
	LIST_ENTRY(request) link; /* of those that wait */
	struct kcoh_admission_server *server;
	struct MHD_Connection *connection;
	char *body;
	size_t body_len, body_room;
	struct kcoh_admission_ask *ask;
	json_t *answer;
	bool over; /* `answer` is what came of it */
};

struct kcoh_admission_server {
	struct kcoh_admission_server_config config;
	LIST_HEAD(, generation) generations; /* the newest first */
	TAILQ_HEAD(, connection) connections; /* the oldest first */
	LIST_HEAD(, request) waiting;
	unsigned int connection_count;
	size_t bodies;
	sd_event_source *listen, *timer, *soon, *look;
	uint64_t files_ns; /* when the files were looked at last */
	bool complained; /* that they cannot be used */
	bool draining;
};

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

__attribute__((format(printf, 3, 4))) static void say(struct kcoh_admission_server *server,
						      int priority, const char *format, ...)
{
	char sentence[640];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	if (server->config.say)
		server->config.say(server->config.ctx, priority, sentence);
}

/* --- connections -------------------------------------------------------------------------------------------- */

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct generation *generation = cls;
	struct kcoh_admission_server *server = generation->server;
	struct connection *connection = *socket_context;
	const union MHD_ConnectionInfo *info;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		*socket_context = connection = calloc(1, sizeof(*connection));
		if (!connection)
			return;
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
		connection->generation = generation;
		connection->fd = info ? info->connect_fd : -1;
		connection->since_ns = now_ns();
		generation->connections++;
		server->connection_count++;
		TAILQ_INSERT_TAIL(&server->connections, connection, link);
	} else if (connection) {
		generation->connections--;
		server->connection_count--;
		TAILQ_REMOVE(&server->connections, connection, link);
		free(connection);
	}
}

static struct connection *connection_of(struct MHD_Connection *mhd)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void busy_set(struct MHD_Connection *mhd, bool busy)
{
	struct connection *connection = connection_of(mhd);

	if (!connection)
		return;
	connection->asked |= connection->busy && !busy;
	connection->busy = busy;
	connection->since_ns = now_ns();
	TAILQ_REMOVE(&connection->generation->server->connections, connection, link);
	TAILQ_INSERT_TAIL(&connection->generation->server->connections, connection, link);
}

/* libmicrohttpd sees the end of what it reads, and closes it. */
static void cut(struct connection *connection)
{
	connection->cut = true;
	shutdown(connection->fd, SHUT_RDWR);
}

/* Makes a place. False: all are being answered. */
static bool place_make(struct kcoh_admission_server *server)
{
	struct connection *connection, *victim = NULL;

	TAILQ_FOREACH(connection, &server->connections, link)
	{
		if (connection->busy || connection->cut)
			continue;
		if (!victim || (victim->asked && !connection->asked))
			victim = connection;
		if (!victim->asked)
			break;
	}
	if (victim)
		cut(victim);
	return victim != NULL;
}

static void late_cut(struct kcoh_admission_server *server)
{
	unsigned int ms = server->config.request_ms ? server->config.request_ms : REQUEST_MS;
	uint64_t limit_ns = ms * 1000000ull, now = now_ns();
	struct connection *connection;

	TAILQ_FOREACH(connection, &server->connections, link)
	{
		if (!connection->busy && !connection->cut && !connection->asked &&
		    now - connection->since_ns > limit_ns)
			cut(connection);
	}
}

/* --- answers ------------------------------------------------------------------------------------------------ */

/* Sends `text`, which it frees. */
static enum MHD_Result answer_text(struct MHD_Connection *mhd, unsigned int status,
				   const char *type, char *text, const char *allow)
{
	struct connection *connection = connection_of(mhd);
	struct MHD_Response *response =
		text ? MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE) :
		       NULL;
	enum MHD_Result result;

	if (!response) {
		free(text);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (allow)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, allow);
	if (!connection || connection->generation->old_ns ||
	    connection->generation->server->draining)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	result = MHD_queue_response(mhd, status, response);
	MHD_destroy_response(response);
	return result;
}

/* Takes the reference. */
static enum MHD_Result answer_json(struct MHD_Connection *mhd, unsigned int status, json_t *json,
				   const char *allow)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	return answer_text(mhd, status, "application/json", text, allow);
}

__attribute__((format(printf, 4, 5))) static enum MHD_Result
answer_error(struct MHD_Connection *mhd, unsigned int status, const char *allow, const char *format,
	     ...)
{
	json_t *sentence;
	va_list args;

	va_start(args, format);
	sentence = json_vsprintf(format, args);
	va_end(args);
	/* What a client sent need not be UTF-8, and then it is no JSON. */
	if (!sentence)
		sentence = json_string("the request holds bytes that are not UTF-8");
	return answer_json(mhd, status, json_pack("{s:o}", "error", sentence), allow);
}

static enum MHD_Result answer_health(struct kcoh_admission_server *server,
				     struct MHD_Connection *mhd)
{
	return answer_text(mhd, server->draining ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK,
			   "text/plain", strdup(server->draining ? "ending\n" : "ok\n"), NULL);
}

static enum MHD_Result answer_metrics(struct kcoh_admission_server *server,
				      struct MHD_Connection *mhd)
{
	struct kcoh_admission_counts counts;
	size_t len;

	kcoh_admission_count(server->config.admission, &counts);
	return answer_text(mhd, MHD_HTTP_OK, KCOH_METRICS_CONTENT_TYPE,
			   kcoh_metrics_admission_render(&counts, &len), NULL);
}

/* --- a review ----------------------------------------------------------------------------------------------- */

static void request_free(struct request *request)
{
	struct kcoh_admission_server *server = request->server;

	if (request->ask) {
		LIST_REMOVE(request, link);
		kcoh_admission_drop(request->ask);
	}
	json_decref(request->answer);
	server->bodies -= request->body_room;
	free(request->body);
	free(request);
}

static void resume(struct request *request)
{
	LIST_REMOVE(request, link);
	request->ask = NULL;
	request->over = true;
	MHD_resume_connection(request->connection);
	sd_event_source_set_enabled(request->server->soon, SD_EVENT_ONESHOT);
}

static void on_answered(void *ctx, json_t *answer)
{
	struct request *request = ctx;

	request->answer = answer;
	resume(request);
}

static enum MHD_Result review_answer(struct request *request)
{
	struct kcoh_admission_server *server = request->server;
	struct MHD_Connection *mhd = request->connection;
	json_t *answer = request->answer;
	char why[512];
	int err;

	request->answer = NULL;
	if (answer)
		return answer_json(mhd, MHD_HTTP_OK, answer, NULL);
	if (request->over)
		return answer_error(mhd, MHD_HTTP_SERVICE_UNAVAILABLE, NULL,
				    "this server is being stopped, or has no memory");
	err = kcoh_admission_ask(server->config.admission, request->body, request->body_len,
				 on_answered, request, &request->ask, why, sizeof(why));
	if (err < 0)
		return answer_error(
			mhd, err == -EINVAL ? MHD_HTTP_BAD_REQUEST : MHD_HTTP_INTERNAL_SERVER_ERROR,
			NULL, "%s", err == -ENOMEM ? "there is no memory" : why);
	LIST_INSERT_HEAD(&server->waiting, request, link);
	MHD_suspend_connection(mhd);
	return MHD_YES;
}

static enum MHD_Result answer(struct request *request, const char *path, const char *method)
{
	struct kcoh_admission_server *server = request->server;
	bool reads = !strcmp(method, MHD_HTTP_METHOD_GET) || !strcmp(method, MHD_HTTP_METHOD_HEAD);
	bool review = !strcmp(path, "/v1/admission"), health = !strcmp(path, "/healthz");

	if (!review && !health && strcmp(path, "/metrics"))
		return answer_error(request->connection, MHD_HTTP_NOT_FOUND, NULL,
				    "there is nothing at %s", path);
	if (review && !strcmp(method, MHD_HTTP_METHOD_POST))
		return review_answer(request);
	if (review || !reads)
		return answer_error(request->connection, MHD_HTTP_METHOD_NOT_ALLOWED,
				    review ? "POST" : "GET", "%s takes %s only", path,
				    review ? "POST" : "GET");
	return health ? answer_health(server, request->connection) :
			answer_metrics(server, request->connection);
}

/* --- requests ----------------------------------------------------------------------------------------------- */

/* 0 if the body may come, else the status that refuses it before it is read; `ret_room`: its bytes. */
static unsigned int body_refusal(const struct kcoh_admission_server *server,
				 struct MHD_Connection *mhd, size_t *ret_room)
{
	const char *length =
		MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	uint64_t bytes = 0;

	*ret_room = 0;
	if (MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING))
		return MHD_HTTP_LENGTH_REQUIRED;
	if (length && (kcoh_text_u64(length, &bytes) < 0 || bytes > BODY_BYTES))
		return MHD_HTTP_CONTENT_TOO_LARGE;
	if (server->bodies + bytes > BODIES_BYTES)
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	*ret_room = bytes;
	return 0;
}

/* Who may not ask is told before its body comes. */
static unsigned int client_refusal(const struct kcoh_admission_server *server,
				   struct MHD_Connection *mhd, const char *path, char *why,
				   size_t why_len)
{
	const union MHD_ConnectionInfo *info;

	if (!server->config.tls.client_ca || !strcmp(path, "/healthz"))
		return 0;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info && kcoh_tls_client_is_known(info->tls_session, why, why_len))
		return 0;
	return MHD_HTTP_FORBIDDEN;
}

static enum MHD_Result request_begin(struct generation *generation, struct MHD_Connection *mhd,
				     const char *path, void **con_cls)
{
	struct kcoh_admission_server *server = generation->server;
	struct request *request = calloc(1, sizeof(*request));
	char why[512] = "";
	unsigned int status;
	size_t room = 0;

	if (!request)
		return MHD_NO;
	request->server = server;
	request->connection = mhd;
	*con_cls = request;
	status = client_refusal(server, mhd, path, why, sizeof(why));
	if (!status) {
		status = body_refusal(server, mhd, &room);
		snprintf(why, sizeof(why), "%s",
			 status == MHD_HTTP_SERVICE_UNAVAILABLE ?
				 "too many bodies are being read: ask again" :
				 "a body must have a length of at most 4 MiB");
	}
	if (status) {
		busy_set(mhd, true);
		return answer_error(mhd, status, NULL, "%s", why);
	}
	request->body = room ? malloc(room) : NULL;
	if (room && !request->body)
		return MHD_NO;
	request->body_room = room;
	server->bodies += room;
	return MHD_YES;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *mhd, const char *path,
				  const char *method, const char *version, const char *data,
				  size_t *data_len, void **con_cls)
{
	struct request *request = *con_cls;

	(void)version;
	if (!request)
		return request_begin(cls, mhd, path, con_cls);
	if (*data_len) {
		if (*data_len > request->body_room - request->body_len)
			return MHD_NO;
		memcpy(request->body + request->body_len, data, *data_len);
		request->body_len += *data_len;
		*data_len = 0;
		return MHD_YES;
	}
	busy_set(mhd, true);
	return answer(request, path, method);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
			 enum MHD_RequestTerminationCode code)
{
	(void)cls;
	(void)code;
	busy_set(mhd, false);
	if (*con_cls)
		request_free(*con_cls);
	*con_cls = NULL;
}

/* --- generations -------------------------------------------------------------------------------------------- */

/* Malformed requests and broken handshakes are no news for a log. */
static void on_message(void *cls, const char *format, va_list args)
{
	(void)cls;
	(void)format;
	(void)args;
}

static int on_readable(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct generation *generation = ctx;

	(void)source;
	(void)fd;
	(void)events;
	MHD_run(generation->http);
	return 0;
}

static void generation_free(struct generation *generation)
{
	sd_event_source_disable_unref(generation->io);
	if (generation->http) {
		MHD_run(generation->http); /* what was resumed */
		MHD_stop_daemon(generation->http);
	}
	kcoh_tls_free(&generation->texts);
	free(generation);
}

static struct MHD_Daemon *http_start(struct generation *generation)
{
	const struct kcoh_tls_texts *texts = &generation->texts;
	struct MHD_OptionItem trust[] = {
		{ texts->client_ca ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0,
		  texts->client_ca },
		{ MHD_OPTION_END, 0, NULL },
	};

	return MHD_start_daemon(
		MHD_USE_EPOLL | MHD_USE_TLS | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
			MHD_USE_ERROR_LOG,
		0, NULL, NULL, on_request, generation, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
		MHD_OPTION_CONNECTION_LIMIT, 2 * MAX_CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
		REST_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)HEAD_BYTES * 2,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, generation,
		MHD_OPTION_NOTIFY_COMPLETED, on_completed, generation, MHD_OPTION_HTTPS_PRIORITIES,
		PRIORITIES, MHD_OPTION_HTTPS_MEM_CERT, texts->cert, MHD_OPTION_HTTPS_MEM_KEY,
		texts->key, MHD_OPTION_ARRAY, trust, MHD_OPTION_END);
}

/* With the certificates as they are in their files now. The one before it is old. */
static int generation_add(struct kcoh_admission_server *server, char *err, size_t err_len)
{
	struct generation *generation = calloc(1, sizeof(*generation));
	struct generation *before = LIST_FIRST(&server->generations);
	const union MHD_DaemonInfo *info;
	int bad;

	if (!generation)
		return -ENOMEM;
	generation->server = server;
	bad = kcoh_tls_read(&server->config.tls, &generation->texts, err, err_len);
	if (bad == 0) {
		generation->http = http_start(generation);
		info = generation->http ?
			       MHD_get_daemon_info(generation->http, MHD_DAEMON_INFO_EPOLL_FD) :
			       NULL;
		bad = info ? sd_event_add_io(server->config.event, &generation->io, info->epoll_fd,
					     EPOLLIN, on_readable, generation) :
			     -ENOTSUP;
		snprintf(err, err_len, "libmicrohttpd does not start: is it built with TLS?");
	}
	if (bad < 0) {
		generation_free(generation);
		return bad;
	}
	if (before)
		before->old_ns = now_ns();
	LIST_INSERT_HEAD(&server->generations, generation, link);
	return 0;
}

static void old_end(struct kcoh_admission_server *server)
{
	struct generation *generation = LIST_FIRST(&server->generations), *next;

	for (; generation; generation = next) {
		next = LIST_NEXT(generation, link);
		if (!generation->old_ns ||
		    (generation->connections && now_ns() - generation->old_ns < OLD_NS))
			continue;
		LIST_REMOVE(generation, link);
		generation_free(generation);
	}
}

void kcoh_admission_server_reload(struct kcoh_admission_server *server)
{
	const struct kcoh_tls_paths *tls = &server->config.tls;
	char why[512] = "there is no memory";

	server->files_ns = now_ns();
	if (!kcoh_tls_changed(tls, &LIST_FIRST(&server->generations)->texts.stamp))
		return;
	if (generation_add(server, why, sizeof(why)) == 0)
		say(server, LOG_NOTICE, "%s was read again, and serves from now on", tls->cert);
	else if (!server->complained)
		say(server, LOG_WARNING,
		    "%s has changed and cannot be used: %s; the one before serves on", tls->cert,
		    why);
	server->complained = kcoh_tls_changed(tls, &LIST_FIRST(&server->generations)->texts.stamp);
}

/* --- the loop ----------------------------------------------------------------------------------------------- */

static void all_run(struct kcoh_admission_server *server)
{
	struct generation *generation;

	LIST_FOREACH(generation, &server->generations, link)
	MHD_run(generation->http);
}

static int on_accept(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct kcoh_admission_server *server = ctx;
	struct generation *generation = LIST_FIRST(&server->generations);
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int connection =
		accept4(fd, (struct sockaddr *)&address, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)source;
	(void)events;
	if (connection < 0)
		return 0;
	if (server->connection_count >= MAX_CONNECTIONS && !place_make(server)) {
		close(connection);
		return 0;
	}
	/* On error libmicrohttpd has closed it. */
	MHD_add_connection(generation->http, connection, (struct sockaddr *)&address, len);
	all_run(server);
	return 0;
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	all_run(ctx);
	return 0;
}

static int on_soon(sd_event_source *source, void *ctx)
{
	(void)source;
	all_run(ctx);
	return 0;
}

static int on_look(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_admission_server *server = ctx;

	(void)usec;
	late_cut(server);
	old_end(server);
	if (now_ns() - server->files_ns >= FILES_LOOK_NS)
		kcoh_admission_server_reload(server);
	sd_event_source_set_time_relative(source, LOOK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

/* Before each sleep of the loop: when does libmicrohttpd want to run next? */
static int on_prepare(sd_event_source *source, void *ctx)
{
	struct kcoh_admission_server *server = ctx;
	struct generation *generation;
	MHD_UNSIGNED_LONG_LONG ms, least = UINT64_MAX;
	uint64_t now_us;

	(void)source;
	LIST_FOREACH(generation, &server->generations, link)
	{
		if (MHD_get_timeout(generation->http, &ms) == MHD_YES && ms < least)
			least = ms;
	}
	if (least == UINT64_MAX)
		return sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
	sd_event_now(server->config.event, CLOCK_MONOTONIC, &now_us);
	sd_event_source_set_time(server->timer, now_us + least * 1000);
	return sd_event_source_set_enabled(server->timer, SD_EVENT_ONESHOT);
}

static int loop_join(struct kcoh_admission_server *server)
{
	sd_event *event = server->config.event;
	int err = sd_event_add_io(event, &server->listen, server->config.listen_fd, EPOLLIN,
				  on_accept, server);

	if (err >= 0)
		err = sd_event_add_time(event, &server->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					server);
	if (err >= 0)
		err = sd_event_source_set_enabled(server->timer, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_defer(event, &server->soon, on_soon, server);
	if (err >= 0)
		err = sd_event_source_set_enabled(server->soon, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_add_time_relative(event, &server->look, CLOCK_MONOTONIC, LOOK_US, 0,
						 on_look, server);
	if (err >= 0)
		err = sd_event_source_set_prepare(server->listen, on_prepare);
	return err;
}

/* --- life --------------------------------------------------------------------------------------------------- */

int kcoh_admission_server_new(const struct kcoh_admission_server_config *config,
			      struct kcoh_admission_server **ret_server, char *err, size_t err_len)
{
	struct kcoh_admission_server *server = calloc(1, sizeof(*server));
	int bad;

	snprintf(err, err_len, "there is no memory");
	if (!server) {
		close(config->listen_fd);
		return -ENOMEM;
	}
	server->config = *config;
	TAILQ_INIT(&server->connections);
	server->files_ns = now_ns();
	bad = generation_add(server, err, err_len);
	if (bad == 0) {
		bad = loop_join(server);
		if (bad < 0)
			snprintf(err, err_len, "the loop cannot be set up: %s", strerror(-bad));
	}
	if (bad < 0) {
		kcoh_admission_server_free(server);
		return bad;
	}
	*ret_server = server;
	return 0;
}

void kcoh_admission_server_drain(struct kcoh_admission_server *server)
{
	server->draining = true;
}

void kcoh_admission_server_free(struct kcoh_admission_server *server)
{
	struct generation *generation;
	struct request *request;

	if (!server)
		return;
	sd_event_source_disable_unref(server->listen);
	close(server->config.listen_fd);
	while ((request = LIST_FIRST(&server->waiting))) {
		kcoh_admission_drop(request->ask);
		resume(request);
	}
	while ((generation = LIST_FIRST(&server->generations))) {
		LIST_REMOVE(generation, link);
		generation_free(generation);
	}
	sd_event_source_disable_unref(server->timer);
	sd_event_source_disable_unref(server->soon);
	sd_event_source_disable_unref(server->look);
	free(server);
}
