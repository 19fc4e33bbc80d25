// SPDX-License-Identifier: GPL-2.0-only
/*
 * facts.c - what the API tells that only the wiring knows: exit counters, the host, the module, the hooks.
 */
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "kcoh/version.h"
#include "kcohd/daemon.h"
#include "serve/event_json.h"
#include "serve/tcp.h"
#include "serve/smmu_json.h"

static int exits(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts)
{
	struct daemon *daemon = ctx;

	return kcoh_feed_exits(daemon->feed, vm, vcpu, ret_counts);
}

static int times(void *ctx)
{
	return wants_times(ctx);
}

static void exit_records(void *ctx, bool wanted, uint32_t vm)
{
	wants_records(ctx, wanted, vm);
}

static json_t *policy(void *ctx, const struct kcoh_ident *ident)
{
	return policy_json(ctx, ident);
}

static uint64_t exits_total(const struct kcoh_exit_counts *counts)
{
	uint64_t total = 0;

	for (int i = 0; i < KCOH_EXIT_CLASSES; i++)
		total += counts->classes[i];
	return total;
}

void exits_sample(struct daemon *daemon)
{
	struct kcoh_exit_counts counts;
	uint64_t total, now = now_ns();
	struct kcoh_roster_vm *vm;

	for (size_t i = 0; (vm = kcoh_roster_at(daemon->roster, i)); i++) {
		struct kcoh_exit_rate *rate = &vm->exit_rate;

		if (kcoh_feed_exits(daemon->feed, vm->ident->id, KCOH_VCPU_NONE, &counts) < 0)
			continue;
		total = exits_total(&counts);
		rate->known = rate->at_ns && now > rate->at_ns && total >= rate->total;
		if (rate->known)
			rate->per_s = (uint64_t)((double)(total - rate->total) * 1e9 /
						 (double)(now - rate->at_ns));
		rate->at_ns = now;
		rate->total = total;
	}
}

struct device_list {
	uint32_t vm;
	json_t *array;
};

static int add_device(const struct kcoh_device_view *device, void *ctx)
{
	struct device_list *list = ctx;

	if (device->vm == list->vm)
		json_array_append_new(list->array, kcoh_device_json(device));
	return 0;
}

static json_t *devices(void *ctx, uint32_t vm)
{
	struct daemon *daemon = ctx;
	struct device_list list = { .vm = vm, .array = json_array() };

	kcoh_feed_each_device(daemon->feed, add_device, &list);
	return list.array;
}

static int add_hook(const struct kcoh_hook_view *hook, void *ctx)
{
	json_t *o = json_pack("{s:s, s:s?, s:s?, s:b}", "name", hook->name, "method", hook->method,
			      "why", hook->why, "extra", (int)hook->extra);

	json_array_append_new(ctx, o);
	return 0;
}

static json_t *hooks_json(struct daemon *daemon)
{
	json_t *array = json_array();

	kcoh_feed_each_hook(daemon->feed, add_hook, array);
	return array;
}

static json_t *module_json(const struct module *module)
{
	if (!module->fits)
		return json_null();
	return json_pack("{s:i, s:s, s:b, s:i}", "abi", (int)module->hello.abi, "state",
			 kcoh_module_state_name(module->hello.state), "watched",
			 (int)module->attached, "line_bytes", (int)module->hello.line_bytes);
}

/* null: not known, since only the module can tell. */
static json_t *feature_json(const struct daemon *daemon, uint32_t feature)
{
	if (!daemon->module.told_hardware)
		return json_null();
	return json_boolean(daemon->module.hardware & feature);
}

/* How many vCPUs' exits are counted apart, and what those did that came when the table was full. */
static json_t *exits_json(const struct daemon *daemon)
{
	struct kcoh_exit_counts apart = { 0 };
	uint32_t used, max;

	kcoh_feed_exit_vcpus(daemon->feed, &used, &max);
	kcoh_feed_exits(daemon->feed, KCOH_VM_NONE, KCOH_VCPU_NONE, &apart);
	return json_pack("{s:i, s:i, s:I, s:b, s:b, s:I}", "vcpus", (int)used, "vcpus_max",
			 (int)max, "not_attributed", (json_int_t)exits_total(&apart), "times",
			 (int)daemon->wants.times, "records", (int)daemon->wants.records,
			 "records_lost", (json_int_t)kcoh_feed_exits_lost(daemon->feed));
}

static json_t *lost_json(const uint64_t lost[KCOH_FEED_LOST_REASONS])
{
	json_t *o = json_object();

	for (int why = 0; why < KCOH_FEED_LOST_REASONS; why++)
		json_object_set_new(o, kcoh_feed_lost_name(why),
				    json_integer((json_int_t)lost[why]));
	return o;
}

static json_t *host_json(void *ctx)
{
	uint64_t lost[KCOH_FEED_LOST_REASONS];
	struct daemon *daemon = ctx;
	struct utsname uts = { 0 };
	json_t *o;

	uname(&uts);
	o = json_pack("{s:s, s:i, s:s, s:s, s:s, s:i}", "version", KCOH_VERSION, "abi", KCOH_ABI,
		      "node", uts.nodename, "machine", uts.machine, "kernel", uts.release,
		      "page_size", (int)daemon->page_size);
	json_object_set_new(o, "s2fwb", feature_json(daemon, KCOH_HOST_S2FWB));
	json_object_set_new(o, "vhe", feature_json(daemon, KCOH_HOST_VHE));
	json_object_set_new(o, "pkvm", json_boolean(daemon->host_features & KCOH_HOST_PKVM));
	json_object_set_new(o, "module", module_json(&daemon->module));
	json_object_set_new(o, "hooks", hooks_json(daemon));
	json_object_set_new(o, "records_lost",
			    json_integer((json_int_t)kcoh_feed_lost(daemon->feed, lost)));
	json_object_set_new(o, "records_lost_by", lost_json(lost));
	json_object_set_new(o, "records_malformed",
			    json_integer((json_int_t)kcoh_relay_malformed(daemon->relay)));
	json_object_set_new(o, "exits", exits_json(daemon));
	json_object_set_new(o, "history",
			    json_boolean(kcoh_config_history(daemon->config) != NULL));
	json_object_set_new(o, "fleet", fleet_json(daemon));
	json_object_set_new(o, "libvirt", libvirt_json(daemon));
	json_object_set_new(o, "config", config_json(daemon));
	json_object_set_new(o, "seq", json_integer((json_int_t)kcoh_log_last(daemon->log)));
	return o;
}

static int count_hook(const struct kcoh_hook_view *hook, void *ctx)
{
	struct kcoh_metrics_host *host = ctx;

	if (host->hooks == KCOH_METRICS_HOOKS)
		return -ENOSPC;
	host->hook[host->hooks++] = (struct kcoh_metrics_hook){ hook->name, hook->method };
	return 0;
}

static void metrics(void *ctx, struct kcoh_metrics_host *ret_host)
{
	struct daemon *daemon = ctx;

	ret_host->now_ns = now_ns();
	ret_host->unix_ns = kcoh_clock_ns(CLOCK_REALTIME);
	ret_host->features_known = daemon->module.told_hardware;
	ret_host->features = daemon->host_features;
	ret_host->module_up = daemon->module.fits && daemon->module.attached;
	ret_host->module_state = daemon->module.hello.state;
	ret_host->module_stats_known = daemon->module.fits &&
				       kcoh_host_stats(KCOH_DEV, &ret_host->module) == 0;
	kcoh_feed_lost(daemon->feed, ret_host->records_lost);
	ret_host->smmu = kcoh_relay_smmu(daemon->relay);
	ret_host->histograms = kcoh_relay_histograms(daemon->relay);
	ret_host->exit_times = kcoh_config_times(daemon->config);
	ret_host->records_malformed = kcoh_relay_malformed(daemon->relay);
	kcoh_feed_each_hook(daemon->feed, count_hook, ret_host);
	ret_host->fleet_known = fleet_stats(daemon, &ret_host->fleet);
	ret_host->admission_known = true;
	kcoh_admission_count(daemon->admission, &ret_host->admission);
	ret_host->process_known = kcoh_metrics_process_read(&ret_host->process) == 0;
}

static int release(void *ctx, uint64_t *ret_ns, char *err, size_t err_len)
{
	return module_release(ctx, ret_ns, err, err_len);
}

static int record(void *ctx, char *ret_path, size_t path_len, char *err, size_t err_len)
{
	return recorder_write(ctx, ret_path, path_len, err, err_len);
}

static int clean(void *ctx, struct kcoh_ident *ident, kcoh_serve_cleaned_fn done, void *done_ctx,
		 char *err, size_t err_len)
{
	return clean_start(ctx, ident, done, done_ctx, err, err_len);
}

static void audit(void *ctx, const struct kcoh_entry *entry)
{
	(void)ctx;
	say_audit(entry);
}

static int give(void *ctx, const struct kcoh_ident *ident, uint32_t uid, uint64_t ns,
		const char *why, char *err, size_t err_len)
{
	return override_give(ctx, ident, uid, ns, why, err, err_len);
}

static int take_back(void *ctx, const struct kcoh_ident *ident, uint32_t uid, char *err,
		     size_t err_len)
{
	return override_end(ctx, ident, uid, err, err_len);
}

static json_t * override(void *ctx, uint32_t vm)
{
	return override_json(ctx, vm);
}

int serve_up(struct daemon *daemon)
{
	struct kcoh_serve_config config = {
		.event = daemon->event,
		.listen_fd = kcoh_listen_fd(daemon->listen),
		.roster = daemon->roster,
		.core = daemon->core,
		.log = daemon->log,
		.page_size = daemon->page_size,
		.exits = exits,
		.devices = devices,
		.times = times,
		.exits_log = daemon->exits_log,
		.exit_records = exit_records,
		.host = host_json,
		.policy = policy,
		.metrics = metrics,
		.history = kcoh_config_history(daemon->config),
		.override_give = give,
		.override_end = take_back,
		.override = override,
		.module_release = release,
		.record = record,
		.clean = clean,
		.admission = daemon->admission,
		.audit = audit,
		.evacuations = daemon->evacuations,
		.ctx = daemon,
	};
	const char *address = kcoh_config_listen(daemon->config);
	char sentence[512];
	int err;

	if (address) {
		config.tcp_fd = kcoh_tcp_open(address, sentence, sizeof(sentence));
		if (config.tcp_fd < 0) {
			say(LOG_ERR, "%s", sentence);
			close(config.listen_fd);
			return config.tcp_fd;
		}
	}
	err = config.listen_fd < 0 ? -errno : kcoh_polkit_new(daemon->event, &daemon->polkit);
	config.polkit = daemon->polkit;
	if (err == 0)
		err = kcoh_serve_new(&config, &daemon->serve);
	if (err < 0)
		say(LOG_ERR, "cannot serve %s: %s", kcoh_config_socket(daemon->config),
		    strerror(-err));
	return err;
}

void serve_down(struct daemon *daemon)
{
	kcoh_serve_free(daemon->serve);
	kcoh_polkit_free(daemon->polkit);
}
