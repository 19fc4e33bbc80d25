// SPDX-License-Identifier: GPL-2.0-only
/*
 * config.c - the configuration: read at the start, and again at SIGHUP.
 *
 * At the start a mistake in it ends kcohd. Later it changes nothing: what applied before still does, the journal has the sentence, and
 * /v1/host shows it until a reading succeeds. A reading that succeeds applies at once and whole: the core gets the default policy
 * and then that of each VM that changed, between two records. What cannot change while kcohd runs (sockets, the history's
 * place) is named.
 *
 *   $ systemctl reload kcohd        kcohd: the configuration was read again: 2 files; 3 virtual machines have another policy
 */
#include <errno.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "kcohd/daemon.h"
#include "serve/policy_json.h"

static const char *path_of(const struct daemon *daemon)
{
	return daemon->options.config ? daemon->options.config : KCOH_CONFIG_FILE;
}

/* Files, and the command line over them. -EINVAL or another errno, and a sentence. */
static int load(struct daemon *daemon, struct kcoh_config **ret_config, char *err, size_t err_len)
{
	const struct options *options = &daemon->options;
	int ret = kcoh_config_load(path_of(daemon), ret_config, err, err_len);

	if (ret == -ENOENT && !options->config)
		ret = kcoh_config_new(ret_config);
	if (ret < 0)
		return ret;
	if (options->socket)
		ret = kcoh_config_set_socket(*ret_config, options->socket);
	if (ret == 0 && options->bpf_dir)
		ret = kcoh_config_set_bpf_dir(*ret_config, options->bpf_dir);
	if (ret < 0) {
		snprintf(err, err_len, "no memory for the configuration");
		kcoh_config_free(*ret_config);
	}
	return ret;
}

int config_up(struct daemon *daemon)
{
	char sentence[512] = "no memory for the configuration";
	int err;

	say_set_verbose(daemon->options.verbose);
	err = load(daemon, &daemon->config, sentence, sizeof(sentence));
	if (err < 0)
		say(LOG_ERR, "%s", sentence);
	daemon->reading.good_ns = now_ns();
	return err;
}

void config_down(struct daemon *daemon)
{
	kcoh_config_free(daemon->config);
}

static size_t file_count(const struct kcoh_config *config)
{
	size_t n = 0;

	while (kcoh_config_file(config, n))
		n++;
	return n;
}

static void apply(struct daemon *daemon, struct kcoh_config *fresh)
{
	char rest[256];
	size_t changed;

	kcoh_config_adopt(daemon->config, fresh, rest, sizeof(rest));
	daemon->reading = (struct reading){ .good_ns = now_ns() };
	default_policy_push(daemon);
	changed = kcoh_relay_policies(daemon->relay, now_ns());
	wants_look(daemon); /* exit_times */
	say(LOG_NOTICE,
	    "the configuration was read again: %zu files; %zu virtual machines have another policy",
	    file_count(daemon->config), changed);
	if (*rest)
		say(LOG_WARNING, "these keys stay as they were until kcohd is started again: %s",
		    rest);
}

void config_reload(struct daemon *daemon)
{
	struct kcoh_config *fresh = NULL;
	struct reading *reading = &daemon->reading;
	int err;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu", (unsigned long long)(now_ns() / 1000));
	err = load(daemon, &fresh, reading->error, sizeof(reading->error));
	if (err < 0)
		say(LOG_ERR, "%s; the policy that was read before stays", reading->error);
	else
		apply(daemon, fresh);
	sd_notify(0, "READY=1");
}

json_t *config_json(const struct daemon *daemon)
{
	const char *error = daemon->reading.error;
	json_t *files = json_array();

	for (size_t i = 0; kcoh_config_file(daemon->config, i); i++)
		json_array_append_new(files, json_string(kcoh_config_file(daemon->config, i)));
	return json_pack("{s:o, s:I, s:s?}", "files", files, "read_ns",
			 (json_int_t)daemon->reading.good_ns, "error", *error ? error : NULL);
}

json_t *policy_json(const struct daemon *daemon, const struct kcoh_ident *ident)
{
	return kcoh_policy_json(daemon->config, ident, config_json(daemon));
}
