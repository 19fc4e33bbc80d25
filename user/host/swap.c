// SPDX-License-Identifier: GPL-2.0-only
/*
 * swap.c - the loaded module goes, or another build comes in its place.
 *
 * What can be known beforehand is asked beforehand, so that a swap which cannot succeed leaves the loaded module where it
 * is: is there one to load for this kernel at all? (DKMS builds none for kernels that kcoh does not know.) Between rmmod and
 * modprobe nothing is cleaned: whoever calls this has seen to it that no VM is in a dirty epoch.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host/clock.h"
#include "host/swap.h"

extern char **environ;

/* True if the program ended well. What it prints on standard output nobody wants. */
static bool run(const char *const *argv)
{
	posix_spawn_file_actions_t actions;
	int status = -1;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions))
		return false;
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)argv, environ) == 0) {
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	posix_spawn_file_actions_destroy(&actions);
	return status == 0;
}

static int must_be_loaded(const char *root, char *err, size_t err_len)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/sys/module/kcoh/initstate", root);
	if (access(path, F_OK) == 0)
		return 0;
	snprintf(err, err_len, "the kcoh module is not loaded");
	return -ENOENT;
}

static int unload(char *err, size_t err_len)
{
	if (run((const char *const[]){ "rmmod", "kcoh", NULL }))
		return 0;
	snprintf(err, err_len, "the kcoh module cannot be removed, so it stays: something uses it");
	return -EBUSY;
}

int kcoh_host_unload(const char *root, char *err, size_t err_len)
{
	int ret = must_be_loaded(root, err, err_len);

	return ret < 0 ? ret : unload(err, err_len);
}

static bool is_switched_off(const char *root)
{
	char path[512];
	int value;
	FILE *file;

	snprintf(path, sizeof(path), "%s/sys/module/kcoh/parameters/enabled", root);
	file = fopen(path, "re");
	value = file ? fgetc(file) : EOF;
	if (file)
		fclose(file);
	return value == 'N';
}

/* KVM makes a directory PID-FD for each VM. */
static bool there_is_no_vm(const char *root)
{
	struct dirent *entry;
	char path[512];
	bool none = true;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/kernel/debug/kvm", root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		none = none && !isdigit((unsigned char)entry->d_name[0]);
	if (dir)
		closedir(dir);
	return dir && none;
}

bool kcoh_host_nothing_to_clean(const char *root)
{
	return is_switched_off(root) || there_is_no_vm(root);
}

int kcoh_host_swap(const char *root, uint64_t *ret_ns, char *err, size_t err_len)
{
	struct utsname uts = { 0 };
	uint64_t start;
	int ret = must_be_loaded(root, err, err_len);

	if (ret < 0)
		return ret;
	uname(&uts);
	if (!run((const char *const[]){ "modinfo", "-n", "kcoh", NULL })) {
		snprintf(err, err_len,
			 "there is no kcoh module for kernel %s to load, so the loaded one stays: "
			 "see dkms status kcoh",
			 uts.release);
		return -ENOPKG;
	}
	start = kcoh_clock_ns(CLOCK_MONOTONIC);
	ret = unload(err, err_len);
	if (ret < 0)
		return ret;
	if (!run((const char *const[]){ "modprobe", "kcoh", NULL })) {
		snprintf(err, err_len,
			 "the kcoh module was removed and the installed one cannot be loaded: "
			 "nothing is cleaned now; see dmesg, then: modprobe kcoh");
		return -ENOTRECOVERABLE;
	}
	*ret_ns = kcoh_clock_ns(CLOCK_MONOTONIC) - start;
	return 0;
}
