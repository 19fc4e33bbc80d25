// SPDX-License-Identifier: GPL-2.0-only
/*
 * feed.c - kcohd's feed and its look at the host, by order: what stands in for KVM on arm64 where tests/libvirt runs.
 *
 * All else of kcohd is linked as it is. Orders are lines on its standard input, taken when kcohd looks for records; each is
 * answered on standard output with "done", or with "no: " and why. The end of the input changes nothing.
 *
 *   vm ID PID           process PID has a VM with one vCPU, cached, and 32 MiB of RAM; its name and UUID kcohd reads from /proc
 *   off ID | on ID      its vCPU turns its MMU off, on
 *   gone ID             it ends
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed/feed.h"
#include "kcohd/daemon.h"

#define RAM_PAGES (32ull << 8)

struct kcoh_feed {
	struct kcoh_feed_config config;
	uint64_t generation;
	char held[4096]; /* orders, up to the last whole line */
	size_t held_len;
};

int host_up(struct daemon *daemon)
{
	daemon->page_size = 4096;
	return 0;
}

int kcoh_feed_open(const struct kcoh_feed_config *config, struct kcoh_feed **ret_feed, char *err,
		   size_t err_len)
{
	struct kcoh_feed *feed = calloc(1, sizeof(*feed));

	if (!feed || fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK) < 0) {
		snprintf(err, err_len, "no orders can be taken");
		free(feed);
		return -EIO;
	}
	feed->config = *config;
	*ret_feed = feed;
	return 0;
}

void kcoh_feed_close(struct kcoh_feed *feed)
{
	free(feed);
}

static void push_record(struct kcoh_feed *feed, union kcoh_ev *ev, uint16_t type, size_t size,
			uint32_t vm, uint16_t vcpu)
{
	ev->hdr = (struct kcoh_ev_hdr){
		.ts_ns = now_ns(), .vm = vm, .vcpu = vcpu, .type = type, .size = (uint16_t)size
	};
	feed->config.fn(&ev->hdr, size, feed->config.ctx);
}

#define PUSH(TYPE, member, vm, vcpu, ...)                                                          \
	push_record(feed, &(union kcoh_ev){ .member = { .hdr = { 0 }, ##__VA_ARGS__ } },           \
		    KCOH_EV_##TYPE, sizeof(((union kcoh_ev *)0)->member), vm, vcpu)

static void vm_push(struct kcoh_feed *feed, uint32_t vm, uint32_t pid)
{
	PUSH(VM_NEW, vm_new, vm, KCOH_VCPU_NONE, .pid = pid, .comm = "qemu");
	PUSH(MEMSLOT, memslot, vm, KCOH_VCPU_NONE, .base_gfn = 0x40000, .pages = RAM_PAGES,
	     .hva = 0xffff00000000, .generation = ++feed->generation, .change = KCOH_SLOT_CREATE);
	PUSH(VCPU, vcpu, vm, 0, .sctlr = 0x30d0198d, .tid = pid, .state = KCOH_CACHED,
	     .source = KCOH_SRC_TRAP);
}

static void toggle_push(struct kcoh_feed *feed, uint32_t vm, bool on)
{
	PUSH(TOGGLE, toggle, vm, 0, .pc = 0x40080154, .sctlr = on ? 0x30d0198d : 0x30d00800,
	     .was = on ? KCOH_UNCACHED : KCOH_CACHED, .now = on ? KCOH_CACHED : KCOH_UNCACHED,
	     .source = KCOH_SRC_TRAP);
}

static const char *order(struct kcoh_feed *feed, const char *line)
{
	unsigned int vm, pid;

	if (sscanf(line, "vm %u %u", &vm, &pid) == 2)
		vm_push(feed, vm, pid);
	else if (sscanf(line, "off %u", &vm) == 1)
		toggle_push(feed, vm, false);
	else if (sscanf(line, "on %u", &vm) == 1)
		toggle_push(feed, vm, true);
	else if (sscanf(line, "gone %u", &vm) == 1)
		PUSH(VM_GONE, vm_gone, vm, KCOH_VCPU_NONE);
	else
		return "no: that is no order";
	return "done";
}

int kcoh_feed_consume(struct kcoh_feed *feed)
{
	ssize_t n = read(STDIN_FILENO, feed->held + feed->held_len,
			 sizeof(feed->held) - 1 - feed->held_len);
	char *start = feed->held, *newline;
	int taken = 0;

	if (n <= 0)
		return 0;
	feed->held_len += (size_t)n;
	feed->held[feed->held_len] = '\0';
	for (; (newline = strchr(start, '\n')); taken++) {
		*newline = '\0';
		puts(order(feed, start));
		start = newline + 1;
	}
	fflush(stdout);
	feed->held_len = strlen(start);
	memmove(feed->held, start, feed->held_len);
	return taken;
}

/* A scan that finds none would drop those there are: there is only the one of the start. */
int kcoh_feed_scan(struct kcoh_feed *feed)
{
	(void)feed;
	return 0;
}

int kcoh_feed_module_attach(struct kcoh_feed *feed)
{
	(void)feed;
	return -ENOENT;
}

void kcoh_feed_module_detach(struct kcoh_feed *feed)
{
	(void)feed;
}

int kcoh_feed_exits(struct kcoh_feed *feed, uint32_t vm, uint16_t vcpu,
		    struct kcoh_exit_counts *ret_counts)
{
	(void)feed;
	(void)vm;
	(void)vcpu;
	(void)ret_counts;
	return -ENOENT;
}

void kcoh_feed_exit_vcpus(const struct kcoh_feed *feed, uint32_t *ret_used, uint32_t *ret_max)
{
	*ret_used = 0;
	*ret_max = feed->config.exit_vcpus;
}

int kcoh_feed_want(struct kcoh_feed *feed, const struct kcoh_feed_wants *wants)
{
	(void)feed;
	(void)wants;
	return 0;
}

uint64_t kcoh_feed_exits_lost(const struct kcoh_feed *feed)
{
	(void)feed;
	return 0;
}

int kcoh_feed_each_device(struct kcoh_feed *feed,
			  int (*fn)(const struct kcoh_device_view *device, void *ctx), void *ctx)
{
	(void)feed;
	(void)fn;
	(void)ctx;
	return 0;
}

uint64_t kcoh_feed_lost(struct kcoh_feed *feed, uint64_t ret_by[KCOH_FEED_LOST_REASONS])
{
	(void)feed;
	if (ret_by)
		memset(ret_by, 0, KCOH_FEED_LOST_REASONS * sizeof(*ret_by));
	return 0;
}

int kcoh_feed_each_hook(struct kcoh_feed *feed,
			int (*fn)(const struct kcoh_hook_view *hook, void *ctx), void *ctx)
{
	(void)feed;
	(void)fn;
	(void)ctx;
	return 0;
}
