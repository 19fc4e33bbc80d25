// SPDX-License-Identifier: GPL-2.0-only
/*
 * relocate.c - relocates BPF objects against a kernel's type information, without that kernel.
 *
 *   relocate BTF OBJECT.bpf.o…
 *
 * libbpf does CO-RE (finding each field, enum and type of bpf/kernel.bpf.h in the running kernel) on its way to loading an
 * object. Here it goes that way with another kernel's BTF, and the kernel at the end is replaced by a function that
 * says yes to everything: the linker turns libbpf's syscall() into ours (--wrap). So what is tested is libbpf itself, in
 * some ms and on any machine, and nothing is really loaded.
 *
 * Prints what libbpf says about each relocation (judge.py reads it), and for each program how many of its instructions
 * were made invalid, since what they ask for does not exist. Exit status: 0, 1 libbpf refused an object, 2 wrong use.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define POISON                                                                                     \
	0xbad2310 /* libbpf's call to nowhere, in place of an instruction that cannot be relocated */

static const char *btf_path;

long __wrap_syscall(long number, long command, long attr, long size);
struct btf *__wrap_btf__load_vmlinux_btf(void);
long __real_syscall(long number, long command, long attr, long size);

static void count_poison(const union bpf_attr *attr)
{
	const struct bpf_insn *insns = (const void *)(unsigned long)attr->insns;
	unsigned int poisoned = 0;

	for (unsigned int i = 0; i < attr->insn_cnt; i++)
		poisoned += insns[i].code == (BPF_JMP | BPF_CALL) && insns[i].imm == POISON;
	if (attr->prog_name[0])
		printf("program %s insns=%u invalid=%u\n", attr->prog_name, attr->insn_cnt,
		       poisoned);
}

long __wrap_syscall(long number, long command, long attr, long size)
{
	if (number != __NR_bpf)
		return __real_syscall(number, command, attr, size);
	switch (command) {
	case BPF_PROG_LOAD:
		count_poison((const union bpf_attr *)attr);
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	case BPF_MAP_CREATE:
	case BPF_BTF_LOAD:
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	case BPF_BTF_GET_NEXT_ID: /* no modules */
		errno = ENOENT;
		return -1;
	}
	return 0;
}

struct btf *__wrap_btf__load_vmlinux_btf(void)
{
	return btf__parse(btf_path, NULL);
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	return vprintf(format, args);
}

/* The function of the kernel that a program is a trampoline on; "": it is none. */
static void trampoline_of(const struct bpf_program *prog, char *ret_func, size_t len)
{
	const char *section = bpf_program__section_name(prog);
	const char *func = strchr(section, '/');

	*ret_func = 0;
	if (!strncmp(section, "fentry/", 7) || !strncmp(section, "fexit/", 6))
		snprintf(ret_func, len, "%s", func + 1);
	else if (!strncmp(section, "lsm/", 4))
		snprintf(ret_func, len, "bpf_lsm_%s", func + 1);
}

/* As the feed does: a trampoline on a function that this kernel has not is not loaded. */
static void choose(struct bpf_object *obj)
{
	struct btf *vmlinux = btf__parse(btf_path, NULL);
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, obj)
	{
		char func[128];

		trampoline_of(prog, func, sizeof(func));
		if (*func && btf__find_by_name_kind(vmlinux, func, BTF_KIND_FUNC) < 0)
			bpf_program__set_autoload(prog, false);
	}
	btf__free(vmlinux);
}

static int relocate(const char *path)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .btf_custom_path = btf_path);
	struct bpf_object *obj = bpf_object__open_file(path, &opts);
	int err = obj ? 0 : -errno;

	if (obj) {
		choose(obj);
		err = bpf_object__load(obj);
	}
	printf("object %s: %d\n", path, err);
	bpf_object__close(obj);
	return err;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 3) {
		fprintf(stderr, "usage: %s BTF OBJECT...\n", argv[0]);
		return 2;
	}
	btf_path = argv[1];
	libbpf_set_print(print);
	for (int i = 2; i < argc; i++)
		failed |= relocate(argv[i]) != 0;
	return failed;
}
