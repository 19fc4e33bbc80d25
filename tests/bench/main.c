// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcoh-bench: how many instructions an exit of a guest, or a harvest of its dirty pages, costs.
 *
 *   $ scripts/lab run --icount -- /usr/lib/kcoh/lab/kcoh-bench exits --kind hvc --times 50000
 *   {"kind":"hvc","times":50000,"ticks":90312555,"mean":1806.25,"median":1800,"least":1800,"most":61034}
 *
 * In a lab started with --icount one tick of CNTVCT_EL0 is one instruction executed by whichever CPU. Ticks are differences
 * of that counter: the guest's own around each exit, ours around an ioctl. `mean` is all that the machine did meanwhile, its timer
 * interrupts and other programs included; `median` is the path of one exit alone. What another program adds, and
 * whether both are the same with and without it, is for the caller to compare (inside.sh).
 *
 * Exit status 0; 2 and one sentence if it cannot measure, also on a machine that does not count instructions.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/random.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../lab/vmm/number.h"
#include "../lab/vmm/say.h"
#include "measure.h"

#define GUEST_FILE "/usr/lib/kcoh/guests/bench.bin"
#define ICOUNT_HZ 1000000000
#define MAX_PAGES ((RIG_BYTES - (BENCH_PAGES - GUEST_RAM)) / 4096)

static const char *const kinds[BENCH_KINDS] = {
	[BENCH_HVC] = "hvc", [BENCH_MMIO] = "mmio", [BENCH_TTBR0] = "ttbr0", [BENCH_LOOP] = "loop"
};

static const struct option long_options[] = {
	{ "kind", required_argument, NULL, 'k' },
	{ "times", required_argument, NULL, 't' },
	{ "pages", required_argument, NULL, 'p' },
	{ "warm-ups", required_argument, NULL, 'w' },
	{ "rounds", required_argument, NULL, 'r' },
	{ "warm-times", required_argument, NULL, 'W' },
	{ "caches-off", no_argument, NULL, 'o' },
	{ "epoch", no_argument, NULL, 'e' },
	{ "strategy", required_argument, NULL, 'm' },
	{ "guest", required_argument, NULL, 'g' },
	{ "stay", no_argument, NULL, 's' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void usage(void)
{
	printf("usage: kcoh-bench exits --kind hvc|mmio|ttbr0|loop [--times N] [--warm-ups N] "
	       "[--warm-times N]\n"
	       "                        [--epoch] [--caches-off] [--stay]\n"
	       "       kcoh-bench harvest [--pages N] [--warm-ups N] [--rounds N] [--strategy "
	       "observe|clean]\n"
	       "       kcoh-bench entropy    first: feeds the kernel's random numbers the same "
	       "bytes each time\n");
}

static void must_kind(struct options *options, const char *text)
{
	for (options->kind = 1; options->kind < BENCH_KINDS; options->kind++)
		if (!strcmp(kinds[options->kind], text)) {
			options->kind_name = kinds[options->kind];
			return;
		}
	die("there is no kind of exit '%s'; see --help", text);
}

static void must_strategy(struct options *options, const char *text)
{
	if (strcmp(text, "observe") && strcmp(text, "clean"))
		die("--strategy '%s': write observe or clean", text);
	options->strategy = text;
}

static void must_parse(struct options *options, int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		switch (c) {
		case 'k':
			must_kind(options, optarg);
			break;
		case 't':
			options->times = must_number("--times", optarg, 1, BENCH_SAMPLES_MAX);
			break;
		case 'p':
			options->pages = must_number("--pages", optarg, WORD_PAGES, MAX_PAGES);
			break;
		case 'w':
			options->warm_ups = must_number("--warm-ups", optarg, 0, 100);
			break;
		case 'W':
			options->warm_times =
				must_number("--warm-times", optarg, 1, BENCH_SAMPLES_MAX);
			break;
		case 'r':
			options->rounds = must_number("--rounds", optarg, 1, 100);
			break;
		case 'e':
			options->epoch = true;
			break;
		case 'o':
			options->caches_off = true;
			break;
		case 'm':
			must_strategy(options, optarg);
			break;
		case 's':
			options->stay = true;
			break;
		case 'g':
			options->guest = optarg;
			break;
		case 'h':
			usage();
			exit(0);
		default:
			exit(2);
		}
	}
	if (options->pages % WORD_PAGES)
		die("--pages must be a multiple of %d: KVM's dirty log goes by that", WORD_PAGES);
	if (argv[optind])
		die("'%s' is one word too many; see --help", argv[optind]);
}

/* All on one CPU, the last: a thread that moves would be counted, and the first CPU has the machine's interrupts. */
static void must_pin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot stay on one CPU: %s", strerror(errno));
}

static void must_count_instructions(void)
{
	uint64_t hz;

	asm volatile("mrs %0, cntfrq_el0" : "=r"(hz));
	if (hz != ICOUNT_HZ)
		die("this machine's counter runs at %" PRIu64
		    " Hz and counts no instructions; use a lab "
		    "started with --icount",
		    hz);
}

/* Without it each system call pays for a random generator that is not ready, until it is. */
static void must_feed_entropy(void)
{
	struct {
		struct rand_pool_info info;
		uint32_t bytes[64];
	} pool = { .info = { .entropy_count = 2048, .buf_size = sizeof(pool.bytes) } };
	int fd = open("/dev/random", O_WRONLY | O_CLOEXEC);

	memset(pool.bytes, 0x5a, sizeof(pool.bytes));
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool))
		die("cannot feed the kernel's random numbers: %s", strerror(errno));
	close(fd);
}

int main(int argc, char **argv)
{
	static struct options options = { .guest = GUEST_FILE,
					  .times = 50000,
					  .pages = 8192,
					  .warm_ups = 2,
					  .warm_times = 50000,
					  .rounds = 1 };
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "--help")) {
		usage();
		return 0;
	}
	must_parse(&options, argc - (argc > 1), argv + (argc > 1));
	must_count_instructions();
	must_pin();
	if (!strcmp(verb, "entropy"))
		must_feed_entropy();
	else if (!strcmp(verb, "exits"))
		measure_exits(&options);
	else if (!strcmp(verb, "harvest"))
		measure_harvests(&options);
	else
		die("say exits, harvest or entropy; see --help");
	fflush(stdout);
	_exit(0); /* the vCPU waits in its thread: the end of the process ends it */
}
