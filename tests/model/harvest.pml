/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * harvest.pml - an ioctl that harvests: KVM's write-protect and TLB invalidation, and what kcoh does when it
 * returns.
 *
 * Dirty bits are taken and pages write-protected in one step: KVM holds mmu_lock over it, so no fault comes
 * between. It holds slots_lock until the TLBs are invalidated, so two harvests overlap only after that. The
 * cleaning is outside of all locks of KVM, page after page.
 */

/* Under slots_lock: take the dirty bits of `want`, write-protect. With nothing taken, nothing remains to be done. */
inline protect(h, want)
{
	if
	:: kvm_dirty & (want) ->
		slots_lock = 1 + h;
		old_tlb = old_tlb | (kvm_dirty & (want) & ~protected);
		protected = protected | (kvm_dirty & (want));
#ifdef HARVEST_CLEANS
		collected[SET(h)] = collected[SET(h)] | (kvm_dirty & (want));
#endif
		printf("@ harvester%d|KVM write-protects pages %d\n", h, kvm_dirty & (want));
		kvm_dirty = kvm_dirty & ~(want)
	:: else
	fi
}

inline invalidate_tlb(h)
{
	d_step {
		old_tlb = 0;
		slots_lock = 0;
		printf("@ harvester%d|KVM: TLB invalidation done\n", h)
	}
}

#ifdef HARVEST_CLEANS
#ifdef TAINTED_ONLY
/* A page loses its taint if no window was open from before its clean until after it. */
#define CLEAN_STEPS(h, p) \
	:: d_step { \
		(collected[h] & p) && p == watch && tainted -> \
		cleaning[h] = (window -> 2 : 1) \
	   }; \
	   d_step { \
		printf("@ harvester%d|kcoh cleans page %d\n", h, p - 1); \
		clean(p) \
	   }; \
	   d_step { \
		tainted = (cleaning[h] == 2 -> 1 : 0); \
		cleaning[h] = 0; \
		collected[h] = collected[h] & ~p \
	   } \
	:: d_step { \
		(collected[h] & p) && !(p == watch && tainted) -> \
		printf("@ harvester%d|kcoh: page %d is clean as far as it knows\n", h, p - 1); \
		collected[h] = collected[h] & ~p \
	   }
#else
#define CLEAN_STEPS(h, p) \
	:: d_step { \
		(collected[SET(h)] & p) -> \
		printf("@ harvester%d|kcoh cleans page %d\n", h, p - 1); \
		clean(p); \
		collected[SET(h)] = collected[SET(h)] & ~p \
	   }
#endif
#ifdef FAILURES
/* Marked dirty again; with the vCPUs stopped nobody may look any more, so the migration is refused. */
#define FAIL_STEPS(h, p) \
	:: d_step { \
		(collected[h] & p) -> \
		printf("@ harvester%d|kcoh could not clean page %d\n", h, p - 1); \
		collected[h] = collected[h] & ~p; \
		kvm_dirty = (logging -> kvm_dirty | p : kvm_dirty); \
		blind = blind || paused \
	   }
#elif defined(SILENT_FAILURES)
#define FAIL_STEPS(h, p) \
	:: d_step { \
		(collected[h] & p) -> \
		printf("@ harvester%d|kcoh could not clean page %d\n", h, p - 1); \
		collected[h] = collected[h] & ~p \
	   }
#else
#define FAIL_STEPS(h, p)
#endif

/* kcoh, when the ioctl returns: what is in the set, in any order. */
inline clean_collected(h)
{
	do
	CLEAN_STEPS(h, 1)
	CLEAN_STEPS(h, 2)
	FAIL_STEPS(h, 1)
	FAIL_STEPS(h, 2)
	:: collected[SET(h)] == 0 -> break
	od;
	skip			/* spin lets no break end at a d_step */
}
#else
#define clean_collected(h) skip
#endif

/* The rest of a harvesting ioctl of h, after protect(). */
inline finish(h)
{
	if
	:: slots_lock == 1 + h ->
#ifdef BEFORE_TLBI
		clean_collected(h);
		invalidate_tlb(h)
#else
		invalidate_tlb(h);
		clean_collected(h)
#endif
	:: else
	fi;
#ifdef WAIT_OTHERS
	collected[1 - h] == 0
#endif
}

#define GET_PROTECTS(h) \
	returned[h] = kvm_dirty & watch; \
	protect(h, ALL)

#define CLEAR_PROTECTS(h, chunk) \
	protect(h, reported & (chunk)); \
	reported = reported & ~(chunk); \
	vmm_lock = LOCKED
