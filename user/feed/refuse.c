// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuse.c - switches the last resort on and off, and knows whether this kernel has it.
 *
 * The problem: on arm64 a kernel may load the program and never run it. BPF trampolines may be missing (6.1: attaching fails), and
 * where they are there, the BPF LSM may not be among the LSMs that the kernel was started with (lsm=): then the program is attached to a function
 * that nobody calls. So it is tried at the start, as other hooks are, but to the end: our own process is guarded for a moment, and
 * sends a byte to itself. EPERM, and it works.
 *
 *   hook      socket_sendmsg: not available: no policy has last_resort = yes; it was tried, and works
 *   hook      socket_sendmsg: attached as lsm
 *   hook      socket_sendmsg: not available: this kernel cannot attach BPF programs to LSM hooks; …
 *
 * Cost: at the start some ms, most of it the kernel's waiting until nobody is in the program any more. Limit: a kernel's
 * lockdown that comes later is not noticed.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const char no_trampolines[] =
	"this kernel cannot attach BPF programs to LSM hooks (arm64 can from 6.4 on)";
static const char no_lsm[] = "this kernel was built without the BPF LSM (CONFIG_BPF_LSM)";
static const char not_asked[] =
	"the kernel does not ask the BPF LSM: start it with `bpf` in its lsm= list "
	"(/sys/kernel/security/lsm has what it is)";
static const char not_attached[] = "the kernel refuses to attach the program";
static const char not_tried[] = "it could not be tried, as no socket could be made";
static const char off[] = "no policy has last_resort = yes; it was tried, and works";

/* enum kcoh_doubt */
static const char *const doubts[] = {
	[KCOH_DOUBT_LATE] = "the beginning of its dirty logging was not seen",
	[KCOH_DOUBT_THREADS] = "several of its threads take dirty pages",
	[KCOH_DOUBT_FEW] = "the thread has not taken most of its RAM",
	[KCOH_DOUBT_ROOM] = "the kernel has no memory to remember who sends on that socket",
	[KCOH_DOUBT_SHARED] = "other threads send on that socket, too",
	[KCOH_DOUBT_LITTLE] = "what went through that socket does not look like RAM",
	[KCOH_DOUBT_VCPU] = "the thread runs a vCPU",
	[KCOH_DOUBT_STOPPED] =
		"no vCPU of it runs: this may be a post-copy, and the guest somewhere else",
	[KCOH_DOUBT_VM] = "its process has several virtual machines",
};
_Static_assert(COUNT(doubts) == KCOH_DOUBTS, "one sentence each");

static int map_of(const struct kcoh_feed *feed, const char *name)
{
	return bpf_object__find_map_fd_by_name(feed->obj, name);
}

/* There is one in the table. */
static size_t hook_index(void)
{
	size_t i = 0;

	while (kcoh_hooks[i].kind != KCOH_HOOK_REFUSE)
		i++;
	return i;
}

/* --- whether it can be done ------------------------------------------------------------------------ */

void kcoh_feed_refuse_choose(struct kcoh_feed *feed, const struct btf *vmlinux, int trampoline_err)
{
	struct bpf_map *map = bpf_object__find_map_by_name(feed->obj, "kcoh_sends");

	feed->refuse_err = 0;
	if (btf__find_by_name_kind(vmlinux, "bpf_lsm_socket_sendmsg", BTF_KIND_FUNC) < 0) {
		feed->refuse_err = -EOPNOTSUPP;
		feed->refuse_why = no_lsm;
	} else if (trampoline_err) {
		feed->refuse_err = trampoline_err;
		feed->refuse_why = no_trampolines;
	}
	if (feed->refuse_err && map)
		bpf_map__set_autocreate(map, false);
}

/* 0 if a send of this thread fails because we want it to. */
static int probe(struct kcoh_feed *feed)
{
	struct kcoh_guarded own = { .vm = KCOH_VM_NONE };
	uint32_t pid = (uint32_t)getpid();
	struct stat stat;
	int fds[2], err = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		feed->refuse_why = not_tried;
		return -errno;
	}
	if (fstat(fds[0], &stat) == 0)
		own.inode = stat.st_ino;
	if (bpf_map_update_elem(map_of(feed, "kcoh_guarded"), &pid, &own, BPF_ANY))
		err = -errno;
	else if (send(fds[0], "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		err = -ENOSYS;
	else if (errno != EPERM)
		err = -errno;
	bpf_map_delete_elem(map_of(feed, "kcoh_guarded"), &pid);
	close(fds[0]);
	close(fds[1]);
	if (err)
		feed->refuse_why = err == -ENOSYS ? not_asked : not_tried;
	return err;
}

static void explain(struct kcoh_hook_state *state, const char *why)
{
	snprintf(state->why, sizeof(state->why), "%s", why);
}

void kcoh_feed_refuse_try(struct kcoh_feed *feed)
{
	const struct kcoh_hook *hook = &kcoh_hooks[hook_index()];
	struct kcoh_hook_state *state = &feed->hooks[hook_index()];

	if (!feed->refuse_err) {
		feed->refuse_why = not_attached;
		feed->refuse_err = kcoh_hook_attach(hook, state, feed->obj);
	}
	if (!feed->refuse_err)
		feed->refuse_err = probe(feed);
	kcoh_hook_detach(hook, state);
	explain(state, feed->refuse_err ? feed->refuse_why : off);
}

/* --- on and off ------------------------------------------------------------------------------------ */

int kcoh_feed_refuse(struct kcoh_feed *feed, bool on, const char **ret_why)
{
	const struct kcoh_hook *hook = &kcoh_hooks[hook_index()];
	struct kcoh_hook_state *state = &feed->hooks[hook_index()];
	int err = feed->refuse_err;

	feed->refuse_wanted = on;
	if (!err && on && !state->link)
		err = kcoh_hook_attach(hook, state, feed->obj);
	if (!on && state->link) {
		kcoh_hook_detach(hook, state);
		explain(state, off);
	}
	if (err && ret_why)
		*ret_why = feed->refuse_err ? feed->refuse_why : not_attached;
	return err;
}

int kcoh_feed_guard(struct kcoh_feed *feed, uint32_t pid, uint32_t vm, uint64_t ram_pages,
		    uint64_t until_ns)
{
	const struct kcoh_guarded guarded = { .until_ns = until_ns,
					      .ram_pages = ram_pages,
					      .vm = vm };
	int err = bpf_map_update_elem(map_of(feed, "kcoh_guarded"), &pid, &guarded, BPF_ANY);

	return err ? (errno == E2BIG ? -ENOSPC : -errno) : 0;
}

void kcoh_feed_unguard(struct kcoh_feed *feed, uint32_t pid)
{
	bpf_map_delete_elem(map_of(feed, "kcoh_guarded"), &pid);
	bpf_map_delete_elem(map_of(feed, "kcoh_streams_seen"), &pid);
}

int kcoh_feed_refusals(struct kcoh_feed *feed, uint32_t pid, struct kcoh_refusals *ret_refusals)
{
	struct kcoh_stream_seen seen;

	if (bpf_map_lookup_elem(map_of(feed, "kcoh_streams_seen"), &pid, &seen))
		return -errno;
	*ret_refusals = (struct kcoh_refusals){
		.refused = seen.refused,
		.doubts = seen.doubts,
		.bytes = seen.bytes,
		.inode = seen.inode,
		.tid = seen.by,
		.harvester = seen.tid,
		.late = !seen.epoch,
		.doubt = seen.doubt < COUNT(doubts) ? doubts[seen.doubt] : NULL,
	};
	return 0;
}
