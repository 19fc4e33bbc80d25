/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * storm.h - what storm.c and kcoh-adversary say to each other, in the doorbell's page behind the bell's own registers.
 *
 * Loads and stores are 64 bits wide and belong to the vCPU that makes them.
 */
#ifndef KCOH_LAB_STORM_H
#define KCOH_LAB_STORM_H

#define STORM_FLAVOUR 0x100 /* load, at the start: STORM_OFF and so on */
#define STORM_VCPUS 0x108 /* load, at the start: how many there are; vCPU 0 starts the others */
#define STORM_SEED 0x110 /* load, at the start: not the same twice */
#define STORM_LONG 0x118 /* load, at the start: stores of a long burst */
#define STORM_BASE(region) (0x120 + 16 * (region)) /* load: where the region is now */
#define STORM_BYTES(region) (0x128 + 16 * (region)) /* load, at the start */
#define STORM_DONE 0x180 /* store: stores since the last one, and edges << 32 */

#define STORM_REGIONS 2

#define STORM_OFF 0 /* MMU off for ever */
#define STORM_TOGGLE 1 /* MMU and caches off and on at random */
#define STORM_NC 2 /* MMU on, RAM mapped Normal Non-cacheable */
#define STORM_CACHED 3 /* MMU on, RAM mapped Write-Back */

#endif
