// SPDX-License-Identifier: GPL-2.0-only
/*
 * recording.c - recordings that nobody made: cut, damaged, or with the right checksums over wrong bytes.
 *
 * The last byte says whether checksums are made right, for otherwise nothing behind one would ever be reached. The bounds are always
 * small: a core of the largest ones takes gigabytes of address space.
 */
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "record/file.h"
#include "record/replay.h"

static void header_mend(uint8_t *bytes)
{
	const struct kcoh_core_config bounds = { 3, 4, 8 };
	struct kcoh_recording_header header = kcoh_recording_begin(&bounds, 0);

	memcpy(bytes, &header, sizeof(header));
}

static void frames_mend(uint8_t *at, size_t left)
{
	struct kcoh_frame frame;

	while (left >= sizeof(frame)) {
		memcpy(&frame, at, sizeof(frame));
		frame.kind %= 5;
		if (frame.size > left || kcoh_frame_size(frame.size) > left)
			return;
		kcoh_frame_put(at, (enum kcoh_frame_kind)frame.kind, frame.outcome,
			       at + sizeof(frame), frame.size);
		at += kcoh_frame_size(frame.size);
		left -= kcoh_frame_size(frame.size);
	}
}

static void play(const uint8_t *bytes, size_t size)
{
	struct kcoh_recording *recording;
	struct kcoh_replay_result result;
	char sentence[256] = "";

	if (kcoh_recording_of(bytes, size, &recording, sentence, sizeof(sentence)) < 0) {
		FUZZ_CHECK(*sentence);
		return;
	}
	if (kcoh_replay(recording, NULL, NULL, &result) == 0)
		FUZZ_CHECK(result.damaged == (*kcoh_recording_damage(recording) != '\0'));
	kcoh_recording_close(recording);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = malloc(size ? size : 1);

	FUZZ_CHECK(bytes);
	memcpy(bytes, data, size);
	if (size >= sizeof(struct kcoh_recording_header) && bytes[size - 1] % 8) {
		header_mend(bytes);
		frames_mend(bytes + sizeof(struct kcoh_recording_header),
			    size - sizeof(struct kcoh_recording_header));
	}
	play(bytes, size);
	free(bytes);
	return 0;
}
