/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * book.h - who lets which VM through, and why: what kcohd keeps of operators' overrides, in memory and in a file.
 *
 * The core knows a number (include/kcoh/event.h, KCOH_EV_OVERRIDE); the book has the words. Its file outlives kcohd, not the
 * host's boot. As kcoh's ids of VMs do not outlive kcohd, a VM is found again by its process: pid and start time.
 */
#ifndef KCOH_OVERRIDE_BOOK_H
#define KCOH_OVERRIDE_BOOK_H

#include <stdbool.h>
#include <stdint.h>

#include "override/file.h"

struct kcoh_override {
	uint32_t number; /* never 0, never used again by this book */
	uint32_t vm; /* 0: read from the file, and not found again yet */
	uint32_t uid; /* who gave it */
	uint32_t pid; /* of the VM's process … */
	uint64_t start_time; /* … and when that began, in ticks since boot */
	uint64_t given_ns, until_ns; /* CLOCK_MONOTONIC */
	char why[KCOH_WHY_BYTES];
};

struct kcoh_book; /* opaque */

/* A book with nothing in it that is kept at `path`. 0 or -ENOMEM. */
int kcoh_book_new(const char *path, struct kcoh_book **ret_book);
void kcoh_book_free(struct kcoh_book *book); /* the file stays; NULL is allowed */

/* Reads the file: overrides of VMs that are to be found again, but for those that are over. 0 (also if there is none), or a sentence. */
int kcoh_book_read(struct kcoh_book *book, uint64_t now_ns, char *err, size_t err_len);

/* Writes it; without overrides there is no file. 0, or a negative errno and one sentence. */
int kcoh_book_write(const struct kcoh_book *book, char *err, size_t err_len);

/* Enters a copy, with a new number, in the place of an older one of that VM. NULL without memory. Valid until the VM's next change. */
const struct kcoh_override *kcoh_book_enter(struct kcoh_book *book,
					    const struct kcoh_override *override);

/* That of a VM, or NULL. */
const struct kcoh_override *kcoh_book_find(const struct kcoh_book *book, uint32_t vm);

/* A VM was found: is there one from the file for its process? It is that VM's from now on. NULL: there is none. */
const struct kcoh_override *kcoh_book_claim(struct kcoh_book *book, uint32_t vm, uint32_t pid,
					    uint64_t start_time);

void kcoh_book_remove(struct kcoh_book *book, uint32_t vm);

/* Removes those of which no VM was found. How many. */
unsigned int kcoh_book_drop(struct kcoh_book *book);

/* Calls fn for each that has a VM. It may remove the one it is given. */
void kcoh_book_each(struct kcoh_book *book,
		    void (*fn)(const struct kcoh_override *override, void *ctx), void *ctx);

#endif
