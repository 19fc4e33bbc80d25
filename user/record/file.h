/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file.h - recordings (include/kcoh/recording.h) as files: frames made, files read up to their damage.
 */
#ifndef KCOH_RECORD_FILE_H
#define KCOH_RECORD_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/core.h"
#include "kcoh/recording.h"

/* The header of a recording of a core with these bounds. `real_ns`: Unix time less CLOCK_MONOTONIC. */
struct kcoh_recording_header kcoh_recording_begin(const struct kcoh_core_config *config,
						  int64_t real_ns);

/* Bytes that a frame with so much payload takes. */
size_t kcoh_frame_size(size_t payload);

/* Writes a frame to `at`, where there is room for kcoh_frame_size(size); `payload` may lie in its place already. */
void kcoh_frame_put(void *at, enum kcoh_frame_kind kind, uint32_t outcome, const void *payload,
		    size_t size);

struct kcoh_recording; /* opaque: one that is read */

/*
 * Reads a file, or bytes that stay where they are until kcoh_recording_close(). 0, -EINVAL if it is no recording of a version
 * that this build reads, or why it cannot be read; `err` then holds one sentence, without the file's name.
 */
int kcoh_recording_open(const char *path, struct kcoh_recording **ret_recording, char *err,
			size_t err_len);
int kcoh_recording_of(const void *bytes, size_t size, struct kcoh_recording **ret_recording,
		      char *err, size_t err_len);
void kcoh_recording_close(struct kcoh_recording *recording); /* NULL is allowed */

const struct kcoh_recording_header *kcoh_recording_header(const struct kcoh_recording *recording);

/* The next frame is the first one again. */
void kcoh_recording_rewind(struct kcoh_recording *recording);

/*
 * The next frame: 1, with its payload, aligned to 8 bytes and valid until the recording is closed; 0 at the end; -EBADMSG
 * where it is cut or damaged, then kcoh_recording_damage() says where and how.
 */
int kcoh_recording_next(struct kcoh_recording *recording, struct kcoh_frame *ret_frame,
			const void **ret_payload);
const char *kcoh_recording_damage(const struct kcoh_recording *recording);

#endif
