// SPDX-License-Identifier: GPL-2.0-only
/*
 * privileges.c - what kcohd is allowed from here on: of root's powers those that it uses, and none that a program could give it.
 *
 * The problem: kcohd works with what guests and VMMs make, as root. As a service it is held by its unit file (kcohd.service, which says
 * what each capability is for); started by hand it would keep all that root has. So it lets go by itself once its socket is made, before its
 * first thread: threads get what it has then.
 *
 * Limit: what may write to /dev/kcoh and load BPF programs may do much to a host. This is a railing, not a wall.
 */
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kcohd/daemon.h"

#define BIT(capability) (1ull << (capability))
#define KEPT                                                                                       \
	(BIT(CAP_BPF) | BIT(CAP_PERFMON) | BIT(CAP_SYS_ADMIN) | BIT(CAP_SYS_PTRACE) |              \
	 BIT(CAP_DAC_OVERRIDE))

/* What no exec() may bring back. One that the kernel does not know ends the list. */
static int bounds_lower(void)
{
	for (int capability = 0; capability < 64; capability++) {
		int there = prctl(PR_CAPBSET_READ, capability, 0, 0, 0);

		if (there < 0)
			return 0;
		if (there && !(KEPT & BIT(capability)) &&
		    prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0)
			return -errno;
	}
	return 0;
}

static int capabilities_drop(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };

	if (syscall(SYS_capget, &header, caps) < 0)
		return -errno;
	for (int i = 0; i < 2; i++) {
		caps[i].permitted &= (__u32)(KEPT >> (32 * i));
		caps[i].effective = caps[i].permitted;
		caps[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, caps) < 0 ? -errno : 0;
}

/* Without it kcohd guards as well, so that it could not is told and no more. */
int privileges_up(struct daemon *daemon)
{
	int err = bounds_lower();

	(void)daemon;
	if (err == 0)
		err = capabilities_drop();
	if (err == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (err < 0)
		say(LOG_WARNING,
		    "kcohd keeps powers that it does not need: they cannot be dropped (%s)",
		    strerror(-err));
	return 0;
}
