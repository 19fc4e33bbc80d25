// SPDX-License-Identifier: GPL-2.0-only
/*
 * The API: what each path answers, what it refuses and how, and who may have the socket.
 */
#include "server.h"
#include "store/store.h"

static void health(void **state)
{
	struct answer answer;

	ask_with(*state, "GET", "/healthz", NULL, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "ok\n");
}

static void page(void **state)
{
	struct answer answer;

	ask_with(*state, "GET", "/", NULL, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Type: text/html; charset=utf-8"));
	assert_non_null(strstr(answer.head,
			       "Content-Security-Policy: default-src 'none'; script-src 'sha256-"));
	assert_int_equal(strncmp(answer.body, "<!doctype html>", 15), 0);
	ask_with(*state, "POST", "/", "", &answer);
	assert_int_equal(answer.status, 405);
	refused(*state, "/x", 404, "there is nothing at /x");
}

static void metrics(void **state)
{
	struct answer answer;

	ask_with(*state, "GET", "/metrics", NULL, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "Content-Type: " KCOH_METRICS_CONTENT_TYPE));
	assert_non_null(strstr(answer.body, "kcoh_vm_verdict{vm=\"3\",name=\"web-1\","
					    "verdict=\"veto\"} 1\n"));
	assert_non_null(strstr(answer.body, "kcoh_vm_exits_total{vm=\"3\",name=\"web-1\","
					    "class=\"HVC64\"} 5\n"));
	assert_non_null(strstr(answer.body, "kcoh_vm_tracked{vm=\"8\",name=\"twin\"} 0\n"));
	assert_string_equal(answer.body + answer.len - 6, "# EOF\n");
}

static void history_add(struct bench *bench, uint64_t seconds, const char *name, const char *uuid,
			const char *event)
{
	const struct kcoh_store_config config = { .path = bench->history };
	struct kcoh_store_row row = { seconds * 1000000000 + 5, 3, name, uuid, "verdict", event };
	struct kcoh_store *store;
	char sentence[256];

	assert_int_equal(kcoh_store_open(&config, &store, sentence, sizeof(sentence)), 0);
	kcoh_store_add(store, &row);
	kcoh_store_close(store);
}

static void expect_history(struct bench *bench, const char *path, const char *body)
{
	struct answer answer;

	ask_with(bench, "GET", path, NULL, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, body);
}

static void history(void **state)
{
	struct bench *bench = *state;
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	char sentence[160];

	snprintf(sentence, sizeof(sentence),
		 "cannot read the history %s: unable to open database file", bench->history);
	refused(bench, "/v1/history", 500, sentence);
	history_add(bench, 100, "web-1", UUID, "{\"a\":1}");
	history_add(bench, 200, "gone", NULL, "{\"a\":2}");
	history_add(bench, 300, "old name", UUID, "{\"a\":3}");
	expect_history(bench, "/v1/history", "{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n");
	expect_history(bench, "/v1/history?vm=gone", "{\"a\":2}\n");
	expect_history(bench, "/v1/history?vm=pid:300", "{\"a\":1}\n{\"a\":3}\n");
	expect_history(bench, "/v1/history?since=200&until=300&limit=1", "{\"a\":3}\n");
	expect_history(bench, "/v1/history?until=100", "{\"a\":1}\n");
	expect_history(bench, "/v1/history?since=301", "");
	refused(bench, "/v1/history?since=-1", 400, "since=-1 is no number from 0 to 9223372036");
	refused(bench, "/v1/history?until=99999999999", 400,
		"until=99999999999 is no number from 0 to 9223372035");
	refused(bench, "/v1/history?limit=100001", 400,
		"limit=100001 is no number from 0 to 100000");
	for (size_t i = 0; i < 3; i++) {
		snprintf(sentence, sizeof(sentence), "%s%s", bench->history, suffixes[i]);
		unlink(sentence);
	}
}

static void by_tcp(struct bench *bench, const char *request, const char *status)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char reply[256] = "";

	assert_int_equal(connect(fd, (struct sockaddr *)&bench->tcp, sizeof(bench->tcp)), 0);
	raw_send(fd, request);
	for (int i = 0; i < 20; i++)
		sd_event_run(bench->event, 1000);
	assert_true(recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
	if (strncmp(reply, status, strlen(status)))
		fail_msg("%s", reply);
	close(fd);
}

/* Root asks in this test, and is refused all the same. */
static void tcp_only_reads(void **state)
{
	by_tcp(*state, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ");
	by_tcp(*state, "POST /v1/module/release HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
	       "HTTP/1.1 403 ");
	by_tcp(*state, "GET /v1/vms?times=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403 ");
	by_tcp(*state, "GET /v1/events?exits=1 HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403 ");
	assert_int_equal(((struct bench *)*state)->times_asked, 0);
}

/* Times are asked for, or not; and cannot be had everywhere. */
static void times_on_request(void **state)
{
	struct bench *bench = *state;

	json_decref(ask(bench, "/v1/vms", 200));
	assert_int_equal(bench->times_asked, 0);
	json_decref(ask(bench, "/v1/vms?times=1", 200));
	assert_int_equal(bench->times_asked, 1);
	json_decref(ask(bench, "/v1/vms?times=yes", 400));
	bench->times_err = -EOPNOTSUPP;
	json_decref(ask(bench, "/v1/vms?times=1", 409));
}

static void tcp_addresses(void **state)
{
	static const char *const bad[] = { "",        ":1",       "1",          "localhost:1",
					   "::1:1",   "[::1]",    "[::1]:",     "[]:1",
					   "1.2.3:x", "1.2.3.4:", "1.2.3.4:-1", "1.2.3.4:65536" };
	char sentence[256];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (kcoh_tcp_check(bad[i]) != -EINVAL)
			fail_msg("%s", bad[i]);
	}
	assert_int_equal(kcoh_tcp_check("127.0.0.1:9754"), 0);
	assert_int_equal(kcoh_tcp_check("[::1]:65535"), 0);
	assert_int_equal(kcoh_tcp_open("192.0.2.1:9754", sentence, sizeof(sentence)),
			 -EADDRNOTAVAIL);
	assert_string_equal(sentence,
			    "cannot listen on 192.0.2.1:9754: Cannot assign requested address");
}

static void socket_is_private(void **state)
{
	struct bench *bench = *state;
	struct stat st;

	assert_int_equal(stat(bench->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void a_vm(void **state)
{
	json_t *vm = ask(*state, "/v1/vms/web-1", 200);
	const char *name, *uuid, *state0, *state2, *sctlr, *verdict, *reason, *window, *device;
	json_int_t id, pid, ram, index2, irq, total;
	int open;
	json_t *epoch;

	assert_int_equal(
		json_unpack(
			vm,
			"{s:I, s:s, s:s, s:I, s:I, s:o, s:[{s:s}, {s:I, s:s, s:s}], s:{s:s, s:s}, "
			"s:[{s:s, s:b}, {}], s:{s:I, s:{s:I}}, s:[{s:s}!]}",
			"id", &id, "name", &name, "uuid", &uuid, "pid", &pid, "ram_bytes", &ram,
			"epoch", &epoch, "vcpus", "state", &state0, "index", &index2, "state",
			&state2, "sctlr", &sctlr, "verdict", "verdict", &verdict, "reason", &reason,
			"windows", "class", &window, "open", &open, "exits", "total", &total,
			"classes", "IRQ", &irq, "devices", "device", &device),
		0);
	assert_int_equal(id, 3);
	assert_string_equal(uuid, UUID);
	assert_int_equal(pid, 300);
	assert_int_equal(ram, 256 * 4096);
	assert_true(json_is_null(epoch));
	assert_string_equal(state0, "cached");
	assert_int_equal(index2, 2);
	assert_string_equal(state2, "uncached");
	assert_string_equal(sctlr, "0x30d00800");
	assert_string_equal(verdict, "veto");
	assert_string_equal(reason, "mmu-off");
	assert_string_equal(window, "mmu-off");
	assert_true(open);
	assert_int_equal(irq, 2);
	assert_int_equal(total, 7);
	assert_string_equal(device, "0000:00:01.0");
	json_decref(vm);
	vm = ask(*state, "/v1/vms/a%2Fb%20c%3F", 200);
	assert_int_equal(json_array_size(json_object_get(vm, "devices")), 0);
	assert_true(json_is_array(json_object_get(vm, "devices")));
	json_decref(vm);
}

/* What a vCPU did is told for one VM alone; what is not counted apart is null. */
static void exits_told(void **state)
{
	json_t *vm = ask(*state, "/v1/vms/web-1", 200), *all = ask(*state, "/v1/vms", 200);
	json_t *first = NULL, *missing, *none;
	json_int_t psci, bucket, times, total;

	assert_int_equal(json_unpack(vm, "{s:{s:{s:I}, s:{s:[[I, I]]}}, s:[{s:{s:I}}, {s:{s:o}}]}",
				     "exits", "calls", "psci", &psci, "times", "inside", &bucket,
				     &times, "vcpus", "exits", "total", &total, "exits", "total",
				     &missing),
			 0);
	assert_int_equal(psci, 4);
	assert_int_equal(bucket, 11);
	assert_int_equal(times, 7);
	assert_int_equal(total, 7);
	assert_true(json_is_null(missing));
	assert_int_equal(json_unpack(all, "{s:[{s:[{s?o}]}, {s:{s:o}}]}", "vms", "vcpus", "exits",
				     &first, "exits", "total", &none),
			 0);
	assert_null(first);
	assert_true(json_is_null(none));
	json_decref(vm);
	json_decref(all);
}

static void all_vms(void **state)
{
	json_t *json = ask(*state, "/v1/vms", 200), *vms = json_object_get(json, "vms");
	static const json_int_t ids[] = { 3, 7, 8, 9 };

	assert_int_equal(json_array_size(vms), 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(json_integer_value(json_object_get(json_array_get(vms, i), "id")),
				 ids[i]);
	json_decref(json);
}

static void policy_of_a_vm(void **state)
{
	struct bench *bench = *state;
	json_t *json = ask(bench, "/v1/vms/" UUID "/policy", 200);

	assert_int_equal(json_integer_value(json_object_get(json, "id")), 3);
	json_decref(json);
	json_decref(ask(bench, "/v1/vms/nosuch/policy", 404));
}

static void verdicts(void **state)
{
	static const char *const selectors[] = { "3", "web-1", UUID, "pid:300", "pid%3A300" };
	char path[128];

	for (size_t i = 0; i < sizeof(selectors) / sizeof(selectors[0]); i++) {
		const char *verdict, *sentence;
		json_int_t id;
		json_t *json;

		snprintf(path, sizeof(path), "/v1/vms/%s/verdict", selectors[i]);
		json = ask(*state, path, 200);
		assert_int_equal(json_unpack(json, "{s:I, s:s, s:s}", "id", &id, "verdict",
					     &verdict, "sentence", &sentence),
				 0);
		assert_int_equal(id, 3);
		assert_string_equal(verdict, "veto");
		assert_string_equal(sentence, kcoh_reason_sentence(KCOH_RSN_MMU_OFF));
		json_decref(json);
	}
}

/* The worst counts, and the smallest number of those. */
static void verdict_of_the_host(void **state)
{
	json_t *json = ask(*state, "/v1/host/verdict", 200);
	const char *verdict, *reason, *name;
	json_int_t vm;

	assert_int_equal(json_unpack(json, "{s:s, s:s, s:s, s:I}", "verdict", &verdict, "reason",
				     &reason, "name", &name, "vm", &vm),
			 0);
	assert_string_equal(verdict, "veto");
	assert_string_equal(reason, "mmu-off");
	assert_string_equal(name, "web-1");
	assert_int_equal(vm, 3);
	assert_int_equal(json_array_size(json_object_get(json, "vms")), 4);
	json_decref(json);
}

/* Without the carrier of evacuations (tests/guard has one, and real QEMUs): what is refused before that. */
static void no_evacuations(void **state)
{
	struct answer answer;
	json_t *json = ask(*state, "/v1/evacuations", 200);

	assert_int_equal(json_array_size(json_object_get(json, "evacuations")), 0);
	json_decref(json);
	json = ask(*state, "/v1/vms/web-1/evacuations", 200);
	assert_true(json_is_false(json_object_get(json, "can")));
	json_decref(json);
	refused(*state, "/v1/evacuations/1", 404, "there is no evacuation 1");
	refused(*state, "/v1/evacuations/x", 404, "there is no evacuation x");
	ask_with(*state, "DELETE", "/v1/vms/web-1/evacuations", NULL, &answer);
	assert_int_equal(answer.status, 405);
	assert_non_null(strstr(answer.head, "Allow: GET, POST\r\n"));
	if (geteuid() != 0)
		return;
	ask_with(*state, "POST", "/v1/vms/nosuch/evacuations", "{}", &answer);
	assert_int_equal(answer.status, 404);
	ask_with(*state, "POST", "/v1/vms/web-1/evacuations", "{", &answer);
	assert_int_equal(answer.status, 400);
	assert_non_null(strstr(answer.body, "the body is no JSON"));
	ask_with(*state, "POST", "/v1/vms/web-1/evacuations", "[]", &answer);
	assert_string_equal(answer.body, "{\"error\":\"the body must be a JSON object\"}\n");
	ask_with(*state, "POST", "/v1/vms/web-1/evacuations", "{\"to\": 1}", &answer);
	assert_non_null(strstr(answer.body, "there is no 'to'"));
	ask_with(*state, "POST", "/v1/vms/web-1/evacuations", "{\"destination\":\"tcp:x:1\"}",
		 &answer);
	assert_int_equal(answer.status, 409);
}

static void odd_name(void **state)
{
	json_t *json = ask(*state, "/v1/vms/a%2Fb%20c%3F/verdict", 200);

	assert_string_equal(json_string_value(json_object_get(json, "name")), "a/b c?");
	json_decref(json);
}

/* A VM that the core does not have: no guess. */
static void untracked(void **state)
{
	json_t *json = ask(*state, "/v1/vms/8/verdict", 200);

	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "veto");
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "too-many");
	json_decref(json);
}

static void refusals(void **state)
{
	refused(*state, "/v1/vms/nosuch", 404,
		"no VM matches 'nosuch'; kcoh ps lists those there are");
	refused(*state, "/v1/vms/nosuch/verdict", 404,
		"no VM matches 'nosuch'; kcoh ps lists those there are");
	refused(*state, "/v1/vms/twin", 409,
		"'twin' means VM 7 and VM 8: select one by its number");
	refused(*state, "/v1/vms/pid:x", 400,
		"'pid:x' is no selector: give an id, a name, a UUID or pid:N");
	refused(*state, "/v1/vms/%FF", 404, "the request holds bytes that are not UTF-8");
	refused(*state, "/v1/vms/", 404, "there is nothing at /v1/vms/");
	refused(*state, "/v2", 404, "there is nothing at /v2");
	refused(*state, "/v1/module/release", 405, "/v1/module/release takes POST only");
	refused(*state, "/v1/events?vm=nosuch", 404,
		"no VM matches 'nosuch'; kcoh ps lists those there are");
	refused(*state, "/v1/events?since=x", 400,
		"since=x is no sequence number from 0 to 0, the newest (numbers begin anew when "
		"kcohd is "
		"restarted)");
	refused(*state, "/v1/events?since=1", 400,
		"since=1 is no sequence number from 0 to 0, the newest (numbers begin anew when "
		"kcohd is "
		"restarted)");
}

static void methods(void **state)
{
	struct answer answer;
	char *big = calloc(1, 100001);
	int fd = raw_connect(*state);
	char head[1024] = "";

	ask_with(*state, "DELETE", "/v1/vms", NULL, &answer);
	assert_int_equal(answer.status, 405);
	assert_non_null(strstr(answer.head, "Allow: GET\r\n"));
	ask_with(*state, "POST", "/v1/vms", "hello", &answer);
	assert_int_equal(answer.status, 405);
	raw_send(fd, "HEAD /v1/vms HTTP/1.1\r\nHost: x\r\n\r\n");
	for (int i = 0; i < 100 && !strstr(head, "\r\n\r\n"); i++) {
		sd_event_run(((struct bench *)*state)->event, 1000);
		recv(fd, head, sizeof(head) - 1, MSG_DONTWAIT);
	}
	close(fd);
	assert_int_equal(strncmp(head, "HTTP/1.1 200 OK\r\n", 17), 0);
	assert_string_equal(strstr(head, "\r\n\r\n"), "\r\n\r\n");
	memset(big, 'x', 100000);
	ask_with(*state, "POST", "/v1/module/release", big, &answer);
	assert_int_equal(answer.status, 413);
	free(big);
}

static void clean_says(struct bench *bench, long status, const char *body)
{
	struct answer *answer = malloc(sizeof(*answer));

	ask_with(bench, "POST", "/v1/vms/web-1/clean", "", answer);
	if (answer->status != status || strcmp(answer->body, body))
		fail_msg("%ld: %s", answer->status, answer->body);
	free(answer);
}

/* How many audits of it the log has. */
static unsigned int audits(const struct bench *bench, const char *what)
{
	unsigned int n = 0;

	for (uint64_t seq = kcoh_log_first(bench->log); seq <= kcoh_log_last(bench->log); seq++) {
		const struct kcoh_entry *entry = kcoh_log_get(bench->log, seq);

		n += entry->type == KCOH_ENTRY_AUDIT && !strcmp(entry->audit.what, what);
	}
	return n;
}

static void cleaning(void **state)
{
	struct bench *bench = *state;
	struct answer answer;

	ask_with(bench, "PUT", "/v1/vms/web-1/clean", "", &answer);
	assert_int_equal(answer.status, 405);
	ask_with(bench, "POST", "/v1/vms/no/clean", "", &answer);
	assert_int_equal(answer.status, 404);
	ask_with(bench, "POST", "/v1/vms/web-1/clean", "", &answer);
	if (geteuid() != 0) {
		assert_int_equal(answer.status, 403);
		return;
	}
	assert_int_equal(audits(bench, "clean"), 1); /* although the handler was called twice */
	clean_says(bench, 200,
		   "{\"id\":3,\"name\":\"web-1\",\"uuid\":\"" UUID
		   "\",\"needed\":true,\"sentence\":\"cleaned "
		   "60\",\"complete\":false,\"slots\":2,\"page_size\":4096,\"pages\":100,"
		   "\"cleaned\":60,\"absent\":30,\"no_ram\":9,\"unclean\":1,\"ns\":5000,"
		   "\"run_state\":\"paused\"}\n");
	bench->clean_err = -EBUSY;
	clean_says(bench, 409, "{\"error\":\"not now\"}\n");
	bench->clean_err = -ENODEV;
	clean_says(bench, 404, "{\"error\":\"not now\"}\n");
	bench->clean_at_once = true;
	bench->clean_err = -EOPNOTSUPP;
	clean_says(bench, 409, "{\"error\":\"not at all\"}\n");
	bench->clean_err = -EALREADY;
	clean_says(bench, 200,
		   "{\"id\":3,\"name\":\"web-1\",\"uuid\":\"" UUID
		   "\",\"needed\":false,\"sentence\":\"not at all\"}\n");
}

/* A client that goes away while it waits is nobody to answer; and a server that ends does not wait. */
static void cleaning_is_left(void **state)
{
	struct bench *bench = *state;
	int fd = raw_connect(bench);

	raw_send(fd, "POST /v1/vms/web-1/clean HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	for (int i = 0; i < 100 && !bench->cleaned && geteuid() == 0; i++)
		sd_event_run(bench->event, 10000);
	close(fd);
	for (int i = 0; i < 100 && bench->cleaned; i++)
		sd_event_run(bench->event, 10000);
	assert_null(bench->cleaned);
	fd = raw_connect(bench);
	raw_send(fd, "POST /v1/vms/web-1/clean HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
	for (int i = 0; i < 100 && !bench->cleaned && geteuid() == 0; i++)
		sd_event_run(bench->event, 0);
	close(fd);
}

static void module_release(void **state)
{
	struct bench *bench = *state;
	struct answer answer;

	if (geteuid() != 0) {
		ask_with(bench, "POST", "/v1/module/release", "", &answer);
		assert_int_equal(answer.status, 403);
		return;
	}
	ask_with(bench, "POST", "/v1/module/release", "", &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"released_ns\":30000000000}\n");
	bench->release_err = -ENOENT;
	ask_with(bench, "POST", "/v1/module/release", "{}", &answer);
	assert_int_equal(answer.status, 409);
	assert_string_equal(answer.body, "{\"error\":\"not now\"}\n");
}

static void recordings(void **state)
{
	struct bench *bench = *state;
	struct answer answer;

	ask_with(bench, "GET", "/v1/recordings", "", &answer);
	assert_int_equal(answer.status, 405);
	ask_with(bench, "POST", "/v1/recordings", "", &answer);
	if (geteuid() != 0) {
		assert_int_equal(answer.status, 403);
		return;
	}
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "{\"path\":\"/var/x.rec\"}\n");
	bench->release_err = -EBUSY;
	ask_with(bench, "POST", "/v1/recordings", "", &answer);
	assert_int_equal(answer.status, 409);
	assert_string_equal(answer.body, "{\"error\":\"not now\"}\n");
}

/* A VM whose RAM is being logged keeps the module, unless somebody insists. */
static void expect_error(struct bench *bench, const char *method, const char *path,
			 const char *body, long status, const char *sentence)
{
	struct answer answer;
	char expected[256];

	ask_with(bench, method, path, body, &answer);
	snprintf(expected, sizeof(expected), "{\"error\":\"%s\"}\n", sentence);
	assert_string_equal(answer.body, expected);
	assert_int_equal(answer.status, status);
}

static void override_is_shown(struct bench *bench, const char *verdict, const char *reason,
			      const char *overrides, const char *why)
{
	json_t *of_verdict = ask(bench, "/v1/vms/3/verdict", 200),
	       *vm = ask(bench, "/v1/vms/3", 200);
	json_t *verdict_of_vm = json_object_get(vm, "verdict");
	const json_t *override = json_object_get(vm, "override");

	assert_true(json_equal(json_object_get(of_verdict, "override"), override));
	assert_true(json_equal(json_object_get(of_verdict, "overrides"),
			       json_object_get(verdict_of_vm, "overrides")));
	assert_string_equal(json_string_value(json_object_get(of_verdict, "verdict")), verdict);
	assert_string_equal(json_string_value(json_object_get(of_verdict, "reason")), reason);
	if (why) {
		assert_string_equal(json_string_value(json_object_get(override, "why")), why);
		assert_string_equal(json_string_value(json_object_get(of_verdict, "overrides")),
				    overrides);
	} else {
		assert_true(json_is_null(override));
		assert_true(json_is_null(json_object_get(of_verdict, "overrides")));
	}
	json_decref(of_verdict);
	json_decref(vm);
}

static void overrides(void **state)
{
	static const char path[] = "/v1/vms/web-1/override";
	static const char what[] =
		"an override needs a why (text) and a for (seconds), and nothing "
		"else";
	struct bench *bench = *state;
	struct answer answer;

	if (geteuid() != 0)
		skip();
	override_is_shown(bench, "veto", "mmu-off", NULL, NULL);
	expect_error(bench, "DELETE", path, NULL, 409, "web-1 has no override");
	expect_error(bench, "POST", path, "", 400, what);
	expect_error(bench, "POST", path, "{\"why\":\"x\",\"for\":\"1\"}", 400, what);
	expect_error(bench, "POST", path, "{\"why\":\"x\",\"for\":1,\"force\":true}", 400, what);
	expect_error(bench, "POST", path, "{\"why\":\"x\",\"for\":0}", 400,
		     "for: 1 to 86400 seconds");
	expect_error(bench, "POST", path, "{\"why\":\"x\",\"for\":86401}", 400,
		     "for: 1 to 86400 seconds");
	expect_error(bench, "POST", path, "{\"why\":\"\",\"for\":1}", 400,
		     "why? say it in 1 to 200 bytes");
	expect_error(bench, "POST", path, "{\"why\":\"a\\tb\",\"for\":1}", 400,
		     "the reason holds a control character");
	expect_error(bench, "POST", "/v1/vms/9/override", "{\"why\":\"x\",\"for\":1}", 409,
		     "a/b c? is not tracked");
	expect_error(bench, "POST", "/v1/vms/77/override", "{\"why\":\"x\",\"for\":1}", 404,
		     "no VM matches '77'; kcoh ps lists those there are");
	ask_with(bench, "PUT", path, "{}", &answer);
	assert_int_equal(answer.status, 405);
	assert_non_null(strstr(answer.head, "Allow: POST, DELETE\r\n"));
	assert_int_equal(bench->overridden.until_ns, 0);

	ask_with(bench, "POST", path, "{\"why\":\"rack 7 burns\",\"for\":600}", &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.body, "\"overrides\":\"mmu-off\""));
	override_is_shown(bench, "allow", "override", "mmu-off", "rack 7 burns");
	ask_with(bench, "DELETE", path, NULL, &answer);
	assert_int_equal(answer.status, 200);
	override_is_shown(bench, "veto", "mmu-off", NULL, NULL);
}

static void module_release_in_an_epoch(void **state)
{
	struct bench *bench = *state;
	struct answer answer;

	if (geteuid() != 0)
		skip();
	RECORD(MEMSLOT, memslot, 3, NONE, .pages = 256, .change = KCOH_SLOT_FLAGS,
	       .flags = KCOH_SLOT_LOG_DIRTY);
	ask_with(bench, "POST", "/v1/module/release", "", &answer);
	assert_int_equal(answer.status, 409);
	assert_non_null(strstr(answer.body, "VM 3 (web-1) is in a dirty epoch"));
	ask_with(bench, "POST", "/v1/module/release?force=yes", "", &answer);
	assert_int_equal(answer.status, 400);
	ask_with(bench, "POST", "/v1/module/release?force=1", "", &answer);
	assert_int_equal(answer.status, 200);
	RECORD(MEMSLOT, memslot, 3, NONE, .pages = 256, .change = KCOH_SLOT_FLAGS,
	       .old_flags = KCOH_SLOT_LOG_DIRTY);
	ask_with(bench, "POST", "/v1/module/release", "", &answer);
	assert_int_equal(answer.status, 200);
}

static void host_facts(void **state)
{
	json_t *json = ask(*state, "/v1/host", 200);

	assert_string_equal(json_string_value(json_object_get(json, "kernel")), "6.1");
	json_decref(json);
}

/* One connection, many requests: kept alive. */
static void keep_alive(void **state)
{
	struct bench *bench = *state;
	struct answer answer;
	CURL *curl = client_new(bench, "GET", "/v1/vms/3/verdict", &answer);
	CURLM *multi = curl_multi_init();
	uint64_t deadline = deadline_in(10);
	long connects = 0, one;

	for (int i = 0; i < 50; i++) {
		int running = 1;

		answer.len = answer.head_len = 0;
		curl_multi_add_handle(multi, curl);
		while (running && !is_late(deadline))
			pump(bench, multi, &running);
		assert_false(running);
		curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &one);
		connects += one;
		curl_multi_remove_handle(multi, curl);
	}
	assert_int_equal(connects, 1);
	curl_multi_cleanup(multi);
	curl_easy_cleanup(curl);
}

/* Not HTTP, half of it, too much of it: an answer or a closed connection, and the next one is served. */
static void garbage(void **state)
{
	static const char *const texts[] = {
		"\r\n\r\n\r\n",
		"hello\r\n\r\n",
		"GET\r\n\r\n",
		"GET / HTTP/9.9\r\n\r\n",
		"GET /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
		"GET /v1/vms HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
		"POST /v1/module/release HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
		"chunked\r\n\r\nZZ\r\n",
		"GET /v1/vms/%",
		"\x16\x03\x01\x02\x00\x01",
	};
	struct bench *bench = *state;
	struct answer answer;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = raw_connect(bench);

		raw_send(fd, texts[i]);
		for (int j = 0; j < 20; j++)
			sd_event_run(bench->event, 1000);
		close(fd);
		ask_with(bench, "GET", "/healthz", NULL, &answer);
		assert_int_equal(answer.status, 200);
	}
}

static void one_daemon_a_path(void **state)
{
	struct bench *bench = *state;
	struct kcoh_listen *second = NULL;
	char sentence[256], lock[80];
	int fd;

	assert_int_equal(kcoh_listen_open(bench->path, &second, sentence, sizeof(sentence)),
			 -EADDRINUSE);
	assert_non_null(strstr(sentence, "another kcohd already serves /tmp/"));
	assert_int_equal(access(bench->path, F_OK), 0);

	/* what is left by a daemon that died is replaced; what is no socket is not */
	snprintf(lock, sizeof(lock), "%s/stale", bench->dir);
	assert_int_equal(mknod(lock, S_IFSOCK | 0600, 0), 0);
	assert_int_equal(kcoh_listen_open(lock, &second, sentence, sizeof(sentence)), 0);
	kcoh_listen_close(second);
	assert_int_equal(access(lock, F_OK), -1);
	fd = open(lock, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(kcoh_listen_open(lock, &second, sentence, sizeof(sentence)), -EEXIST);
	assert_non_null(strstr(sentence, "exists and is no socket"));
	assert_int_equal(access(lock, F_OK), 0);
	unlink(lock);
	strcat(lock, ".lock");
	unlink(lock);
	assert_int_equal(
		kcoh_listen_open("/proc/nosuch/k.sock", &second, sentence, sizeof(sentence)),
		-ENOENT);
	assert_non_null(strstr(sentence, "cannot make the directory /proc/nosuch"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(health),
		TEST(socket_is_private),
		TEST(a_vm),
		TEST(all_vms),
		TEST(exits_told),
		TEST(times_on_request),
		TEST(verdicts),
		TEST(odd_name),
		TEST(verdict_of_the_host),
		TEST(no_evacuations),
		TEST(untracked),
		TEST(refusals),
		TEST(methods),
		TEST(cleaning),
		TEST(cleaning_is_left),
		TEST(module_release),
		TEST(module_release_in_an_epoch),
		TEST(host_facts),
		TEST(keep_alive),
		TEST(garbage),
		TEST(one_daemon_a_path),
		TEST(page),
		TEST(metrics),
		TEST(history),
		TEST(tcp_only_reads),
		TEST(tcp_addresses),
		TEST(policy_of_a_vm),
		TEST(overrides),
		TEST(recordings),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
