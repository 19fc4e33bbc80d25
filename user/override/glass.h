/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * glass.h - the break-glass: a file by which root lets all VMs of a host be migrated while no kcohd answers.
 *
 * `kcoh override --break-glass` writes it, beside kcohd's socket; `kcoh check` goes by it where no kcohd answers, until it is over;
 * kcohd tells of it when it starts, and removes it when it is over. It says nothing against a kcohd that answers.
 */
#ifndef KCOH_OVERRIDE_GLASS_H
#define KCOH_OVERRIDE_GLASS_H

#include <stdint.h>

#include "override/file.h"

#define KCOH_GLASS "break-glass" /* in the directory of the socket */

struct kcoh_glass {
	uint32_t uid; /* who broke it: of the login, where that is known */
	uint64_t given_ns, until_ns; /* CLOCK_MONOTONIC */
	char why[KCOH_WHY_BYTES];
};

/* 0, or a negative errno and one sentence. */
int kcoh_glass_write(const char *path, const struct kcoh_glass *glass, char *err, size_t err_len);

/* 0 if it is broken; -ENOENT if it is not; -ETIME if that is over; otherwise a negative errno and one sentence: the file is not believed. */
int kcoh_glass_read(const char *path, uint64_t now_ns, struct kcoh_glass *ret_glass, char *err,
		    size_t err_len);

#endif
