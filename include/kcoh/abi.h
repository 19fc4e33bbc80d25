/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * abi.h - the version of everything that crosses a boundary, and when to bump it.
 *
 * kcoh is four programs that share memory layouts: the BPF programs write records into a ring
 * buffer, the module answers ioctls on /dev/kcoh and fires kcoh:* tracepoints, kcohd reads both, and
 * recordings are replayed by later builds. One number covers them all, because they are built and
 * shipped together; each side says its number first and refuses another one in words:
 *
 *   module  KCOH_IOC_HELLO carries the caller's number and returns the module's (-EPROTO if they differ)
 *   BPF     a read-only constant `kcoh_abi` in their object, compared by the loader
 *
 * Bump KCOH_ABI when a size, an offset, a meaning or a tracepoint argument changes. Adding a record
 * type, a reason code or a flag that old readers may ignore does not bump it: readers skip types
 * that they do not know by kcoh_ev_hdr.size.
 */
#ifndef KCOH_ABI_H
#define KCOH_ABI_H

#ifndef KCOH_ABI
#define KCOH_ABI 2
#endif

#ifdef __bpf__
/* BPF programs have bpf/kernel.bpf.h, which declares the fixed-width types. */
#else
#include <linux/types.h>
#endif

#endif
