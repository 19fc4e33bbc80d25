// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may act, as far as it can be told without polkit (tests/guard/rights asks a real one), what the audit says of it, and what
 * connections may cost.
 */
#include "server.h"
#include <sys/wait.h>

#include "serve/asker.h"

#define RELEASE "POST /v1/module/release HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"

static void pump_loop(struct bench *bench, int times)
{
	while (times--)
		sd_event_run(bench->event, 1000);
}

static int tcp_connect(struct bench *bench)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&bench->tcp, sizeof(bench->tcp)), 0);
	return fd;
}

static void by_tcp(struct bench *bench)
{
	char reply[512] = "";
	int fd = tcp_connect(bench);

	raw_send(fd, RELEASE);
	pump_loop(bench, 20);
	assert_true(recv(fd, reply, sizeof(reply) - 1, MSG_DONTWAIT) > 0);
	assert_int_equal(strncmp(reply, "HTTP/1.1 403 ", 13), 0);
	assert_non_null(strstr(reply, "over TCP nothing can be done: ask on the Unix socket"));
	close(fd);
}

static const struct kcoh_entry_audit *audit_last(struct bench *bench)
{
	const struct kcoh_entry *entry = kcoh_log_get(bench->log, kcoh_log_last(bench->log));

	assert_non_null(entry);
	assert_int_equal(entry->type, KCOH_ENTRY_AUDIT);
	return &entry->audit;
}

/* Who is at the other end of a socket is this process; of a TCP connection nobody knows. */
static void askers(void **state)
{
	struct kcoh_asker asker;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	kcoh_asker_read(pair[0], &asker);
	assert_true(asker.local);
	assert_int_equal(asker.uid, getuid());
	assert_int_equal(asker.pid, getpid());
	assert_true(asker.start_time > 0);
	assert_string_equal(asker.comm, "test_rights");
	close(pair[0]);
	close(pair[1]);
	pair[0] = tcp_connect(*state);
	kcoh_asker_read(pair[0], &asker);
	assert_false(asker.local);
	assert_int_equal(asker.pid, 0);
	close(pair[0]);
	kcoh_asker_read(-1, &asker);
	assert_false(asker.local);
}

/* The process that asked has ended: polkit would take whoever has its pid now, so it is not asked. */
static void asker_is_gone(void **state)
{
	struct bench *bench = *state;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), accepted, status;
	struct kcoh_asker asker;
	pid_t child;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/gone", bench->dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	child = fork();
	if (child == 0) {
		int mine = socket(AF_UNIX, SOCK_STREAM, 0);

		_exit(connect(mine, (struct sockaddr *)&address, sizeof(address)) < 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	accepted = accept(fd, NULL, NULL);
	kcoh_asker_read(accepted, &asker);
	assert_true(asker.local);
	assert_int_equal(asker.pid, child);
	assert_int_equal(asker.start_time, 0);
	assert_string_equal(asker.comm, "");
	close(accepted);
	close(fd);
	unlink(address.sun_path);
}

static void root_acts(void **state)
{
	const struct kcoh_entry_audit *audit;
	struct bench *bench = *state;
	struct answer answer;

	if (geteuid() != 0)
		skip();
	ask_with(bench, "POST", "/v1/module/release", "", &answer);
	assert_int_equal(answer.status, 200);
	audit = audit_last(bench);
	assert_string_equal(audit->what, "module-release");
	assert_true(audit->allowed);
	assert_false(audit->by_polkit);
	assert_int_equal(audit->uid, 0);
	assert_int_equal(audit->pid, getpid());
	assert_string_equal(audit->comm, "test_rights");
}

/* In a child of another uid: its exit status is what it was answered, without the hundreds. */
static int stranger_asks(struct bench *bench)
{
	pid_t child;
	int status = 0;

	chmod(bench->dir, 0755);
	chmod(bench->path, 0666);
	child = fork();
	if (child == 0) {
		char reply[256] = "";
		int fd;

		if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
			_exit(1);
		fd = raw_connect(bench);
		raw_send(fd, RELEASE);
		while (!strstr(reply, "\r\n") && recv(fd, reply, sizeof(reply) - 1, 0) > 0)
			;
		_exit(atoi(reply + strlen("HTTP/1.1 ")) - 400);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		pump_loop(bench, 1);
	return WEXITSTATUS(status);
}

static void others_do_not(void **state)
{
	const struct kcoh_entry_audit *audit;
	struct bench *bench = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(stranger_asks(bench), 3);
	audit = audit_last(bench);
	assert_false(audit->allowed);
	assert_int_equal(audit->uid, 65534);
	assert_true(audit->pid != (uint32_t)getpid());
}

/* Ten refusals are told, then they are counted: who may not act cannot push the rest out of the log either. */
static void refusals_are_bounded(void **state)
{
	struct bench *bench = *state;
	uint64_t before = kcoh_log_last(bench->log);

	for (int i = 0; i < 14; i++)
		by_tcp(bench);
	assert_int_equal(kcoh_log_last(bench->log) - before, 10);
	assert_int_equal(audit_last(bench)->left_out, 0);
	assert_false(audit_last(bench)->local);
}

static bool is_closed(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT) == 0;
}

/* A client that sends a byte now and then loses its place; one that is answered, or listens to events, does not. */
static void slow_requests_end(void **state)
{
	struct bench *bench = *state;
	uint64_t deadline = deadline_in(20);
	int slow, mute, stream;

	kcoh_serve_free(bench->serve);
	kcoh_listen_close(bench->listen);
	bench->request_ms = 500;
	server_start(bench);
	slow = raw_connect(bench);
	mute = raw_connect(bench);
	stream = raw_connect(bench);
	raw_send(stream, "GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
	raw_send(slow, "GET /healthz HTTP/1.1\r\nX: ");
	while (!is_late(deadline) && (!is_closed(slow) || !is_closed(mute))) {
		send(slow, "y", 1, MSG_NOSIGNAL);
		sd_event_run(bench->event, 20000);
	}
	assert_true(is_closed(slow));
	assert_true(is_closed(mute));
	assert_int_equal(kcoh_serve_streams(bench->serve), 1);
	close(slow);
	close(mute);
	close(stream);
}

/* However many come by TCP, the Unix socket answers. */
static void tcp_has_half(void **state)
{
	struct bench *bench = *state;
	int fds[100], refused = 0;

	for (int i = 0; i < 100; i++) {
		fds[i] = tcp_connect(bench);
		pump_loop(bench, 2);
	}
	for (int i = 0; i < 100; i++)
		refused += is_closed(fds[i]);
	assert_int_equal(refused, 36);
	json_decref(ask(bench, "/v1/vms", 200));
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	pump_loop(bench, 150);
	fds[0] = tcp_connect(bench);
	pump_loop(bench, 5);
	assert_false(is_closed(fds[0]));
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(askers),        TEST(asker_is_gone),        TEST(root_acts),
		TEST(others_do_not), TEST(refusals_are_bounded), TEST(slow_requests_end),
		TEST(tcp_has_half),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
