/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring.h - the last of what the core was told, in memory of a fixed size.
 *
 * Two halves. When one is full the other, older one is emptied and filled next, from an image of the core at that moment on; so there is
 * always at least half of the memory full of what came last, and it begins with an image. With 16 MB that is at least 80,000 records:
 * an hour of a quiet host, a second of one that harvests without end.
 */
#ifndef KCOH_RECORD_RING_H
#define KCOH_RECORD_RING_H

#include "core/core.h"
#include "kcoh/recording.h"

struct kcoh_record_ring; /* opaque */

/* For so many bytes, 16 KiB or more. `core` is as it was made: it knows nothing. 0 or -ENOMEM. */
int kcoh_record_ring_new(size_t bytes, const struct kcoh_core *core,
			 struct kcoh_record_ring **ret_ring);
void kcoh_record_ring_free(struct kcoh_record_ring *ring); /* NULL is allowed */

/* After a step of the core that was not refused; `ev` is whole, as include/kcoh/event.h has it. */
void kcoh_record_ring_add(struct kcoh_record_ring *ring, const struct kcoh_ev_hdr *ev,
			  const struct kcoh_act *acts, int n);

/*
 * All of it as a recording, to be freed by the caller; NULL and errno: ENOMEM, or ENOSPC if there are so many VMs that half of
 * half of the memory does not hold the core's state. `names` are put behind it. `config` is the core's.
 */
void *kcoh_record_ring_copy(const struct kcoh_record_ring *ring,
			    const struct kcoh_core_config *config, int64_t real_ns,
			    const struct kcoh_frame_name *names, size_t n_names, size_t *ret_size);

/* Records that are in it. */
uint64_t kcoh_record_ring_count(const struct kcoh_record_ring *ring);

#endif
