/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * file.h - small JSON files that must be whole and root's: overrides that outlive kcohd, and the break-glass.
 */
#ifndef KCOH_OVERRIDE_FILE_H
#define KCOH_OVERRIDE_FILE_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

#define KCOH_WHY_BYTES 201 /* the text of an override and its NUL */
#define KCOH_OVERRIDE_MAX_S 86400 /* the longest one */

/* Puts the file in the place of an older one, whole or not at all. 0, or a negative errno and one sentence. */
int kcoh_override_file_write(const char *path, const json_t *json, mode_t mode, char *err,
			     size_t err_len);

/*
 * Reads it. 0 and a new reference; -ENOENT if there is none; otherwise a negative errno and one sentence: it is damaged, or somebody
 * but root and the caller could have written it.
 */
int kcoh_override_file_read(const char *path, json_t **ret_json, char *err, size_t err_len);

/* Is that a reason to give? 0, or -EINVAL and one sentence: empty, too long, or with control characters. */
int kcoh_override_why_check(const char *why, char *err, size_t err_len);

/* NAME in the directory of the socket at `socket_path`, to be freed. NULL without memory. */
char *kcoh_override_path(const char *socket_path, const char *name);

#endif
