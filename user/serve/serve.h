/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * serve.h - the daemon's HTTP API on an sd-event loop. docs/daemon.md lists the paths.
 *
 * The server reads: the core for views and verdicts, the roster for names, the log for events. What
 * only the wiring knows (exit counters, host facts) and what acts come in as callbacks.
 */
#ifndef KCOH_SERVE_H
#define KCOH_SERVE_H

#include <jansson.h>
#include <systemd/sd-event.h>

#include "admission/admission.h"
#include "core/core.h"
#include "feed/feed.h"
#include "guard/evacuations.h"
#include "metrics/metrics.h"
#include "serve/log.h"
#include "names/roster.h"
#include "serve/polkit.h"

struct kcoh_clean_result;

/* What became of cleaning: 0 and a result, or a negative errno; and one sentence. */
typedef void (*kcoh_serve_cleaned_fn)(void *ctx, int result,
				      const struct kcoh_clean_result *ret_result,
				      const char *sentence);

struct kcoh_serve_config {
	sd_event *event;
	int listen_fd; /* listening stream socket; the server closes it, also on error */
	int tcp_fd; /* a listening TCP socket, likewise; 0: none */
	struct kcoh_roster *roster;
	const struct kcoh_core *core;
	struct kcoh_log *log; /* the server takes its notification */
	struct kcoh_log *
		exits_log; /* of single exits, while a stream wants them; its notification, too. May be NULL */
	uint32_t page_size; /* bytes */
	const char *history; /* path of the store's database, or NULL: none is kept */
	unsigned int max_streams; /* of events at a time; 0: 64 */
	unsigned int request_ms; /* how long a request may take to come; 0: 30 s */
	struct kcoh_polkit *polkit; /* who but root may act; must outlive the server. NULL: nobody */
	struct kcoh_evacuations
		*evacuations; /* must outlive the server. NULL: none can be asked for */
	struct kcoh_admission
		*admission; /* must outlive the server. NULL: AdmissionReviews are not answered */
	/* Somebody acts, or was refused: an entry of type AUDIT, which the log has already. May be NULL. */
	void (*audit)(void *ctx, const struct kcoh_entry *entry);
	/* Exit counters as kcoh_feed_exits(): 0, or a negative errno if there are none. May be NULL. */
	int (*exits)(void *ctx, uint32_t vm, uint16_t vcpu, struct kcoh_exit_counts *ret_counts);
	/* A new array of the host's devices that the VM has. May be NULL. */
	json_t *(*devices)(void *ctx, uint32_t vm);
	/* Somebody asked for the times of exits, and will again soon. 0 or a negative errno. May be NULL. */
	int (*times)(void *ctx);
	/* Single exits are wanted of this VM (KCOH_VM_NONE: of all), or no more. May be NULL. */
	void (*exit_records)(void *ctx, bool wanted, uint32_t vm);
	/* A new object of facts about host and module. May be NULL. */
	json_t *(*host)(void *ctx);
	/* A new object: the policy of that VM, and where each value of it comes from. May be NULL. */
	json_t *(*policy)(void *ctx, const struct kcoh_ident *ident);
	/* What the wiring knows for /metrics; ret_host is zeroed. May be NULL. */
	void (*metrics)(void *ctx, struct kcoh_metrics_host *ret_host);
	/* An operator's override of that VM for so long, or its end. 0, or a negative errno and one sentence. May be NULL. */
	int (*override_give)(void *ctx, const struct kcoh_ident *ident, uint32_t uid, uint64_t ns,
			     const char *why, char *err, size_t err_len);
	int (*override_end)(void *ctx, const struct kcoh_ident *ident, uint32_t uid, char *err,
			    size_t err_len);
	/* A new object: uid, why, given_ns, until_ns; NULL: none is in force. May be NULL. */
	json_t *(*override)(void *ctx, uint32_t vm);
	/* Lets go of the module. 0 and for how long, or a negative errno and one sentence. May be NULL. */
	int (*module_release)(void *ctx, uint64_t *ret_ns, char *err, size_t err_len);
	/*
	 * Cleans all RAM of that VM. 0: `done` is called once, later, never from inside of this call. Or a negative errno and one
	 * sentence: -EALREADY if nothing is to be cleaned on this host. `done` may not come after kcoh_serve_free(). May be NULL.
	 */
	int (*clean)(void *ctx, struct kcoh_ident *ident, kcoh_serve_cleaned_fn done,
		     void *done_ctx, char *err, size_t err_len);
	/* Writes a recording. 0 and its path, or a negative errno and one sentence. May be NULL. */
	int (*record)(void *ctx, char *ret_path, size_t path_len, char *err, size_t err_len);
	void *ctx;
};

struct kcoh_serve; /* opaque */

int kcoh_serve_new(const struct kcoh_serve_config *config, struct kcoh_serve **ret_serve);

/* Ends all streams and closes all connections. NULL is allowed. */
void kcoh_serve_free(struct kcoh_serve *serve);

/* Streams of events that are open now. */
unsigned int kcoh_serve_streams(const struct kcoh_serve *serve);

#endif
