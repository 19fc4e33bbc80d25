// SPDX-License-Identifier: GPL-2.0-only
/*
 * glass.c - the break-glass file: {"uid": 1000, "given_ns": …, "until_ns": …, "why": "…"}, 0644 and root's.
 *
 * Times are the host's CLOCK_MONOTONIC, which setting the clock does not move; the file does not outlive the boot, for /run does not.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "override/glass.h"

int kcoh_glass_write(const char *path, const struct kcoh_glass *glass, char *err, size_t err_len)
{
	json_t *json = json_pack("{s:I, s:I, s:I, s:s}", "uid", (json_int_t)glass->uid, "given_ns",
				 (json_int_t)glass->given_ns, "until_ns",
				 (json_int_t)glass->until_ns, "why", glass->why);
	int ret;

	if (!json) {
		snprintf(err, err_len, "the reason is no UTF-8");
		return -EINVAL;
	}
	ret = kcoh_override_file_write(path, json, 0644, err, err_len);
	json_decref(json);
	return ret;
}

/* False: the file holds something else. */
static bool parse(const json_t *json, struct kcoh_glass *ret_glass)
{
	json_int_t uid, given_ns, until_ns;
	const char *why;
	char sentence[128];

	if (json_unpack((json_t *)json, "{s:I, s:I, s:I, s:s}", "uid", &uid, "given_ns", &given_ns,
			"until_ns", &until_ns, "why", &why) < 0 ||
	    uid < 0 || uid > UINT32_MAX || given_ns < 0 || until_ns < given_ns ||
	    until_ns - given_ns > KCOH_OVERRIDE_MAX_S * 1000000000ll ||
	    kcoh_override_why_check(why, sentence, sizeof(sentence)) < 0)
		return false;
	*ret_glass = (struct kcoh_glass){ .uid = (uint32_t)uid,
					  .given_ns = (uint64_t)given_ns,
					  .until_ns = (uint64_t)until_ns };
	memcpy(ret_glass->why, why, strlen(why));
	return true;
}

int kcoh_glass_read(const char *path, uint64_t now_ns, struct kcoh_glass *ret_glass, char *err,
		    size_t err_len)
{
	json_t *json;
	int ret = kcoh_override_file_read(path, &json, err, err_len);

	if (ret < 0)
		return ret;
	if (!parse(json, ret_glass)) {
		snprintf(err, err_len, "%s is damaged: it is no break-glass", path);
		ret = -EBADMSG;
	} else if (ret_glass->given_ns > now_ns || ret_glass->until_ns <= now_ns) {
		snprintf(err, err_len, "%s is over", path);
		ret = -ETIME;
	}
	json_decref(json);
	return ret;
}
