/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * listen.h - the daemon's Unix socket: one daemon a path, for root and group kcoh.
 */
#ifndef KCOH_LISTEN_H
#define KCOH_LISTEN_H

#include <stddef.h>

struct kcoh_listen; /* opaque */

/*
 * Takes the path: makes its directory if that is missing, refuses if another daemon has it (-EADDRINUSE),
 * replaces a socket that a dead one left. If systemd passed a socket (kcohd.socket) that one is taken; if it is another
 * than `path`, -EINVAL. On error `err` holds one sentence.
 */
int kcoh_listen_open(const char *path, struct kcoh_listen **ret_listen, char *err, size_t err_len);

/* Removes the socket again, unless it is systemd's. NULL is allowed. */
void kcoh_listen_close(struct kcoh_listen *listen);

/* A descriptor that listens, owned by the caller: HTTP servers close what they were given. -1: no more. */
int kcoh_listen_fd(const struct kcoh_listen *listen);

#endif
