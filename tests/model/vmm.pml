/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vmm.pml - QEMU, or another VMM: the migration thread, a second harvester, a device model.
 *
 * The migration: switch logging on; sync (take what is dirty), CLEAR a chunk, send a page, in any order that
 * the protocol allows; stop the vCPUs; sync once more; send and complete. It may be cancelled at each step, and
 * starts again. Only the watched page has to be sent (the other one would only make it wait).
 */

#ifdef HOST_WRITER
/*
 * A device model: writes through the cache, then says so in QEMU's bitmap. Drained before the last sync. It writes the
 * watched page only: on the other one it would do no more than the guest does, make it be sent again.
 */
proctype host_writer()
{
	do
	:: d_step {
		!paused && !done ->
		printf("@ device model|writes page %d through the cache\n", watch - 1);
		host_writing = 1;
		write_line(watch)
	   };
	   d_step {
		vmm_dirty = vmm_dirty | watch;
		host_writing = 0
	   }
	od
}
#endif

#ifdef SECOND
/* Harvests for itself (a screen), hands on to the migration what it saw after its ioctl returned. */
proctype second()
{
	do
	:: d_step {
		logging && !done && !paused && !MANUAL && slots_lock == 0 && kvm_dirty ->
		second_busy = 1;
		GET_PROTECTS(1)
	   };
	   finish(1);
	   d_step {
		vmm_dirty = vmm_dirty | returned[1];
		returned[1] = 0;
		second_busy = 0;
		printf("@ harvester1|hands its pages to the migration\n")
	   }
	:: d_step {
		logging && !done && MANUAL && !vmm_lock && slots_lock == 0 && (kvm_dirty & ~reported) ->
		reported = reported | kvm_dirty;
		vmm_dirty = vmm_dirty | (kvm_dirty & watch);
		printf("@ harvester1|GET: pages %d, handed to the migration\n", kvm_dirty)
	   }
	:: atomic {
		logging && !done && MANUAL && !vmm_lock && slots_lock == 0 && reported ->
		if
		:: d_step { (reported & 1) -> CLEAR_PROTECTS(1, 1) }
		:: d_step { (reported & 2) -> CLEAR_PROTECTS(1, 2) }
		:: d_step { reported == ALL -> CLEAR_PROTECTS(1, ALL) }
		fi
	   };
	   finish(1);
	   vmm_lock = 0
	od
}
#endif

/* KVM's part and QEMU's. All that the harvesters saw is to be sent, and CLEARed before if that is the protocol. */
inline sync()
{
	if
	:: d_step {
		!MANUAL && slots_lock == 0 && !(paused && second_busy) ->
		printf("@ migration|GET: pages %d\n", kvm_dirty);
		GET_PROTECTS(0)
	   };
	   finish(0)
	:: d_step {
		MANUAL && slots_lock == 0 && !vmm_lock ->
		printf("@ migration|GET: pages %d\n", kvm_dirty);
		vmm_lock = LOCKED;
		reported = reported | kvm_dirty;
		returned[0] = kvm_dirty & watch;
#ifdef GET_CLEANS
		if
		:: paused -> collected[0] = collected[0] | kvm_dirty
		:: else
		fi
#endif
	   };
#ifdef GET_CLEANS
	   clean_collected(0)
#endif
	fi;
	d_step {
		to_send = to_send | vmm_dirty | returned[0];
		to_clear = (MANUAL -> to_clear | vmm_dirty | returned[0] : 0);
		vmm_dirty = 0;
		returned[0] = 0;
		vmm_lock = 0
	}
}

#ifdef LAST_PASS_UNCLEARED
#define LAST_PASS	paused
#else
#define LAST_PASS	0
#endif

#define CLEAR_STEP(chunk) \
	d_step { \
		((to_clear | reported) & (chunk)) -> \
		printf("@ migration|CLEAR of the chunk of pages %d\n", chunk); \
		CLEAR_PROTECTS(0, chunk); \
		to_clear = to_clear & ~(chunk) \
	}

/* kcoh, or who takes its place, while the vCPUs are stopped and before the last sync. */
inline act_at_pause()
{
#ifdef CLEAN_AT_PAUSE
	d_step {
		printf("@ kcoh|cleans all RAM\n");
		clean(ALL)
	};
#endif
#ifdef MARK_ALL_AT_PAUSE
	d_step {
		printf("@ kcoh|marks all pages dirty\n");
		kvm_dirty = ALL
	};
#endif
#ifdef MARK_WINDOW_AT_PAUSE
	d_step {
		printf("@ kcoh|cleans pages %d, written in a window, and marks them dirty\n", written);
		clean(written);
		kvm_dirty = kvm_dirty | written
	};
#endif
	skip
}

#if defined(REFUSE_OPEN)
#define REFUSED		window
#elif defined(REFUSE_OVERLAP)
#define REFUSED		overlap
#else
#define REFUSED		0
#endif

proctype migration()
{
start:
	skip;
	d_step {
		slots_lock == 0 && !vmm_lock ->
		printf("@ migration|starts: dirty logging is switched on\n");
		to_send = watch;
		to_clear = (MANUAL -> watch : 0);
		vmm_dirty = 0;
		v_dest = NEVER;
#if defined(WITNESS) && !defined(WITNESS_EVER)
		witness = 0;
#endif
#ifdef MARK_ALL_AT_CLOSE
		if
		:: !armed -> presumed = window
		:: else
		fi;
#endif
		armed = 1;
#ifdef REFUSE_OVERLAP
		overlap = window;
#endif
		if
		:: logging
		:: else ->
			logging = 1;
#ifdef TAINTED_ONLY
			tainted = 1;
#endif
			if
			:: protocol == INITIAL -> kvm_dirty = ALL
			:: else ->
				old_tlb = ALL;
				protected = ALL;
				slots_lock = 1;
#if defined(HARVEST_CLEANS) && !defined(NO_START_CLEAN)
				collected[0] = ALL;
#endif
				printf("@ migration|KVM write-protects all pages\n")
			fi
		fi
	};
	finish(0);
#ifdef CLEAN_AT_START
	d_step {
		printf("@ kcoh|cleans all RAM\n");
		clean(ALL)
	};
#endif
	if
	:: MANUAL -> sync()
	:: else
	fi;
	do
	:: !paused -> sync()
	:: atomic {
		(to_clear | reported) && slots_lock == 0 && !vmm_lock ->
		if
		:: CLEAR_STEP(1)
		:: CLEAR_STEP(2)
		:: CLEAR_STEP(ALL)
		fi
	   };
	   finish(0);
	   vmm_lock = 0
	:: d_step {
		to_send && (!to_clear || LAST_PASS) ->
		printf("@ migration|reads page %d through the cache and sends it\n", watch - 1);
		send()
	   }
	:: d_step {
		!paused && !in_trap && !host_writing ->
		paused = 1;
		printf("@ migration|stops the vCPUs\n")
	   };
	   if
	   :: REFUSED ->
		printf("@ kcoh|refuses\n");
		goto cancel
	   :: else
	   fi;
	   act_at_pause();
	   sync()
	:: paused && !to_send && !blind -> break
	:: goto cancel
	od;
	goto complete;

cancel:
	skip;
	d_step {
		slots_lock == 0 && !vmm_lock ->
		printf("@ migration|cancelled, the source runs on\n");
		paused = 0;
		blind = 0;
		to_send = 0;
		to_clear = 0;
		vmm_dirty = 0;
		dest = OTHER;
		v_dest = NEVER;
		logging = second_logs;
		if
		:: logging
		:: else ->
			kvm_dirty = 0;
			protected = 0;
			old_tlb = 0;
			reported = 0
		fi
	};
	goto start;

complete:
	skip;
	d_step {
		done = 1;
		printf("@ migration|completes\n");
		picture();
		right = (!MAY_UNCACHED(watch) || RIGHT_UNCACHED) && (!MAY_CACHED(watch) || RIGHT_CACHED)
	};
#ifdef WITNESS
	assert(witness != (SAW_WRITE | SAW_FILL | SAW_READ | SAW_STALE))
#else
	assert(right)
#endif
}
