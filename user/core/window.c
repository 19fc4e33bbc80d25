// SPDX-License-Identifier: GPL-2.0-only
/*
 * window.c - incoherent windows: when each class opens and closes, how often, how long.
 *
 *   mmu-off  while some vCPU is uncached or unknown. `off` is no window: a vCPU that PSCI
 *            stopped, or that never ran, makes no access. A vCPU asleep in WFI with its MMU off
 *            is one: it wakes with its MMU off.
 *   device   from a write of the VM's device that the SMMU ended or stalled, to the end of the epoch in which it did: nothing cleans
 *            what was never written. Outside of an epoch there is nobody whom it could be missing
 *   blind    while kcoh could have missed one of the others: any BLIND_* of state.h
 *
 * An example: vCPU 0 goes off at 10 ms, vCPU 1 at 12 ms, vCPU 0 is back at 15 ms and vCPU 1 at 20
 * ms: one window of 10 ms. A window that opens and closes at one instant (a trapped off->on whose
 * beginning was not seen) counts, with length 0. Windows are recorded whatever the host or the
 * policy; what follows from them is verdict.c's business.
 *
 * Every class that was open at some moment of a dirty epoch is remembered in epoch.classes until
 * the epoch ends.
 */
#include "core/state.h"

static void set_window(struct kcoh_core *core, struct vm *vm, enum kcoh_window_class class,
		       bool open)
{
	struct window *window = &vm->windows[class];
	uint32_t bit = 1u << class;

	if (open && vm->epoch.on)
		vm->epoch.classes |= bit;
	if (open == !!(vm->open & bit))
		return;
	vm->open ^= bit;
	if (open) {
		window->since_ns = core->now_ns;
		window->count++;
	} else {
		window->closed_ns = after_ns(window->closed_ns, core->now_ns - window->since_ns);
	}
}

void kcoh_windows_refresh(struct kcoh_core *core, struct vm *vm)
{
	set_window(core, vm, KCOH_WINDOW_MMU_OFF,
		   vm->states[KCOH_UNCACHED] || vm->states[KCOH_UNKNOWN]);
	set_window(core, vm, KCOH_WINDOW_BLIND, vm->blind != 0);
	set_window(core, vm, KCOH_WINDOW_DEVICE, vm->epoch.on && vm->epoch.device);
}
