/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * clean.h - clean and invalidate guest RAM to the Point of Coherency, by host virtual address.
 */
#ifndef KCOH_CLEAN_H
#define KCOH_CLEAN_H

#include <linux/mm_types.h>
#include <linux/types.h>

/* What became of pages that were to be cleaned. */
struct kcoh_cleaned {
	u64 cleaned;
	u64 absent; /* not populated: their unmap cleaned them, nothing can be stale */
	u64 no_ram; /* mapped, but not pages of RAM (VM_PFNMAP, VM_IO): a CMO there can kill a host */
	u64 unclean; /* populated as far as we know, and the kernel would not hand it out */
	u64 cut_short; /* not reached: the task is being killed */
};

/* Called for each run of pages that was cleaned; `page` counts from the first. */
typedef void (*kcoh_cleaned_fn)(u64 page, u64 pages, void *ctx);
/* Called for each page that ought to have been cleaned and was not. */
typedef void (*kcoh_unclean_fn)(u64 page, void *ctx);

struct kcoh_clean_report {
	kcoh_cleaned_fn cleaned; /* may be NULL */
	kcoh_unclean_fn unclean; /* may be NULL */
	void *ctx;
};

/*
 * Cleans those of up to 64 pages of mm from hva on whose bit is set in mask (bit 0: the page at hva), and adds to
 * *sum. Populated pages only; nothing is faulted in. When it returns, the maintenance is complete (DSB).
 * May sleep; the caller keeps mm. `page` is what reports call the page at hva.
 */
void kcoh_clean_word(struct mm_struct *mm, unsigned long hva, u64 mask, u64 page,
		     const struct kcoh_clean_report *report, struct kcoh_cleaned *sum);

void kcoh_clean_init(void);

#endif
