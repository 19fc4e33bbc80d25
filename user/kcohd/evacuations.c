// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuations.c - the guard's evacuations (user/guard) between QMP, the core and people.
 *
 * What must outlive kcohd lies in evacuations/ beside the socket: a kcohd that is killed leaves migrations to the one after it, which
 * systemd starts a second later. One that is stopped in order cancels them first, for 5 s at most, since nobody may come after it.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kcohd/daemon.h"

#define STOP_NS (5ull * 1000000000)
#define STOP_LOOK_US (50 * 1000)

static int path_of(void *ctx, const struct kcoh_ident *ident, char *ret_path, size_t len)
{
	return qmp_path(ctx, ident, ret_path, len);
}

static void on_phase(void *ctx, const struct kcoh_ident *ident, enum kcoh_phase phase)
{
	struct daemon *daemon = ctx;
	struct kcoh_ev_phase ev = { .hdr = header_now(KCOH_EV_PHASE, sizeof(ev)), .phase = phase };

	if (ident->id == KCOH_VM_NONE)
		return;
	ev.hdr.vm = ident->id;
	push(daemon, &ev);
}

/* The core's own cancel of a migration that is an evacuation. */
static void on_vetoed(void *ctx, const struct kcoh_ident *ident, int result, const char *sentence)
{
	struct daemon *daemon = ctx;
	struct kcoh_ev_act_done ev = { .hdr = header_now(KCOH_EV_ACT_DONE, sizeof(ev)),
				       .act = KCOH_ACT_CANCEL,
				       .result = result };
	const struct kcoh_act act = { .type = KCOH_ACT_CANCEL, .vm = ident->id };

	act_log(daemon, &act, ident, result < 0 ? KCOH_OUTCOME_FAILED : KCOH_OUTCOME_DONE, result,
		sentence);
	ev.hdr.vm = ident->id;
	push(daemon, &ev);
}

int evacuations_up(struct daemon *daemon)
{
	struct kcoh_evacuations_config config = { .event = daemon->event,
						  .core = daemon->core,
						  .roster = daemon->roster,
						  .log = daemon->log,
						  .qmp_path = path_of,
						  .phase = on_phase,
						  .vetoed = on_vetoed,
						  .ctx = daemon };
	char *socket, *marks = NULL;
	int err = -ENOMEM;

	if (daemon->options.dry_run)
		return 0; /* those of the kcohd before are left to the next */
	socket = strdup(kcoh_config_socket(daemon->config));
	if (socket && asprintf(&marks, "%s/evacuations", dirname(socket)) >= 0) {
		config.marks = marks;
		err = kcoh_evacuations_new(&config, &daemon->evacuations);
	}
	if (err < 0)
		say(LOG_ERR, "cannot keep evacuations in %s: %s", marks ? marks : "memory",
		    strerror(-err));
	free(socket);
	free(marks);
	return err;
}

void evacuations_down(struct daemon *daemon)
{
	kcoh_evacuations_free(daemon->evacuations);
	daemon->evacuations = NULL;
}

static int on_stop_look(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;
	unsigned int left = kcoh_evacuations_stop_all(daemon->evacuations);

	(void)usec;
	if (!left)
		return sd_event_exit(daemon->event, 0);
	if (now_ns() >= daemon->stop_ns) {
		say(LOG_WARNING, "%u evacuations go on: the next kcohd takes them over", left);
		return sd_event_exit(daemon->event, 0);
	}
	sd_event_source_set_time_relative(source, STOP_LOOK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int evacuations_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	struct daemon *daemon = ctx;

	(void)source;
	(void)info;
	if (!daemon->evacuations || !kcoh_evacuations_stop_all(daemon->evacuations))
		return sd_event_exit(daemon->event, 0);
	if (daemon->stop_ns)
		return 0;
	daemon->stop_ns = now_ns() + STOP_NS;
	return sd_event_add_time_relative(daemon->event, NULL, CLOCK_MONOTONIC, STOP_LOOK_US, 0,
					  on_stop_look, daemon);
}
