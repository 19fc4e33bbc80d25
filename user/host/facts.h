/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * facts.h - what this host is, and what of it kcoh can use: for kcohd, which must know at its start, and for kcoh doctor.
 */
#ifndef KCOH_HOST_FACTS_H
#define KCOH_HOST_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kcoh/event.h"
#include "kcoh/ioctl.h"

struct kcoh_host_facts {
	char machine[65]; /* as uname(2) has it */
	char kernel[65];
	uint32_t page_size; /* bytes */
	bool arm64;
	bool kvm; /* /dev/kvm is there */
	bool btf; /* the kernel's type information is there */
	bool may_bpf; /* we may load BPF programs */
	bool pkvm; /* protected KVM was asked for on the kernel's command line */
	bool armv8_4; /* the CPU shows what Armv8.4 makes mandatory, as it does S2FWB */
	unsigned int smmus; /* SMMUv3 instances */
	int hello_err; /* 0: the module answered; see kcoh_host_hello() */
	char hello_sentence[256]; /* why not */
	struct kcoh_hello hello;
};

/* Looks at everything above. `root` is put before the paths of files: "", or a directory that stands for a host in a test. */
void kcoh_host_look(const char *root, struct kcoh_host_facts *ret_facts);

/*
 * May kcohd run on such a host? 0, or a negative errno and one sentence: -ENOTSUP no arm64 machine, -ENODEV no KVM, -EPERM no
 * right to load BPF programs. What else it needs (BTF, hooks, the module's ABI) is found by trying.
 */
int kcoh_host_usable(const struct kcoh_host_facts *facts, char *err, size_t err_len);

/* Shakes hands with the module. 0, -ENOENT: not loaded, -EPROTO: another ABI, or what opening or asking it gave; a sentence. */
int kcoh_host_hello(const char *dev, struct kcoh_hello *ret_hello, char *err, size_t err_len);

/* The module's counters. 0, or a negative errno. */
int kcoh_host_stats(const char *dev, struct kcoh_stats *ret_stats);

/* "ready", "not-needed" …; never NULL. */
const char *kcoh_module_state_name(uint32_t state);

#endif
