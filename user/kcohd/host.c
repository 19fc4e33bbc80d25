// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - may kcohd run here, and what is this host?
 *
 * What is asked of the host, each with one sentence: an arm64 machine, KVM, the right to load BPF programs.
 *
 * Whether the CPU has S2FWB user space cannot see: the kernel shows ID_AA64MMFR2_EL1 to programs without its FWB
 * field, and its log is no interface. The module knows. Without it the answer is 'not known', and the core is
 * told 'no', which is the side that vetoes. Protected KVM is asked for on the kernel's command line, so that is
 * known either way.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kcohd/daemon.h"

static bool may_load_bpf(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2] = { 0 };
	unsigned long long effective;

	if (syscall(SYS_capget, &header, caps) < 0)
		return true; /* then the kernel itself will refuse, and the feed says it */
	effective = (unsigned long long)caps[1].effective << 32 | caps[0].effective;
	return effective & 1ull << CAP_SYS_ADMIN ||
	       (effective & 1ull << CAP_BPF && effective & 1ull << CAP_PERFMON);
}

int host_up(struct daemon *daemon)
{
	struct utsname uts;

	daemon->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	if (uname(&uts) == 0 && strcmp(uts.machine, "aarch64")) {
		say(LOG_ERR,
		    "this is an %s machine and no arm64 KVM host, so there is nothing to guard "
		    "here",
		    uts.machine);
		return -ENOTSUP;
	}
	if (access("/dev/kvm", F_OK) < 0) {
		say(LOG_ERR, "there is no /dev/kvm: this kernel runs no virtual machines (on arm64 "
			     "KVM needs a kernel that was started at EL2)");
		return -ENODEV;
	}
	if (!may_load_bpf()) {
		say(LOG_ERR,
		    "kcohd may not load BPF programs: it needs CAP_BPF and CAP_PERFMON, or "
		    "to be run by root");
		return -EPERM;
	}
	return 0;
}

static int hello_fail(int error, char *err, size_t err_len)
{
	if (error == ENOENT || error == ENXIO || error == ENODEV) {
		snprintf(err, err_len, "the kcoh module is not loaded");
		return -ENOENT;
	}
	snprintf(err, err_len, "the kcoh module does not answer on %s: %s", KCOH_DEV,
		 strerror(error));
	return -error;
}

int host_hello(struct kcoh_hello *ret_hello, char *err, size_t err_len)
{
	int fd = open(KCOH_DEV, O_RDWR | O_CLOEXEC);
	int error;

	*ret_hello = (struct kcoh_hello){ .abi = KCOH_ABI };
	if (fd < 0)
		return hello_fail(errno, err, err_len);
	error = ioctl(fd, KCOH_IOC_HELLO, ret_hello) < 0 ? errno : 0;
	close(fd);
	if (error == EPROTO) {
		snprintf(err, err_len,
			 "the kcoh module speaks ABI %u and this kcohd ABI %u: install both from "
			 "the "
			 "same release",
			 ret_hello->abi, KCOH_ABI);
		return -EPROTO;
	}
	return error ? hello_fail(error, err, err_len) : 0;
}

int host_module_stats(struct kcoh_stats *ret_stats)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI };
	int fd = open(KCOH_DEV, O_RDWR | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, KCOH_IOC_HELLO, &hello) < 0 || ioctl(fd, KCOH_IOC_STATS, ret_stats) < 0)
		err = -errno;
	close(fd);
	return err;
}

uint32_t host_features_alone(void)
{
	char cmdline[4096] = "";
	FILE *file = fopen("/proc/cmdline", "re");

	if (file && !fgets(cmdline, sizeof(cmdline), file))
		*cmdline = '\0';
	if (file)
		fclose(file);
	return strstr(cmdline, "kvm-arm.mode=protected") ? KCOH_HOST_PKVM : 0;
}
