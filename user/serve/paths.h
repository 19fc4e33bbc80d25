/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * paths.h - where kcohd, kcoh and the BPF objects meet.
 *
 * Both programs take the socket's default from here, so that neither needs the other's configuration.
 */
#ifndef KCOH_PATHS_H
#define KCOH_PATHS_H

#define KCOH_SOCKET "/run/kcoh/kcohd.sock"
#define KCOH_BPF_DIR "/usr/lib/kcoh/bpf"

#endif
