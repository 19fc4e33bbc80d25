/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * recording.h - a file of what the decision core was told: written by kcohd, read by `kcoh replay` on any machine.
 *
 * A header, then frames one after the other, each a multiple of 8 bytes; all little-endian. docs/recorder.md has an example.
 *
 *   header | IMAGE | EVENT EVENT … | IMAGE | EVENT … | NAME … | END
 *
 * A frame's checksum covers all of the frame but itself, so a file is right up to the first frame that is not; and a file without its END was
 * cut. The first frame is the state of the core at that moment (IMAGE), or the recording begins with a core that knows nothing.
 * A later IMAGE is what the core had become then, and needed by nobody who read what is before it.
 *
 * KCOH_RECORDING changes with this layout. An IMAGE has a number of its own (user/core/image.c), for it is the core's inside.
 */
#ifndef KCOH_RECORDING_H
#define KCOH_RECORDING_H

#include "abi.h"

#define KCOH_RECORDING_MAGIC "KCOHREC\n" /* 8 bytes, without a NUL */
#define KCOH_RECORDING 1

struct kcoh_recording_header {
	__u8 magic[8];
	__u32 version; /* KCOH_RECORDING */
	__u32 abi; /* KCOH_ABI of the events */
	__s64 real_ns; /* add it to a record's time (CLOCK_MONOTONIC) to get Unix time */
	__u32 max_vms; /* the core's bounds: struct kcoh_core_config */
	__u32 max_vcpus;
	__u32 max_slots;
	__u32 crc; /* CRC-32 (zlib's) of all above */
};

enum kcoh_frame_kind {
	KCOH_FRAME_END = 0, /* nothing follows; no payload */
	KCOH_FRAME_EVENT = 1, /* one record of event.h that the core took */
	KCOH_FRAME_IMAGE = 2, /* the core, as kcoh_core_save() has it */
	KCOH_FRAME_NAME = 3, /* struct kcoh_frame_name: what people call a VM */
};

struct kcoh_frame {
	__u32 size; /* bytes of payload that follow; then zeros up to a multiple of 8 */
	__u32 kind; /* enum kcoh_frame_kind; a reader skips those that it does not know */
	__u32 outcome; /* EVENT: kcoh_outcome() of that step; else 0 */
	__u32 crc; /* CRC-32 of the three above and the payload */
};

#define KCOH_FRAME_MAX (256u << 20) /* a frame that claims more is damaged */

struct kcoh_frame_name {
	__u32 vm;
	char uuid[40]; /* NUL-terminated, or empty */
	char name[256]; /* NUL-terminated; cut if longer */
	__u8 pad[4];
};

#endif
