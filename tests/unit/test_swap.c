// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's swap and removal: which programs are run in which order, and what is left when one of them fails. The programs are
 * scripts on a PATH of the test's own, the module a file below a root of its own.
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

#include "host/swap.h"

static char dir[32];
static char old_path[4096];

static const char *below(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s%s", dir, name);
	return path;
}

/* A program that writes down how it was called, and fails if there is a file NAME.fails. */
static void program(const char *name)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/%s", name);
	file = fopen(below(path), "w");
	fprintf(file, "#!/bin/sh\necho \"%s $*\" >>%s/calls\n[ ! -e %s/%s.fails ]\n", name, dir,
		dir, name);
	fclose(file);
	chmod(below(path), 0755);
}

static void touch(const char *name)
{
	FILE *file = fopen(below(name), "w");

	assert_non_null(file);
	fclose(file);
}

static int up(void **state)
{
	(void)state;
	snprintf(old_path, sizeof(old_path), "%s", getenv("PATH"));
	strcpy(dir, "/tmp/kcoh-swap.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	program("modinfo");
	program("rmmod");
	program("modprobe");
	mkdir(below("/sys"), 0755);
	mkdir(below("/sys/module"), 0755);
	mkdir(below("/sys/module/kcoh"), 0755);
	touch("/sys/module/kcoh/initstate");
	return setenv("PATH", dir, 1);
}

static int down(void **state)
{
	static const char *const files[] = {
		"/modinfo",       "/rmmod",       "/modprobe",       "/calls",
		"/modinfo.fails", "/rmmod.fails", "/modprobe.fails", "/sys/module/kcoh/initstate",
	};

	(void)state;
	setenv("PATH", old_path, 1);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(below(files[i]));
	rmdir(below("/sys/module/kcoh"));
	rmdir(below("/sys/module"));
	rmdir(below("/sys"));
	return rmdir(dir);
}

static void calls_are(const char *expected)
{
	char text[256] = "";
	FILE *file = fopen(below("/calls"), "r");

	if (file) {
		text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
		fclose(file);
	}
	assert_string_equal(text, expected);
}

static void swap_is(int result, const char *says, const char *calls)
{
	char sentence[256] = "";
	uint64_t ns = 0;

	assert_int_equal(kcoh_host_swap(dir, &ns, sentence, sizeof(sentence)), result);
	assert_non_null(strstr(sentence, says));
	assert_true(result ? ns == 0 : ns > 0);
	calls_are(calls);
}

#define LOOK "modinfo -n kcoh\n"

static void swapped(void **state)
{
	(void)state;
	swap_is(0, "", LOOK "rmmod kcoh\nmodprobe kcoh\n");
}

static void not_loaded(void **state)
{
	(void)state;
	unlink(below("/sys/module/kcoh/initstate"));
	swap_is(-ENOENT, "not loaded", "");
}

static void none_to_load(void **state)
{
	(void)state;
	touch("/modinfo.fails");
	swap_is(-ENOPKG, "so the loaded one stays", LOOK);
}

static void in_use(void **state)
{
	(void)state;
	touch("/rmmod.fails");
	swap_is(-EBUSY, "cannot be removed", LOOK "rmmod kcoh\n");
}

static void does_not_load(void **state)
{
	(void)state;
	touch("/modprobe.fails");
	swap_is(-ENOTRECOVERABLE, "nothing is cleaned now", LOOK "rmmod kcoh\nmodprobe kcoh\n");
}

static void no_such_programs(void **state)
{
	(void)state;
	unlink(below("/modinfo"));
	swap_is(-ENOPKG, "there is no kcoh module for kernel", "");
}

static void unloaded(void **state)
{
	char sentence[256] = "";

	(void)state;
	assert_int_equal(kcoh_host_unload(dir, sentence, sizeof(sentence)), 0);
	calls_are("rmmod kcoh\n");
	touch("/rmmod.fails");
	assert_int_equal(kcoh_host_unload(dir, sentence, sizeof(sentence)), -EBUSY);
	assert_non_null(strstr(sentence, "so it stays"));
	unlink(below("/sys/module/kcoh/initstate"));
	assert_int_equal(kcoh_host_unload(dir, sentence, sizeof(sentence)), -ENOENT);
	calls_are("rmmod kcoh\nrmmod kcoh\n");
}

static void write_to(const char *name, const char *text)
{
	FILE *file = fopen(below(name), "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A module of another ABI cannot be asked: only a host without VMs, or the kill switch, is certain. */
static void nothing_to_clean(void **state)
{
	static const char *const made[] = { "/sys/kernel", "/sys/kernel/debug",
					    "/sys/kernel/debug/kvm",
					    "/sys/kernel/debug/kvm/4711-12",
					    "/sys/module/kcoh/parameters" };

	(void)state;
	assert_false(kcoh_host_nothing_to_clean(dir)); /* no debugfs: who knows? */
	mkdir(below(made[0]), 0755);
	mkdir(below(made[1]), 0755);
	mkdir(below(made[2]), 0755);
	assert_true(kcoh_host_nothing_to_clean(dir));
	mkdir(below(made[3]), 0755);
	assert_false(kcoh_host_nothing_to_clean(dir));
	mkdir(below(made[4]), 0755);
	write_to("/sys/module/kcoh/parameters/enabled", "Y\n");
	assert_false(kcoh_host_nothing_to_clean(dir));
	write_to("/sys/module/kcoh/parameters/enabled", "N\n");
	assert_true(kcoh_host_nothing_to_clean(dir));
	unlink(below("/sys/module/kcoh/parameters/enabled"));
	for (size_t i = sizeof(made) / sizeof(made[0]); i--;)
		rmdir(below(made[i]));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, up, down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(swapped),  TEST(not_loaded),       TEST(none_to_load),
		TEST(in_use),   TEST(does_not_load),    TEST(no_such_programs),
		TEST(unloaded), TEST(nothing_to_clean),
	};

	return cmocka_run_group_tests_name("swap", tests, NULL, NULL);
}
