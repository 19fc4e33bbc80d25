// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcoh-bare: attaches bare.bpf.c, and says how many exits it has counted each time it reads a line, the first
 * time when it is attached. Ends with its standard input.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT "/usr/lib/kcoh/lab/bare.bpf.o"

static int fail(const char *what)
{
	fprintf(stderr, "kcoh-bare: cannot %s: %s\n", what, strerror(errno));
	return 2;
}

/* Prints the sum over all CPUs; 0, or -1. */
static int say(int map)
{
	uint64_t counts[256] = { 0 }, sum = 0;
	uint32_t zero = 0;
	int i, cpus = libbpf_num_possible_cpus();

	if (cpus <= 0 || cpus > 256 || bpf_map_lookup_elem(map, &zero, counts))
		return -1;
	for (i = 0; i < cpus; i++)
		sum += counts[i];
	printf("%" PRIu64 "\n", sum);
	return fflush(stdout);
}

int main(void)
{
	struct bpf_object *object = bpf_object__open(OBJECT);
	struct bpf_program *program;
	char line[16];
	int map;

	if (!object || bpf_object__load(object))
		return fail("load " OBJECT);
	program = bpf_object__find_program_by_name(object, "bare_exit");
	if (!program || !bpf_program__attach(program))
		return fail("attach to kvm_exit");
	map = bpf_object__find_map_fd_by_name(object, "bare_exits");
	do {
		if (say(map))
			return fail("read the counter");
	} while (fgets(line, sizeof(line), stdin));
	return 0;
}
