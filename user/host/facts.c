// SPDX-License-Identifier: GPL-2.0-only
/*
 * facts.c - finds out what this host is, without changing anything.
 *
 * Whether the CPU has S2FWB, and whether KVM runs in VHE mode, user space cannot see: the kernel shows the ID registers to
 * programs without these fields, and its log is no interface. The module knows. Without it there is a hint: S2FWB is
 * mandatory from Armv8.4 on, and so are FEAT_DIT and FEAT_FlagM, which programs do see (hwcaps). A CPU that lacks one is no
 * Armv8.4 CPU and has hardly S2FWB: Neoverse N1 (8.2) shows neither, Neoverse V1 (8.4) both. It is a hint, so decisions
 * are never made by it.
 *
 * Protected KVM is asked for on the kernel's command line, so that is known either way.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/facts.h"

/* arch/arm64/include/uapi/asm/hwcap.h */
#define ARM64_HWCAP_DIT (1ul << 24)
#define ARM64_HWCAP_FLAGM (1ul << 27)
#define ARM64_V8_4 (ARM64_HWCAP_DIT | ARM64_HWCAP_FLAGM)

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

static bool exists(const char *root, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s%s", root, path);
	return access(full, F_OK) == 0;
}

static bool command_line_has(const char *root, const char *word)
{
	char path[512], text[4096] = "";
	FILE *file;

	snprintf(path, sizeof(path), "%s/proc/cmdline", root);
	file = fopen(path, "re");
	if (file && !fgets(text, sizeof(text), file))
		*text = '\0';
	if (file)
		fclose(file);
	return strstr(text, word);
}

/* The kernel makes an IOMMU device of each instance: smmu3.0x00000000ff4b0000 */
static unsigned int count_smmus(const char *root)
{
	char path[512];
	unsigned int count = 0;
	struct dirent *entry;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/sys/class/iommu", root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		count += !strncmp(entry->d_name, "smmu3.", 6);
	if (dir)
		closedir(dir);
	return count;
}

static int hello_fail(int error, const char *dev, char *err, size_t err_len)
{
	if (error == ENOENT || error == ENXIO || error == ENODEV) {
		snprintf(err, err_len, "the kcoh module is not loaded");
		return -ENOENT;
	}
	snprintf(err, err_len, "the kcoh module does not answer on %s: %s", dev, strerror(error));
	return -error;
}

int kcoh_host_hello(const char *dev, struct kcoh_hello *ret_hello, char *err, size_t err_len)
{
	int fd = open(dev, O_RDWR | O_CLOEXEC);
	int error;

	*ret_hello = (struct kcoh_hello){ .abi = KCOH_ABI };
	if (fd < 0)
		return hello_fail(errno, dev, err, err_len);
	error = ioctl(fd, KCOH_IOC_HELLO, ret_hello) < 0 ? errno : 0;
	close(fd);
	if (error == EPROTO) {
		snprintf(err, err_len,
			 "the kcoh module speaks ABI %u and this program ABI %u: install both from "
			 "the same release",
			 ret_hello->abi, KCOH_ABI);
		return -EPROTO;
	}
	return error ? hello_fail(error, dev, err, err_len) : 0;
}

int kcoh_host_stats(const char *dev, struct kcoh_stats *ret_stats)
{
	struct kcoh_hello hello = { .abi = KCOH_ABI };
	int fd = open(dev, O_RDWR | O_CLOEXEC);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, KCOH_IOC_HELLO, &hello) < 0 || ioctl(fd, KCOH_IOC_STATS, ret_stats) < 0)
		err = -errno;
	close(fd);
	return err;
}

const char *kcoh_module_state_name(uint32_t state)
{
	static const char *const names[] = { "ready", "not-needed", "disabled", "stepped-aside" };

	return state < sizeof(names) / sizeof(names[0]) ? names[state] : "?";
}

void kcoh_host_look(const char *root, struct kcoh_host_facts *ret_facts)
{
	struct kcoh_host_facts *facts = ret_facts;
	struct utsname uts = { 0 };
	char dev[512];

	*facts = (struct kcoh_host_facts){ 0 };
	uname(&uts);
	snprintf(facts->machine, sizeof(facts->machine), "%s", uts.machine);
	snprintf(facts->kernel, sizeof(facts->kernel), "%s", uts.release);
	facts->page_size = (uint32_t)sysconf(_SC_PAGESIZE);
	facts->arm64 = !strcmp(uts.machine, "aarch64");
	facts->kvm = exists(root, "/dev/kvm");
	facts->btf = exists(root, "/sys/kernel/btf/vmlinux");
	facts->may_bpf = may_load_bpf();
	facts->pkvm = command_line_has(root, "kvm-arm.mode=protected");
	facts->armv8_4 = facts->arm64 && (getauxval(AT_HWCAP) & ARM64_V8_4) == ARM64_V8_4;
	facts->smmus = count_smmus(root);
	snprintf(dev, sizeof(dev), "%s%s", root, KCOH_DEV);
	facts->hello_err = kcoh_host_hello(dev, &facts->hello, facts->hello_sentence,
					   sizeof(facts->hello_sentence));
}

int kcoh_host_usable(const struct kcoh_host_facts *facts, char *err, size_t err_len)
{
	if (!facts->arm64) {
		snprintf(err, err_len,
			 "this is an %s machine and no arm64 KVM host, so there is nothing to "
			 "guard here",
			 facts->machine);
		return -ENOTSUP;
	}
	if (!facts->kvm) {
		snprintf(err, err_len,
			 "there is no /dev/kvm: this kernel runs no virtual machines (on arm64 "
			 "KVM needs a kernel that was started at EL2)");
		return -ENODEV;
	}
	if (!facts->may_bpf) {
		snprintf(err, err_len,
			 "no right to load BPF programs: this needs CAP_BPF and CAP_PERFMON, or "
			 "to be run by root");
		return -EPERM;
	}
	return 0;
}
