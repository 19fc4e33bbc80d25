// SPDX-License-Identifier: GPL-2.0-only
/*
 * harvest.c - what KVM_CLEAR_DIRTY_LOG costs who calls it: write-protecting, and with the module the noting and the cleaning.
 *
 * A harvest as QEMU does it: manual protect, INITIALLY_SET. The pages are a run of whole words of the dirty log, all populated and
 * all written since the last time, so that KVM calls its hook once for each 64 of them with every bit set.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lab/vmm/module.h"
#include "../lab/vmm/say.h"
#include "kcoh/event.h"
#include "kcoh/ioctl.h"
#include "measure.h"

/* Its file, as kcohd would hold it; -1 if the module is not to be asked. */
static int must_ask(const struct rig *rig, const char *strategy)
{
	struct kcoh_hello hello;
	struct kcoh_vm_open request = { .vm_fd = rig->vm.fd };
	struct kcoh_vm_strategy wanted = { .strategy = KCOH_STRATEGY_CLEAN };
	int dev, file;

	if (!strategy)
		return -1;
	if (!strcmp(strategy, "observe"))
		wanted.strategy = KCOH_STRATEGY_OBSERVE;
	dev = must_open_module(&hello);
	file = ioctl(dev, KCOH_IOC_VM, &request);
	if (file < 0 || ioctl(file, KCOH_VM_STRATEGY, &wanted))
		die("the module refuses our VM or its strategy: %s", strerror(errno));
	close(dev);
	return file;
}

static uint64_t must_cleaned(int file)
{
	struct kcoh_vm_status status = { 0 };

	if (file >= 0 && ioctl(file, KCOH_VM_STATUS, &status))
		die("the module does not say how our VM is: %s", strerror(errno));
	return status.pages_cleaned;
}

/* What is measured must have happened. */
static void must_match(const struct options *options, uint64_t cleaned)
{
	uint64_t wanted =
		options->strategy && !strcmp(options->strategy, "clean") ? options->pages : 0;

	if (cleaned != wanted)
		die("%" PRIu64 " pages were to be cleaned and %" PRIu64 " were", wanted, cleaned);
}

static uint64_t count_dirty(const uint64_t *bitmap, uint64_t first, uint64_t pages)
{
	uint64_t word, n = 0;

	for (word = first / WORD_PAGES; word < (first + pages) / WORD_PAGES; word++)
		n += __builtin_popcountll(bitmap[word]);
	return n;
}

/* The guest dirties all pages; GET; and CLEAR is what is timed: as QEMU harvests. */
static void harvest_round(struct rig *rig, const struct options *options, int file,
			  uint64_t *bitmap, bool report)
{
	uint64_t first = (BENCH_PAGES - GUEST_RAM) / 4096, dirty, ticks, cleaned;
	int error;

	rig_obey(rig, BENCH_TOUCH, options->pages);
	error = vm_dirty_get(&rig->vm, RIG_SLOT, bitmap, &dirty);
	if (error)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-error));
	dirty = count_dirty(bitmap, first, options->pages);
	if (dirty != options->pages)
		die("the guest wrote %" PRIu64 " pages and KVM says %" PRIu64, options->pages,
		    dirty);
	cleaned = must_cleaned(file);
	ticks = ticks_now();
	error = vm_dirty_clear(&rig->vm, RIG_SLOT, bitmap + first / WORD_PAGES, first,
			       options->pages);
	ticks = ticks_now() - ticks;
	if (error)
		die("KVM_CLEAR_DIRTY_LOG: %s", strerror(-error));
	must_match(options, must_cleaned(file) - cleaned);
	if (report)
		say("{\"pages\":%" PRIu64 ",\"calls\":%" PRIu64 ",\"ticks\":%" PRIu64 "}",
		    options->pages, options->pages / WORD_PAGES, ticks);
}

void measure_harvests(const struct options *options)
{
	static struct rig rig;
	uint64_t *bitmap, i;
	int file;

	if (sysconf(_SC_PAGESIZE) != 4096)
		die("the guest dirties 4k pages, and this kernel's are larger");
	rig_must_start(&rig, options->guest,
		       KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET);
	bitmap = calloc(1, vm_bitmap_bytes(&rig.vm.slots[RIG_SLOT]));
	if (!bitmap)
		die("no memory for a bitmap");
	file = must_ask(&rig, options->strategy);
	rig_obey(&rig, BENCH_CACHES_ON, 0);
	rig_obey(&rig, BENCH_TOUCH, options->pages);
	rig_must_log(&rig);
	for (i = 0; i < options->warm_ups + options->rounds; i++)
		harvest_round(&rig, options, file, bitmap, i >= options->warm_ups);
	free(bitmap);
}
