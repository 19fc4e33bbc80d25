// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcoh-adversary: migrate a real KVM guest under the worst cache there can be, and compare.
 *
 *   $ kcoh-adversary --scenario toggle --mode manual-init --strategy clean --seed 7
 *   {"scenario":"toggle","mode":"manual-init","strategy":"clean","seed":7,"result":"identical",…}
 *   toggle × manual-init, clean, seed 7: identical; 6291456 bytes compared, 5214 pages sent, …
 *
 * A guest of its own runs on the raw KVM API and writes as the scenario says. Its RAM is migrated by pre-copy into
 * a buffer, with KVM's dirty logging, and read through cache.c alone: what was read or prefetched once stays as it was
 * until the module's journal says that it was cleaned. Then the guest is paused and the rest is sent.
 * The claim: whatever the guest does, if every harvest is cleaned the buffer equals guest RAM in every byte; and
 * if none is, it does not (so the test can fail).
 *
 * With --witness LABEL the run is told to the witness outside (tests/witness), which judges the journal.
 *
 * Strategies: clean and observe ask the module for that; none does without the module.
 * Exit status: 0 identical; 10 corrupted; 1 the run proves nothing (nothing written, harvested, compared, or journal
 * entries lost); 3 this host cannot run it; 2 error. A run takes about half a second in the lab.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vmm/say.h"
#include "../witness/tell.h"
#include "draw.h"
#include "report.h"
#include "scenario.h"
#include "speculate.h"

#define DEADLINE_S 120
#define GUEST_FILE "/usr/lib/kcoh/guests/storm.bin"
#define EXIT_CANNOT 3
#define HUGE_MAX_KB (32 << 10) /* 16k pages have huge pages of that size, 4k pages of 2 MiB */

struct options {
	struct run run;
	const char *guest;
	const char *label; /* of this run, for the witness outside; or NULL */
};

static const char *const mode_names[MODES] = { "auto", "manual", "manual-init", "ring" };

static const struct {
	const char *name;
	enum strategy strategy;
} strategies[] = { { "none", WITHOUT },
		   { "observe", OBSERVE },
		   { "clean", CLEAN },
		   { "clean-tainted", CLEAN_TAINTED } };

static const struct option long_options[] = {
	{ "scenario", required_argument, NULL, 's' },
	{ "mode", required_argument, NULL, 'm' },
	{ "strategy", required_argument, NULL, 'p' },
	{ "seed", required_argument, NULL, 'r' },
	{ "guest", required_argument, NULL, 'g' },
	{ "witness", required_argument, NULL, 'w' },
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void usage(void)
{
	unsigned int i;

	printf("usage: kcoh-adversary --scenario S --mode M [--strategy "
	       "clean|clean-tainted|observe|none] "
	       "[--seed N] [--guest FILE] [--witness LABEL]\n"
	       "       kcoh-adversary --list\n"
	       "modes: auto manual manual-init ring\nscenarios:\n");
	for (i = 0; i < scenarios_n; i++)
		printf("  %-11s %s\n", scenarios[i].name, scenarios[i].what);
}

/* For scripts: the scenarios, then the modes that this kernel has, a line each. */
static void list(void)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	unsigned int i;

	for (i = 0; i < scenarios_n; i++)
		printf("%s%c", scenarios[i].name, i + 1 < scenarios_n ? ' ' : '\n');
	printf("auto manual manual-init%s\n", kvm_fd >= 0 && rings_exist(kvm_fd) ? " ring" : "");
}

static void must_strategy(struct run *run, const char *text)
{
	unsigned int i;

	for (i = 0; i < sizeof(strategies) / sizeof(strategies[0]); i++)
		if (!strcmp(strategies[i].name, text)) {
			run->strategy = strategies[i].strategy;
			run->strategy_name = strategies[i].name;
			return;
		}
	die("there is no strategy '%s'; see --help", text);
}

static void must_mode(struct run *run, const char *text)
{
	for (run->mode = 0; run->mode < MODES; run->mode++)
		if (!strcmp(mode_names[run->mode], text)) {
			run->mode_name = mode_names[run->mode];
			return;
		}
	die("there is no mode '%s'; see --help", text);
}

static void must_scenario(struct run *run, const char *text)
{
	run->scenario = scenario_find(text);
	if (!run->scenario)
		die("there is no scenario '%s'; see --help", text);
}

static void must_parse(struct options *options, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 's':
			must_scenario(&options->run, optarg);
			break;
		case 'm':
			must_mode(&options->run, optarg);
			break;
		case 'p':
			must_strategy(&options->run, optarg);
			break;
		case 'r':
			options->run.seed = strtoull(optarg, NULL, 0);
			break;
		case 'g':
			options->guest = optarg;
			break;
		case 'w':
			options->label = optarg;
			break;
		case 'l':
			list();
			exit(0);
		case 'h':
			usage();
			exit(0);
		default:
			exit(2);
		}
	}
	if (!options->run.scenario || !options->run.mode_name || optind != argc)
		die("say --scenario and --mode; see --help");
}

__attribute__((format(printf, 1, 2), noreturn)) static void cannot(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	_exit(EXIT_CANNOT);
}

/* A figure of a file like /proc/meminfo, summed over all lines that have it, in kB. */
static uint64_t kb_of(const char *path, const char *name)
{
	uint64_t sum = 0, kb;
	char line[256], key[64];
	FILE *file = fopen(path, "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "%63[^:]: %" SCNu64, key, &kb) == 2 && !strcmp(key, name))
			sum += kb;
	if (file)
		fclose(file);
	return sum;
}

static uint64_t huge_bytes(void)
{
	return kb_of("/proc/meminfo", "Hugepagesize") * 1024;
}

static void check_host(const struct run *run)
{
	int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm_fd < 0)
		die("cannot open /dev/kvm: %s", strerror(errno));
	if (run->mode == MODE_RING && !rings_exist(kvm_fd))
		cannot("this kernel's KVM has no dirty ring");
	close(kvm_fd);
	if (run->scenario->backing == BACKING_SMALL)
		return;
	if (!huge_bytes() || huge_bytes() > HUGE_MAX_KB * 1024ull)
		cannot("this kernel has no huge pages up to 32 MiB");
	if (run->scenario->backing == BACKING_HUGETLB &&
	    kb_of("/proc/meminfo", "HugePages_Free") < 4)
		die("write 8 to /proc/sys/vm/nr_hugepages first");
}

static void must_create(struct vm *vm, const struct run *run, struct guest *guest)
{
	static const uint32_t manual[MODES] = {
		[MODE_MANUAL] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
		[MODE_MANUAL_INIT] = KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
				     KVM_DIRTY_LOG_INITIALLY_SET,
	};
	uint64_t page = sysconf(_SC_PAGESIZE);
	uint64_t huge = run->scenario->backing == BACKING_SMALL ? 0 : huge_bytes();
	const struct vm_config config = {
		.vcpus = run->scenario->vcpus,
		.slots = 2,
		.slot_bytes = { huge ? huge : 512 * page, huge ? huge : 256 * page },
		.manual_protect = manual[run->mode],
		.ring_bytes = run->mode != MODE_RING ? 0 :
			      page > RING_BYTES      ? page :
						       RING_BYTES,
		.map_flags = run->scenario->backing == BACKING_HUGETLB ? MAP_HUGETLB : 0,
		.mmio = guest_mmio,
		.ring_full = guest_ring_full,
		.ctx = guest,
	};

	vm_must_create(vm, &config);
}

/* All of RAM is populated, and each word is different where the guest writes. KVM cleans a page when it maps it. */
static void must_fill(struct vm *vm, const struct run *run)
{
	int advice = run->scenario->backing == BACKING_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
	uint64_t value = draw_stream(run->seed, 1), *word, *end;
	unsigned int id;

	for (id = 0; id < vm->config.slots; id++) {
		struct vm_slot *slot = &vm->slots[id];

		if (run->scenario->backing != BACKING_HUGETLB &&
		    madvise(slot->hva, slot->bytes, advice))
			die("madvise: %s", strerror(errno));
		if (madvise(slot->hva, slot->bytes, MADV_POPULATE_WRITE))
			die("cannot populate guest memory: %s", strerror(errno));
		end = (uint64_t *)((char *)slot->hva + slot->bytes);
		for (word = vm_hva(vm, id ? slot->ipa : GUEST_IMAGE_END); word < end; word++)
			*word = value += 0x9e3779b97f4a7c15ull;
	}
}

static void check_backing(const struct vm *vm, const struct run *run)
{
	uint64_t thp = kb_of("/proc/self/smaps", "AnonHugePages");
	uint64_t wanted = (vm->slots[0].bytes + vm->slots[1].bytes) / 1024;

	if (run->scenario->backing == BACKING_THP && thp < wanted)
		die("%" PRIu64 " kB of guest RAM are in huge pages, not %" PRIu64, thp, wanted);
	if (run->scenario->backing == BACKING_HUGETLB &&
	    kb_of("/proc/self/smaps", "Private_Hugetlb") < wanted)
		die("guest RAM is not in pages of hugetlbfs");
}

static const uint32_t asked_of_module[] = {
	[OBSERVE] = KCOH_STRATEGY_OBSERVE,
	[CLEAN] = KCOH_STRATEGY_CLEAN,
	[CLEAN_TAINTED] = KCOH_STRATEGY_CLEAN_TAINTED,
};

static void must_guard(struct migration *m, const struct run *run)
{
	bool needed = true;

	if (run->strategy == WITHOUT)
		guard_without(&m->guard);
	else
		needed = guard_must_open(&m->guard, &m->cache, asked_of_module[run->strategy],
					 draw_stream(run->seed, 5));
	if (!needed)
		cannot("this host has S2FWB: no guest can go around its caches");
	m->await_taint = run->strategy == CLEAN_TAINTED && !run->scenario->coherent &&
			 !run->scenario->unseen;
}

/* Where guest RAM lies in memory. */
static void must_tell_pages(const struct options *options, enum witness_when when)
{
	if (options->label && tell_pages(getpid(), when))
		die("cannot read our own pagemap: %s", strerror(errno));
}

static void must_tell_end(const struct options *options, const struct guard *guard)
{
	struct kcoh_vm_status status;

	if (!options->label)
		return;
	must_tell_pages(options, WITNESS_AFTER);
	guard_must_status(guard, &status);
	tell_counts(&status);
	tell_end();
}

int main(int argc, char **argv)
{
	static struct options options = {
		.run = { .strategy = CLEAN, .strategy_name = "clean", .seed = 1 },
		.guest = GUEST_FILE,
	};
	static struct speculation speculation;
	static struct migration m;
	static struct vm vm;
	struct run *run = &options.run;

	must_parse(&options, argc, argv);
	alarm(DEADLINE_S);
	check_host(run);
	if (options.label)
		tell_begin(options.label);
	must_create(&vm, run, &m.guest);
	must_fill(&vm, run);
	check_backing(&vm, run);
	vm_must_load(&vm, options.guest, GUEST_ENTRY);
	must_tell_pages(&options, WITNESS_BEFORE);

	migration_must_init(&m, &vm, run->mode, run->scenario->harvesters,
			    draw_stream(run->seed, 2));
	cache_must_init(&m.cache, &m.ram, run->scenario->coherent);
	must_guard(&m, run);
	m.guest.long_burst = run->scenario->long_burst ? run->scenario->long_burst : LONG_BURST;
	memcpy(m.guest.flavour, run->scenario->flavours, sizeof(m.guest.flavour));
	guest_must_start(&m.guest, &vm, draw_stream(run->seed, 3));
	guest_must_wait(&m.guest, 8, 0);

	speculation_must_start(&speculation, &m.cache, &m.guard, draw_stream(run->seed, 4));
	m.speculation = &speculation;
	guest_must_wait(&m.guest, 4, 0); /* what is stale at the start must not be sent, either */
	run->happened = run->scenario->run(&m);
	speculation_end(&speculation);
	must_tell_end(&options, &m.guard);
	/* vCPUs are in threads that never end: the end of the process ends them. */
	_exit(report(run, &m));
}
