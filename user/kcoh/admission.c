// SPDX-License-Identifier: GPL-2.0-only
/*
 * admission.c - kcoh admission: the webhook that KubeVirt's migrations are asked at.
 *
 *   $ kcoh admission --cert /tls/tls.crt --key /tls/tls.key
 *   kcoh: answers on 0.0.0.0:8443, by the fleet's store at https://10.0.0.11:2379
 *   kcoh: refused: kcoh refuses the migration of prod/web-1: arm-17: veto: mmu-off: a vCPU runs with its MMU or data cache off
 *
 * It asks the fleet's store and nobody else, keeps nothing and needs no rights: several of it stand behind one Service of Kubernetes
 * (scripts/integrate/kubevirt.yaml), and the hosts' own kcohd are reached by nobody. On SIGTERM it goes on for 5 s, since Kubernetes goes
 * on sending for a moment; on SIGHUP it looks for newer certificates, as it does every 10 s by itself.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "admission/server.h"
#include "config/config.h"
#include "kcoh/cmd.h"
#include "names/text.h"
#include "serve/tcp.h"

#define LISTEN "0.0.0.0:8443"
#define DRAIN_US (5 * 1000000ull)
#define DEADLINE_MIN_MS 100
#define DEADLINE_MAX_MS 25000 /* Kubernetes gives a webhook 30 s at most */

struct admission_options {
	const char *config, *listen;
	struct kcoh_tls_paths tls;
	uint32_t deadline_ms;
};

struct webhook {
	sd_event *event;
	struct kcoh_admission *admission;
	struct kcoh_admission_server *server;
};

static void on_say(void *ctx, int priority, const char *sentence)
{
	(void)ctx;
	(void)priority;
	complain("%s", sentence);
}

static void on_said(void *ctx, enum kcoh_review_outcome outcome, const char *sentence)
{
	(void)ctx;
	complain("%s: %s", kcoh_review_outcome_name(outcome), sentence);
}

static int on_drained(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct webhook *webhook = ctx;

	(void)source;
	(void)usec;
	return sd_event_exit(webhook->event, 0);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *ctx)
{
	struct webhook *webhook = ctx;

	(void)source;
	if (info->ssi_signo == SIGHUP) {
		kcoh_admission_server_reload(webhook->server);
		return 0;
	}
	if (info->ssi_signo == SIGINT)
		return sd_event_exit(webhook->event, 0);
	kcoh_admission_server_drain(webhook->server);
	return sd_event_add_time_relative(webhook->event, NULL, CLOCK_MONOTONIC, DRAIN_US, 0,
					  on_drained, webhook);
}

static int signals_take(struct webhook *webhook)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	sigset_t set;
	int err = 0;

	sigemptyset(&set);
	for (size_t i = 0; i < 3; i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < 3 && err >= 0; i++)
		err = sd_event_add_signal(webhook->event, NULL, numbers[i], on_signal, webhook);
	return err;
}

/* 0, or a negative errno and one sentence. */
static int webhook_up(struct webhook *webhook, const struct kcoh_config *config,
		      const struct admission_options *options, char *err, size_t err_len)
{
	struct kcoh_admission_config admission = { .config = config,
						   .deadline_ms = options->deadline_ms,
						   .said = on_said };
	struct kcoh_admission_server_config server = { .tls = options->tls, .say = on_say };
	int bad = sd_event_new(&webhook->event);

	snprintf(err, err_len, "cannot set up its loop");
	if (bad >= 0)
		bad = signals_take(webhook);
	admission.event = server.event = webhook->event;
	if (bad >= 0)
		bad = kcoh_admission_new(&admission, &webhook->admission);
	if (bad < 0)
		return bad;
	server.listen_fd = kcoh_tcp_open(options->listen, err, err_len);
	if (server.listen_fd < 0)
		return server.listen_fd;
	server.admission = webhook->admission;
	return kcoh_admission_server_new(&server, &webhook->server, err, err_len);
}

static int serve(const struct kcoh_config *config, const struct admission_options *options)
{
	struct webhook webhook = { 0 };
	char sentence[640];
	int status = STATUS_ERROR;

	if (webhook_up(&webhook, config, options, sentence, sizeof(sentence)) < 0) {
		complain("%s", sentence);
	} else {
		complain("answers on %s, by the fleet's store at %s", options->listen,
			 kcoh_config_fleet(config)->endpoints[0]);
		status = sd_event_loop(webhook.event) == 0 ? STATUS_OK : STATUS_ERROR;
	}
	kcoh_admission_server_free(webhook.server);
	kcoh_admission_free(webhook.admission);
	sd_event_unref(webhook.event);
	return status;
}

/* --- the command -------------------------------------------------------------------------------------------- */

static void deadline_read(struct admission_options *options, const char *arg,
			  const struct argp_state *state)
{
	if (kcoh_text_u32(arg, &options->deadline_ms) < 0 ||
	    options->deadline_ms < DEADLINE_MIN_MS || options->deadline_ms > DEADLINE_MAX_MS)
		usage_error(state,
			    "--deadline must be a number of milliseconds from %d to %d, not '%s'",
			    DEADLINE_MIN_MS, DEADLINE_MAX_MS, arg);
}

static void options_check(const struct admission_options *options, const struct argp_state *state)
{
	if (!options->tls.cert || !options->tls.key)
		usage_error(state, "kube-apiserver speaks TLS only: name --cert and --key");
	if (kcoh_tcp_check(options->listen) < 0)
		usage_error(state, "--listen must be ADDRESS:PORT like " LISTEN ", not '%s'",
			    options->listen);
}

static error_t on_option(int key, char *arg, struct argp_state *state)
{
	struct admission_options *options = state->input;

	switch (key) {
	case 'c':
		options->config = arg;
		return 0;
	case 'l':
		options->listen = arg;
		return 0;
	case 'C':
		options->tls.cert = arg;
		return 0;
	case 'k':
		options->tls.key = arg;
		return 0;
	case 'a':
		options->tls.client_ca = arg;
		return 0;
	case 'd':
		deadline_read(options, arg, state);
		return 0;
	case ARGP_KEY_ARG:
		usage_error(state, "'%s' is too much: kcoh admission takes options only", arg);
	case ARGP_KEY_SUCCESS:
		options_check(options, state);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static const struct argp_option argp_options[] = {
	{ "listen", 'l', "ADDRESS:PORT", 0, "Listen there (" LISTEN ")", 0 },
	{ "cert", 'C', "FILE", 0,
	  "PEM file of the server's certificate, and of those that signed it", 0 },
	{ "key", 'k', "FILE", 0, "PEM file of its key", 0 },
	{ "client-ca", 'a', "FILE", 0,
	  "PEM file of an authority: who asks must show a certificate of it", 0 },
	{ "deadline", 'd', "MS", 0, "Give the store so many milliseconds (2000)", 0 },
	{ "config", 'c', "FILE", 0, "Read this configuration (" KCOH_CONFIG_FILE ")", 0 },
	{ 0 },
};

int cmd_admission(int argc, char **argv)
{
	static const struct argp argp = {
		argp_options,
		on_option,
		NULL,
		"Answers Kubernetes whether a migration of KubeVirt's may be made.\v"
		"A validating webhook for VirtualMachineInstanceMigration: POST /v1/admission over "
		"TLS. It asks the store that [fleet] of the configuration names, and needs no "
		"kcohd "
		"and no rights. Its certificates are read again when their files change. It says "
		"on "
		"standard error what it refused. Exit status: 0 ended by a signal, 2 it cannot "
		"serve.",
		NULL,
		NULL,
		NULL
	};
	struct admission_options options = { .config = KCOH_CONFIG_FILE, .listen = LISTEN };
	struct kcoh_config *config;
	char sentence[1024];
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &options);
	if (kcoh_config_load(options.config, &config, sentence, sizeof(sentence)) < 0)
		return complain("%s", sentence);
	if (!kcoh_config_fleet(config))
		status = complain("%s names no store: set endpoints in its section [fleet]",
				  options.config);
	else
		status = serve(config, &options);
	kcoh_config_free(config);
	return status;
}
