// SPDX-License-Identifier: GPL-2.0-only
/*
 * births.c - kcoh-births: VMs that are born, have an epoch, and die, one after the other, as fast as it goes.
 *
 *   kcoh-births N
 *
 * The kernel uses the address of a struct kvm again for the next VM, and everything that the module and kcohd know of a VM they
 * know by that address. So no two VMs here are alike: each has its slot at a place, with an id and so many pages populated that
 * tell it from its predecessors; and of each is asked, through its file, that it begins with nothing counted, that what is then
 * counted and journalled is its own, and that its file is dead when it is. Every other VM dies before its file is closed.
 *
 * Prints {"births":N,…} and ends with 0; or with 1 and one sentence at the first thing that is another's.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "kcoh/event.h"
#include "kcoh/ioctl.h"

#define SLOT_PAGES 64
#define PLACES 4096 /* distinct places in guest memory */
#define IDS 29 /* distinct slot ids */

struct birth {
	uint64_t number; /* from 0 */
	uint32_t slot_id;
	uint64_t gfn; /* of its slot */
	uint64_t populated; /* pages */
	int vm, file;
};

static uint64_t page_bytes;
static char *memory;

__attribute__((format(printf, 2, 3), noreturn)) static void wrong(const struct birth *b,
								  const char *format, ...)
{
	va_list args;

	fprintf(stderr, "kcoh-births: VM %" PRIu64 ": ", b->number);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void must(const struct birth *b, const char *what, int ret)
{
	if (ret < 0)
		wrong(b, "cannot %s: %s", what, strerror(errno));
}

static void must_log(const struct birth *b, bool on)
{
	struct kvm_userspace_memory_region region = {
		.slot = b->slot_id,
		.flags = on ? KVM_MEM_LOG_DIRTY_PAGES : 0,
		.guest_phys_addr = b->gfn * page_bytes,
		.memory_size = SLOT_PAGES * page_bytes,
		.userspace_addr = (uintptr_t)memory,
	};

	must(b, "set its memory slot", ioctl(b->vm, KVM_SET_USER_MEMORY_REGION, &region));
}

static void must_populate(const struct birth *b)
{
	uint64_t i;

	must(b, "empty its memory", madvise(memory, SLOT_PAGES * page_bytes, MADV_DONTNEED));
	for (i = 0; i < b->populated; i++)
		memory[i * page_bytes] = 1;
}

static void must_expect(const struct birth *b, const char *when, uint64_t harvests,
			uint64_t protected, uint64_t cleaned, uint32_t epoch)
{
	struct kcoh_vm_status s;

	must(b, "ask the module for its status", ioctl(b->file, KCOH_VM_STATUS, &s));
	if (s.epoch != epoch || s.harvests != harvests || s.pages_protected != protected ||
	    s.pages_cleaned != cleaned || s.pages_absent != protected - cleaned ||
	    s.pages_unclean || s.pages_no_ram || s.pages_extra || s.journal_lost)
		wrong(b,
		      "%s the module says epoch %u, %" PRIu64 " harvests, %" PRIu64
		      " pages write-protected, %" PRIu64 " cleaned, %" PRIu64
		      " absent; that is another's, it "
		      "should be %u, %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
		      when, s.epoch, (uint64_t)s.harvests, (uint64_t)s.pages_protected,
		      (uint64_t)s.pages_cleaned, (uint64_t)s.pages_absent, epoch, harvests,
		      protected, cleaned, protected - cleaned);
}

/* Each entry lies in its slot, and together they are as many pages as were cleaned. */
static void must_own_journal(const struct birth *b, uint64_t cleaned)
{
	struct kcoh_journal_entry entries[64];
	uint64_t pages = 0;
	ssize_t len, i;

	while ((len = read(b->file, entries, sizeof(entries))) > 0)
		for (i = 0; i < len / (ssize_t)sizeof(entries[0]); i++) {
			const struct kcoh_journal_entry *e = &entries[i];

			if (e->slot_id != b->slot_id || e->gfn < b->gfn ||
			    e->gfn + e->pages > b->gfn + SLOT_PAGES || e->tid != (__u32)gettid())
				wrong(b, "its journal names slot %u, gfn %#" PRIx64 ": another's",
				      e->slot_id, (uint64_t)e->gfn);
			pages += e->pages;
		}
	if (len < 0 && errno != EAGAIN)
		wrong(b, "cannot read its journal: %s", strerror(errno));
	if (pages != cleaned)
		wrong(b, "its journal has %" PRIu64 " pages and %" PRIu64 " were cleaned", pages,
		      cleaned);
}

static void must_be_dead(const struct birth *b)
{
	struct pollfd p = { .fd = b->file };
	struct kcoh_vm_status s;

	if (poll(&p, 1, 10000) != 1 || !(p.revents & POLLHUP))
		wrong(b, "it is gone and its file is not dead");
	if (ioctl(b->file, KCOH_VM_STATUS, &s) != -1 || errno != ENODEV)
		wrong(b, "its dead file still answers");
}

/* Automatic protect: the slot is cleaned at the start of its epoch, and what is marked dirty at its harvest. */
static void live(int kvm, int dev, struct birth *b)
{
	uint64_t bitmap[SLOT_PAGES / 64 + 1] = { 0 };
	struct kvm_dirty_log log = { .slot = b->slot_id, .dirty_bitmap = bitmap };
	struct kcoh_vm_range range = { .gfn = b->gfn, .pages = b->populated };
	struct kcoh_vm_open request;
	__u32 room = 64;

	b->vm = ioctl(kvm, KVM_CREATE_VM, 0);
	must(b, "create it", b->vm);
	request = (struct kcoh_vm_open){ .vm_fd = b->vm };
	must_populate(b);
	must_log(b, false);
	b->file = ioctl(dev, KCOH_IOC_VM, &request);
	must(b, "open it at the module", b->file);
	must_expect(b, "at its birth", 0, 0, 0, 0);
	must(b, "have a journal", ioctl(b->file, KCOH_VM_JOURNAL, &room));
	must_log(b, true);
	must_expect(b, "when its epoch started", 1, SLOT_PAGES, b->populated, 1);
	must(b, "mark its pages dirty", ioctl(b->file, KCOH_VM_MARK_DIRTY, &range));
	must(b, "get its dirty log", ioctl(b->vm, KVM_GET_DIRTY_LOG, &log));
	if ((uint64_t)__builtin_popcountll(bitmap[0]) != b->populated)
		wrong(b, "its dirty log is another's");
	must_expect(b, "after its harvest", 2, SLOT_PAGES + b->populated, 2 * b->populated, 1);
	must_own_journal(b, 2 * b->populated);
}

static void die_in_turn(const struct birth *b)
{
	if (b->number % 2) {
		close(b->file);
		close(b->vm);
	} else {
		close(b->vm);
		must_be_dead(b);
		close(b->file);
	}
}

static int must_open_module(void)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI };
	int dev = open(KCOH_DEV, O_RDWR | O_CLOEXEC);

	if (dev < 0 || ioctl(dev, KCOH_IOC_HELLO, &hello) || hello.state != KCOH_MODULE_READY) {
		fprintf(stderr, "kcoh-births: needs the module, ready to clean\n");
		exit(1);
	}
	return dev;
}

int main(int argc, char **argv)
{
	uint64_t n = argc == 2 ? strtoull(argv[1], NULL, 10) : 0, pages = 0, i;
	int dev, kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	time_t start = time(NULL);

	if (!n || kvm < 0) {
		fprintf(stderr, "usage: kcoh-births N    (and KVM)\n");
		return 2;
	}
	dev = must_open_module();
	page_bytes = sysconf(_SC_PAGESIZE);
	memory = mmap(NULL, SLOT_PAGES * page_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; memory != MAP_FAILED && i < n; i++) {
		struct birth b = {
			.number = i,
			.slot_id = i % IDS,
			.gfn = (0x40000000 / page_bytes) + i % PLACES * SLOT_PAGES,
			.populated = 1 + i * 37 % SLOT_PAGES,
		};

		live(kvm, dev, &b);
		die_in_turn(&b);
		pages += 2 * b.populated;
	}
	printf("{\"births\":%" PRIu64 ",\"pages_cleaned\":%" PRIu64 ",\"seconds\":%" PRIu64 "}\n",
	       i, pages, (uint64_t)(time(NULL) - start));
	return i != n;
}
