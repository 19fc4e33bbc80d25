// SPDX-License-Identifier: GPL-2.0-only
/*
 * qmp.c - from the pattern of a QMP socket's path to the path of one VM.
 *
 * /run/qemu/%n.qmp is /run/qemu/web-1.qmp for the VM web-1. A name is whatever somebody typed: one that would lead out of the
 * directory that the pattern means gives no path.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

/* One name in a directory. */
static bool is_component(const char *text)
{
	return *text && !strchr(text, '/') && strcmp(text, ".") && strcmp(text, "..");
}

int kcoh_config_qmp_path(const char *pattern, const char *name, const char *uuid, uint32_t pid,
			 char *ret_path, size_t path_len)
{
	char number[16], one[2] = "";
	size_t len = 0;

	snprintf(number, sizeof(number), "%" PRIu32, pid);
	*ret_path = '\0';
	for (; *pattern; pattern++) {
		const char *add = one;

		one[0] = *pattern;
		if (*pattern == '%') {
			pattern++;
			add = *pattern == 'n' ? name :
			      *pattern == 'u' ? uuid :
			      *pattern == 'p' ? number :
			      *pattern == '%' ? one :
						"";
			if (*pattern != '%' && !is_component(add))
				return -EINVAL;
		}
		len += strlen(add);
		if (len >= path_len)
			return -ENAMETOOLONG;
		strcat(ret_path, add);
	}
	return 0;
}
