// SPDX-License-Identifier: GPL-2.0-only
/*
 * clean.c - clean all RAM of a VM that stands still.
 *
 * A dump, a snapshot to a file, gdb at QEMU's gdbstub: they read guest RAM and harvest nothing, so nothing cleans what they read. If the VM
 * is paused, all its RAM is cleaned then, and the VM does not run before it was read, every byte is the guest's own: no line is older
 * than memory, and one that is filled anew holds what memory holds.
 *
 *   qmp      is it paused? QEMU says so, where its socket may be used and is free
 *   before   a scan: its memslots, its vCPUs' threads. Each thread sleeps outside of KVM_RUN; the exits are counted
 *   pieces   8 MiB after the other, whenever the loop has nothing else to do: 0.4 ms each at 20 GB/s
 *   after    a scan: the same layout, all threads asleep again, not one exit more
 *
 * Why that proves that the guest executed nothing between the two looks: a vCPU that entered the guest has left it, and then an exit was
 * counted, or is there still, and then its thread runs or is in KVM_RUN. Nothing is held and nothing stopped for it: a VM that runs is
 * refused. What comes after the second look is up to who reads; kcohd cannot know it, and does not claim it.
 *
 * Limits. Only vCPUs are looked at: a passed-through device that writes meanwhile snoops, or is a matter of its own. A thread that runs is
 * looked at again for 0.2 s, because QEMU wakes a vCPU's thread also to read its registers.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/qmp.h"
#include "clean/clean.h"
#include "clean/device.h"
#include "clean/thread.h"
#include "host/clock.h"

#define PIECE_BYTES (8ull << 20)
#define QMP_NS (2ull * 1000000000)
#define LOOK_US (10 * 1000)
#define LOOKS 20

enum step { STEP_QMP, STEP_BEFORE, STEP_PIECES, STEP_AFTER, STEP_OVER };

struct kcoh_clean {
	struct kcoh_clean_config config;
	char *qmp_path;
	struct kcoh_qmp *qmp;
	sd_event_source *timer; /* the next look */
	sd_event_source *piece; /* ready as long as there is something to clean */
	enum step step;
	unsigned int looks; /* of this step */
	struct kcoh_inventory before, after;
	struct kcoh_device_map devices;
	bool devices_read;
	uint64_t exits, began_ns;
	size_t slot; /* of before: to be cleaned next, … */
	uint64_t offset; /* … from this page on */
	struct kcoh_clean_result result;
};

static void finish(struct kcoh_clean *job, int result, const char *sentence)
{
	if (job->step == STEP_OVER)
		return;
	job->step = STEP_OVER;
	sd_event_source_set_enabled(job->timer, SD_EVENT_OFF);
	sd_event_source_set_enabled(job->piece, SD_EVENT_OFF);
	kcoh_qmp_close(job->qmp);
	job->qmp = NULL;
	job->config.done(job->config.ctx, result, result < 0 ? NULL : &job->result, sentence);
}

static void timer_set(struct kcoh_clean *job, uint64_t us)
{
	sd_event_source_set_time_relative(job->timer, us);
	sd_event_source_set_enabled(job->timer, SD_EVENT_ONESHOT);
}

static void step_begin(struct kcoh_clean *job, enum step step)
{
	job->step = step;
	job->looks = 0;
	timer_set(job, 0);
}

/* --- QEMU ------------------------------------------------------------------------------------------------- */

/* It is asked in addition: what it does not say is found out by looking. */
static void qmp_end(struct kcoh_clean *job)
{
	kcoh_qmp_close(job->qmp);
	job->qmp = NULL;
	if (job->step == STEP_QMP)
		step_begin(job, STEP_BEFORE);
}

static void on_status(void *ctx, int error, const json_t *value, const char *sentence)
{
	const char *status = json_string_value(json_object_get(value, "status"));
	struct kcoh_clean *job = ctx;

	(void)sentence;
	if (error == 0 && json_is_true(json_object_get(value, "running"))) {
		finish(job, -EBUSY,
		       "QEMU says that it runs: pause it first (QMP stop, virsh suspend), and let "
		       "it "
		       "run again only after it was read");
		return;
	}
	if (error == 0 && status)
		snprintf(job->result.run_state, sizeof(job->result.run_state), "%s", status);
	qmp_end(job);
}

static void on_ready(void *ctx)
{
	struct kcoh_clean *job = ctx;

	if (kcoh_qmp_execute(job->qmp, "query-status", on_status) < 0)
		qmp_end(job);
}

static void on_failed(void *ctx, int error, const char *sentence)
{
	(void)error;
	(void)sentence;
	qmp_end(ctx);
}

static void qmp_ask(struct kcoh_clean *job)
{
	uint64_t ns = job->config.qmp_ns ? job->config.qmp_ns : QMP_NS;
	const struct kcoh_qmp_config config = { .event = job->config.event,
						.path = job->qmp_path,
						.greeting_ns = ns,
						.deadline_ns = ns,
						.pid = job->config.pid,
						.ready = on_ready,
						.failed = on_failed,
						.ctx = job };
	char sentence[256];

	if (!job->qmp_path || kcoh_qmp_open(&config, &job->qmp, sentence, sizeof(sentence)) < 0)
		qmp_end(job);
}

/* --- does it stand still? --------------------------------------------------------------------------------- */

/* True if all threads of its vCPUs sleep outside of the guest. Else it is looked at again soon, or the job is over. */
static bool asleep(struct kcoh_clean *job, const struct kcoh_inventory *inventory)
{
	char sentence[256];

	for (size_t i = 0; i < inventory->vcpus; i++) {
		const struct kcoh_inventory_vcpu *vcpu = &inventory->vcpu[i];
		int thread =
			vcpu->tid ? kcoh_thread_look(job->config.proc, job->config.pid, vcpu->tid) :
				    KCOH_THREAD_GONE;

		if (thread == KCOH_THREAD_ASLEEP || thread == KCOH_THREAD_GONE)
			continue;
		if (thread == KCOH_THREAD_RUNNING && ++job->looks < LOOKS) {
			timer_set(job, LOOK_US);
			return false;
		}
		if (thread < 0)
			snprintf(sentence, sizeof(sentence), "cannot see whether vCPU %u runs: %s",
				 vcpu->index, strerror(-thread));
		else
			snprintf(sentence, sizeof(sentence),
				 "vCPU %u runs: pause the VM first (QMP stop, virsh suspend), and "
				 "let it run again only after it was read",
				 vcpu->index);
		finish(job, thread < 0 ? thread : -EBUSY, sentence);
		return false;
	}
	return true;
}

/* Reads anew what there is, once a step. False: the job is over. */
static bool scan(struct kcoh_clean *job, struct kcoh_inventory *inventory)
{
	char sentence[256] = "";
	uint32_t vcpus = 0;
	int err;

	if (job->looks)
		return true;
	kcoh_inventory_begin(inventory, job->config.vm);
	err = job->config.scan(job->config.ctx, inventory, sentence, sizeof(sentence));
	if (err == 0)
		err = kcoh_inventory_finish(inventory, sentence, sizeof(sentence));
	if (err == 0)
		err = job->config.vcpus(job->config.ctx, &vcpus, sentence, sizeof(sentence));
	if (err == 0 && vcpus != inventory->vcpus) {
		snprintf(sentence, sizeof(sentence),
			 "kcohd sees %zu of its %" PRIu32 " vCPUs: try again", inventory->vcpus,
			 vcpus);
		err = -EAGAIN;
	}
	if (err < 0)
		finish(job, err, sentence);
	return err == 0;
}

static bool exits_read(struct kcoh_clean *job, uint64_t *ret_exits)
{
	int err = job->config.exits(job->config.ctx, ret_exits);

	if (err < 0)
		finish(job, err,
		       "its exits are not counted, so kcohd cannot tell whether it stands still");
	return err >= 0;
}

static void look_before(struct kcoh_clean *job)
{
	if (!scan(job, &job->before) || !asleep(job, &job->before) || !exits_read(job, &job->exits))
		return;
	job->began_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
	job->result.slots = (uint32_t)job->before.slots;
	job->step = STEP_PIECES;
	sd_event_source_set_enabled(job->piece, SD_EVENT_ON);
}

static void tell(struct kcoh_clean *job)
{
	const struct kcoh_clean_result *result = &job->result;
	char sentence[256];

	snprintf(sentence, sizeof(sentence),
		 "cleaned %" PRIu64 " of %" PRIu64 " pages (%" PRIu64 " not populated, %" PRIu64
		 " no RAM, %" PRIu64 " could not be cleaned) in %" PRIu64 " ms",
		 result->cleaned, result->pages, result->absent, result->no_ram, result->unclean,
		 result->ns / 1000000);
	finish(job, 0, sentence);
}

static void look_after(struct kcoh_clean *job)
{
	uint64_t exits;

	if (!scan(job, &job->after) || !asleep(job, &job->after) || !exits_read(job, &exits))
		return;
	job->result.ns = kcoh_clock_ns(CLOCK_MONOTONIC) - job->began_ns;
	if (!kcoh_inventory_same(&job->before, &job->after))
		finish(job, -ESTALE, "its memory layout changed meanwhile: clean it again");
	else if (exits != job->exits)
		finish(job, -EBUSY,
		       "it ran meanwhile: pause it first (QMP stop, virsh suspend), and clean it "
		       "again");
	else
		tell(job);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *ctx)
{
	struct kcoh_clean *job = ctx;

	(void)source;
	(void)usec;
	if (job->step == STEP_QMP)
		qmp_ask(job);
	else if (job->step == STEP_BEFORE)
		look_before(job);
	else if (job->step == STEP_AFTER)
		look_after(job);
	return 0;
}

/* --- pieces ----------------------------------------------------------------------------------------------- */

/* Of `skipped` pages that were not cleaned: how many lie in a device's mapping? */
static uint64_t no_ram_of(struct kcoh_clean *job, uint64_t hva, uint64_t pages, uint64_t skipped)
{
	uint64_t device;

	if (!job->devices_read)
		(void)kcoh_device_map_read(job->config.proc, job->config.pid, &job->devices);
	job->devices_read = true;
	device = kcoh_device_map_bytes(&job->devices, hva, pages * job->config.page_size) /
		 job->config.page_size;
	return device < skipped ? device : skipped;
}

static void count(struct kcoh_clean *job, const struct kcoh_vm_range *range, uint64_t hva)
{
	struct kcoh_clean_result *result = &job->result;
	uint64_t no_ram = range->skipped ? no_ram_of(job, hva, range->pages, range->skipped) : 0;

	result->pages += range->pages;
	result->cleaned += range->done;
	result->absent += range->absent;
	result->no_ram += no_ram;
	result->unclean += range->pages - range->done - range->absent - no_ram;
}

static int on_piece(sd_event_source *source, void *ctx)
{
	struct kcoh_clean *job = ctx;
	const struct kcoh_inventory_slot *slot = &job->before.slot[job->slot];
	uint64_t most = PIECE_BYTES / job->config.page_size, left = slot->pages - job->offset;
	struct kcoh_vm_range range = { .gfn = slot->gfn + job->offset,
				       .pages = left < most ? left : most };
	char sentence[256] = "";
	int err = job->config.clean(job->config.ctx, &range, sentence, sizeof(sentence));

	if (err < 0) {
		finish(job, err, sentence);
		return 0;
	}
	count(job, &range, slot->hva + job->offset * job->config.page_size);
	job->offset += range.pages;
	if (job->offset < slot->pages)
		return 0;
	job->offset = 0;
	if (++job->slot < job->before.slots)
		return 0;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	step_begin(job, STEP_AFTER);
	return 0;
}

/* --- the job ---------------------------------------------------------------------------------------------- */

static int loop_join(struct kcoh_clean *job)
{
	sd_event *event = job->config.event;
	int err = sd_event_add_time_relative(event, &job->timer, CLOCK_MONOTONIC, 0, 1000, on_timer,
					     job);

	if (err >= 0)
		err = sd_event_add_defer(event, &job->piece, on_piece, job);
	if (err >= 0)
		err = sd_event_source_set_enabled(job->piece, SD_EVENT_OFF);
	if (err >= 0)
		err = sd_event_source_set_priority(job->piece, SD_EVENT_PRIORITY_IDLE);
	return err < 0 ? err : 0;
}

int kcoh_clean_start(const struct kcoh_clean_config *config, struct kcoh_clean **ret_job)
{
	struct kcoh_clean *job = calloc(1, sizeof(*job));
	int err = 0;

	if (!job)
		return -ENOMEM;
	job->config = *config;
	job->step = config->qmp ? STEP_QMP : STEP_BEFORE;
	if (config->qmp && !(job->qmp_path = strdup(config->qmp)))
		err = -ENOMEM;
	if (err == 0)
		err = loop_join(job);
	if (err < 0) {
		kcoh_clean_free(job);
		return err;
	}
	*ret_job = job;
	return 0;
}

void kcoh_clean_free(struct kcoh_clean *job)
{
	if (!job)
		return;
	kcoh_qmp_close(job->qmp);
	sd_event_source_disable_unref(job->timer);
	sd_event_source_disable_unref(job->piece);
	kcoh_inventory_release(&job->before);
	kcoh_inventory_release(&job->after);
	kcoh_device_map_release(&job->devices);
	free(job->qmp_path);
	free(job);
}
