// SPDX-License-Identifier: GPL-2.0-only
/*
 * config.c - configurations that nobody wrote: each is taken, or refused in one sentence with its line.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/config.h"
#include "fuzz.h"

static void line_check(void *ctx, const struct kcoh_config_line *line)
{
	(void)ctx;
	FUZZ_CHECK(*line->key && (line->file != NULL) == (line->line != 0));
}

static void config_check(const struct kcoh_config *config)
{
	struct kcoh_policy policy = kcoh_config_policy(config, "web-1", NULL);
	struct kcoh_ev_policy ev = { .strategy = 0 };
	char path[108];

	FUZZ_CHECK(policy.hold_deadline_ms && policy.hold_deadline_ms <= 600000);
	FUZZ_CHECK(*kcoh_config_socket(config) == '/' && *kcoh_config_recordings(config) == '/');
	kcoh_policy_event(&policy, true, &ev);
	FUZZ_CHECK(ev.strategy <= KCOH_STRATEGY_RETRY && ev.guard <= KCOH_GUARD_ENFORCE);
	if (policy.qmp)
		kcoh_config_qmp_path(policy.qmp, "web-1", "", 7, path, sizeof(path));
	kcoh_config_explain(config, "db-1", "d7ecdb33-5b3a-4d4b-8d3c-0d6c9cdbd1b5", line_check,
			    NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("kcoh.conf", MFD_CLOEXEC);
	char path[64], sentence[512] = "";
	struct kcoh_config *config;

	FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (kcoh_config_load(path, &config, sentence, sizeof(sentence)) == 0) {
		config_check(config);
		kcoh_config_free(config);
	} else {
		FUZZ_CHECK(!strncmp(sentence, path, strlen(path)) && !strchr(sentence, '\n'));
	}
	close(fd);
	return 0;
}
