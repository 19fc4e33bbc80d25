/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * daemon.h - everything that kcohd holds, and what its files offer each other.
 */
#ifndef KCOHD_DAEMON_H
#define KCOHD_DAEMON_H

#include <jansson.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>

#include "config/config.h"
#include "core/core.h"
#include "feed/feed.h"
#include "guard/evacuations.h"
#include "host/facts.h"
#include "kcoh/ioctl.h"
#include "kcohd/options.h"
#include "kcohd/say.h"
#include "override/book.h"
#include "relay/relay.h"
#include "serve/listen.h"
#include "serve/serve.h"
#include "store/store.h"

struct arm;
struct kcoh_libvirt;
struct cleaning;
struct kcoh_inventory;
struct kcoh_publish;
struct kcoh_publish_stats;
struct recorder;
struct refusal;
struct cancel_job;

/* What is known of the module. */
struct module {
	bool fits; /* it answered HELLO with our ABI */
	bool attached; /* its tracepoints are read */
	bool told_hardware; /* it has answered once: `hardware` is known */
	uint32_t hardware; /* KCOH_HOST_* of the machine, which outlive the module */
	struct kcoh_hello hello;
	uint64_t released_until_ns; /* somebody wants to unload it: hands off until then */
	struct stat released; /* its device then: another one is another module's */
	char told[256]; /* the last complaint, which is not repeated */
};

/* Pages that the module could not clean, since its tracepoints are read: as it counts them, and as records tell. */
struct unclean {
	uint64_t base; /* its counter then */
	uint64_t counted; /* at the last look */
	uint64_t told;
	bool known; /* there is a `base` */
	bool due; /* something was lost: look at once */
	bool looked; /* `counted` is new: what was on its way then has come at the next reading */
};

/* What is kept for months. */
struct history {
	struct kcoh_store *store; /* NULL: none, or it could not be opened */
	uint64_t tried_ns; /* when it was last tried to */
	uint64_t next_seq; /* of the log: not yet looked at */
	uint64_t lost; /* as told last */
	bool failing;
};

/* How the configuration was read last. */
struct reading {
	uint64_t good_ns; /* when what applies now was read */
	char error[512]; /* what was wrong with what was read since; "": nothing */
};

/* What is published. */
struct fleet {
	struct kcoh_publish *publish; /* NULL: there is no fleet */
	uint64_t seq; /* of the log, when all VMs were told last */
	uint64_t told_ns;
	bool told_uuid; /* that some have no UUID */
};

struct daemon {
	struct options options;
	struct kcoh_config *config;
	struct reading reading;
	struct kcoh_listen *listen;
	sd_event *event;
	void *core_memory;
	struct kcoh_core *core;
	struct kcoh_roster *roster;
	struct kcoh_log *log;
	struct kcoh_log *exits_log; /* single exits, while a stream wants them */
	struct kcoh_relay *relay;
	struct recorder *recorder; /* NULL: nothing is recorded */
	struct kcoh_book *overrides;
	uint64_t glass_until_ns; /* the break-glass, which was told, is over then; 0: it is not broken */
	struct kcoh_feed *feed;
	int feed_error; /* what it said last */
	struct module module;
	struct unclean unclean;
	struct history history;
	struct fleet fleet;
	int64_t real_minus_mono_ns; /* of the wall clock when it was looked at last; 0: not yet */
	uint32_t host_features; /* as the core was told last */
	uint32_t page_size; /* bytes */
	bool pkvm; /* the host was started as a protected one */
	bool rescan; /* the core asked for one */
	LIST_HEAD(, cancel_job) jobs;
	LIST_HEAD(, arm) arms;
	LIST_HEAD(, cleaning) cleanings;
	LIST_HEAD(, refusal) refusals;
	int refuse_error; /* why the kernel cannot refuse a stream, as told last */
	struct kcoh_inventory *inventory; /* sees every record, while a scan is made for it */
	struct kcoh_evacuations *evacuations; /* NULL: --dry-run */
	struct kcoh_libvirt *libvirt; /* NULL: none is to be asked */
	uint64_t stop_ns; /* kcohd is to end, and waits for evacuations until then; 0: not so */
	struct kcoh_polkit *polkit;
	struct kcoh_admission *admission;
	struct kcoh_serve *serve;
	struct kcoh_feed_wants wants; /* what the feed was told to do besides counting */
	int wants_error; /* what it said to the last order */
	uint64_t times_until_ns; /* somebody reads the times of exits, until then */
};

uint64_t now_ns(void); /* CLOCK_MONOTONIC */

/* A header for a record of the daemon's own, about the host. */
struct kcoh_ev_hdr header_now(uint16_t type, uint16_t size);

/* Pushes a record of any type on its way. */
#define push(daemon, record) kcoh_relay_push((daemon)->relay, &(record)->hdr, sizeof(*(record)))

/* Each rung of main.c's ladder: says in one sentence what stands in the way, and returns a negative errno. */
int config_up(struct daemon *daemon); /* config.c */
void config_down(struct daemon *daemon);
void config_reload(struct daemon *daemon);
json_t *config_json(const struct daemon *daemon); /* which files, and what is wrong with them */
json_t *policy_json(const struct daemon *daemon, const struct kcoh_ident *ident);
int host_up(struct daemon *daemon); /* host.c: may kcohd run here? */
int listen_up(struct daemon *daemon);
void listen_down(struct daemon *daemon);
int privileges_up(struct daemon *daemon); /* privileges.c */
int loop_up(struct daemon *daemon); /* loop.c */
void loop_down(struct daemon *daemon);
int state_up(struct daemon *daemon); /* state.c: core, names, log */
void state_down(struct daemon *daemon);
int history_up(struct daemon *daemon); /* history.c */
void history_down(struct daemon *daemon);
int feed_up(struct daemon *daemon);
void feed_down(struct daemon *daemon);
int module_up(struct daemon *daemon); /* module.c */
void module_down(struct daemon *daemon);
int evacuations_up(struct daemon *daemon); /* evacuations.c */
void evacuations_down(struct daemon *daemon);
int admission_up(struct daemon *daemon); /* admission.c */
void admission_down(struct daemon *daemon);
int serve_up(struct daemon *daemon); /* facts.c */
void serve_down(struct daemon *daemon);
int fleet_up(struct daemon *daemon); /* fleet.c */
void fleet_down(struct daemon *daemon);
int libvirt_up(struct daemon *daemon); /* libvirt.c */
void libvirt_down(struct daemon *daemon);
int watch_up(struct daemon *daemon); /* loop.c: the first scan, then timers */

/* evacuations.c: kcohd is asked to end. */
int evacuations_stop(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx);

/* module.c */
void module_look(struct daemon *daemon); /* it may have come or gone */
int module_release(struct daemon *daemon, uint64_t *ret_ns, char *err, size_t err_len);

/* unclean.c: pages that the module could not clean, and no record told of. */
void unclean_heard(struct daemon *daemon, const struct kcoh_ev_hdr *ev, size_t len);
void unclean_look(struct daemon *daemon); /* reads the module's counter */
void unclean_judge(struct daemon *daemon); /* the ring was just read */

/* fleet.c: false, or null, if there is no fleet. */
bool fleet_stats(const struct daemon *daemon, struct kcoh_publish_stats *ret_stats);
json_t *fleet_json(const struct daemon *daemon);

/* libvirt.c: does libvirt run this VM? How it stands; null: it is not asked. */
bool libvirt_has(const struct daemon *daemon, const struct kcoh_ident *ident);
json_t *libvirt_json(const struct daemon *daemon);

/* wants.c: what costs something at each exit, for as long as somebody asks for it. */
int wants_times(struct daemon *daemon);
void wants_records(struct daemon *daemon, bool wanted, uint32_t vm);
void wants_look(struct daemon *daemon);

/* acts.c: carries out the core's acts. */
void act_start(void *daemon, const struct kcoh_act *act);
void acts_forget(void *daemon, const struct kcoh_ident *ident);
void acts_down(struct daemon *daemon);
void act_log(struct daemon *daemon, const struct kcoh_act *act, const struct kcoh_ident *ident,
	     enum kcoh_outcome outcome, int result, const char *sentence);

/* arms.c: ARM and DISARM. */
void arm_start(struct daemon *daemon, const struct kcoh_act *act, const struct kcoh_ident *ident);
void arms_answer(struct daemon *daemon); /* tells the core what became of them */
/* The VM's file at the module, open until it is given back; to be borrowed anew before each use. Or a negative errno and a sentence. */
int arms_borrow(struct daemon *daemon, const struct kcoh_ident *ident, char *err, size_t err_len);
void arms_give_back(struct daemon *daemon, uint32_t vm);
void arms_forget(struct daemon *daemon, uint32_t vm);
void arms_close(struct daemon *daemon); /* all: the module is to be let go, or kcohd ends */

/* refusals.c: REFUSE and ADMIT, and who may have to be refused. */
void refusal_start(struct daemon *daemon, const struct kcoh_act *act, struct kcoh_ident *ident);
void refusals_look(struct daemon *daemon); /* ten times a second */
void refusals_forget(struct daemon *daemon, uint32_t vm);
void refusals_down(struct daemon *daemon);

/* clean.c: cleans all RAM of a VM. 0, and `done` follows; or a negative errno and one sentence. */
int clean_start(struct daemon *daemon, struct kcoh_ident *ident, kcoh_serve_cleaned_fn done,
		void *ctx, char *err, size_t err_len);
void cleanings_down(struct daemon *daemon); /* those that are not over are told so */

/* clock.c: what time it is, for the events to come; if somebody has set it, that is told. */
void clock_look(struct daemon *daemon);

/* facts.c: counts the exits of all VMs, for their rates. */
void exits_sample(struct daemon *daemon);

/* loop.c: reads again which VMs there are. */
void scan(struct daemon *daemon);

/* state.c: the core's bounds. */
extern const struct kcoh_core_config core_config;

/* overrides.c: operators let VMs through. */
int overrides_up(struct daemon *daemon);
void overrides_down(struct daemon *daemon);
bool override_of(void *daemon, const struct kcoh_ident *ident, struct kcoh_ev_override *ret_ev);
void overrides_scanned(struct daemon *daemon); /* all VMs that were there at the start are known */
void overrides_look(struct daemon *daemon); /* ten times a second: what has ended? */
void overrides_forget(struct daemon *daemon, uint32_t vm);
/* For `ns` from now on, or no more. 0, or a negative errno and one sentence. */
int override_give(struct daemon *daemon, const struct kcoh_ident *ident, uint32_t uid, uint64_t ns,
		  const char *why, char *err, size_t err_len);
int override_end(struct daemon *daemon, const struct kcoh_ident *ident, uint32_t uid, char *err,
		 size_t err_len);
json_t *override_json(const struct daemon *daemon, uint32_t vm); /* NULL: none is in force */

/* recorder.c */
int recorder_up(struct daemon *daemon);
void recorder_down(struct daemon *daemon);
void recorder_take(struct daemon *daemon, const union kcoh_ev *ev, const struct kcoh_act *acts,
		   int n);
void recorder_look(struct daemon *daemon); /* ten times a second */
/* Writes what there is now. 0 and where, or a negative errno and one sentence. */
int recorder_write(struct daemon *daemon, char *ret_path, size_t path_len, char *err,
		   size_t err_len);

/* state.c: the policy of VMs that have none of their own yet. */
void default_policy_push(struct daemon *daemon);

/* state.c: the path of a VM's QMP socket by the configuration. -ENOENT: none is named. */
int qmp_path(struct daemon *daemon, const struct kcoh_ident *ident, char *ret_path, size_t len);

#endif
