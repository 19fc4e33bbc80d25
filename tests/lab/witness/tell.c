// SPDX-License-Identifier: GPL-2.0-only
/*
 * tell.c - see tell.h. Only runs of pages that follow each other in memory are told, which for huge pages is 512 at once.
 *
 * A page that was read and never written is mapped to the kernel's zero page. It is told from a populated one
 * by /proc/kpageflags.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tell.h"

#define PRESENT (1ull << 63)
#define PFN_MASK ((1ull << 55) - 1)
#define KPF_ZERO_PAGE (1ull << 24)
#define BATCH 512 /* pages */

static void tell(enum witness_mark what, const uint64_t *with)
{
	register uint64_t x0 __asm__("x0") = what;
	register uint64_t x1 __asm__("x1") = with[0];
	register uint64_t x2 __asm__("x2") = with[1];
	register uint64_t x3 __asm__("x3") = with[2];
	register uint64_t x4 __asm__("x4") = with[3];
	register uint64_t x5 __asm__("x5") = with[4];
	register uint64_t x6 __asm__("x6") = with[5];

	__asm__ volatile(".inst %c0"
			 :
			 : "i"(WITNESS_MARK), "r"(x0), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5),
			   "r"(x6)
			 : "memory");
}

void tell_begin(const char *name)
{
	uint64_t words[6] = {}, host[6] = { sysconf(_SC_PAGESIZE) };
	size_t len = strlen(name);

	memcpy(words, name, len < sizeof(words) ? len : sizeof(words));
	tell(WITNESS_BEGIN, words);
	tell(WITNESS_HOST, host);
}

void tell_end(void)
{
	tell(WITNESS_END, (uint64_t[6]){});
}

void tell_claim(const struct kcoh_journal_entry *entry)
{
	tell(WITNESS_CLAIM,
	     (uint64_t[6]){ entry->gfn, entry->pages, entry->slot_id, entry->tid, entry->ts_ns });
}

void tell_counts(const struct kcoh_vm_status *s)
{
	tell(WITNESS_COUNTS,
	     (uint64_t[6]){ s->pages_protected, s->pages_cleaned, s->pages_absent,
			    s->pages_no_ram + s->pages_unclean, s->pages_extra, s->journal_lost });
}

struct telling {
	enum witness_when when;
	uint64_t page_bytes;
	int kpageflags;
	uint64_t hva, pfn, pages; /* a run that may still grow */
};

/* Tells of a run of pages, leaving out those that are the zero page. */
static int run_tell(struct telling *t)
{
	uint64_t flags[BATCH], done = 0, n, i, first;

	for (; done < t->pages; done += n) {
		n = t->pages - done < BATCH ? t->pages - done : BATCH;
		if (pread(t->kpageflags, flags, n * 8, (t->pfn + done) * 8) != (ssize_t)(n * 8))
			return -1;
		for (i = first = 0; i <= n; i++) {
			if (i < n && !(flags[i] & KPF_ZERO_PAGE))
				continue;
			if (i > first)
				tell(WITNESS_PAGES,
				     (uint64_t[6]){ t->when,
						    t->hva + (done + first) * t->page_bytes,
						    t->pfn + done + first, i - first });
			first = i + 1;
		}
	}
	t->pages = 0;
	return 0;
}

static int page_add(struct telling *t, uint64_t hva, uint64_t entry)
{
	uint64_t pfn = entry & PFN_MASK;

	if (!(entry & PRESENT))
		return 0;
	if (t->pages && hva == t->hva + t->pages * t->page_bytes && pfn == t->pfn + t->pages) {
		t->pages++;
		return 0;
	}
	if (run_tell(t))
		return -1;
	t->hva = hva;
	t->pfn = pfn;
	t->pages = 1;
	return 0;
}

static int range_tell(struct telling *t, int pagemap, uint64_t start, uint64_t end)
{
	uint64_t entries[BATCH], n, i;

	for (; start < end; start += n * t->page_bytes) {
		n = (end - start) / t->page_bytes;
		n = n < BATCH ? n : BATCH;
		if (pread(pagemap, entries, n * 8, start / t->page_bytes * 8) != (ssize_t)(n * 8))
			return -1;
		for (i = 0; i < n; i++)
			if (page_add(t, start + i * t->page_bytes, entries[i]))
				return -1;
	}
	return run_tell(t);
}

/* Each mapping that can be written, which guest RAM is. */
static int maps_tell(struct telling *t, FILE *maps, int pagemap)
{
	uint64_t start, end;
	char line[512], may[5];

	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s", &start, &end, may) != 3 ||
		    may[1] != 'w')
			continue;
		if (range_tell(t, pagemap, start, end))
			return -1;
	}
	return 0;
}

int tell_pages(int pid, enum witness_when when)
{
	struct telling t = { .when = when, .page_bytes = sysconf(_SC_PAGESIZE) };
	char path[64];
	FILE *maps;
	int pagemap, ret = -1;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	pagemap = open(path, O_RDONLY | O_CLOEXEC);
	t.kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
	if (maps && pagemap >= 0 && t.kpageflags >= 0)
		ret = maps_tell(&t, maps, pagemap);
	if (maps)
		fclose(maps);
	if (pagemap >= 0)
		close(pagemap);
	if (t.kpageflags >= 0)
		close(t.kpageflags);
	return ret;
}

static const char *const symbol_names[WITNESS_SYMBOLS] = {
	[WITNESS_TEXT] = "_stext",
	[WITNESS_TEXT_END] = "_etext",
	[WITNESS_PROTECT] = "kvm_arch_mmu_enable_log_dirty_pt_masked",
	[WITNESS_SLOT] = "kvm_arch_commit_memory_region",
};

int tell_symbols(void)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	char line[512], name[256];
	unsigned int found = 0, i;
	uint64_t address;

	if (!file)
		return -1;
	while (found < WITNESS_SYMBOLS && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%" SCNx64 " %*c %255s", &address, name) != 2 || !address)
			continue;
		for (i = 0; i < WITNESS_SYMBOLS; i++)
			if (!strcmp(name, symbol_names[i])) {
				tell(WITNESS_SYMBOL, (uint64_t[6]){ i, address });
				found++;
			}
	}
	fclose(file);
	errno = ENOENT;
	return found < WITNESS_SYMBOLS ? -1 : 0;
}
