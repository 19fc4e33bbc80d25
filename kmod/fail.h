/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fail.h - steps that can be made to fail, to see what becomes of the rest. Only in builds for tests:
 *
 *   $ scripts/kbuild 6.1 kmod build/arm64/lab/fail KCOH_DEFINES=-DKCOH_FAIL
 *   # insmod kcoh.ko fail=hook fail_nth=3       the third hook cannot be attached
 *   # insmod kcoh.ko fail=pages                 no page of guest RAM can be had (fail_nth=0: each time)
 *
 * tests/lab/failures.sh takes each of them in turn. In any other build a step fails only if it does.
 */
#ifndef KCOH_FAIL_H
#define KCOH_FAIL_H

#include <linux/types.h>

/* The steps: where they are, and what fails. */
#define KCOH_FAIL_SYMBOL "symbol" /* compat.c: a symbol is not found */
#define KCOH_FAIL_HOOK "hook" /* hook.c: a function cannot be hooked */
#define KCOH_FAIL_FTRACE "ftrace" /* hook.c: not by ftrace; a kprobe is taken */
#define KCOH_FAIL_TRACEPOINT "tracepoint" /* trap.c: KVM's tracepoint cannot be had */
#define KCOH_FAIL_DEV "dev" /* dev.c: no device */
#define KCOH_FAIL_SET "set" /* harvest.c: no memory for a set of pages, sleeping or not */
#define KCOH_FAIL_JOB "job" /* job.c: no memory for a job */
#define KCOH_FAIL_VM "vm" /* vm.c: none for the record of a VM */
#define KCOH_FAIL_VCPU "vcpu" /* … of a vCPU */
#define KCOH_FAIL_SLOT "slot" /* … of a slot */
#define KCOH_FAIL_SEEN "seen" /* taint.c: none for the bits of a slot */
#define KCOH_FAIL_JOURNAL "journal" /* journal.c: none for the journal */
#define KCOH_FAIL_PAGES "pages" /* compat.c: get_user_pages_remote() gives none, with -ENOMEM */

#ifdef KCOH_FAIL
/* True if this passage of that step is to fail. Atomic. */
bool kcoh_fail(const char *step);
#else
static inline bool kcoh_fail(const char *step)
{
	return false;
}
#endif

#endif
