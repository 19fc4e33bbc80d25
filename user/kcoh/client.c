// SPDX-License-Identifier: GPL-2.0-only
/*
 * client.c - asks kcohd.
 *
 * libcurl speaks HTTP over the Unix socket; the host name in the URL has no meaning. Its multi interface is used for
 * streams, since that can wait for other descriptors too: a signalfd, so that Ctrl-C ends a stream and not the
 * program in the middle of a line, and standard output, so that `kcoh trace | head -1` ends when head does and not
 * with the next event, which may be hours away.
 */
#include <curl/curl.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "kcoh/client.h"
#include "serve/paths.h"

#define ANSWER_SECONDS 10L
#define LINE_MAX_BYTES (1u << 20)

const struct argp common_argp;

static error_t on_common(int key, char *arg, struct argp_state *state)
{
	struct common_options *options = state->input;

	if (key != 's')
		return ARGP_ERR_UNKNOWN;
	options->socket = arg;
	return 0;
}

static const struct argp_option common_argp_options[] = {
	{ "socket", 's', "PATH", 0, "Ask the kcohd on this Unix socket (" KCOH_SOCKET ")", 10 },
	{ 0 },
};

const struct argp common_argp = { common_argp_options, on_common, NULL, NULL, NULL, NULL, NULL };

struct buffer {
	char *bytes;
	size_t len;
};

static size_t on_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct buffer *buffer = ctx;
	char *more = realloc(buffer->bytes, buffer->len + len + 1);

	(void)one;
	if (!more)
		return 0;
	memcpy(more + buffer->len, bytes, len);
	buffer->bytes = more;
	buffer->len += len;
	more[buffer->len] = '\0';
	return len;
}

const char *client_socket(const struct common_options *options)
{
	return options->socket ? options->socket : KCOH_SOCKET;
}

static CURL *request_new(const struct common_options *options, const char *method, const char *path)
{
	CURL *curl = curl_easy_init();
	char url[2048];

	if (!curl)
		return NULL;
	snprintf(url, sizeof(url), "http://kcohd%s", path);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client_socket(options));
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	if (!strcmp(method, "POST"))
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
	else if (strcmp(method, "GET"))
		curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	return curl;
}

static bool is_forbidden(CURL *curl, CURLcode code)
{
	long error = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
	return code == CURLE_COULDNT_CONNECT && (error == EACCES || error == EPERM);
}

/* Why libcurl got nothing, in one sentence. */
static int complain_of(CURL *curl, CURLcode code, const char *socket)
{
	if (code != CURLE_COULDNT_CONNECT)
		return complain("kcohd at %s: %s", socket, curl_easy_strerror(code));
	if (is_forbidden(curl, code))
		return complain("you may not ask kcohd at %s: be root, or in group kcoh", socket);
	return complain(
		"no kcohd answers at %s (is it running? start it with: systemctl start kcohd)",
		socket);
}

/* The sentence in {"error": …}, or what else came. */
static int complain_answer(long status, const char *body)
{
	json_t *json = json_loads(body ? body : "", 0, NULL);
	const char *sentence = json_string_value(json_object_get(json, "error"));

	if (sentence)
		complain("%s", sentence);
	else
		complain("kcohd answered with HTTP status %ld", status);
	json_decref(json);
	return STATUS_ERROR;
}

static int answer_take(CURL *curl, const char *body, json_t **ret_json)
{
	long status = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (status != 200 && status != 202)
		return complain_answer(status, body);
	*ret_json = json_loads(body ? body : "", 0, NULL);
	return *ret_json ? STATUS_OK : complain("kcohd's answer is no JSON");
}

static CURLcode perform(CURL *curl, struct buffer *body, long seconds)
{
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, seconds);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
	return curl_easy_perform(curl);
}

json_t *client_try(const struct common_options *options, const char *path)
{
	CURL *curl = request_new(options, "GET", path);
	struct buffer body = { 0 };
	json_t *json = NULL;
	long status = 0;

	if (curl && perform(curl, &body, ANSWER_SECONDS) == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		json = status == 200 && body.bytes ? json_loads(body.bytes, 0, NULL) : NULL;
	}
	free(body.bytes);
	curl_easy_cleanup(curl);
	return json;
}

bool client_is_silent(const struct common_options *options)
{
	CURL *curl = request_new(options, "GET", "/healthz");
	struct buffer body = { 0 };
	CURLcode code;
	bool silent;

	if (!curl)
		return false;
	code = perform(curl, &body, ANSWER_SECONDS);
	silent = code != CURLE_OK && !is_forbidden(curl, code);
	free(body.bytes);
	curl_easy_cleanup(curl);
	return silent;
}

static int send_within(const struct common_options *options, const char *method, const char *path,
		       const json_t *sent, long seconds, json_t **ret_json)
{
	CURL *curl = request_new(options, method, path);
	char *text = sent ? json_dumps(sent, JSON_COMPACT) : NULL;
	struct buffer body = { 0 };
	CURLcode code;
	int status;

	if (!curl || (sent && !text)) {
		free(text);
		curl_easy_cleanup(curl);
		return complain("libcurl cannot be set up");
	}
	if (text)
		curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, text);
	free(text);
	code = perform(curl, &body, seconds);
	status = code == CURLE_OK ? answer_take(curl, body.bytes, ret_json) :
				    complain_of(curl, code, client_socket(options));
	free(body.bytes);
	curl_easy_cleanup(curl);
	return status;
}

int client_send(const struct common_options *options, const char *method, const char *path,
		const json_t *sent, json_t **ret_json)
{
	return send_within(options, method, path, sent, ANSWER_SECONDS, ret_json);
}

int client_wait(const struct common_options *options, const char *path, long seconds,
		json_t **ret_json)
{
	return send_within(options, "POST", path, NULL, seconds, ret_json);
}

int client_ask(const struct common_options *options, const char *method, const char *path,
	       json_t **ret_json)
{
	return client_send(options, method, path, NULL, ret_json);
}

char *client_escape(const char *text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";
	char *escaped = malloc(3 * strlen(text) + 1), *out = escaped;

	for (; escaped && *text; text++) {
		if (strchr(unreserved, *text))
			*out++ = *text;
		else
			out += sprintf(out, "%%%02X", (unsigned char)*text);
	}
	if (escaped)
		*out = '\0';
	return escaped;
}

char *client_vm_path(const char *selector, const char *rest)
{
	char *escaped = client_escape(selector), *path = NULL;

	if (escaped && asprintf(&path, "/v1/vms/%s%s", escaped, rest) < 0)
		path = NULL;
	free(escaped);
	return path;
}

struct stream {
	CURL *curl;
	CURLM *multi;
	int signals;
	struct buffer held; /* the line that is not complete */
	bool (*line)(void *ctx, const char *text, size_t len);
	void *ctx;
	bool enough; /* the reader wants no more */
};

/* Hands out whole lines; what follows the last one is held. */
static void lines_take(struct stream *stream)
{
	char *start = stream->held.bytes, *end = start + stream->held.len, *newline;

	while (!stream->enough && (newline = memchr(start, '\n', (size_t)(end - start)))) {
		*newline = '\0';
		if (newline > start && !stream->line(stream->ctx, start, (size_t)(newline - start)))
			stream->enough = true;
		start = newline + 1;
	}
	stream->held.len = (size_t)(end - start);
	memmove(stream->held.bytes, start, stream->held.len);
}

static size_t on_stream(char *bytes, size_t one, size_t len, void *ctx)
{
	struct stream *stream = ctx;
	long status = 0;

	if (on_bytes(bytes, one, len, &stream->held) != len || stream->held.len > LINE_MAX_BYTES)
		return 0;
	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		lines_take(stream);
	return stream->enough ? 0 : len;
}

static int signals_open(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool output_is_closed(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	return poll(&out, 1, 0) > 0 && out.revents & (POLLERR | POLLHUP | POLLNVAL);
}

static bool wants_end(struct stream *stream)
{
	struct signalfd_siginfo info;

	return output_is_closed() || read(stream->signals, &info, sizeof(info)) > 0;
}

/* Runs until the transfer is over (*ret_code says how) or somebody wants its end: false then. */
static bool stream_run(struct stream *stream, CURLcode *ret_code)
{
	int running = 1, left;
	const CURLMsg *message;

	while (!stream->enough && !wants_end(stream)) {
		struct curl_waitfd wait[] = {
			{ .fd = stream->signals, .events = CURL_WAIT_POLLIN },
			{ .fd = STDOUT_FILENO },
		};

		if (curl_multi_perform(stream->multi, &running) != CURLM_OK)
			break;
		while ((message = curl_multi_info_read(stream->multi, &left))) {
			*ret_code = message->data.result;
			return !stream->enough;
		}
		curl_multi_poll(stream->multi, wait, 2, 1000, NULL);
	}
	return false;
}

static int stream_end(struct stream *stream, CURLcode code, const struct common_options *options)
{
	curl_off_t length = -1;
	long status = 0;

	curl_easy_getinfo(stream->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status && status != 200)
		return complain_answer(status, stream->held.bytes);
	/* One whose length was said beforehand has come to its end; events have none. */
	curl_easy_getinfo(stream->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	if (code == CURLE_OK && length >= 0)
		return STATUS_OK;
	if (code == CURLE_OK || code == CURLE_PARTIAL_FILE || code == CURLE_RECV_ERROR)
		return complain("kcohd ended the stream of events (was it stopped?)");
	return complain_of(stream->curl, code, client_socket(options));
}

int client_stream(const struct common_options *options, const char *path,
		  bool (*line)(void *ctx, const char *text, size_t len), void *ctx)
{
	struct stream stream = { .line = line, .ctx = ctx };
	CURLcode code = CURLE_OK;
	int status = STATUS_OK;

	stream.curl = request_new(options, "GET", path);
	stream.multi = curl_multi_init();
	stream.signals = signals_open();
	if (!stream.curl || !stream.multi || stream.signals < 0)
		return complain("libcurl cannot be set up");
	curl_easy_setopt(stream.curl, CURLOPT_WRITEFUNCTION, on_stream);
	curl_easy_setopt(stream.curl, CURLOPT_WRITEDATA, &stream);
	curl_multi_add_handle(stream.multi, stream.curl);
	if (stream_run(&stream, &code))
		status = stream_end(&stream, code, options);
	curl_multi_remove_handle(stream.multi, stream.curl);
	curl_multi_cleanup(stream.multi);
	curl_easy_cleanup(stream.curl);
	close(stream.signals);
	free(stream.held.bytes);
	return status;
}
