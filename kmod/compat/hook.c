// SPDX-License-Identifier: GPL-2.0-only
/*
 * hook.c - run a function of ours at the entry of a kernel function.
 *
 * ftrace first: it costs a call, and with FTRACE_OPS_FL_PERMANENT nobody can switch it off under us by
 * kernel.ftrace_enabled. Where it is not to be had, a kprobe at the same place, which costs a trap and can
 * miss (nmissed) or be disarmed through debugfs; kcoh_hooks_missed() and kcoh_hooks_gone() tell.
 */
#define pr_fmt(fmt) "kcoh: " fmt

#include <asm/brk-imm.h>
#include <asm/insn.h>
#include <linux/printk.h>
#include <linux/string.h>

#include "../fail.h"
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

	if (kcoh_fail(KCOH_FAIL_SYMBOL) || register_kprobe(&kp))
		return 0;
	addr = (unsigned long)kp.addr;
	unregister_kprobe(&kp);
	return addr;
}

static int hook_attach_ftrace(struct kcoh_hook *hook, unsigned long addr)
{
	int err;

	memset(&hook->ops, 0,
	       sizeof(hook->ops)); /* ftrace_free_filter() leaves pointers to what it freed */
	hook->ops.func = hook_ftrace_entry;
	hook->ops.flags = FTRACE_OPS_FL_RECURSION | FTRACE_OPS_FL_PERMANENT;
#ifndef HAVE_FTRACE_REGS_ARGUMENT
	hook->ops.flags |= FTRACE_OPS_FL_SAVE_REGS;
#endif
	if (kcoh_fail(KCOH_FAIL_FTRACE))
		return -ENODEV;
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

static int hook_attach(struct kcoh_hook *hook)
{
	int err;

	hook->addr = kcoh_symbol_find(hook->name);
	if (!hook->addr)
		return -ENOENT;
	if (kcoh_fail(KCOH_FAIL_HOOK))
		return -EBUSY;
	if (!hook_attach_ftrace(hook, hook->addr)) {
		hook->method = KCOH_HOOK_FTRACE;
		return 0;
	}
	err = hook_attach_kprobe(hook);
	if (!err)
		hook->method = KCOH_HOOK_KPROBE;
	return err;
}

static void hook_detach(struct kcoh_hook *hook)
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

int kcoh_hooks_attach(struct kcoh_hook *hooks, int n)
{
	int i, err;

	for (i = 0; i < n; i++) {
		err = hook_attach(&hooks[i]);
		if (err == -ENOENT && hooks[i].optional)
			continue;
		if (err) {
			pr_err("cannot hook %s on this kernel (%d)\n", hooks[i].name, err);
			kcoh_hooks_detach(hooks, i);
			return err;
		}
	}
	return 0;
}

void kcoh_hooks_detach(struct kcoh_hook *hooks, int n)
{
	while (n--)
		hook_detach(&hooks[n]);
}

u64 kcoh_hooks_missed(const struct kcoh_hook *hooks, int n)
{
	u64 missed = 0;

	while (n--) {
		if (hooks[n].method == KCOH_HOOK_KPROBE)
			missed += hooks[n].kp.nmissed;
	}
	return missed;
}

/*
 * The compiler leaves two NOPs at a function's entry, after a BTI where there is one; ftrace makes them
 * "mov x9, x30; bl ftrace_caller" (arch/arm64/kernel/ftrace.c). A kprobe puts its BRK on the first instruction.
 */
static bool hook_in_place(const struct kcoh_hook *hook)
{
	const __le32 *text = (const __le32 *)hook->addr;
	u32 call = le32_to_cpu(READ_ONCE(text[1]));

	if (hook->method == KCOH_HOOK_KPROBE)
		return le32_to_cpu(READ_ONCE(text[0])) ==
		       (AARCH64_BREAK_MON | (KPROBES_BRK_IMM << 5));
	return aarch64_insn_is_bl(call) || aarch64_insn_is_bl(le32_to_cpu(READ_ONCE(text[2])));
}

const struct kcoh_hook *kcoh_hooks_gone(const struct kcoh_hook *hooks, int n)
{
	int i;

	for (i = 0; i < n; i++) {
		if (hooks[i].method != KCOH_HOOK_OFF && !hook_in_place(&hooks[i]))
			return &hooks[i];
	}
	return NULL;
}
