// SPDX-License-Identifier: GPL-2.0-only
/*
 * unclean.c - pages that the module could not clean, and that no record tells of.
 *
 * The problem: what a HARVEST says of pages that could not be cleaned vetoes a migration whose every harvest is cleaned otherwise. That record
 * can be lost like any other; and if the module finds no memory to note pages, it marks them dirty again at once, and there is no
 * record of them at all. But it counts all of them, and a counter is not lost. So it is held against what was told: once a second, and at once
 * after a loss. What is missing becomes an UNCLEAN record.
 *
 * Example: 0 ms a HARVEST with 3 unclean pages is lost. 10 ms the ring is read, and the loss told: the counter is read, 3, records told of 0.
 * 20 ms: still 0, so UNCLEAN pages=3, and every VM that is in a dirty epoch, or was until just now, is `veto`/`unclean`.
 *
 * The module counts before it tells, so a record may be on its way when the counter is read; with the next reading of the ring it has come.
 *
 * Cost: an open, two ioctls and a close, once a second. Limit: whose pages they are is not known.
 */
#include <string.h>

#include "kcohd/daemon.h"

void unclean_heard(struct daemon *daemon, const struct kcoh_ev_hdr *ev, size_t len)
{
	struct unclean *unclean = &daemon->unclean;
	struct kcoh_ev_harvest harvest;

	unclean->due |= ev->gap != 0;
	if (ev->type != KCOH_EV_HARVEST || len < sizeof(harvest))
		return;
	memcpy(&harvest, ev, sizeof(harvest));
	if (harvest.source == KCOH_HARVEST_BY_MODULE)
		unclean->told += harvest.unclean;
}

void unclean_look(struct daemon *daemon)
{
	struct unclean *unclean = &daemon->unclean;
	struct kcoh_stats stats;

	unclean->due = false;
	if (!daemon->module.attached || kcoh_host_stats(KCOH_DEV, &stats) < 0)
		return;
	if (!unclean->known)
		*unclean = (struct unclean){ .base = stats.pages_unclean, .known = true };
	unclean->counted = stats.pages_unclean - unclean->base;
	/* A killed task's harvest tells of pages that are not counted: nobody sends them any more. */
	if (unclean->told > unclean->counted)
		unclean->told = unclean->counted;
	unclean->looked = true;
}

/* The ring was just read. */
void unclean_judge(struct daemon *daemon)
{
	struct unclean *unclean = &daemon->unclean;
	struct kcoh_ev_unclean ev;

	if (unclean->looked && unclean->counted > unclean->told) {
		ev.hdr = header_now(KCOH_EV_UNCLEAN, sizeof(ev));
		ev.pages = unclean->counted - unclean->told;
		unclean->told = unclean->counted;
		say(LOG_WARNING,
		    "the kcoh module could not clean %llu pages of a VM, and no record says which",
		    (unsigned long long)ev.pages);
		push(daemon, &ev);
	}
	unclean->looked = false;
	if (unclean->due)
		unclean_look(daemon);
}
