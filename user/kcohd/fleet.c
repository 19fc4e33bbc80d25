// SPDX-License-Identifier: GPL-2.0-only
/*
 * fleet.c - tells the fleet's store what this host says of its VMs, if [fleet] names one.
 *
 * Ten times a second it is looked whether the log has something new; then all VMs are told to the publisher, which writes those that
 * changed (fleet/publish.h). Every 2 s they are told in any case, since a policy can change without an event. 1000 VMs take well below 1 ms.
 *
 * The guard of this host never waits for the store and never needs it.
 */
#include <string.h>

#include "fleet/publish.h"
#include "fleet/view.h"
#include "kcohd/daemon.h"

#define LOOK_US (100 * 1000)
#define ANYWAY_NS (2ull * 1000000000)

static void on_say(void *ctx, int priority, const char *sentence)
{
	(void)ctx;
	say(priority, "%s", sentence);
}

static void tell(struct daemon *daemon)
{
	struct kcoh_publish_stats stats;
	struct kcoh_fleet_vm told;
	struct kcoh_roster_vm *vm;

	kcoh_publish_begin(daemon->fleet.publish);
	for (size_t i = 0; (vm = kcoh_roster_at(daemon->roster, i)); i++) {
		if (kcoh_fleet_view(daemon->core, vm, &told))
			kcoh_publish_vm(daemon->fleet.publish, &told);
	}
	kcoh_publish_end(daemon->fleet.publish);
	kcoh_publish_stats(daemon->fleet.publish, &stats);
	if (stats.without_uuid && !daemon->fleet.told_uuid)
		say(LOG_NOTICE,
		    "%u virtual machines have no UUID: the fleet finds them by name only; start "
		    "QEMU "
		    "with -uuid",
		    stats.without_uuid);
	daemon->fleet.told_uuid = stats.without_uuid > 0;
}

static int on_look(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct daemon *daemon = ctx;
	struct fleet *fleet = &daemon->fleet;
	uint64_t seq = kcoh_log_last(daemon->log), now = now_ns();

	(void)usec;
	if (seq != fleet->seq || now - fleet->told_ns >= ANYWAY_NS) {
		fleet->seq = seq;
		fleet->told_ns = now;
		tell(daemon);
	}
	sd_event_source_set_time_relative(source, LOOK_US);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int fleet_up(struct daemon *daemon)
{
	const struct kcoh_publish_config config = {
		.event = daemon->event,
		.fleet = kcoh_config_fleet(daemon->config),
		.max_vms = core_config.max_vms,
		.say = on_say,
	};
	int err;

	if (!config.fleet)
		return 0;
	err = kcoh_publish_new(&config, &daemon->fleet.publish);
	if (err >= 0)
		err = sd_event_add_time_relative(daemon->event, NULL, CLOCK_MONOTONIC, LOOK_US,
						 LOOK_US / 10, on_look, daemon);
	if (err < 0)
		say(LOG_ERR, "cannot set up what publishes to the fleet: %s", strerror(-err));
	else
		say(LOG_INFO, "publishing as %s to the fleet's store at %s", config.fleet->host,
		    config.fleet->endpoints[0]);
	return err;
}

void fleet_down(struct daemon *daemon)
{
	kcoh_publish_free(daemon->fleet.publish);
	daemon->fleet.publish = NULL;
}

bool fleet_stats(const struct daemon *daemon, struct kcoh_publish_stats *ret_stats)
{
	if (!daemon->fleet.publish)
		return false;
	kcoh_publish_stats(daemon->fleet.publish, ret_stats);
	return true;
}

json_t *fleet_json(const struct daemon *daemon)
{
	const struct kcoh_fleet_config *config = kcoh_config_fleet(daemon->config);
	struct kcoh_publish_stats stats;

	if (!fleet_stats(daemon, &stats))
		return json_null();
	return json_pack(
		"{s:b, s:s, s:s?, s:s, s:s, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
		"up", (int)stats.up, "endpoint", stats.endpoint, "error",
		*stats.error ? stats.error : NULL, "host", config->host, "prefix", config->prefix,
		"lease_s", (int)config->lease_s, "vms", (int)stats.vms, "without_uuid",
		(int)stats.without_uuid, "pending", (int)stats.pending, "lag_ns",
		(json_int_t)stats.lag_ns, "writes", (json_int_t)stats.writes, "records",
		(json_int_t)stats.records, "merged", (json_int_t)stats.merged, "failures",
		(json_int_t)stats.failures, "resyncs", (json_int_t)stats.resyncs, "refused",
		(json_int_t)stats.refused);
}
