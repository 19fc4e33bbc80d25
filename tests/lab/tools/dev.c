// SPDX-License-Identifier: GPL-2.0-only
/*
 * dev.c - kcoh-dev: speaks to /dev/kcoh by hand, for tests.
 *
 *   kcoh-dev stats           prints the module's counters as one line of JSON
 *   kcoh-dev state           how it says it is: ready, not-needed, disabled or stepped-aside
 *   kcoh-dev handshake       tries what must be refused and says what came back, a line each:
 *                            stats-before-hello EPROTO
 *
 * Exit status 0, or 1 with one sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kcoh/ioctl.h"

static const struct counter {
	const char *name;
	size_t offset;
} counters[] = {
#define COUNTER(field)                                                                             \
	{                                                                                          \
#field, offsetof(struct kcoh_stats, field)                                         \
	}
	COUNTER(epochs),
	COUNTER(arms),
	COUNTER(disarms),
	COUNTER(traps),
	COUNTER(toggles),
	COUNTER(set_way),
	COUNTER(set_way_yields),
	COUNTER(hook_misses),
	COUNTER(arm_late),
	COUNTER(no_memory),
	COUNTER(vms),
	COUNTER(vcpus_armed),
	COUNTER(harvests),
	COUNTER(pages_protected),
	COUNTER(pages_cleaned),
	COUNTER(pages_absent),
	COUNTER(pages_no_ram),
	COUNTER(pages_unclean),
	COUNTER(pages_marked),
	COUNTER(whole_slots),
	COUNTER(pages_extra),
	COUNTER(pages_untainted),
	COUNTER(over_budget),
	COUNTER(holds),
	COUNTER(hold_breaks),
};

static const char *result(int ret)
{
	return ret ? strerrorname_np(errno) : "ok";
}

static int handshake(int fd)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI + 1 };
	struct kcoh_stats stats;

	printf("stats-before-hello %s\n", result(ioctl(fd, KCOH_IOC_STATS, &stats)));
	printf("hello-other-abi %s", result(ioctl(fd, KCOH_IOC_HELLO, &hello)));
	printf(" %s\n", hello.abi == KCOH_ABI ? "names-its-own" : "names-another");
	printf("stats-after-refusal %s\n", result(ioctl(fd, KCOH_IOC_STATS, &stats)));
	hello = (struct kcoh_hello){ .abi = KCOH_ABI, .state = 1 };
	printf("hello-with-noise %s\n", result(ioctl(fd, KCOH_IOC_HELLO, &hello)));
	hello = (struct kcoh_hello){ .abi = KCOH_ABI };
	printf("hello %s\n", result(ioctl(fd, KCOH_IOC_HELLO, &hello)));
	printf("stats %s\n", result(ioctl(fd, KCOH_IOC_STATS, &stats)));
	printf("unknown-ioctl %s\n", result(ioctl(fd, _IO('k', 0xff), 0)));
	return 0;
}

static int print_stats(int fd)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI };
	struct kcoh_stats stats;
	size_t i;

	if (ioctl(fd, KCOH_IOC_HELLO, &hello) || ioctl(fd, KCOH_IOC_STATS, &stats)) {
		fprintf(stderr, "kcoh-dev: the module does not answer: %s\n", strerror(errno));
		return 1;
	}
	for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
		printf("%s\"%s\":%" PRIu64, i ? "," : "{", counters[i].name,
		       (uint64_t) * (__u64 *)((char *)&stats + counters[i].offset));
	printf("}\n");
	return 0;
}

static int print_state(int fd)
{
	static const char *const names[] = { "ready", "not-needed", "disabled", "stepped-aside" };
	struct kcoh_hello hello = { .abi = KCOH_ABI };

	if (ioctl(fd, KCOH_IOC_HELLO, &hello) || hello.state >= sizeof(names) / sizeof(names[0])) {
		fprintf(stderr, "kcoh-dev: no state: %s\n", strerror(errno));
		return 1;
	}
	puts(names[hello.state]);
	return 0;
}

int main(int argc, char **argv)
{
	int fd = open(KCOH_DEV, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		fprintf(stderr, "kcoh-dev: cannot open %s: %s\n", KCOH_DEV, strerror(errno));
		return 1;
	}
	if (argc == 2 && !strcmp(argv[1], "stats"))
		return print_stats(fd);
	if (argc == 2 && !strcmp(argv[1], "state"))
		return print_state(fd);
	if (argc == 2 && !strcmp(argv[1], "handshake"))
		return handshake(fd);
	fprintf(stderr, "usage: kcoh-dev stats|state|handshake\n");
	return 1;
}
