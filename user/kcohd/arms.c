// SPDX-License-Identifier: GPL-2.0-only
/*
 * arms.c - carries out ARM and DISARM: the strategies that the module carries for single VMs.
 *
 * ARM opens the VM's file at the module (act/vmfile.h) and keeps it open; a later one uses it again. DISARM closes it, and so do
 * the VM's end and `kcoh module release`, since an open file keeps the module loaded; kcohd's own end does, too. The module opens
 * a VM once only, so clean.c borrows the file, or has it opened for as long as it cleans. What
 * became of an act is told to the core with the next look at the ring, 10 ms later at most: carriers may not push
 * records before they return. With --dry-run nothing of it is done, and the core is told so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "act/vmfile.h"
#include "kcohd/daemon.h"

struct arm {
	LIST_ENTRY(arm) link;
	uint32_t vm;
	int fd; /* -1: none */
	bool given; /* it carries a strategy, and is kept open */
	bool answers; /* `done` is to be told */
	struct kcoh_ev_act_done done;
};

static struct arm *arm_find(struct daemon *daemon, uint32_t vm)
{
	struct arm *arm;

	LIST_FOREACH(arm, &daemon->arms, link)
	{
		if (arm->vm == vm)
			return arm;
	}
	return NULL;
}

static struct arm *arm_get(struct daemon *daemon, uint32_t vm)
{
	struct arm *arm = arm_find(daemon, vm);

	if (arm)
		return arm;
	arm = calloc(1, sizeof(*arm));
	if (!arm)
		return NULL;
	arm->vm = vm;
	arm->fd = -1;
	LIST_INSERT_HEAD(&daemon->arms, arm, link);
	return arm;
}

static void arm_close(struct arm *arm)
{
	if (arm->fd >= 0)
		close(arm->fd);
	arm->fd = -1;
	arm->given = false;
}

static int arm_open(struct arm *arm, const struct kcoh_ident *ident, char *err, size_t err_len)
{
	int fd = arm->fd >= 0 ? arm->fd : kcoh_vmfile_open(ident->pid, err, err_len);

	if (fd >= 0)
		arm->fd = fd;
	return fd;
}

static int carry_out(struct arm *arm, const struct kcoh_act *act, const struct kcoh_ident *ident,
		     char *err, size_t err_len)
{
	int result;

	if (act->type == KCOH_ACT_DISARM) {
		arm_close(arm);
		return 0;
	}
	result = arm_open(arm, ident, err, err_len);
	if (result < 0)
		return result;
	result = kcoh_vmfile_strategy(arm->fd, act->strategy, act->hold_ms, err, err_len);
	if (result < 0)
		arm_close(arm);
	else
		arm->given = true;
	return result;
}

static void answer(struct arm *arm, const struct kcoh_act *act, int result)
{
	arm->answers = true;
	arm->done = (struct kcoh_ev_act_done){ .act = act->type, .result = result };
}

static void arm_dry(struct daemon *daemon, struct arm *arm, const struct kcoh_act *act,
		    const struct kcoh_ident *ident)
{
	char sentence[128];

	if (act->type == KCOH_ACT_ARM)
		snprintf(sentence, sizeof(sentence),
			 "would have given the module its strategy %s, but for --dry-run",
			 kcoh_strategy_name(act->strategy));
	else
		snprintf(sentence, sizeof(sentence),
			 "would have taken its strategy from the module, but for --dry-run");
	say_vm(LOG_NOTICE, ident, KCOH_RSN_NONE, "%s", sentence);
	act_log(daemon, act, ident, KCOH_OUTCOME_DRY, 0, sentence);
	answer(arm, act, act->type == KCOH_ACT_ARM ? -ECANCELED : 0);
}

void arm_start(struct daemon *daemon, const struct kcoh_act *act, const struct kcoh_ident *ident)
{
	struct arm *arm = arm_get(daemon, act->vm);
	char sentence[256] = "";
	int result;

	if (!arm) /* the core notices that no answer comes, and asks again */
		return;
	if (daemon->options.dry_run) {
		arm_dry(daemon, arm, act, ident);
		return;
	}
	result = carry_out(arm, act, ident, sentence, sizeof(sentence));
	if (result < 0)
		say_vm(LOG_WARNING, ident, KCOH_RSN_NONE,
		       "the module cannot be given its strategy %s: %s",
		       kcoh_strategy_name(act->strategy), sentence);
	else if (act->type == KCOH_ACT_ARM)
		say_vm(LOG_INFO, ident, KCOH_RSN_NONE, "the module carries its strategy: %s",
		       kcoh_strategy_name(act->strategy));
	act_log(daemon, act, ident, result < 0 ? KCOH_OUTCOME_FAILED : KCOH_OUTCOME_DONE, result,
		result < 0 ? sentence : NULL);
	answer(arm, act, result);
}

void arms_answer(struct daemon *daemon)
{
	struct arm *arm, *next;

	for (arm = LIST_FIRST(&daemon->arms); arm; arm = next) {
		next = LIST_NEXT(arm, link);
		if (!arm->answers)
			continue;
		arm->answers = false;
		arm->done.hdr = header_now(KCOH_EV_ACT_DONE, sizeof(arm->done));
		arm->done.hdr.vm = arm->vm;
		push(daemon, &arm->done);
	}
}

int arms_borrow(struct daemon *daemon, const struct kcoh_ident *ident, char *err, size_t err_len)
{
	struct arm *arm = arm_get(daemon, ident->id);

	if (arm)
		return arm_open(arm, ident, err, err_len);
	snprintf(err, err_len, "no memory");
	return -ENOMEM;
}

void arms_give_back(struct daemon *daemon, uint32_t vm)
{
	struct arm *arm = arm_find(daemon, vm);

	if (arm && !arm->given)
		arm_close(arm);
}

void arms_forget(struct daemon *daemon, uint32_t vm)
{
	struct arm *arm = arm_find(daemon, vm);

	if (!arm)
		return;
	arm_close(arm);
	LIST_REMOVE(arm, link);
	free(arm);
}

void arms_close(struct daemon *daemon)
{
	struct arm *arm;

	while ((arm = LIST_FIRST(&daemon->arms)))
		arms_forget(daemon, arm->vm);
}
