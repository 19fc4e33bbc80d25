// SPDX-License-Identifier: GPL-2.0-only
/*
 * vmfile.c - kcoh-vmfile: opens a VM of another process as a file of the module, for tests.
 *
 *   kcoh-vmfile PID ACT…   takes the process's KVM VM (pidfd_getfd, as kcohd does), opens it at /dev/kcoh, and does each
 *                          act in turn, a line of JSON or a result word each:
 *     refusals             what must be refused, and with what
 *     strategy:N[:MS]      enum kcoh_strategy, and hold_ms of HOLD
 *     hold:I:MS            struct kcoh_vm_hold; I may be -1: all vCPUs
 *     release:I
 *     status               struct kcoh_vm_status
 *     vcpu:I               struct kcoh_vm_vcpu
 *     clean:GFN:PAGES      struct kcoh_vm_range
 *     mark:GFN:PAGES
 *     journal:ENTRIES
 *     read                 the journal: entries and pages in it
 *     dead                 waits until the file turns dead, then tries an ioctl
 *     pause                waits for a line on standard input
 *
 * Exit status 0, or 1 with one sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../vmm/module.h"
#include "kcoh/event.h"
#include "kcoh/ioctl.h"

static const char *result(int ret)
{
	return ret < 0 ? strerrorname_np(errno) : "ok";
}

static int vm_open(int dev, int vm)
{
	struct kcoh_vm_open request = { .vm_fd = vm };

	return ioctl(dev, KCOH_IOC_VM, &request);
}

static void refusals(int dev, int vm, int file)
{
	struct kcoh_vm_open flags = { .vm_fd = vm, .flags = 1 };
	struct kcoh_vm_strategy strategy = { .strategy = KCOH_STRATEGY_VETO };
	struct kcoh_vm_hold hold = { .index = 0 };
	struct kcoh_vm_range range = { .gfn = 0x40000 };
	struct kcoh_vm_vcpu vcpu = { .index = 4095 };
	__u32 odd = 3;

	printf("not-a-vm %s\n", result(vm_open(dev, dev)));
	printf("no-fd %s\n", result(vm_open(dev, 9999)));
	printf("flags %s\n", result(ioctl(dev, KCOH_IOC_VM, &flags)));
	printf("second-owner %s\n", result(vm_open(dev, vm)));
	printf("strategy %s\n", result(ioctl(file, KCOH_VM_STRATEGY, &strategy)));
	strategy = (struct kcoh_vm_strategy){ .strategy = KCOH_STRATEGY_CLEAN, .flags = 1 };
	printf("strategy-flags %s\n", result(ioctl(file, KCOH_VM_STRATEGY, &strategy)));
	strategy = (struct kcoh_vm_strategy){ .strategy = KCOH_STRATEGY_CLEAN, .pad = 1 };
	printf("strategy-padding %s\n", result(ioctl(file, KCOH_VM_STRATEGY, &strategy)));
	strategy = (struct kcoh_vm_strategy){ .strategy = KCOH_STRATEGY_HOLD };
	printf("hold-without-deadline %s\n", result(ioctl(file, KCOH_VM_STRATEGY, &strategy)));
	strategy.hold_ms = KCOH_HOLD_MAX_MS + 1;
	printf("hold-too-long %s\n", result(ioctl(file, KCOH_VM_STRATEGY, &strategy)));
	strategy = (struct kcoh_vm_strategy){ .strategy = KCOH_STRATEGY_CLEAN, .hold_ms = 1 };
	printf("deadline-without-hold %s\n", result(ioctl(file, KCOH_VM_STRATEGY, &strategy)));
	printf("hold-for-nothing %s\n", result(ioctl(file, KCOH_VM_HOLD, &hold)));
	hold.ms = 1;
	printf("release-with-deadline %s\n", result(ioctl(file, KCOH_VM_RELEASE, &hold)));
	hold.index = 4095;
	printf("hold-no-vcpu %s\n", result(ioctl(file, KCOH_VM_HOLD, &hold)));
	printf("empty-range %s\n", result(ioctl(file, KCOH_VM_CLEAN, &range)));
	range = (struct kcoh_vm_range){ .gfn = ~0ull, .pages = 2 };
	printf("wrapping-range %s\n", result(ioctl(file, KCOH_VM_MARK_DIRTY, &range)));
	range = (struct kcoh_vm_range){ .gfn = 0, .pages = KCOH_RANGE_MAX_PAGES + 1 };
	printf("huge-range %s\n", result(ioctl(file, KCOH_VM_CLEAN, &range)));
	range = (struct kcoh_vm_range){ .gfn = 0, .pages = 1, .done = 1 };
	printf("noisy-range %s\n", result(ioctl(file, KCOH_VM_CLEAN, &range)));
	printf("no-vcpu %s\n", result(ioctl(file, KCOH_VM_VCPU, &vcpu)));
	printf("odd-journal %s\n", result(ioctl(file, KCOH_VM_JOURNAL, &odd)));
	printf("read-nothing %s\n", result(read(file, &odd, sizeof(odd))));
	printf("unknown-ioctl %s\n", result(ioctl(file, _IO('k', 0xff), 0)));
}

static int act_status(int file)
{
	struct kcoh_vm_status s;
	int ret = ioctl(file, KCOH_VM_STATUS, &s);

	if (!ret)
		printf("{\"epoch\":%u,\"armed\":%u,\"vcpus\":%u,\"vcpus_armed\":%u,\"cleaning\":%u,"
		       "\"harvests\":%" PRIu64 ",\"protected\":%" PRIu64 ",\"cleaned\":%" PRIu64
		       ",\"absent\":%" PRIu64 ",\"unclean\":%" PRIu64 ",\"untainted\":%" PRIu64
		       ",\"journal_lost\":%" PRIu64
		       ",\"held\":%u,\"tainted\":%u,\"over_budget\":%u}\n",
		       s.epoch, s.armed, s.vcpus, s.vcpus_armed, s.cleaning, (uint64_t)s.harvests,
		       (uint64_t)s.pages_protected, (uint64_t)s.pages_cleaned,
		       (uint64_t)s.pages_absent, (uint64_t)s.pages_unclean,
		       (uint64_t)s.pages_untainted, (uint64_t)s.journal_lost, s.held, s.tainted,
		       s.over_budget);
	return ret;
}

static int act_strategy(int file, uint32_t strategy, uint32_t hold_ms)
{
	struct kcoh_vm_strategy s = { .strategy = strategy, .hold_ms = hold_ms };

	return ioctl(file, KCOH_VM_STRATEGY, &s);
}

static int act_vcpu(int file, uint32_t index)
{
	struct kcoh_vm_vcpu v = { .index = index };
	int ret = ioctl(file, KCOH_VM_VCPU, &v);

	if (!ret)
		printf("{\"state\":%u,\"armed\":%u,\"loaded\":%u,\"held\":%u,\"sctlr\":\"0x%" PRIx64
		       "\"}\n",
		       v.state, v.armed, v.loaded, v.held, (uint64_t)v.sctlr);
	return ret;
}

static int act_range(int file, unsigned long cmd, uint64_t gfn, uint64_t pages)
{
	struct kcoh_vm_range r = { .gfn = gfn, .pages = pages };
	int ret = ioctl(file, cmd, &r);

	if (!ret)
		printf("{\"done\":%" PRIu64 ",\"absent\":%" PRIu64 ",\"skipped\":%" PRIu64 "}\n",
		       (uint64_t)r.done, (uint64_t)r.absent, (uint64_t)r.skipped);
	return ret;
}

static int act_read(int file)
{
	struct kcoh_journal_entry entries[64];
	uint64_t n = 0, pages = 0;
	ssize_t len, i;

	while ((len = read(file, entries, sizeof(entries))) > 0) {
		for (i = 0; i < len / (ssize_t)sizeof(entries[0]); i++, n++)
			pages += entries[i].pages;
	}
	if (errno != EAGAIN)
		return -1;
	printf("{\"entries\":%" PRIu64 ",\"pages\":%" PRIu64 "}\n", n, pages);
	return 0;
}

static int act_dead(int file)
{
	struct pollfd p = { .fd = file };
	struct kcoh_vm_status status;

	if (poll(&p, 1, 30000) != 1 || !(p.revents & POLLHUP)) {
		errno = ETIMEDOUT;
		return -1;
	}
	printf("dead %s\n", result(ioctl(file, KCOH_VM_STATUS, &status)));
	return 0;
}

static int act(int dev, int vm, int file, const char *what)
{
	unsigned long long a = 0, b = 0;
	char name[16] = "";

	sscanf(what, "%15[a-z]:%lli:%lli", name, (long long *)&a, (long long *)&b);
	if (!strcmp(name, "refusals")) {
		refusals(dev, vm, file);
		return 0;
	}
	if (!strcmp(name, "strategy"))
		return act_strategy(file, a, b);
	if (!strcmp(name, "hold"))
		return ioctl(file, KCOH_VM_HOLD, &(struct kcoh_vm_hold){ .index = a, .ms = b });
	if (!strcmp(name, "release"))
		return ioctl(file, KCOH_VM_RELEASE, &(struct kcoh_vm_hold){ .index = a });
	if (!strcmp(name, "status"))
		return act_status(file);
	if (!strcmp(name, "vcpu"))
		return act_vcpu(file, a);
	if (!strcmp(name, "clean"))
		return act_range(file, KCOH_VM_CLEAN, a, b);
	if (!strcmp(name, "mark"))
		return act_range(file, KCOH_VM_MARK_DIRTY, a, b);
	if (!strcmp(name, "journal"))
		return ioctl(file, KCOH_VM_JOURNAL, &(__u32){ a });
	if (!strcmp(name, "read"))
		return act_read(file);
	if (!strcmp(name, "dead"))
		return act_dead(file);
	if (!strcmp(name, "pause")) {
		puts("paused");
		fflush(stdout);
		getchar();
		return 0;
	}
	errno = EINVAL;
	return -1;
}

int main(int argc, char **argv)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI };
	int dev = open(KCOH_DEV, O_RDWR | O_CLOEXEC), vm, file, i;
	bool keep = false;

	if (argc < 3 || dev < 0 || ioctl(dev, KCOH_IOC_HELLO, &hello)) {
		fprintf(stderr, "kcoh-vmfile: needs PID ACT... and the module\n");
		return 1;
	}
	for (i = 2; i < argc; i++)
		keep |= !strcmp(argv[i], "refusals");
	vm = vm_take(atoi(argv[1]));
	file = vm < 0 ? -1 : vm_open(dev, vm);
	if (file < 0) {
		fprintf(stderr, "kcoh-vmfile: cannot open the VM of %s: %s\n", argv[1],
			strerror(errno));
		return 1;
	}
	if (!keep)
		close(vm); /* or it would keep the VM alive */
	for (i = 2; i < argc; i++) {
		if (act(dev, vm, file, argv[i]) < 0) {
			fprintf(stderr, "kcoh-vmfile: %s: %s\n", argv[i], strerror(errno));
			return 1;
		}
		fflush(stdout);
	}
	return 0;
}
