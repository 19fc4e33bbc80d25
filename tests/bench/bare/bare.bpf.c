// SPDX-License-Identifier: GPL-2.0-only
/*
 * bare.bpf.c - the least that counting exits by BPF can cost: one counter per CPU, of nobody in particular. What kcoh's
 * own programs add is measured beside it.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} bare_exits SEC(".maps");

SEC("raw_tp/kvm_exit")
int bare_exit(void *ctx)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&bare_exits, &zero);

	(void)ctx;
	if (n)
		++*n;
	return 0;
}
