// SPDX-License-Identifier: GPL-2.0-only
/*
 * exits.c - what an exit of the guest costs, by the guest's own clock.
 *
 * The guest takes the time of each exit by itself; they are sorted here. Two of the same kind differ by what else came between:
 * a timer interrupt of the host (every 4 ms, so in one of 2500 hvc exits), a program that runs on another CPU. The median is free
 * of it.
 */
#include <inttypes.h>

#include "../lab/vmm/say.h"
#include "measure.h"

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void report_exits(struct rig *rig, const struct options *options, uint64_t ticks)
{
	uint32_t *sample = vm_hva(&rig->vm, BENCH_SAMPLES);
	uint64_t n = options->times;

	vm_clean(sample, n * sizeof(*sample)); /* the guest may have written around the caches */
	qsort(sample, n, sizeof(*sample), compare);
	say("{\"kind\":\"%s\",\"times\":%" PRIu64 ",\"ticks\":%" PRIu64
	    ",\"mean\":%.2f,\"median\":%u,\"least\":%u,\"most\":%u}",
	    options->kind_name, n, ticks, (double)ticks / n, sample[n / 2], sample[0],
	    sample[n - 1]);
}

void measure_exits(const struct options *options)
{
	static struct rig rig;
	uint64_t i, ticks;

	if (!options->kind)
		die("say which kind of exit: --kind; see --help");
	rig_must_start(&rig, options->guest, 0);
	if (!options->caches_off)
		rig_obey(&rig, BENCH_CACHES_ON, 0);
	if (options->epoch)
		rig_must_log(&rig);
	for (i = 0; i < options->warm_ups; i++)
		rig_obey(&rig, options->kind, options->warm_times);
	ticks = rig_obey(&rig, options->kind, options->times);
	report_exits(&rig, options, ticks);
	if (options->stay)
		while (getchar() != EOF)
			;
}
