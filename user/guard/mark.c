// SPDX-License-Identifier: GPL-2.0-only
/*
 * mark.c - marks as JSON, one small file each, replaced by rename: who reads it finds the old or the new one.
 *
 *   /run/kcoh/evacuations/4711.json
 *   {"pid":4711,"start_time":812345,"name":"web-1","qmp":"/run/qemu/web-1.qmp","destination":"tcp:host2:4444",
 *    "deadline_ns":81234567890,"pause_ns":2000000000,"was_running":true,"had_pause":false}
 *
 * It lies under /run, which a reboot empties, as it does QEMU.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guard/mark.h"
#include "names/process.h"

#define SUFFIX ".json"

static int path_make(const char *dir, uint32_t pid, const char *suffix, char **ret_path)
{
	return asprintf(ret_path, "%s/%" PRIu32 "%s", dir, pid, suffix) < 0 ? -ENOMEM : 0;
}

static int file_write(const char *path, json_t *json)
{
	FILE *file;
	int err;

	unlink(path);
	file = fopen(path, "wxe");
	if (!file)
		return -errno;
	err = json_dumpf(json, file, JSON_COMPACT) < 0 ? -EIO : 0;
	if (fclose(file) == EOF && err == 0)
		err = -errno;
	return err;
}

int kcoh_mark_write(const char *dir, const struct kcoh_mark *mark)
{
	json_t *json = json_pack(
		"{s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:b, s:b}", "pid", (json_int_t)mark->pid,
		"start_time", (json_int_t)mark->start_time, "name", mark->name, "qmp", mark->qmp,
		"destination", mark->destination, "deadline_ns", (json_int_t)mark->deadline_ns,
		"pause_ns", (json_int_t)mark->pause_ns, "was_running", (int)mark->past.was_running,
		"had_pause", (int)mark->past.had_pause);
	char *path = NULL, *fresh = NULL;
	int err = json ? path_make(dir, mark->pid, SUFFIX, &path) : -ENOMEM;

	if (err == 0)
		err = path_make(dir, mark->pid, ".new", &fresh);
	if (err == 0)
		err = file_write(fresh, json);
	if (err == 0 && rename(fresh, path) < 0)
		err = -errno;
	json_decref(json);
	free(path);
	free(fresh);
	return err;
}

void kcoh_mark_remove(const char *dir, uint32_t pid)
{
	char *path;

	if (path_make(dir, pid, SUFFIX, &path) < 0)
		return;
	unlink(path);
	free(path);
}

void kcoh_mark_free(struct kcoh_mark *mark)
{
	if (!mark)
		return;
	free(mark->name);
	free(mark->qmp);
	free(mark->destination);
	free(mark);
}

static struct kcoh_mark *mark_parse(json_t *json)
{
	const char *name, *qmp, *destination;
	struct kcoh_mark *mark;
	json_int_t pid, start_time, deadline_ns, pause_ns;
	int was_running, had_pause;

	if (json_unpack(json, "{s:I, s:I, s:s, s:s, s:s, s:I, s:I, s:b, s:b}", "pid", &pid,
			"start_time", &start_time, "name", &name, "qmp", &qmp, "destination",
			&destination, "deadline_ns", &deadline_ns, "pause_ns", &pause_ns,
			"was_running", &was_running, "had_pause", &had_pause) < 0 ||
	    pid <= 0 || pid > INT32_MAX)
		return NULL;
	mark = calloc(1, sizeof(*mark));
	if (!mark)
		return NULL;
	*mark = (struct kcoh_mark){ .pid = (uint32_t)pid,
				    .start_time = (uint64_t)start_time,
				    .name = strdup(name),
				    .qmp = strdup(qmp),
				    .destination = strdup(destination),
				    .deadline_ns = (uint64_t)deadline_ns,
				    .pause_ns = (uint64_t)pause_ns,
				    .past = { was_running, had_pause } };
	if (mark->name && mark->qmp && mark->destination)
		return mark;
	kcoh_mark_free(mark);
	return NULL;
}

static void file_take(const char *dir, const char *name,
		      void (*fn)(void *ctx, struct kcoh_mark *mark), void *ctx)
{
	struct kcoh_mark *mark;
	json_t *json;
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		return;
	json = json_load_file(path, 0, NULL);
	mark = json ? mark_parse(json) : NULL;
	if (mark)
		fn(ctx, mark);
	else
		unlink(path);
	json_decref(json);
	free(path);
}

int kcoh_marks_read(const char *dir, void (*fn)(void *ctx, struct kcoh_mark *mark), void *ctx)
{
	DIR *open = opendir(dir);
	const struct dirent *entry;

	if (!open)
		return errno == ENOENT ? 0 : -errno;
	while ((entry = readdir(open))) {
		if (*entry->d_name != '.')
			file_take(dir, entry->d_name, fn, ctx);
	}
	closedir(open);
	return 0;
}

bool kcoh_mark_lives(const struct kcoh_mark *mark)
{
	return kcoh_process_start_time(mark->pid) == mark->start_time;
}
