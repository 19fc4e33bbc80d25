// SPDX-License-Identifier: GPL-2.0-only
/*
 * make.c - recordings of the cases that no lab of ours can show: made up, record by record, as a kernel and kcohd would make them.
 *
 *   golden-make DIRECTORY
 *
 * S3 needs a guest that toggles within the microseconds in which the module arms; S13 a dirty ring, which the test VMM has not; S14 and S15 hosts
 * with other pages, and with S2FWB. Written as the core's unit tests are (tests/unit/stream.h): ms, record; what follows from them is not
 * expected here but in the text files beside.
 */
#include <stdio.h>

#include "record/ring.h"
#include "unit/stream.h"

#define CLEANS (MODULE | KCOH_HOST_CLEAN)
#define DEFAULT POLICY(0, CLEAN, WARN, 0)

/* A VM whose vCPU ran cached when it was last seen, at the start of an epoch. */
#define CACHED_IN_EPOCH                                                                            \
	{ 0, HOST(CLEANS) }, { 0, DEFAULT }, { 10, VM_NEW(1) }, { 11, RAM(1) },                    \
		{ 20, VCPU(1, 0, CACHED, SAMPLE) },                                                \
	{                                                                                          \
		1000, LOG_ON(1)                                                                    \
	}

/* The trap comes late: in between the vCPU, which ran cached when it was last seen, is off and on, and KVM's own trap shows it. */
static const struct line s3[] = {
	CACHED_IN_EPOCH,
	{ 1001, TOGGLE(1, 0, CACHED, UNCACHED, KVM) },
	{ 1003, TOGGLE(1, 0, UNCACHED, CACHED, KVM) },
	{ 1004, VCPU(1, 0, CACHED, TRAP) },
	{ 1005, EPOCH(1, 1, 1, 0) },
	{ 1100, HARVEST(1, 0) },
	{ 2000, LOG_OFF(1) },
};

#define RING_HARVEST(vm, source_, cleaned_)                                                        \
	{                                                                                          \
		.harvest = {                                                                       \
			HDR(harvest, HARVEST, vm, KCOH_VCPU_NONE),                                 \
			.pages = 10,                                                               \
			.cleaned = (cleaned_),                                                     \
			.slot_id = KCOH_SLOT_NONE,                                                 \
			.kind = KCOH_HARVEST_RING,                                                 \
			.source = KCOH_HARVEST_BY_##source_                                        \
		}                                                                                  \
	}

/* KVM_RESET_DIRTY_RINGS is a harvest like the others. */
static const struct line s13[] = {
	CACHED_IN_EPOCH,
	{ 1000, VCPU(1, 0, CACHED, TRAP) },
	{ 1001, EPOCH(1, 1, 1, 0) },
	{ 1100, RING_HARVEST(1, KVM, 0) },
	{ 1101, RING_HARVEST(1, MODULE, 10) },
	{ 1200, TOGGLE(1, 0, CACHED, UNCACHED, TRAP) },
	{ 1300, RING_HARVEST(1, KVM, 0) },
	{ 1301, RING_HARVEST(1, MODULE, 10) },
	{ 1400, TOGGLE(1, 0, UNCACHED, CACHED, TRAP) },
	{ 2000, LOG_OFF(1) },
};

#define HOST_16K                                                                                   \
	{                                                                                          \
		.host = {                                                                          \
			HDR(host, HOST, 0, KCOH_VCPU_NONE),                                        \
			.features = CLEANS,                                                        \
			.page_size = 16384                                                         \
		}                                                                                  \
	}

/* Pages are the host's: 16 KiB here, of which 65536 are 1 GiB. A page that a huge one was split into and that could not be cleaned is told as any. */
static const struct line s14[] = {
	{ 0, HOST_16K },
	{ 0, DEFAULT },
	{ 10, VM_NEW(1) },
	{ 11, SLOT(1, CREATE, 3, 65536, 0, 0, 0) },
	{ 20, VCPU(1, 0, UNCACHED, SAMPLE) },
	{ 1000, SLOT(1, FLAGS, 3, 65536, LOGS, 0, 0) },
	{ 1000, VCPU(1, 0, UNCACHED, TRAP) },
	{ 1001, EPOCH(1, 1, 1, 0) },
	{ 1100, HARVEST(1, 0) },
	{ 1200, HARVEST(1, 1) },
	{ 2000, SLOT(1, FLAGS, 3, 65536, 0, LOGS, 0) },
};

/* FEAT_S2FWB: off, on, reset, whatever: there is nothing to repair. */
static const struct line s15[] = {
	{ 0, HOST(CLEANS | KCOH_HOST_S2FWB) },
	{ 0, DEFAULT },
	{ 10, VM_NEW(1) },
	{ 11, RAM(1) },
	{ 20, VCPU(1, 0, UNCACHED, SAMPLE) },
	{ 1000, LOG_ON(1) },
	{ 1100, VCPU(1, 0, CACHED, SAMPLE) },
	{ 1200, RESET(1, 0, INIT, 1) },
	{ 2000, LOG_OFF(1) },
};

static const struct {
	const char *name;
	const struct line *lines;
	size_t n;
} cases[] = {
	{ "s3-before-arming", s3, COUNT(s3) },
	{ "s13-dirty-ring", s13, COUNT(s13) },
	{ "s14-pages-of-16k", s14, COUNT(s14) },
	{ "s15-s2fwb", s15, COUNT(s15) },
};

static const struct kcoh_core_config config = { .max_vms = 4, .max_vcpus = 8, .max_slots = 8 };

static void play(struct kcoh_record_ring *ring, struct kcoh_core *core, const struct line *line)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	union kcoh_ev ev = line->ev;
	int n;

	ev.hdr.ts_ns = line->ms * 1000000;
	n = kcoh_core_step(core, &ev.hdr, sizeof(ev), acts, KCOH_CORE_MAX_ACTS);
	if (n < 0)
		exit(1);
	kcoh_record_ring_add(ring, &ev.hdr, acts, n);
}

static bool write_to(const char *directory, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	FILE *file;
	bool whole;

	snprintf(path, sizeof(path), "%s/%s.rec", directory, name);
	file = fopen(path, "we");
	whole = file && fwrite(bytes, 1, size, file) == size;
	if (file && fclose(file) != 0)
		whole = false;
	if (!whole)
		perror(path);
	return whole;
}

static bool make(const char *directory, size_t i)
{
	struct kcoh_frame_name name = { .vm = 1 };
	size_t size = kcoh_core_size(&config);
	void *memory = malloc(size), *bytes;
	struct kcoh_core *core = memory ? kcoh_core_init(memory, size, &config) : NULL;
	struct kcoh_record_ring *ring;
	bool whole;

	if (!core || kcoh_record_ring_new(1 << 20, core, &ring) < 0)
		return false;
	for (size_t k = 0; k < cases[i].n; k++)
		play(ring, core, &cases[i].lines[k]);
	snprintf(name.name, sizeof(name.name), "%s", cases[i].name);
	bytes = kcoh_record_ring_copy(ring, &config, 0, &name, 1, &size);
	whole = bytes && write_to(directory, cases[i].name, bytes, size);
	free(bytes);
	kcoh_record_ring_free(ring);
	free(memory);
	return whole;
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: golden-make DIRECTORY\n");
		return 2;
	}
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (!make(argv[1], i))
			return 1;
	}
	return 0;
}
