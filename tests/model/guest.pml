/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * guest.pml - what the vCPUs do: accesses to a page, of the kinds that are possible now, and toggles of MMU and
 * cache.
 *
 * A write needs a writable entry, in stage 2 or left in a TLB; the fault that makes it writable is a step of
 * its own, and may come without a write. A toggle that traps takes two steps: RAM is cleaned while the vCPU is
 * in the trap, then the vCPU runs on in its new state. kcoh learns of a window before the guest's first
 * instruction in it, and of its end after the clean.
 */

/* Which accesses the guest may make to page p now. */
#if defined(ANY_STATE)
#define MAY_CACHED(p)	1
#define MAY_UNCACHED(p)	1
#elif defined(CACHED_ONLY)
#define MAY_CACHED(p)	1
#define MAY_UNCACHED(p)	0
#else
#ifdef NC_PAGE
#define NC(p)		(p == 2)
#else
#define NC(p)		0
#endif
#ifdef TWO_STATES
#define MAY_CACHED(p)	(!NC(p))
#define MAY_UNCACHED(p)	(NC(p) || (window && !in_trap))
#else
#define MAY_CACHED(p)	(!window && !in_trap && !NC(p))
#define MAY_UNCACHED(p)	(!in_trap && (window || NC(p)))
#endif
#endif

proctype accesses(byte p)
{
	do
	:: d_step {
		!paused && !done && (protected & p) && (MAY_CACHED(p) || MAY_UNCACHED(p)) ->
		printf("@ guest|write fault on page %d: KVM marks it dirty and makes it writable\n", p - 1);
		protected = protected & ~p;
		old_tlb = old_tlb & ~p;
		if
		:: logging -> kvm_dirty = kvm_dirty | p
		:: else
		fi
	   }
	:: d_step {
		!paused && !done && (!(protected & p) || (old_tlb & p)) && MAY_CACHED(p) ->
		printf("@ guest|writes page %d through the cache\n", p - 1);
#ifdef CACHED_ONLY
		SAW((p == watch -> SAW_WRITE | SAW_STALE : 0));
#endif
#if defined(MARK_AT_CLOSE) || defined(MARK_WINDOW_AT_PAUSE)
		written = (armed && window && p == watch -> p : written);
#endif
		write_line(p)
	   }
	:: d_step {
		!paused && !done && (!(protected & p) || (old_tlb & p)) && MAY_UNCACHED(p) ->
		printf("@ guest|writes page %d around the cache\n", p - 1);
#if defined(MARK_AT_CLOSE) || defined(MARK_WINDOW_AT_PAUSE)
		written = (armed && window && p == watch -> p : written);
#endif
		write_memory(p)
	   }
	od
}

#if !defined(ANY_STATE) && !defined(CACHED_ONLY)
#ifdef OLD_WINDOW
#define MAY_TOGGLE	(!paused && !done)
#else
#define MAY_TOGGLE	(!paused && !done && armed)
#endif

inline window_opens()
{
	window = 1;
#ifdef REFUSE_OVERLAP
	overlap = 1;
#endif
#ifdef TAINTED_ONLY
	tainted = 1;
	cleaning[0] = (cleaning[0] -> 2 : 0);
	cleaning[1] = (cleaning[1] -> 2 : 0);
#endif
}

inline window_closes()
{
	window = 0;
#ifdef MARK_AT_CLOSE
	if
	:: logging && presumed -> kvm_dirty = ALL
	:: logging && !presumed -> kvm_dirty = kvm_dirty | written
	:: else
	fi;
	presumed = 0;
	written = 0
#endif
}

proctype toggles()
{
	do
#ifdef CLEAN_AT_OFF
	:: d_step {
		MAY_TOGGLE && !window ->
		in_trap = 1;
		if
		:: armed ->
			printf("@ guest|turns its MMU off: all RAM is cleaned\n");
			clean(ALL)
		:: else
		fi
	   };
	   d_step {
		in_trap = 0;
#else
	:: d_step {
		MAY_TOGGLE && !window ->
#endif
		window_opens();
		printf("@ guest|runs with its MMU off: a window is open\n")
	   }
#ifdef CLEAN_AT_ON
	:: d_step {
		MAY_TOGGLE && window ->
		in_trap = 1;
		if
		:: armed ->
			printf("@ guest|turns its MMU on: all RAM is cleaned\n");
			clean(ALL)
		:: else
		fi
	   };
	   d_step {
		in_trap = 0;
#else
	:: d_step {
		MAY_TOGGLE && window ->
#endif
		window_closes();
		printf("@ guest|runs with its MMU on: the window is closed\n")
	   }
	od
}
#endif
