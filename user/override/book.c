// SPDX-License-Identifier: GPL-2.0-only
/*
 * book.c - the list of overrides and its file, {"overrides": [{"number": 3, "pid": 4711, "start_time": 90210, "uid": 0, …}]}.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "override/book.h"

struct page {
	LIST_ENTRY(page) link;
	struct kcoh_override override;
};

struct kcoh_book {
	LIST_HEAD(, page) pages;
	uint32_t last; /* number */
	char *path;
};

int kcoh_book_new(const char *path, struct kcoh_book **ret_book)
{
	struct kcoh_book *book = calloc(1, sizeof(*book));

	if (book)
		book->path = strdup(path);
	if (!book || !book->path) {
		free(book);
		return -ENOMEM;
	}
	*ret_book = book;
	return 0;
}

static void page_free(struct page *page)
{
	LIST_REMOVE(page, link);
	free(page);
}

void kcoh_book_free(struct kcoh_book *book)
{
	struct page *page;

	if (!book)
		return;
	while ((page = LIST_FIRST(&book->pages)))
		page_free(page);
	free(book->path);
	free(book);
}

static struct page *page_find(const struct kcoh_book *book, uint32_t vm)
{
	struct page *page;

	LIST_FOREACH(page, &book->pages, link)
	{
		if (page->override.vm == vm)
			return page;
	}
	return NULL;
}

static struct page *page_new(struct kcoh_book *book, const struct kcoh_override *override)
{
	struct page *page = calloc(1, sizeof(*page));

	if (!page)
		return NULL;
	page->override = *override;
	LIST_INSERT_HEAD(&book->pages, page, link);
	return page;
}

/* --- the file --------------------------------------------------------------------------------------------- */

static json_t *page_json(const struct kcoh_override *override)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "number",
			 (json_int_t) override->number, "pid", (json_int_t) override->pid,
			 "start_time", (json_int_t) override->start_time, "uid",
			 (json_int_t) override->uid, "given_ns", (json_int_t) override->given_ns,
			 "until_ns", (json_int_t) override->until_ns, "why", override->why);
}

/* False: no override. */
static bool page_parse(const json_t *json, struct kcoh_override *ret_override)
{
	json_int_t number, pid, start_time, uid, given_ns, until_ns;
	const char *why;
	char sentence[128];

	if (json_unpack((json_t *)json, "{s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "number", &number,
			"pid", &pid, "start_time", &start_time, "uid", &uid, "given_ns", &given_ns,
			"until_ns", &until_ns, "why", &why) < 0 ||
	    number <= 0 || number > UINT32_MAX || pid <= 0 || pid > INT32_MAX || start_time < 0 ||
	    uid < 0 || uid > UINT32_MAX || given_ns < 0 || until_ns < 0 ||
	    kcoh_override_why_check(why, sentence, sizeof(sentence)) < 0)
		return false;
	*ret_override = (struct kcoh_override){ .number = (uint32_t)number,
						.uid = (uint32_t)uid,
						.pid = (uint32_t)pid,
						.start_time = (uint64_t)start_time,
						.given_ns = (uint64_t)given_ns,
						.until_ns = (uint64_t)until_ns };
	memcpy(ret_override->why, why, strlen(why));
	return true;
}

int kcoh_book_read(struct kcoh_book *book, uint64_t now_ns, char *err, size_t err_len)
{
	json_t *json, *one;
	struct kcoh_override override;
	size_t i;
	int ret = kcoh_override_file_read(book->path, &json, err, err_len);

	if (ret < 0)
		return ret == -ENOENT ? 0 : ret;
	json_array_foreach(json_object_get(json, "overrides"), i, one)
	{
		if (!page_parse(one, &override)) {
			snprintf(err, err_len, "%s: override %zu is none", book->path, i + 1);
			ret = -EBADMSG;
			continue;
		}
		if (override.number > book->last)
			book->last = override.number;
		if (override.until_ns > now_ns && !page_new(book, &override))
			ret = -ENOMEM;
	}
	json_decref(json);
	return ret;
}

int kcoh_book_write(const struct kcoh_book *book, char *err, size_t err_len)
{
	json_t *array, *json;
	struct page *page;
	int ret;

	if (LIST_EMPTY(&book->pages)) {
		if (unlink(book->path) == 0 || errno == ENOENT)
			return 0;
		ret = -errno;
		snprintf(err, err_len, "cannot remove %s: %s", book->path, strerror(errno));
		return ret;
	}
	array = json_array();
	LIST_FOREACH(page, &book->pages, link)
	json_array_append_new(array, page_json(&page->override));
	json = json_pack("{s:o}", "overrides", array);
	ret = kcoh_override_file_write(book->path, json, 0600, err, err_len);
	json_decref(json);
	return ret;
}

/* --- entries ---------------------------------------------------------------------------------------------- */

const struct kcoh_override *kcoh_book_enter(struct kcoh_book *book,
					    const struct kcoh_override *override)
{
	struct page *page = page_find(book, override->vm);

	if (!page)
		page = page_new(book, override);
	if (!page)
		return NULL;
	page->override = *override;
	page->override.number = ++book->last;
	return &page->override;
}

const struct kcoh_override *kcoh_book_find(const struct kcoh_book *book, uint32_t vm)
{
	const struct page *page = vm ? page_find(book, vm) : NULL;

	return page ? &page->override : NULL;
}

const struct kcoh_override *kcoh_book_claim(struct kcoh_book *book, uint32_t vm, uint32_t pid,
					    uint64_t start_time)
{
	struct page *page;

	LIST_FOREACH(page, &book->pages, link)
	{
		if (page->override.vm || page->override.pid != pid ||
		    page->override.start_time != start_time)
			continue;
		page->override.vm = vm;
		return &page->override;
	}
	return NULL;
}

void kcoh_book_remove(struct kcoh_book *book, uint32_t vm)
{
	struct page *page = vm ? page_find(book, vm) : NULL;

	if (page)
		page_free(page);
}

unsigned int kcoh_book_drop(struct kcoh_book *book)
{
	struct page *page;
	unsigned int n = 0;

	for (; (page = page_find(book, 0)); n++)
		page_free(page);
	return n;
}

void kcoh_book_each(struct kcoh_book *book,
		    void (*fn)(const struct kcoh_override *override, void *ctx), void *ctx)
{
	struct page *page, *next;

	for (page = LIST_FIRST(&book->pages); page; page = next) {
		next = LIST_NEXT(page, link);
		if (page->override.vm)
			fn(&page->override, ctx);
	}
}
