// SPDX-License-Identifier: GPL-2.0-only
/*
 * What comes from outside and makes no sense: HTTP requests to the real server, and what a QEMU says to the real QMP client. Right ones
 * are spoilt at 1 to 4 random places; the draws come from a seed, so that a failure can be repeated:
 *
 *   KCOH_MALFORMED=10000 KCOH_SEED=7 build/asan/unit/test_malformed     (make check-malformed; without: 250 of either, seed 1)
 *
 * Each request must get a status line, or its connection be closed, within a minute; each conversation with a QEMU must end by its last answer or
 * with one error, once; then a right one must be served. The sanitizers see the rest.
 */
#include "act/qmp.h"
#include <inttypes.h>
#include "server.h"

#define DEFAULT_COUNT 250
#define DEFAULT_SEED 1
#define TEXT_MAX (256 * 1024)
#define LATE_S 60 /* generous: a busy machine is no failure */

static uint64_t state_of_draws;

/* splitmix64 */
static uint64_t draw(uint64_t below)
{
	uint64_t z = (state_of_draws += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

static uint64_t number_of(const char *variable, uint64_t otherwise)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t begin(const char *what)
{
	uint64_t seed = number_of("KCOH_SEED", DEFAULT_SEED);
	uint64_t count = number_of("KCOH_MALFORMED", DEFAULT_COUNT);

	state_of_draws = seed;
	print_message("%" PRIu64 " %s, KCOH_SEED=%" PRIu64 "\n", count, what, seed);
	return count;
}

/* --- spoiling --------------------------------------------------------------------------------------------- */

struct text {
	size_t len;
	char bytes[TEXT_MAX];
};

static void insert(struct text *text, size_t at, const char *bytes, size_t len)
{
	if (text->len + len > TEXT_MAX)
		return;
	memmove(text->bytes + at + len, text->bytes + at, text->len - at);
	memcpy(text->bytes + at, bytes, len);
	text->len += len;
}

static void insert_spice(struct text *text, size_t at)
{
	static const struct {
		const char *bytes;
		size_t len, times;
	} spices[] = {
#define SPICE(string, times) { string, sizeof(string) - 1, times }
		SPICE("\0", 1),
		SPICE("\xff\xfe", 1),
		SPICE("%", 1),
		SPICE("%00", 1),
		SPICE("%zz", 1),
		SPICE("../", 3),
		SPICE("/", 1),
		SPICE("?", 1),
		SPICE("&", 1),
		SPICE("=", 1),
		SPICE("\r\n", 1),
		SPICE("\n", 1),
		SPICE(":", 1),
		SPICE(" ", 1),
		SPICE("A", 40000),
		SPICE("-1", 1),
		SPICE("18446744073709551616", 1),
		SPICE("{", 1),
		SPICE("}", 1),
		SPICE("[", 5000),
		SPICE("\"", 1),
		SPICE("\\u0000", 1),
		SPICE("\\ud800", 1),
		SPICE("1e999", 1),
		SPICE("null", 1),
		SPICE("Host: y\r\n", 1),
		SPICE("X: y\r\n", 400),
		SPICE("Content-Length: 99999999999\r\n", 1),
		SPICE("Content-Length: 5\r\nContent-Length: 7\r\n", 1),
#undef SPICE
	};
	size_t i = draw(sizeof(spices) / sizeof(spices[0]));

	for (size_t n = 0; n < spices[i].times; n++)
		insert(text, at, spices[i].bytes, spices[i].len);
}

static void remove_some(struct text *text, size_t at)
{
	size_t len = 1 + draw(20);

	len = len < text->len - at ? len : text->len - at;
	memmove(text->bytes + at, text->bytes + at + len, text->len - at - len);
	text->len -= len;
}

static void repeat_some(struct text *text, size_t at)
{
	size_t from = draw(text->len + 1), len = 1 + draw(200);
	char copy[200];

	len = len < text->len - from ? len : text->len - from;
	memcpy(copy, text->bytes + from, len);
	insert(text, at, copy, len);
}

static void spoil_once(struct text *text)
{
	size_t at = draw(text->len + 1);

	switch (draw(5)) {
	case 0:
		insert_spice(text, at);
		break;
	case 1:
		remove_some(text, at);
		break;
	case 2:
		if (at < text->len)
			text->bytes[at] = (char)draw(256);
		break;
	case 3:
		repeat_some(text, at);
		break;
	default:
		text->len = at;
	}
}

static void spoil(struct text *text, const char *right)
{
	text->len = strlen(right);
	memcpy(text->bytes, right, text->len);
	for (uint64_t times = 1 + draw(4); times; times--)
		spoil_once(text);
}

/* --- HTTP ------------------------------------------------------------------------------------------------- */

static const char *const requests[] = {
	"GET /v1/vms HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /v1/vms/web-1/verdict HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n",
	"GET /v1/host/verdict HTTP/1.0\r\n\r\n",
	"GET /v1/events?vm=web-1&since=0 HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /v1/history?vm=web-1&since=1&until=2&limit=3 HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /v1/evacuations/1 HTTP/1.1\r\nHost: x\r\n\r\n",
	"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
	"POST /v1/vms/web-1/evacuations HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n"
	"{\"destination\": \"tcp:there:4444\" }",
	"POST /v1/vms/web-1/override HTTP/1.1\r\nHost: x\r\nContent-Length: 28\r\n\r\n"
	"{\"why\": \"rack 7\", \"for\": 60}",
	"DELETE /v1/vms/web-1/override HTTP/1.1\r\nHost: x\r\n\r\n",
	"POST /v1/vms/web-1/clean HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	"POST /v1/module/release?force=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	"DELETE /v1/evacuations/7 HTTP/1.1\r\nHost: x\r\n\r\n",
	"POST /v1/recordings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
};

static bool would_block(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* Sends what the server takes; false when it takes no more. */
static bool send_some(int fd, const struct text *text, size_t *sent)
{
	ssize_t n = send(fd, text->bytes + *sent, text->len - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		*sent += (size_t)n;
	return n >= 0 || would_block();
}

struct client {
	struct text text;
	uint64_t number; /* of its request */
	int fd; /* -1: over */
	bool sending;
	size_t sent, len;
	char got[16];
};

/* As many as may wait at a time, so that those that wait for a look of the server's wait together. */
#define CLIENTS 64

static void client_begin(struct bench *bench, struct client *client, uint64_t number)
{
	spoil(&client->text, requests[draw(sizeof(requests) / sizeof(requests[0]))]);
	client->number = number;
	client->fd = raw_connect(bench);
	client->sending = true;
	client->sent = client->len = 0;
	memset(client->got, 0, sizeof(client->got));
}

/* A request that is cut off is one, too: its end of the connection is closed, and no more will come. */
static void client_sends(struct client *client)
{
	if (client->sending && (!send_some(client->fd, &client->text, &client->sent) ||
				client->sent == client->text.len)) {
		client->sending = false;
		shutdown(client->fd, SHUT_WR);
	}
}

/* True when it has a status line, or its connection was closed. */
static bool client_hears(struct client *client)
{
	ssize_t n = recv(client->fd, client->got + client->len, 12 - client->len, MSG_DONTWAIT);

	client->len += n > 0 ? (size_t)n : 0;
	return client->len == 12 || n == 0 || (n < 0 && !would_block());
}

/* The status, or 0: closed without one. */
static int client_end(struct client *client)
{
	int status = 0;

	close(client->fd);
	client->fd = -1;
	if (client->len && (client->len < 12 ||
			    sscanf(client->got, "HTTP/1.%*c %3d", &status) != 1 || status < 100))
		fail_msg("request %" PRIu64 ": no status line: %s", client->number, client->got);
	return status;
}

static void clients_run(struct bench *bench, struct client *clients, size_t n, uint64_t *seen)
{
	uint64_t deadline = deadline_in(LATE_S);
	size_t left = n;

	while (left) {
		for (size_t i = 0; i < n; i++) {
			if (clients[i].fd < 0)
				continue;
			if (is_late(deadline))
				fail_msg("request %" PRIu64 ": no answer to %.*s",
					 clients[i].number,
					 (int)(clients[i].text.len < 2000 ? clients[i].text.len :
									    2000),
					 clients[i].text.bytes);
			client_sends(&clients[i]);
			if (!client_hears(&clients[i]))
				continue;
			seen[client_end(&clients[i])]++;
			left--;
		}
		for (size_t i = 0; i < CLIENTS && sd_event_run(bench->event, 0) > 0; i++)
			;
		sd_event_run(bench->event, 1000);
	}
}

static void http(void **state)
{
	uint64_t count = begin("malformed HTTP requests"), seen[600] = { 0 };
	struct client *clients = calloc(CLIENTS, sizeof(*clients));
	struct bench *bench = *state;

	for (uint64_t i = 0; i < count; i += CLIENTS) {
		size_t n = count - i < CLIENTS ? count - i : CLIENTS;

		for (size_t j = 0; j < n; j++)
			client_begin(bench, &clients[j], i + j);
		clients_run(bench, clients, n, seen);
	}
	free(clients);
	print_message("  %7" PRIu64 " closed\n", seen[0]);
	for (int status = 1; status < 600; status++) {
		if (seen[status])
			print_message("  %7" PRIu64 " %d\n", seen[status], status);
	}
	assert_true(seen[200] && seen[400]); /* some are spoilt beyond sense, some are not */
	json_decref(ask(bench, "/v1/vms/web-1/verdict", 200));
}

/* --- QMP -------------------------------------------------------------------------------------------------- */

#define EVENT                                                                                      \
	"{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": \"MIGRATION\", "        \
	"\"data\": "                                                                               \
	"{\"status\": \"active\"}}\r\n"
#define MESSAGES 5

static const char *const messages[MESSAGES] = {
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 7}}, "
	"\"capabilities\": [\"oob\"]}}\r\n",
	"{\"return\": {}, \"id\": 1}\r\n",
	"{\"return\": {\"status\": \"running\", \"singlestep\": false, \"running\": true}, \"id\": "
	"2}\r\n",
	EVENT "{\"return\": {\"status\": \"active\", \"ram\": {\"total\": 1, \"remaining\": 0}}, "
	      "\"id\": 3}\r\n" EVENT,
	"{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 4}\r\n",
};

struct talk {
	sd_event *event;
	int listener, fd; /* QEMU's */
	struct kcoh_qmp *qmp;
	unsigned int answered; /* commands */
	int error; /* 0: none */
	bool over;
	bool closes; /* its owner closes it from inside of the last callback */
};

/* What is said behind the last answer may be an error yet, once, unless the client was closed. */
static void over(struct talk *talk, int error)
{
	assert_true(!talk->over || (!talk->error && error && talk->qmp));
	talk->over = true;
	talk->error = error;
	if (talk->closes) {
		kcoh_qmp_close(talk->qmp);
		talk->qmp = NULL;
	}
}

static void on_done(void *ctx, int error, const json_t *value, const char *sentence)
{
	static const char *const commands[] = { "query-migrate", "migrate_cancel" };
	struct talk *talk = ctx;

	(void)value;
	assert_non_null(sentence);
	assert_true(error == 0 || error == -EREMOTEIO);
	if (talk->answered++ == 2)
		over(talk, 0);
	else
		assert_int_equal(kcoh_qmp_execute(talk->qmp, commands[talk->answered - 1], on_done),
				 0);
}

static void on_ready(void *ctx)
{
	struct talk *talk = ctx;

	assert_int_equal(kcoh_qmp_execute(talk->qmp, "query-status", on_done), 0);
}

static void on_event(void *ctx, const char *name, const json_t *data)
{
	(void)ctx;
	(void)data;
	assert_non_null(name);
}

static void on_failed(void *ctx, int error, const char *sentence)
{
	assert_true(error < 0);
	assert_true(*sentence);
	over(ctx, error);
}

static void talk_begin(struct talk *talk, const char *path)
{
	const struct kcoh_qmp_config config = { .event = talk->event,
						.path = path,
						.greeting_ns = 20000000,
						.deadline_ns = 20000000,
						.ready = on_ready,
						.event_fn = on_event,
						.failed = on_failed,
						.ctx = talk };
	char err[256];

	talk->over = false;
	talk->error = 0;
	talk->answered = 0;
	talk->closes = draw(4) == 0;
	assert_int_equal(kcoh_qmp_open(&config, &talk->qmp, err, sizeof(err)), 0);
	talk->fd = accept4(talk->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(talk->fd >= 0);
}

/* Lets the client do what it can do now. */
static void client_runs(struct talk *talk)
{
	while (!talk->over && sd_event_run(talk->event, 0) > 0)
		;
}

/* QEMU says it, often in two parts. The client may be gone before it was all said. */
static void say(struct talk *talk, const struct text *text)
{
	size_t cut = draw(2) ? draw(text->len + 1) : text->len, sent = 0;
	struct text *part = (struct text *)text;
	size_t len = text->len;

	part->len = cut;
	while (!talk->over && sent < cut && send_some(talk->fd, part, &sent))
		client_runs(talk);
	part->len = len;
	while (!talk->over && sent < len && send_some(talk->fd, part, &sent))
		client_runs(talk);
}

/* One conversation, in which one message is spoilt (`which`; MESSAGES: none). What it ended with: 0 or a negative errno. */
static int converse(struct talk *talk, const char *path, struct text *text, unsigned int which)
{
	uint64_t deadline = deadline_in(LATE_S);
	char heard[4096];

	talk_begin(talk, path);
	for (unsigned int i = 0; i < MESSAGES && !talk->over; i++) {
		if (i == which) {
			spoil(text, messages[i]);
		} else {
			text->len = strlen(messages[i]);
			memcpy(text->bytes, messages[i], text->len);
		}
		say(talk, text);
		client_runs(talk);
		while (read(talk->fd, heard, sizeof(heard)) > 0)
			;
	}
	if (draw(50)) /* else it stays mute until the client has had enough */
		shutdown(talk->fd, SHUT_RDWR);
	while (!talk->over && !is_late(deadline))
		sd_event_run(talk->event, 1000);
	if (!talk->over)
		fail_msg("the conversation does not end");
	kcoh_qmp_close(talk->qmp);
	talk->qmp = NULL;
	close(talk->fd);
	return talk->error;
}

static void qmp(void **state)
{
	uint64_t count = begin("malformed QMP messages"), ended[134] = { 0 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct text *text = malloc(sizeof(*text));
	struct bench *bench = *state;
	struct talk talk = { .event = bench->event };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/qmp", bench->dir);
	talk.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(talk.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(talk.listener, 4), 0);
	for (uint64_t i = 0; i < count; i++)
		ended[-converse(&talk, address.sun_path, text, (unsigned int)draw(MESSAGES))]++;
	for (int error = 0; error < 134; error++) {
		if (ended[error])
			print_message("  %7" PRIu64 " %s\n", ended[error],
				      error ? strerror(error) : "to its end");
	}
	assert_true(ended[0] && ended[EPROTO] && ended[ECONNRESET]);
	assert_int_equal(converse(&talk, address.sun_path, text, MESSAGES), 0);
	free(text);
	close(talk.listener);
	unlink(address.sun_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = { TEST(http), TEST(qmp) };

	return cmocka_run_group_tests_name("malformed", tests, NULL, NULL);
}
