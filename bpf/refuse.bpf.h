/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * refuse.bpf.h - what is noted of a VM's migration, so that its stream can be told from other sockets.
 *
 * For the processes in kcoh_guarded only, and mostly there are none: which dirty epoch it is (memslot.bpf.c), and
 * which thread takes how many dirty pages in it (harvest.bpf.c). refuse.bpf.c judges by it.
 *
 * An epoch begins when a writable slot with an eighth of the RAM or more begins to be logged: not that of a
 * framebuffer. Where RAM is in several slots each one begins it anew, before anything is harvested. The main thread
 * harvests for VNC, and is never judged: it is left out.
 *
 * Cost: a look-up in an empty table at each harvest and at each change of a memslot.
 */
#ifndef KCOH_REFUSE_BPF_H
#define KCOH_REFUSE_BPF_H

#include "common.bpf.h"

#define GUARDED_MAX 4096
#define EPOCH_SHARE 8

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GUARDED_MAX);
	__type(key, __u32);
	__type(value, struct kcoh_guarded);
} kcoh_guarded __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, GUARDED_MAX);
	__type(key, __u32);
	__type(value, struct kcoh_stream_seen);
} kcoh_streams_seen __weak SEC(".maps");

static const struct kcoh_stream_seen stream_nothing __attribute__((unused));

static __always_inline struct kcoh_stream_seen *stream_get(__u32 tgid)
{
	struct kcoh_stream_seen *seen = bpf_map_lookup_elem(&kcoh_streams_seen, &tgid);

	if (seen)
		return seen;
	bpf_map_update_elem(&kcoh_streams_seen, &tgid, &stream_nothing, BPF_NOEXIST);
	return bpf_map_lookup_elem(&kcoh_streams_seen, &tgid);
}

/* A memslot's flags change, in the process that the VM belongs to. */
static __always_inline void stream_slot(__u64 pages, __u32 was, __u32 now)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct kcoh_guarded *guarded = bpf_map_lookup_elem(&kcoh_guarded, &tgid);
	struct kcoh_stream_seen *seen;

	if (!guarded || !(now & ~was & KVM_MEM_LOG_DIRTY_PAGES) || now & KVM_MEM_READONLY ||
	    pages < guarded->ram_pages / EPOCH_SHARE)
		return;
	seen = stream_get(tgid);
	if (!seen)
		return;
	seen->tid = 0;
	seen->others = 0;
	seen->pages = 0;
	seen->bytes = 0;
	seen->epoch++;
}

/* This thread took dirty pages. */
static __always_inline void stream_harvested(__u64 kvm, __u64 pages)
{
	__u64 task = bpf_get_current_pid_tgid();
	__u32 tgid = task >> 32, tid = task;
	struct kcoh_stream_seen *seen;

	if (tid == tgid || !bpf_map_lookup_elem(&kcoh_guarded, &tgid))
		return;
	seen = stream_get(tgid);
	if (!seen)
		return;
	if (!seen->tid) {
		seen->tid = tid;
		seen->kvm = kvm;
	}
	if (seen->tid == tid)
		seen->pages += pages;
	else
		seen->others = 1;
}

#endif
