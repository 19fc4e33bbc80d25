/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * version.h - what kcohd and kcoh call themselves, and where they meet.
 *
 * Both programs take the socket's default from here, so that neither needs the other's configuration.
 */
#ifndef KCOH_VERSION_H
#define KCOH_VERSION_H

#ifndef KCOH_VERSION
#define KCOH_VERSION "0.1.0"
#endif

#define KCOH_SOCKET "/run/kcoh/kcohd.sock"
#define KCOH_BPF_DIR "/usr/lib/kcoh/bpf"

#endif
