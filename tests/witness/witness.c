// SPDX-License-Identifier: GPL-2.0-only
/*
 * witness.c - a QEMU TCG plugin: writes down which cache maintenance the emulated host's kernel really executed.
 *
 * The module says in its journal what it cleaned. TCG has no caches and takes DC CIVAC for a NOP, so nothing inside the
 * machine can tell whether that is true. This looks from outside, at the instructions: a line of text each, in the order
 * in which they were executed, numbers in hex:
 *
 *   C cpu task pc va n       n cache lines from va on, by DC CIVAC at pc
 *   D cpu task option        a DSB that may complete such, or an invalidation (option f is SY, b is ISH)
 *   T cpu task kind vttbr    stage-2 TLB invalidation: all (VMALLS12E1IS), ipa, or local (this CPU only)
 *   P cpu task kvm slot base hva offset mask       KVM write-protects these pages of a slot
 *   S cpu task kvm slot base pages hva flags       a memslot was made or changed
 *   G cpu task vttbr         a guest is entered that runs on these stage-2 tables; told once a run
 *   O cpu task tid           the first of these for this task since it was last in user mode; tid 0: told by a second O
 *   E cpu task               its return to user mode (ERET to EL0), after O
 *   L va pa                  the kernel's linear map: QEMU's own translation of a store of copy_page()
 *   M cpu task x0 … x6       a program in the machine tells something (tests/lab/witness/mark.h)
 *   Z                        the end; without it the record is not whole
 *
 * `task` is the address of the task_struct, which the kernel keeps in SP_EL0: it holds across CPUs. A CMO of the kernel is by
 * virtual address; L says where in memory that is. What a guest executes is left out: at EL2 it is the host, below
 * it is the guest if HCR_EL2.VM is set. Only what happens between the marks BEGIN and END is written.
 *
 * The limit: an instruction is seen just before it is executed, so one that traps would be seen too. None of these does
 * in a host's kernel. pKVM, which runs the host itself on stage 2, is not understood.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lab/witness/mark.h"
#include "plugin.h"

#define MAX_CPUS 64
#define MAX_OPEN 256 /* tasks in the kernel that did something worth telling */
#define HCR_VM 1ull
#define HCR_E2H (1ull << 34)
#define BIT63 (1ull << 63)
#define DSB_ISH 0xb
#define DSB_SY 0xf
#define PC_BITS 48 /* the kernel's upper bits are ones */

int qemu_plugin_version = QEMU_PLUGIN_VERSION;

/* What is read of a CPU: x0 to x30, and these. */
enum reg { CPSR = 31, SPSR_EL1, SPSR_EL2, HCR_EL2, VTTBR_EL2, CTR_EL0, REGS };
static const char *const reg_names[REGS] = {
	[CPSR] = "cpsr",       [SPSR_EL1] = "SPSR_EL1",   [SPSR_EL2] = "SPSR_EL2",
	[HCR_EL2] = "HCR_EL2", [VTTBR_EL2] = "VTTBR_EL2", [CTR_EL0] = "CTR_EL0",
};
static struct qemu_plugin_register *regs[REGS];

#define HEX " %" PRIx64
#define HEX6 HEX HEX HEX HEX HEX HEX

/* Where fields lie in the kernel's structures: arguments, from its BTF. */
enum field { SLOT_BASE, SLOT_PAGES, SLOT_HVA, SLOT_FLAGS, SLOT_ID, TASK_PID, FIELDS };
static const struct {
	const char *argument;
	size_t bytes;
} fields[FIELDS] = { { "base_gfn", 8 }, { "npages", 8 },  { "userspace_addr", 8 },
		     { "flags", 4 },    { "slot_id", 2 }, { "pid", 4 } };
static long offsets[FIELDS] = { -1, -1, -1, -1, -1, -1 };

/* Its thread alone uses it. */
struct cpu {
	GByteArray *buf;
	uint64_t task;
	uint64_t vttbr; /* told last */
	bool cleaning; /* a CMO that no DSB SY followed */
	bool invalidating; /* an invalidation that no DSB ISH or SY followed */
	uint64_t run_task, run_pc, run_va, run_lines; /* CMOs not written yet */
};
static struct cpu cpus[MAX_CPUS];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Under the lock: */
static FILE *out;
static struct {
	uint64_t task;
	bool named; /* its tid is known */
} open_tasks[MAX_OPEN];
static unsigned int open_n;
static uint64_t linear_offset;
/* Set under the lock, read without: */
static bool recording;
static uint64_t line_bytes;
static uint64_t symbols[WITNESS_SYMBOLS];

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("witness: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	fflush(stderr);
	_Exit(2); /* QEMU's way out would call us again, and wait for the lock */
}

static uint64_t number(const GByteArray *buf)
{
	uint64_t value = 0;

	memcpy(&value, buf->data, buf->len < 8 ? buf->len : 8);
	return value;
}

static uint64_t reg(struct cpu *cpu, unsigned int which)
{
	g_byte_array_set_size(cpu->buf, 0);
	qemu_plugin_read_register(regs[which], cpu->buf);
	return number(cpu->buf);
}

static uint64_t field(struct cpu *cpu, uint64_t object, enum field which)
{
	if (!qemu_plugin_read_memory_vaddr(object + offsets[which], cpu->buf, fields[which].bytes))
		die("cannot read %s of the object at %#" PRIx64, fields[which].argument, object);
	return number(cpu->buf);
}

static unsigned int el(struct cpu *cpu)
{
	return reg(cpu, CPSR) >> 2 & 3;
}

static bool in_host_kernel(struct cpu *cpu)
{
	unsigned int level = el(cpu);

	return level == 2 || (level == 1 && !(reg(cpu, HCR_EL2) & HCR_VM));
}

/* --- writing, under the lock ------------------------------------------------------------------------------------ */

static void write_run(struct cpu *cpu)
{
	if (cpu->run_lines)
		fprintf(out, "C %tx" HEX HEX HEX HEX "\n", cpu - cpus, cpu->run_task, cpu->run_pc,
			cpu->run_va, cpu->run_lines);
	cpu->run_lines = 0;
}

__attribute__((format(printf, 3, 4))) static void write_event(struct cpu *cpu, char kind,
							      const char *format, ...)
{
	va_list args;

	write_run(cpu);
	fprintf(out, "%c %tx" HEX, kind, cpu - cpus, cpu->task);
	va_start(args, format);
	vfprintf(out, format, args);
	va_end(args);
	fputc('\n', out);
}

static unsigned int open_find(uint64_t task)
{
	unsigned int i = 0;

	while (i < open_n && open_tasks[i].task != task)
		i++;
	return i;
}

/* At EL2 without VHE the kernel's memory is not mapped. */
static bool sees_kernel_memory(struct cpu *cpu)
{
	return el(cpu) < 2 || (reg(cpu, HCR_EL2) & HCR_E2H);
}

static void task_open(struct cpu *cpu)
{
	unsigned int i = open_find(cpu->task);
	bool named = i < open_n && open_tasks[i].named;

	if (i == MAX_OPEN)
		die("more than %d tasks clean at a time", MAX_OPEN);
	if (named || (i < open_n && !sees_kernel_memory(cpu)))
		return;
	named = sees_kernel_memory(cpu);
	open_tasks[i].task = cpu->task;
	open_tasks[i].named = named;
	open_n += i == open_n;
	write_event(cpu, 'O', HEX, named ? field(cpu, cpu->task, TASK_PID) : 0);
}

/* --- what is executed ------------------------------------------------------------------------------------------- */

static void on_clean(unsigned int vcpu, void *data)
{
	uint64_t pc = (uintptr_t)data | ~0ull << PC_BITS;
	unsigned int rt = (uintptr_t)data >> PC_BITS;
	struct cpu *cpu = &cpus[vcpu];
	uint64_t va;

	if (!recording || !in_host_kernel(cpu))
		return;
	va = rt < 31 ? reg(cpu, rt) : 0;
	cpu->cleaning = true;
	if (cpu->run_lines && cpu->run_task == cpu->task && cpu->run_pc == pc &&
	    va == cpu->run_va + cpu->run_lines * line_bytes) {
		cpu->run_lines++;
		return;
	}
	pthread_mutex_lock(&lock);
	write_run(cpu);
	task_open(cpu);
	pthread_mutex_unlock(&lock);
	cpu->run_task = cpu->task;
	cpu->run_pc = pc;
	cpu->run_va = va;
	cpu->run_lines = 1;
}

static void on_barrier(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];
	unsigned int option = (uintptr_t)data;

	if (!recording || !(cpu->cleaning || cpu->invalidating) || !in_host_kernel(cpu))
		return;
	if (option == DSB_SY)
		cpu->cleaning = false;
	if (option == DSB_SY || option == DSB_ISH)
		cpu->invalidating = false;
	pthread_mutex_lock(&lock);
	write_event(cpu, 'D', " %x", option);
	pthread_mutex_unlock(&lock);
}

static void on_tlb_invalidation(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];

	if (!recording || !in_host_kernel(cpu))
		return;
	cpu->invalidating = true;
	pthread_mutex_lock(&lock);
	task_open(cpu);
	write_event(cpu, 'T', " %s" HEX, (const char *)data, reg(cpu, VTTBR_EL2));
	pthread_mutex_unlock(&lock);
}

static void on_eret(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];
	unsigned int from, to, i;
	bool virtual;

	(void)data;
	if (!recording)
		return;
	from = el(cpu);
	to = reg(cpu, from == 2 ? SPSR_EL2 : SPSR_EL1) >> 2 & 3;
	virtual = reg(cpu, HCR_EL2) & HCR_VM;
	if (virtual && from == 2 && to < 2 && reg(cpu, VTTBR_EL2) != cpu->vttbr) {
		cpu->vttbr = reg(cpu, VTTBR_EL2);
		pthread_mutex_lock(&lock);
		write_event(cpu, 'G', HEX, cpu->vttbr);
		pthread_mutex_unlock(&lock);
	}
	if (virtual || to != 0)
		return;
	pthread_mutex_lock(&lock);
	i = open_find(cpu->task);
	if (i < open_n) {
		open_tasks[i] = open_tasks[--open_n];
		write_event(cpu, 'E', "%s", "");
	}
	pthread_mutex_unlock(&lock);
}

/* MSR SP_EL0, Xt: another task, or (not an address of the kernel) the stack of the user mode it goes back to. */
static void on_task(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];
	uint64_t task;

	if (!in_host_kernel(cpu))
		return;
	task = reg(cpu, (uintptr_t)data);
	if (!(task & BIT63) || task == cpu->task)
		return;
	if (cpu->run_lines) {
		pthread_mutex_lock(&lock);
		write_run(cpu);
		pthread_mutex_unlock(&lock);
	}
	cpu->task = task;
}

/* kvm_arch_mmu_enable_log_dirty_pt_masked(kvm, slot, offset, mask) */
static void on_protect(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];
	uint64_t slot;

	(void)data;
	if (!recording)
		return;
	slot = reg(cpu, 1);
	pthread_mutex_lock(&lock);
	task_open(cpu);
	write_event(cpu, 'P', HEX6, reg(cpu, 0), field(cpu, slot, SLOT_ID),
		    field(cpu, slot, SLOT_BASE), field(cpu, slot, SLOT_HVA), reg(cpu, 2),
		    reg(cpu, 3));
	pthread_mutex_unlock(&lock);
}

/* kvm_arch_commit_memory_region(kvm, old, new, change) */
static void on_slot(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];
	uint64_t slot;

	(void)data;
	slot = recording ? reg(cpu, 2) : 0;
	if (!slot)
		return;
	pthread_mutex_lock(&lock);
	task_open(cpu);
	write_event(cpu, 'S', HEX6, reg(cpu, 0), field(cpu, slot, SLOT_ID),
		    field(cpu, slot, SLOT_BASE), field(cpu, slot, SLOT_PAGES),
		    field(cpu, slot, SLOT_HVA), field(cpu, slot, SLOT_FLAGS));
	pthread_mutex_unlock(&lock);
}

static void on_page_copy(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t va, void *data)
{
	struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, va);
	uint64_t pa;

	(void)data;
	if (!in_host_kernel(&cpus[vcpu]) || !hwaddr || qemu_plugin_hwaddr_is_io(hwaddr))
		return;
	pa = qemu_plugin_hwaddr_phys_addr(hwaddr);
	pthread_mutex_lock(&lock);
	if (va - pa != linear_offset) {
		linear_offset = va - pa;
		fprintf(out, "L" HEX HEX "\n", va, pa);
	}
	pthread_mutex_unlock(&lock);
}

static void begin(void)
{
	unsigned int i;

	open_n = 0;
	for (i = 0; i < MAX_CPUS; i++) {
		cpus[i].cleaning = cpus[i].invalidating = false;
		cpus[i].vttbr = cpus[i].run_lines = 0;
	}
	recording = true;
}

static void on_mark(unsigned int vcpu, void *data)
{
	struct cpu *cpu = &cpus[vcpu];
	uint64_t x[7];
	unsigned int i;

	(void)data;
	if (el(cpu))
		return;
	for (i = 0; i < 7; i++)
		x[i] = reg(cpu, i);
	pthread_mutex_lock(&lock);
	if (x[0] == WITNESS_SYMBOL && x[1] < WITNESS_SYMBOLS)
		symbols[x[1]] = x[2];
	if (x[0] == WITNESS_BEGIN)
		begin();
	write_event(cpu, 'M', HEX6 HEX, x[0], x[1], x[2], x[3], x[4], x[5], x[6]);
	if (x[0] == WITNESS_END)
		recording = false;
	pthread_mutex_unlock(&lock);
}

/* --- what is translated ----------------------------------------------------------------------------------------- */

/* TLBI of a stage 2 (op1 4, C8): whole tables on all CPUs, on this one, or by address; else NULL. */
static const char *tlb_invalidation_kind(uint32_t word)
{
	unsigned int crm = word >> 8 & 15, op2 = word >> 5 & 7;

	if ((word & 0xfffff000) != 0xd50c8000)
		return NULL;
	if (crm == 0 || crm == 4)
		return "ipa";
	if (op2 != 4 && op2 != 6)
		return NULL;
	return crm == 7 ? "local" : "all";
}

static void watch(struct qemu_plugin_insn *insn, qemu_plugin_vcpu_udata_cb_t fn, uintptr_t data)
{
	qemu_plugin_register_vcpu_insn_exec_cb(insn, fn, QEMU_PLUGIN_CB_R_REGS, (void *)data);
}

static void on_insn(struct qemu_plugin_insn *insn)
{
	uint64_t pc = qemu_plugin_insn_vaddr(insn);
	uint32_t word = 0;
	const char *kind;

	qemu_plugin_insn_data(insn, &word, sizeof(word));
	kind = tlb_invalidation_kind(word);
	if (pc == symbols[WITNESS_PROTECT])
		watch(insn, on_protect, 0);
	if (pc == symbols[WITNESS_SLOT])
		watch(insn, on_slot, 0);
	if ((word & 0xffffffe0) == 0xd50b7e20) /* DC CIVAC, Xt */
		watch(insn, on_clean,
		      (pc & ~(~0ull << PC_BITS)) | (uint64_t)(word & 31) << PC_BITS);
	else if ((word & 0xfffff0ff) == 0xd503309f) /* DSB */
		watch(insn, on_barrier, word >> 8 & 15);
	else if (kind)
		watch(insn, on_tlb_invalidation, (uintptr_t)kind);
	else if (word == 0xd69f03e0) /* ERET */
		watch(insn, on_eret, 0);
	else if ((word & 0xffffffe0) == 0xd5184100 && (word & 31) != 31) /* MSR SP_EL0, Xt */
		watch(insn, on_task, word & 31);
	else if (word == WITNESS_MARK)
		watch(insn, on_mark, 0);
	else if ((word & 0xffc00000) ==
		 0xa8000000) /* STNP: the kernel has it in copy_page() alone */
		qemu_plugin_register_vcpu_mem_cb(insn, on_page_copy, QEMU_PLUGIN_CB_R_REGS,
						 QEMU_PLUGIN_MEM_W, NULL);
}

static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;

	(void)id;
	for (i = 0; i < n; i++)
		on_insn(qemu_plugin_tb_get_insn(tb, i));
}

/* --- start and end ---------------------------------------------------------------------------------------------- */

/* By QEMU's names; REGS: none of ours. */
static unsigned int reg_number(const char *name)
{
	unsigned int which = CPSR, x;
	char rest;

	if (sscanf(name, "x%u%c", &x, &rest) == 1 && x < CPSR)
		return x;
	while (which < REGS && strcmp(name, reg_names[which]))
		which++;
	return which;
}

static void regs_find(void)
{
	GArray *all = qemu_plugin_get_registers();
	const qemu_plugin_reg_descriptor *list = (const void *)all->data;
	unsigned int i, which;

	for (i = 0; i < all->len; i++) {
		which = reg_number(list[i].name);
		if (which < REGS)
			regs[which] = list[i].handle;
	}
	for (which = 0; which < REGS; which++)
		if (!regs[which])
			die("this QEMU does not show register %s",
			    which < CPSR ? "x0 to x30" : reg_names[which]);
}

static void on_cpu(qemu_plugin_id_t id, unsigned int vcpu)
{
	(void)id;
	if (vcpu >= MAX_CPUS)
		die("more than %d CPUs", MAX_CPUS);
	pthread_mutex_lock(&lock);
	if (!regs[0])
		regs_find();
	cpus[vcpu].buf = g_byte_array_new();
	line_bytes = 4ull << (reg(&cpus[vcpu], CTR_EL0) >> 16 & 15);
	fprintf(out, "V %x" HEX "\n", vcpu, line_bytes);
	pthread_mutex_unlock(&lock);
}

static void on_exit_of_qemu(qemu_plugin_id_t id, void *data)
{
	unsigned int i;

	(void)id;
	(void)data;
	pthread_mutex_lock(&lock);
	for (i = 0; i < MAX_CPUS; i++)
		write_run(&cpus[i]);
	fputs("Z\n", out);
	if (fflush(out) || ferror(out))
		fputs("witness: cannot write the record\n", stderr);
	pthread_mutex_unlock(&lock);
}

static void argument(char *text)
{
	char *value = strchr(text, '=');
	unsigned int i;

	if (!value)
		die("argument '%s' has no value", text);
	*value++ = '\0';
	if (!strcmp(text, "out")) {
		out = fopen(value, "we");
		if (!out)
			die("cannot write %s", value);
		return;
	}
	for (i = 0; i < FIELDS; i++)
		if (!strcmp(text, fields[i].argument)) {
			offsets[i] = strtol(value, NULL, 10);
			return;
		}
	die("argument '%s' is unknown", text);
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++)
		argument(argv[i]);
	if (!out)
		die("say out=FILE");
	for (i = 0; i < FIELDS; i++)
		if (offsets[i] < 0)
			die("say %s=OFFSET", fields[i].argument);
	qemu_plugin_register_vcpu_init_cb(id, on_cpu);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_atexit_cb(id, on_exit_of_qemu, NULL);
	return 0;
}
