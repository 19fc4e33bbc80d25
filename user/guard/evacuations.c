// SPDX-License-Identifier: GPL-2.0-only
/*
 * evacuations.c - all evacuations: numbers, bounds, what is remembered, and what a kcohd before this one left behind.
 *
 * A mark that is found at the start is a migration that may stand before its switchover at this moment, with its guest paused. It is taken
 * over when its VM is known, and by then has a verdict; after 5 s without one also so: a VM that the core does not know is
 * vetoed, and the guest runs on. A mark whose process has ended is removed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "guard/internal.h"
#include "host/clock.h"
#include "names/process.h"

#define S_NS 1000000000ull
#define TIMEOUT_MS 600000
#define TIMEOUT_MAX_MS 86400000
#define PAUSE_MS 2000
#define PAUSE_MAX_MS 30000
#define DESTINATION_MAX 256
#define FOUND_NS (5 * S_NS)

static uint64_t now_ns(void)
{
	return kcoh_clock_ns(CLOCK_MONOTONIC);
}

static void on_mark(void *ctx, struct kcoh_mark *mark)
{
	struct kcoh_evacuations *all = ctx;
	struct kcoh_ident *ident = kcoh_ident_new(KCOH_VM_NONE, mark->pid, "?", mark->name, NULL);
	struct evacuation *one = ident ? evacuation_new(all, ident, mark) : NULL;

	kcoh_ident_unref(ident);
	if (one)
		TAILQ_INSERT_TAIL(&all->found, one, link);
	else
		kcoh_mark_free(mark);
}

int kcoh_evacuations_new(const struct kcoh_evacuations_config *config,
			 struct kcoh_evacuations **ret_all)
{
	struct kcoh_evacuations *all = calloc(1, sizeof(*all));
	int err = -ENOMEM;

	if (!all)
		return err;
	all->config = *config;
	all->begun_ns = now_ns();
	TAILQ_INIT(&all->list);
	TAILQ_INIT(&all->found);
	all->marks = strdup(config->marks);
	if (all->marks)
		err = mkdir(all->marks, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (err == 0)
		err = kcoh_marks_read(all->marks, on_mark, all);
	if (err < 0)
		kcoh_evacuations_free(all);
	else
		*ret_all = all;
	return err;
}

static void list_free(struct evacuation_list *list)
{
	struct evacuation *one;

	while ((one = TAILQ_FIRST(list))) {
		TAILQ_REMOVE(list, one, link);
		evacuation_free(one);
	}
}

void kcoh_evacuations_free(struct kcoh_evacuations *all)
{
	if (!all)
		return;
	list_free(&all->list);
	list_free(&all->found);
	free(all->marks);
	free(all);
}

static void list_add(struct kcoh_evacuations *all, struct evacuation *one)
{
	one->view.id = ++all->last_id;
	all->running++;
	TAILQ_INSERT_TAIL(&all->list, one, link);
}

void evacuations_count_end(struct kcoh_evacuations *all)
{
	all->running--;
	all->kept++;
}

/* The oldest that are over make room. */
static void forget_oldest(struct kcoh_evacuations *all)
{
	struct evacuation *one, *next;

	for (one = TAILQ_FIRST(&all->list); one && all->kept > KCOH_EVACUATIONS_KEPT; one = next) {
		next = TAILQ_NEXT(one, link);
		if (!kcoh_evacuation_is_over(one->view.state))
			continue;
		TAILQ_REMOVE(&all->list, one, link);
		evacuation_free(one);
		all->kept--;
	}
}

static struct evacuation *running_find(const struct kcoh_evacuations *all, uint32_t vm)
{
	struct evacuation *one;

	TAILQ_FOREACH(one, &all->list, link)
	{
		if (one->ident->id == vm && !kcoh_evacuation_is_over(one->view.state))
			return one;
	}
	return NULL;
}

/* QEMU takes more (exec: runs a program), none of which is the API's to give away. */
static bool is_destination(const char *uri)
{
	size_t len = strlen(uri);

	return len < DESTINATION_MAX &&
	       ((!strncmp(uri, "tcp:", 4) && len > 4) || (!strncmp(uri, "unix:/", 6) && len > 6));
}

static int order_check(const struct kcoh_evacuation_order *order, char *err, size_t err_len)
{
	if (!order->destination || !is_destination(order->destination)) {
		snprintf(err, err_len, "destination must be tcp:HOST:PORT or unix:/PATH");
		return -EINVAL;
	}
	if (order->timeout_ms > TIMEOUT_MAX_MS || order->pause_ms > PAUSE_MAX_MS) {
		snprintf(err, err_len, "timeout_ms is at most %d, pause_ms at most %d",
			 TIMEOUT_MAX_MS, PAUSE_MAX_MS);
		return -EINVAL;
	}
	return 0;
}

static int can_begin(const struct kcoh_evacuations *all, const struct kcoh_ident *ident,
		     char *ret_path, size_t path_len, char *err, size_t err_len)
{
	const struct evacuation *other = running_find(all, ident->id);

	if (other) {
		snprintf(err, err_len, "evacuation %u of this VM runs already", other->view.id);
		return -EBUSY;
	}
	if (all->running >= KCOH_EVACUATIONS_RUNNING) {
		snprintf(err, err_len, "%u evacuations run, which is the limit", all->running);
		return -ENOSPC;
	}
	if (all->config.qmp_path(all->config.ctx, ident, ret_path, path_len) == 0)
		return 0;
	snprintf(err, err_len,
		 "the configuration names no QMP socket of VM %s (qmp =), so kcohd cannot migrate "
		 "it",
		 ident->name);
	return -ENOENT;
}

int kcoh_evacuations_can(struct kcoh_evacuations *all, const struct kcoh_ident *ident, char *err,
			 size_t err_len)
{
	char path[256];

	return can_begin(all, ident, path, sizeof(path), err, err_len);
}

static struct kcoh_mark *mark_make(const struct kcoh_ident *ident, const char *qmp,
				   const char *destination)
{
	struct kcoh_mark *mark = calloc(1, sizeof(*mark));

	if (!mark)
		return NULL;
	*mark = (struct kcoh_mark){ .pid = ident->pid,
				    .start_time = kcoh_process_start_time(ident->pid),
				    .name = strdup(ident->name),
				    .qmp = strdup(qmp),
				    .destination = strdup(destination) };
	if (mark->name && mark->qmp && mark->destination)
		return mark;
	kcoh_mark_free(mark);
	return NULL;
}

int kcoh_evacuations_start(struct kcoh_evacuations *all, struct kcoh_ident *ident,
			   const struct kcoh_evacuation_order *order, uint32_t *ret_id, char *err,
			   size_t err_len)
{
	uint64_t timeout_ms = order->timeout_ms ? order->timeout_ms : TIMEOUT_MS;
	uint64_t pause_ms = order->pause_ms ? order->pause_ms : PAUSE_MS;
	int ret = order_check(order, err, err_len);
	struct evacuation *one;
	struct kcoh_mark *mark;
	char path[256];

	if (ret == 0)
		ret = can_begin(all, ident, path, sizeof(path), err, err_len);
	if (ret < 0)
		return ret;
	mark = mark_make(ident, path, order->destination);
	one = mark ? evacuation_new(all, ident, mark) : NULL;
	if (!one) {
		kcoh_mark_free(mark);
		snprintf(err, err_len, "no memory");
		return -ENOMEM;
	}
	list_add(all, one);
	*ret_id = one->view.id;
	evacuation_begin(one, timeout_ms * 1000000, pause_ms * 1000000);
	return 0;
}

static struct evacuation *find(const struct kcoh_evacuations *all, uint32_t id)
{
	struct evacuation *one;

	TAILQ_FOREACH(one, &all->list, link)
	{
		if (one->view.id == id)
			return one;
	}
	return NULL;
}

int kcoh_evacuations_stop(struct kcoh_evacuations *all, uint32_t id, char *err, size_t err_len)
{
	struct evacuation *one = find(all, id);

	if (!one) {
		snprintf(err, err_len, "there is no evacuation %u", id);
		return -ENOENT;
	}
	if (kcoh_evacuation_is_over(one->view.state)) {
		snprintf(err, err_len, "evacuation %u is over: it is %s", id,
			 kcoh_evacuation_state_name(one->view.state));
		return -EALREADY;
	}
	if (one->view.state == KCOH_EVACUATION_SWITCHING) {
		snprintf(err, err_len,
			 "evacuation %u is switching over: the guest may be at its destination "
			 "already",
			 id);
		return -EBUSY;
	}
	evacuation_cancel(one, KCOH_CAUSE_ASKED, "somebody asked for that", false);
	return 0;
}

/* Its own look at the verdict comes first, and usually came; who asks is answered when it has ended. */
bool kcoh_evacuations_veto(struct kcoh_evacuations *all, uint32_t vm)
{
	struct evacuation *one = running_find(all, vm);

	if (!one || !one->job)
		return false;
	one->core_wants = true;
	if (one->view.state < KCOH_EVACUATION_PAUSED)
		evacuation_decide(one);
	return true;
}

/* Under which number the VM is known now; NULL: it is not. */
static struct kcoh_ident *known(struct kcoh_evacuations *all, const struct evacuation *one)
{
	struct kcoh_roster_vm *vm;
	char selector[32], sentence[256];

	snprintf(selector, sizeof(selector), "pid:%u", one->mark->pid);
	if (kcoh_roster_select(all->config.roster, selector, &vm, sentence, sizeof(sentence)) < 0)
		return NULL;
	return vm->ident;
}

static void found_look(struct kcoh_evacuations *all, struct evacuation *one)
{
	struct kcoh_ident *ident = known(all, one);

	if (!kcoh_mark_lives(one->mark)) {
		kcoh_mark_remove(all->marks, one->mark->pid);
		TAILQ_REMOVE(&all->found, one, link);
		evacuation_free(one);
		return;
	}
	if (!ident && now_ns() - all->begun_ns < FOUND_NS)
		return;
	if (ident) {
		kcoh_ident_unref(one->ident);
		one->ident = kcoh_ident_ref(ident);
		one->view.ident = ident;
	}
	TAILQ_REMOVE(&all->found, one, link);
	list_add(all, one);
	evacuation_take_over(one);
}

void kcoh_evacuations_tick(struct kcoh_evacuations *all)
{
	struct evacuation *one, *next;

	for (one = TAILQ_FIRST(&all->found); one; one = next) {
		next = TAILQ_NEXT(one, link);
		found_look(all, one);
	}
	for (one = TAILQ_FIRST(&all->list); one; one = next) {
		next = TAILQ_NEXT(one, link);
		if (!kcoh_evacuation_is_over(one->view.state))
			evacuation_decide(one);
	}
	forget_oldest(all);
}

unsigned int kcoh_evacuations_stop_all(struct kcoh_evacuations *all)
{
	struct evacuation *one;

	TAILQ_FOREACH(one, &all->list, link)
	{
		if (one->view.state < KCOH_EVACUATION_SWITCHING)
			evacuation_cancel(one, KCOH_CAUSE_ASKED, "kcohd is being stopped", false);
	}
	return all->running;
}

void kcoh_evacuations_gone(struct kcoh_evacuations *all, const struct kcoh_ident *ident)
{
	struct evacuation *one = running_find(all, ident->id);

	if (one)
		evacuation_lost(one);
}

int kcoh_evacuations_find(const struct kcoh_evacuations *all, uint32_t id,
			  struct kcoh_evacuation_view *ret_view)
{
	const struct evacuation *one = find(all, id);

	if (!one)
		return -ENOENT;
	*ret_view = one->view;
	return 0;
}

int kcoh_evacuations_each(const struct kcoh_evacuations *all,
			  int (*fn)(const struct kcoh_evacuation_view *view, void *ctx), void *ctx)
{
	const struct evacuation *one;
	int ret = 0;

	TAILQ_FOREACH(one, &all->list, link)
	{
		ret = fn(&one->view, ctx);
		if (ret)
			break;
	}
	return ret;
}
