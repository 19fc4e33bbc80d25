// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - table of contents of the module: parameters, facts about the host, init and exit.
 *
 *   job.c      work that runs in a chosen thread before it is back in user mode or in the guest
 *   vm.c       the VMs and vCPUs that we keep something about
 *   trap.c     the trap on SCTLR_EL1 writes in dirty epochs
 *   hold.c     keeping a vCPU from running on
 *   harvest.c  cleaning of what a harvest returns
 *   taint.c    which pages need it, under strategy clean-tainted
 *   clean.c    the cache maintenance itself
 *   dev.c      /dev/kcoh
 *   vmfile.c   a VM as a file
 *   journal.c  which pages were cleaned, when
 *   trace.h    tracepoints kcoh:*
 *   fail.h     steps that can be made to fail, in builds for tests
 *   compat/    all that depends on the kernel at hand
 */
#define pr_fmt(fmt) "kcoh: " fmt

#include <asm/cpufeature.h>
#include <asm/virt.h>
#include <linux/module.h>
#include <linux/workqueue.h>

#include "kcoh.h"
#include "kcoh/version.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

struct kcoh_counters kcoh_count;

bool kcoh_enabled = true;
static bool observe;
static uint trap_budget = 20000;
static bool ready; /* init is complete: parameters act on VMs */
static bool stepped_aside;
static DEFINE_MUTEX(params_lock);

static int enabled_set(const char *val, const struct kernel_param *kp)
{
	int err;

	mutex_lock(&params_lock);
	err = param_set_bool(val, kp);
	if (!err && kcoh_enabled)
		WRITE_ONCE(stepped_aside, false); /* an operator who repaired it may try again */
	if (!err && ready)
		kcoh_trap_resync();
	mutex_unlock(&params_lock);
	return err;
}

static const struct kernel_param_ops enabled_ops = {
	.set = enabled_set,
	.get = param_get_bool,
};
module_param_cb(enabled, &enabled_ops, &kcoh_enabled, 0644);
MODULE_PARM_DESC(enabled,
		 "0 gives every trap back and sets none (the kill switch), at run time too");
module_param(observe, bool, 0444);
MODULE_PARM_DESC(observe,
		 "1 traps in dirty epochs even where the CPU has S2FWB and nothing needs repair");

module_param(trap_budget, uint, 0644);
MODULE_PARM_DESC(trap_budget, "trapped register writes a second that a VM may cost; above, its "
			      "trap is off for 5 s (0: no bound)");

enum auto_strategy { AUTO_NONE, AUTO_CLEAN };
static const char *const auto_names[] = { "none", "clean" };
static int auto_strategy = AUTO_CLEAN;

static int auto_set(const char *val, const struct kernel_param *kp)
{
	int i = __sysfs_match_string(auto_names, ARRAY_SIZE(auto_names), val);

	if (i < 0)
		return i;
	WRITE_ONCE(auto_strategy, i);
	return 0;
}

static int auto_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", auto_names[READ_ONCE(auto_strategy)]);
}

static const struct kernel_param_ops auto_ops = {
	.set = auto_set,
	.get = auto_get,
};
#undef auto /* newer headers make it __auto_type, and the parameter's name with it */
module_param_cb(auto, &auto_ops, NULL, 0644);
MODULE_PARM_DESC(auto, "clean: every harvest of every VM is cleaned; none: nothing is");

static bool has_s2fwb(void)
{
	return cpus_have_final_cap(ARM64_HAS_STAGE2_FWB);
}

bool kcoh_wanted(void)
{
	return READ_ONCE(kcoh_enabled) && (observe || !has_s2fwb());
}

bool kcoh_cleaning(const struct kcoh_vm *vm)
{
	int strategy = vm ? READ_ONCE(vm->strategy) : KCOH_STRATEGY_AUTO;

	if (!READ_ONCE(kcoh_enabled) || has_s2fwb())
		return false;
	if (strategy == KCOH_STRATEGY_AUTO)
		return READ_ONCE(auto_strategy) == AUTO_CLEAN;
	return strategy != KCOH_STRATEGY_OBSERVE;
}

bool kcoh_cleaning_tainted(const struct kcoh_vm *vm)
{
	return READ_ONCE(vm->strategy) == KCOH_STRATEGY_CLEAN_TAINTED;
}

bool kcoh_holding(const struct kcoh_vm *vm)
{
	return READ_ONCE(vm->strategy) == KCOH_STRATEGY_HOLD && READ_ONCE(vm->may_hold);
}

u32 kcoh_trap_budget(void)
{
	return READ_ONCE(trap_budget);
}

u32 kcoh_host_features(void)
{
	u32 features = KCOH_HOST_MODULE;

	if (has_s2fwb())
		features |= KCOH_HOST_S2FWB;
	if (is_kernel_in_hyp_mode())
		features |= KCOH_HOST_VHE;
	if (kcoh_wanted())
		features |= KCOH_HOST_TRAP;
	if (kcoh_cleaning(NULL))
		features |= KCOH_HOST_CLEAN;
	return features;
}

static void stop_work(struct work_struct *work)
{
	kcoh_trap_resync();
}

static DECLARE_WORK(stop, stop_work);

void kcoh_step_aside(const char *why, const char *what)
{
	WRITE_ONCE(kcoh_enabled, false);
	if (cmpxchg(&stepped_aside, false, true))
		return;
	pr_err("%s (%s): stepping aside, nothing is trapped or cleaned; unload and load the "
	       "module\n",
	       why, what);
	schedule_work(&stop);
}

/* A hook that somebody took out of the kernel's text does not fire, and nothing else would tell. */
static void check_hooks(void)
{
	const struct kcoh_hook *gone = kcoh_harvest_hook_gone() ?: kcoh_trap_hook_gone();

	if (gone && READ_ONCE(kcoh_enabled))
		kcoh_step_aside("a hook was switched off", gone->name);
}

u32 kcoh_state(void)
{
	check_hooks();
	if (READ_ONCE(stepped_aside))
		return KCOH_MODULE_STEPPED_ASIDE;
	if (!READ_ONCE(kcoh_enabled))
		return KCOH_MODULE_DISABLED;
	return kcoh_wanted() ? KCOH_MODULE_READY : KCOH_MODULE_NOT_NEEDED;
}

static int check_host(void)
{
	if (cpus_have_final_cap(ARM64_KVM_PROTECTED_MODE)) {
		pr_err("protected KVM (kvm-arm.mode=protected) hides guest state; refusing\n");
		return -EOPNOTSUPP;
	}
	return 0;
}

static void set_ready(bool value)
{
	mutex_lock(&params_lock);
	ready = value;
	if (!value)
		WRITE_ONCE(kcoh_enabled, false);
	mutex_unlock(&params_lock);
}

static int __init kcoh_init(void)
{
	int err;

	err = check_host();
	if (err)
		return err;
	err = kcoh_compat_init();
	if (err)
		return err;
	err = kcoh_harvest_init();
	if (err)
		return err;
	err = kcoh_trap_init();
	if (err)
		goto harvest_exit;
	err = kcoh_dev_init();
	if (err)
		goto trap_exit;
	set_ready(true);
	pr_info("ABI %u, %s, %s\n", KCOH_ABI, is_kernel_in_hyp_mode() ? "VHE" : "nVHE",
		has_s2fwb() ? "S2FWB: guest RAM is coherent, not needed" : "watching dirty epochs");
	return 0;

trap_exit:
	set_ready(false);
	kcoh_trap_stop();
harvest_exit:
	kcoh_harvest_stop();
	kcoh_jobs_exit();
	cancel_work_sync(&stop);
	kcoh_trap_exit();
	kcoh_harvest_exit();
	return err;
}

static void __exit kcoh_exit(void)
{
	kcoh_dev_exit();
	set_ready(false);
	kcoh_trap_stop();
	kcoh_harvest_stop();
	kcoh_jobs_exit();
	cancel_work_sync(&stop);
	kcoh_trap_exit();
	kcoh_harvest_exit();
}

module_init(kcoh_init);
module_exit(kcoh_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Coherency guard for KVM live migration on arm64");
MODULE_VERSION(KCOH_VERSION);
