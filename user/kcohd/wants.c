// SPDX-License-Identifier: GPL-2.0-only
/*
 * wants.c - what costs something at each exit is done for as long as somebody asks for it.
 *
 * The times of exits are counted from the first request that asks for them until 15 s after the last one, so that nobody
 * has to switch them off, and a reader that was killed leaves nothing behind. With `exit_times = yes` they are always counted.
 *
 *   kcoh top --latency   GET /v1/vms?times=1 every 2 s: counted, without a gap
 *   … is killed          15 s later: not counted
 */
#include <string.h>

#include "kcohd/daemon.h"

#define TIMES_NS (15 * 1000000000ull)

static int tell(struct daemon *daemon, const struct kcoh_feed_wants *wants)
{
	int err = kcoh_feed_want(daemon->feed, wants);

	if (err < 0) {
		if (err != daemon->wants_error)
			say(LOG_WARNING, "cannot measure how long exits take: %s", strerror(-err));
		kcoh_feed_want(daemon->feed, &daemon->wants);
	} else {
		daemon->wants = *wants;
	}
	daemon->wants_error = err;
	return err;
}

static int times_switch(struct daemon *daemon, bool on)
{
	struct kcoh_feed_wants wants = daemon->wants;

	if (wants.times == on)
		return 0;
	wants.times = on;
	return tell(daemon, &wants);
}

/* A record for each exit, for as long as a stream is open that wants them. */
void wants_records(struct daemon *daemon, bool wanted, uint32_t vm)
{
	struct kcoh_feed_wants wants = daemon->wants;

	wants.records = wanted;
	wants.records_vm = wanted ? vm : KCOH_VM_NONE;
	if (daemon->feed)
		tell(daemon, &wants);
}

int wants_times(struct daemon *daemon)
{
	daemon->times_until_ns = now_ns() + TIMES_NS;
	return times_switch(daemon, true);
}

void wants_look(struct daemon *daemon)
{
	times_switch(daemon,
		     kcoh_config_times(daemon->config) || now_ns() < daemon->times_until_ns);
}
