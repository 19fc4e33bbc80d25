/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * say.h - what kcoh-vmm and kcoh-adversary print: one JSON object a line on stdout, flushed, so that a script can act on it; and the
 * last sentence before it gives up, on stderr, with exit status 2.
 */
#ifndef KCOH_LAB_SAY_H
#define KCOH_LAB_SAY_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Formats go to stdio as they stand; stdio's own lock keeps lines of several threads apart. */
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	flockfile(stdout);
	vprintf(format, args);
	putchar('\n');
	fflush(stdout);
	funlockfile(stdout);
	va_end(args);
}

__attribute__((format(printf, 1, 2), noreturn)) static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	fflush(NULL);
	va_end(args);
	_Exit(2);
}

#endif
