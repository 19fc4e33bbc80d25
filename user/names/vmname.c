// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmname.c - a VM's name and UUID, from QEMU's command line.
 *
 * QEMU takes `-name web-1`, `-name guest=web-1,debug-threads=on`, `-name web-1,process=x`, each with one or two
 * dashes. The text is a list of key=value; the first item may leave its key (`guest`) out, and a comma
 * inside a value is doubled: `-name guest=a,,b` names the VM `a,b`. A later -name replaces what it sets.
 *
 * It is read once, when the VM appears: QEMU does not change it. A VMM without such arguments
 * has no name here, and is called by its program and pid.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "names/text.h"
#include "names/vmname.h"

/* The kernel limits arguments and environment to 6 MB (3/4 of the stack's 8 MB); QEMU's are some KB. */
#define CMDLINE_MAX (8u << 20)

/* The value of the item at *at without the doubling of commas, to be freed; *at goes on to the next item. */
static char *value_take(const char **at)
{
	char *value = malloc(strlen(*at) + 1);
	size_t n = 0;

	if (!value)
		return NULL;
	for (; **at; (*at)++) {
		if (**at == ',' && *++(*at) != ',')
			break;
		value[n++] = **at;
	}
	value[n] = '\0';
	return value;
}

static bool key_is_guest(const char **at, bool first)
{
	size_t key = strcspn(*at, ",=");
	bool guest = key == 5 && !strncmp(*at, "guest", 5);

	if ((*at)[key] != '=')
		return first;
	*at += key + 1;
	return guest;
}

static int name_parse(const char *text, struct kcoh_vmname *name)
{
	bool first = true;

	while (*text) {
		bool guest = key_is_guest(&text, first);
		char *value = value_take(&text);

		if (!value)
			return -ENOMEM;
		if (guest && *value) {
			free(name->name);
			name->name = value;
		} else {
			free(value);
		}
		first = false;
	}
	return 0;
}

static bool option_is(const char *arg, const char *option)
{
	if (*arg != '-')
		return false;
	arg += arg[1] == '-' ? 2 : 1;
	return !strcmp(arg, option);
}

/* The argument after `arg`, NULL if it is the last. What is not ended by a NUL is no argument. */
static const char *arg_next(const char *arg, const char *end)
{
	const char *nul = memchr(arg, '\0', (size_t)(end - arg));

	return nul && nul + 1 < end && memchr(nul + 1, '\0', (size_t)(end - nul - 1)) ? nul + 1 :
											NULL;
}

int kcoh_vmname_parse(const char *cmdline, size_t len, struct kcoh_vmname *ret_name)
{
	const char *end = cmdline + len, *arg = cmdline, *value;
	int err = 0;

	*ret_name = (struct kcoh_vmname){ 0 };
	if (!len || !memchr(cmdline, '\0', len))
		return 0;
	for (; arg && err == 0; arg = arg_next(arg, end)) {
		bool name = option_is(arg, "name");

		if (!name && !option_is(arg, "uuid"))
			continue;
		value = arg_next(arg, end);
		if (!value)
			break;
		if (name)
			err = name_parse(value, ret_name);
		else if (kcoh_text_is_uuid(value))
			snprintf(ret_name->uuid, sizeof(ret_name->uuid), "%s", value);
		arg = value;
	}
	if (err < 0) {
		free(ret_name->name);
		ret_name->name = NULL;
	}
	return err;
}

static int file_read(int fd, char **ret_bytes, size_t *ret_len)
{
	size_t len = 0, room = 0;
	char *bytes = NULL, *more;
	ssize_t n;

	do {
		room += 16384;
		more = room <= CMDLINE_MAX ? realloc(bytes, room) : NULL;
		if (!more) {
			free(bytes);
			return -ENOMEM;
		}
		bytes = more;
		while (len < room && (n = read(fd, bytes + len, room - len)) > 0)
			len += (size_t)n;
	} while (len == room);
	*ret_bytes = bytes;
	*ret_len = len;
	return 0;
}

int kcoh_vmname_read(const char *proc, uint32_t pid, struct kcoh_vmname *ret_name)
{
	char path[256];
	char *bytes;
	size_t len;
	int fd, err;

	*ret_name = (struct kcoh_vmname){ 0 };
	snprintf(path, sizeof(path), "%s/%" PRIu32 "/cmdline", proc, pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = file_read(fd, &bytes, &len);
	close(fd);
	if (err < 0)
		return err;
	err = kcoh_vmname_parse(bytes, len, ret_name);
	free(bytes);
	return err;
}
