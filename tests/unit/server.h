/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * server.h - a real server on a real Unix socket, asked by libcurl, in one thread: a test runs the server's loop
 * whenever it waits for an answer.
 */
#ifndef KCOH_TESTS_SERVER_H
#define KCOH_TESTS_SERVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "clean/clean.h"
#include "serve/listen.h"
#include "serve/serve.h"
#include "serve/tcp.h"

#define UUID "00112233-4455-6677-8899-aabbccddeeff"
#define LOG_ENTRIES 64

struct bench {
	char dir[32];
	char path[64];
	char history[64]; /* a database that is not there until a test makes it */
	struct sockaddr_in tcp; /* where it listens, too */
	sd_event *event;
	struct kcoh_listen *listen;
	struct kcoh_roster *roster;
	struct kcoh_core *core;
	void *memory;
	struct kcoh_log *log;
	struct kcoh_serve *serve;
	int release_err;
	struct kcoh_override_view overridden; /* VM 3, by the API */
	char why[64];
	unsigned int request_ms;
	struct kcoh_log *exits_log;
	unsigned int times_asked;
	int times_err;
	int clean_err; /* of the cleaning that is asked for next; at once, or in the end */
	bool clean_at_once;
	kcoh_serve_cleaned_fn cleaned;
	void *cleaned_ctx;
	bool records_wanted;
	uint32_t records_vm;
};

struct answer {
	long status;
	char body[131072];
	size_t len;
	char head[4096];
	size_t head_len;
};

/* VM 3 has two vCPUs; the second one's exits are not counted apart. */
static inline int exits(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts)
{
	(void)ctx;
	memset(ret_counts, 0, sizeof(*ret_counts));
	if (vm != 3 || vcpu == 2)
		return -ENOENT;
	ret_counts->classes[0x16] = 5; /* HVC64 */
	ret_counts->classes[KCOH_EXIT_IRQ] = 2;
	ret_counts->calls[2] = 4; /* psci */
	ret_counts->times[9][11] = 7; /* inside, 2 to 4 us */
	return 0;
}

static inline int times(void *ctx)
{
	struct bench *bench = ctx;

	bench->times_asked++;
	return bench->times_err;
}

static inline void exit_records(void *ctx, bool wanted, uint32_t vm)
{
	struct bench *bench = ctx;

	bench->records_wanted = wanted;
	bench->records_vm = vm;
}

static inline json_t *devices(void *ctx, uint32_t vm)
{
	(void)ctx;
	return vm == 3 ? json_pack("[{s:s}]", "device", "0000:00:01.0") : json_array();
}

static inline json_t *host(void *ctx)
{
	(void)ctx;
	return json_pack("{s:s}", "kernel", "6.1");
}

static inline json_t *policy(void *ctx, const struct kcoh_ident *ident)
{
	(void)ctx;
	return json_pack("{s:i, s:[{s:s, s:s, s:s, s:i, s:s}, {s:s, s:s, s:n, s:i, s:n}], s:{s:s}}",
			 "id", (int)ident->id, "settings", "key", "strategy", "value", "veto",
			 "file", "/etc/kcoh/kcoh.conf", "line", 7, "section", "vm web-*", "key",
			 "guard", "value", "warn", "file", "line", 0, "section", "config", "error",
			 "/etc/kcoh/kcoh.conf:9: no");
}

static inline int record_to(void *ctx, char *ret_path, size_t path_len, char *err, size_t err_len)
{
	struct bench *bench = ctx;

	snprintf(ret_path, path_len, "/var/x.rec");
	snprintf(err, err_len, "not now");
	return bench->release_err;
}

static inline int release(void *ctx, uint64_t *ret_ns, char *err, size_t err_len)
{
	struct bench *bench = ctx;

	*ret_ns = 30000000000;
	snprintf(err, err_len, "not now");
	return bench->release_err;
}

static inline void record(struct bench *bench, union kcoh_ev *ev, uint16_t type, size_t size,
			  uint32_t vm, uint16_t vcpu)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];

	ev->hdr = (struct kcoh_ev_hdr){
		.ts_ns = 1000, .vm = vm, .vcpu = vcpu, .type = type, .size = (uint16_t)size
	};
	assert_true(kcoh_core_step(bench->core, &ev->hdr, size, acts, KCOH_CORE_MAX_ACTS) >= 0);
}

#define RECORD(TYPE, member, vm, vcpu, ...)                                                        \
	record(bench, &(union kcoh_ev){ .member = { .hdr = { 0 }, ##__VA_ARGS__ } },               \
	       KCOH_EV_##TYPE, sizeof(((union kcoh_ev *)0)->member), vm, vcpu)
#define NONE KCOH_VCPU_NONE

/* VM 3 "web-1": two vCPUs, one with its MMU off. VMs 7 and 8 share a name. VM 9 has a slash in it. */
static inline void vms_make(struct bench *bench)
{
	RECORD(HOST, host, 0, NONE, .features = KCOH_HOST_MODULE | KCOH_HOST_TRAP,
	       .page_size = 4096);
	RECORD(VM_NEW, vm_new, 3, NONE, .pid = 300, .comm = "qemu");
	RECORD(MEMSLOT, memslot, 3, NONE, .pages = 256, .change = KCOH_SLOT_CREATE);
	RECORD(VCPU, vcpu, 3, 0, .sctlr = 0x30d0198d, .state = KCOH_CACHED,
	       .source = KCOH_SRC_TRAP);
	RECORD(VCPU, vcpu, 3, 2, .sctlr = 0x30d00800, .state = KCOH_UNCACHED,
	       .source = KCOH_SRC_SAMPLE);
	RECORD(VM_NEW, vm_new, 7, NONE, .pid = 700, .comm = "qemu");
	RECORD(VM_NEW, vm_new, 9, NONE, .pid = 900, .comm = "qemu");
	kcoh_roster_add(bench->roster, kcoh_ident_new(3, 300, "qemu", "web-1", UUID));
	kcoh_roster_add(bench->roster, kcoh_ident_new(7, 700, "qemu", "twin", NULL));
	kcoh_roster_add(bench->roster, kcoh_ident_new(8, 800, "qemu", "twin", NULL));
	kcoh_roster_add(bench->roster, kcoh_ident_new(9, 900, "qemu", "a/b c?", NULL));
}

static inline int override_give(void *ctx, const struct kcoh_ident *ident, uint32_t uid,
				uint64_t ns, const char *why, char *err, size_t err_len)
{
	struct bench *bench = ctx;

	if (ident->id != 3) {
		snprintf(err, err_len, "%s is not tracked", ident->name);
		return -EBUSY;
	}
	bench->overridden = (struct kcoh_override_view){ 1000 + ns, uid, 1 };
	snprintf(bench->why, sizeof(bench->why), "%s", why);
	RECORD(OVERRIDE, override, 3, NONE, .until_ns = 1000 + ns, .uid = uid, .number = 1);
	return 0;
}

static inline int override_end(void *ctx, const struct kcoh_ident *ident, uint32_t uid, char *err,
			       size_t err_len)
{
	struct bench *bench = ctx;

	if (!bench->overridden.until_ns) {
		snprintf(err, err_len, "%s has no override", ident->name);
		return -ENOENT;
	}
	bench->overridden.until_ns = 0;
	RECORD(OVERRIDE, override, 3, NONE, .uid = uid);
	return 0;
}

static inline json_t * override(void *ctx, uint32_t vm)
{
	struct bench *bench = ctx;

	if (vm != 3 || !bench->overridden.until_ns)
		return NULL;
	return json_pack("{s:i, s:s, s:i, s:I}", "uid", (int)bench->overridden.uid, "why",
			 bench->why, "given_ns", 1000, "until_ns",
			 (json_int_t)bench->overridden.until_ns);
}

/* The end of what clean() began. */
static inline int clean_end(sd_event_source *source, uint64_t usec, void *ctx)
{
	static const struct kcoh_clean_result result = { .slots = 2,
							 .pages = 100,
							 .cleaned = 60,
							 .absent = 30,
							 .no_ram = 9,
							 .unclean = 1,
							 .ns = 5000,
							 .run_state = "paused" };
	struct bench *bench = ctx;
	kcoh_serve_cleaned_fn done = bench->cleaned;

	(void)source;
	(void)usec;
	bench->cleaned = NULL;
	done(bench->cleaned_ctx, bench->clean_err, bench->clean_err ? NULL : &result,
	     bench->clean_err ? "not now" : "cleaned 60");
	return 0;
}

static inline int clean(void *ctx, struct kcoh_ident *ident, kcoh_serve_cleaned_fn done,
			void *done_ctx, char *err, size_t err_len)
{
	struct bench *bench = ctx;

	(void)ident;
	snprintf(err, err_len, "not at all");
	if (bench->clean_at_once)
		return bench->clean_err;
	if (bench->cleaned)
		return -EBUSY;
	bench->cleaned = done;
	bench->cleaned_ctx = done_ctx;
	return sd_event_add_time_relative(bench->event, NULL, CLOCK_MONOTONIC, 1000, 0, clean_end,
					  bench) < 0 ?
		       -ENOMEM :
		       0;
}

static inline void server_start(struct bench *bench)
{
	struct kcoh_serve_config config = {
		.event = bench->event,
		.roster = bench->roster,
		.core = bench->core,
		.log = bench->log,
		.page_size = 4096,
		.max_streams = 4,
		.request_ms = bench->request_ms,
		.exits = exits,
		.exits_log = bench->exits_log,
		.exit_records = exit_records,
		.times = times,
		.devices = devices,
		.host = host,
		.policy = policy,
		.history = bench->history,
		.override_give = override_give,
		.override_end = override_end,
		.override = override,
		.module_release = release,
		.record = record_to,
		.clean = clean,
		.ctx = bench,
	};
	char sentence[256];

	socklen_t len = sizeof(bench->tcp);

	config.tcp_fd = kcoh_tcp_open("127.0.0.1:0", sentence, sizeof(sentence));
	assert_true(config.tcp_fd > 0);
	getsockname(config.tcp_fd, (struct sockaddr *)&bench->tcp, &len);
	if (kcoh_listen_open(bench->path, &bench->listen, sentence, sizeof(sentence)))
		fail_msg("%s", sentence);
	config.listen_fd = kcoh_listen_fd(bench->listen);
	assert_int_equal(kcoh_serve_new(&config, &bench->serve), 0);
}

static inline int set_up(void **state)
{
	static const struct kcoh_core_config bounds = { 8, 4, 8 };
	struct bench *bench = calloc(1, sizeof(*bench));

	strcpy(bench->dir, "/tmp/kcoh-api-XXXXXX");
	assert_non_null(mkdtemp(bench->dir));
	snprintf(bench->path, sizeof(bench->path), "%s/sub/k.sock", bench->dir);
	snprintf(bench->history, sizeof(bench->history), "%s/history.db", bench->dir);
	bench->memory = malloc(kcoh_core_size(&bounds));
	bench->core = kcoh_core_init(bench->memory, kcoh_core_size(&bounds), &bounds);
	kcoh_roster_new(&bench->roster);
	kcoh_log_new(LOG_ENTRIES, &bench->log);
	kcoh_log_new(LOG_ENTRIES, &bench->exits_log);
	assert_true(sd_event_new(&bench->event) >= 0);
	vms_make(bench);
	server_start(bench);
	*state = bench;
	return 0;
}

static inline int tear_down(void **state)
{
	struct bench *bench = *state;
	char lock[80];

	kcoh_serve_free(bench->serve);
	kcoh_listen_close(bench->listen);
	assert_int_equal(access(bench->path, F_OK), -1);
	sd_event_unref(bench->event);
	kcoh_log_free(bench->log);
	kcoh_log_free(bench->exits_log);
	kcoh_roster_free(bench->roster);
	free(bench->memory);
	snprintf(lock, sizeof(lock), "%s.lock", bench->path);
	unlink(lock);
	*strrchr(bench->path, '/') = '\0';
	rmdir(bench->path);
	assert_int_equal(rmdir(bench->dir), 0);
	free(bench);
	return 0;
}

static inline size_t on_body(char *bytes, size_t one, size_t len, void *ctx)
{
	struct answer *answer = ctx;

	(void)one;
	if (answer->len + len >= sizeof(answer->body))
		return 0;
	memcpy(answer->body + answer->len, bytes, len);
	answer->len += len;
	answer->body[answer->len] = '\0';
	return len;
}

static inline size_t on_head(char *bytes, size_t one, size_t len, void *ctx)
{
	struct answer *answer = ctx;

	(void)one;
	if (answer->head_len + len >= sizeof(answer->head))
		return 0;
	memcpy(answer->head + answer->head_len, bytes, len);
	answer->head_len += len;
	answer->head[answer->head_len] = '\0';
	return len;
}

static inline CURL *client_new(struct bench *bench, const char *method, const char *path,
			       struct answer *answer)
{
	CURL *curl = curl_easy_init();
	char url[512];

	memset(answer, 0, sizeof(*answer));
	snprintf(url, sizeof(url), "http://x%s", path);
	curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, bench->path);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, answer);
	return curl;
}

static inline void pump(struct bench *bench, CURLM *multi, int *ret_running)
{
	assert_int_equal(curl_multi_perform(multi, ret_running), CURLM_OK);
	assert_true(sd_event_run(bench->event, 1000) >= 0);
}

static inline uint64_t deadline_in(int seconds)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec + (uint64_t)seconds;
}

static inline bool is_late(uint64_t deadline)
{
	return deadline_in(0) > deadline;
}

static inline void ask_with(struct bench *bench, const char *method, const char *path,
			    const char *body, struct answer *answer)
{
	CURL *curl = client_new(bench, method, path, answer);
	uint64_t deadline = deadline_in(10);
	CURLM *multi = curl_multi_init();
	int running = 1;

	if (body)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
	curl_multi_add_handle(multi, curl);
	while (running && !is_late(deadline))
		pump(bench, multi, &running);
	assert_false(running);
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_multi_remove_handle(multi, curl);
	curl_multi_cleanup(multi);
	curl_easy_cleanup(curl);
}

static inline json_t *ask(struct bench *bench, const char *path, long status)
{
	struct answer *answer = malloc(sizeof(*answer));
	json_t *json;

	ask_with(bench, "GET", path, NULL, answer);
	if (answer->status != status)
		fail_msg("%s: status %ld: %s", path, answer->status, answer->body);
	json = json_loads(answer->body, 0, NULL);
	assert_non_null(json);
	free(answer);
	return json;
}

static inline void refused(struct bench *bench, const char *path, long status, const char *sentence)
{
	json_t *json = ask(bench, path, status);

	assert_string_equal(json_string_value(json_object_get(json, "error")), sentence);
	assert_int_equal(json_object_size(json), 1);
	json_decref(json);
}

static inline int raw_connect(struct bench *bench)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, bench->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static inline void raw_send(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

#endif
