/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * migrate.pml - a live migration of a guest that goes around the caches, for exhaustive search by spin.
 *
 * The question. A guest's RAM is read by the host through the cache while the guest may write it around the
 * cache. Under a given policy, is there any order of events in which the destination ends up with bytes that
 * are not the guest's?
 *
 * Worked example, page 0, nothing done about it: the guest turns its MMU off; the CPU fills the line (memory 0,
 * line 0); the guest writes 1 around the cache (memory 1, line 0, stale); KVM reports the page dirty; QEMU
 * reads 0 through the line and sends it; the vCPUs stop, no page is dirty any more, the migration completes:
 * the guest had 1 and has 0 now.
 *
 * What is here. Two pages, of one cache line each. A line is absent, clean or dirty. It may be filled from
 * memory at any moment (the host's cacheable mapping alone permits that) and may be evicted at any moment, with
 * a write-back if it is dirty. The guest writes through the cache or around it; a write to a write-protected
 * page faults, which sets KVM's dirty bit and makes the page writable. KVM's write-protect and its TLB
 * invalidation are two steps, and in between a vCPU may still write by its old TLB entry. QEMU's part is the
 * real one: GET, chunked CLEAR, its own bitmaps (dirty for the migration; still to send; still to CLEAR),
 * pause, last sync, switchover, cancel, start again. A policy is a set of macros, listed below; those that are
 * searched are in the file `policies` beside this one.
 *
 * When a migration is right. At completion, with all vCPUs stopped, look at each page: the destination must
 * hold what the guest could have read there, with the attribute it has for that page at that moment, had it run
 * on at the source:
 *
 *   around the cache (MMU or cache off, or mapped Non-cacheable): what is in memory; or what a dirty line holds,
 *                    for its write-back could have come just before the read.
 *   through the cache: what a dirty line holds; what a clean line holds, or memory, for a clean line may be dropped
 *                    at any time; memory, if the line is absent.
 *
 * A page that may be read in both ways (another vCPU is in the other state) must be right for both. Note what
 * this does not ask for: that the guest's last write won. A dirty line that buries a newer write around the
 * cache (the guest did not clean before it turned its cache off, or a device model wrote into the same line)
 * has lost that write at the source already; the migration must only not make it worse.
 *
 * Why the search is finite and yet says something of every run. Each write is taken to write a value never seen
 * before: the worst case. Then all that matters is which of memory, line and destination are equal, which is
 * what is kept (line_differs, dest); no run is cut off, the guest writes as often as it likes. A trail that was
 * found is replayed with STEP defined as 1, and only then do the variables v_* number the values, for the
 * reader.
 *
 * Why only one page has contents. Contents steer nothing here: no step asks what a byte is. So the search
 * watches one page, and which of the two is chosen at the start. The other one takes part in what joins pages:
 * KVM's log, chunks of CLEAR, the sets that kcoh collects, threads that work on one page while the other is
 * touched. What could only delay completion or clean more is left out of it: that it is to be sent, its taint,
 * a device model's writes to it.
 *
 * What any number of vCPUs can do is covered so: TWO_STATES lets cached writes go on while a window is open
 * (another vCPU is cached); ANY_STATE lets each write be of either kind at any time, which takes in all
 * toggles, resets, Non-cacheable mappings and remappings, tracked or not. Cache maintenance by the guest, or by
 * KVM at toggles that do not close a window, needs no step of its own: it does to a line what an eviction does.
 * KVM cleans nothing at a write-protection fault (the page is mapped already). The dirty ring harvests like GET
 * with automatic protect: collect, KVM_RESET_DIRTY_RINGS write-protects, then send.
 *
 * Left out: partial lines, torn reads, DMA, memslot changes, the destination (KVM cleans a page when it first
 * maps it).
 *
 * Macros, all optional:
 *   guest      ANY_STATE; CACHED_ONLY; TWO_STATES; NC_PAGE (page 1 is always mapped Non-cacheable);
 *              OLD_WINDOW (unseen windows before the first epoch); OPEN_AT_START (one is open when tracking starts)
 *   toggles    CLEAN_AT_OFF, CLEAN_AT_ON (by the guest, or by KVM since they trap; not before the trap is armed);
 *              MARK_AT_CLOSE (then mark dirty again what was written in the window);
 *              MARK_ALL_AT_CLOSE (everything, if it was open when tracking started)
 *   pause      CLEAN_AT_PAUSE; MARK_ALL_AT_PAUSE; MARK_WINDOW_AT_PAUSE (and clean: pages written in windows);
 *              REFUSE_OPEN (cancel if a window is open); REFUSE_OVERLAP (or was at any time of this epoch)
 *   epoch      CLEAN_AT_START (all RAM)
 *   harvest    HARVEST_CLEANS (kcoh's rule); and instead of it: BEFORE_TLBI; TAINTED_ONLY; SHARED_SET;
 *              FAILURES (some cleans fail: marked dirty again); SILENT_FAILURES (not marked); NO_START_CLEAN;
 *              WAIT_OTHERS (an ioctl also waits for cleans of others that began before it ended)
 *   VMM        AUTO_PROTECT, MANUAL_INITIALLY_SET, MANUAL_LATE: which of KVM's ways to log dirty pages it may use
 *              (any of those given; by default the first two); HOST_WRITER (a device model);
 *              SECOND (a second thread harvests, like QEMU's main loop does for VGA);
 *              UNLOCKED_CLEAR (no lock of its own around CLEAR: QEMU has one);
 *              LAST_PASS_UNCLEARED (with the vCPUs stopped it may send without CLEAR: QEMU 10.2 does);
 *              GET_CLEANS (kcoh's answer to that: a GET while no vCPU runs has what it returns cleaned)
 *   search     WITNESS. A safe policy may be safe because nothing happens. So it is searched a second time, with the
 *              claim that no migration completes after a speculative fill, a write around the cache that left a stale
 *              line, and a read by the host: all of the watched page and, unless WITNESS_EVER is set, in the epoch that
 *              completes. The search must refute that. (CACHED_ONLY: any write instead.)
 */

#ifndef STEP
#define STEP	0
#endif
#define NEVER	(255 * STEP)	/* v_dest: nothing sent */

#if !defined(AUTO_PROTECT) && !defined(MANUAL_INITIALLY_SET) && !defined(MANUAL_LATE)
#define AUTO_PROTECT
#define MANUAL_INITIALLY_SET
#endif

#define ABSENT	0	/* line */
#define CLEAN	1
#define DIRTY	2

#define OTHER	0	/* dest: neither memory nor line (or nothing sent yet) */
#define MEMORY	1	/*	 what memory holds */
#define LINE	2	/*	 what the line holds, and memory does not */

#define ALL	3	/* sets of pages are bit masks */

#define AUTO	0	/* protocol: KVM_GET_DIRTY_LOG write-protects what it returns */
#define INITIAL	1	/* KVM_CLEAR_DIRTY_LOG does; all pages are dirty at the start */
#define LATE	2	/* KVM_CLEAR_DIRTY_LOG does; all pages are write-protected at the start */

/* The watched page. */
byte watch;
byte line = ABSENT;
bit line_differs;		/* present, and not what memory holds */
byte dest = OTHER;
byte v_memory, v_line, v_dest = NEVER, v_last;	/* see STEP */

/* KVM: stage 2 and the dirty log. */
byte protocol;
bit logging;
byte kvm_dirty;
byte protected;
byte old_tlb;			/* protected, but a TLB may still hold the writable entry */
byte slots_lock;		/* kvm->slots_lock during write-protect and TLBI: 1 + harvester */

/* QEMU. */
byte vmm_dirty;			/* dirty for the migration, and no sync has taken it yet */
byte to_send;
byte to_clear;			/* of these, in a chunk that was not CLEARed yet */
byte reported;			/* GET returned it, no CLEAR followed yet */
byte returned[2];		/* what GET with automatic protect returned to a harvester */
byte vmm_lock;			/* QEMU's own lock around dirty log ioctls */
bit second_busy;
bit second_logs;		/* the second harvester's logging is always on */
bit paused, done;
bit host_writing;

/* Windows, as the guest is and as kcoh sees them. */
bit window;
bit in_trap;
bit armed;			/* toggles are seen */
bit presumed;			/* open when tracking started */
bit overlap;
byte written;			/* the watched page, if it was written in a window that is tracked */

/* kcoh. */
byte collected[2];
bit tainted;			/* the watched page */
byte cleaning[2];		/* by harvester: the watched page, 1, and a window was open since it began, 2 */
bit blind;

/* The verdict on the watched page. */
bit right;
#define RIGHT_UNCACHED	(dest == MEMORY || (dest == LINE && line == DIRTY))
#define RIGHT_CACHED	((line == ABSENT && dest == MEMORY) || (line == CLEAN && dest != OTHER) || \
			 (line == DIRTY && dest == LINE))
#ifdef WITNESS
byte witness;
#define SAW(x) witness = witness | (x)
#else
#define SAW(x) skip
#endif
#define SAW_WRITE	1
#define SAW_FILL	2
#define SAW_READ	4
#define SAW_STALE	8

#define MANUAL		(protocol != AUTO)
#ifdef UNLOCKED_CLEAR
#define LOCKED		0
#else
#define LOCKED		MANUAL
#endif
#ifdef SHARED_SET
#define SET(h)		0
#else
#define SET(h)		h
#endif

#include "line.pml"
#include "guest.pml"
#include "harvest.pml"
#include "vmm.pml"

init {
	atomic {
		if
		:: watch = 1
		:: watch = 2
		fi;
		if
#ifdef AUTO_PROTECT
		:: protocol = AUTO
#endif
#ifdef MANUAL_INITIALLY_SET
		:: protocol = INITIAL
#endif
#ifdef MANUAL_LATE
		:: protocol = LATE
#endif
		fi;
		printf("@ protocol|%d\n", protocol);
#ifdef SECOND
		if
		:: second_logs = 1;
			logging = 1;
			kvm_dirty = ALL;
			tainted = 1
		:: skip
		fi;
		run second();
#endif
#ifdef OPEN_AT_START
		window = 1;
#elif !defined(OLD_WINDOW)
		armed = 1;
#endif
#if !defined(ANY_STATE) && !defined(CACHED_ONLY)
		run toggles();
#endif
#ifdef HOST_WRITER
		run host_writer();
#endif
		run cache();
		run accesses(1);
		run accesses(2);
		run migration()
	}
}
