// SPDX-License-Identifier: GPL-2.0-only
/*
 * listen.c - the daemon's Unix socket.
 *
 * A socket file says nothing about whether somebody is behind it: it outlives a daemon that was killed. Asking
 * it (connect) leaves a race between two daemons that both find nobody. So the right to a path is a lock on
 * PATH.lock, which the kernel gives back however the daemon ends; whoever has it may remove the socket
 * that is left. The lock file itself stays: removing it would let two daemons lock two files of one name.
 *
 * The socket is 0660 from its first moment (umask, not a later chmod), root's and, if there is such a
 * group, group kcoh's.
 *
 * systemd may have made the socket already (kcohd.socket), so that who asks while kcohd is started anew waits and is not
 * refused. It then stays systemd's: it is served, and not removed.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "serve/listen.h"

struct kcoh_listen {
	int fd;
	int lock_fd;
	bool bound;
	struct sockaddr_un address;
};

static int fail(int error, const char *what, const char *path, char *err, size_t err_len)
{
	snprintf(err, err_len, "cannot %s %s: %s", what, path, strerror(error));
	return -error;
}

static int directory_make(const char *path, char *err, size_t err_len)
{
	char copy[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return fail(errno, "make the directory", dir, err, err_len);
	return 0;
}

static int lock_take(struct kcoh_listen *listen, char *err, size_t err_len)
{
	const char *path = listen->address.sun_path;
	char lock[sizeof(listen->address.sun_path) + 8];

	snprintf(lock, sizeof(lock), "%s.lock", path);
	listen->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (listen->lock_fd < 0)
		return fail(errno, "open", lock, err, err_len);
	if (flock(listen->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return fail(errno, "lock", lock, err, err_len);
	snprintf(
		err, err_len,
		"another kcohd already serves %s: stop it first, or give this one another --socket",
		path);
	return -EADDRINUSE;
}

/* Only a socket is removed: a path that names anything else is a mistake in the configuration. */
static int stale_remove(const char *path, char *err, size_t err_len)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail(errno, "look at", path, err, err_len);
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_len, "%s exists and is no socket: give another --socket", path);
		return -EEXIST;
	}
	if (unlink(path) < 0)
		return fail(errno, "remove the stale socket", path, err, err_len);
	return 0;
}

static int bind_private(struct kcoh_listen *listen)
{
	mode_t mask = umask(0117);
	int err = bind(listen->fd, (const struct sockaddr *)&listen->address,
		       sizeof(listen->address));

	err = err < 0 ? -errno : 0;
	umask(mask);
	return err;
}

/* Without the group the socket is root's alone; that is safe, so it is no error. */
static void give_to_group(const char *path)
{
	const struct group *group = getgrnam("kcoh");

	if (group && geteuid() == 0 && chown(path, 0, group->gr_gid) < 0)
		perror("kcohd: chown of the socket");
}

/* The structure's name hides the system call's inside the functions that use it. */
static int listen_start(int fd)
{
	return listen(fd, 64);
}

static int socket_make(struct kcoh_listen *listen, char *err, size_t err_len)
{
	const char *path = listen->address.sun_path;
	int ret;

	listen->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listen->fd < 0)
		return fail(errno, "make a socket for", path, err, err_len);
	ret = bind_private(listen);
	if (ret < 0)
		return fail(-ret, "bind", path, err, err_len);
	listen->bound = true;
	give_to_group(path);
	if (listen_start(listen->fd) < 0)
		return fail(errno, "listen on", path, err, err_len);
	return 0;
}

/* What systemd passed must be the one socket at this path: to serve another one in silence would leave both unserved. */
static int socket_take(struct kcoh_listen *listen, int fds, char *err, size_t err_len)
{
	const char *path = listen->address.sun_path;
	int flags;

	if (fds != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, path, 0) <= 0) {
		snprintf(err, err_len,
			 "systemd passed something else than one listening socket %s: kcohd.socket "
			 "and the configuration must name the same path",
			 path);
		return -EINVAL;
	}
	listen->fd = fcntl(SD_LISTEN_FDS_START, F_DUPFD_CLOEXEC, SD_LISTEN_FDS_START + 1);
	flags = listen->fd < 0 ? -1 : fcntl(listen->fd, F_GETFL);
	if (flags < 0 || fcntl(listen->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return fail(errno, "take over from systemd", path, err, err_len);
	close(SD_LISTEN_FDS_START);
	return 0;
}

int kcoh_listen_open(const char *path, struct kcoh_listen **ret_listen, char *err, size_t err_len)
{
	int passed = sd_listen_fds(1), ret;
	struct kcoh_listen *listen;

	if (strlen(path) >= sizeof(listen->address.sun_path)) {
		snprintf(err, err_len, "the socket path %s is longer than %zu bytes", path,
			 sizeof(listen->address.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	listen = calloc(1, sizeof(*listen));
	if (!listen)
		return fail(ENOMEM, "serve", path, err, err_len);
	listen->fd = -1;
	listen->lock_fd = -1;
	listen->address.sun_family = AF_UNIX;
	strcpy(listen->address.sun_path, path);
	ret = directory_make(path, err, err_len);
	if (ret == 0)
		ret = lock_take(listen, err, err_len);
	if (ret == 0 && passed)
		ret = socket_take(listen, passed, err, err_len);
	if (ret == 0 && !passed)
		ret = stale_remove(path, err, err_len);
	if (ret == 0 && !passed)
		ret = socket_make(listen, err, err_len);
	if (ret < 0)
		kcoh_listen_close(listen);
	else
		*ret_listen = listen;
	return ret;
}

void kcoh_listen_close(struct kcoh_listen *listen)
{
	if (!listen)
		return;
	if (listen->bound)
		unlink(listen->address.sun_path);
	if (listen->fd >= 0)
		close(listen->fd);
	if (listen->lock_fd >= 0)
		close(listen->lock_fd);
	free(listen);
}

int kcoh_listen_fd(const struct kcoh_listen *listen)
{
	return fcntl(listen->fd, F_DUPFD_CLOEXEC, 3);
}
