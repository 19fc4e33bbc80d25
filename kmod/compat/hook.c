// SPDX-License-Identifier: GPL-2.0-only
/*
 * hook.c - run a function of ours at the entry of a kernel function.
 *
 * ftrace first: it costs a call, and with FTRACE_OPS_FL_PERMANENT nobody can switch it off under us by
 * kernel.ftrace_enabled. Where it is not to be had, a kprobe at the same place, which costs a trap and can
 * miss (nmissed) or be disarmed through debugfs; kcoh_hook_missed() tells.
 */
#include <linux/string.h>

#include "compat.h"

static void hook_ftrace_entry(unsigned long ip, unsigned long parent_ip, struct ftrace_ops *ops,
			      struct ftrace_regs *fregs)
{
	struct kcoh_hook *hook = container_of(ops, struct kcoh_hook, ops);
	struct kcoh_hook_args args;
#ifdef HAVE_FTRACE_REGS_ARGUMENT
	args.arg[0] = ftrace_regs_get_argument(fregs, 0);
	args.arg[1] = ftrace_regs_get_argument(fregs, 1);
	args.arg[2] = ftrace_regs_get_argument(fregs, 2);
	args.arg[3] = ftrace_regs_get_argument(fregs, 3);
#else
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (WARN_ON_ONCE(!regs))
		return;
	memcpy(args.arg, regs->regs, sizeof(args.arg));
#endif
	preempt_disable_notrace();
	hook->fn(&args);
	preempt_enable_notrace();
}

static int hook_kprobe_entry(struct kprobe *kp, struct pt_regs *regs)
{
	struct kcoh_hook *hook = container_of(kp, struct kcoh_hook, kp);
	struct kcoh_hook_args args;

	memcpy(args.arg, regs->regs, sizeof(args.arg));
	hook->fn(&args);
	return 0;
}

unsigned long kcoh_symbol_find(const char *name)
{
	struct kprobe kp = { .symbol_name = name };
	unsigned long addr;

	if (register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

static int hook_attach_ftrace(struct kcoh_hook *hook, unsigned long addr)
{
	int err;

	hook->ops.func = hook_ftrace_entry;
	hook->ops.flags = FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_PERMANENT;
#ifndef HAVE_FTRACE_REGS_ARGUMENT
	hook->ops.flags |= FTRACE_OPS_FL_SAVE_REGS;
#endif
	err = ftrace_set_filter_ip(&hook->ops, addr, 0, 0);
	if (err)
		return err;
	err = register_ftrace_function(&hook->ops);
	if (err)
		ftrace_set_filter_ip(&hook->ops, addr, 1, 0);
	return err;
}

static int hook_attach_kprobe(struct kcoh_hook *hook)
{
	memset(&hook->kp, 0, sizeof(hook->kp));
	hook->kp.symbol_name = hook->name;
	hook->kp.pre_handler = hook_kprobe_entry;
	return register_kprobe(&hook->kp);
}

int kcoh_hook_attach(struct kcoh_hook *hook)
{
	unsigned long addr = kcoh_symbol_find(hook->name);
	int err;

	if (!addr)
		return -ENOENT;
	if (!hook_attach_ftrace(hook, addr)) {
		hook->method = KCOH_HOOK_FTRACE;
		return 0;
	}
	err = hook_attach_kprobe(hook);
	if (!err)
		hook->method = KCOH_HOOK_KPROBE;
	return err;
}

void kcoh_hook_detach(struct kcoh_hook *hook)
{
	switch (hook->method) {
	case KCOH_HOOK_FTRACE:
		unregister_ftrace_function(&hook->ops);
		ftrace_free_filter(&hook->ops);
		break;
	case KCOH_HOOK_KPROBE:
		unregister_kprobe(&hook->kp);
		break;
	case KCOH_HOOK_OFF:
		break;
	}
	hook->method = KCOH_HOOK_OFF;
}

unsigned long kcoh_hook_missed(const struct kcoh_hook *hook)
{
	return hook->method == KCOH_HOOK_KPROBE ? hook->kp.nmissed : 0;
}
