// SPDX-License-Identifier: GPL-2.0-only
/*
 * replay.c - feeds a core with a recording, and tells what changes.
 *
 * The core has no news, only views: what a VM's view shows is compared with what it showed before each record, and the difference is a
 * line. kcohd wrote beside each record what came of it (outcome.h); a replay by the same core finds the same, and counts where it
 * does not: a core that decides otherwise, or an image of another build.
 *
 * What if: with another configuration POLICY records are made by that. VMs are known by the names that stand in the recording; one that
 * was gone when it was written is called COMM-PID.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "record/outcome.h"
#include "record/replay.h"

#define CORE_MAX (1ull << 32) /* bytes of address space for its bounds */

/* A VM as it was told last. */
struct told {
	uint32_t id;
	uint32_t pid;
	char comm[KCOH_COMM_LEN];
	char uuid[40];
	char name[256];
	bool shown; /* the fields below hold */
	uint32_t windows;
	struct kcoh_verdict verdict;
	uint64_t window_since_ns[KCOH_WINDOW_CLASSES];
};

struct replay {
	const struct kcoh_config *config;
	FILE *out;
	struct kcoh_core *core;
	void *memory;
	size_t size;
	uint64_t now_ns;
	struct told *vms; /* unordered */
	size_t count, room;
	struct kcoh_replay_result result;
};

static struct told *told_find(struct replay *replay, uint32_t id)
{
	for (size_t i = 0; i < replay->count; i++) {
		if (replay->vms[i].id == id)
			return &replay->vms[i];
	}
	return NULL;
}

/* NULL without memory. */
static struct told *told_get(struct replay *replay, uint32_t id)
{
	struct told *told = told_find(replay, id), *more;
	size_t room = replay->room ? 2 * replay->room : 16;

	if (told)
		return told;
	if (replay->count == replay->room) {
		more = realloc(replay->vms, room * sizeof(*more));
		if (!more)
			return NULL;
		replay->vms = more;
		replay->room = room;
	}
	told = &replay->vms[replay->count++];
	memset(told, 0, sizeof(*told));
	told->id = id;
	snprintf(told->name, sizeof(told->name), "vm-%" PRIu32, id);
	return told;
}

/* Its name, made printable: it may be anything. */
static void name_set(struct told *told, const char *name, const char *uuid)
{
	snprintf(told->name, sizeof(told->name), "%s", name);
	snprintf(told->uuid, sizeof(told->uuid), "%s", uuid);
	for (char *at = told->name; *at; at++) {
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	}
}

__attribute__((format(printf, 3, 4))) static void line(struct replay *replay, const char *name,
						       const char *format, ...)
{
	va_list args;

	if (!replay->out)
		return;
	fprintf(replay->out, "%6" PRIu64 ".%06" PRIu64 " %s ", replay->now_ns / 1000000000,
		replay->now_ns % 1000000000 / 1000, name);
	va_start(args, format);
	vfprintf(replay->out, format, args);
	va_end(args);
	fputc('\n', replay->out);
}

/* --- what is told ----------------------------------------------------------------------------------------- */

static void windows_tell(struct replay *replay, struct told *told, const struct kcoh_vm_view *view)
{
	uint32_t changed = told->windows ^ view->windows_open;

	for (uint32_t i = 0; i < KCOH_WINDOW_CLASSES; i++) {
		uint64_t ns = replay->now_ns - told->window_since_ns[i];

		if (!(changed & 1u << i))
			continue;
		replay->result.windows++;
		if (view->windows_open & 1u << i)
			line(replay, told->name, "window %s opens", kcoh_window_name(i));
		else
			line(replay, told->name,
			     "window %s closes after %" PRIu64 ".%06" PRIu64 " s",
			     kcoh_window_name(i), ns / 1000000000, ns % 1000000000 / 1000);
	}
	told->windows = view->windows_open;
	memcpy(told->window_since_ns, view->window_since_ns, sizeof(told->window_since_ns));
}

static bool is_same(const struct kcoh_verdict *a, const struct kcoh_verdict *b)
{
	return a->kind == b->kind && a->reason == b->reason && a->overrides == b->overrides;
}

static const char *verdict_text(const struct kcoh_verdict *verdict, char *text, size_t len)
{
	snprintf(text, len, "%s/%s%s%s", kcoh_verdict_name(verdict->kind),
		 kcoh_reason_name(verdict->reason), verdict->overrides ? " of " : "",
		 verdict->overrides ? kcoh_reason_name(verdict->overrides) : "");
	return text;
}

static void verdict_tell(struct replay *replay, struct told *told, const struct kcoh_vm_view *view)
{
	const struct kcoh_verdict *was = &told->verdict, *now = &view->verdict;
	char text[128], before[128];

	if (told->shown && is_same(was, now))
		return;
	replay->result.verdicts++;
	verdict_text(now, text, sizeof(text));
	if (told->shown)
		line(replay, told->name, "%s (%s before)", text,
		     verdict_text(was, before, sizeof(before)));
	else
		line(replay, told->name, "%s", text);
	told->verdict = *now;
	told->shown = true;
}

static int vm_tell(const struct kcoh_vm_view *view, void *ctx)
{
	struct replay *replay = ctx;
	struct told *told = told_get(replay, view->id);

	if (!told)
		return -ENOMEM;
	windows_tell(replay, told, view);
	verdict_tell(replay, told, view);
	return 0;
}

/* A record of a VM touches that VM; a loss, and what is about the host, all. */
static int changes_tell(struct replay *replay, const struct kcoh_ev_hdr *hdr)
{
	struct kcoh_vm_view view;

	if (hdr->vm == KCOH_VM_NONE || hdr->gap)
		return kcoh_core_each_vm(replay->core, vm_tell, replay);
	if (kcoh_core_vm(replay->core, hdr->vm, &view) < 0)
		return 0;
	return vm_tell(&view, replay);
}

static void act_tell(struct replay *replay, const struct kcoh_act *act)
{
	const struct told *told = told_find(replay, act->vm);
	const char *name = act->vm == KCOH_VM_NONE ? "host" : told ? told->name : "?";

	replay->result.acts++;
	if (act->type == KCOH_ACT_ARM && act->hold_ms)
		line(replay, name, "act arm %s for %" PRIu32 " ms",
		     kcoh_strategy_name(act->strategy), act->hold_ms);
	else if (act->type == KCOH_ACT_ARM)
		line(replay, name, "act arm %s", kcoh_strategy_name(act->strategy));
	else if (act->type == KCOH_ACT_DISARM)
		line(replay, name, "act disarm");
	else
		line(replay, name, "act %s%s (%s)", act->dry ? "dry " : "",
		     kcoh_act_name(act->type), kcoh_reason_name(act->reason));
}

static void override_tell(struct replay *replay, const struct kcoh_ev_override *ev)
{
	const struct told *told = told_find(replay, ev->hdr.vm);
	uint64_t ns = ev->until_ns > ev->hdr.ts_ns ? ev->until_ns - ev->hdr.ts_ns : 0;

	if (!told)
		return;
	if (ns)
		line(replay, told->name,
		     "override by uid %" PRIu32 " for %" PRIu64 ".%06" PRIu64 " s", ev->uid,
		     ns / 1000000000, ns % 1000000000 / 1000);
	else
		line(replay, told->name, "override taken back by uid %" PRIu32, ev->uid);
}

/* --- what is fed ------------------------------------------------------------------------------------------ */

static int step(struct replay *replay, const union kcoh_ev *ev, const uint32_t *outcome)
{
	struct kcoh_act acts[KCOH_CORE_MAX_ACTS];
	int n = kcoh_core_step(replay->core, &ev->hdr, sizeof(*ev), acts, KCOH_CORE_MAX_ACTS), ret;
	struct kcoh_replay_result *result = &replay->result;

	if (ev->hdr.ts_ns > replay->now_ns)
		replay->now_ns = ev->hdr.ts_ns;
	if (outcome && (n < 0 || *outcome != kcoh_outcome(replay->core, &ev->hdr, acts, n)) &&
	    !result->differs++)
		result->differs_first = result->events;
	if (n < 0)
		return 0; /* as then: the core takes no notice of it */
	if (ev->hdr.type == KCOH_EV_OVERRIDE)
		override_tell(replay, &ev->override);
	ret = changes_tell(replay, &ev->hdr);
	for (int i = 0; i < n; i++)
		act_tell(replay, &acts[i]);
	return ret;
}

static struct kcoh_policy policy_of(struct replay *replay, uint32_t vm)
{
	const struct told *told = vm == KCOH_VM_NONE ? NULL : told_find(replay, vm);

	return told ? kcoh_config_policy(replay->config, told->name, told->uuid) :
		      kcoh_config_defaults(replay->config);
}

static union kcoh_ev policy_make(struct replay *replay, uint32_t vm, uint64_t ts_ns)
{
	union kcoh_ev ev = { .policy = { .hdr = { .ts_ns = ts_ns,
						  .vm = vm,
						  .vcpu = KCOH_VCPU_NONE,
						  .type = KCOH_EV_POLICY,
						  .size = sizeof(ev.policy) } } };
	struct kcoh_policy policy = policy_of(replay, vm);

	kcoh_policy_event(&policy, policy.qmp != NULL, &ev.policy);
	return ev;
}

static int born(struct replay *replay, const struct kcoh_ev_vm_new *ev)
{
	struct told *told = told_get(replay, ev->hdr.vm);
	char name[64];

	if (!told)
		return -ENOMEM;
	if (!strncmp(told->name, "vm-", 3) && !told->pid) {
		snprintf(name, sizeof(name), "%.*s-%" PRIu32, KCOH_COMM_LEN - 1, ev->comm, ev->pid);
		name_set(told, name, "");
	}
	told->pid = ev->pid;
	return 0;
}

static int event_take(struct replay *replay, const struct kcoh_frame *frame, const void *payload)
{
	union kcoh_ev ev = { 0 };
	int ret = 0;

	if (frame->size < sizeof(ev.hdr) || frame->size > sizeof(ev))
		return 0; /* of a later version: the core would skip it, too */
	memcpy(&ev, payload, frame->size);
	if (!replay->result.events++)
		replay->result.first_ns = ev.hdr.ts_ns;
	replay->result.last_ns = ev.hdr.ts_ns;
	if (ev.hdr.size > frame->size)
		return 0;
	if (ev.hdr.type == KCOH_EV_VM_NEW && ev.hdr.size == sizeof(ev.vm_new))
		ret = born(replay, &ev.vm_new);
	if (ret == 0 && replay->config && ev.hdr.type == KCOH_EV_POLICY) {
		uint32_t gap = ev.hdr.gap;

		ev = policy_make(replay, ev.hdr.vm, ev.hdr.ts_ns);
		ev.hdr.gap = gap;
	}
	return ret < 0 ? ret : step(replay, &ev, replay->config ? NULL : &frame->outcome);
}

/* The VMs that an image brings: told as they were, which is no news. */
static int image_tell(const struct kcoh_vm_view *view, void *ctx)
{
	struct replay *replay = ctx;
	struct told *told = told_get(replay, view->id);
	char name[64], text[128];

	if (!told)
		return -ENOMEM;
	if (!told->pid && !strncmp(told->name, "vm-", 3)) {
		snprintf(name, sizeof(name), "%s-%" PRIu32, view->comm, view->pid);
		name_set(told, name, "");
	}
	told->pid = view->pid;
	told->shown = true;
	told->windows = view->windows_open;
	told->verdict = view->verdict;
	memcpy(told->window_since_ns, view->window_since_ns, sizeof(told->window_since_ns));
	line(replay, told->name, "is there: %s", verdict_text(&view->verdict, text, sizeof(text)));
	return 0;
}

static int core_make(struct replay *replay, const struct kcoh_recording_header *header)
{
	const struct kcoh_core_config config = { header->max_vms, header->max_vcpus,
						 header->max_slots };

	replay->core = kcoh_core_init(replay->memory, replay->size, &config);
	return replay->core ? 0 : -EINVAL;
}

/* All VMs get the policy in question, as when the configuration is read again. */
static int policies_push(struct replay *replay)
{
	union kcoh_ev ev = policy_make(replay, KCOH_VM_NONE, replay->now_ns);
	int ret = step(replay, &ev, NULL);

	for (size_t i = 0; ret == 0 && i < replay->count; i++) {
		ev = policy_make(replay, replay->vms[i].id, replay->now_ns);
		ret = step(replay, &ev, NULL);
	}
	return ret;
}

static int image_take(struct replay *replay, const struct kcoh_recording_header *header,
		      const struct kcoh_frame *frame, const void *payload)
{
	int ret;

	if (replay->result.events)
		return 0; /* what it holds has been played */
	if (kcoh_core_load(replay->core, payload, frame->size) < 0) {
		replay->result.without_state = true;
		return core_make(replay, header);
	}
	ret = kcoh_core_each_vm(replay->core, image_tell, replay);
	return ret == 0 && replay->config ? policies_push(replay) : ret;
}

static int frame_take(struct replay *replay, const struct kcoh_recording_header *header,
		      const struct kcoh_frame *frame, const void *payload)
{
	if (frame->kind == KCOH_FRAME_EVENT)
		return event_take(replay, frame, payload);
	if (frame->kind == KCOH_FRAME_IMAGE)
		return image_take(replay, header, frame, payload);
	return 0; /* names were read before */
}

/* --- from the outside ------------------------------------------------------------------------------------- */

/* When the first event was made: what the image shows is as of then. */
static void time_take(struct replay *replay, const struct kcoh_frame *frame, const void *payload)
{
	struct kcoh_ev_hdr hdr;

	if (replay->now_ns || frame->kind != KCOH_FRAME_EVENT || frame->size < sizeof(hdr))
		return;
	memcpy(&hdr, payload, sizeof(hdr));
	replay->now_ns = hdr.ts_ns;
}

/* Names stand at the end, and are wanted from the beginning. */
static int names_take(struct replay *replay, struct kcoh_recording *recording)
{
	struct kcoh_frame frame;
	struct kcoh_frame_name name;
	const void *payload;
	struct told *told;
	int ret;

	while ((ret = kcoh_recording_next(recording, &frame, &payload)) > 0) {
		time_take(replay, &frame, payload);
		if (frame.kind != KCOH_FRAME_NAME || frame.size != sizeof(name))
			continue;
		memcpy(&name, payload, sizeof(name));
		name.uuid[sizeof(name.uuid) - 1] = name.name[sizeof(name.name) - 1] = '\0';
		told = told_get(replay, name.vm);
		if (!told)
			return -ENOMEM;
		name_set(told, name.name, name.uuid);
		told->pid = 1; /* known: not to be called by another name */
	}
	return 0;
}

static int play(struct replay *replay, struct kcoh_recording *recording)
{
	const struct kcoh_recording_header *header = kcoh_recording_header(recording);
	struct kcoh_frame frame;
	const void *payload;
	int ret = names_take(replay, recording), more;

	kcoh_recording_rewind(recording);
	while (ret == 0 && (more = kcoh_recording_next(recording, &frame, &payload)) != 0) {
		replay->result.damaged = more < 0;
		if (more < 0)
			break;
		ret = frame_take(replay, header, &frame, payload);
	}
	return ret;
}

int kcoh_replay(struct kcoh_recording *recording, const struct kcoh_config *config, FILE *out,
		struct kcoh_replay_result *ret_result)
{
	const struct kcoh_recording_header *header = kcoh_recording_header(recording);
	const struct kcoh_core_config bounds = { header->max_vms, header->max_vcpus,
						 header->max_slots };
	struct replay replay = { .config = config, .out = out, .size = kcoh_core_size(&bounds) };
	int ret;

	*ret_result = replay.result;
	if (!replay.size || replay.size > CORE_MAX)
		return -EINVAL;
	replay.memory = mmap(NULL, replay.size, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (replay.memory == MAP_FAILED)
		return -ENOMEM;
	ret = core_make(&replay, header);
	if (ret == 0)
		ret = play(&replay, recording);
	munmap(replay.memory, replay.size);
	free(replay.vms);
	*ret_result = replay.result;
	return ret;
}
