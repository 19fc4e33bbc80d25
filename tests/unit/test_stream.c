// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream of events: live, from the backlog, for readers that are slow, gone, half closed or too many.
 */
#include "server.h"

struct stream {
	CURL *curl;
	CURLM *multi;
	struct answer answer;
	size_t taken; /* bytes of the body that were looked at */
};

static struct stream *stream_open(struct bench *bench, const char *path)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	stream->curl = client_new(bench, "GET", path, &stream->answer);
	stream->multi = curl_multi_init();
	curl_multi_add_handle(stream->multi, stream->curl);
	return stream;
}

static void stream_close(struct stream *stream)
{
	curl_multi_remove_handle(stream->multi, stream->curl);
	curl_multi_cleanup(stream->multi);
	curl_easy_cleanup(stream->curl);
	free(stream);
}

/* The next event, waited for. */
static json_t *stream_next(struct bench *bench, struct stream *stream)
{
	uint64_t deadline = deadline_in(10);
	int running = 1;

	for (;;) {
		char *line = stream->answer.body + stream->taken, *end = strchr(line, '\n');

		if (end) {
			stream->taken += (size_t)(end + 1 - line);
			return json_loadb(line, (size_t)(end - line), 0, NULL);
		}
		assert_true(running && !is_late(deadline));
		pump(bench, stream->multi, &running);
	}
}

static void expect(struct bench *bench, struct stream *stream, json_int_t seq, const char *type)
{
	json_t *event = stream_next(bench, stream);

	assert_int_equal(json_integer_value(json_object_get(event, "seq")), seq);
	assert_string_equal(json_string_value(json_object_get(event, "type")), type);
	json_decref(event);
}

static void streams_are(struct bench *bench, struct stream *stream, unsigned int count)
{
	uint64_t deadline = deadline_in(10);
	int running;

	while (kcoh_serve_streams(bench->serve) != count) {
		assert_false(is_late(deadline));
		if (stream)
			pump(bench, stream->multi, &running);
		else
			sd_event_run(bench->event, 1000);
	}
}

static void event_add(struct bench *bench, uint32_t vm)
{
	struct kcoh_entry entry = { .ts_ns = 5, .vm = vm, .vcpu = NONE, .type = KCOH_EV_VM_GONE };

	kcoh_log_add(bench->log, &entry);
}

/* Without since= a stream begins now; with it, behind that number. */
static void stream_live(void **state)
{
	struct bench *bench = *state;
	struct stream *live, *all;

	event_add(bench, 3);
	event_add(bench, 3);
	live = stream_open(bench, "/v1/events");
	streams_are(bench, live, 1);
	all = stream_open(bench, "/v1/events?since=0");
	expect(bench, all, 1, "vm-gone");
	expect(bench, all, 2, "vm-gone");
	for (int i = 3; i < 40; i++) {
		event_add(bench, 3);
		expect(bench, live, i, "vm-gone");
		expect(bench, all, i, "vm-gone");
	}
	assert_non_null(strstr(live->answer.head, "application/x-ndjson"));
	stream_close(all);
	streams_are(bench, NULL, 1);
	all = stream_open(bench, "/v1/events?since=38");
	expect(bench, all, 39, "vm-gone");
	stream_close(all);
	stream_close(live);
	streams_are(bench, NULL, 0);
}

/* Only one VM's, but losses are everybody's. */
static void stream_filtered(void **state)
{
	struct bench *bench = *state;
	struct stream *stream = stream_open(bench, "/v1/events?vm=web-1&since=0");
	struct kcoh_entry lost = { .vcpu = NONE, .type = KCOH_ENTRY_LOST };
	struct kcoh_entry scan = { .vcpu = NONE, .type = KCOH_EV_SCAN };

	streams_are(bench, stream, 1);
	event_add(bench, 7);
	event_add(bench, 3);
	kcoh_log_add(bench->log, &scan);
	kcoh_log_add(bench->log, &lost);
	event_add(bench, 7);
	event_add(bench, 3);
	expect(bench, stream, 2, "vm-gone");
	expect(bench, stream, 4, "lost");
	expect(bench, stream, 6, "vm-gone");
	stream_close(stream);
}

/* What fell out of the backlog is told first, as a number. */
static void stream_late(void **state)
{
	struct bench *bench = *state;
	struct stream *stream;
	json_t *event;

	for (int i = 0; i < LOG_ENTRIES + 10; i++)
		event_add(bench, 3);
	stream = stream_open(bench, "/v1/events?since=4");
	event = stream_next(bench, stream);
	assert_string_equal(json_string_value(json_object_get(event, "type")), "lost");
	assert_int_equal(json_integer_value(json_object_get(event, "count")), 6);
	assert_int_equal(json_integer_value(json_object_get(event, "seq")), 10);
	json_decref(event);
	for (int i = 0; i < LOG_ENTRIES; i++)
		expect(bench, stream, 11 + i, "vm-gone");
	stream_close(stream);
}

/*
 * A reader that stops reading: the server goes on, and what it missed is told when it reads again. 20,000 events are
 * more than any socket buffer and the backlog hold.
 */
static void stream_slow(void **state)
{
	struct bench *bench = *state;
	int fd = raw_connect(bench);
	bool lost = false, last = false;
	uint64_t deadline = deadline_in(20);
	char text[65537], end[32];
	struct answer answer;

	raw_send(fd, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
	streams_are(bench, NULL, 1);
	for (int i = 0; i < 20000; i++) {
		event_add(bench, 3);
		sd_event_run(bench->event, 0);
	}
	ask_with(bench, "GET", "/healthz", NULL, &answer);
	assert_int_equal(answer.status, 200);
	snprintf(end, sizeof(end), "\"seq\":%d,", 20000);
	while (!last && !is_late(deadline)) {
		ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

		sd_event_run(bench->event, 1000);
		if (n <= 0)
			continue;
		text[n] = '\0';
		lost |= strstr(text, "\"type\":\"lost\"") != NULL;
		last |= strstr(text, end) != NULL;
	}
	assert_true(lost);
	assert_true(last);
	close(fd);
	streams_are(bench, NULL, 0);
}

/* A reader that goes away while nothing happens is noticed at once. */
static void stream_hangup(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 20; i++) {
		int fd = raw_connect(bench);

		raw_send(fd, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
		streams_are(bench, NULL, 1);
		for (int j = 0; j < i % 3; j++)
			event_add(bench, 3);
		close(fd);
		streams_are(bench, NULL, 0);
	}
}

/* One that closes only its sending side still reads. */
static void stream_half_closed(void **state)
{
	struct bench *bench = *state;
	int fd = raw_connect(bench);
	char text[4096] = "";
	uint64_t deadline = deadline_in(10);
	size_t len = 0;

	raw_send(fd, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
	streams_are(bench, NULL, 1);
	shutdown(fd, SHUT_WR);
	event_add(bench, 3);
	while (!strstr(text, "vm-gone") && !is_late(deadline)) {
		ssize_t n = recv(fd, text + len, sizeof(text) - 1 - len, MSG_DONTWAIT);

		sd_event_run(bench->event, 1000);
		len += n > 0 ? (size_t)n : 0;
		text[len] = '\0';
	}
	assert_non_null(strstr(text, "vm-gone"));
	close(fd);
	streams_are(bench, NULL, 0);
}

static void stream_limit(void **state)
{
	struct bench *bench = *state;
	struct stream *streams[4];

	for (unsigned int i = 0; i < 4; i++) {
		streams[i] = stream_open(bench, "/v1/events");
		streams_are(bench, streams[i], i + 1);
	}
	refused(bench, "/v1/events", 503,
		"4 streams of events are open, which is the limit: close one");
	for (int i = 0; i < 4; i++)
		stream_close(streams[i]);
	streams_are(bench, NULL, 0);
}

/* Streams that are open when the daemon ends are ended, not left hanging. */
static void ends_with_streams(void **state)
{
	struct bench *bench = *state;
	int fd = raw_connect(bench);
	char text[4096];

	raw_send(fd, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
	streams_are(bench, NULL, 1);
	kcoh_serve_free(bench->serve);
	bench->serve = NULL;
	while (read(fd, text, sizeof(text)) > 0)
		;
	close(fd);
	event_add(bench, 3);
}

static void exit_add(struct bench *bench, uint64_t ts_ns, uint32_t vm)
{
	struct kcoh_entry entry = { .ts_ns = ts_ns,
				    .vm = vm,
				    .vcpu = 0,
				    .type = KCOH_EV_EXIT,
				    .ev.exit = { .exit_class = KCOH_EXIT_IRQ } };

	kcoh_log_add(bench->exits_log, &entry);
}

static void exit_expect(struct bench *bench, struct stream *stream, json_int_t ts_ns)
{
	json_t *event = stream_next(bench, stream);

	assert_null(json_object_get(event, "seq"));
	assert_string_equal(json_string_value(json_object_get(event, "type")), "exit");
	assert_int_equal(json_integer_value(json_object_get(event, "ts_ns")), ts_ns);
	json_decref(event);
}

/* Single exits come to who asked, from then on, the older line first; and are recorded only meanwhile. */
static void single_exits(void **state)
{
	struct bench *bench = *state;
	struct stream *plain, *stream;

	exit_add(bench, 1, 3);
	plain = stream_open(bench, "/v1/events");
	streams_are(bench, plain, 1);
	assert_false(bench->records_wanted);
	stream = stream_open(bench, "/v1/events?exits=1&vm=3");
	streams_are(bench, stream, 2);
	assert_true(bench->records_wanted);
	assert_int_equal(bench->records_vm, 3);
	exit_add(bench, 2, 3);
	event_add(bench, 3); /* at 5 */
	exit_add(bench, 7, 9);
	exit_add(bench, 8, 3);
	exit_expect(bench, stream, 2);
	expect(bench, stream, 1, "vm-gone");
	exit_expect(bench, stream, 8);
	expect(bench, plain, 1, "vm-gone");
	stream_close(stream);
	streams_are(bench, NULL, 1);
	assert_false(bench->records_wanted);
	stream_close(plain);
	streams_are(bench, NULL, 0);
}

/* Two that want different VMs want all; exits that went by unread are told as such. */
static void many_exits(void **state)
{
	struct bench *bench = *state;
	struct stream *one = stream_open(bench, "/v1/events?exits=1&vm=3"), *other;
	json_t *event;

	streams_are(bench, one, 1);
	other = stream_open(bench, "/v1/events?exits=1&vm=9");
	streams_are(bench, other, 2);
	assert_true(bench->records_wanted);
	assert_int_equal(bench->records_vm, KCOH_VM_NONE);
	for (int i = 0; i < LOG_ENTRIES + 5; i++)
		exit_add(bench, 100 + (uint64_t)i, 3);
	event = stream_next(bench, one);
	assert_string_equal(json_string_value(json_object_get(event, "of")), "exits");
	assert_int_equal(json_integer_value(json_object_get(event, "count")), 5);
	json_decref(event);
	exit_expect(bench, one, 105);
	stream_close(one);
	streams_are(bench, NULL, 1);
	assert_int_equal(bench->records_vm, 9);
	stream_close(other);
	streams_are(bench, NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(single_exits),      TEST(many_exits),         TEST(stream_live),
		TEST(stream_filtered),   TEST(stream_late),        TEST(stream_slow),
		TEST(stream_hangup),     TEST(stream_half_closed), TEST(stream_limit),
		TEST(ends_with_streams),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
