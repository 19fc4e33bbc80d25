/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * hooks.h - private to user/feed: the table of hooks, and what became of each on this kernel.
 */
#ifndef KCOH_FEED_HOOKS_H
#define KCOH_FEED_HOOKS_H

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stddef.h>

#define KCOH_TRIES_MAX 2
#define KCOH_HOOKS_MAX 64

enum kcoh_hook_kind {
	KCOH_HOOK_REQUIRED, /* without it nothing that we say would be right */
	KCOH_HOOK_OPTIONAL,
	KCOH_HOOK_EXTRA, /* optional, and many a kernel does not have it */
	KCOH_HOOK_MODULE, /* on a tracepoint of the module: attached when that is loaded */
	KCOH_HOOK_WANTED, /* attached while somebody wants what it shows */
	KCOH_HOOK_MAPPING, /* optional; attached once VFIO or iommufd is there */
	KCOH_HOOK_REFUSE, /* acts: attached only while a policy has last_resort (refuse.c) */
};

struct kcoh_hook {
	const char *name; /* of the kernel's function or tracepoint */
	enum kcoh_hook_kind kind;
	const char *
		tries[KCOH_TRIES_MAX]; /* program names, cheapest first; ENTRY+RETURN: two of them */
	const char *unseen; /* what is not seen without it: the end of a sentence */
};

struct kcoh_hook_state {
	struct bpf_link *link;
	struct bpf_link *entry_link; /* of the program at the function's entry, if it takes two */
	const struct bpf_program *prog, *entry_prog; /* what is attached by these */
	const char *method;
	char why[160];
};

extern const struct kcoh_hook kcoh_hooks[];
extern const size_t kcoh_hooks_count;

/* 0, or the negative errno that BPF trampolines (fentry, fexit) fail with on this kernel. */
int kcoh_trampoline_try(const struct btf *vmlinux, const char *func);

/* Before load: switches those programs of this object off that this kernel cannot run. */
void kcoh_hooks_choose(struct bpf_object *obj, const struct btf *vmlinux, int trampoline_err);

/* Attaches one hook with the first of its tries that works; 0 or the last negative errno. */
int kcoh_hook_attach(const struct kcoh_hook *hook, struct kcoh_hook_state *state,
		     const struct bpf_object *obj);
/* Detaches it, or says of a hook never attached that it is not there. */
void kcoh_hook_detach(const struct kcoh_hook *hook, struct kcoh_hook_state *state);

#endif
