/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * tcp.h - the API on TCP too, for those who cannot ask a Unix socket: Prometheus. It never acts (api.c), and anybody who can
 * reach the address can read.
 */
#ifndef KCOH_TCP_H
#define KCOH_TCP_H

#include <stddef.h>

/*
 * An address as ADDRESS:PORT, IPv4 or IPv6 in brackets, numbers only: 127.0.0.1:9754, [::1]:9754. 0, or -EINVAL: it is none.
 */
int kcoh_tcp_check(const char *address);

/* A listening socket, non-blocking. On error a negative errno, and one sentence for a person in err. */
int kcoh_tcp_open(const char *address, char *err, size_t err_len);

#endif
