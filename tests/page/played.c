// SPDX-License-Identifier: GPL-2.0-only
/*
 * played.c - a recording's records, moved in time. See played.h.
 *
 * kcohd's relay makes a VM's policy when the VM is new, and the recording has it behind the VM's first record: so the relay asks here,
 * is given that one, and the record itself is left out. Records of policies that changed later are given.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "played.h"
#include "record/file.h"

#define TICK_NS 1000000000ull

struct played {
	struct kcoh_recording *recording;
	const struct kcoh_ev_hdr **events; /* in the recording's memory */
	size_t count, room, next;
	const struct kcoh_frame_name **names;
	size_t n_names, names_room;
	uint64_t shift_ns; /* to be added to their times, modulo 2^64 */
	uint64_t ticked_ns;
	uint32_t features;
};

/* Appends to an array of pointers. */
static int keep(const void ***array, size_t *count, size_t *room, const void *one)
{
	size_t more = *room ? 2 * *room : 256;
	const void **grown;

	if (*count == *room) {
		grown = realloc(*array, more * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		*array = grown;
		*room = more;
	}
	(*array)[(*count)++] = one;
	return 0;
}

static int frames_read(struct played *played, char *err, size_t err_len)
{
	struct kcoh_frame frame;
	const void *payload;
	int more, full = 0;

	while (!full && (more = kcoh_recording_next(played->recording, &frame, &payload)) > 0) {
		if (frame.kind == KCOH_FRAME_EVENT)
			full = keep((const void ***)&played->events, &played->count, &played->room,
				    payload);
		else if (frame.kind == KCOH_FRAME_NAME)
			full = keep((const void ***)&played->names, &played->n_names,
				    &played->names_room, payload);
	}
	if (full < 0 || more < 0 || !played->count) {
		snprintf(err, err_len, "%s",
			 full < 0 ? "no memory" :
			 more < 0 ? kcoh_recording_damage(played->recording) :
				    "there is no event in it");
		return full < 0 ? full : -EINVAL;
	}
	return 0;
}

int played_open(const char *path, uint64_t end_ns, struct played **ret_played, char *err,
		size_t err_len)
{
	struct played *played = calloc(1, sizeof(*played));
	int status;

	if (!played)
		return -ENOMEM;
	status = kcoh_recording_open(path, &played->recording, err, err_len);
	if (status == 0)
		status = frames_read(played, err, err_len);
	if (status < 0) {
		played_close(played);
		return status;
	}
	played->shift_ns = end_ns - played->events[played->count - 1]->ts_ns;
	*ret_played = played;
	return 0;
}

void played_close(struct played *played)
{
	kcoh_recording_close(played->recording);
	free(played->events);
	free(played->names);
	free(played);
}

struct kcoh_ident *played_identify(const struct played *played, const struct kcoh_ev_vm_new *ev)
{
	const struct kcoh_frame_name *name = NULL;

	for (size_t i = 0; i < played->n_names; i++) {
		if (played->names[i]->vm == ev->hdr.vm)
			name = played->names[i];
	}
	return kcoh_ident_new(ev->hdr.vm, ev->pid, ev->comm, name ? name->name : NULL,
			      name ? name->uuid : NULL);
}

void played_policy(const struct played *played, const struct kcoh_ident *ident,
		   struct kcoh_ev_policy *ret_ev)
{
	struct kcoh_ev_hdr header = ret_ev->hdr;

	for (size_t i = played->next; i < played->count; i++) {
		const struct kcoh_ev_hdr *ev = played->events[i];

		if (ev->type != KCOH_EV_POLICY || ev->vm != ident->id)
			continue;
		memcpy(ret_ev, ev, ev->size < sizeof(*ret_ev) ? ev->size : sizeof(*ret_ev));
		ret_ev->hdr = header;
		return;
	}
}

uint64_t played_begin_ns(const struct played *played)
{
	return played->events[0]->ts_ns + played->shift_ns;
}

uint32_t played_features(const struct played *played)
{
	return played->features;
}

/* The relay has told it already. */
static bool is_told(struct kcoh_roster *roster, const union kcoh_ev *ev)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(roster, ev->hdr.vm);
	struct kcoh_ev_policy policy = ev->policy;

	if (ev->hdr.type != KCOH_EV_POLICY || !vm)
		return false;
	policy.hdr = vm->policy.hdr;
	return !memcmp(&policy, &vm->policy, sizeof(policy));
}

static void one_push(struct played *played, struct kcoh_relay *relay, struct kcoh_roster *roster)
{
	const struct kcoh_ev_hdr *from = played->events[played->next++];
	union kcoh_ev ev = { 0 };

	memcpy(&ev, from, from->size < sizeof(ev) ? from->size : sizeof(ev));
	ev.hdr.ts_ns += played->shift_ns;
	if (ev.hdr.type == KCOH_EV_HOST)
		played->features = ev.host.features;
	if (!is_told(roster, &ev))
		kcoh_relay_push(relay, &ev.hdr, ev.hdr.size);
	played->ticked_ns = ev.hdr.ts_ns;
}

void played_run(struct played *played, struct kcoh_relay *relay, struct kcoh_roster *roster,
		uint64_t now_ns)
{
	while (played->next < played->count &&
	       played->events[played->next]->ts_ns + played->shift_ns <= now_ns)
		one_push(played, relay, roster);
	if (played->next == played->count && played->ticked_ns + TICK_NS <= now_ns) {
		kcoh_relay_tick(relay, now_ns);
		played->ticked_ns = now_ns;
	}
}
