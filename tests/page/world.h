/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * world.h - a host whose VMs live, in records as the kernel would give them: for looking at the page.
 *
 * The relay and the core behind it are the real ones; which window, verdict and act there is they decide. Each VM has a role that
 * its number gives, so that two runs are alike:
 *
 *   web     quiet; migrated for 8 s every few minutes         batch   reboots every 90 s
 *   db      is being migrated, and dirties pages              edge    waits (strategy defer) with a vCPU uncached
 *   fw      its MMU was never on (strategy veto)              gpu     has a device whose SMMU reports faults
 */
#ifndef KCOH_TESTS_PAGE_WORLD_H
#define KCOH_TESTS_PAGE_WORLD_H

#include "relay/relay.h"

struct world; /* opaque */

/* `vms` from 1 to 1024 VMs, that begin at start_ns (CLOCK_MONOTONIC). NULL without memory. */
struct world *world_new(uint32_t vms, struct kcoh_relay *relay, uint64_t start_ns);
void world_free(struct world *world);

/* What a VM is called, and its policy, for the relay. */
struct kcoh_ident *world_identify(void *ctx, const struct kcoh_ev_vm_new *ev);
void world_policy(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_policy *ret_ev);

/* Lives on to now_ns, in steps of 100 ms. */
void world_run(struct world *world, uint64_t now_ns);

/* A vCPU of VM id turns its MMU off or on, now. */
void world_toggle(struct world *world, uint32_t id, uint16_t vcpu, bool on, uint64_t now_ns);

/* VM id ends now. */
void world_end(struct world *world, uint32_t id, uint64_t now_ns);

#endif
