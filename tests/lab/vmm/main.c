// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcoh-vmm: a VM for tests, driven step by step.
 *
 *   kcoh-vmm [-name NAME] --guest FILE [--vcpus N] [--mem 128M[,32M…]] [--param WORD=VALUE]
 *            [--manual[=init]] [--deadline SECONDS] [STEP…]
 *
 * Steps on the command line run in turn and the program ends; without any, it reads one step a line from
 * standard input and answers each with a line, so that a shell can do things of its own between two steps.
 * Real VMMs do so much at a migration that a test could not say what must be seen. This one does what
 * its script says and nothing else.
 *
 * Exit status: 0 all steps done, 1 one failed, 2 the VM could not be made or a guest did what none should.
 * `-name` is there because QEMU has it: what finds a VM's name on a command line finds this one's.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "number.h"
#include "say.h"
#include "step.h"

struct options {
	const char *guest;
	struct vm_config vm;
	uint64_t params[512];
	unsigned int deadline_s;
};

enum { OPT_GUEST = 1, OPT_NAME, OPT_VCPUS, OPT_MEM, OPT_PARAM, OPT_MANUAL, OPT_DEADLINE, OPT_HELP };

static const struct option long_options[] = {
	{ "name", required_argument, NULL, OPT_NAME },
	{ "guest", required_argument, NULL, OPT_GUEST },
	{ "vcpus", required_argument, NULL, OPT_VCPUS },
	{ "mem", required_argument, NULL, OPT_MEM },
	{ "param", required_argument, NULL, OPT_PARAM },
	{ "manual", optional_argument, NULL, OPT_MANUAL },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "help", no_argument, NULL, OPT_HELP },
	{ NULL, 0, NULL, 0 },
};

static void usage(void)
{
	printf("usage: kcoh-vmm [-name NAME] --guest FILE [--vcpus N] [--mem 128M[,32M...]]\n"
	       "                [--param WORD=VALUE] [--manual[=init]] [--deadline SECONDS] "
	       "[STEP...]\n"
	       "Steps (none: one a line from standard input):\n");
	step_help();
}

/* "128M,32M" in MiB: one slot each. */
static void must_slots(struct vm_config *config, const char *text)
{
	char *end;

	for (config->slots = 0; *text; text = *end ? end + 1 : end) {
		uint64_t mib = strtoull(text, &end, 10);

		if (config->slots == VM_MAX_SLOTS || end == text || *end != 'M' || !mib ||
		    (end[1] && end[1] != ','))
			die("--mem '%s': write up to %d sizes like 128M, with commas between", text,
			    VM_MAX_SLOTS);
		config->slot_bytes[config->slots++] = mib << 20;
		end++;
	}
}

static void must_param(struct options *options, char *text)
{
	char *value = strchr(text, '=');

	if (!value)
		die("--param '%s': write WORD=VALUE", text);
	*value++ = '\0';
	options->params[must_number("--param", text, 1, 511)] =
		must_number("--param", value, 0, UINT64_MAX);
}

static void must_parse(struct options *options, int argc, char **argv)
{
	int c;

	/* "+": steps end the options; _only: QEMU writes -name with one dash */
	while ((c = getopt_long_only(argc, argv, "+", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_NAME:
			break;
		case OPT_GUEST:
			options->guest = optarg;
			break;
		case OPT_VCPUS:
			options->vm.vcpus = must_number("--vcpus", optarg, 1, GUEST_MAX_VCPUS);
			break;
		case OPT_MEM:
			must_slots(&options->vm, optarg);
			break;
		case OPT_PARAM:
			must_param(options, optarg);
			break;
		case OPT_MANUAL:
			options->vm.manual_protect = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE;
			if (optarg && !strcmp(optarg, "init"))
				options->vm.manual_protect |= KVM_DIRTY_LOG_INITIALLY_SET;
			break;
		case OPT_DEADLINE:
			options->deadline_s = must_number("--deadline", optarg, 1, 3600);
			break;
		case OPT_HELP:
			usage();
			exit(0);
		default:
			exit(2);
		}
	}
	if (!options->guest)
		die("no guest: write --guest FILE");
}

/* One step a line until the end of the input or `quit`. */
static int run_stdin(struct machine *machine)
{
	char line[128];
	int failed = 0;

	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (step_run(machine, line))
			failed = 1;
		if (!strcmp(line, "quit"))
			break;
	}
	return failed;
}

static int run_arguments(struct machine *machine, char **steps)
{
	for (; *steps; steps++)
		if (step_run(machine, *steps))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct options options = {
		.vm = { .vcpus = 1, .slots = 1, .slot_bytes = { 128 << 20 }, .mmio = bell_mmio },
		.params = { [PARAM_MAGIC] = PARAM_MAGIC_VALUE },
		.deadline_s = 20,
	};
	static struct machine machine;
	void *params;
	int status;

	must_parse(&options, argc, argv);
	options.vm.ctx = &machine.bell;
	machine.deadline_ms = options.deadline_s * 1000;
	vm_must_create(&machine.vm, &options.vm);
	vm_must_load(&machine.vm, options.guest, GUEST_ENTRY);
	params = vm_hva(&machine.vm, GUEST_PARAM);
	memcpy(params, options.params, sizeof(options.params));
	vm_clean(params, sizeof(options.params));
	status = argv[optind] ? run_arguments(&machine, argv + optind) : run_stdin(&machine);
	/* vCPUs may be asleep in KVM_RUN: the end of the process ends them. */
	fflush(stdout);
	_exit(status);
}
