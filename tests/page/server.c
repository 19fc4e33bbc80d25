// SPDX-License-Identifier: GPL-2.0-only
/*
 * page-server - kcohd without a kernel under it: the real server, log, relay and core, and records of a made-up host (world.h) or
 * of a recorded one (played.h).
 *
 *   page-server [--vms N] [--past SECONDS] [--history DB] [--socket PATH] [--still]
 *   page-server --recording FILE [--live SECONDS] …        all but the last seconds (10) of it are the past
 *
 * It lives through the past at once, then prints "http://127.0.0.1:PORT/" and goes on in real time (--still: no more). Lines on its
 * standard input are orders: "off ID VCPU", "on ID VCPU", "gone ID", "evacuation ID NUMBER-OF-STATE", "clock SECONDS" (it is set by so
 * much), "quit"; each is answered with "done".
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/clock.h"
#include "names/text.h"
#include "serve/event_json.h"
#include "serve/listen.h"
#include "serve/serve.h"
#include "serve/tcp.h"
#include "store/store.h"
#include "played.h"
#include "world.h"

#define NS 1000000000ull
#define LOG_ENTRIES 8192
#define MAX_VMS 1024

static const struct kcoh_core_config bounds = { MAX_VMS, 16, 8 };

struct server {
	uint32_t vms, past_s;
	const char *history;
	const char *socket; /* also there; NULL: at a place of its own */
	bool still;
	sd_event *event;
	struct kcoh_core *core;
	struct kcoh_roster *roster;
	struct kcoh_log *log;
	struct kcoh_relay *relay;
	struct kcoh_store *store;
	uint64_t stored; /* up to this seq */
	struct kcoh_listen *listen;
	struct kcoh_serve *serve;
	struct world *world;
	const char *recording; /* NULL: the world is made up */
	uint32_t live_s;
	struct played *played;
	int64_t clock_ns; /* CLOCK_REALTIME minus CLOCK_MONOTONIC, as it is told */
	char dir[32], path[64];
};

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static int die(const char *what, const char *why)
{
	fprintf(stderr, "page-server: %s: %s\n", what, why);
	return 2;
}

/* It has no way to carry any out: what the core wanted is told as kcohd tells what it would have done. */
static void on_act(void *ctx, const struct kcoh_act *act)
{
	struct server *server = ctx;
	struct kcoh_roster_vm *vm = kcoh_roster_find(server->roster, act->vm);
	struct kcoh_entry entry = {
		.ts_ns = kcoh_log_last(server->log) ?
				 kcoh_log_get(server->log, kcoh_log_last(server->log))->ts_ns :
				 now_ns(),
		.vm = act->vm,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_ACT,
		.ident = vm ? vm->ident : NULL,
		.act = { .act = act->type, .reason = act->reason, .outcome = KCOH_OUTCOME_DRY }
	};

	kcoh_log_add(server->log, &entry);
}

static json_t *host(void *ctx)
{
	const struct server *server = ctx;

	return json_pack("{s:s, s:b, s:I}", "kernel", "6.1", "history", server->history != NULL,
			 "seq", (json_int_t)kcoh_log_last(server->log));
}

static int exits(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts)
{
	(void)ctx;
	(void)vcpu;
	memset(ret_counts, 0, sizeof(*ret_counts));
	ret_counts->classes[KCOH_EXIT_IRQ] = 1000ull * vm;
	return 0;
}

static json_t *devices(void *ctx, uint32_t vm)
{
	(void)ctx;
	return vm % 61 == 6 ?
		       json_pack("[{s:s, s:i}]", "device", "0000:01:00.0", "smmu_events", 3) :
		       json_array();
}

static void metrics(void *ctx, struct kcoh_metrics_host *ret_host)
{
	const struct server *server = ctx;

	ret_host->now_ns = now_ns();
	ret_host->unix_ns = kcoh_clock_ns(CLOCK_REALTIME);
	ret_host->page_size = 4096;
	ret_host->smmu = kcoh_relay_smmu(server->relay);
	ret_host->histograms = kcoh_relay_histograms(server->relay);
	ret_host->records_malformed = kcoh_relay_malformed(server->relay);
	ret_host->process_known = kcoh_metrics_process_read(&ret_host->process) == 0;
	if (!server->played)
		return;
	ret_host->features = played_features(server->played);
	ret_host->features_known = ret_host->module_up = ret_host->features & KCOH_HOST_MODULE;
}

static struct kcoh_ident *identify(void *ctx, const struct kcoh_ev_vm_new *ev)
{
	const struct server *server = ctx;

	return server->played ? played_identify(server->played, ev) : world_identify(NULL, ev);
}

static void policy(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev)
{
	const struct server *server = ctx;

	if (server->played)
		played_policy(server->played, ident, ret_ev);
	else
		world_policy(NULL, ident, ret_ev);
}

static void store_news(struct server *server)
{
	for (; server->stored < kcoh_log_last(server->log); server->stored++) {
		const struct kcoh_entry *entry = kcoh_log_get(server->log, server->stored + 1);
		char *line = entry ? kcoh_event_line(entry) : NULL;
		struct kcoh_store_row row;

		if (!line)
			continue;
		line[strlen(line) - 1] = '\0';
		row = (struct kcoh_store_row){ entry->real_ns,
					       entry->vm,
					       entry->ident ? entry->ident->name : NULL,
					       NULL,
					       kcoh_event_type_name(entry->type),
					       line };
		if (entry->type >= KCOH_ENTRY_WINDOW && entry->type <= KCOH_ENTRY_ACT)
			kcoh_store_add(server->store, &row);
		free(line);
	}
}

static void run_to(struct server *server, uint64_t now)
{
	if (server->played)
		played_run(server->played, server->relay, server->roster, now);
	else
		world_run(server->world, now);
}

static void live_to(struct server *server, uint64_t from_ns, uint64_t until_ns)
{
	for (uint64_t at = from_ns; at < until_ns; at += NS) {
		run_to(server, at + NS < until_ns ? at + NS : until_ns);
		if (server->store)
			store_news(server);
	}
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct server *server = ctx;

	(void)usec;
	run_to(server, now_ns());
	sd_event_source_set_time_relative(source, 100000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void evacuation_tell(struct server *server, uint32_t id, unsigned int state)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(server->roster, id);
	struct kcoh_entry entry = { .ts_ns = now_ns(),
				    .vm = id,
				    .vcpu = KCOH_VCPU_NONE,
				    .type = KCOH_ENTRY_EVACUATION,
				    .ident = vm ? vm->ident : NULL,
				    .evacuation = { .id = 1,
						    .state = (enum kcoh_evacuation_state)state,
						    .destination = strdup("tcp:there:4444"),
						    .sentence = strdup("as it was asked") } };

	kcoh_log_add(server->log, &entry);
}

static void clock_tell(struct server *server, int seconds)
{
	struct kcoh_entry entry = { .ts_ns = now_ns(),
				    .vm = KCOH_VM_NONE,
				    .vcpu = KCOH_VCPU_NONE,
				    .type = KCOH_ENTRY_CLOCK,
				    .clock = { .by_ns = seconds * (int64_t)NS } };

	server->clock_ns += entry.clock.by_ns;
	kcoh_log_set_clock(server->log, server->clock_ns);
	kcoh_log_add(server->log, &entry);
}

static int order(struct server *server, const char *line)
{
	unsigned int vm, vcpu, state;
	int seconds;

	if (!server->world) /* nobody can change what was */
		return sd_event_exit(server->event, 0);
	if (sscanf(line, "off %u %u", &vm, &vcpu) == 2)
		world_toggle(server->world, vm, (uint16_t)vcpu, false, now_ns());
	else if (sscanf(line, "on %u %u", &vm, &vcpu) == 2)
		world_toggle(server->world, vm, (uint16_t)vcpu, true, now_ns());
	else if (sscanf(line, "gone %u", &vm) == 1)
		world_end(server->world, vm, now_ns());
	else if (sscanf(line, "evacuation %u %u", &vm, &state) == 2)
		evacuation_tell(server, vm, state);
	else if (sscanf(line, "clock %d", &seconds) == 1)
		clock_tell(server, seconds);
	else
		return sd_event_exit(server->event, 0);
	puts("done");
	return fflush(stdout);
}

/* One order a write, as a test gives them. */
static int on_order(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct server *server = ctx;
	char line[128];
	ssize_t n = read(fd, line, sizeof(line) - 1);

	(void)source;
	(void)events;
	if (n <= 0)
		return sd_event_exit(server->event, 0);
	line[n] = '\0';
	return order(server, line);
}

/* What the recording's host did with exits and devices is not known. */
static int played_start(struct server *server, uint64_t now, char *err, size_t err_len)
{
	int status = played_open(server->recording, now + server->live_s * NS, &server->played, err,
				 err_len);

	if (status == 0)
		live_to(server, played_begin_ns(server->played), now);
	return status;
}

static int state_make(struct server *server, char *err, size_t err_len)
{
	struct kcoh_relay_config relay = {
		.identify = identify, .policy = policy, .act = on_act, .ctx = server
	};
	uint64_t now = now_ns();
	void *memory = calloc(1, kcoh_core_size(&bounds));

	if (!memory || kcoh_roster_new(&server->roster) < 0 ||
	    kcoh_log_new(LOG_ENTRIES, &server->log) < 0)
		return -ENOMEM;
	server->core = kcoh_core_init(memory, kcoh_core_size(&bounds), &bounds);
	relay.core = server->core;
	relay.roster = server->roster;
	relay.log = server->log;
	if (kcoh_relay_new(&relay, &server->relay) < 0)
		return -ENOMEM;
	server->clock_ns = (int64_t)(kcoh_clock_ns(CLOCK_REALTIME) - now);
	kcoh_log_set_clock(server->log, server->clock_ns);
	if (server->recording)
		return played_start(server, now, err, err_len);
	server->world = world_new(server->vms, server->relay, now - server->past_s * NS);
	if (!server->world)
		return -ENOMEM;
	live_to(server, now - server->past_s * NS, now);
	return 0;
}

static int serve_make(struct server *server, struct sockaddr_in *ret_address, char *err,
		      size_t err_len)
{
	struct kcoh_serve_config config = {
		.event = server->event,
		.roster = server->roster,
		.core = server->core,
		.log = server->log,
		.page_size = 4096,
		.exits = server->played ? NULL : exits,
		.devices = server->played ? NULL : devices,
		.host = host,
		.metrics = metrics,
		.history = server->history,
		.ctx = server,
	};
	socklen_t len = sizeof(*ret_address);
	int status;

	strcpy(server->dir, "/tmp/kcoh-page-XXXXXX");
	if (!mkdtemp(server->dir))
		return -errno;
	snprintf(server->path, sizeof(server->path), "%s/sock", server->dir);
	status = kcoh_listen_open(server->socket ? server->socket : server->path, &server->listen,
				  err, err_len);
	if (status < 0)
		return status;
	config.listen_fd = kcoh_listen_fd(server->listen);
	config.tcp_fd = kcoh_tcp_open("127.0.0.1:0", err, err_len);
	if (config.tcp_fd < 0)
		return config.tcp_fd;
	getsockname(config.tcp_fd, (struct sockaddr *)ret_address, &len);
	return kcoh_serve_new(&config, &server->serve);
}

static bool options_read(struct server *server, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--still"))
			server->still = true;
		else if (i + 1 < argc && !strcmp(argv[i], "--history"))
			server->history = argv[++i];
		else if (i + 1 < argc && !strcmp(argv[i], "--socket"))
			server->socket = argv[++i];
		else if (i + 1 < argc && !strcmp(argv[i], "--recording"))
			server->recording = argv[++i];
		else if (i + 1 < argc && !strcmp(argv[i], "--live") &&
			 !kcoh_text_u32(argv[++i], &server->live_s))
			continue;
		else if (i + 1 < argc && !strcmp(argv[i], "--vms") &&
			 !kcoh_text_u32(argv[++i], &server->vms))
			continue;
		else if (i + 1 < argc && !strcmp(argv[i], "--past") &&
			 !kcoh_text_u32(argv[++i], &server->past_s))
			continue;
		else
			return false;
	}
	return server->vms >= 1 && server->vms <= MAX_VMS && server->past_s >= 1 &&
	       server->past_s <= 86400;
}

int main(int argc, char **argv)
{
	struct server server = { .vms = 6, .past_s = 280, .live_s = 10 };
	struct kcoh_store_config store = { 0 };
	struct sockaddr_in address;
	char err[256] = "no memory";

	if (!options_read(&server, argc, argv))
		return die("usage", "[--vms 1..1024] [--past 1..86400] [--recording FILE] [--live "
				    "SECONDS] [--history DB] [--socket PATH] [--still]");
	store.path = server.history;
	if (server.history && kcoh_store_open(&store, &server.store, err, sizeof(err)) < 0)
		return die(server.history, err);
	if (state_make(&server, err, sizeof(err)) < 0 || sd_event_new(&server.event) < 0 ||
	    serve_make(&server, &address, err, sizeof(err)) < 0)
		return die("cannot start", err);
	sd_event_add_io(server.event, NULL, STDIN_FILENO, EPOLLIN, on_order, &server);
	if (!server.still)
		sd_event_add_time_relative(server.event, NULL, CLOCK_MONOTONIC, 100000, 0, on_timer,
					   &server);
	kcoh_store_close(server.store);
	printf("http://127.0.0.1:%u/\n", ntohs(address.sin_port));
	fflush(stdout);
	sd_event_loop(server.event);
	kcoh_serve_free(server.serve);
	kcoh_listen_close(server.listen);
	rmdir(server.dir);
	return 0;
}
