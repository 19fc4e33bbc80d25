// SPDX-License-Identifier: GPL-2.0-only
/*
 * recorder.c - what the core was told last, kept in memory, and written to a file when something is to be explained.
 *
 * A recording is written 2 s after an alert, a loss of records or a blind window of some VM (so that it holds what followed), but one a
 * minute at most, and at once for `kcoh record`. A thread writes it: a slow disk holds nothing up. The oldest files beyond `recordings_keep`
 * are removed. In the first 10 s nothing is written by itself: VMs are being met, and are blind until they were read.
 *
 *   /var/lib/kcoh/recordings/20261122T181530Z-alert.rec
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "kcohd/daemon.h"
#include "record/file.h"
#include "record/ring.h"

#define SEC_NS 1000000000ull
#define DELAY_NS (2 * SEC_NS)
#define PAUSE_NS (60 * SEC_NS)
#define QUIET_NS (10 * SEC_NS)
#define SUFFIX ".rec"

enum writing { WRITER_IDLE, WRITER_BUSY, WRITER_DONE };

struct recorder {
	struct kcoh_record_ring *ring;
	uint64_t begun_ns;
	uint64_t due_ns; /* when to write; 0: nothing is due */
	uint64_t written_ns; /* when a file was last begun */
	const char *why; /* of what is due */
	uint64_t blind; /* blind windows of all VMs, as counted last */
	pthread_t thread;
	atomic_int writing; /* enum writing */
	/* the thread's, while it is busy */
	char *directory, *name;
	void *bytes;
	size_t size;
	uint32_t keep;
	int error;
};

/* --- the thread ------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t size)
{
	while (size) {
		ssize_t n = write(fd, bytes, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		size -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* Under another name until it is whole. */
static int file_write(int dir, const char *name, const void *bytes, size_t size)
{
	char temporary[80];
	int fd, err;

	snprintf(temporary, sizeof(temporary), ".%s", name);
	fd = openat(dir, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd < 0)
		return -errno;
	err = write_all(fd, bytes, size);
	close(fd);
	if (err == 0 && renameat(dir, temporary, dir, name) < 0)
		err = -errno;
	if (err < 0)
		unlinkat(dir, temporary, 0);
	return err;
}

static int is_recording(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name), cut = strlen(SUFFIX);

	return *entry->d_name != '.' && len > cut && !strcmp(entry->d_name + len - cut, SUFFIX);
}

/* Their names sort by age. */
static void remove_old(const char *directory, int dir, uint32_t keep)
{
	struct dirent **entries;
	int n = scandir(directory, &entries, is_recording, alphasort);

	for (int i = 0; i < n; i++) {
		if ((uint32_t)(n - i) > keep)
			unlinkat(dir, entries[i]->d_name, 0);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static int write_out(const struct recorder *recorder)
{
	int dir, err;

	if (mkdir(recorder->directory, 0750) < 0 && errno != EEXIST)
		return -errno;
	dir = open(recorder->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	err = file_write(dir, recorder->name, recorder->bytes, recorder->size);
	if (err == 0)
		remove_old(recorder->directory, dir, recorder->keep);
	close(dir);
	return err;
}

static void *writer(void *ctx)
{
	struct recorder *recorder = ctx;

	recorder->error = write_out(recorder);
	atomic_store(&recorder->writing, WRITER_DONE);
	return NULL;
}

/* --- the loop --------------------------------------------------------------------------------------------- */

static void forget(struct recorder *recorder)
{
	free(recorder->directory);
	free(recorder->name);
	free(recorder->bytes);
	recorder->directory = recorder->name = recorder->bytes = NULL;
}

/* Has the thread ended? Then that is told. */
static void conclude(struct recorder *recorder)
{
	if (atomic_load(&recorder->writing) != WRITER_DONE)
		return;
	pthread_join(recorder->thread, NULL);
	if (recorder->error < 0)
		say(LOG_WARNING, "cannot write the recording %s/%s: %s", recorder->directory,
		    recorder->name, strerror(-recorder->error));
	else
		say(LOG_NOTICE, "a recording was written: %s/%s", recorder->directory,
		    recorder->name);
	forget(recorder);
	atomic_store(&recorder->writing, WRITER_IDLE);
}

static struct kcoh_frame_name *names_make(struct daemon *daemon, size_t *ret_count)
{
	size_t count = kcoh_roster_count(daemon->roster);
	struct kcoh_frame_name *names = calloc(count ? count : 1, sizeof(*names));

	for (size_t i = 0; names && i < count; i++) {
		const struct kcoh_ident *ident = kcoh_roster_at(daemon->roster, i)->ident;

		names[i].vm = ident->id;
		snprintf(names[i].uuid, sizeof(names[i].uuid), "%s", ident->uuid);
		snprintf(names[i].name, sizeof(names[i].name), "%s", ident->name);
	}
	*ret_count = count;
	return names;
}

static int copy(struct daemon *daemon)
{
	struct recorder *recorder = daemon->recorder;
	int64_t real_ns = (int64_t)(kcoh_clock_ns(CLOCK_REALTIME) - now_ns());
	size_t count;
	struct kcoh_frame_name *names = names_make(daemon, &count);

	if (!names)
		return -ENOMEM;
	recorder->bytes = kcoh_record_ring_copy(recorder->ring, &core_config, real_ns, names, count,
						&recorder->size);
	free(names);
	return recorder->bytes ? 0 : -errno;
}

static char *name_make(const char *why)
{
	time_t now = time(NULL);
	char stamp[32], *name;
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	return asprintf(&name, "%s-%s" SUFFIX, stamp, why) < 0 ? NULL : name;
}

static int begin(struct daemon *daemon, const char *why)
{
	struct recorder *recorder = daemon->recorder;
	int err = copy(daemon);

	if (err < 0)
		return err;
	recorder->directory = strdup(kcoh_config_recordings(daemon->config));
	recorder->name = name_make(why);
	recorder->keep = kcoh_config_recordings_keep(daemon->config);
	if (!recorder->directory || !recorder->name) {
		forget(recorder);
		return -ENOMEM;
	}
	recorder->written_ns = now_ns();
	atomic_store(&recorder->writing, WRITER_BUSY);
	err = pthread_create(&recorder->thread, NULL, writer, recorder);
	if (err) {
		atomic_store(&recorder->writing, WRITER_IDLE);
		forget(recorder);
	}
	return -err;
}

static void want(struct recorder *recorder, const char *why)
{
	uint64_t now = now_ns();

	if (recorder->due_ns || now < recorder->begun_ns + QUIET_NS)
		return;
	recorder->why = why;
	recorder->due_ns = now + DELAY_NS;
	if (recorder->written_ns && recorder->due_ns < recorder->written_ns + PAUSE_NS)
		recorder->due_ns = recorder->written_ns + PAUSE_NS;
}

void recorder_take(struct daemon *daemon, const union kcoh_ev *ev, const struct kcoh_act *acts,
		   int n)
{
	struct recorder *recorder = daemon->recorder;

	if (!recorder)
		return;
	kcoh_record_ring_add(recorder->ring, &ev->hdr, acts, n);
	for (int i = 0; i < n; i++) {
		if (acts[i].type == KCOH_ACT_ALERT)
			want(recorder, "alert");
		else if (acts[i].type == KCOH_ACT_RESCAN && acts[i].reason == KCOH_RSN_EVENTS_LOST)
			want(recorder, "lost");
	}
}

static int count_blind(const struct kcoh_vm_view *view, void *ctx)
{
	*(uint64_t *)ctx += view->windows[KCOH_WINDOW_BLIND];
	return 0;
}

void recorder_look(struct daemon *daemon)
{
	struct recorder *recorder = daemon->recorder;
	uint64_t blind = 0;
	int err;

	if (!recorder)
		return;
	conclude(recorder);
	kcoh_core_each_vm(daemon->core, count_blind, &blind);
	if (blind > recorder->blind)
		want(recorder, "blind");
	recorder->blind = blind;
	if (!recorder->due_ns || now_ns() < recorder->due_ns ||
	    atomic_load(&recorder->writing) != WRITER_IDLE)
		return;
	recorder->due_ns = 0;
	err = begin(daemon, recorder->why);
	if (err < 0)
		say(LOG_WARNING, "cannot write a recording: %s", strerror(-err));
}

int recorder_write(struct daemon *daemon, char *ret_path, size_t path_len, char *err,
		   size_t err_len)
{
	struct recorder *recorder = daemon->recorder;
	int ret;

	if (!recorder) {
		snprintf(err, err_len, "nothing is recorded: record_mb = 0");
		return -ENOENT;
	}
	conclude(recorder);
	if (atomic_load(&recorder->writing) != WRITER_IDLE) {
		snprintf(err, err_len, "another recording is being written: try again");
		return -EBUSY;
	}
	ret = begin(daemon, "asked");
	if (ret < 0)
		snprintf(err, err_len, "%s",
			 ret == -ENOSPC ? "there are so many VMs that record_mb is too little" :
					  strerror(-ret));
	else
		snprintf(ret_path, path_len, "%s/%s", recorder->directory, recorder->name);
	return ret;
}

int recorder_up(struct daemon *daemon)
{
	size_t bytes = (size_t)kcoh_config_record_mb(daemon->config) << 20;
	struct recorder *recorder;
	int err;

	if (!bytes)
		return 0;
	recorder = calloc(1, sizeof(*recorder));
	err = recorder ? kcoh_record_ring_new(bytes, daemon->core, &recorder->ring) : -ENOMEM;
	if (err < 0) {
		free(recorder);
		return err;
	}
	recorder->begun_ns = now_ns();
	daemon->recorder = recorder;
	return 0;
}

void recorder_down(struct daemon *daemon)
{
	struct recorder *recorder = daemon->recorder;

	if (!recorder)
		return;
	if (atomic_load(&recorder->writing) != WRITER_IDLE)
		pthread_join(recorder->thread, NULL);
	forget(recorder);
	kcoh_record_ring_free(recorder->ring);
	free(recorder);
	daemon->recorder = NULL;
}
