// SPDX-License-Identifier: GPL-2.0-only
/*
 * driver.c - drives the real core, and copies what it says into the simulator's own words.
 *
 * The core's memory is filled with rubbish before each life, so that nothing of an earlier run can be relied upon.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "driver.h"
#include "record/ring.h"

_Static_assert(SEEN_ALLOW == (int)KCOH_VERDICT_ALLOW && SEEN_REPAIR == (int)KCOH_VERDICT_REPAIR &&
		       SEEN_WAIT == (int)KCOH_VERDICT_WAIT && SEEN_VETO == (int)KCOH_VERDICT_VETO,
	       "the simulator's words are the core's");

static const struct kcoh_core_config config = { .max_vms = 4, .max_vcpus = 4, .max_slots = 8 };

struct driver {
	struct kcoh_core *core;
	void *memory;
	size_t size;
	size_t ring_bytes; /* 0: nothing is recorded */
	struct kcoh_record_ring *ring;
};

struct driver *driver_new(void)
{
	struct driver *driver = calloc(1, sizeof(*driver));

	if (!driver)
		abort();
	driver->size = kcoh_core_size(&config);
	driver->memory = malloc(driver->size);
	if (!driver->memory)
		abort();
	driver_restart(driver);
	return driver;
}

void driver_free(struct driver *driver)
{
	kcoh_record_ring_free(driver->ring);
	free(driver->memory);
	free(driver);
}

void driver_restart(struct driver *driver)
{
	memset(driver->memory, 0xa5, driver->size);
	driver->core = kcoh_core_init(driver->memory, driver->size, &config);
	if (!driver->core)
		abort();
	kcoh_record_ring_free(driver->ring);
	driver->ring = NULL;
	if (driver->ring_bytes &&
	    kcoh_record_ring_new(driver->ring_bytes, driver->core, &driver->ring) < 0)
		abort();
}

void driver_record(struct driver *driver, size_t bytes)
{
	driver->ring_bytes = bytes;
}

bool driver_write(const struct driver *driver, const char *path)
{
	static const struct kcoh_frame_name names[] = { { .vm = 1, .name = "first" },
							{ .vm = 2, .name = "second" } };
	size_t size, n_names = sizeof(names) / sizeof(names[0]);
	void *bytes = kcoh_record_ring_copy(driver->ring, &config, 0, names, n_names, &size);
	FILE *file = bytes ? fopen(path, "we") : NULL;
	bool whole = file && fwrite(bytes, 1, size, file) == size;

	if (file && fclose(file) != 0)
		whole = false;
	free(bytes);
	return whole;
}

int driver_step(struct driver *driver, const union kcoh_ev *ev, struct seen_act *acts)
{
	struct kcoh_act out[KCOH_CORE_MAX_ACTS];
	int n = kcoh_core_step(driver->core, &ev->hdr, sizeof(*ev), out, KCOH_CORE_MAX_ACTS);

	if (driver->ring && n >= 0)
		kcoh_record_ring_add(driver->ring, &ev->hdr, out, n);
	_Static_assert(SEEN_ACTS >= KCOH_CORE_MAX_ACTS, "acts fit");
	for (int i = 0; i < n; i++)
		acts[i] = (struct seen_act){ .type = out[i].type,
					     .vm = out[i].vm,
					     .reason = out[i].reason,
					     .dry = out[i].dry,
					     .strategy = out[i].strategy,
					     .hold_ms = out[i].hold_ms };
	return n;
}

struct seen driver_look(const struct driver *driver, uint32_t vm)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(driver->core, vm, &view) < 0)
		return (struct seen){ 0 };
	return (struct seen){ .known = true,
			      .in_epoch = view.in_epoch,
			      .untracked = !view.tracked,
			      .kind = (uint8_t)view.verdict.kind,
			      .reason = view.verdict.reason,
			      .overrides = view.verdict.overrides,
			      .until_ns = view.verdict.until_ns,
			      .override_ns = view.override.until_ns,
			      .slots = view.slots,
			      .ram_pages = view.ram_pages,
			      .logged_pages = view.logged_pages };
}

const char *driver_verdict_name(uint32_t kind)
{
	return kcoh_verdict_name(kind);
}

const char *driver_reason_name(uint32_t reason)
{
	return kcoh_reason_name(reason);
}

const char *driver_act_name(uint32_t act)
{
	return kcoh_act_name(act);
}

const char *driver_record_name(uint32_t type)
{
	return kcoh_ev_name(type);
}
