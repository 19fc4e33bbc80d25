// SPDX-License-Identifier: GPL-2.0-only
/*
 * fail.c - see fail.h. Not part of the module that is installed.
 */
#include <linux/atomic.h>
#include <linux/module.h>
#include <linux/string.h>

#include "fail.h"

static char fail[16];
module_param_string(fail, fail, sizeof(fail), 0644);
MODULE_PARM_DESC(fail, "the step that fails");
static uint fail_nth;
module_param(fail_nth, uint, 0644);
MODULE_PARM_DESC(fail_nth, "which passage of it; 0: each");

static atomic_t passages = ATOMIC_INIT(0);

static int passages_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&passages));
}

static const struct kernel_param_ops passages_ops = { .get = passages_get };
module_param_cb(fail_passages, &passages_ops, NULL, 0444);
MODULE_PARM_DESC(fail_passages, "how often that step was passed");

bool kcoh_fail(const char *step)
{
	unsigned int nth;

	if (!sysfs_streq(step, fail))
		return false;
	nth = atomic_inc_return(&passages);
	return !fail_nth || nth == fail_nth;
}
