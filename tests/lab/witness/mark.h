/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mark.h - how a program in the lab tells the witness outside something (tests/witness).
 *
 * An instruction that does nothing on any CPU (MOVZ XZR, #0x6b63), with what there is to tell in x0 to x6. The plugin
 * writes it down among what it sees, in the order in which it happened. Without the plugin it is a NOP.
 */
#ifndef KCOH_WITNESS_MARK_H
#define KCOH_WITNESS_MARK_H

#define WITNESS_MARK 0xd28d6c7f

/* x0, and what follows in x1 to x6: */
enum witness_mark {
	WITNESS_SYMBOL = 1, /* enum witness_symbol, address */
	WITNESS_BEGIN = 2, /* a run: its name, 8 bytes a register, filled up with zeros */
	WITNESS_HOST = 3, /* bytes of a page */
	WITNESS_PAGES = 4, /* enum witness_when, hva, pfn, pages: present, and not the zero page */
	WITNESS_CLAIM = 5, /* the journal's entry: gfn, pages, slot_id, tid, ts_ns */
	WITNESS_COUNTS =
		6, /* the module's: protected, cleaned, absent, no_ram + unclean, extra, journal_lost */
	WITNESS_END = 7, /* of the run */
};

enum witness_symbol {
	WITNESS_TEXT = 0, /* _stext */
	WITNESS_TEXT_END = 1, /* _etext */
	WITNESS_PROTECT = 2, /* kvm_arch_mmu_enable_log_dirty_pt_masked */
	WITNESS_SLOT = 3, /* kvm_arch_commit_memory_region */
	WITNESS_SYMBOLS
};

enum witness_when { WITNESS_BEFORE = 0, WITNESS_AFTER = 1 };

#endif
