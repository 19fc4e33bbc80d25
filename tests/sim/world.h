/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * world.h - a host in virtual time: guests, their memory behind a cache, KVM, the module, QEMU, and the feed.
 *
 * The world knows what is true; the core is told what the feed lets through; oracle.c compares. Nothing here shares code
 * with user/core: only the records (include/kcoh/event.h) are common, and driver.c, which alone calls the core.
 *
 * A page is one cache line. Its truth is a counter: each write of the guest is a higher number, and a migration is right if the
 * destination has the last number of each page. The cache takes a line in whenever it likes and writes it back whenever it
 * likes; an access around it goes to memory and leaves a line that is there as it is. Guests are faultless: before a vCPU
 * turns its caches off, and after it turned them on, it cleans and invalidates what is its own. So every stale byte at the
 * destination came through the host's mapping, which is what kcoh is about.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "kcoh/event.h"
#include "kcoh/reason.h"
#include "tape.h"

#define US 1000ull
#define MS 1000000ull
#define SEC 1000000000ull

#define MAX_VMS 3
#define MAX_VCPUS 3
#define MAX_SLOTS 5
#define MAX_PAGES 4
#define RING_RECORDS 512
#define MAX_PENDING 32
#define DEFER_MS 700
#define HOLD_MS 400
#define MAX_LATE 4

/* How the guest wrote a page last. */
enum how { HOW_CACHED, HOW_MMU_OFF, HOW_NC };

enum line { LINE_NONE, LINE_CLEAN, LINE_DIRTY };

struct page {
	uint32_t memory; /* what DRAM holds */
	uint32_t cached; /* what the line holds, if there is one */
	uint32_t last; /* the guest's last write */
	uint32_t sent; /* at the destination */
	uint64_t last_ns;
	uint8_t how; /* enum how, of the last write */
	uint8_t line; /* enum line */
	bool nc; /* the guest maps it Non-cacheable */
	bool protected; /* stage 2 forbids writing … */
	bool tlb; /* … but a TLB still holds the writable entry */
	bool dirty; /* in KVM's dirty log */
	bool todo; /* QEMU is to send it */
	bool taken; /* write-protected by the harvest that is under way */
	bool unclean; /* its last harvest could not clean it */
	bool seen; /* clean-tainted: cleaned in this epoch while every edge was seen */
};

struct slot {
	bool alive;
	bool ram; /* false: a flash bank, no part of a migration's result */
	bool stale; /* the module did not see its logging start: the next harvest cleans it whole */
	uint32_t id;
	uint32_t pages;
	uint32_t flags; /* KCOH_SLOT_* */
	uint64_t base_gfn;
	struct page page[MAX_PAGES];
};

enum run { RUN_NEVER, RUN_GUEST, RUN_IDLE, RUN_OFF };

#define SENT_NEVER 0xff

struct vcpu {
	uint8_t run; /* enum run */
	uint8_t sent; /* the state in its last record, or SENT_NEVER */
	bool cached;
	bool has_run;
	bool kvm_traps; /* KVM's own TVM */
	bool armed; /* the module's TVM */
	bool told_armed; /* … and the feed heard of it */
	bool job; /* the module's job waits for its thread to run */
	bool held;
	uint64_t held_until_ns;
	uint64_t job_at_ns; /* the job runs only then: a vCPU that does not leave the guest */
};

enum stage {
	Q_IDLE,
	Q_LOG_ON,
	Q_LOG_ON_TLBI,
	Q_LOG_ON_CLEAN,
	Q_GET,
	Q_CLEAR,
	Q_TLBI,
	Q_CLEAN,
	Q_SEND,
	Q_NEXT,
	Q_PAUSED, /* vCPUs stopped, before the last pass */
	Q_COMPLETE,
	Q_LOG_OFF,
};

struct migration {
	uint8_t stage;
	bool last; /* the last pass */
	bool measures; /* no migration: a dirty-rate measurement */
	bool cancelled;
	bool gone_after; /* the VM ends after it */
	bool continued; /* somebody let it go on from pre-switchover */
	uint32_t slot;
	uint32_t page;
	uint32_t rounds;
	uint32_t want_rounds;
	uint64_t started_ns;
	uint64_t paused_ns;
};

/* What the module keeps of a VM. */
struct module_vm {
	bool epoch;
	bool armed; /* the trap is wanted */
	bool watched; /* since the epoch's start every edge is seen */
	bool tainted;
	bool closed; /* its owner is gone; the strategy stays to the end of the epoch */
	int strategy; /* enum kcoh_strategy given by its owner; -1: automatic */
	uint32_t hold_ms;
	uint64_t rearm_ns; /* over its budget until then; 0: not */
};

struct vm {
	bool alive;
	bool told; /* its VM_NEW was sent to this feed */
	bool existing; /* found by a scan, not born under it */
	uint32_t id;
	uint32_t vcpus;
	uint32_t generation;
	bool paused;
	bool manual; /* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 with INITIALLY_SET; else automatic */
	bool quick_end; /* the last pass goes without CLEAR, as QEMU 10.2 does it */
	bool toggles; /* its guest turns caches off and on */
	bool has_nc;
	bool has_device; /* an assigned one, which the SMMU stops now and then */
	bool qmp; /* a QMP socket of kcohd's own */
	bool watches_phase; /* … on which kcohd follows its migration */
	bool asks_first; /* who migrates it asks for the verdict first, and obeys */
	bool pre_switchover; /* pause-before-switchover: it waits for CONTINUE */
	uint8_t phase;
	uint32_t strategy, guard, tolerate;
	uint64_t override_ns; /* an operator's override ends then; 0: there is none. The daemon keeps it */
	uint32_t next_write;
	uint64_t epoch_ns; /* since when most of its RAM is logged; 0: it is not */
	struct vcpu vcpu[MAX_VCPUS];
	struct slot slot[MAX_SLOTS];
	struct migration qemu;
	struct module_vm module;
	union kcoh_ev late[MAX_LATE]; /* memslot records that are not in the ring yet, in order */
	uint32_t lates;
};

/* A record on its way, with what was true when it was made. */
struct sent {
	union kcoh_ev ev;
	bool epoch; /* the VM's RAM was being logged */
	bool lost;
};

enum module_state { MODULE_ABSENT, MODULE_TRAPS, MODULE_CLEANS };

/* What may go wrong in this run: once in so many occasions, 0 never. */
struct faults {
	uint32_t loss, reorder, restart, stall, arm, qmp, clean, module, slots, budget, policy,
		override;
};

struct act_pending {
	uint64_t at_ns; /* when it is carried out; 0: free */
	uint32_t vm;
	uint32_t act;
	uint32_t strategy, hold_ms; /* ARM */
};

struct world {
	struct tape *tape;
	uint64_t now_ns;
	bool verbose;
	bool fwb;
	bool early; /* the deliberate bug: pages are cleaned before the TLB invalidation */
	uint8_t module; /* enum module_state */
	uint32_t arm_deadline_ms;
	uint32_t vms;
	uint32_t next_id;
	uint32_t host_told; /* features in the last HOST record */
	struct faults faults;
	struct vm vm[MAX_VMS];

	struct sent ring[RING_RECORDS];
	uint32_t ring_len;
	uint32_t gap; /* records lost since the last that went through */
	uint32_t counted; /* pages that the module could not clean, since the daemon hears it */
	uint32_t told; /* … and of which it has read a record */
	uint32_t looked; /* `counted` when it looked last, after a loss; 0: it did not */

	bool up; /* the daemon runs */
	bool rescan; /* the core asked for one */
	bool scanning;
	bool scan_answers; /* … and this is it */
	uint32_t scan_at; /* the VM that the scan is at */
	bool walk_old; /* its walk was begun: `walked` is what it saw */
	struct vm walked;
	uint64_t up_ns; /* when it comes back */
	uint64_t consume_ns, tick_ns, look_ns;
	struct act_pending acts[MAX_PENDING];

	struct driver *driver;
	struct oracle *oracle;
	const char *violation; /* what the oracle found first: the word for it */
	uint32_t violation_reason; /* … and the core's reason, if it is about one */
	char why[256];
	uint64_t records, steps, migrations, completed;
};

/* main.c: `say` is what --verbose shows. */
#define say(world, ...)                                                                            \
	do {                                                                                       \
		if ((world)->verbose)                                                              \
			world_say(world, __VA_ARGS__);                                             \
	} while (0)
void world_say(const struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* world.c: one run from the first choice to the last. */
void world_run(struct world *world);
struct vm *world_vm(struct world *world, uint32_t id);
struct slot *some_slot(struct world *world, struct vm *vm); /* one that is there, or NULL */

/* memory.c: a guest's page, the cache before it, KVM's stage 2. */
void page_write(const struct world *world, const struct vm *vm, struct slot *slot,
		struct page *page, const struct vcpu *vcpu, uint32_t value);
uint32_t page_host_read(struct page *page);
void page_clean(struct page *page); /* DC CIVAC */
void vm_clean(struct vm *vm); /* the whole stage 2, as KVM does it */
void cache_step(struct world *world, struct vm *vm);

/* guest.c: what a vCPU does next. */
void vcpu_step(struct world *world, struct vm *vm, uint32_t index);
void vcpu_load(struct world *world, struct vm *vm, uint32_t index);
void vcpu_put(struct world *world, struct vm *vm, uint32_t index);
uint8_t vcpu_state(const struct vcpu *vcpu);
void vm_reset(struct world *world, struct vm *vm);

/* module.c */
uint32_t module_features(const struct world *world);
bool module_cleans(const struct world *world, const struct vm *vm);
void module_epoch(struct world *world, struct vm *vm); /* logging changed: an edge? */
void module_vcpu(struct world *world, struct vm *vm, uint32_t index); /* its job, in its thread */
void module_edge(struct world *world, struct vm *vm, uint32_t index);
void module_uneasy(struct world *world, struct vm *vm, uint32_t index); /* its state was replaced */
void module_slot_starts(struct world *world, struct vm *vm, struct slot *slot);
void module_harvested(struct world *world, struct vm *vm, struct slot *slot);
void module_get(struct world *world, struct vm *vm, struct slot *slot);
void module_step(struct world *world);
void module_release(struct world *world, struct vm *vm, uint32_t index, enum kcoh_hold_why why);
void module_comes(struct world *world, uint8_t state);
int module_strategy(struct world *world, struct vm *vm, int strategy, uint32_t hold_ms);
void module_released(struct world *world, struct vm *vm); /* its owner is gone */

/* qemu.c: a VM's memslots, and its migration. */
bool vm_in_epoch(const struct vm *vm);
void slot_change(struct world *world, struct vm *vm, struct slot *slot, uint32_t flags,
		 enum kcoh_slot_change change);
void qemu_start(struct world *world, struct vm *vm);
void qemu_step(struct world *world, struct vm *vm);
bool qemu_cancel(struct world *world, struct vm *vm);
void qemu_slots_step(struct world *world, struct vm *vm);

/* feed.c: records on their way to the daemon. */
void feed_record(struct world *world, struct vm *vm, union kcoh_ev *ev);
void feed_vm_new(struct world *world, struct vm *vm);
void feed_vcpu(struct world *world, struct vm *vm, uint32_t index, uint8_t source);
void feed_late(struct world *world, struct vm *vm, union kcoh_ev *ev);
void feed_flush(struct world *world, struct vm *vm);
bool feed_scan_vm(struct world *world, struct vm *vm); /* false: call again */
bool feed_is_quiet(const struct world *world); /* nothing is on its way */

/* daemon.c: kcohd around the core. */
void daemon_start(struct world *world);
void daemon_step(struct world *world);
void daemon_kill(struct world *world);
void daemon_module_released(struct world *world);
bool daemon_hears_module(const struct world *world);
void daemon_policy(struct world *world, const struct vm *vm); /* its owner changed it */
void daemon_override(struct world *world,
		     const struct vm *vm); /* an operator gave it, or took it back */
void daemon_phase(struct world *world, struct vm *vm, enum kcoh_phase phase);

#endif
