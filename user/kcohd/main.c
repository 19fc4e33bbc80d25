// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcohd from start to end: a ladder. Up one rung after the other; down again, in reverse, from wherever it got.
 */
#include <stdlib.h>
#include <systemd/sd-daemon.h>

#include "kcohd/daemon.h"

static const struct rung {
	int (*up)(struct daemon *daemon);
	void (*down)(struct daemon *daemon);
} ladder[] = {
	{ config_up, config_down }, /* what it is to do */
	{ host_up, NULL }, /* whether it can, here */
	{ listen_up, listen_down }, /* the only kcohd on this socket */
	{ privileges_up, NULL }, /* with no more powers than it needs */
	{ loop_up, loop_down }, /* one thread waits for everything */
	{ state_up, state_down }, /* core, names, events */
	{ overrides_up, overrides_down }, /* whom operators let through */
	{ history_up, history_down }, /* what is kept of the events */
	{ feed_up, feed_down }, /* BPF */
	{ module_up, module_down }, /* kcoh.ko, if it is there */
	{ evacuations_up, evacuations_down }, /* also those of the kcohd before */
	{ admission_up, admission_down }, /* what Kubernetes is answered */
	{ serve_up, serve_down }, /* the API */
	{ fleet_up, fleet_down }, /* the fleet's store, if there is one */
	{ libvirt_up, libvirt_down }, /* who else may end a migration */
	{ watch_up, acts_down }, /* the VMs there are, and from now on */
};

#define RUNGS (sizeof(ladder) / sizeof(ladder[0]))

int main(int argc, char **argv)
{
	struct daemon daemon = { 0 };
	int status = 2;
	size_t rung;

	options_parse(argc, argv, &daemon.options);
	for (rung = 0; rung < RUNGS && ladder[rung].up(&daemon) >= 0; rung++)
		;
	if (rung == RUNGS) {
		sd_notify(0, "READY=1");
		say(LOG_INFO, "ready, serving %s", kcoh_config_socket(daemon.config));
		status = sd_event_loop(daemon.event) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
		sd_notify(0, "STOPPING=1");
	}
	while (rung--) {
		if (ladder[rung].down)
			ladder[rung].down(&daemon);
	}
	return status;
}
