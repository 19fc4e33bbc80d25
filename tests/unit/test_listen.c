// SPDX-License-Identifier: GPL-2.0-only
/*
 * The Unix socket that systemd made (kcohd.socket): taken over as descriptor 3, by whom LISTEN_PID names, and left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "serve/listen.h"

#define PASSED 3 /* SD_LISTEN_FDS_START */

struct bench {
	char dir[32];
	char path[64];
	char lock[72];
	int made; /* what systemd listens on */
};

static int up(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct bench *bench = calloc(1, sizeof(*bench));

	strcpy(bench->dir, "/tmp/kcoh-listen.XXXXXX");
	if (!mkdtemp(bench->dir))
		return -1;
	snprintf(bench->path, sizeof(bench->path), "%s/k.sock", bench->dir);
	snprintf(bench->lock, sizeof(bench->lock), "%s.lock", bench->path);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench->path);
	bench->made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*state = bench;
	return bind(bench->made, (struct sockaddr *)&address, sizeof(address)) ||
	       listen(bench->made, 4);
}

static int down(void **state)
{
	struct bench *bench = *state;

	close(bench->made);
	unlink(bench->path);
	unlink(bench->lock);
	rmdir(bench->dir);
	free(bench);
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	err = connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? errno : 0;
	close(fd);
	return err;
}

/* In a child, whose descriptor 3 is free to be anything: what kcoh_listen_open() says, then 1 if it accepts. */
static int serve(const char *path, int fd, const char *fds, bool me)
{
	struct kcoh_listen *server = NULL;
	char sentence[256] = "", pid[16];
	int ret, status, accepted = -1;
	pid_t child = fork();

	if (child) {
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		return WEXITSTATUS(status);
	}
	dup2(fd, PASSED);
	snprintf(pid, sizeof(pid), "%d", (int)getpid() + !me);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", fds, 1);
	ret = kcoh_listen_open(path, &server, sentence, sizeof(sentence));
	if (ret == 0 && !connect_to(path)) {
		fd = kcoh_listen_fd(server);
		accepted = accept(fd, NULL, NULL);
		close(fd);
	}
	if (*sentence)
		fprintf(stderr, "%s\n", sentence);
	if (accepted >= 0)
		close(accepted);
	if (ret == 0)
		kcoh_listen_close(server);
	_exit(ret ? -ret : accepted >= 0 ? 200 : 201);
}

static void taken_over_and_left(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(serve(bench->path, bench->made, "1", true), 200);
	assert_int_equal(access(bench->path, F_OK), 0);
	assert_int_equal(connect_to(bench->path), 0); /* systemd still listens */
	assert_int_equal(serve(bench->path, bench->made, "1", true),
			 200); /* the backlog was not lost */
}

static void another_than_configured(void **state)
{
	struct bench *bench = *state;
	char other[80];

	snprintf(other, sizeof(other), "%s/other.sock", bench->dir);
	assert_int_equal(serve(other, bench->made, "1", true), EINVAL);
	assert_int_equal(serve(bench->path, STDERR_FILENO, "1", true), EINVAL);
	assert_int_equal(serve(bench->path, bench->made, "2", true), EINVAL);
	snprintf(other, sizeof(other), "%s/other.sock.lock", bench->dir);
	unlink(other);
}

/* The environment of somebody else, inherited: the socket is made by ourselves. */
static void passed_to_another_process(void **state)
{
	struct bench *bench = *state;

	assert_int_equal(serve(bench->path, bench->made, "1", false), 200);
	assert_int_equal(access(bench->path, F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(taken_over_and_left, up, down),
		cmocka_unit_test_setup_teardown(another_than_configured, up, down),
		cmocka_unit_test_setup_teardown(passed_to_another_process, up, down),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
