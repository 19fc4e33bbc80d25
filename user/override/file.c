// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - small JSON files that must be whole and root's.
 *
 * A file is written beside its place and renamed, so that whoever reads it sees the old one or the new one. One that others than root (or who
 * reads it) own, or may write, is not believed: it lets migrations through.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "override/file.h"

static int fail(int error, const char *what, const char *path, char *err, size_t err_len)
{
	snprintf(err, err_len, "cannot %s %s: %s", what, path, strerror(error));
	return -error;
}

static int text_write(const char *path, const char *text, mode_t mode)
{
	size_t len = strlen(text);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int error = 0;

	if (fd < 0)
		return errno;
	errno = ENOSPC; /* of a write that is short */
	if (fchmod(fd, mode) < 0 || write(fd, text, len) != (ssize_t)len)
		error = errno;
	if (close(fd) < 0 && !error)
		error = errno;
	return error;
}

int kcoh_override_file_write(const char *path, const json_t *json, mode_t mode, char *err,
			     size_t err_len)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_SORT_KEYS), *beside = NULL;
	int error = ENOMEM;

	if (text && asprintf(&beside, "%s.new", path) >= 0) {
		unlink(beside); /* of one that was killed */
		error = text_write(beside, text, mode);
		if (!error && rename(beside, path) < 0)
			error = errno;
		if (error)
			unlink(beside);
		free(beside);
	}
	free(text);
	return error ? fail(error, "write", path, err, err_len) : 0;
}

static bool is_trusted(const struct stat *st)
{
	return S_ISREG(st->st_mode) && (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH));
}

int kcoh_override_file_read(const char *path, json_t **ret_json, char *err, size_t err_len)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	json_error_t error;
	struct stat st;

	if (fd < 0)
		return fail(errno, "read", path, err, err_len);
	if (fstat(fd, &st) < 0 || !is_trusted(&st)) {
		close(fd);
		snprintf(err, err_len, "%s is not believed: others than root may have written it",
			 path);
		return -EPERM;
	}
	*ret_json = json_loadfd(fd, 0, &error);
	close(fd);
	if (*ret_json)
		return 0;
	snprintf(err, err_len, "%s is damaged: %s", path, error.text);
	return -EBADMSG;
}

int kcoh_override_why_check(const char *why, char *err, size_t err_len)
{
	size_t len = strlen(why);

	if (!len || len >= KCOH_WHY_BYTES) {
		snprintf(err, err_len, "why? say it in 1 to %d bytes", KCOH_WHY_BYTES - 1);
		return -EINVAL;
	}
	for (; *why; why++) {
		if ((unsigned char)*why >= ' ' && *why != 0x7f)
			continue;
		snprintf(err, err_len, "the reason holds a control character");
		return -EINVAL;
	}
	return 0;
}

char *kcoh_override_path(const char *socket_path, const char *name)
{
	const char *slash = strrchr(socket_path, '/');
	int directory = slash ? (int)(slash - socket_path) + 1 : 0;
	char *path;

	return asprintf(&path, "%.*s%s", directory, socket_path, name) < 0 ? NULL : path;
}
