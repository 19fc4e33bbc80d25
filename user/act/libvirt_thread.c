// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvirt_thread.c - the thread that talks to libvirtd. See libvirt.h.
 *
 * It runs libvirt's own event loop, and everything here is called from that loop: what kcohd asks for (an eventfd), what libvirt tells
 * (events of domains), and two timers: when to connect again, and when to look at migrations.
 *
 * libvirt tells when a migration's passes begin, and when it has completed, but not that it was cancelled or has failed. So a
 * domain is looked at from its first pass on (300 ms; 50 ms while one is to be cancelled) until its job is over: two calls each time.
 *
 * A call waits for libvirtd. When that hangs, the connection's keepalive ends it after some 20 s; who waits for a cancel was answered by then.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "act/libvirt_thread.h"

#define LOOK_MS 300
#define LOOK_FAST_MS 50
#define BACKOFF_FIRST_MS 500
#define BACKOFF_MAX_MS 10000
#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 3

struct domain {
	LIST_ENTRY(domain) link;
	char uuid[LV_UUID_LEN];
	uint32_t pid; /* 0: not known */
	bool watched; /* a migration of it may be under way */
	bool aborted; /* … which we ended */
	enum kcoh_phase phase; /* as told last */
};

struct cancel {
	LIST_ENTRY(cancel) link;
	uint64_t job;
	char uuid[LV_UUID_LEN];
	uint32_t pid;
	bool asked; /* virDomainAbortJob was accepted */
};

struct thread {
	struct lv_shared *shared;
	struct lv lv;
	struct lv_conn *conn;
	int events[3]; /* callbacks */
	int connect_timer, look_timer;
	int backoff_ms;
	bool closed; /* libvirtd closed the connection */
	bool stop;
	LIST_HEAD(, domain) domains; /* that run */
	LIST_HEAD(, cancel) cancels;
};

/* What libvirt says of a domain now. */
struct seen {
	bool exists; /* and runs, or is paused */
	bool runs;
	bool migrates; /* its job is a migration away */
	bool other; /* … is another one */
	bool postcopy;
	int job; /* LV_DOMAIN_JOB_* */
};

/* --- to kcohd's loop --------------------------------------------------------------------------------------- */

static void tell(struct thread *thread, const struct lv_message *message)
{
	lv_queue_add(&thread->shared->to_loop, message);
}

static void tell_domain(struct thread *thread, const struct domain *domain)
{
	struct lv_message message = { .type = LV_DOMAIN, .pid = domain->pid };

	memcpy(message.uuid, domain->uuid, sizeof(message.uuid));
	tell(thread, &message);
}

static void tell_phase(struct thread *thread, struct domain *domain, enum kcoh_phase phase)
{
	struct lv_message message = { .type = LV_PHASE, .pid = domain->pid, .phase = phase };

	if (domain->phase == phase)
		return;
	domain->phase = phase;
	memcpy(message.uuid, domain->uuid, sizeof(message.uuid));
	tell(thread, &message);
}

static void tell_down(struct thread *thread, int result, const char *why)
{
	struct lv_message message = { .type = LV_DOWN, .result = result };

	snprintf(message.sentence, sizeof(message.sentence), "%s", why);
	tell(thread, &message);
}

static void cancel_end(struct thread *thread, struct cancel *cancel, int result,
		       const char *sentence)
{
	struct lv_message message = { .type = LV_DONE, .job = cancel->job, .result = result };

	snprintf(message.sentence, sizeof(message.sentence), "%s", sentence);
	tell(thread, &message);
	LIST_REMOVE(cancel, link);
	free(cancel);
}

/* --- domains ----------------------------------------------------------------------------------------------- */

/* The process that libvirt noted for a domain, or 0. */
static uint32_t pid_read(const struct thread *thread, const char *name)
{
	uint32_t pid = 0;
	char *path;
	FILE *file;

	if (!name || strchr(name, '/') ||
	    asprintf(&path, "%s/%s.pid", thread->shared->pids, name) < 0)
		return 0;
	file = fopen(path, "re");
	free(path);
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu32, &pid) != 1)
		pid = 0;
	fclose(file);
	return pid;
}

static struct domain *domain_find(struct thread *thread, const char *uuid)
{
	struct domain *domain;

	LIST_FOREACH(domain, &thread->domains, link)
	{
		if (!strcmp(domain->uuid, uuid))
			return domain;
	}
	return NULL;
}

/* One that runs, by libvirt's handle. NULL without memory. */
static struct domain *domain_meet(struct thread *thread, struct lv_domain *handle)
{
	char uuid[LV_UUID_LEN];
	struct domain *domain;
	uint32_t pid;
	bool is_new;

	if (thread->lv.DomainGetUUIDString(handle, uuid) < 0)
		return NULL;
	domain = domain_find(thread, uuid);
	is_new = !domain;
	if (is_new) {
		domain = calloc(1, sizeof(*domain));
		if (!domain)
			return NULL;
		memcpy(domain->uuid, uuid, sizeof(uuid));
		LIST_INSERT_HEAD(&thread->domains, domain, link);
	}
	pid = pid_read(thread, thread->lv.DomainGetName(handle));
	if (is_new || pid != domain->pid) {
		domain->pid = pid;
		tell_domain(thread, domain);
	}
	return domain;
}

static void domain_free(struct domain *domain)
{
	LIST_REMOVE(domain, link);
	free(domain);
}

static void domain_gone(struct thread *thread, const char *uuid, bool migrated)
{
	struct lv_message message = { .type = LV_GONE };
	struct domain *domain = domain_find(thread, uuid);

	if (!domain)
		return;
	if (domain->watched || domain->phase != KCOH_PHASE_NONE)
		tell_phase(thread, domain, migrated ? KCOH_PHASE_COMPLETED : KCOH_PHASE_NONE);
	memcpy(message.uuid, domain->uuid, sizeof(message.uuid));
	tell(thread, &message);
	domain_free(domain);
}

/* --- looking at migrations --------------------------------------------------------------------------------- */

static bool watches(const struct thread *thread)
{
	const struct domain *domain;

	LIST_FOREACH(domain, &thread->domains, link)
	{
		if (domain->watched)
			return true;
	}
	return false;
}

static void look_plan(struct thread *thread)
{
	bool fast = !LIST_EMPTY(&thread->cancels);
	int ms = !thread->conn ? -1 : fast ? LOOK_FAST_MS : watches(thread) ? LOOK_MS : -1;

	thread->lv.EventUpdateTimeout(thread->look_timer, ms);
}

static int job_read(struct thread *thread, struct lv_domain *handle, struct seen *ret_seen)
{
	struct lv_param *params = NULL;
	int n = 0, operation = 0;

	if (thread->lv.DomainGetJobStats(handle, &ret_seen->job, &params, &n, 0) < 0)
		return -EREMOTEIO;
	thread->lv.TypedParamsGetInt(params, n, LV_DOMAIN_JOB_OPERATION, &operation);
	thread->lv.TypedParamsFree(params, n);
	ret_seen->migrates = ret_seen->job != LV_DOMAIN_JOB_NONE &&
			     operation == LV_DOMAIN_JOB_OPERATION_MIGRATION_OUT;
	ret_seen->other = ret_seen->job != LV_DOMAIN_JOB_NONE && !ret_seen->migrates;
	return 0;
}

static int state_read(struct thread *thread, struct lv_domain *handle, struct seen *ret_seen)
{
	int state = 0, reason = 0;

	if (thread->lv.DomainGetState(handle, &state, &reason, 0) < 0)
		return -EREMOTEIO;
	ret_seen->exists = state != LV_DOMAIN_SHUTOFF;
	ret_seen->runs = state == LV_DOMAIN_RUNNING;
	ret_seen->postcopy =
		state == LV_DOMAIN_PAUSED &&
		(reason == LV_DOMAIN_PAUSED_POSTCOPY || reason == LV_DOMAIN_PAUSED_POSTCOPY_FAILED);
	return 0;
}

static int handle_error(const struct thread *thread)
{
	return thread->lv.GetLastErrorCode() == LV_ERR_NO_DOMAIN ? 0 : -EREMOTEIO;
}

/* 0, also if it does not exist any more; or -EREMOTEIO: libvirt's last error says why. */
static int look_at(struct thread *thread, struct lv_domain *handle, struct seen *ret_seen)
{
	*ret_seen = (struct seen){ 0 };
	if (!handle)
		return handle_error(thread);
	if (state_read(thread, handle, ret_seen) < 0)
		return handle_error(thread);
	if (ret_seen->exists && job_read(thread, handle, ret_seen) < 0) {
		ret_seen->exists = false;
		return handle_error(thread);
	}
	return 0;
}

/* Its job is over, and it is still here. */
static void watch_end(struct thread *thread, struct domain *domain, bool cancelled)
{
	if (domain->phase != KCOH_PHASE_NONE)
		tell_phase(thread, domain,
			   cancelled || domain->aborted ? KCOH_PHASE_CANCELLED : KCOH_PHASE_FAILED);
	domain->phase = KCOH_PHASE_NONE; /* the next one is told from its beginning */
	domain->watched = false;
	domain->aborted = false;
}

static void watch_judge(struct thread *thread, struct domain *domain, const struct seen *seen)
{
	if (!seen->migrates) {
		watch_end(thread, domain, false);
		return;
	}
	switch (seen->job) {
	case LV_DOMAIN_JOB_FAILED:
	case LV_DOMAIN_JOB_CANCELLED:
		watch_end(thread, domain, seen->job == LV_DOMAIN_JOB_CANCELLED);
		break;
	case LV_DOMAIN_JOB_COMPLETED: /* it waits for the destination's word */
		break;
	default:
		tell_phase(thread, domain,
			   seen->postcopy  ? KCOH_PHASE_POSTCOPY :
			   domain->aborted ? KCOH_PHASE_CANCELLING :
					     KCOH_PHASE_ACTIVE);
	}
}

static void watch_look(struct thread *thread, struct domain *domain)
{
	struct lv_domain *handle = thread->lv.DomainLookupByUUIDString(thread->conn, domain->uuid);
	struct seen seen;

	if (look_at(thread, handle, &seen) == 0) {
		if (seen.exists)
			watch_judge(thread, domain, &seen);
		else
			domain->watched = false; /* its end is told by an event */
	}
	if (handle)
		thread->lv.DomainFree(handle);
}

/* --- ending migrations -------------------------------------------------------------------------------------- */

/* Says no, unless it is only that libvirtd went away: then it is tried again when that is back. */
static void cancel_refused(struct thread *thread, struct cancel *cancel)
{
	char sentence[LV_SENTENCE];

	if (thread->lv.ConnectIsAlive(thread->conn) != 1)
		return;
	snprintf(sentence, sizeof(sentence), "libvirt: %s", thread->lv.GetLastErrorMessage());
	cancel_end(thread, cancel, -EREMOTEIO, sentence);
}

static void cancel_ask(struct thread *thread, struct cancel *cancel, struct lv_domain *handle,
		       struct domain *domain)
{
	if (thread->lv.DomainAbortJob(handle) < 0) {
		cancel_refused(thread, cancel);
		return;
	}
	cancel->asked = true;
	domain->watched = true;
	domain->aborted = true;
	tell_phase(thread, domain, KCOH_PHASE_CANCELLING);
}

static bool job_is_over(const struct seen *seen)
{
	return seen->job == LV_DOMAIN_JOB_FAILED || seen->job == LV_DOMAIN_JOB_CANCELLED;
}

/* Its domain exists, and is the process that is meant. */
static void cancel_judge(struct thread *thread, struct cancel *cancel, struct lv_domain *handle,
			 struct domain *domain, const struct seen *seen)
{
	if (seen->other && !cancel->asked)
		cancel_end(thread, cancel, -EBUSY,
			   "libvirt's job of it is no migration (a save, a dump, a snapshot, …), "
			   "and is left alone");
	else if (cancel->asked && (!seen->migrates || job_is_over(seen)))
		cancel_end(thread, cancel, 0,
			   seen->runs ? "the migration is cancelled, the guest runs on here" :
					"the migration is cancelled, the VM is here and paused");
	else if (!seen->migrates)
		cancel_end(thread, cancel, -ENOENT,
			   "libvirt has no job of it: no migration is under way that it knows of");
	else if (job_is_over(seen))
		cancel_end(thread, cancel, 0, "the migration has failed, the guest runs on here");
	else if (seen->postcopy)
		cancel_end(thread, cancel, -EBUSY,
			   "the migration is in postcopy, the guest runs at the destination: a "
			   "cancel would lose it");
	else if (!cancel->asked)
		cancel_ask(thread, cancel, handle, domain);
}

static void cancel_look(struct thread *thread, struct cancel *cancel)
{
	struct lv_domain *handle = thread->lv.DomainLookupByUUIDString(thread->conn, cancel->uuid);
	struct domain *domain;
	struct seen seen;

	if (look_at(thread, handle, &seen) < 0) {
		cancel_refused(thread, cancel);
	} else if (!seen.exists) {
		cancel_end(thread, cancel, cancel->asked ? -EALREADY : -ENOENT,
			   cancel->asked ? "the VM has left, or has ended, before its migration "
					   "could be cancelled" :
					   "libvirt runs no such VM any more");
	} else {
		domain = domain_meet(thread, handle);
		if (domain && domain->pid == cancel->pid)
			cancel_judge(thread, cancel, handle, domain, &seen);
		else
			cancel_end(thread, cancel, -ENOENT,
				   "libvirt's VM of that UUID is another process");
	}
	if (handle)
		thread->lv.DomainFree(handle);
}

static void on_look(int timer, void *ctx)
{
	struct thread *thread = ctx;
	struct cancel *cancel, *next_cancel;
	struct domain *domain, *next;

	(void)timer;
	if (!thread->conn)
		return;
	for (cancel = LIST_FIRST(&thread->cancels); cancel; cancel = next_cancel) {
		next_cancel = LIST_NEXT(cancel, link);
		cancel_look(thread, cancel);
	}
	for (domain = LIST_FIRST(&thread->domains); domain; domain = next) {
		next = LIST_NEXT(domain, link);
		if (domain->watched)
			watch_look(thread, domain);
	}
	look_plan(thread);
}

/* --- what libvirt tells ------------------------------------------------------------------------------------ */

static int on_lifecycle(struct lv_conn *conn, struct lv_domain *handle, int event, int detail,
			void *ctx)
{
	struct thread *thread = ctx;
	char uuid[LV_UUID_LEN];

	(void)conn;
	if (event == LV_DOMAIN_EVENT_STARTED || event == LV_DOMAIN_EVENT_RESUMED)
		domain_meet(thread, handle);
	else if (event == LV_DOMAIN_EVENT_STOPPED &&
		 thread->lv.DomainGetUUIDString(handle, uuid) == 0)
		domain_gone(thread, uuid, detail == LV_DOMAIN_EVENT_STOPPED_MIGRATED);
	return 0;
}

static void on_iteration(struct lv_conn *conn, struct lv_domain *handle, int iteration, void *ctx)
{
	struct thread *thread = ctx;
	struct domain *domain = domain_meet(thread, handle);

	(void)conn;
	(void)iteration;
	if (!domain)
		return;
	if (!domain->watched)
		tell_phase(thread, domain, KCOH_PHASE_ACTIVE);
	domain->watched = true;
	look_plan(thread);
}

static void on_completed(struct lv_conn *conn, struct lv_domain *handle, struct lv_param *params,
			 int n, void *ctx)
{
	struct thread *thread = ctx;
	char uuid[LV_UUID_LEN];
	struct domain *domain;
	int operation = 0;

	(void)conn;
	thread->lv.TypedParamsGetInt(params, n, LV_DOMAIN_JOB_OPERATION, &operation);
	if (operation != LV_DOMAIN_JOB_OPERATION_MIGRATION_OUT ||
	    thread->lv.DomainGetUUIDString(handle, uuid) < 0)
		return;
	domain = domain_find(thread, uuid);
	if (!domain)
		return;
	tell_phase(thread, domain, KCOH_PHASE_COMPLETED);
	domain->watched = false;
}

static void on_closed(struct lv_conn *conn, int reason, void *ctx)
{
	struct thread *thread = ctx;

	(void)conn;
	(void)reason;
	thread->closed = true;
	thread->lv.EventUpdateTimeout(thread->connect_timer, 0);
}

/* --- the connection ---------------------------------------------------------------------------------------- */

static int events_register(struct thread *thread)
{
	const struct {
		int event;
		lv_event_fn fn;
	} wanted[] = {
		{ LV_DOMAIN_EVENT_ID_LIFECYCLE, (lv_event_fn)(void (*)(void))on_lifecycle },
		{ LV_DOMAIN_EVENT_ID_MIGRATION_ITERATION,
		  (lv_event_fn)(void (*)(void))on_iteration },
		{ LV_DOMAIN_EVENT_ID_JOB_COMPLETED, (lv_event_fn)(void (*)(void))on_completed },
	};

	for (int i = 0; i < 3; i++) {
		thread->events[i] = thread->lv.ConnectDomainEventRegisterAny(
			thread->conn, NULL, wanted[i].event, wanted[i].fn, thread, NULL);
		if (thread->events[i] < 0)
			return -EREMOTEIO;
	}
	return 0;
}

/* What began before this connection is found by looking at each once. */
static int domains_read(struct thread *thread)
{
	struct lv_domain **handles = NULL;
	int n = thread->lv.ConnectListAllDomains(thread->conn, &handles,
						 LV_CONNECT_LIST_DOMAINS_ACTIVE);

	if (n < 0)
		return -EREMOTEIO;
	tell(thread, &(struct lv_message){ .type = LV_LIST });
	for (int i = 0; i < n; i++) {
		struct domain *domain = domain_meet(thread, handles[i]);

		if (domain)
			domain->watched = true;
		thread->lv.DomainFree(handles[i]);
	}
	free(handles);
	tell(thread, &(struct lv_message){ .type = LV_LISTED });
	return 0;
}

/* Nobody tells any more how migrations go on; what was known of them must not stand for what is. */
static void domains_forget(struct thread *thread)
{
	struct domain *domain;

	while ((domain = LIST_FIRST(&thread->domains))) {
		tell_phase(thread, domain, KCOH_PHASE_NONE);
		domain_free(domain);
	}
}

static void disconnect(struct thread *thread)
{
	if (!thread->conn)
		return;
	for (int i = 0; i < 3; i++) {
		if (thread->events[i] >= 0)
			thread->lv.ConnectDomainEventDeregisterAny(thread->conn, thread->events[i]);
	}
	thread->lv.ConnectUnregisterCloseCallback(thread->conn, on_closed);
	thread->lv.ConnectClose(thread->conn);
	thread->conn = NULL;
	domains_forget(thread);
	look_plan(thread);
}

static void connect_later(struct thread *thread)
{
	thread->lv.EventUpdateTimeout(thread->connect_timer, thread->backoff_ms);
	thread->backoff_ms *= 2;
	if (thread->backoff_ms > BACKOFF_MAX_MS)
		thread->backoff_ms = BACKOFF_MAX_MS;
}

static int connection_set_up(struct thread *thread)
{
	for (int i = 0; i < 3; i++)
		thread->events[i] = -1;
	thread->closed = false;
	if (thread->lv.ConnectRegisterCloseCallback(thread->conn, on_closed, thread, NULL) < 0 ||
	    thread->lv.ConnectSetKeepAlive(thread->conn, KEEPALIVE_S, KEEPALIVE_COUNT) < 0 ||
	    events_register(thread) < 0)
		return -EREMOTEIO;
	return domains_read(thread);
}

static void tell_up(struct thread *thread)
{
	struct lv_message message = { .type = LV_UP };
	unsigned long version = 0;

	thread->lv.ConnectGetLibVersion(thread->conn, &version);
	snprintf(message.sentence, sizeof(message.sentence), "%lu.%lu.%lu", version / 1000000,
		 version / 1000 % 1000, version % 1000);
	tell(thread, &message);
}

static void connect_now(struct thread *thread)
{
	thread->conn = thread->lv.ConnectOpen(thread->shared->uri);
	if (!thread->conn || connection_set_up(thread) < 0) {
		tell_down(thread, 0, thread->lv.GetLastErrorMessage());
		disconnect(thread);
		connect_later(thread);
		return;
	}
	thread->backoff_ms = BACKOFF_FIRST_MS;
	tell_up(thread);
	look_plan(thread);
}

static void on_connect(int timer, void *ctx)
{
	struct thread *thread = ctx;

	thread->lv.EventUpdateTimeout(timer, -1);
	if (!thread->conn) {
		connect_now(thread);
	} else if (thread->closed) {
		tell_down(thread, 0, "libvirtd closed the connection");
		disconnect(thread);
		connect_later(thread);
	}
}

/* --- from kcohd's loop ------------------------------------------------------------------------------------- */

static void cancel_take(struct thread *thread, const struct lv_message *message)
{
	struct cancel *cancel = calloc(1, sizeof(*cancel));

	if (!cancel) /* its deadline ends it */
		return;
	cancel->job = message->job;
	cancel->pid = message->pid;
	memcpy(cancel->uuid, message->uuid, sizeof(cancel->uuid));
	LIST_INSERT_HEAD(&thread->cancels, cancel, link);
	if (thread->conn)
		thread->lv.EventUpdateTimeout(thread->look_timer, 0);
}

static void cancel_forget(struct thread *thread, uint64_t job)
{
	struct cancel *cancel;

	LIST_FOREACH(cancel, &thread->cancels, link)
	{
		if (cancel->job != job)
			continue;
		LIST_REMOVE(cancel, link);
		free(cancel);
		return;
	}
}

static void orders_take(struct thread *thread)
{
	struct lv_messages messages;
	struct lv_message *message;

	lv_queue_take(&thread->shared->to_thread, &messages);
	while ((message = STAILQ_FIRST(&messages))) {
		STAILQ_REMOVE_HEAD(&messages, link);
		if (message->type == LV_CANCEL)
			cancel_take(thread, message);
		else if (message->type == LV_FORGET)
			cancel_forget(thread, message->job);
		else if (message->type == LV_STOP)
			thread->stop = true;
		free(message);
	}
}

static void on_order(int watch, int fd, int events, void *ctx)
{
	(void)watch;
	(void)fd;
	(void)events;
	orders_take(ctx);
}

/* --- the thread -------------------------------------------------------------------------------------------- */

/* libvirt would print it on standard error. */
static void on_error(void *ctx, void *error)
{
	(void)ctx;
	(void)error;
}

static int loop_set_up(struct thread *thread, int *ret_watch)
{
	static bool registered; /* libvirt has one event loop in a process */
	struct lv *lv = &thread->lv;

	if (lv->Initialize() < 0)
		return -EREMOTEIO;
	lv->SetErrorFunc(NULL, on_error);
	if (!registered && lv->EventRegisterDefaultImpl() < 0)
		return -EREMOTEIO;
	registered = true;
	*ret_watch = lv->EventAddHandle(thread->shared->to_thread.fd, LV_EVENT_HANDLE_READABLE,
					on_order, thread, NULL);
	thread->connect_timer = lv->EventAddTimeout(0, on_connect, thread, NULL);
	thread->look_timer = lv->EventAddTimeout(-1, on_look, thread, NULL);
	return *ret_watch < 0 || thread->connect_timer < 0 || thread->look_timer < 0 ? -ENOMEM : 0;
}

static void run(struct thread *thread)
{
	int watch;

	if (loop_set_up(thread, &watch) < 0) {
		tell_down(thread, -EREMOTEIO, thread->lv.GetLastErrorMessage());
		return;
	}
	while (!thread->stop)
		thread->lv.EventRunDefaultImpl();
	disconnect(thread);
	thread->lv.EventRemoveHandle(watch);
	thread->lv.EventRemoveTimeout(thread->connect_timer);
	thread->lv.EventRemoveTimeout(thread->look_timer);
}

/* There is no libvirt: nothing to do but to end when asked to. */
static void wait_for_stop(struct thread *thread)
{
	struct pollfd poller = { .fd = thread->shared->to_thread.fd, .events = POLLIN };

	while (!thread->stop) {
		poll(&poller, 1, -1);
		orders_take(thread);
	}
}

/* Those of a fault come through, as in any other thread. */
static void signals_block(void)
{
	static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS };
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&set, faults[i]);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void *lv_thread(void *shared)
{
	struct thread thread = { .shared = shared, .backoff_ms = BACKOFF_FIRST_MS };
	char sentence[LV_SENTENCE];
	struct cancel *cancel;
	int err;

	signals_block();
	err = lv_load(&thread.lv, sentence, sizeof(sentence));
	if (err < 0)
		tell_down(&thread, err, sentence);
	else
		run(&thread);
	wait_for_stop(&thread);
	while ((cancel = LIST_FIRST(&thread.cancels))) {
		LIST_REMOVE(cancel, link);
		free(cancel);
	}
	return NULL;
}
