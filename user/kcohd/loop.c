// SPDX-License-Identifier: GPL-2.0-only
/*
 * loop.c - what happens when.
 *
 *   10 ms   take what BPF left in the ring buffer; scan again if the core asked for it
 *   100 ms  a TICK: the core judges its deadlines; evacuations are looked at; a recording that is due is written; which overrides have
 *           ended? Whose stream may have to be refused, and what became of those that are?
 *   SIGHUP  the configuration is read again
 *   1 s     has the module come or gone? How often do VMs leave the guest? Does nobody ask for times any more?
 *
 * The ring buffer is read from a timer and not woken by each record, because a guest that toggles in a loop would otherwise
 * wake kcohd as often; 10 ms is what a verdict may be old.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host/clock.h"
#include "kcohd/daemon.h"

#define CONSUME_US (10 * 1000)
#define TICK_US (100 * 1000)
#define LOOK_US (1000 * 1000)
#define ACCURACY_US 1000

uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

struct kcoh_ev_hdr header_now(uint16_t type, uint16_t size)
{
	return (struct kcoh_ev_hdr){
		.ts_ns = now_ns(), .vcpu = KCOH_VCPU_NONE, .type = type, .size = size
	};
}

/* An error of the feed is said once, until it works again: the timer comes back in 10 ms. */
static void consume(struct daemon *daemon)
{
	int n = kcoh_feed_consume(daemon->feed);
	int error = n < 0 ? n : 0;

	if (error && error != daemon->feed_error)
		say(LOG_ERR, "cannot read records from the kernel: %s", strerror(-error));
	daemon->feed_error = error;
}

static void scan_push(struct daemon *daemon, bool done, int vms)
{
	struct kcoh_ev_scan ev = { .hdr = header_now(KCOH_EV_SCAN, sizeof(ev)),
				   .done = done,
				   .vms = vms > 0 ? (uint32_t)vms : 0 };

	push(daemon, &ev);
}

/* A scan that failed is not ended: the core notices, and asks again. */
void scan(struct daemon *daemon)
{
	int vms;

	consume(daemon);
	scan_push(daemon, false, 0);
	vms = kcoh_feed_scan(daemon->feed);
	if (vms < 0) {
		say(LOG_WARNING, "cannot look for virtual machines: %s", strerror(-vms));
		return;
	}
	consume(daemon);
	scan_push(daemon, true, vms);
}

static void rescan(struct daemon *daemon)
{
	struct kcoh_ev_act_done ev = { .act = KCOH_ACT_RESCAN };

	daemon->rescan = false;
	scan(daemon);
	ev.hdr = header_now(KCOH_EV_ACT_DONE, sizeof(ev));
	push(daemon, &ev);
}

static int again(sd_event_source *source, uint64_t us)
{
	sd_event_source_set_time_relative(source, us);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static int on_consume(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)usec;
	consume(daemon);
	unclean_judge(daemon);
	arms_answer(daemon);
	if (daemon->rescan)
		rescan(daemon);
	return again(source, CONSUME_US);
}

static int on_tick(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)usec;
	clock_look(daemon);
	consume(daemon);
	kcoh_relay_tick(daemon->relay, now_ns());
	if (daemon->evacuations)
		kcoh_evacuations_tick(daemon->evacuations);
	recorder_look(daemon);
	overrides_look(daemon);
	refusals_look(daemon);
	return again(source, TICK_US);
}

static int on_look(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)usec;
	module_look(daemon);
	unclean_look(daemon);
	exits_sample(daemon);
	wants_look(daemon);
	return again(source, LOOK_US);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	(void)source;
	(void)info;
	config_reload(ctx);
	return 0;
}

static int signals_watch(struct daemon *daemon)
{
	sd_event *event = daemon->event;
	sigset_t set;
	int err;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	err = sd_event_add_signal(event, NULL, SIGINT, evacuations_stop, daemon);
	if (err >= 0)
		err = sd_event_add_signal(event, NULL, SIGTERM, evacuations_stop, daemon);
	return err < 0 ? err : sd_event_add_signal(event, NULL, SIGHUP, on_hangup, daemon);
}

int loop_up(struct daemon *daemon)
{
	int err = sd_event_default(&daemon->event);

	if (err >= 0)
		err = signals_watch(daemon);
	if (err >= 0)
		err = sd_event_set_watchdog(daemon->event, true);
	if (err < 0) {
		say(LOG_ERR, "cannot set up the event loop: %s", strerror(-err));
		loop_down(daemon);
	}
	return err;
}

void loop_down(struct daemon *daemon)
{
	daemon->event = sd_event_unref(daemon->event);
}

static int every(struct daemon *daemon, uint64_t us, sd_event_time_handler_t handler)
{
	return sd_event_add_time_relative(daemon->event, NULL, CLOCK_MONOTONIC, us, ACCURACY_US,
					  handler, daemon);
}

int watch_up(struct daemon *daemon)
{
	int err = every(daemon, CONSUME_US, on_consume);

	if (err >= 0)
		err = every(daemon, TICK_US, on_tick);
	if (err >= 0)
		err = every(daemon, LOOK_US, on_look);
	if (err < 0) {
		say(LOG_ERR, "cannot set a timer: %s", strerror(-err));
		return err;
	}
	wants_look(daemon);
	scan(daemon);
	refusals_look(daemon);
	overrides_scanned(daemon);
	say(LOG_INFO, "watching %zu virtual machines", kcoh_roster_count(daemon->roster));
	return 0;
}
