/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reason.h - why: one table of reason codes, for logs, API, metrics and man page.
 *
 * KCOH_REASONS(X) calls X(CODE, value, "name", "sentence"). The name is the stable key that scripts
 * match; the sentence is for people and says what was found and, where there is something to do, what. A %s in
 * no sentence: a reason needs no arguments.
 */
#ifndef KCOH_REASON_H
#define KCOH_REASON_H

#define KCOH_REASONS(X)                                                                            \
	X(NONE, 0, "none", "nothing stands in the way")                                            \
	X(HARDWARE_COHERENT, 1, "hardware-coherent",                                               \
	  "the CPU has FEAT_S2FWB: guest RAM is always accessed through the caches")               \
	X(NOT_YET_CLEANING, 2, "not-yet-cleaning",                                                 \
	  "no window is open; pages are not cleaned at harvest, so an earlier window may still "   \
	  "matter")                                                                                \
	X(OBSERVE_ONLY, 3, "observe-only",                                                         \
	  "a window is open or was open in this epoch, and the policy only observes")              \
	X(MMU_OFF, 4, "mmu-off", "a vCPU runs with its MMU or data cache off")                     \
	X(MMU_OFF_EARLIER, 5, "mmu-off-earlier",                                                   \
	  "a vCPU ran with its MMU or data cache off earlier in this dirty epoch")                 \
	X(STATE_UNKNOWN, 6, "state-unknown", "the cache state of a runnable vCPU is not known")    \
	X(ARMING, 7, "arming", "the trap on SCTLR_EL1 writes is being set")                        \
	X(ARM_TIMEOUT, 8, "arm-timeout",                                                           \
	  "a vCPU did not take the trap in time, so its windows are not seen")                     \
	X(EVENTS_LOST, 9, "events-lost", "records were lost, so a window may have been missed")    \
	X(NO_MODULE, 10, "no-module",                                                              \
	  "the kcoh module is not loaded, so windows cannot be seen reliably")                     \
	X(TOO_MANY, 11, "too-many", "a configured bound was reached; this VM is not tracked")      \
	X(WATCHED_LATE, 12, "watched-late",                                                        \
	  "watching began in the middle of this dirty epoch, so a window may have been missed")    \
	X(PKVM, 13, "pkvm", "the host runs protected KVM, which hides guest state from kcoh")      \
	X(CLEANING, 14, "cleaning",                                                                \
	  "every page that a migration takes is cleaned before it is read")                        \
	X(UNCLEAN, 15, "unclean",                                                                  \
	  "pages of this dirty epoch may have been read without being cleaned; start the "         \
	  "migration again")                                                                       \
	X(TAINTED_ONLY, 16, "tainted-only",                                                        \
	  "pages that may have been written around the caches are cleaned before they are read; "  \
	  "Non-cacheable mappings of a guest with its MMU on are not covered")                     \
	X(HELD, 17, "held",                                                                        \
	  "a vCPU that turned its MMU or data cache off is held until the dirty epoch ends")       \
	X(DEFERRED, 18, "deferred",                                                                \
	  "a vCPU runs with its MMU or data cache off; the migration waits until it is back")      \
	X(RETRY, 19, "retry",                                                                      \
	  "a vCPU ran with its MMU or data cache off in this dirty epoch; start the migration "    \
	  "again")                                                                                 \
	X(OVERRIDE, 20, "override",                                                                \
	  "an operator lets it be migrated although kcoh says wait or veto, and answers for it")   \
	X(DEVICE, 21, "device",                                                                    \
	  "the SMMU held up a write of its device in this dirty epoch, so that bytes may be "      \
	  "missing at the destination; start the migration again")

enum kcoh_reason {
#define X(code, value, name, sentence) KCOH_RSN_##code = value,
	KCOH_REASONS(X)
#undef X
};

#endif
