// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_override.c - the book of overrides and its file, and the break-glass: what is kept, and what is not believed.
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

#include "override/book.h"
#include "override/glass.h"

#define SEC 1000000000ull

struct place {
	char dir[40];
	char *path;
	char err[512];
};

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));
	char socket[64];

	strcpy(place->dir, "/tmp/kcoh-override-XXXXXX");
	assert_non_null(mkdtemp(place->dir));
	snprintf(socket, sizeof(socket), "%s/kcohd.sock", place->dir);
	place->path = kcoh_override_path(socket, "x");
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	unlink(place->path);
	assert_int_equal(rmdir(place->dir), 0);
	free(place->path);
	free(place);
	return 0;
}

static void put(const struct place *place, const char *text, mode_t mode)
{
	FILE *file;

	unlink(place->path);
	file = fopen(place->path, "we");
	fputs(text, file);
	fchmod(fileno(file), mode);
	fclose(file);
}

static const struct kcoh_override first = { .vm = 3,
					    .uid = 1000,
					    .pid = 4711,
					    .start_time = 90210,
					    .given_ns = 5 * SEC,
					    .until_ns = 65 * SEC,
					    .why = "rack 7 burns" };

static struct kcoh_book *book_of(struct place *place)
{
	struct kcoh_book *book;

	assert_int_equal(kcoh_book_new(place->path, &book), 0);
	return book;
}

static void count(const struct kcoh_override *override, void *ctx)
{
	assert_int_not_equal(override->vm, 0);
	++*(unsigned int *)ctx;
}

static void entered_and_removed(void **state)
{
	struct kcoh_book *book = book_of(*state);
	struct kcoh_override second = first;
	unsigned int n = 0;

	assert_null(kcoh_book_find(book, 3));
	assert_int_equal(kcoh_book_enter(book, &first)->number, 1);
	second.until_ns = 9 * SEC;
	assert_int_equal(kcoh_book_enter(book, &second)->number, 2);
	assert_int_equal(kcoh_book_find(book, 3)->until_ns, 9 * SEC);
	second.vm = 4;
	assert_int_equal(kcoh_book_enter(book, &second)->number, 3);
	kcoh_book_each(book, count, &n);
	assert_int_equal(n, 2);
	kcoh_book_remove(book, 3);
	kcoh_book_remove(book, 5);
	assert_null(kcoh_book_find(book, 3));
	assert_non_null(kcoh_book_find(book, 4));
	kcoh_book_free(book);
}

/* kcohd is started anew: the VM has another id, and is found by its process. */
static void found_again(void **state)
{
	struct place *place = *state;
	struct kcoh_book *book = book_of(place);
	struct kcoh_override second = first;
	const struct kcoh_override *again;
	unsigned int n = 0;
	struct stat st;

	kcoh_book_enter(book, &first);
	second.vm = 4;
	second.pid = 4712;
	second.until_ns = 7 * SEC;
	kcoh_book_enter(book, &second);
	second.vm = 5;
	second.pid = 4713;
	second.until_ns = 70 * SEC;
	kcoh_book_enter(book, &second);
	assert_int_equal(kcoh_book_write(book, place->err, sizeof(place->err)), 0);
	kcoh_book_free(book);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	book = book_of(place);
	assert_int_equal(kcoh_book_read(book, 10 * SEC, place->err, sizeof(place->err)), 0);
	assert_null(kcoh_book_find(book, 0));
	kcoh_book_each(book, count, &n);
	assert_int_equal(n, 0);
	assert_null(kcoh_book_claim(book, 8, 4711, 90211)); /* another process of that pid */
	assert_null(kcoh_book_claim(book, 8, 4712, 90210)); /* over */
	again = kcoh_book_claim(book, 8, 4711, 90210);
	assert_non_null(again);
	assert_int_equal(again->vm, 8);
	assert_int_equal(again->uid, 1000);
	assert_int_equal(again->number, 1);
	assert_int_equal(again->given_ns, 5 * SEC);
	assert_int_equal(again->until_ns, 65 * SEC);
	assert_string_equal(again->why, "rack 7 burns");
	assert_null(kcoh_book_claim(book, 9, 4711, 90210)); /* it is one VM's */
	assert_ptr_equal(kcoh_book_find(book, 8), again);
	assert_int_equal(kcoh_book_drop(book), 1);
	assert_null(kcoh_book_claim(book, 9, 4713, 90210));
	second.vm = 9; /* numbers go on */
	assert_int_equal(kcoh_book_enter(book, &second)->number, 4);
	kcoh_book_remove(book, 8);
	kcoh_book_remove(book, 9);
	assert_int_equal(kcoh_book_write(book, place->err, sizeof(place->err)), 0);
	assert_int_equal(access(place->path, F_OK), -1);
	assert_int_equal(kcoh_book_write(book, place->err, sizeof(place->err)), 0);
	kcoh_book_free(book);
}

static void files_that_are_none(void **state)
{
	static const char *const bad[] = {
		"",
		"{\"overrides\":[{}]}",
		"{\"overrides\":[{\"number\":0,\"pid\":1,\"start_time\":1,\"uid\":0,\"given_ns\":1,"
		"\"until_ns\":9000000000000,\"why\":\"x\"}]}",
		"{\"overrides\":[{\"number\":1,\"pid\":1,\"start_time\":1,\"uid\":0,\"given_ns\":1,"
		"\"until_ns\":9000000000000,\"why\":\"\"}]}",
	};
	struct place *place = *state;
	struct kcoh_book *book = book_of(place);

	assert_int_equal(kcoh_book_read(book, 0, place->err, sizeof(place->err)), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(place, bad[i], 0600);
		assert_int_equal(kcoh_book_read(book, 0, place->err, sizeof(place->err)), -EBADMSG);
		assert_int_equal(kcoh_book_drop(book), 0);
	}
	put(place, "{\"overrides\":[]}", 0620);
	assert_int_equal(kcoh_book_read(book, 0, place->err, sizeof(place->err)), -EPERM);
	assert_non_null(strstr(place->err, "others than root may have written it"));
	unlink(place->path);
	assert_int_equal(symlink("/etc/hostname", place->path), 0);
	assert_int_equal(kcoh_book_read(book, 0, place->err, sizeof(place->err)), -ELOOP);
	kcoh_book_free(book);
}

static void cannot_be_written(void **state)
{
	struct place *place = *state;
	struct kcoh_book *book;

	assert_int_equal(kcoh_book_new("/proc/no/where", &book), 0);
	kcoh_book_enter(book, &first);
	assert_int_equal(kcoh_book_write(book, place->err, sizeof(place->err)), -ENOENT);
	assert_string_equal(place->err, "cannot write /proc/no/where: No such file or directory");
	kcoh_book_free(book);
}

static void reasons(void **state)
{
	char why[KCOH_WHY_BYTES + 1], err[128];

	(void)state;
	assert_int_equal(kcoh_override_why_check("Räumung", err, sizeof(err)), 0);
	assert_int_equal(kcoh_override_why_check("", err, sizeof(err)), -EINVAL);
	assert_int_equal(kcoh_override_why_check("a\nb", err, sizeof(err)), -EINVAL);
	assert_int_equal(kcoh_override_why_check("\x7f", err, sizeof(err)), -EINVAL);
	memset(why, 'x', sizeof(why));
	why[KCOH_WHY_BYTES] = '\0';
	assert_int_equal(kcoh_override_why_check(why, err, sizeof(err)), -EINVAL);
	why[KCOH_WHY_BYTES - 1] = '\0';
	assert_int_equal(kcoh_override_why_check(why, err, sizeof(err)), 0);
}

static void glass(void **state)
{
	struct place *place = *state;
	struct kcoh_glass one = {
		.uid = 7, .given_ns = 10 * SEC, .until_ns = 20 * SEC, .why = "kcohd is dead"
	};
	struct kcoh_glass got;
	struct stat st;

	assert_int_equal(kcoh_glass_read(place->path, 0, &got, place->err, sizeof(place->err)),
			 -ENOENT);
	assert_int_equal(kcoh_glass_write(place->path, &one, place->err, sizeof(place->err)), 0);
	assert_int_equal(stat(place->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(
		kcoh_glass_read(place->path, 10 * SEC, &got, place->err, sizeof(place->err)), 0);
	assert_int_equal(got.uid, 7);
	assert_int_equal(got.until_ns, 20 * SEC);
	assert_string_equal(got.why, "kcohd is dead");
	assert_int_equal(
		kcoh_glass_read(place->path, 20 * SEC, &got, place->err, sizeof(place->err)),
		-ETIME);
	assert_int_equal(
		kcoh_glass_read(place->path, 9 * SEC, &got, place->err, sizeof(place->err)),
		-ETIME);
	one.until_ns = one.given_ns + (KCOH_OVERRIDE_MAX_S + 1) * SEC;
	assert_int_equal(kcoh_glass_write(place->path, &one, place->err, sizeof(place->err)), 0);
	assert_int_equal(
		kcoh_glass_read(place->path, 11 * SEC, &got, place->err, sizeof(place->err)),
		-EBADMSG);
	memcpy(one.why, "\xff", 2);
	assert_int_equal(kcoh_glass_write(place->path, &one, place->err, sizeof(place->err)),
			 -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(entered_and_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(found_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_are_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cannot_be_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reasons, set_up, tear_down),
		cmocka_unit_test_setup_teardown(glass, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
