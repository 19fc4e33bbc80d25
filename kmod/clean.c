// SPDX-License-Identifier: GPL-2.0-only
/*
 * clean.c - clean and invalidate guest RAM to the Point of Coherency.
 *
 * DC CIVAC by VA through the kernel's own cacheable mapping of a page, line by line. The step is the
 * smallest DminLine of all CPUs (the sanitised CTR_EL0), because the instruction cleans one line of the CPU it runs
 * on. A DSB SY on that same CPU, before anything can move the task to another, completes it (Arm ARM D7.5.9).
 *
 * The page is found by the host virtual address in the address space of the VM, since that is how whoever reads
 * guest RAM finds it: a memslot that is deleted meanwhile is no failure. A page that is not populated is left
 * alone: KVM's MMU notifier unmapped it from stage 2 when it went away, and cleaned it then.
 *
 * About 0.2 us a 4 KiB page on a core that cleans 20 GB/s. A batch is 64 pages with preemption off.
 */
#include <asm/barrier.h>
#include <asm/cpufeature.h>
#include <asm/sysreg.h>
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "clean.h"
#include "compat/compat.h"

static unsigned long line_bytes;

void kcoh_clean_init(void)
{
	line_bytes = 4ul << ((read_sanitised_ftr_reg(SYS_CTR_EL0) >> 16) & 0xf);
}

static void page_clean(struct page *page)
{
	unsigned long addr = (unsigned long)page_address(page), end = addr + PAGE_SIZE;

	for (; addr < end; addr += line_bytes)
		asm volatile("dc civac, %0" : : "r"(addr) : "memory");
}

static void pages_clean(struct page **pages, unsigned long n)
{
	unsigned long i;

	preempt_disable();
	for (i = 0; i < n; i++)
		page_clean(pages[i]);
	dsb(sy);
	preempt_enable();
}

/*
 * A page could not be had: counts why. -EFAULT is 'not populated' (or never will be); whatever else stopped
 * GUP, somebody may still read that page through a cache, so it is unclean.
 */
static bool count_missing(struct mm_struct *mm, unsigned long hva, long err,
			  struct kcoh_cleaned *sum)
{
	struct vm_area_struct *vma = vma_lookup(mm, hva);

	if (vma && (vma->vm_flags & (VM_PFNMAP | VM_IO)))
		sum->no_ram++;
	else if (err == -EFAULT)
		sum->absent++;
	else
		sum->unclean++;
	return err != -EFAULT;
}

/* Cleans what is populated of the n pages at hva; returns how many pages it dealt with, 1 at least. */
static unsigned long run_clean(struct mm_struct *mm, unsigned long hva, unsigned long n, u64 page,
			       const struct kcoh_clean_report *report, struct kcoh_cleaned *sum)
{
	struct page *pages[64];
	bool unclean = false;
	long got, i;

	mmap_read_lock(mm);
	got = kcoh_pages_get(mm, hva, n, pages);
	if (got <= 0)
		unclean = count_missing(mm, hva, got, sum);
	mmap_read_unlock(mm);
	if (got <= 0) {
		if (unclean && report->unclean)
			report->unclean(page, report->ctx);
		return 1;
	}
	pages_clean(pages, got);
	for (i = 0; i < got; i++)
		put_page(pages[i]);
	sum->cleaned += got;
	if (report->cleaned)
		report->cleaned(page, got, report->ctx);
	return got;
}

void kcoh_clean_word(struct mm_struct *mm, unsigned long hva, u64 mask, u64 page,
		     const struct kcoh_clean_report *report, struct kcoh_cleaned *sum)
{
	while (mask) {
		unsigned int first = __ffs64(mask);
		u64 rest = ~(mask >> first);
		unsigned int n = rest ? __ffs64(rest) : 64;
		unsigned int done;

		if (fatal_signal_pending(current)) {
			sum->cut_short += hweight64(mask);
			return;
		}
		n = min(n, 64 - first);
		done = run_clean(mm, hva + ((unsigned long)first << PAGE_SHIFT), n, page + first,
				 report, sum);
		mask &= ~(GENMASK_ULL(done - 1, 0) << first);
		cond_resched();
	}
}
