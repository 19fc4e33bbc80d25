/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tell.h - what a program in the lab tells the witness outside: marks between which it looks, where guest RAM lies in
 * memory, what the module's journal and counters claim. All of it costs nothing and does nothing without the witness,
 * except tell_pages() and tell_symbols(), which read /proc.
 */
#ifndef KCOH_WITNESS_TELL_H
#define KCOH_WITNESS_TELL_H

#include "kcoh/ioctl.h"
#include "mark.h"

void tell_begin(const char *name);
void tell_end(void);
void tell_claim(const struct kcoh_journal_entry *entry);
void tell_counts(const struct kcoh_vm_status *status);
/* Every page that a process has: 0, or -1 with errno. */
int tell_pages(int pid, enum witness_when when);
/* Where the functions are at which KVM write-protects and makes slots: 0, or -1 with errno. Takes seconds. */
int tell_symbols(void);

#endif
