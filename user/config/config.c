// SPDX-License-Identifier: GPL-2.0-only
/*
 * config.c - kcohd's configuration: which files it is, and what they mean for a VM.
 *
 * /etc/kcoh/kcoh.conf first, then those in /etc/kcoh/kcoh.conf.d whose names end in .conf, by name; file.c reads one. For a VM one [vm] section applies, the first that
 * fits its name or its UUID; what that leaves open comes from [defaults], and what that leaves open is built in. An example:
 *
 *   kcoh.conf              [defaults] guard = enforce   [vm web-*] strategy = veto
 *   kcoh.conf.d/50-x.conf  [vm web-7] strategy = observe
 *
 *   web-7: observe (50-x.conf, its sections are tried first), enforce (kcoh.conf); web-1: veto, enforce; db-1: clean, enforce
 */
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/internal.h"
#include "serve/paths.h"

#define HISTORY "/var/lib/kcoh/history.db"
#define HISTORY_DAYS 90
#define HISTORY_MB 256
#define EXIT_VCPUS 2048
#define RECORD_MB 16
#define RECORDINGS "/var/lib/kcoh/recordings"
#define RECORDINGS_KEEP 16

static int replace(char **text, const char *value)
{
	char *copy = strdup(value);

	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

int kcoh_config_new(struct kcoh_config **ret_config)
{
	struct kcoh_config *config = calloc(1, sizeof(*config));

	if (!config)
		return -ENOMEM;
	TAILQ_INIT(&config->vms);
	TAILQ_INIT(&config->files);
	config->socket = strdup(KCOH_SOCKET);
	config->bpf_dir = strdup(KCOH_BPF_DIR);
	config->exit_vcpus = EXIT_VCPUS;
	config->history = strdup(HISTORY);
	config->record_mb = RECORD_MB;
	config->recordings = strdup(RECORDINGS);
	config->recordings_keep = RECORDINGS_KEEP;
	config->history_days = HISTORY_DAYS;
	config->history_mb = HISTORY_MB;
	if (fleet_new(&config->fleet) < 0 || !config->socket || !config->bpf_dir ||
	    !config->history || !config->recordings) {
		kcoh_config_free(config);
		return -ENOMEM;
	}
	*ret_config = config;
	return 0;
}

static void policy_free(struct kcoh_config *config)
{
	struct section *section;
	struct file *file;

	while ((section = TAILQ_FIRST(&config->vms))) {
		TAILQ_REMOVE(&config->vms, section, link);
		free(section->values[SET_QMP].text);
		free(section->header);
		free(section);
	}
	while ((file = TAILQ_FIRST(&config->files))) {
		TAILQ_REMOVE(&config->files, file, link);
		free(file);
	}
}

void kcoh_config_free(struct kcoh_config *config)
{
	if (!config)
		return;
	policy_free(config);
	free(config->socket);
	free(config->listen);
	free(config->libvirt);
	free(config->history);
	free(config->bpf_dir);
	free(config->recordings);
	fleet_free(&config->fleet);
	free(config);
}

/* --- its files -------------------------------------------------------------------------------------------- */

static int is_drop_in(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return *entry->d_name != '.' && dot && !strcmp(dot, ".conf");
}

static int drop_in_read(struct kcoh_config *config, const char *dir, const char *name, char *err,
			size_t err_len)
{
	char *path;
	int ret;

	if (asprintf(&path, "%s/%s", dir, name) < 0) {
		snprintf(err, err_len, "no memory for the configuration");
		return -ENOMEM;
	}
	ret = file_read(config, path, err, err_len);
	free(path);
	return ret;
}

/* All of a directory, in the order of their names. Without the directory there are none. */
static int drop_ins_read(struct kcoh_config *config, const char *dir, char *err, size_t err_len)
{
	struct dirent **entries;
	int n = scandir(dir, &entries, is_drop_in, alphasort), ret = 0;

	if (n < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (n < 0) {
		ret = -errno;
		snprintf(err, err_len, "cannot read the configuration's directory %s: %s", dir,
			 strerror(-ret));
		return ret;
	}
	for (int i = 0; i < n; i++) {
		if (ret == 0)
			ret = drop_in_read(config, dir, entries[i]->d_name, err, err_len);
		free(entries[i]);
	}
	free(entries);
	return ret;
}

static int files_read(struct kcoh_config *config, const char *path, char *err, size_t err_len)
{
	int absent = file_read(config, path, err, err_len), ret;
	char *dir;

	if (absent < 0 && absent != -ENOENT)
		return absent;
	if (asprintf(&dir, "%s.d", path) < 0) {
		snprintf(err, err_len, "no memory for the configuration");
		return -ENOMEM;
	}
	ret = drop_ins_read(config, dir, err, err_len);
	free(dir);
	return ret == 0 && TAILQ_EMPTY(&config->files) ? absent : ret;
}

int kcoh_config_load(const char *path, struct kcoh_config **ret_config, char *err, size_t err_len)
{
	struct kcoh_config *config;
	int ret = kcoh_config_new(&config);

	if (ret < 0) {
		snprintf(err, err_len, "no memory for the configuration");
		return ret;
	}
	ret = files_read(config, path, err, err_len);
	if (ret == 0)
		ret = fleet_check(&config->fleet, err, err_len);
	if (ret < 0)
		kcoh_config_free(config);
	else
		*ret_config = config;
	return ret;
}

const char *kcoh_config_file(const struct kcoh_config *config, size_t i)
{
	const struct file *file;

	TAILQ_FOREACH(file, &config->files, link)
	{
		if (!i--)
			return file->path;
	}
	return NULL;
}

/* --- read again ------------------------------------------------------------------------------------------- */

static bool differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

static void policy_move(struct kcoh_config *config, struct kcoh_config *fresh)
{
	policy_free(config);
	config->defaults = fresh->defaults;
	TAILQ_CONCAT(&config->vms, &fresh->vms, link);
	TAILQ_CONCAT(&config->files, &fresh->files, link);
	config->times = fresh->times;
	config->fleet.unknown_veto = fresh->fleet.unknown_veto;
}

void kcoh_config_adopt(struct kcoh_config *config, struct kcoh_config *fresh, char *ret_rest,
		       size_t len)
{
	const struct {
		const char *key;
		bool differs;
	} fixed[] = {
		{ "socket", differ(config->socket, fresh->socket) },
		{ "listen", differ(config->listen, fresh->listen) },
		{ "bpf_dir", differ(config->bpf_dir, fresh->bpf_dir) },
		{ "history", differ(config->history, fresh->history) },
		{ "history_days", config->history_days != fresh->history_days },
		{ "history_mb", config->history_mb != fresh->history_mb },
		{ "exit_vcpus", config->exit_vcpus != fresh->exit_vcpus },
		{ "record_mb", config->record_mb != fresh->record_mb },
		{ "recordings", differ(config->recordings, fresh->recordings) },
		{ "recordings_keep", config->recordings_keep != fresh->recordings_keep },
		{ "libvirt", differ(config->libvirt, fresh->libvirt) },
		{ "[fleet]", fleet_differs(&config->fleet, &fresh->fleet) },
	};
	size_t used = 0;

	*ret_rest = '\0';
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && used < len; i++) {
		if (fixed[i].differs)
			used += (size_t)snprintf(ret_rest + used, len - used, "%s%s",
						 used ? ", " : "", fixed[i].key);
	}
	policy_move(config, fresh);
	kcoh_config_free(fresh);
}

/* --- what it says ----------------------------------------------------------------------------------------- */

const char *kcoh_config_socket(const struct kcoh_config *config)
{
	return config->socket;
}

const char *kcoh_config_history(const struct kcoh_config *config)
{
	return *config->history ? config->history : NULL;
}

uint32_t kcoh_config_history_days(const struct kcoh_config *config)
{
	return config->history_days;
}

uint32_t kcoh_config_history_mb(const struct kcoh_config *config)
{
	return config->history_mb;
}

const char *kcoh_config_libvirt(const struct kcoh_config *config)
{
	return config->libvirt;
}

const char *kcoh_config_listen(const struct kcoh_config *config)
{
	return config->listen;
}

uint32_t kcoh_config_exit_vcpus(const struct kcoh_config *config)
{
	return config->exit_vcpus;
}

bool kcoh_config_times(const struct kcoh_config *config)
{
	return config->times;
}

const char *kcoh_config_bpf_dir(const struct kcoh_config *config)
{
	return config->bpf_dir;
}

uint32_t kcoh_config_record_mb(const struct kcoh_config *config)
{
	return config->record_mb;
}

const char *kcoh_config_recordings(const struct kcoh_config *config)
{
	return config->recordings;
}

uint32_t kcoh_config_recordings_keep(const struct kcoh_config *config)
{
	return config->recordings_keep;
}

int kcoh_config_set_socket(struct kcoh_config *config, const char *path)
{
	return replace(&config->socket, path);
}

int kcoh_config_set_bpf_dir(struct kcoh_config *config, const char *path)
{
	return replace(&config->bpf_dir, path);
}

/* --- policies --------------------------------------------------------------------------------------------- */

static bool fits(const struct section *section, const char *name, const char *uuid)
{
	if (section->uuid)
		return uuid && !strcasecmp(section->uuid, uuid);
	return fnmatch(section->glob, name, 0) == 0;
}

/* The section that applies to a VM, or NULL. */
static const struct section *section_of(const struct kcoh_config *config, const char *name,
					const char *uuid)
{
	const struct section *section;

	TAILQ_FOREACH(section, &config->vms, link)
	{
		if (fits(section, name, uuid))
			return section;
	}
	return NULL;
}

/* Where a setting comes from. NULL: it is built in. */
static const struct section *giver_of(const struct kcoh_config *config,
				      const struct section *section, enum setting setting)
{
	if (section && section->values[setting].file)
		return section;
	return config->defaults.values[setting].file ? &config->defaults : NULL;
}

static uint32_t number_of(const struct kcoh_config *config, const struct section *section,
			  enum setting setting)
{
	const struct section *giver = giver_of(config, section, setting);

	return giver ? giver->values[setting].number : setting_builtin(setting);
}

static struct kcoh_policy policy_of(const struct kcoh_config *config, const struct section *section)
{
	return (struct kcoh_policy){
		.strategy = (enum kcoh_strategy)number_of(config, section, SET_STRATEGY),
		.guard = (enum kcoh_guard)number_of(config, section, SET_GUARD),
		.cancel = number_of(config, section, SET_CANCEL),
		.last_resort = number_of(config, section, SET_LAST_RESORT),
		.without_module_allow = number_of(config, section, SET_WITHOUT_MODULE),
		.when_blind_allow = number_of(config, section, SET_WHEN_BLIND),
		.arm_deadline_ms = number_of(config, section, SET_ARM_DEADLINE),
		.defer_deadline_ms = number_of(config, section, SET_DEFER_DEADLINE),
		.hold_deadline_ms = number_of(config, section, SET_HOLD_DEADLINE),
		.qmp = section ? section->values[SET_QMP].text : NULL,
	};
}

struct kcoh_policy kcoh_config_defaults(const struct kcoh_config *config)
{
	return policy_of(config, NULL);
}

struct kcoh_policy kcoh_config_policy(const struct kcoh_config *config, const char *name,
				      const char *uuid)
{
	return policy_of(config, section_of(config, name, uuid));
}

bool kcoh_config_last_resort(const struct kcoh_config *config)
{
	const struct section *section;

	if (config->defaults.values[SET_LAST_RESORT].number)
		return true;
	TAILQ_FOREACH(section, &config->vms, link)
	{
		if (section->values[SET_LAST_RESORT].number)
			return true;
	}
	return false;
}

void kcoh_config_explain(const struct kcoh_config *config, const char *name, const char *uuid,
			 void (*fn)(void *ctx, const struct kcoh_config_line *line), void *ctx)
{
	const struct section *section = section_of(config, name, uuid);

	for (enum setting setting = 0; setting < SETTINGS; setting++) {
		const struct section *giver = giver_of(config, section, setting);
		const struct value *value = giver ? &giver->values[setting] : NULL;
		struct kcoh_config_line line = { .key = setting_name(setting) };

		if (setting == SET_QMP && !value)
			continue; /* nothing is built in */
		if (value) {
			line.file = value->file;
			line.line = value->line;
			line.section = giver == &config->defaults ? "defaults" : giver->header;
		}
		setting_print(setting, value ? value->number : setting_builtin(setting),
			      value ? value->text : NULL, line.value, sizeof(line.value));
		fn(ctx, &line);
	}
}
