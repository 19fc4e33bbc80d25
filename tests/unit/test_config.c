// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration: what is taken, and that each mistake is told with its line and what would be right.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"
#include "serve/paths.h"

static char sentence[512];

/* Writes `text` to a file, loads it and removes it; returns what loading gave. */
static int load(const char *text, struct kcoh_config **ret_config)
{
	char path[] = "/tmp/kcoh-test-XXXXXX";
	int fd = mkstemp(path), err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	*sentence = '\0';
	*ret_config = NULL;
	err = kcoh_config_load(path, ret_config, sentence, sizeof(sentence));
	unlink(path);
	return err;
}

static struct kcoh_config *load_good(const char *text)
{
	struct kcoh_config *config;
	int err = load(text, &config);

	if (err)
		fail_msg("%s", sentence);
	return config;
}

static void built_in(void **state)
{
	struct kcoh_config *config;
	struct kcoh_policy policy;

	(void)state;
	assert_int_equal(kcoh_config_new(&config), 0);
	policy = kcoh_config_policy(config, "web-1", NULL);
	assert_string_equal(kcoh_config_socket(config), KCOH_SOCKET);
	assert_null(kcoh_config_listen(config));
	assert_null(kcoh_config_libvirt(config));
	assert_string_equal(kcoh_config_history(config), "/var/lib/kcoh/history.db");
	assert_int_equal(kcoh_config_history_days(config), 90);
	assert_int_equal(kcoh_config_history_mb(config), 256);
	assert_int_equal(policy.strategy, KCOH_STRATEGY_CLEAN);
	assert_int_equal(policy.guard, KCOH_GUARD_WARN);
	assert_false(policy.last_resort);
	assert_false(kcoh_config_last_resort(config));
	assert_int_equal(policy.arm_deadline_ms, 1000);
	assert_int_equal(policy.defer_deadline_ms, 30000);
	assert_int_equal(policy.hold_deadline_ms, 10000);
	assert_null(policy.qmp);
	kcoh_config_free(config);
}

static void all_keys(void **state)
{
	struct kcoh_config *config = load_good("; a comment\n"
					       "[kcohd]\n"
					       "socket = /run/x/y.sock\n"
					       "listen = [::1]:9754\n"
					       "history = none\n"
					       "history_days = 7\n"
					       "history_mb = 0\n"
					       "bpf_dir=/opt/bpf ; and another\n"
					       "exit_vcpus = 300\nexit_times = yes\n"
					       "libvirt = qemu+unix:///system?socket=/s\n"
					       "\n"
					       "[defaults]\r\n"
					       "  strategy = observe\r\n"
					       "\tguard = enforce\n"
					       "  arm_deadline_ms = 250\n"
					       "  defer_deadline_ms = 9\n"
					       "  hold_deadline_ms = 8\n"
					       "[vm web-*]\n"
					       "last_resort = yes\n"
					       "qmp = /run/qemu/%n.qmp\n");
	struct kcoh_policy policy = kcoh_config_policy(config, "web-1", NULL);
	struct kcoh_ev_policy ev = { 0 };

	(void)state;
	assert_string_equal(kcoh_config_socket(config), "/run/x/y.sock");
	assert_string_equal(kcoh_config_listen(config), "[::1]:9754");
	assert_null(kcoh_config_history(config));
	assert_int_equal(kcoh_config_history_days(config), 7);
	assert_int_equal(kcoh_config_history_mb(config), 0);
	assert_string_equal(kcoh_config_bpf_dir(config), "/opt/bpf");
	assert_int_equal(kcoh_config_exit_vcpus(config), 300);
	assert_true(kcoh_config_times(config));
	assert_string_equal(kcoh_config_libvirt(config), "qemu+unix:///system?socket=/s");
	assert_int_equal(policy.strategy, KCOH_STRATEGY_OBSERVE);
	assert_int_equal(policy.guard, KCOH_GUARD_ENFORCE);
	assert_int_equal(policy.arm_deadline_ms, 250);
	assert_int_equal(policy.defer_deadline_ms, 9);
	assert_int_equal(policy.hold_deadline_ms, 8);
	assert_string_equal(policy.qmp, "/run/qemu/%n.qmp");
	assert_true(policy.last_resort);
	assert_true(kcoh_config_last_resort(config)); /* one VM's is enough */
	assert_false(kcoh_config_policy(config, "db-1", NULL).last_resort);
	kcoh_policy_event(&policy, false, &ev);
	assert_int_equal(ev.last_resort, 1);
	policy.cancel = false; /* its migrations are not to be ended, in no way */
	kcoh_policy_event(&policy, true, &ev);
	assert_int_equal(ev.last_resort, 0);
	assert_null(kcoh_config_policy(config, "db-1", NULL).qmp);
	assert_null(kcoh_config_defaults(config).qmp);
	kcoh_config_free(config);
}

/* The first section that matches applies, alone; [defaults] may stand behind it. */
static void first_match(void **state)
{
	struct kcoh_config *config = load_good("[vm web-1]\n"
					       "guard = enforce\n"
					       "[vm web-*]\n"
					       "guard = warn\n"
					       "strategy = observe\n"
					       "arm_deadline_ms = 5\n"
					       "[vm db-[0-9]]\n"
					       "arm_deadline_ms = 6 ; not ]\n"
					       "[defaults]\n"
					       "guard = enforce\n"
					       "arm_deadline_ms = 7\n");
	struct kcoh_policy one = kcoh_config_policy(config, "web-1", NULL);
	struct kcoh_policy two = kcoh_config_policy(config, "web-2", NULL);

	(void)state;
	assert_int_equal(one.guard, KCOH_GUARD_ENFORCE);
	assert_int_equal(one.strategy, KCOH_STRATEGY_CLEAN);
	assert_int_equal(one.arm_deadline_ms, 7);
	assert_int_equal(two.guard, KCOH_GUARD_WARN);
	assert_int_equal(two.strategy, KCOH_STRATEGY_OBSERVE);
	assert_int_equal(two.arm_deadline_ms, 5);
	assert_int_equal(kcoh_config_policy(config, "db-7", NULL).arm_deadline_ms, 6);
	assert_int_equal(kcoh_config_policy(config, "db-x", NULL).arm_deadline_ms, 7);
	kcoh_config_free(config);
}

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *text;
	const char *told; /* after the file's name */
} mistakes[] = {
	{ "[kcohd]\nsockte = /x\n",
	  ":2: unknown key 'sockte' in [kcohd]; known are socket, "
	  "listen, bpf_dir, history, history_days, history_mb, exit_vcpus, exit_times" },
	{ "[defaults]\nqmp = /x\n",
	  ":2: unknown key 'qmp' in [defaults]; known are strategy, guard, cancel, "
	  "last_resort, without_module, when_blind, arm_deadline_ms, defer_deadline_ms, "
	  "hold_deadline_ms" },
	{ "\n\n[vmm a]\n", ":3: unknown section [vmm a]; known are [kcohd], [fleet], [defaults], "
			   "[vm NAME] and [vm uuid:UUID]" },
	{ "[fleet]\nendpoint = x\n", ":2: unknown key 'endpoint' in [fleet]; known are endpoints, "
				     "prefix, host, ca, cert, key, lease_s, unknown_host" },
	{ "[fleet]\nendpoints = 10.0.0.1:2379\n",
	  ":2: endpoints must be URLs like https://10.0.0.11:2379, not '10.0.0.1:2379'" },
	{ "[fleet]\nendpoints = https://a:1, https://b\n", "not 'https://b'" },
	{ "[fleet]\nendpoints = https://a:1,\n", "not ''" },
	{ "[fleet]\nendpoints = https://a:1/v3\n", "not 'https://a:1/v3'" },
	{ "[fleet]\nendpoints = https://u:p@a:1\n", "not 'https://u:p@a:1'" },
	{ "[fleet]\nendpoints = http://10.0.0.1:2379\n",
	  ":2: endpoints: 'http://10.0.0.1:2379' is not encrypted" },
	{ "[fleet]\nendpoints = http://127.0.0.1.evil:2379\n", "is not encrypted" },
	{ "[fleet]\nendpoints = https://a:1, https://a:2, https://a:3, https://a:4, https://a:5, "
	  "https://a:6, https://a:7, https://a:8, https://a:9\n",
	  ":2: endpoints may have 8 URLs at most" },
	{ "[fleet]\nprefix = /\n", ":2: prefix must be like /kcoh" },
	{ "[fleet]\nprefix = /a//b\n", ":2: prefix must be like /kcoh" },
	{ "[fleet]\nhost = a/b\n", ":2: host must be a name of letters, digits, and . _ -" },
	{ "[fleet]\nlease_s = 4\n", ":2: lease_s must be a number of seconds from 5 to 600" },
	{ "[fleet]\nunknown_host = warn\n",
	  ":2: unknown_host 'warn' is not known; choose allow or veto" },
	{ "[fleet]\nkey = k.pem\n", ":2: key must be an absolute path" },
	{ "[vm]\n", ":1: [vm] needs the name of a VM, or a pattern: [vm web-*]" },
	{ "[vm  ]\n", ":1: [vm] needs the name" },
	{ "guard = warn\n", ":1: 'guard' stands before any section; begin with [kcohd]" },
	{ "[defaults]\nguard = off\n", ":2: guard 'off' is not known; choose warn or enforce" },
	{ "[defaults]\nstrategy = Veto\n",
	  ":2: strategy 'Veto' is not known; choose observe, clean, clean-tainted, hold, defer, "
	  "retry or veto" },
	{ "[defaults]\nhold_deadline_ms = 600001\n", "from 1 to 600000, not '600001'" },
	{ "[vm a]\ndefer_deadline_ms = 0\n", ":2: defer_deadline_ms must be a number" },
	{ "[defaults]\narm_deadline_ms = 0\n",
	  ":2: arm_deadline_ms must be a number of milliseconds" },
	{ "[defaults]\narm_deadline_ms = 60001\n", "from 1 to 60000, not '60001'" },
	{ "[defaults]\narm_deadline_ms = -1\n", "not '-1'" },
	{ "[defaults]\narm_deadline_ms = 99999999999999999999\n", ":2: arm_deadline_ms must be" },
	{ "[defaults]\narm_deadline_ms = 1s\n", ":2: arm_deadline_ms must be" },
	{ "[kcohd]\nsocket = kcohd.sock\n",
	  ":2: socket must be an absolute path, not 'kcohd.sock'" },
	{ "[kcohd]\nhistory = here.db\n",
	  ":2: history must be an absolute path or none, not 'here.db'" },
	{ "[kcohd]\nhistory_days = -1\n",
	  ":2: history_days must be a number from 0 (no limit) to 1000000, not '-1'" },
	{ "[kcohd]\nhistory_mb = 1000001\n", ":2: history_mb must be a number from 0" },
	{ "[kcohd]\nlisten = 9754\n",
	  ":2: listen must be ADDRESS:PORT like 127.0.0.1:9754, not '9754'" },
	{ "[kcohd]\nlisten = localhost:9754\n", ":2: listen must be ADDRESS:PORT" },
	{ "[kcohd]\nlisten = ::1:9754\n", ":2: listen must be ADDRESS:PORT" },
	{ "[kcohd]\nlisten = [::1]:\n", ":2: listen must be ADDRESS:PORT" },
	{ "[kcohd]\nlisten = 127.0.0.1:99999\n", ":2: listen must be ADDRESS:PORT" },
	{ "[kcohd]\nlisten = 127.0.0.1:-1\n", ":2: listen must be ADDRESS:PORT" },
	{ "[kcohd]\nsocket = /" LONG LONG "\n", ":2: socket is longer than the 107 bytes" },
	{ "[kcohd]\nbpf_dir = bpf\n", ":2: bpf_dir must be an absolute path, not 'bpf'" },
	{ "[kcohd]\nexit_vcpus = 0\n", ":2: exit_vcpus must be a number from 1 to 65535, not '0'" },
	{ "[kcohd]\nlibvirt = qemu+ssh://arm-2/system\n",
	  ":2: libvirt must be qemu:///system, qemu+unix:///system?socket=PATH or none, not "
	  "'qemu+ssh://arm-2/system'" },
	{ "[kcohd]\nlibvirt = qemu:///session\n", "not 'qemu:///session'" },
	{ "[kcohd]\nexit_times = on\n", ":2: exit_times must be yes or no, not 'on'" },
	{ "[vm a]\nqmp = /run/%x.sock\n", ":2: qmp may hold %n, %u, %p and %%, and no other %" },
	{ "[vm a]\nqmp = /run/%\n", ":2: qmp may hold %n, %u, %p and %%, and no other %" },
	{ "[defaults]\ncancel = 1\n", ":2: cancel '1' is not known; choose yes or no" },
	{ "[defaults]\nwithout_module = clean\n", "choose veto or allow" },
	{ "[vm a]\nwhen_blind = warn\n", ":2: when_blind 'warn' is not known" },
	/* twice */
	{ "[defaults]\nguard = warn\n\nguard = enforce\n",
	  ":4: 'guard' stands in [defaults] already, in line 2: keep one" },
	{ "[kcohd]\nsocket = /a\nsocket = /a\n", ":3: 'socket' stands in [kcohd] already" },
	{ "[vm a]\nqmp = /a\nqmp = /b\n", ":3: 'qmp' stands in [vm a] already, in line 2" },
	{ "[kcohd]\n[defaults]\n[kcohd]\n", ":3: [kcohd] stands in line 1 already" },
	{ "[defaults]\n[vm a]\n[defaults]\n", ":3: [defaults] stands in line 1 already" },
	{ "[vm a]\n[vm b]\n[vm  a ]\n", ":3: [vm a] stands in line 1 already: put its keys there" },
	{ "[vm uuid:7]\n", ":1: [vm uuid:7] needs a UUID like d7ecdb33-" },
	{ "[vm a]\nguard\n", ":2: neither a [section], nor key = value, nor a ; comment" },
	{ "[vm a\nguard = warn\n", ":1: neither a [section]" },
	{ "[kcohd]\n; fine\n" LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG
		  LONG LONG LONG LONG "\n",
	  ":3: the line is longer than 1021 bytes" },
	/* the first mistake is the one that is told */
	{ "[kcohd]\nfoo\nbar = 1\n[baz]\n", ":2: neither a [section]" },
	{ "[kcohd]\nfoo = 1\nbar\n[baz]\n", ":2: unknown key 'foo'" },
};

static void told_mistakes(void **state)
{
	struct kcoh_config *config;

	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		assert_int_equal(load(mistakes[i].text, &config), -EINVAL);
		assert_null(config);
		if (!strstr(sentence, mistakes[i].told) || strncmp(sentence, "/tmp/kcoh-test-", 15))
			fail_msg("for %s\nwas told: %s\nand not: %s", mistakes[i].text, sentence,
				 mistakes[i].told);
	}
}

static void fleet(void **state)
{
	const struct kcoh_fleet_config *fleet;
	struct kcoh_config *config = load_good("[fleet]\nlease_s = 20\n"), *fresh;
	char rest[64];

	(void)state;
	assert_null(kcoh_config_fleet(config)); /* no endpoints */
	kcoh_config_free(config);
	config = load_good(
		"[fleet]\nendpoints = https://10.0.0.1:2379 ,http://[::1]:1\nca = /ca\n"
		"cert = /c\nkey = /k\nhost = arm-1\nprefix = /a/b\nunknown_host = veto\n");
	fleet = kcoh_config_fleet(config);
	assert_int_equal(fleet->endpoints_count, 2);
	assert_string_equal(fleet->endpoints[0], "https://10.0.0.1:2379");
	assert_string_equal(fleet->endpoints[1], "http://[::1]:1");
	assert_string_equal(fleet->host, "arm-1");
	assert_string_equal(fleet->prefix, "/a/b");
	assert_string_equal(fleet->key, "/k");
	assert_int_equal(fleet->lease_s, 15);
	assert_true(fleet->unknown_veto);
	fresh = load_good("[fleet]\nendpoints = https://10.0.0.2:2379\n");
	kcoh_config_adopt(config, fresh, rest, sizeof(rest));
	assert_string_equal(rest, "[fleet]");
	assert_string_equal(fleet->endpoints[0], "https://10.0.0.1:2379");
	assert_false(fleet->unknown_veto); /* that one applies at once */
	kcoh_config_free(config);
	assert_int_equal(load("[fleet]\ncert = /c\n", &config), -EINVAL);
	assert_string_equal(sentence,
			    "[fleet] has cert but no key: a client certificate needs both");
	assert_int_equal(load("[fleet]\nendpoints = http://[::1]:1\nca = /c\n", &config), -EINVAL);
	assert_non_null(strstr(sentence, "no endpoint is https"));
}

static void unreadable(void **state)
{
	struct kcoh_config *config = NULL;

	(void)state;
	assert_int_equal(
		kcoh_config_load("/nonexistent/kcoh.conf", &config, sentence, sizeof(sentence)),
		-ENOENT);
	assert_string_equal(sentence, "cannot read the configuration /nonexistent/kcoh.conf: "
				      "No such file or directory");
	assert_int_equal(kcoh_config_load("/tmp", &config, sentence, sizeof(sentence)), -EINVAL);
	assert_non_null(strstr(sentence, "Is a directory"));
	assert_null(config);
}

/* A long sentence is cut, not written beyond its end. */
static void short_buffer(void **state)
{
	char path[] = "/tmp/kcoh-test-XXXXXX";
	int fd = mkstemp(path);
	struct kcoh_config *config;

	(void)state;
	assert_int_equal(write(fd, "[a]\n", 4), 4);
	close(fd);
	for (size_t len = 1; len < 80; len++) {
		char *exact = malloc(len);

		assert_int_equal(kcoh_config_load(path, &config, exact, len), -EINVAL);
		assert_true(strlen(exact) < len);
		free(exact);
	}
	unlink(path);
}

static void qmp_paths(void **state)
{
	static const struct {
		const char *pattern, *name, *uuid, *path; /* NULL: -EINVAL */
	} cases[] = {
		{ "/run/a.qmp", "web", "", "/run/a.qmp" },
		{ "/run/%n.qmp", "web-1", "", "/run/web-1.qmp" },
		{ "/run/%u/%p/%%", "web", "0-1", "/run/0-1/42/%" },
		{ "/run/%n%n", "a,b", "", "/run/a,ba,b" },
		{ "/run/%n.qmp", "../../etc/x", "", NULL },
		{ "/run/%n.qmp", "..", "", NULL },
		{ "/run/%n/qmp", ".", "", NULL },
		{ "/run/%u", "web", "", NULL },
		{ "/run/%", "web", "", NULL },
		{ "/run/%d", "web", "", NULL },
	};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = kcoh_config_qmp_path(cases[i].pattern, cases[i].name, cases[i].uuid, 42,
					       path, sizeof(path));

		assert_int_equal(err, cases[i].path ? 0 : -EINVAL);
		if (cases[i].path)
			assert_string_equal(path, cases[i].path);
	}
	assert_int_equal(kcoh_config_qmp_path("/%n", "abc", "", 1, path, 5), 0);
	assert_int_equal(kcoh_config_qmp_path("/%n", "abc", "", 1, path, 4), -ENAMETOOLONG);
}

/* Writes a file of that name below `dir`, which stays until remove_all(). */
static void write_file(const char *dir, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void remove_all(const char *dir)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	assert_int_equal(system(command), 0);
}

#define UUID "d7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5"

static void explained(void *ctx, const struct kcoh_config_line *line)
{
	char *text = ctx;
	size_t len = strlen(text);
	const char *name = line->file ? strrchr(line->file, '/') + 1 : "built in";

	snprintf(text + len, 1024 - len, "%s = %s (%s:%u %s)\n", line->key, line->value, name,
		 line->line, line->section ? line->section : "-");
}

/* Later files come before earlier ones, and who gave what is told. */
static void drop_ins(void **state)
{
	char dir[] = "/tmp/kcoh-test-XXXXXX", path[64], drop[128], text[1024] = "";
	struct kcoh_config *config = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/kcoh.conf", dir);
	snprintf(drop, sizeof(drop), "%s.d", path);
	assert_int_equal(mkdir(drop, 0755), 0);
	write_file(dir, "kcoh.conf",
		   "[kcohd]\nhistory_days = 1\nhistory_mb = 1\n[defaults]\nguard = enforce\n"
		   "cancel = no\n[vm web-*]\nstrategy = veto\nqmp = /run/%n\n");
	write_file(drop, "20-b.conf",
		   "[kcohd]\nhistory_mb = 3\n[vm uuid:" UUID "]\nwithout_module = allow\n"
		   "[vm web-[78]]\nstrategy = observe\n");
	write_file(drop, "10-a.conf",
		   "[kcohd]\nhistory_mb = 2\n[defaults]\nguard = warn\n"
		   "[vm web-7]\nstrategy = hold\n");
	write_file(drop, "30-c.conf.disabled", "nonsense");
	write_file(drop, ".hidden.conf", "nonsense");
	if (kcoh_config_load(path, &config, sentence, sizeof(sentence)))
		fail_msg("%s", sentence);
	assert_int_equal(kcoh_config_history_days(config), 1);
	assert_int_equal(kcoh_config_history_mb(config), 3);
	assert_int_equal(kcoh_config_policy(config, "web-7", NULL).strategy, KCOH_STRATEGY_OBSERVE);
	assert_int_equal(kcoh_config_policy(config, "web-7", NULL).guard, KCOH_GUARD_WARN);
	assert_int_equal(kcoh_config_policy(config, "web-1", "").strategy, KCOH_STRATEGY_VETO);
	assert_false(kcoh_config_policy(config, "web-1", "").cancel);
	assert_false(kcoh_config_policy(config, "web-1", "").without_module_allow);
	assert_true(kcoh_config_policy(config, "web-1", "D7ECDB33-5b3a-4d4b-8d3c-0d6c9cdbd1b5")
			    .without_module_allow);
	assert_string_equal(strrchr(kcoh_config_file(config, 0), '/'), "/kcoh.conf");
	assert_string_equal(strrchr(kcoh_config_file(config, 1), '/'), "/10-a.conf");
	assert_string_equal(strrchr(kcoh_config_file(config, 2), '/'), "/20-b.conf");
	assert_null(kcoh_config_file(config, 3));
	kcoh_config_explain(config, "web-1", NULL, explained, text);
	assert_string_equal(text, "strategy = veto (kcoh.conf:8 vm web-*)\n"
				  "guard = warn (10-a.conf:4 defaults)\n"
				  "cancel = no (kcoh.conf:6 defaults)\n"
				  "last_resort = no (built in:0 -)\n"
				  "without_module = veto (built in:0 -)\n"
				  "when_blind = veto (built in:0 -)\n"
				  "arm_deadline_ms = 1000 (built in:0 -)\n"
				  "defer_deadline_ms = 30000 (built in:0 -)\n"
				  "hold_deadline_ms = 10000 (built in:0 -)\n"
				  "qmp = /run/%n (kcoh.conf:9 vm web-*)\n");
	kcoh_config_free(config);

	/* a mistake in a drop-in is told with its file; drop-ins alone will do */
	write_file(drop, "30-d.conf", "[vm web-1]\ngard = warn\n");
	config = NULL;
	assert_int_equal(kcoh_config_load(path, &config, sentence, sizeof(sentence)), -EINVAL);
	assert_non_null(strstr(sentence, "kcoh.conf.d/30-d.conf:2: unknown key 'gard'"));
	assert_null(config);
	write_file(drop, "30-d.conf", "");
	unlink(path);
	assert_int_equal(kcoh_config_load(path, &config, sentence, sizeof(sentence)), 0);
	assert_int_equal(kcoh_config_history_days(config), 90);
	kcoh_config_free(config);
	remove_all(dir);
}

/* Read again: policies are taken over, what cannot change is named and stays. */
static void adopted(void **state)
{
	struct kcoh_config *config = load_good("[kcohd]\nsocket = /a\nhistory_mb = 5\n"
					       "[vm a]\nguard = enforce\nqmp = /q\n");
	struct kcoh_config *fresh = load_good("[kcohd]\nsocket = /b\nexit_times = yes\n"
					      "[defaults]\nstrategy = hold\n[vm b]\nqmp = /r\n");
	char rest[256];

	(void)state;
	kcoh_config_adopt(config, fresh, rest, sizeof(rest));
	assert_string_equal(rest, "socket, history_mb");
	assert_string_equal(kcoh_config_socket(config), "/a");
	assert_int_equal(kcoh_config_history_mb(config), 5);
	assert_true(kcoh_config_times(config));
	assert_int_equal(kcoh_config_policy(config, "a", NULL).guard, KCOH_GUARD_WARN);
	assert_int_equal(kcoh_config_policy(config, "a", NULL).strategy, KCOH_STRATEGY_HOLD);
	assert_null(kcoh_config_policy(config, "a", NULL).qmp);
	assert_string_equal(kcoh_config_policy(config, "b", NULL).qmp, "/r");
	kcoh_config_adopt(config,
			  load_good("[kcohd]\nsocket = /a\nhistory_mb = 5\nlibvirt = none\n"), rest,
			  sizeof(rest));
	assert_string_equal(rest, "");
	kcoh_config_adopt(config,
			  load_good("[kcohd]\nsocket = /a\nhistory_mb = 5\n"
				    "libvirt = qemu:///system\n"),
			  rest, sizeof(rest));
	assert_string_equal(rest, "libvirt");
	assert_null(kcoh_config_policy(config, "b", NULL).qmp);
	kcoh_config_free(config);
}

/* The example that is shipped is a configuration, and says what is built in. */
static void example(void **state)
{
	struct kcoh_config *config = NULL;
	int err = kcoh_config_load("docs/kcoh.conf.example", &config, sentence, sizeof(sentence));

	(void)state;
	if (err)
		fail_msg("%s", sentence);
	assert_string_equal(kcoh_config_socket(config), KCOH_SOCKET);
	assert_int_equal(kcoh_config_policy(config, "x", NULL).guard, KCOH_GUARD_WARN);
	kcoh_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(built_in),    cmocka_unit_test(all_keys),
		cmocka_unit_test(first_match), cmocka_unit_test(told_mistakes),
		cmocka_unit_test(unreadable),  cmocka_unit_test(short_buffer),
		cmocka_unit_test(qmp_paths),   cmocka_unit_test(drop_ins),
		cmocka_unit_test(adopted),     cmocka_unit_test(example),
		cmocka_unit_test(fleet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
