// SPDX-License-Identifier: GPL-2.0-only
/*
 * smmu.c - what bpf/smmu.bpf.c counted and did not send.
 *
 * The problem: a device that faults at full speed makes a million records a second. The programs send 64
 * of a stream in a second and count the others; here they are told of, once a second, in one record
 * that says how many. So a storm is a line a second in the log, and the sum of all counts is the number
 * of events:
 *
 *   64 records of count 1, and then { .kind = FOLDED, .count = 9936, .raw = { the last one's first word } }
 *
 * What was told is kept here, and not in the map: a map's value is written as a whole, and a program on
 * another CPU may be counting in it.
 *
 * Cost: nothing without a storm but a comparison of two numbers.
 */
#include "smmu.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../bpf/maps.h"

#define SECOND_NS 1000000000ull

struct told {
	struct kcoh_stream_key key;
	uint64_t count;
};

struct kcoh_feed_smmu {
	int streams_fd, domains_fd, look_fd;
	struct kcoh_smmu_sums *sums; /* mapped */
	uint64_t last_ns; /* when it was told last */
	uint64_t told_sum;
	struct told *told;
	size_t told_count, told_room;
};

int kcoh_feed_smmu_new(const struct bpf_object *obj, struct kcoh_feed_smmu **ret_smmu)
{
	struct kcoh_feed_smmu *smmu = calloc(1, sizeof(*smmu));
	const struct bpf_program *look = bpf_object__find_program_by_name(obj, "smmu_look");
	int sums_fd = bpf_object__find_map_fd_by_name(obj, "kcoh_smmu_sums");
	void *memory;

	if (!smmu)
		return -ENOMEM;
	smmu->streams_fd = bpf_object__find_map_fd_by_name(obj, "kcoh_streams");
	smmu->domains_fd = bpf_object__find_map_fd_by_name(obj, "kcoh_domains");
	smmu->look_fd = look ? bpf_program__fd(look) : -1;
	memory = mmap(NULL, sizeof(*smmu->sums), PROT_READ | PROT_WRITE, MAP_SHARED, sums_fd, 0);
	if (memory == MAP_FAILED) {
		free(smmu);
		return -errno;
	}
	smmu->sums = memory;
	*ret_smmu = smmu;
	return 0;
}

void kcoh_feed_smmu_free(struct kcoh_feed_smmu *smmu)
{
	if (!smmu)
		return;
	munmap(smmu->sums, sizeof(*smmu->sums));
	free(smmu->told);
	free(smmu);
}

static struct told *told_of(struct kcoh_feed_smmu *smmu, const struct kcoh_stream_key *key)
{
	struct told *told;

	for (size_t i = 0; i < smmu->told_count; i++)
		if (!memcmp(&smmu->told[i].key, key, sizeof(*key)))
			return &smmu->told[i];
	if (smmu->told_count == smmu->told_room) {
		told = realloc(smmu->told, (smmu->told_room + 64) * sizeof(*told));
		if (!told)
			return NULL;
		smmu->told = told;
		smmu->told_room += 64;
	}
	told = &smmu->told[smmu->told_count++];
	*told = (struct told){ .key = *key };
	return told;
}

static void fold(const struct kcoh_stream_key *key, const struct kcoh_stream *stream,
		 uint64_t count, uint64_t now_ns, struct kcoh_ev_smmu *ret_ev)
{
	struct kcoh_ev_smmu *ev = ret_ev;

	*ev = (struct kcoh_ev_smmu){
		.hdr = { .ts_ns = now_ns,
			 .vm = stream->kvm ? stream->vm : KCOH_VM_NONE,
			 .vcpu = KCOH_VCPU_NONE,
			 .type = KCOH_EV_SMMU,
			 .size = sizeof(*ev) },
		.raw = { stream->last },
		.count = count,
		.group = stream->group,
		.kind = key->kind == KCOH_SMMU_EVENT ? KCOH_SMMU_FOLDED : (uint8_t)key->kind,
	};
	memcpy(ev->device, stream->device, sizeof(ev->device));
	memcpy(ev->smmu, stream->smmu, sizeof(ev->smmu));
}

static int tell(struct kcoh_feed_smmu *smmu, uint64_t now_ns, kcoh_feed_fn fn, void *ctx)
{
	struct kcoh_stream_key key, *last = NULL;
	struct kcoh_stream stream;
	struct kcoh_ev_smmu ev;
	struct told *told;
	int64_t count;
	int n = 0;

	for (; !bpf_map_get_next_key(smmu->streams_fd, last, &key); last = &key) {
		if (bpf_map_lookup_elem(smmu->streams_fd, &key, &stream))
			continue;
		told = stream.events == stream.sent ? NULL : told_of(smmu, &key);
		count = told ? (int64_t)(stream.events - stream.sent - told->count) : 0;
		if (count <= 0)
			continue;
		told->count += (uint64_t)count;
		smmu->told_sum += (uint64_t)count;
		fold(&key, &stream, (uint64_t)count, now_ns, &ev);
		fn(&ev.hdr, sizeof(ev), ctx);
		n++;
	}
	return n;
}

int kcoh_feed_smmu_poll(struct kcoh_feed_smmu *smmu, uint64_t now_ns, kcoh_feed_fn fn, void *ctx)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	uint64_t sent = __atomic_load_n(&smmu->sums->sent, __ATOMIC_RELAXED);
	uint64_t events = __atomic_load_n(&smmu->sums->events, __ATOMIC_ACQUIRE);

	if (__atomic_load_n(&smmu->sums->inside, __ATOMIC_RELAXED) && smmu->look_fd >= 0)
		bpf_prog_test_run_opts(smmu->look_fd, &opts);
	if (events - sent == smmu->told_sum || now_ns - smmu->last_ns < SECOND_NS)
		return 0;
	smmu->last_ns = now_ns;
	return tell(smmu, now_ns, fn, ctx);
}

/* false: its tables were not touched since we came. */
static bool mapping_of(const struct kcoh_feed_smmu *smmu, uint64_t domain,
		       struct kcoh_mapping *ret_mapping)
{
	struct kcoh_domain sums;

	if (!domain || bpf_map_lookup_elem(smmu->domains_fd, &domain, &sums))
		return false;
	*ret_mapping = (struct kcoh_mapping){ .domain = sums.id,
					      .maps = sums.maps,
					      .mapped_bytes = sums.mapped_bytes,
					      .map_ns = sums.map_ns,
					      .unmaps = sums.unmaps,
					      .unmapped_bytes = sums.unmapped_bytes,
					      .unmap_ns = sums.unmap_ns,
					      .commands = sums.commands,
					      .command_ns = sums.command_ns };
	return true;
}

int kcoh_feed_smmu_each(const struct kcoh_feed_smmu *smmu,
			int (*fn)(const struct kcoh_device_view *device, void *ctx), void *ctx)
{
	struct kcoh_stream_key key, *last = NULL;
	struct kcoh_mapping mapping;
	struct kcoh_stream stream;
	int r = 0;

	for (; !r && !bpf_map_get_next_key(smmu->streams_fd, last, &key); last = &key) {
		struct kcoh_device_view view = { .sid = key.sid,
						 .device = stream.device,
						 .smmu = stream.smmu };

		if (key.kind != KCOH_SMMU_EVENT ||
		    bpf_map_lookup_elem(smmu->streams_fd, &key, &stream))
			continue;
		view.vm = stream.kvm ? stream.vm : KCOH_VM_NONE;
		view.group = stream.group;
		view.via = stream.via;
		view.events = stream.events;
		view.mapping = mapping_of(smmu, stream.domain, &mapping) ? &mapping : NULL;
		r = fn(&view, ctx);
	}
	return r;
}
