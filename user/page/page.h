/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * page.h - the page that kcohd serves at / and the one that kcoh report writes, each a single file of HTML.
 *
 * The Makefile has them made of the files beside this one (scripts/page). Both hold all they need and ask nobody else.
 */
#ifndef KCOH_PAGE_H
#define KCOH_PAGE_H

#include <stddef.h>

/* Ends in a NUL, which is not counted. */
extern const char kcoh_page_html[];
extern const size_t kcoh_page_html_len;

/* The value of the page's Content-Security-Policy header: its own script and style by their hashes, requests to kcohd. */
extern const char kcoh_page_policy[];

/* The report, whose policy is in itself. Events, as one JSON array, take the place of KCOH_REPORT_EVENTS. */
extern const char kcoh_report_html[];
extern const size_t kcoh_report_html_len;
#define KCOH_REPORT_EVENTS "{{events}}"

#endif
