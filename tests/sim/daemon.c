// SPDX-License-Identifier: GPL-2.0-only
/*
 * daemon.c - kcohd around the core: reads the ring, ticks, looks for the module, scans, carries acts out.
 *
 *   10 ms    the ring is read, unless the daemon is stalled
 *   100 ms   TICK
 *   1 s      HOST, if the module came or went
 *
 * A scan takes a step of the world for each VM, so that everything can happen between. Killed, it leaves nothing behind but
 * what the module does by itself.
 */
#include "driver.h"
#include "oracle.h"
#include "world.h"

#define CONSUME_NS (10 * MS)
#define TICK_NS (100 * MS)

static void push(struct world *world, struct sent *sent);
static void consume(struct world *world);

static struct kcoh_ev_hdr header(const struct world *world, uint16_t type, uint16_t size)
{
	return (struct kcoh_ev_hdr){
		.ts_ns = world->now_ns, .vcpu = KCOH_VCPU_NONE, .type = type, .size = size
	};
}

static void push_own(struct world *world, union kcoh_ev *ev)
{
	struct sent sent = { .ev = *ev };

	push(world, &sent);
}

static void push_policy(struct world *world, const struct vm *vm)
{
	union kcoh_ev ev = { .policy = { .hdr = header(world, KCOH_EV_POLICY, sizeof(ev.policy)),
					 .strategy = vm ? vm->strategy : KCOH_STRATEGY_VETO,
					 .guard = vm ? vm->guard : KCOH_GUARD_WARN,
					 .can_cancel = vm && vm->qmp,
					 .arm_deadline_ms = world->arm_deadline_ms,
					 .defer_ms = DEFER_MS,
					 .hold_ms = HOLD_MS,
					 .tolerate = vm ? vm->tolerate : 0 } };

	ev.hdr.vm = vm ? vm->id : 0;
	push_own(world, &ev);
}

static void push_override(struct world *world, const struct vm *vm)
{
	union kcoh_ev ev = { .override = {
				     .hdr = header(world, KCOH_EV_OVERRIDE, sizeof(ev.override)),
				     .until_ns = vm->override_ns,
				     .number = vm->id } };

	ev.hdr.vm = vm->id;
	push_own(world, &ev);
}

static void unclean_forget(struct world *world)
{
	world->counted = world->told = world->looked = 0;
}

static void push_host(struct world *world, uint32_t features)
{
	union kcoh_ev ev = { .host = { .hdr = header(world, KCOH_EV_HOST, sizeof(ev.host)),
				       .features = features,
				       .page_size = 4096 } };

	if ((world->host_told ^ features) & KCOH_HOST_MODULE)
		unclean_forget(world);
	world->host_told = ev.host.features;
	push_own(world, &ev);
}

/* Its tracepoints are read from the moment on that the daemon knows of it. */
bool daemon_hears_module(const struct world *world)
{
	return world->host_told & KCOH_HOST_MODULE;
}

/* It lets go of the module, which is unloaded then. */
void daemon_module_released(struct world *world)
{
	consume(world);
	push_host(world,
		  module_features(world) & ~(KCOH_HOST_MODULE | KCOH_HOST_TRAP | KCOH_HOST_CLEAN));
}

static void push_scan(struct world *world, uint32_t done)
{
	union kcoh_ev ev = { .scan = { .hdr = header(world, KCOH_EV_SCAN, sizeof(ev.scan)),
				       .done = done } };

	push_own(world, &ev);
}

static void push_done(struct world *world, uint32_t vm, uint32_t act, int result)
{
	union kcoh_ev ev = { .act_done = {
				     .hdr = header(world, KCOH_EV_ACT_DONE, sizeof(ev.act_done)),
				     .act = act,
				     .result = result } };

	ev.hdr.vm = vm;
	push_own(world, &ev);
}

static void act_later(struct world *world, const struct seen_act *act)
{
	for (uint32_t i = 0; i < MAX_PENDING; i++) {
		struct act_pending *pending = &world->acts[i];

		if (pending->at_ns)
			continue;
		*pending = (struct act_pending){ .at_ns = world->now_ns +
							  (1 + draw(world->tape, 200)) * MS,
						 .vm = act->vm,
						 .act = act->type,
						 .strategy = act->strategy,
						 .hold_ms = act->hold_ms };
		return;
	}
}

static void act(struct world *world, const struct seen_act *act)
{
	say(world, "core: %s%s vm %u (%s)", act->dry ? "dry " : "", driver_act_name(act->type),
	    act->vm, driver_reason_name(act->reason));
	if (act->type == KCOH_ACT_RESCAN)
		world->rescan = true;
	else if (act->type != KCOH_ACT_ALERT && !act->dry)
		act_later(world, act);
}

static void carry_out(struct world *world, struct act_pending *pending)
{
	struct vm *vm = world_vm(world, pending->vm);
	int result = 0;

	pending->at_ns = 0;
	if (!vm)
		return;
	if (pending->act == KCOH_ACT_ARM) {
		result = module_strategy(world, vm, (int)pending->strategy, pending->hold_ms);
		if (chance(world->tape, world->faults.qmp))
			result = -16; /* EBUSY: and yet it may have been done */
	} else if (pending->act == KCOH_ACT_DISARM) {
		module_released(world, vm);
	} else if (chance(world->tape, world->faults.qmp)) {
		oracle_cancel_failed(world, vm);
		result = -111; /* ECONNREFUSED */
	} else {
		qemu_cancel(world, vm);
	}
	if (pending->act == KCOH_ACT_ARM || pending->act == KCOH_ACT_DISARM)
		consume(world); /* what was true before comes first */
	push_done(world, vm->id, pending->act, result);
}

static void carry_out_due(struct world *world)
{
	for (uint32_t i = 0; i < MAX_PENDING; i++) {
		if (world->acts[i].at_ns && world->now_ns >= world->acts[i].at_ns)
			carry_out(world, &world->acts[i]);
	}
}

static void push(struct world *world, struct sent *sent)
{
	struct seen_act acts[SEEN_ACTS];
	const struct kcoh_ev_hdr *hdr = &sent->ev.hdr;
	struct vm *vm;
	int n;

	oracle_record(world, sent);
	n = driver_step(world->driver, &sent->ev, acts);
	world->records++;
	if (hdr->type != KCOH_EV_TICK || hdr->gap)
		say(world, "core: hears %s vm %u vcpu %d%s", driver_record_name(hdr->type), hdr->vm,
		    hdr->vcpu == KCOH_VCPU_NONE ? -1 : hdr->vcpu, hdr->gap ? ", and of a gap" : "");
	oracle_stepped(world, &sent->ev, acts, n);
	for (int i = 0; i < n; i++)
		act(world, &acts[i]);
	if (hdr->type == KCOH_EV_VM_NEW) {
		vm = world_vm(world, hdr->vm);
		if (vm)
			push_policy(world, vm);
		if (vm && vm->override_ns)
			push_override(world, vm);
	} else if (hdr->type == KCOH_EV_VM_GONE) {
		oracle_gone(world, hdr->vm);
	}
}

static void push_tick(struct world *world, uint32_t gap)
{
	union kcoh_ev ev = { .tick = { .hdr = header(world, KCOH_EV_TICK, sizeof(ev.tick)) } };

	ev.hdr.gap = gap;
	push_own(world, &ev);
}

/* What the module counted when the daemon looked, and no record told of until now, was lost. */
static void push_unclean(struct world *world)
{
	union kcoh_ev ev = { .unclean = { .hdr = header(world, KCOH_EV_UNCLEAN, sizeof(ev.unclean)),
					  .pages = world->looked - world->told } };

	world->told = world->looked;
	push_own(world, &ev);
}

static bool consume_one(struct world *world, struct sent *sent)
{
	bool lost = sent->ev.hdr.gap;

	if (sent->ev.hdr.type == KCOH_EV_HARVEST)
		world->told += (uint32_t)sent->ev.harvest.unclean;
	push(world, sent);
	return lost;
}

static void consume(struct world *world)
{
	uint32_t n = world->ring_len, gap;
	bool lost = false;

	for (uint32_t i = 0; i < n && !world->violation; i++)
		lost |= consume_one(world, &world->ring[i]);
	world->ring_len = 0;
	gap = world->gap;
	world->gap = 0;
	if (gap)
		push_tick(world, gap);
	if (world->looked > world->told)
		push_unclean(world);
	world->looked = lost || gap ? world->counted : 0;
	if (feed_is_quiet(world) && !world->scanning)
		oracle_quiet(world);
}

void daemon_phase(struct world *world, struct vm *vm, enum kcoh_phase phase)
{
	union kcoh_ev ev = { .phase = { .hdr = header(world, KCOH_EV_PHASE, sizeof(ev.phase)),
					.phase = phase } };

	vm->phase = (uint8_t)phase;
	if (!world->up || !vm->watches_phase || !vm->told)
		return;
	ev.hdr.vm = vm->id;
	consume(world);
	push_own(world, &ev);
	if (!driver_look(world->driver, vm->id).override_ns)
		vm->override_ns = 0; /* the core has ended it */
}

void daemon_override(struct world *world, const struct vm *vm)
{
	if (!world->up || !vm->told)
		return;
	consume(world);
	push_override(world, vm);
}

void daemon_policy(struct world *world, const struct vm *vm)
{
	if (!world->up || !vm->told)
		return;
	consume(world);
	push_policy(world, vm);
}

static void scan_begin(struct world *world, bool answers)
{
	world->scan_answers = answers;
	consume(world);
	push_scan(world, 0);
	world->rescan = false;
	world->scanning = true;
	world->scan_at = 0;
	world->walk_old = false;
}

static void scan_end(struct world *world)
{
	consume(world);
	world->scanning = false;
	push_scan(world, 1);
	if (world->scan_answers)
		push_done(world, 0, KCOH_ACT_RESCAN, 0);
	consume(world);
}

static void scan_step(struct world *world)
{
	while (world->scan_at < world->vms && !world->vm[world->scan_at].alive)
		world->scan_at++;
	if (world->scan_at == world->vms)
		scan_end(world);
	else if (feed_scan_vm(world, &world->vm[world->scan_at]))
		world->scan_at++;
}

void daemon_start(struct world *world)
{
	say(world, "kcohd starts");
	world->up = true;
	world->ring_len = 0;
	world->gap = 0;
	world->scanning = false;
	for (uint32_t i = 0; i < world->vms; i++) {
		world->vm[i].told = false;
		world->vm[i].existing = true;
		world->vm[i].lates = 0;
		for (uint32_t v = 0; v < MAX_VCPUS; v++) {
			world->vm[i].vcpu[v].sent = SENT_NEVER;
			world->vm[i].vcpu[v].told_armed = false;
		}
	}
	unclean_forget(world);
	driver_restart(world->driver);
	oracle_restarted(world);
	push_policy(world, NULL);
	push_host(world, module_features(world));
	world->consume_ns = world->tick_ns = world->look_ns = world->now_ns;
	scan_begin(world, false);
}

void daemon_kill(struct world *world)
{
	say(world, "kcohd is killed");
	world->up = false;
	world->up_ns = world->now_ns + (1 + draw(world->tape, 2000)) * MS;
	world->ring_len = 0;
	world->gap = 0;
	world->scanning = false;
	for (uint32_t i = 0; i < MAX_PENDING; i++)
		world->acts[i].at_ns = 0;
	for (uint32_t i = 0; i < world->vms; i++)
		module_released(world, &world->vm[i]);
	oracle_down(world);
}

static void timers(struct world *world)
{
	if (world->now_ns >= world->consume_ns) {
		if (chance(world->tape, world->faults.stall))
			world->consume_ns = world->now_ns + draw(world->tape, 400) * MS;
		else
			world->consume_ns = world->now_ns + CONSUME_NS;
		consume(world);
		if (world->rescan && !world->scanning)
			scan_begin(world, true);
	}
	if (world->now_ns >= world->tick_ns) {
		world->tick_ns = world->now_ns + TICK_NS;
		consume(world);
		push_tick(world, 0);
	}
	if (world->now_ns >= world->look_ns) {
		world->look_ns = world->now_ns + SEC;
		if (module_features(world) != world->host_told)
			push_host(world, module_features(world));
	}
}

void daemon_step(struct world *world)
{
	if (!world->up) {
		if (world->now_ns >= world->up_ns)
			daemon_start(world);
		return;
	}
	if (chance(world->tape, world->faults.restart)) {
		daemon_kill(world);
		return;
	}
	carry_out_due(world);
	timers(world);
	if (world->scanning)
		scan_step(world);
}
