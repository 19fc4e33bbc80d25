// SPDX-License-Identifier: GPL-2.0-only
/*
 * oracle.c - what must hold, whatever happens, and nothing of user/core in it.
 *
 * 1. What a verdict promises of a migration that completes (PROBLEM.md's table):
 *
 *    hardware-coherent, cleaning,  no stale byte (P3), whatever the guest did
 *    held
 *    tainted-only                  none but in Non-cacheable mappings (P7, P7n), which it says
 *    not-yet-cleaning              none that was written with the MMU off since the epoch began (P6); older windows
 *                                  and Non-cacheable mappings (P6b, P6d) it says may matter
 *    veto, wait                    nothing; but under `enforce`, with a way to cancel that works, a vetoed migration does
 *                                  not complete at all
 *    any, under `observe`          nothing
 *    override                      nothing: an operator answers for it, and the verdict says of what
 *    what the policy tolerates     nothing
 *
 *    Records take time. A window whose record was on its way at the completion must have become a veto by the time that all is
 *    told. A daemon that was down then promised nothing; one that was started in mid-epoch knows that it is late.
 * 2. A veto has a live reason: a short account of what the core was told (and never of what the world knows better) says
 *    whether the reason that it gives can be true. So with caches always on, or S2FWB, there is none.
 *    A device whose write was held up in the epoch is one, S2FWB or not.
 *    And where windows, losses or a late start were told, there is no plain `allow`.
 * 3. Each wait has a deadline, and ends by it.
 * 4. When all is told, the core's picture of slots and epochs is the world's, unless records were lost.
 * 5. Acts follow verdicts: no cancel without a veto, none that is carried out under `warn`.
 * 6. An override is said of a VM exactly as long as an operator's is in force, and only where there is a live reason to wait or veto.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "oracle.h"

#define MAX_IDS 64
#define CANCEL_GRACE_NS (1500 * MS)
#define READING_NS (12 * SEC) /* for so long a VM that was met late may get no acts */
#define UNCLEAN_LATE_NS                                                                            \
	(3 * SEC) /* what was unclean in an epoch is taken for its, for so long after it */
#define UNCLEAN_TOLD_NS (10 * SEC + 200 * MS) /* and said for 10 s, until the next tick */
#define MODULE_GRACE_NS (3 * SEC) /* a module that changed is noticed once a second */

/* What the core was told of a VM. */
struct account {
	bool known;
	bool unread; /* it was met late, and no scan has read it since */
	bool lost; /* records were lost, and the loss may still matter */
	bool lost_surely; /* … and does */
	bool read; /* a scan read it, and nothing was lost since that began */
	bool synced; /* nothing was lost since its birth, or since a scan read it */
	bool doubt; /* what was told contradicted itself while the scan that is on was on */
	bool found; /* by the scan that is on */
	bool found_epoch;
	bool epoch, earlier, late, arm, unclean; /* of the epoch: what may spoil it */
	bool late_surely; /* … and does */
	bool promised; /* EPOCH start was told */
	bool device; /* in this epoch the SMMU held up what may have been a write of its device */
	bool device_surely; /* … and was one */
	bool stale; /* a completed migration took stale bytes: a veto is due */
	uint8_t state[MAX_VCPUS]; /* told last */
	uint64_t epoch_ns;
	uint64_t end_ns; /* of the last epoch */
	uint64_t after_ns; /* … of which something unclean was told: until then the verdict may say so */
	uint64_t stale_ns; /* when the guest wrote them */
	uint64_t veto_ns; /* the last moment at which the verdict was veto */
	uint64_t vetoed_since_ns; /* without a break; 0: it is not */
	uint64_t wait_since_ns;
	uint64_t cancel_failed_ns;
	bool cancel_failed;
	bool enforced; /* guard = enforce, and a way to cancel */
	bool observes; /* its strategy */
	uint64_t override_ns; /* an operator's override ends then; 0: there is none */
	bool override_said; /* the core has said so since it was given */
	bool override_over; /* it may have ended: a migration completed */
	uint64_t policy_ns; /* when its policy was told last */
	uint8_t asked; /* the strategy that the module was last to be given */
	bool tainted; /* … and clean-tainted may be what it carries */
	bool tainted_epoch; /* … or carried at some moment of this epoch */
	struct seen seen;
};

struct oracle {
	struct account account[MAX_IDS];
	uint32_t host; /* features, as told */
	bool scanning;
	uint64_t losses, losses_at_scan;
	uint64_t up_ns;
	uint64_t module_ns; /* when the module changed last */
	bool module_unnoticed; /* … and no HOST record was made since */
	uint64_t core_ns; /* the newest time in a record */
};

struct oracle *oracle_new(void)
{
	struct oracle *oracle = calloc(1, sizeof(*oracle));

	if (!oracle)
		abort();
	return oracle;
}

void oracle_free(struct oracle *oracle)
{
	free(oracle);
}

__attribute__((format(printf, 3, 4))) static void violated(struct world *world, const char *what,
							   const char *format, ...)
{
	va_list args;

	if (world->violation)
		return;
	world->violation = what;
	va_start(args, format);
	vsnprintf(world->why, sizeof(world->why), format, args);
	va_end(args);
	say(world, "VIOLATION %s: %s", what, world->why);
}

static struct account *account_of(struct world *world, uint32_t vm)
{
	return &world->oracle->account[vm % MAX_IDS];
}

void oracle_begin(struct world *world)
{
	memset(world->oracle, 0, sizeof(*world->oracle));
}

void oracle_down(struct world *world)
{
	memset(world->oracle->account, 0, sizeof(world->oracle->account));
}

void oracle_restarted(struct world *world)
{
	uint64_t module_ns = world->oracle->module_ns;

	oracle_begin(world);
	world->oracle->module_ns = module_ns;
	world->oracle->up_ns = world->now_ns;
}

void oracle_gone(struct world *world, uint32_t vm)
{
	memset(account_of(world, vm), 0, sizeof(struct account));
}

void oracle_lost(struct world *world)
{
	(void)world; /* it matters when the core hears of it */
}

void oracle_arm_trouble(struct world *world, const struct vm *vm)
{
	account_of(world, vm->id)->arm = true;
}

void oracle_module_changed(struct world *world)
{
	world->oracle->module_ns = world->now_ns;
	world->oracle->module_unnoticed = true;
}

void oracle_cancel_failed(struct world *world, const struct vm *vm)
{
	account_of(world, vm->id)->cancel_failed = true;
}

/* --- what was told ---------------------------------------------------------------------------------------- */

static bool is_open(const struct account *account)
{
	for (uint32_t i = 0; i < MAX_VCPUS; i++) {
		if (account->state[i] == KCOH_UNCACHED || account->state[i] == KCOH_UNKNOWN)
			return true;
	}
	return false;
}

static void epoch_told(struct world *world, struct account *account, bool epoch, bool late)
{
	const struct oracle *oracle = world->oracle;

	if (epoch == account->epoch)
		return;
	account->epoch = epoch;
	account->promised = false;
	account->epoch_ns = oracle->core_ns;
	account->end_ns = epoch ? 0 : oracle->core_ns;
	if (account->synced) /* or the core may not have seen that this one is another */
		account->after_ns = 0;
	account->earlier = epoch && is_open(account);
	account->late = epoch && late;
	account->late_surely = false;
	account->tainted_epoch = epoch && account->tainted;
	account->device &= account->lost || !account->synced; /* the core may know of no end */
	account->device_surely = false;
	account->unclean = epoch && (late || !(oracle->host & KCOH_HOST_CLEAN));
	if (!epoch)
		account->arm = false;
	if (!epoch && account->synced)
		account->lost = false;
	if (!epoch && account->read)
		account->lost_surely = false;
}

static void slot_told(struct world *world, struct account *account, const struct sent *sent)
{
	account->found_epoch = sent->epoch;
	if (sent->ev.memslot.change == KCOH_SLOT_FOUND)
		account->found = true;
	else if (!account->unread)
		epoch_told(world, account, sent->epoch, !account->synced);
}

static void vcpu_told(struct account *account, const union kcoh_ev *ev)
{
	uint8_t *state = &account->state[ev->hdr.vcpu];

	switch (ev->hdr.type) {
	case KCOH_EV_VCPU:
		*state = ev->vcpu.state;
		break;
	case KCOH_EV_TOGGLE:
		*state = ev->toggle.now;
		account->earlier |= account->epoch;
		break;
	case KCOH_EV_RESET:
		*state = ev->reset.has_run || ev->reset.kind == KCOH_RESET_CPU_ON ? KCOH_UNKNOWN :
										    KCOH_OFF;
		account->arm = true;
		break;
	}
	account->earlier |= account->epoch && is_open(account);
}

static void host_told(struct world *world, uint32_t features)
{
	struct oracle *oracle = world->oracle;
	uint32_t changed = oracle->host ^ features;

	for (uint32_t i = 0; i < MAX_IDS; i++) {
		struct account *account = &oracle->account[i];

		if (!account->epoch)
			continue;
		if (changed & features & KCOH_HOST_TRAP)
			account->late = account->late_surely = true;
		account->unclean |= !!(changed & KCOH_HOST_CLEAN);
	}
	oracle->host = features;
	oracle->module_unnoticed = false;
}

static void unclean_told(const struct world *world, struct account *account)
{
	uint64_t now_ns = world->oracle->core_ns;

	account->unclean = true;
	if (account->end_ns && now_ns <= account->end_ns + UNCLEAN_LATE_NS)
		account->after_ns = now_ns + UNCLEAN_TOLD_NS;
}

static void gap_told(struct world *world)
{
	world->oracle->losses++;
	for (uint32_t i = 0; i < MAX_IDS; i++) {
		world->oracle->account[i].lost = true;
		world->oracle->account[i].synced = false;
		world->oracle->account[i].lost_surely = true;
		world->oracle->account[i].read = false;
	}
}

static void scan_ended(struct world *world, struct account *account)
{
	bool found = account->found, met = account->unread && account->found_epoch;

	account->found = false;
	if (!account->known || !found) {
		account->doubt = false;
		return;
	}
	account->unread = false;
	account->read |= world->oracle->losses == world->oracle->losses_at_scan;
	account->synced = account->read && !account->doubt;
	epoch_told(world, account, account->found_epoch, true);
	account->late_surely |= met;
	if (account->lost &&
	    account->epoch) /* the core may have thought it over, and found it now */
		account->late = account->unclean = true;
	account->doubt = false;
	if (account->synced && !account->epoch)
		account->lost = false;
	if (account->read && !account->epoch)
		account->lost_surely = false;
}

static void scan_told(struct world *world, bool done)
{
	struct oracle *oracle = world->oracle;

	if (!done) {
		oracle->scanning = true;
		oracle->losses_at_scan = oracle->losses;
	} else if (oracle->scanning) {
		oracle->scanning = false;
		for (uint32_t i = 0; i < MAX_IDS; i++)
			scan_ended(world, &oracle->account[i]);
	}
}

static void vm_told(struct account *account, const union kcoh_ev *ev)
{
	if (account->known)
		return;
	*account = (struct account){ .known = true,
				     .unread = ev->vm_new.existing,
				     .synced = !ev->vm_new.existing,
				     .read = !ev->vm_new.existing,
				     .lost = ev->vm_new.existing && account->lost,
				     .lost_surely = ev->vm_new.existing && account->lost_surely,
				     .arm = account->arm };
	memset(account->state, KCOH_OFF, sizeof(account->state));
}

/* The module promises nothing about the epoch, and should have done so by now. */
static bool is_overdue(const struct world *world, const struct account *account)
{
	return account->epoch && !account->promised &&
	       world->oracle->core_ns >= account->epoch_ns + world->arm_deadline_ms * MS;
}

/* The override that let it through ends; one that did not, stays. Whether it did is sure while the epoch is on. */
static void completion_told(struct account *account)
{
	if (account->seen.reason == KCOH_RSN_OVERRIDE && account->seen.in_epoch)
		account->override_ns = 0;
	else
		account->override_over = account->override_said;
}

void oracle_record(struct world *world, const struct sent *sent)
{
	const union kcoh_ev *ev = &sent->ev;
	struct account *account = account_of(world, ev->hdr.vm);

	if (ev->hdr.ts_ns > world->oracle->core_ns)
		world->oracle->core_ns = ev->hdr.ts_ns;
	if (ev->hdr.gap)
		gap_told(world);
	switch (ev->hdr.type) {
	case KCOH_EV_VM_NEW:
		vm_told(account, ev);
		break;
	case KCOH_EV_VCPU:
	case KCOH_EV_TOGGLE:
	case KCOH_EV_RESET:
		vcpu_told(account, ev);
		break;
	case KCOH_EV_MEMSLOT:
		slot_told(world, account, sent);
		break;
	case KCOH_EV_EPOCH:
		account->arm |= is_overdue(world, account);
		account->promised = ev->epoch.start;
		if (account->lost &&
		    ev->epoch.start) { /* of an epoch that the slots may not show */
			account->synced = false;
			account->doubt = world->oracle->scanning;
		}
		break;
	case KCOH_EV_HARVEST:
		if (ev->harvest.unclean)
			unclean_told(world, account);
		break;
	case KCOH_EV_UNCLEAN:
		for (uint32_t i = 0; i < MAX_IDS; i++)
			unclean_told(world, &world->oracle->account[i]);
		break;
	case KCOH_EV_HOST:
		host_told(world, ev->host.features);
		break;
	case KCOH_EV_SCAN:
		scan_told(world, ev->scan.done);
		break;
	case KCOH_EV_ACT_DONE:
		if (ev->act_done.act != KCOH_ACT_CANCEL && !ev->act_done.result)
			account->tainted = account->asked == KCOH_STRATEGY_CLEAN_TAINTED;
		break;
	case KCOH_EV_SMMU:
		account->device |= account->epoch || !account->synced;
		account->device_surely |= account->epoch && account->synced && !account->lost &&
					  !(ev->smmu.raw[1] >> 35 & 1);
		break;
	case KCOH_EV_OVERRIDE:
		account->override_ns = ev->override.until_ns;
		account->override_said = account->override_over = false;
		break;
	case KCOH_EV_PHASE:
		if (ev->phase.phase == KCOH_PHASE_COMPLETED)
			completion_told(account);
		break;
	case KCOH_EV_POLICY:
		account->policy_ns = world->now_ns;
		account->observes = ev->policy.strategy == KCOH_STRATEGY_OBSERVE;
		account->wait_since_ns = 0; /* another wait, by another deadline */
		account->enforced = ev->policy.guard == KCOH_GUARD_ENFORCE && ev->policy.can_cancel;
		break;
	}
}

/* --- what the core made of it ----------------------------------------------------------------------------- */

static void watch_wait(struct world *world, uint32_t vm, struct account *account, bool tick)
{
	const struct seen *seen = &account->seen;
	const struct vm *guest = world_vm(world, vm);
	uint64_t now_ns = world->oracle->core_ns;

	if (seen->kind != SEEN_WAIT) {
		account->wait_since_ns = 0;
		return;
	}
	if (!account->wait_since_ns)
		account->wait_since_ns = now_ns;
	if (guest && (guest->qemu.started_ns > account->wait_since_ns ||
		      guest->epoch_ns > account->wait_since_ns))
		account->wait_since_ns = now_ns; /* a migration has a wait of its own */
	if (!seen->until_ns)
		violated(world, "wait-without-deadline", "vm %u waits (%s)", vm,
			 driver_reason_name(seen->reason));
	else if (tick && seen->until_ns <= now_ns)
		violated(world, "wait-does-not-end", "vm %u waits (%s) beyond its deadline", vm,
			 driver_reason_name(seen->reason));
	else if (now_ns - account->wait_since_ns > (world->arm_deadline_ms + DEFER_MS + 300) * MS &&
		 tick)
		violated(world, "wait-goes-on", "vm %u waits (%s) for too long", vm,
			 driver_reason_name(seen->reason));
}

static void watch_override(struct world *world, uint32_t vm, struct account *account)
{
	const struct seen *seen = &account->seen;
	bool in_force = account->override_ns > world->oracle->core_ns;

	if (seen->reason == KCOH_RSN_OVERRIDE) {
		account->override_said = true;
		if (seen->kind != SEEN_ALLOW || !seen->overrides)
			violated(world, "override-of-nothing", "vm %u", vm);
		else if (!in_force)
			violated(world, "override-without-operator", "vm %u", vm);
	} else if (in_force && !account->override_over && !seen->untracked &&
		   seen->kind >= SEEN_WAIT) {
		violated(world, "override-ignored", "vm %u: %s", vm,
			 driver_reason_name(seen->reason));
	}
}

static void watch_vm(struct world *world, uint32_t vm, bool tick)
{
	struct account *account = account_of(world, vm);
	struct seen was = account->seen;

	account->seen = driver_look(world->driver, vm);
	if (!account->seen.known)
		return;
	if (account->seen.kind == SEEN_VETO || account->seen.overrides)
		account->veto_ns = world->now_ns;
	if (account->seen.kind != SEEN_VETO)
		account->vetoed_since_ns = 0;
	else if (!account->vetoed_since_ns)
		account->vetoed_since_ns = world->now_ns;
	watch_override(world, vm, account);
	watch_wait(world, vm, account, tick);
	if (world->verbose &&
	    (was.kind != account->seen.kind || was.reason != account->seen.reason))
		say(world, "core: vm %u %s/%s", vm, driver_verdict_name(account->seen.kind),
		    driver_reason_name(account->seen.reason));
}

static void watch_act(struct world *world, const struct seen_act *act)
{
	struct account *account = account_of(world, act->vm);

	if (act->type == KCOH_ACT_ARM || act->type == KCOH_ACT_DISARM) {
		account->asked = (uint8_t)act->strategy;
		account->tainted |= account->asked == KCOH_STRATEGY_CLEAN_TAINTED;
		account->tainted_epoch |= account->epoch && account->tainted;
	}
	if (act->type != KCOH_ACT_CANCEL)
		return;
	if (account->seen.kind != SEEN_VETO)
		violated(world, "cancel-without-veto", "vm %u", act->vm);
	if (!act->dry && !account->enforced)
		violated(world, "cancel-under-warn", "vm %u", act->vm);
}

void oracle_stepped(struct world *world, const union kcoh_ev *ev, const struct seen_act *acts,
		    int n)
{
	bool tick = ev->hdr.type == KCOH_EV_TICK;

	if (n < 0)
		violated(world, "refused", "the core refuses a %s record",
			 driver_record_name(ev->hdr.type));
	for (uint32_t vm = 1; vm <= world->next_id; vm++) {
		if ((vm == ev->hdr.vm || !ev->hdr.vm || ev->hdr.gap) &&
		    account_of(world, vm)->known)
			watch_vm(world, vm, tick);
	}
	for (int i = 0; i < n; i++)
		watch_act(world, &acts[i]);
}

/* --- when all is told ------------------------------------------------------------------------------------- */

static bool has_state(const struct account *account, uint8_t state)
{
	return memchr(account->state, state, sizeof(account->state));
}

static bool arm_may_fail(const struct world *world, const struct account *account)
{
	return account->arm || is_overdue(world, account) ||
	       account->epoch_ns < world->oracle->module_ns + MODULE_GRACE_NS;
}

/*
 * The module changed and the core has not heard of it: less than a second ago; or it changed back within a second,
 * which kcohd does not see.
 */
static bool module_is_news(const struct world *world)
{
	return module_features(world) != world->oracle->host || world->oracle->module_unnoticed;
}

/* What is about an epoch may be so as long as nobody has read since a loss whether there is one. */
static bool is_live(const struct world *world, const struct account *account, uint32_t reason)
{
	switch (reason) {
	case KCOH_RSN_MMU_OFF:
		return has_state(account, KCOH_UNCACHED) || module_is_news(world);
	case KCOH_RSN_STATE_UNKNOWN:
		return has_state(account, KCOH_UNKNOWN) || world->oracle->losses;
	case KCOH_RSN_MMU_OFF_EARLIER:
	case KCOH_RSN_RETRY:
		/* after a loss a vCPU that no scan read is unknown, which is a window */
		return (account->epoch && (account->earlier || account->lost)) || !account->synced;
	case KCOH_RSN_EVENTS_LOST:
		return account->lost;
	case KCOH_RSN_WATCHED_LATE:
		return account->unread || (account->epoch && account->late) || !account->synced;
	case KCOH_RSN_DEVICE:
		return account->device || !account->synced;
	case KCOH_RSN_NO_MODULE:
		return !(world->oracle->host & KCOH_HOST_TRAP);
	case KCOH_RSN_ARM_TIMEOUT:
		return (account->epoch && arm_may_fail(world, account)) || !account->synced;
	case KCOH_RSN_UNCLEAN:
		return (account->epoch && (account->unclean || account->tainted_epoch)) ||
		       world->oracle->core_ns <= account->after_ns || !account->synced;
	}
	return false;
}

static void check_veto(struct world *world, uint32_t vm, const struct account *account)
{
	uint32_t reason = account->seen.overrides ? account->seen.overrides : account->seen.reason;

	if (account->seen.kind != SEEN_VETO && !account->seen.overrides)
		return;
	if (world->oracle->host & KCOH_HOST_S2FWB && reason != KCOH_RSN_DEVICE) {
		violated(world, "veto-on-s2fwb", "vm %u", vm);
	} else if (reason != KCOH_RSN_ARMING && reason != KCOH_RSN_DEFERRED &&
		   !is_live(world, account, reason)) {
		world->violation_reason = reason;
		violated(world, "veto-without-reason", "vm %u: %s is not so", vm,
			 driver_reason_name(reason));
	}
}

/* What was told makes a plain `allow` a lie: it must be repair, wait, veto, or say that it only observes. */
static void check_allow(struct world *world, uint32_t vm, const struct account *account)
{
	uint32_t reason = account->seen.reason;
	const char *what = account->lost_surely               ? "records were lost" :
			   account->unread                    ? "no scan has read it" :
			   account->late_surely               ? "its epoch was met late" :
			   account->epoch && account->earlier ? "a window was open in its epoch" :
								NULL;

	if (account->seen.kind == SEEN_ALLOW && what &&
	    (reason == KCOH_RSN_CLEANING || reason == KCOH_RSN_NOT_YET_CLEANING ||
	     reason == KCOH_RSN_TAINTED_ONLY))
		violated(world, "plain-allow", "vm %u is allowed (%s), but %s", vm,
			 driver_reason_name(reason), what);
}

/* A write of its device was held up in this epoch: no strategy but `observe` takes that. */
static void check_device(struct world *world, uint32_t vm, const struct account *account)
{
	if (account->device_surely && account->seen.in_epoch && account->seen.kind <= SEEN_WAIT &&
	    account->seen.reason != KCOH_RSN_OVERRIDE && !account->observes)
		violated(world, "device-ignored", "vm %u: %s", vm,
			 driver_reason_name(account->seen.reason));
}

static void check_picture(struct world *world, const struct vm *vm, const struct account *account)
{
	const struct seen *seen = &account->seen;
	uint64_t ram = 0, logged = 0;
	uint32_t slots = 0;

	if (!account->synced || account->unread || account->lost)
		return;
	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		const struct slot *slot = &vm->slot[s];

		slots += slot->alive;
		if (!slot->alive || slot->flags & KCOH_SLOT_READONLY)
			continue;
		ram += slot->pages;
		if (slot->flags & KCOH_SLOT_LOG_DIRTY)
			logged += slot->pages;
	}
	if (seen->slots != slots || seen->ram_pages != ram || seen->logged_pages != logged)
		violated(world, "slots-differ",
			 "vm %u: %u slots, %" PRIu64 " of %" PRIu64
			 " pages logged; the core has %u, "
			 "%" PRIu64 " of %" PRIu64,
			 vm->id, slots, logged, ram, seen->slots, seen->logged_pages,
			 seen->ram_pages);
	else if (seen->in_epoch != !!vm->epoch_ns && vm->qemu.stage != Q_LOG_OFF &&
		 vm->qemu.stage > Q_LOG_ON_CLEAN)
		violated(world, "epoch-differs", "vm %u is %sin an epoch", vm->id,
			 vm->epoch_ns ? "" : "not ");
}

/* What was taken stale and not promised otherwise must have become a veto by now. */
static void check_stale(struct world *world, const struct vm *vm, struct account *account)
{
	if (!account->stale || vm->epoch_ns)
		return;
	account->stale = false;
	if (account->veto_ns < account->stale_ns)
		violated(
			world, "stale-unseen",
			"vm %u was migrated with stale bytes of a window in its epoch, and no veto "
			"came",
			vm->id);
}

void oracle_quiet(struct world *world)
{
	for (uint32_t i = 0; i < world->vms; i++) {
		const struct vm *vm = &world->vm[i];
		struct account *account = account_of(world, vm->id);

		if (!vm->alive || !account->known || !account->seen.known)
			continue;
		check_veto(world, vm->id, account);
		check_allow(world, vm->id, account);
		check_device(world, vm->id, account);
		check_picture(world, vm, account);
		check_stale(world, vm, account);
	}
}

/* --- a migration completes -------------------------------------------------------------------------------- */

static void check_enforced(struct world *world, const struct vm *vm, const struct account *account)
{
	uint64_t since_ns = account->vetoed_since_ns;

	if (since_ns < vm->epoch_ns)
		since_ns = vm->epoch_ns;
	if (since_ns < account->policy_ns)
		since_ns = account->policy_ns;
	if (!account->vetoed_since_ns || !account->enforced || account->cancel_failed ||
	    world->now_ns < world->oracle->up_ns + READING_NS)
		return;
	if (world->now_ns - since_ns > CANCEL_GRACE_NS)
		violated(world, "veto-not-enforced",
			 "vm %u was migrated under a veto (%s) that had stood for %" PRIu64 " ms",
			 vm->id, driver_reason_name(account->seen.reason),
			 (uint64_t)((world->now_ns - since_ns) / MS));
}

/* Its owner was told what stands against it, and had said that he takes that. */
static bool is_tolerated(const struct vm *vm, uint32_t reason)
{
	switch (reason) {
	case KCOH_RSN_NO_MODULE:
		return vm->tolerate & KCOH_TOLERATE_NO_MODULE;
	case KCOH_RSN_EVENTS_LOST:
	case KCOH_RSN_WATCHED_LATE:
	case KCOH_RSN_ARM_TIMEOUT:
		return vm->tolerate & KCOH_TOLERATE_BLIND;
	case KCOH_RSN_NOT_YET_CLEANING: /* the veto that is due may be one of those above */
		return vm->tolerate;
	}
	return false;
}

static void page_stale(struct world *world, const struct vm *vm, struct account *account,
		       const struct slot *slot, const struct page *page)
{
	uint32_t reason = account->seen.reason;
	bool in_epoch = vm->epoch_ns && page->last_ns >= vm->epoch_ns;

	say(world, "vm %u slot %u page %ld is stale at the destination: %u, not %u", vm->id,
	    slot->id, (long)(page - slot->page), page->sent, page->last);
	if (page->how == HOW_CACHED)
		violated(world, "world-is-wrong", "a page that was written cached is stale");
	if (!world->up || !account->known || vm->strategy == KCOH_STRATEGY_OBSERVE ||
	    account->seen.kind >= SEEN_WAIT || reason == KCOH_RSN_OVERRIDE)
		return;
	if (reason != KCOH_RSN_NOT_YET_CLEANING && module_is_news(world))
		return;
	if ((reason == KCOH_RSN_TAINTED_ONLY && page->nc) || is_tolerated(vm, reason))
		return;
	if (page->unclean) { /* its record is on its way */
		account->stale = true;
		account->stale_ns = account->stale_ns ? account->stale_ns : vm->qemu.paused_ns;
	} else if (reason != KCOH_RSN_NOT_YET_CLEANING)
		violated(world, "stale-promised",
			 "vm %u was migrated with a stale byte under %s/%s", vm->id,
			 driver_verdict_name(account->seen.kind), driver_reason_name(reason));
	else if (page->how == HOW_MMU_OFF && in_epoch && page->last_ns > account->stale_ns) {
		account->stale = true;
		account->stale_ns = page->last_ns;
	}
}

void oracle_completed(struct world *world, const struct vm *vm)
{
	struct account *account = account_of(world, vm->id);

	check_enforced(world, vm, account);
	account->cancel_failed = false;
	account->stale = false;
	account->stale_ns = 0;
	for (uint32_t s = 0; s < MAX_SLOTS; s++) {
		const struct slot *slot = &vm->slot[s];

		if (!slot->alive || !slot->ram || !(slot->flags & KCOH_SLOT_LOG_DIRTY))
			continue;
		for (uint32_t p = 0; p < slot->pages; p++) {
			if (slot->page[p].sent != slot->page[p].last)
				page_stale(world, vm, account, slot, &slot->page[p]);
		}
	}
}
