// SPDX-License-Identifier: GPL-2.0-only
/*
 * outcome.c - acts, verdict and windows of a step in one number.
 *
 * Fields are put one after the other as 64-bit numbers, so that no padding counts. Of a record about the host only the acts
 * count: what it made of each VM is seen with that VM's next record.
 */
#include <zlib.h>

#include "record/outcome.h"

static uint32_t add(uint32_t crc, const uint64_t *numbers, size_t n)
{
	return (uint32_t)crc32(crc, (const Bytef *)numbers, (uInt)(n * sizeof(*numbers)));
}

uint32_t kcoh_outcome(const struct kcoh_core *core, const struct kcoh_ev_hdr *ev,
		      const struct kcoh_act *acts, int n)
{
	uint32_t crc = (uint32_t)crc32(0, NULL, 0);
	struct kcoh_vm_view view;

	for (int i = 0; i < n; i++) {
		const uint64_t numbers[] = { acts[i].type,     acts[i].reason,  acts[i].vm,
					     acts[i].strategy, acts[i].hold_ms, acts[i].dry };

		crc = add(crc, numbers, sizeof(numbers) / sizeof(numbers[0]));
	}
	if (ev->vm != KCOH_VM_NONE && kcoh_core_vm(core, ev->vm, &view) == 0) {
		const uint64_t overrides = view.verdict.overrides;

		const uint64_t numbers[] = { view.verdict.kind,     view.verdict.reason,
					     view.verdict.since_ns, view.verdict.until_ns,
					     view.windows_open,     view.in_epoch };

		crc = add(crc, numbers, sizeof(numbers) / sizeof(numbers[0]));
		if (overrides) /* not in recordings from before there were any */
			crc = add(crc, &overrides, 1);
	}
	return crc;
}
