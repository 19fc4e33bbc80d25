// SPDX-License-Identifier: GPL-2.0-only
/*
 * guard.c - asks the module for a strategy, and carries its journal to the cache.
 *
 * Two harvesters read one journal. What the one takes out of it may be about the other's pages, so an entry must
 * have reached the cache before anybody finds the journal empty and goes on to read: one lock around both.
 *
 * Every other cleaned page is fetched again at once. If it was cleaned too early (before the TLB invalidation, the guest
 * still writes without a fault) that is how the old bytes come back into the cache to stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../vmm/module.h"
#include "../vmm/say.h"
#include "../witness/tell.h"
#include "draw.h"
#include "guard.h"

#define JOURNAL_ENTRIES (1u << 16)
#define BATCH 256
#define TAINT_TRIES 5000 /* of a millisecond */

bool guard_must_open(struct guard *guard, struct cache *cache, uint32_t strategy, uint64_t seed)
{
	struct kcoh_hello hello;
	struct kcoh_vm_open open = { .vm_fd = cache->ram->vm->fd };
	struct kcoh_vm_strategy wanted = { .strategy = strategy };
	__u32 entries = JOURNAL_ENTRIES;
	int dev = must_open_module(&hello);

	*guard = (struct guard){ .cache = cache, .random = seed };
	pthread_mutex_init(&guard->lock, NULL);
	guard->fd = ioctl(dev, KCOH_IOC_VM, &open);
	if (guard->fd < 0)
		die("the module does not give us our VM: %s", strerror(errno));
	if (fcntl(guard->fd, F_SETFL, O_RDWR | O_NONBLOCK) ||
	    ioctl(guard->fd, KCOH_VM_STRATEGY, &wanted) ||
	    ioctl(guard->fd, KCOH_VM_JOURNAL, &entries))
		die("the module refuses the strategy or the journal: %s", strerror(errno));
	close(dev);
	return hello.state != KCOH_MODULE_NOT_NEEDED;
}

void guard_without(struct guard *guard)
{
	*guard = (struct guard){ .fd = -1 };
}

static void entry_apply(struct guard *guard, const struct kcoh_journal_entry *entry)
{
	const struct ram *ram = guard->cache->ram;
	const struct vm *vm = ram->vm;
	uint64_t first, page;

	if (entry->slot_id >= vm->config.slots)
		die("the journal names memory slot %u, which this VM never had", entry->slot_id);
	first = entry->gfn - vm->slots[entry->slot_id].ipa / ram->page_bytes;
	if (first >= ram_slot_pages(ram, entry->slot_id) ||
	    entry->pages > ram_slot_pages(ram, entry->slot_id) - first)
		die("the journal names %llu pages from gfn %#llx on, outside memory slot %u",
		    (unsigned long long)entry->pages, (unsigned long long)entry->gfn,
		    entry->slot_id);
	first += ram->first[entry->slot_id];
	tell_claim(entry);
	for (page = first; page < first + entry->pages; page++) {
		cache_cleaned(guard->cache, page, entry->ts_ns);
		if (draw_below(&guard->random, 2))
			cache_prefetch(guard->cache, page);
	}
	guard->entries++;
	guard->pages += entry->pages;
}

void guard_drain(struct guard *guard)
{
	struct kcoh_journal_entry entries[BATCH];
	ssize_t got, i;

	if (guard->fd < 0)
		return;
	pthread_mutex_lock(&guard->lock);
	while ((got = read(guard->fd, entries, sizeof(entries))) > 0)
		for (i = 0; i < got / (ssize_t)sizeof(entries[0]); i++)
			entry_apply(guard, &entries[i]);
	if (got < 0 && errno != EAGAIN)
		die("cannot read the journal: %s", strerror(errno));
	pthread_mutex_unlock(&guard->lock);
}

void guard_poll(const struct guard *guard, uint64_t us)
{
	struct pollfd poll = { .fd = guard->fd, .events = POLLIN };

	ppoll(&poll, 1, &(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

void guard_must_status(const struct guard *guard, struct kcoh_vm_status *ret_status)
{
	memset(ret_status, 0, sizeof(*ret_status));
	if (guard->fd >= 0 && ioctl(guard->fd, KCOH_VM_STATUS, ret_status))
		die("the module does not tell the status of our VM: %s", strerror(errno));
}

void guard_must_await_taint(const struct guard *guard)
{
	struct kcoh_vm_status status;
	int tries = TAINT_TRIES;

	do {
		if (!tries--)
			die("the module has seen no window of a guest that goes around its caches");
		usleep(1000);
		guard_must_status(guard, &status);
	} while (!status.tainted);
}
