// SPDX-License-Identifier: GPL-2.0-only
/*
 * file.c - frames, and files of them.
 *
 * A file is taken into memory whole and then walked: a recording is as large as kcohd's memory for it (16 MB as built in), and may
 * come from a machine that died while it wrote. What stands before the first frame whose checksum is wrong is right; what comes
 * after it cannot be found again for sure, and is left out. An example:
 *
 *   the recording is cut at byte 73728, after 914 frames: what follows is missing
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "record/file.h"

#define FILE_MAX (1ull << 30)

struct kcoh_recording {
	const char *bytes;
	char *owned; /* to be freed */
	size_t size, at;
	uint64_t frames;
	struct kcoh_recording_header header;
	char damage[160];
};

static uint32_t crc_of(const void *bytes, size_t size, uint32_t crc)
{
	return (uint32_t)crc32(crc, bytes, (uInt)size);
}

struct kcoh_recording_header kcoh_recording_begin(const struct kcoh_core_config *config,
						  int64_t real_ns)
{
	struct kcoh_recording_header header = {
		.version = KCOH_RECORDING,
		.abi = KCOH_ABI,
		.real_ns = real_ns,
		.max_vms = config->max_vms,
		.max_vcpus = config->max_vcpus,
		.max_slots = config->max_slots,
	};

	memcpy(header.magic, KCOH_RECORDING_MAGIC, sizeof(header.magic));
	header.crc = crc_of(&header, offsetof(struct kcoh_recording_header, crc), 0);
	return header;
}

static size_t padded(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

size_t kcoh_frame_size(size_t payload)
{
	return sizeof(struct kcoh_frame) + padded(payload);
}

static uint32_t frame_crc(const struct kcoh_frame *frame, const void *payload)
{
	return crc_of(payload, frame->size, crc_of(frame, offsetof(struct kcoh_frame, crc), 0));
}

void kcoh_frame_put(void *at, enum kcoh_frame_kind kind, uint32_t outcome, const void *payload,
		    size_t size)
{
	struct kcoh_frame frame = { .size = (uint32_t)size, .kind = kind, .outcome = outcome };
	char *place = (char *)at + sizeof(frame);

	if (size && place != payload)
		memcpy(place, payload, size);
	memset(place + size, 0, padded(size) - size);
	frame.crc = frame_crc(&frame, place);
	memcpy(at, &frame, sizeof(frame));
}

/* --- read ------------------------------------------------------------------------------------------------- */

static int header_check(const struct kcoh_recording_header *header, char *err, size_t err_len)
{
	if (memcmp(header->magic, KCOH_RECORDING_MAGIC, sizeof(header->magic)) != 0)
		snprintf(err, err_len, "this is no recording of kcohd");
	else if (header->version != KCOH_RECORDING || header->abi != KCOH_ABI)
		snprintf(err, err_len,
			 "a recording of version %" PRIu32 " with events of ABI %" PRIu32
			 " cannot be read: this build reads version %d, ABI %d",
			 header->version, header->abi, KCOH_RECORDING, KCOH_ABI);
	else if (header->crc != crc_of(header, offsetof(struct kcoh_recording_header, crc), 0))
		snprintf(err, err_len, "its header is damaged: the checksum is wrong");
	else
		return 0;
	return -EINVAL;
}

int kcoh_recording_of(const void *bytes, size_t size, struct kcoh_recording **ret_recording,
		      char *err, size_t err_len)
{
	struct kcoh_recording *recording;
	struct kcoh_recording_header header = { 0 };

	memcpy(&header, bytes, size < sizeof(header) ? size : sizeof(header));
	if (header_check(&header, err, err_len) < 0)
		return -EINVAL;
	recording = calloc(1, sizeof(*recording));
	if (!recording) {
		snprintf(err, err_len, "no memory for it");
		return -ENOMEM;
	}
	recording->bytes = bytes;
	recording->size = size;
	recording->at = sizeof(header);
	recording->header = header;
	*ret_recording = recording;
	return 0;
}

/* The file's bytes, to be freed; NULL with errno. */
static char *file_take(FILE *file, size_t *ret_size)
{
	struct stat st;
	char *bytes;

	if (fstat(fileno(file), &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > FILE_MAX) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : S_ISREG(st.st_mode) ? EFBIG : EINVAL;
		return NULL;
	}
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return NULL;
	*ret_size = fread(bytes, 1, (size_t)st.st_size, file);
	if (ferror(file)) {
		free(bytes);
		return NULL;
	}
	return bytes;
}

int kcoh_recording_open(const char *path, struct kcoh_recording **ret_recording, char *err,
			size_t err_len)
{
	FILE *file = fopen(path, "re");
	size_t size = 0;
	char *bytes = file ? file_take(file, &size) : NULL;
	int ret = bytes ? 0 : -errno;

	if (file)
		fclose(file);
	if (ret < 0) {
		snprintf(err, err_len, "%s", strerror(-ret));
		return ret;
	}
	ret = kcoh_recording_of(bytes, size, ret_recording, err, err_len);
	if (ret < 0)
		free(bytes);
	else
		(*ret_recording)->owned = bytes;
	return ret;
}

void kcoh_recording_close(struct kcoh_recording *recording)
{
	if (recording)
		free(recording->owned);
	free(recording);
}

const struct kcoh_recording_header *kcoh_recording_header(const struct kcoh_recording *recording)
{
	return &recording->header;
}

void kcoh_recording_rewind(struct kcoh_recording *recording)
{
	recording->at = sizeof(recording->header);
	recording->frames = 0;
}

static int damaged(struct kcoh_recording *recording, const char *how, const char *what)
{
	snprintf(recording->damage, sizeof(recording->damage),
		 "the recording is %s at byte %zu, after %" PRIu64 " frames: what follows is %s",
		 how, recording->at, recording->frames, what);
	return -EBADMSG;
}

int kcoh_recording_next(struct kcoh_recording *recording, struct kcoh_frame *ret_frame,
			const void **ret_payload)
{
	const char *at = recording->bytes + recording->at;
	size_t left = recording->size - recording->at;

	if (left < sizeof(*ret_frame))
		return damaged(recording, "cut", "missing");
	memcpy(ret_frame, at, sizeof(*ret_frame));
	if (ret_frame->size > KCOH_FRAME_MAX)
		return damaged(recording, "damaged", "not read");
	if (left < kcoh_frame_size(ret_frame->size))
		return damaged(recording, "cut", "missing");
	if (ret_frame->crc != frame_crc(ret_frame, at + sizeof(*ret_frame)))
		return damaged(recording, "damaged", "not read");
	if (ret_frame->kind == KCOH_FRAME_END)
		return 0;
	*ret_payload = at + sizeof(*ret_frame);
	recording->at += kcoh_frame_size(ret_frame->size);
	recording->frames++;
	return 1;
}

const char *kcoh_recording_damage(const struct kcoh_recording *recording)
{
	return recording->damage;
}
