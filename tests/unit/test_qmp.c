// SPDX-License-Identifier: GPL-2.0-only
/*
 * QMP against a peer that talks: a thread on the other end of a real Unix socket follows a script.
 *
 * A script is one line of text a step:  "<word" waits until a message with that word came, ">text" sends text, "|"
 * in it is a place where the text is cut into two writes with a pause between, "." closes the connection, "?"
 * says nothing until the client has gone, "~300" nothing for 300 ms. A new connection goes on where the script is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "act/cancel.h"
#include "act/json_stream.h"
#include "act/qmp.h"

#define MS 1000000ull

#define GREETING                                                                                   \
	">{\"QMP\": {\"version\": {\"qemu\": {\"major\": 7}}, \"capabilities\": [\"oob\"]}}\r\n"
#define READY GREETING, "<qmp_capabilities", ">{\"return\": {}, \"id\": 1}\r\n"
#define STATUS(id, status)                                                                         \
	"<query-migrate", ">{\"return\": {\"status\": \"" status "\"}, \"id\": " #id "}\r\n"

struct peer {
	char path[64];
	const char *const *script;
	int fd;
	pthread_t thread;
	bool surprised; /* the client closed, or said nothing, where a message was expected */
};

/* A message ends where its braces do; the client sends one at a time. */
static bool message_wait(struct peer *peer, int fd, const char *word)
{
	char text[4096] = "";
	size_t len = 0;
	ssize_t n;

	while (len + 1 < sizeof(text)) {
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

		if (poll(&poll_fd, 1, 5000) != 1)
			break;
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
		if (strstr(text, word) && text[len - 1] == '}')
			return true;
	}
	peer->surprised = true;
	return false;
}

static void text_send(int fd, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "|");

		if (send(fd, text, n, MSG_NOSIGNAL) < 0)
			return;
		text += n;
		if (*text == '|') {
			usleep(2000);
			text++;
		}
	}
}

static void hangup_wait(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

/* Plays steps to one client: false at the end of the script. */
static bool play(struct peer *peer, int fd)
{
	for (; *peer->script; peer->script++) {
		const char *step = *peer->script;

		if (*step == '<' && !message_wait(peer, fd, step + 1))
			return true;
		if (*step == '>')
			text_send(fd, step + 1);
		if (*step == '?')
			hangup_wait(fd);
		if (*step == '~')
			usleep((useconds_t)atoi(step + 1) * 1000);
		if (*step == '.' || *step == '?') {
			peer->script++;
			return true;
		}
	}
	hangup_wait(fd);
	return false;
}

static void *peer_run(void *ctx)
{
	struct peer *peer = ctx;
	bool more = true;

	while (more && *peer->script) {
		int fd = accept(peer->fd, NULL, NULL);

		if (fd < 0)
			break;
		more = play(peer, fd);
		close(fd);
	}
	return NULL;
}

static void peer_start(struct peer *peer, const char *const *script)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	*peer = (struct peer){ .script = script };
	snprintf(peer->path, sizeof(peer->path), "/tmp/kcoh-qmp-%d.sock", getpid());
	strcpy(address.sun_path, peer->path);
	unlink(peer->path);
	peer->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(peer->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(peer->fd, 4), 0);
	assert_int_equal(pthread_create(&peer->thread, NULL, peer_run, peer), 0);
}

static void peer_end(struct peer *peer)
{
	shutdown(peer->fd, SHUT_RDWR);
	pthread_join(peer->thread, NULL);
	close(peer->fd);
	unlink(peer->path);
}

struct outcome {
	struct kcoh_cancel *job;
	bool done;
	int result;
	char sentence[384];
	enum kcoh_phase phases[16];
	int phase_count;
	bool free_in_done;
};

static void on_phase(void *ctx, enum kcoh_phase phase)
{
	struct outcome *outcome = ctx;

	if (outcome->phase_count < 16)
		outcome->phases[outcome->phase_count++] = phase;
}

static void on_done(void *ctx, int result, const char *sentence)
{
	struct outcome *outcome = ctx;

	assert_false(outcome->done);
	outcome->done = true;
	outcome->result = result;
	snprintf(outcome->sentence, sizeof(outcome->sentence), "%s", sentence);
	if (outcome->free_in_done) {
		kcoh_cancel_free(outcome->job);
		outcome->job = NULL;
	}
}

/* Runs a cancel of a VM with that pid on that path to its end. */
static struct outcome cancel_on(const char *path, uint32_t pid, uint64_t command_ms,
				uint64_t total_ms)
{
	struct outcome outcome = { .free_in_done = total_ms % 2 };
	struct kcoh_cancel_config config = {
		.path = path,
		.pid = pid,
		.command_ns = command_ms * MS,
		.total_ns = total_ms * MS,
		.phase = on_phase,
		.done = on_done,
		.ctx = &outcome,
	};
	sd_event *event;

	assert_true(sd_event_new(&event) >= 0);
	config.event = event;
	assert_int_equal(kcoh_cancel_start(&config, &outcome.job), 0);
	assert_false(outcome.done);
	while (!outcome.done)
		assert_true(sd_event_run(event, 10ull * 1000 * 1000) > 0);
	kcoh_cancel_free(outcome.job);
	sd_event_unref(event);
	return outcome;
}

static struct outcome cancel(const char *const *script, uint64_t command_ms, uint64_t total_ms)
{
	struct outcome outcome;
	struct peer peer;

	peer_start(&peer, script);
	outcome = cancel_on(peer.path, (uint32_t)getpid(), command_ms, total_ms);
	peer_end(&peer);
	assert_false(peer.surprised);
	return outcome;
}

#define RUN(command_ms, total_ms, ...)                                                             \
	cancel((const char *const[]){ __VA_ARGS__, NULL }, command_ms, total_ms)

static void succeeds(void **state)
{
	static const enum kcoh_phase phases[] = { KCOH_PHASE_ACTIVE, KCOH_PHASE_CANCELLING,
						  KCOH_PHASE_CANCELLED };
	struct outcome outcome = RUN(2000, 5000, READY, STATUS(2, "active"), "<migrate_cancel",
				     ">{\"return\": {}, \"id\": 3}\r\n", STATUS(4, "cancelling"),
				     STATUS(5, "cancelled"));

	(void)state;
	assert_int_equal(outcome.result, 0);
	assert_string_equal(outcome.sentence, "the migration is cancelled, the guest runs on here");
	assert_int_equal(outcome.phase_count, 3);
	assert_memory_equal(outcome.phases, phases, sizeof(phases));
}

/* Messages cut anywhere, several in one write, over many lines, with braces in strings, events between. */
static void cut_anywhere(void **state)
{
	struct outcome outcome =
		RUN(2000, 5001,
		    ">{|\"QMP\"|: {\n  \"version\": \"}{\\\"]\",\n  \"capabil|ities\": []\n}\n}|\n",
		    "<qmp_capabilities",
		    ">{\"event\": \"STOP\", \"timestamp\": {\"seconds\": 1}}\r\n{\"return|\": {}, "
		    "\"id\": 1}\r\n",
		    "<query-migrate",
		    ">{\"event\": \"RTC_CHANGE\", \"data\": {\"offset\": 0}}\r\n{\"return\": "
		    "{\"status\": "
		    "\"ac|tive\", \"ram\": {\"total\": 1}}, \"id\": 2}",
		    "<migrate_cancel", ">{\"id\": 3, \"return\": {}}", STATUS(4, "cancelled"));

	(void)state;
	assert_int_equal(outcome.result, 0);
}

/* Somebody had switched QEMU's events on: no need to ask. */
static void by_event(void **state)
{
	struct outcome outcome = RUN(2000, 5000, READY, STATUS(2, "active"), "<migrate_cancel",
				     ">{\"return\": {}, \"id\": 3}\r\n"
				     "{\"event\": \"MIGRATION\", \"data\": {\"status\": "
				     "\"cancelled\"}, \"timestamp\": {}}\r\n");

	(void)state;
	assert_int_equal(outcome.result, 0);
	assert_int_equal(outcome.phases[outcome.phase_count - 1], KCOH_PHASE_CANCELLED);
}

static void nothing_to_cancel(void **state)
{
	struct outcome none =
		RUN(2000, 5000, READY, "<query-migrate", ">{\"return\": {}, \"id\": 2}");
	struct outcome completed = RUN(2000, 5000, READY, STATUS(2, "completed"));
	struct outcome failed = RUN(2000, 5000, READY, STATUS(2, "failed"));
	struct outcome postcopy = RUN(2000, 5000, READY, STATUS(2, "postcopy-active"));

	(void)state;
	assert_int_equal(none.result, -ENOENT);
	assert_string_equal(none.sentence, "no migration is under way");
	assert_int_equal(completed.result, -EALREADY);
	assert_int_equal(failed.result, 0);
	assert_int_equal(postcopy.result, -EBUSY);
	assert_non_null(strstr(postcopy.sentence, "would lose it"));
}

/* It completes between question and order: QEMU takes the order, and it changes nothing. */
static void too_late(void **state)
{
	struct outcome outcome = RUN(2000, 5000, READY, STATUS(2, "device"), "<migrate_cancel",
				     ">{\"return\": {}, \"id\": 3}", STATUS(4, "completed"));

	(void)state;
	assert_int_equal(outcome.result, -EALREADY);
}

static void refused(void **state)
{
	struct outcome outcome = RUN(
		2000, 5000, READY, STATUS(2, "active"), "<migrate_cancel",
		">{\"id\": 3, \"error\": {\"class\": \"GenericError\", \"desc\": \"Not now\"}}");
	struct outcome greeting =
		RUN(1000, 5001, GREETING, "<qmp_capabilities",
		    ">{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"Not you\"}}",
		    "?");

	(void)state;
	assert_int_equal(outcome.result, -EREMOTEIO);
	assert_string_equal(outcome.sentence, "Not now");
	assert_int_equal(greeting.result, -EREMOTEIO);
	assert_string_equal(greeting.sentence, "Not you");
}

/* QEMU hangs up, twice; the third try is answered. */
static void tries_again(void **state)
{
	struct outcome outcome = RUN(2000, 5000, ".", READY, STATUS(2, "active"), "<migrate_cancel",
				     ".", READY, STATUS(2, "cancelled"));

	(void)state;
	assert_int_equal(outcome.result, 0);
}

static void silence(void **state)
{
	struct outcome greeting = RUN(100, 351, "?");
	struct outcome answer = RUN(1000, 1100, READY, "<query-migrate", "?", "?");

	(void)state;
	assert_int_equal(greeting.result, -ETIMEDOUT);
	assert_non_null(strstr(greeting.sentence, "another client holds the socket"));
	assert_int_equal(answer.result, -ETIMEDOUT);
	assert_string_equal(answer.sentence, "QEMU did not answer query-migrate in time");
}

/* Another client had the socket; it leaves before the time is over, and the one who waited is served. */
static void waits_its_turn(void **state)
{
	struct outcome outcome = RUN(100, 2000, "~300", READY, STATUS(2, "active"),
				     "<migrate_cancel", ">{\"return\": {}, \"id\": 3}\r\n",
				     STATUS(4, "cancelled"));

	(void)state;
	assert_int_equal(outcome.result, 0);
}

/* QEMU took the order and is still at it when the time is over. */
static void slow_cancel(void **state)
{
	struct outcome outcome = RUN(2000, 1175, READY, STATUS(2, "active"), "<migrate_cancel",
				     ">{\"return\": {}, \"id\": 3}", STATUS(4, "cancelling"),
				     STATUS(5, "cancelling"), "?");

	(void)state;
	assert_int_equal(outcome.result, -ETIMEDOUT);
	assert_string_equal(outcome.sentence,
			    "QEMU accepted migrate_cancel but is still cancelling");
}

static void nonsense(void **state)
{
	static const struct {
		const char *sent;
		int result;
	} cases[] = {
		{ ">HTTP/1.0 400 Bad Request\r\n", -EPROTO },
		{ ">{\"hello\": 1}", -EPROTO },
		{ ">{\"QMP\": 1]", -EPROTO },
		{ ">{\"QMP\" 1}", -EPROTO },
		{ ">{\"QMP\": {}}{\"return\": {}, \"id\": 77}", -EPROTO },
		{ ">{\"QMP\": {}}{\"neither\": 0}", -EPROTO },
		{ ">{\"QMP\": {}}}", -EPROTO },
		{ ">{\"QMP\": {}}{\"error\": {\"class\": \"GenericError\", \"desc\": \"JSON parse "
		  "error\"}}",
		  -EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct outcome outcome = RUN(1000, 5000, cases[i].sent, "?");

		assert_int_equal(outcome.result, cases[i].result);
		assert_true(*outcome.sentence);
	}
}

static void nobody_there(void **state)
{
	struct outcome outcome = cancel_on("/tmp/kcoh-no-such-socket", 0, 100, 150);

	(void)state;
	assert_int_equal(outcome.result, -ENOENT);
	assert_string_equal(outcome.sentence,
			    "cannot connect to the QMP socket "
			    "/tmp/kcoh-no-such-socket: No such file or directory");
}

/* Told at once, without a word to the wrong QEMU. */
static void another_vms_socket(void **state)
{
	static const char *const script[] = { ">x", NULL };
	struct outcome outcome;
	struct peer peer;

	(void)state;
	peer_start(&peer, script);
	outcome = cancel_on(peer.path, (uint32_t)getpid() + 1, 1000, 5000);
	peer_end(&peer);
	assert_int_equal(outcome.result, -EXDEV);
	assert_non_null(strstr(outcome.sentence, "correct qmp= in the configuration"));
}

/* Freed in the middle of things: no callback, no leak. */
static void given_up(void **state)
{
	static const char *const script[] = { GREETING, "<qmp_capabilities", "?", NULL };
	struct outcome outcome = { 0 };
	struct kcoh_cancel_config config = { .done = on_done, .ctx = &outcome };
	struct peer peer;
	sd_event *event;

	(void)state;
	for (int runs = 0; runs < 6; runs++) {
		peer_start(&peer, script);
		assert_true(sd_event_new(&event) >= 0);
		config.event = event;
		config.path = peer.path;
		assert_int_equal(kcoh_cancel_start(&config, &outcome.job), 0);
		for (int i = 0; i < runs; i++)
			sd_event_run(event, 20000);
		kcoh_cancel_free(outcome.job);
		sd_event_unref(event);
		peer_end(&peer);
	}
	assert_false(outcome.done);
}

/* A stream that is cut at each of its places gives the same messages. */
static void json_cuts(void **state)
{
	static const char text[] =
		" {\"a\": \"}\\\\\\\"{\"}\r\n{\"b\": [{}, [1, 2]]}{\"c\": null} ";
	size_t len = sizeof(text) - 1, room;

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct kcoh_json_stream stream = { 0 };
		json_t *object;
		int seen = 0;

		for (int part = 0; part < 2; part++) {
			size_t n = part ? len - cut : cut;
			char *space = kcoh_json_stream_space(&stream, &room);

			memcpy(space, text + (part ? cut : 0), n);
			kcoh_json_stream_filled(&stream, n);
			while (kcoh_json_stream_next(&stream, &object) == 1) {
				seen++;
				json_decref(object);
			}
		}
		assert_int_equal(seen, 3);
		kcoh_json_stream_release(&stream);
	}
}

/* A message that never ends does not fill the memory. */
static void json_endless(void **state)
{
	struct kcoh_json_stream stream = { 0 };
	json_t *object;
	size_t room, total = 0;
	char *space;

	(void)state;
	while ((space = kcoh_json_stream_space(&stream, &room))) {
		memset(space, total ? 'x' : '{', room);
		if (!total)
			memset(space, '{', 1), memset(space + 1, '"', room - 1), space[2] = 'x';
		kcoh_json_stream_filled(&stream, room);
		total += room;
		if (kcoh_json_stream_next(&stream, &object) != 0)
			break;
		assert_true(total < 4 * KCOH_JSON_STREAM_MAX);
	}
	kcoh_json_stream_release(&stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(succeeds),           cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(by_event),           cmocka_unit_test(nothing_to_cancel),
		cmocka_unit_test(too_late),           cmocka_unit_test(refused),
		cmocka_unit_test(tries_again),        cmocka_unit_test(silence),
		cmocka_unit_test(slow_cancel),        cmocka_unit_test(waits_its_turn),
		cmocka_unit_test(nonsense),           cmocka_unit_test(nobody_there),
		cmocka_unit_test(another_vms_socket), cmocka_unit_test(given_up),
		cmocka_unit_test(json_cuts),          cmocka_unit_test(json_endless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
