// SPDX-License-Identifier: GPL-2.0-only
/*
 * clock.c - the wall clock, and that somebody sets it.
 *
 * Whatever has a deadline goes by CLOCK_MONOTONIC: verdicts, overrides, evacuations, the module's holds, the lease in the fleet's store. So nothing
 * begins, ends or hangs because an administrator or NTP sets the clock. Wall time is for people: each event has the time that the clock showed.
 *
 *   12:00:00  window open          the clock, which was three hours fast, is set:
 *   09:00:01  clock by_ns=-10800000000000
 *   09:00:02  window close         younger, although its time is smaller
 *
 * The step is an event, so that a reader of the history understands that, and is said once. Ten times a second it is looked for; what is
 * less than a second is no step: NTP slews by half a millisecond a second, and asking two clocks takes time on a busy host. (A host that was
 * suspended has such a step, too: CLOCK_MONOTONIC stood still.)
 */
#include <stdlib.h>

#include "fleet/publish.h"
#include "host/clock.h"
#include "kcohd/daemon.h"

#define STEP_NS 1000000000ll

static void tell(struct daemon *daemon, int64_t by_ns)
{
	struct kcoh_entry entry = {
		.ts_ns = now_ns(),
		.vm = KCOH_VM_NONE,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_CLOCK,
		.clock = { .by_ns = by_ns },
	};

	say(LOG_NOTICE,
	    "the wall clock was set %s by %lld s: deadlines do not go by it; times of events do, "
	    "from "
	    "now on",
	    by_ns < 0 ? "back" : "forward", llabs(by_ns) / 1000000000);
	kcoh_log_add(daemon->log, &entry);
	if (daemon->fleet.publish)
		kcoh_publish_clock_set(daemon->fleet.publish);
}

void clock_look(struct daemon *daemon)
{
	int64_t offset = (int64_t)(kcoh_clock_ns(CLOCK_REALTIME) - now_ns());
	int64_t by_ns = daemon->real_minus_mono_ns ? offset - daemon->real_minus_mono_ns : 0;

	kcoh_log_set_clock(daemon->log, offset);
	kcoh_log_set_clock(daemon->exits_log, offset);
	daemon->real_minus_mono_ns = offset;
	if (llabs(by_ns) >= STEP_NS)
		tell(daemon, by_ns);
}
