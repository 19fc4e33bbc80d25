/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * internal.h - what the guard's files share: evacuation.c is one evacuation, evacuations.c all of them.
 */
#ifndef KCOH_GUARD_INTERNAL_H
#define KCOH_GUARD_INTERNAL_H

#include <sys/queue.h>

#include "guard/evacuations.h"
#include "guard/mark.h"

struct evacuation {
	TAILQ_ENTRY(evacuation) link;
	struct kcoh_evacuations *all;
	struct kcoh_evacuation_view view; /* what is told; its texts belong to what follows */
	struct kcoh_ident *ident;
	struct kcoh_mark *mark; /* also what a new attempt is made of */
	uint64_t next_ns; /* WAITING: no attempt before */
	bool again; /* CANCELLING: to be tried once more */
	bool core_wants; /* the core is to be told how the cancel ended */
	char sentence[640];
	struct kcoh_migration *job; /* NULL: none runs */
};

struct kcoh_evacuations {
	struct kcoh_evacuations_config config;
	char *marks;
	TAILQ_HEAD(evacuation_list, evacuation) list; /* in ascending number */
	uint32_t last_id;
	unsigned int running, kept;
	uint64_t begun_ns;
	struct evacuation_list
		found; /* marks of a kcohd before this one, whose VM is not known yet */
};

/* evacuation.c. The mark changes hands. */
struct evacuation *evacuation_new(struct kcoh_evacuations *all, struct kcoh_ident *ident,
				  struct kcoh_mark *mark);
void evacuation_free(struct evacuation *one);
/* Begins it, or takes over what the mark tells of. */
void evacuation_begin(struct evacuation *one, uint64_t timeout_ns, uint64_t pause_ns);
void evacuation_take_over(struct evacuation *one);
void evacuation_decide(struct evacuation *one);
void evacuation_cancel(struct evacuation *one, enum kcoh_evacuation_cause cause,
		       const char *sentence, bool again);
void evacuation_lost(struct evacuation *one); /* its VM is gone */

/* evacuations.c: one is over. */
void evacuations_count_end(struct kcoh_evacuations *all);

#endif
