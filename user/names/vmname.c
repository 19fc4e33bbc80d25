// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmname.c - a VM's name and UUID, from the command line of the process that runs it.
 *
 * QEMU takes `-name web-1`, `-name guest=web-1,debug-threads=on`, `-name web-1,process=x`, each with one or two
 * dashes (and never as -name=web-1). The text is a list of key=value; the first item may leave its key (`guest`) out, and a
 * comma inside a value is doubled: `-name guest=a,,b` names the VM `a,b`. A later -name replaces what it sets. The UUID comes
 * by `-uuid` or by `-smbios type=1,uuid=…`, whichever is later. These rules are also tried on programs that nobody knows:
 * QEMU goes by many names (kvm, qemu-kvm).
 *
 *   lkvm (kvmtool)      --name NAME, --name=NAME         crosvm       --name NAME, --name=NAME
 *   cloud-hypervisor    --platform …,uuid=UUID,…         firecracker  --id NAME, --id=NAME
 *
 * It is read once, when the VM appears: none of them changes it. A VMM without such arguments has no name here, and is called
 * by its program and pid. Limit: what QEMU reads from a file (-readconfig) is not seen.
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

/*
 * The last value of `key` in a list, to be freed; NULL: there is none, or it is empty. `implied`: the first item may leave the
 * key out.
 */
static char *list_get(const char *text, const char *key, bool implied)
{
	char *found = NULL;

	while (*text) {
		size_t len = strcspn(text, ",=");
		bool match = len == strlen(key) && !strncmp(text, key, len);
		char *value;

		if (text[len] == '=')
			text += len + 1;
		else
			match = implied;
		value = value_take(&text);
		if (match && value && *value) {
			free(found);
			found = value;
		} else {
			free(value);
		}
		implied = false;
	}
	return found;
}

static void name_set(struct kcoh_vmname *name, char *value)
{
	if (!value)
		return;
	free(name->name);
	name->name = value;
}

static void uuid_set(struct kcoh_vmname *name, const char *value)
{
	if (value && kcoh_text_is_uuid(value))
		snprintf(name->uuid, sizeof(name->uuid), "%s", value);
}

/* --- options of each program: what their values say ------------------------------------------------ */

static void qemu_name(struct kcoh_vmname *name, const char *value)
{
	name_set(name, list_get(value, "guest", true));
}

static void qemu_smbios(struct kcoh_vmname *name, const char *value)
{
	char *type = list_get(value, "type", false), *uuid = list_get(value, "uuid", false);

	if (type && !strcmp(type, "1"))
		uuid_set(name, uuid);
	free(type);
	free(uuid);
}

static void plain_name(struct kcoh_vmname *name, const char *value)
{
	if (*value)
		name_set(name, strdup(value));
}

static void list_uuid(struct kcoh_vmname *name, const char *value)
{
	char *uuid = list_get(value, "uuid", false);

	uuid_set(name, uuid);
	free(uuid);
}

struct option {
	const char *option; /* without dashes */
	void (*take)(struct kcoh_vmname *name, const char *value);
};

static const struct vmm {
	const char *program; /* NULL: any other */
	bool one_dash; /* -option is as good as --option, and --option=value is none */
	struct option options[4];
} vmms[] = {
	{ "lkvm", false, { { "name", plain_name } } },
	{ "kvmtool", false, { { "name", plain_name } } },
	{ "crosvm", false, { { "name", plain_name } } },
	{ "firecracker", false, { { "id", plain_name } } },
	{ "cloud-hypervisor", false, { { "platform", list_uuid } } },
	{ NULL, true, { { "name", qemu_name }, { "uuid", uuid_set }, { "smbios", qemu_smbios } } },
};

static const struct vmm *vmm_find(const char *program)
{
	const char *slash = strrchr(program, '/');
	const struct vmm *vmm = vmms;

	while (vmm->program && strcmp(vmm->program, slash ? slash + 1 : program))
		vmm++;
	return vmm;
}

/* True if `arg` is this option; *ret_value is what follows a '=' in it, or NULL: the next argument. */
static bool option_is(const struct vmm *vmm, const char *arg, const char *option,
		      const char **ret_value)
{
	size_t len = strlen(option);

	*ret_value = NULL;
	if (*arg++ != '-')
		return false;
	if (*arg == '-')
		arg++;
	else if (!vmm->one_dash)
		return false;
	if (strncmp(arg, option, len))
		return false;
	if (arg[len] == '=' && !vmm->one_dash)
		*ret_value = arg + len + 1;
	return !arg[len] || *ret_value;
}

static const struct option *option_find(const struct vmm *vmm, const char *arg,
					const char **ret_value)
{
	const struct option *option = vmm->options;

	while (option->option && !option_is(vmm, arg, option->option, ret_value))
		option++;
	return option->option ? option : NULL;
}

/* The argument after `arg`, NULL if it is the last. What is not ended by a NUL is no argument. */
static const char *arg_next(const char *arg, const char *end)
{
	const char *nul = memchr(arg, '\0', (size_t)(end - arg));

	return nul && nul + 1 < end && memchr(nul + 1, '\0', (size_t)(end - nul - 1)) ? nul + 1 :
											NULL;
}

void kcoh_vmname_parse(const char *cmdline, size_t len, struct kcoh_vmname *ret_name)
{
	const char *end = cmdline + len, *arg = cmdline, *value;
	const struct option *option;
	const struct vmm *vmm;

	*ret_name = (struct kcoh_vmname){ 0 };
	if (!len || !memchr(cmdline, '\0', len))
		return;
	vmm = vmm_find(cmdline);
	while ((arg = arg_next(arg, end))) {
		option = option_find(vmm, arg, &value);
		if (!option)
			continue;
		if (!value)
			value = arg = arg_next(arg, end);
		if (!value)
			return;
		option->take(ret_name, value);
	}
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
	kcoh_vmname_parse(bytes, len, ret_name);
	free(bytes);
	return 0;
}
