/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page.h - the page that kcohd serves at /, a single file of HTML.
 *
 * The Makefile has it made of the files beside this one (scripts/page). It holds all it needs and asks nobody but kcohd.
 */
#ifndef KCOH_PAGE_H
#define KCOH_PAGE_H

#include <stddef.h>

/* Ends in a NUL, which is not counted. */
extern const char kcoh_page_html[];
extern const size_t kcoh_page_html_len;

/* The value of the page's Content-Security-Policy header: its own script and style by their hashes, requests to kcohd. */
extern const char kcoh_page_policy[];

#endif
