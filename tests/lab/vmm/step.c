// SPDX-License-Identifier: GPL-2.0-only
/*
 * step.c - one function a step, and the table that names them.
 *
 * A step is a word and up to three numbers: `off:0`, `toggle:1:5`. When it is done, and not before, it prints
 * its line: {"step":"off:0","ok":true,"us":212}, with figures of its own between. Example, the question
 * of the whole project in one script (the guest is puppet.bin):
 *
 *   kcoh-vmm --guest puppet.bin run on:0 log-on:0 toggle:0:2 log-off:0
 *
 * prints, beside its steps, one line for boot's edge and four for those inside the epoch. A step that
 * fails says why; a script given on the command line ends there with status 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "say.h"
#include "step.h"
#include "vfio.h"

struct step {
	const char *name;
	const char *operands; /* as help prints them */
	const char *what;
	unsigned int needed; /* operands */
	bool on_vcpu; /* operand 0 is a vCPU */
	bool on_slot; /* operand 0 is a slot */
	uint64_t command; /* an order to the puppet on vCPU operand 0, … */
	uint64_t bits; /* … with this as its first operand if CMD_MMU or CMD_EXITS */
	int (*run)(struct machine *machine, const uint64_t *operand); /* or something else */
};

/* What a step wants to add to its line. */
static char figures[128];

static uint64_t now_us(void)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	return at.tv_sec * 1000000ull + at.tv_nsec / 1000;
}

static int wait_asleep(struct machine *machine, struct vm_vcpu *vcpu)
{
	uint64_t deadline = now_us() + machine->deadline_ms * 1000ull;
	struct timespec pause = { .tv_nsec = 1000000 };

	if (!vcpu->started)
		return -EINVAL;
	while (!vm_vcpu_asleep(vcpu)) {
		if (now_us() > deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int run_asleep(struct machine *machine, const uint64_t *operand)
{
	return wait_asleep(machine, &machine->vm.vcpus[operand[0]]);
}

static int run_run(struct machine *machine, const uint64_t *operand)
{
	unsigned int i;
	int error = 0;

	(void)operand;
	for (i = 0; !error && i < machine->vm.config.vcpus; i++)
		if (!machine->vm.vcpus[i].started)
			error = vm_vcpu_start(&machine->vm.vcpus[i]);
	return error;
}

static int run_run_vcpu(struct machine *machine, const uint64_t *operand)
{
	return vm_vcpu_start(&machine->vm.vcpus[operand[0]]);
}

static int run_wait(struct machine *machine, const uint64_t *operand)
{
	return bell_wait(&machine->vm.vcpus[operand[0]], &machine->bell, machine->deadline_ms);
}

static int run_cpu_on(struct machine *machine, const uint64_t *operand)
{
	const uint64_t order[3] = { CMD_CPU_ON, operand[1], 0 };
	int error;

	if (operand[1] >= machine->vm.config.vcpus)
		return -ENOENT;
	error = bell_order(&machine->vm.vcpus[operand[0]], &machine->bell, order, false,
			   machine->deadline_ms);
	return error ? error :
		       bell_wait(&machine->vm.vcpus[operand[1]], &machine->bell,
				 machine->deadline_ms);
}

static int run_sleeping_order(struct machine *machine, const uint64_t *operand, uint64_t command)
{
	struct vm_vcpu *vcpu = &machine->vm.vcpus[operand[0]];
	const uint64_t order[3] = { command, 0, 0 };
	int error = bell_order(vcpu, &machine->bell, order, true, machine->deadline_ms);

	return error ? error : wait_asleep(machine, vcpu);
}

static int run_wfi(struct machine *machine, const uint64_t *operand)
{
	return run_sleeping_order(machine, operand, CMD_WFI);
}

static int run_cpu_off(struct machine *machine, const uint64_t *operand)
{
	return run_sleeping_order(machine, operand, CMD_CPU_OFF);
}

/* vCPU 0 begins anew, and the others are off. */
static int run_system_reset(struct machine *machine, const uint64_t *operand)
{
	const uint64_t order[3] = { CMD_PSCI, 0x84000009, 0 };

	(void)operand;
	return bell_order(&machine->vm.vcpus[0], &machine->bell, order, false,
			  machine->deadline_ms);
}

/* A secondary is off afterwards, until another vCPU starts it. */
static int run_init(struct machine *machine, const uint64_t *operand)
{
	struct vm_vcpu *vcpu = &machine->vm.vcpus[operand[0]];
	const uint64_t order[3] = { BELL_REINIT, 0, 0 };

	if (operand[0])
		return run_sleeping_order(machine, operand, BELL_REINIT);
	return bell_order(vcpu, &machine->bell, order, false, machine->deadline_ms);
}

static int run_wake(struct machine *machine, const uint64_t *operand)
{
	struct vm_vcpu *vcpu = &machine->vm.vcpus[operand[0]];
	int error = vm_irq(vcpu, true);

	if (!error)
		error = bell_wait(vcpu, &machine->bell, machine->deadline_ms);
	vm_irq(vcpu, false);
	return error;
}

/* ISR_EL1.I as the vCPU saw it at the end of a command: its virtual interrupt is pending. */
#define ISR_I (1u << 7)

/* Changes the interrupt line while the vCPU writes trapped registers: HCR_EL2.VI and .TVM are bits of one word. */
static int irq_change(struct machine *machine, struct vm_vcpu *vcpu, bool level, bool *ret_lost)
{
	const uint64_t busy[3] = { CMD_BUSY_NOISE, 10, 0 }, look[3] = { CMD_NOISE, 0, 0 };
	struct bell *bell = &machine->bell;
	int error = bell_order(vcpu, bell, busy, true, machine->deadline_ms);

	if (!error)
		error = vm_irq(vcpu, level);
	if (!error)
		error = bell_wait(vcpu, bell, machine->deadline_ms);
	if (!error)
		error = bell_order(vcpu, bell, look, false, machine->deadline_ms);
	*ret_lost = !(bell->lines[vcpu->index].arg[1] & ISR_I) == level;
	return error;
}

static int run_irq_race(struct machine *machine, const uint64_t *operand)
{
	struct vm_vcpu *vcpu = &machine->vm.vcpus[operand[0]];
	uint64_t i, all_lost = 0;
	int error = 0;
	bool lost;

	for (i = 0; i < 2 * operand[1] && !error; i++) {
		error = irq_change(machine, vcpu, !(i & 1), &lost);
		all_lost += lost;
		if (lost && !error)
			error = vm_irq(vcpu, i & 1) ?: vm_irq(vcpu, !(i & 1));
	}
	snprintf(figures, sizeof(figures), ",\"changes\":%" PRIu64 ",\"lost\":%" PRIu64, i,
		 all_lost);
	return error;
}

/* The word is cleaned because the guest may read it around the cache. */
static void set_spin(struct machine *machine, uint64_t vcpu, uint64_t value)
{
	volatile uint64_t *word = vm_hva(&machine->vm, GUEST_PARAM + 8 * (PARAM_SPIN + vcpu));

	*word = value;
	vm_clean((const void *)word, sizeof(*word));
}

static int run_spin(struct machine *machine, const uint64_t *operand)
{
	const uint64_t order[3] = { CMD_SPIN, 0, 0 };

	set_spin(machine, operand[0], 1);
	return bell_order(&machine->vm.vcpus[operand[0]], &machine->bell, order, true,
			  machine->deadline_ms);
}

static int run_unspin(struct machine *machine, const uint64_t *operand)
{
	set_spin(machine, operand[0], 0);
	return run_wait(machine, operand);
}

static int run_set_sctlr(struct machine *machine, const uint64_t *operand)
{
	return vm_vcpu_set_sctlr(&machine->vm.vcpus[operand[0]], operand[1]);
}

static int run_stop(struct machine *machine, const uint64_t *operand)
{
	(void)operand;
	vm_stop(&machine->vm);
	return 0;
}

static int run_continue(struct machine *machine, const uint64_t *operand)
{
	(void)operand;
	vm_continue(&machine->vm);
	return 0;
}

static int run_log_on(struct machine *machine, const uint64_t *operand)
{
	return vm_slot_log(&machine->vm, operand[0], true);
}

static int run_log_off(struct machine *machine, const uint64_t *operand)
{
	return vm_slot_log(&machine->vm, operand[0], false);
}

static int run_slot_remove(struct machine *machine, const uint64_t *operand)
{
	return vm_slot_remove(&machine->vm, operand[0]);
}

static int run_slot_add(struct machine *machine, const uint64_t *operand)
{
	return vm_slot_add(&machine->vm, operand[0]);
}

static int run_slot_move(struct machine *machine, const uint64_t *operand)
{
	return vm_slot_move(&machine->vm, operand[0], operand[1]);
}

static int run_vfio(struct machine *machine, const uint64_t *operand)
{
	return vfio_take(&machine->vm, operand[0]);
}

static int run_remap(struct machine *machine, const uint64_t *operand)
{
	(void)operand;
	return vfio_remap(&machine->vm);
}

static int dma(const uint64_t *operand, bool write)
{
	uint64_t i;
	int error = 0;

	for (i = 0; i < operand[2] && !error; i++)
		error = vfio_dma(operand[0], operand[1], write);
	snprintf(figures, sizeof(figures), ",\"operations\":%" PRIu64, i);
	return error;
}

static int run_dma_read(struct machine *machine, const uint64_t *operand)
{
	(void)machine;
	return dma(operand, false);
}

static int run_dma_write(struct machine *machine, const uint64_t *operand)
{
	(void)machine;
	return dma(operand, true);
}

static int run_harvest(struct machine *machine, const uint64_t *operand)
{
	struct vm_slot *slot = &machine->vm.slots[operand[0]];
	uint64_t *bitmap = calloc(1, vm_bitmap_bytes(slot) + 8), dirty = 0;
	int error = bitmap ? vm_dirty_get(&machine->vm, operand[0], bitmap, &dirty) : -ENOMEM;

	if (!error && machine->vm.config.manual_protect)
		error = vm_dirty_clear(&machine->vm, operand[0], bitmap, 0,
				       vm_bitmap_bytes(slot) * 8);
	snprintf(figures, sizeof(figures), ",\"dirty\":%" PRIu64, dirty);
	free(bitmap);
	return error;
}

static int run_printed(struct machine *machine, const uint64_t *operand)
{
	return bell_wait_bytes(&machine->vm, &machine->bell, operand[0], machine->deadline_ms);
}

static int run_totals(struct machine *machine, const uint64_t *operand)
{
	(void)operand;
	pthread_mutex_lock(&machine->vm.lock);
	snprintf(figures, sizeof(figures),
		 ",\"edges\":%" PRIu64 ",\"writes\":%" PRIu64 ",\"printed\":%" PRIu64,
		 machine->bell.edges, machine->bell.writes, machine->bell.bytes);
	pthread_mutex_unlock(&machine->vm.lock);
	return 0;
}

static int run_quit(struct machine *machine, const uint64_t *operand)
{
	(void)machine;
	(void)operand;
	return 0;
}

#define VCPU .needed = 1, .on_vcpu = true, .operands = ":VCPU"
#define SLOT .needed = 1, .on_slot = true, .operands = ":SLOT"
#define ALL .operands = ""

static const struct step steps[] = {
	{ "run", ALL, "give every vCPU its thread", .run = run_run },
	{ "run-vcpu", VCPU, "give one vCPU its thread", .run = run_run_vcpu },
	{ "wait", VCPU, "until the puppet asks for an order", .run = run_wait },
	{ "asleep", VCPU, "until the vCPU sleeps inside KVM", .run = run_asleep },
	{ "printed", .operands = ":BYTES", "until guests print that many more", .needed = 1,
	  .run = run_printed },
	{ "totals", ALL, "edges and trapped writes that guests reported", .run = run_totals },
	{ "off", VCPU, "MMU and data cache off", .command = CMD_MMU },
	{ "on", VCPU, "both on", .command = CMD_MMU, .bits = MMU_M | MMU_C },
	{ "only-m", VCPU, "MMU on, data cache off", .command = CMD_MMU, .bits = MMU_M },
	{ "only-c", VCPU, "data cache on, MMU off", .command = CMD_MMU, .bits = MMU_C },
	{ "noise", ":VCPU:TIMES", "write every trapped register with what it holds", 2, true,
	  .command = CMD_NOISE },
	{ "toggle", ":VCPU:TIMES", "off, noise, on, noise", 2, true, .command = CMD_TOGGLE },
	{ "hvcs", ":VCPU:TIMES", "PSCI_VERSION", 2, true, .command = CMD_EXITS, .bits = EXIT_HVC },
	{ "stores", ":VCPU:TIMES", "MMIO writes", 2, true, .command = CMD_EXITS,
	  .bits = EXIT_MMIO_WRITE },
	{ "loads", ":VCPU:TIMES", "MMIO reads", 2, true, .command = CMD_EXITS,
	  .bits = EXIT_MMIO_READ },
	{ "ids", ":VCPU:TIMES", "reads of a feature register", 2, true, .command = CMD_EXITS,
	  .bits = EXIT_ID },
	{ "set-way", ":VCPU:OPERATIONS", "DC CISW; 0: all of every cache", 2, true,
	  .command = CMD_SET_WAY },
	{ "write", ":VCPU:OFFSET:PAGES", "write a byte in each page", 3, true,
	  .command = CMD_WRITE },
	{ "cpu-on", ":VCPU:TARGET", "PSCI CPU_ON by the first of the second", 2, true,
	  .run = run_cpu_on },
	{ "cpu-off", VCPU, "PSCI CPU_OFF", .run = run_cpu_off },
	{ "system-reset", ALL, "PSCI SYSTEM_RESET by vCPU 0", .run = run_system_reset },
	{ "spin", VCPU, "loop without an exit …", .run = run_spin },
	{ "unspin", VCPU, "… and out of it", .run = run_unspin },
	{ "wfi", VCPU, "sleep in WFI …", .run = run_wfi },
	{ "wake", VCPU, "… and out of it, by the interrupt line", .run = run_wake },
	{ "irq-race", ":VCPU:TIMES",
	  "interrupt line up and down while trapped registers are written", 2, true,
	  .run = run_irq_race },
	{ "init", VCPU, "KVM_ARM_VCPU_INIT, as a reset does", .run = run_init },
	{ "set-sctlr", ":VCPU:VALUE", "KVM_SET_ONE_REG on SCTLR_EL1", 2, true,
	  .run = run_set_sctlr },
	{ "stop", ALL, "all vCPUs out of the guest …", .run = run_stop },
	{ "continue", ALL, "… and in again", .run = run_continue },
	{ "log-on", SLOT, "start dirty logging", .run = run_log_on },
	{ "log-off", SLOT, "end it", .run = run_log_off },
	{ "harvest", SLOT, "get (and clear, with --manual) the dirty log", .run = run_harvest },
	{ "slot-remove", SLOT, "delete the memory slot …", .run = run_slot_remove },
	{ "slot-add", SLOT, "… and put it back", .run = run_slot_add },
	{ "slot-move", ":SLOT:ADDRESS", "give it another guest address", .needed = 2,
	  .on_slot = true, .run = run_slot_move },
	{ "vfio", .operands = ":GROUP", "take a VFIO group, with its device", .needed = 1,
	  .run = run_vfio },
	{ "remap", ALL, "unmap all memory for its device, and map it again", .run = run_remap },
	{ "dma-read", .operands = ":IOVA:BYTES:TIMES", "the device reads there …", .needed = 3,
	  .run = run_dma_read },
	{ "dma-write", .operands = ":IOVA:BYTES:TIMES", "… or writes", .needed = 3,
	  .run = run_dma_write },
	{ "quit", ALL, "end the program", .run = run_quit },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

void step_help(void)
{
	size_t i;

	for (i = 0; i < STEPS; i++)
		printf("  %s%-*s %s\n", steps[i].name, 28 - (int)strlen(steps[i].name),
		       steps[i].operands, steps[i].what);
}

static const struct step *step_find(const char *text)
{
	size_t i, len = strcspn(text, ":");

	for (i = 0; i < STEPS; i++)
		if (strlen(steps[i].name) == len && !strncmp(steps[i].name, text, len))
			return &steps[i];
	return NULL;
}

/* Fills operand[3] from ":1:0x2:3". */
static int parse_operands(const char *text, const struct step *step, uint64_t *operand)
{
	unsigned int n = 0;
	char *end;

	text += strlen(step->name);
	while (*text == ':' && n < 3) {
		errno = 0;
		operand[n++] = strtoull(text + 1, &end, 0);
		if (errno || end == text + 1)
			return -EINVAL;
		text = end;
	}
	return *text || n != step->needed ? -EINVAL : 0;
}

/* What a step's failure means, in words. */
static const char *step_why(const struct step *step, int error)
{
	if (!step)
		return "there is no such step";
	if (error == -ENOENT)
		return "there is no such vCPU or slot";
	if (error == -EINVAL)
		return "wrong operands, or the vCPU was not started";
	return error == -ETIMEDOUT ? "the guest did not get there in time" : strerror(-error);
}

static int step_dispatch(struct machine *machine, const struct step *step, const uint64_t *operand)
{
	uint64_t order[3] = { step->command, operand[1], operand[2] };

	if (step->on_vcpu && operand[0] >= machine->vm.config.vcpus)
		return -ENOENT;
	if (step->on_slot && operand[0] >= machine->vm.config.slots)
		return -ENOENT;
	if (step->run)
		return step->run(machine, operand);
	if (step->bits || step->command == CMD_MMU)
		order[1] = step->bits;
	if (step->command == CMD_EXITS)
		order[2] = operand[1];
	return bell_order(&machine->vm.vcpus[operand[0]], &machine->bell, order, false,
			  machine->deadline_ms);
}

int step_run(struct machine *machine, const char *text)
{
	const struct step *step = step_find(text);
	uint64_t operand[3] = { 0 }, start = now_us();
	int error = step ? parse_operands(text, step, operand) : -ENOSYS;

	figures[0] = '\0';
	if (!error)
		error = step_dispatch(machine, step, operand);
	if (error)
		say("{\"step\":\"%s\",\"ok\":false,\"error\":\"%s\"}", text, step_why(step, error));
	else
		say("{\"step\":\"%s\",\"ok\":true,\"us\":%" PRIu64 "%s}", text, now_us() - start,
		    figures);
	return error;
}
