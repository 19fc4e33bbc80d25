// SPDX-License-Identifier: GPL-2.0-only
/*
 * process.c - when a process began.
 *
 * The second field of /proc/PID/stat is the program's name in parentheses, which may hold anything; the 22nd is the start time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names/process.h"

#define FIELDS_AFTER_NAME 20 /* the start time is the 20th of them */

uint64_t kcoh_process_start_time(uint32_t pid)
{
	char path[32], text[1024], *at;
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	len = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[len] = '\0';
	at = strrchr(text, ')');
	for (int i = 0; at && i < FIELDS_AFTER_NAME; i++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}
