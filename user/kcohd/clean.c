// SPDX-License-Identifier: GPL-2.0-only
/*
 * clean.c - all RAM of a VM is cleaned, because somebody asked (POST /v1/vms/SEL/clean): clean/clean.h does it, and this file gives it the
 * module, the scan and the exits.
 *
 * Refused at once where it is not needed (S2FWB: that is an answer, too), not possible (no module, pKVM), or not wanted (--dry-run). The
 * VM's file at the module is borrowed from arms.c for each piece, because an ARM or DISARM may come between two of them.
 *
 * While it scans, the VM may be found to be gone, which must not take the job from under its own feet: a VM that is gone is noticed by
 * the next thing that the job asks for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "act/vmfile.h"
#include "clean/clean.h"
#include "kcohd/daemon.h"

struct cleaning {
	LIST_ENTRY(cleaning) link;
	struct daemon *daemon;
	struct kcoh_ident *ident;
	struct kcoh_clean *job;
	kcoh_serve_cleaned_fn done;
	void *ctx;
};

static struct kcoh_act act_of(const struct cleaning *cleaning)
{
	return (struct kcoh_act){ .type = KCOH_ACT_CLEAN, .vm = cleaning->ident->id };
}

static int not_possible(const struct daemon *daemon, char *err, size_t err_len)
{
	const char *sentence = NULL;

	if (daemon->options.dry_run)
		sentence = "this kcohd runs with --dry-run, and does nothing to any VM";
	else if (daemon->host_features & KCOH_HOST_PKVM)
		sentence = "this host runs protected KVM, which the kcoh module cannot clean for";
	else if (!daemon->module.fits || !daemon->module.attached)
		sentence = "without the kcoh module nothing can be cleaned: load it with modprobe "
			   "kcoh";
	else if (daemon->module.hello.state == KCOH_MODULE_DISABLED)
		sentence = "the kcoh module is switched off: "
			   "echo 1 >/sys/module/kcoh/parameters/enabled";
	else if (daemon->module.hello.state != KCOH_MODULE_READY)
		sentence = "the kcoh module has stepped aside: the kernel's log says why";
	if (!sentence)
		return 0;
	snprintf(err, err_len, "%s", sentence);
	return -EOPNOTSUPP;
}

/* Its VM is there, and the module is in kcohd's hands. */
static int still_possible(const struct cleaning *cleaning, char *err, size_t err_len)
{
	const struct daemon *daemon = cleaning->daemon;

	if (!kcoh_roster_find(daemon->roster, cleaning->ident->id)) {
		snprintf(err, err_len, "the VM is gone");
		return -ENODEV;
	}
	return not_possible(daemon, err, err_len);
}

static int on_scan(void *ctx, struct kcoh_inventory *inventory, char *err, size_t err_len)
{
	struct cleaning *cleaning = ctx;
	struct daemon *daemon = cleaning->daemon;

	daemon->inventory = inventory;
	scan(daemon);
	daemon->inventory = NULL;
	return still_possible(cleaning, err, err_len);
}

static int on_vcpus(void *ctx, uint32_t *ret_vcpus, char *err, size_t err_len)
{
	struct cleaning *cleaning = ctx;
	int fd = arms_borrow(cleaning->daemon, cleaning->ident, err, err_len);

	return fd < 0 ? fd : kcoh_vmfile_vcpus(fd, ret_vcpus, err, err_len);
}

static int on_clean(void *ctx, struct kcoh_vm_range *range, char *err, size_t err_len)
{
	struct cleaning *cleaning = ctx;
	int fd = still_possible(cleaning, err, err_len);

	if (fd == 0)
		fd = arms_borrow(cleaning->daemon, cleaning->ident, err, err_len);
	return fd < 0 ? fd : kcoh_vmfile_clean(fd, range, err, err_len);
}

static int hook_is_attached(const struct kcoh_hook_view *hook, void *ctx)
{
	return !strcmp(hook->name, ctx) && hook->method;
}

/* Each of its vCPUs must be counted apart; and what the kernel did not count, for whatever vCPU, counts as an exit. */
static int on_exits(void *ctx, uint64_t *ret_exits)
{
	struct cleaning *cleaning = ctx;
	struct daemon *daemon = cleaning->daemon;
	uint64_t lost[KCOH_FEED_LOST_REASONS];
	struct kcoh_exit_counts counts;
	struct kcoh_vm_view view;

	if (!kcoh_feed_each_hook(daemon->feed, hook_is_attached, (char[]){ "kvm_exit" }) ||
	    kcoh_core_vm(daemon->core, cleaning->ident->id, &view) < 0)
		return -ENOENT;
	kcoh_feed_lost(daemon->feed, lost);
	*ret_exits = lost[KCOH_FEED_LOST_MISSED];
	for (uint32_t i = 0; i < view.vcpus; i++) {
		if (kcoh_feed_exits(daemon->feed, cleaning->ident->id, (uint16_t)i, &counts) < 0)
			return -ENOENT;
		for (int kind = 0; kind < KCOH_EXIT_CLASSES; kind++)
			*ret_exits += counts.classes[kind];
	}
	return 0;
}

static void cleaning_free(struct cleaning *cleaning)
{
	LIST_REMOVE(cleaning, link);
	arms_give_back(cleaning->daemon, cleaning->ident->id);
	kcoh_clean_free(cleaning->job);
	kcoh_ident_unref(cleaning->ident);
	free(cleaning);
}

static void on_done(void *ctx, int result, const struct kcoh_clean_result *ret_result,
		    const char *sentence)
{
	struct cleaning *cleaning = ctx;
	const struct kcoh_act act = act_of(cleaning);

	act_log(cleaning->daemon, &act, cleaning->ident,
		result < 0 ? KCOH_OUTCOME_FAILED : KCOH_OUTCOME_DONE, result, sentence);
	if (result < 0)
		say_vm(LOG_NOTICE, cleaning->ident, KCOH_RSN_NONE, "its RAM was not cleaned: %s",
		       sentence);
	else
		say_vm(LOG_NOTICE, cleaning->ident, KCOH_RSN_NONE, "its RAM, as asked: %s",
		       sentence);
	cleaning->done(cleaning->ctx, result, ret_result, sentence);
	cleaning_free(cleaning);
}

static bool is_being_cleaned(const struct daemon *daemon, uint32_t vm)
{
	const struct cleaning *cleaning;

	LIST_FOREACH(cleaning, &daemon->cleanings, link)
	{
		if (cleaning->ident->id == vm)
			return true;
	}
	return false;
}

static int job_start(struct daemon *daemon, struct cleaning *cleaning)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	const struct kcoh_clean_config config = {
		.event = daemon->event,
		.vm = cleaning->ident->id,
		.pid = cleaning->ident->pid,
		.page_size = daemon->page_size,
		.proc = "/proc",
		.qmp = qmp_path(daemon, cleaning->ident, path, sizeof(path)) == 0 ? path : NULL,
		.scan = on_scan,
		.vcpus = on_vcpus,
		.exits = on_exits,
		.clean = on_clean,
		.done = on_done,
		.ctx = cleaning,
	};

	return kcoh_clean_start(&config, &cleaning->job);
}

int clean_start(struct daemon *daemon, struct kcoh_ident *ident, kcoh_serve_cleaned_fn done,
		void *ctx, char *err, size_t err_len)
{
	struct cleaning *cleaning;
	struct kcoh_act act;
	int ret;

	if (daemon->host_features & KCOH_HOST_S2FWB) {
		snprintf(
			err, err_len,
			"this host has S2FWB: whatever reads guest RAM reads what the guest wrote");
		return -EALREADY;
	}
	ret = not_possible(daemon, err, err_len);
	if (ret < 0)
		return ret;
	if (is_being_cleaned(daemon, ident->id)) {
		snprintf(err, err_len, "it is being cleaned already");
		return -EBUSY;
	}
	cleaning = calloc(1, sizeof(*cleaning));
	snprintf(err, err_len, "no memory");
	if (!cleaning)
		return -ENOMEM;
	*cleaning = (struct cleaning){
		.daemon = daemon, .ident = kcoh_ident_ref(ident), .done = done, .ctx = ctx
	};
	LIST_INSERT_HEAD(&daemon->cleanings, cleaning, link);
	ret = job_start(daemon, cleaning);
	if (ret < 0) {
		cleaning_free(cleaning);
		return ret;
	}
	act = act_of(cleaning);
	act_log(daemon, &act, ident, KCOH_OUTCOME_STARTED, 0, NULL);
	return 0;
}

void cleanings_down(struct daemon *daemon)
{
	struct cleaning *cleaning;

	while ((cleaning = LIST_FIRST(&daemon->cleanings)))
		on_done(cleaning, -ECANCELED, NULL, "kcohd is being stopped");
}
