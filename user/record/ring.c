// SPDX-License-Identifier: GPL-2.0-only
/*
 * ring.c - two halves of memory, filled by turns.
 *
 * A record costs its copy and two checksums; an image, once in each half, a copy of the core's state. A half of which the image would take
 * more than the half begins without one: if both do, nothing of it is of use, and kcoh_record_ring_copy() says so.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "record/file.h"
#include "record/outcome.h"
#include "record/ring.h"

struct half {
	char *bytes;
	size_t used;
	uint64_t records;
	bool whole; /* it begins with an image, or with a core that knew nothing */
};

struct kcoh_record_ring {
	const struct kcoh_core *core;
	size_t half_size;
	struct half halves[2];
	int now; /* the half that is filled */
};

int kcoh_record_ring_new(size_t bytes, const struct kcoh_core *core,
			 struct kcoh_record_ring **ret_ring)
{
	struct kcoh_record_ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	ring->core = core;
	ring->half_size = bytes / 2 & ~(size_t)7;
	for (int i = 0; i < 2; i++)
		ring->halves[i].bytes = malloc(ring->half_size); /* touched as it is filled */
	if (!ring->halves[0].bytes || !ring->halves[1].bytes) {
		kcoh_record_ring_free(ring);
		return -ENOMEM;
	}
	ring->halves[0].whole = true;
	*ret_ring = ring;
	return 0;
}

void kcoh_record_ring_free(struct kcoh_record_ring *ring)
{
	if (!ring)
		return;
	free(ring->halves[0].bytes);
	free(ring->halves[1].bytes);
	free(ring);
}

static void image_put(struct kcoh_record_ring *ring, struct half *half)
{
	size_t size = kcoh_core_image_size(ring->core);
	char *place = half->bytes + sizeof(struct kcoh_frame);

	half->used = 0;
	half->records = 0;
	half->whole = kcoh_frame_size(size) <= ring->half_size / 2;
	if (!half->whole)
		return;
	kcoh_core_save(ring->core, place, size);
	kcoh_frame_put(half->bytes, KCOH_FRAME_IMAGE, 0, place, size);
	half->used = kcoh_frame_size(size);
}

void kcoh_record_ring_add(struct kcoh_record_ring *ring, const struct kcoh_ev_hdr *ev,
			  const struct kcoh_act *acts, int n)
{
	struct half *half = &ring->halves[ring->now];

	kcoh_frame_put(half->bytes + half->used, KCOH_FRAME_EVENT,
		       kcoh_outcome(ring->core, ev, acts, n), ev, ev->size);
	half->used += kcoh_frame_size(ev->size);
	half->records++;
	if (ring->half_size - half->used >= kcoh_frame_size(sizeof(union kcoh_ev)))
		return;
	ring->now = !ring->now; /* the image is what this record has led to */
	image_put(ring, &ring->halves[ring->now]);
}

uint64_t kcoh_record_ring_count(const struct kcoh_record_ring *ring)
{
	return ring->halves[0].records + ring->halves[1].records;
}

/* The older half counts if what it begins with is known; else only the younger one. */
static const struct half *older(const struct kcoh_record_ring *ring)
{
	const struct half *half = &ring->halves[!ring->now];

	return half->whole && half->used ? half : NULL;
}

static char *append(char *at, const void *bytes, size_t size)
{
	memcpy(at, bytes, size);
	return at + size;
}

void *kcoh_record_ring_copy(const struct kcoh_record_ring *ring,
			    const struct kcoh_core_config *config, int64_t real_ns,
			    const struct kcoh_frame_name *names, size_t n_names, size_t *ret_size)
{
	const struct kcoh_recording_header header = kcoh_recording_begin(config, real_ns);
	const struct half *first = older(ring), *last = &ring->halves[ring->now];
	size_t size = sizeof(header) + (first ? first->used : 0) + last->used +
		      n_names * kcoh_frame_size(sizeof(*names)) + kcoh_frame_size(0);
	char *bytes, *at;

	if (!first && !last->whole) {
		errno = ENOSPC;
		return NULL;
	}
	at = bytes = malloc(size);
	if (!bytes)
		return NULL;
	at = append(at, &header, sizeof(header));
	if (first)
		at = append(at, first->bytes, first->used);
	at = append(at, last->bytes, last->used);
	for (size_t i = 0; i < n_names; i++) {
		kcoh_frame_put(at, KCOH_FRAME_NAME, 0, &names[i], sizeof(names[i]));
		at += kcoh_frame_size(sizeof(names[i]));
	}
	kcoh_frame_put(at, KCOH_FRAME_END, 0, NULL, 0);
	*ret_size = size;
	return bytes;
}
