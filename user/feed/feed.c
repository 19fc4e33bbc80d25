// SPDX-License-Identifier: GPL-2.0-only
/*
 * feed.c - loads the BPF programs, attaches them, and hands on what they send.
 *
 * The problem: programs of ten sources, linked into one object, on kernels that differ in what can be
 * attached, started by people who may lack a right or have built half of it. Each of these is told in
 * one sentence; the words of libbpf and of the verifier come only when asked for (verbose).
 *
 * Start, in order: a kernel with BTF and KVM? Open the object and compare its ABI number. Size the
 * maps. Load. Fill the stack of free slots. Attach, VM ends before VM births. The module's hooks are
 * loaded with the rest and attached when it is there; so are those on mappings (mapping.c).
 *
 * Loss: programs count what they could not send in kcoh_shared.gap and the next record carries it.
 * That record may be a long time coming, so whatever is left after the ring was emptied is taken
 * here and delivered at once in a record of type KCOH_EV_NONE that consists of a header only. The
 * same for programs that the kernel skipped (a tracepoint hit while the same program was
 * interrupted on that CPU): it counts them as the program's recursion_misses, which are looked up four
 * times a second.
 *
 * Cost: most of a start is parsing the kernel's BTF; consuming an empty ring is a few system calls. Limit: libbpf has one message hook for the
 * process, so two feeds share the setting of the last.
 */
#include "host/clock.h"
#include "feed.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define RING_MIN (1u << 20)
#define RING_MAX (16u << 20)
#define RING_PER_CPU (64u << 10)

/* Records taken from the ring in one go, so that a flood cannot hold the caller's loop for ever. */
#define CONSUME_MAX 65536

/* Single exits have a ring of their own, a quarter of the other's. */
#define EXIT_RING_SHARE 4

/* How often programs that did not run are asked for: a system call each. */
#define MISSES_NS 250000000ull

static const char object_name[] = "kcoh.bpf.o";

/* --- words ----------------------------------------------------------------------------------- */

static bool verbose;

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!verbose || level == LIBBPF_DEBUG)
		return 0;
	return vfprintf(stderr, format, args);
}

__attribute__((format(printf, 4, 5))) static int fail(int err, char *text, size_t len,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(text, len, format, args);
	va_end(args);
	return err;
}

static int fail_rights(char *text, size_t len)
{
	return fail(-EPERM, text, len,
		    "the kernel does not let this user load BPF programs: run as root, or with "
		    "CAP_BPF and CAP_PERFMON");
}

/* --- the object ------------------------------------------------------------------------------ */

/* The value of the constant `kcoh_abi` in the object's read-only data, or 0. */
static uint32_t object_abi(const struct bpf_object *obj)
{
	const struct btf *btf = bpf_object__btf(obj);
	const struct btf_var_secinfo *var;
	const struct btf_type *section;
	struct bpf_map *map;
	const char *data;
	size_t size;
	int id, i;

	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	if (id < 0)
		return 0;
	data = NULL;
	bpf_object__for_each_map(map, obj)
	{
		const char *end = strstr(bpf_map__name(map), ".rodata");

		if (end && !strcmp(end, ".rodata")) /* not the compiler's .rodata.str1.1 */
			data = bpf_map__initial_value(map, &size);
	}
	section = btf__type_by_id(btf, id);
	var = btf_var_secinfos(section);
	for (i = 0; data && i < btf_vlen(section); i++, var++) {
		const struct btf_type *type = btf__type_by_id(btf, var->type);

		if (!strcmp(btf__name_by_offset(btf, type->name_off), "kcoh_abi") &&
		    var->offset + sizeof(uint32_t) <= size)
			return *(const uint32_t *)(data + var->offset);
	}
	return 0;
}

static int open_object(struct kcoh_feed *feed, char *text, size_t len)
{
	char path[4096];
	uint32_t abi;
	int err;

	snprintf(path, sizeof(path), "%s/%s", feed->config.bpf_dir, object_name);
	if (access(path, R_OK))
		return fail(-errno, text, len,
			    "the BPF object %s cannot be read (%s): is kcoh installed completely?",
			    path, strerror(errno));
	feed->obj = bpf_object__open_file(path, NULL);
	if (!feed->obj) {
		err = -errno;
		return fail(err == -ENOMEM ? err : -ENOEXEC, text, len,
			    "%s is no BPF object that can be used: install kcoh again", path);
	}
	abi = object_abi(feed->obj);
	if (abi != KCOH_ABI)
		return fail(-EPROTO, text, len,
			    "%s has ABI %u and this program has ABI %u: install both from the same "
			    "build",
			    path, abi, KCOH_ABI);
	return 0;
}

static uint32_t exit_ring_size(uint32_t ring_bytes)
{
	uint32_t page = sysconf(_SC_PAGESIZE), size = ring_bytes / EXIT_RING_SHARE;

	return size > page ? size : page;
}

/* An LRU table keeps up to 128 free entries a CPU to itself: with fewer, harvests under way would be pushed out. */
#define HARVESTS_PER_CPU 256

static int size_map(const struct bpf_object *obj, const char *name, uint32_t entries)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	return map ? bpf_map__set_max_entries(map, entries) : -ENOENT;
}

static int size_maps(const struct kcoh_feed *feed)
{
	const struct bpf_object *obj = feed->obj;
	int err = size_map(obj, "kcoh_ring", feed->config.ring_bytes);

	if (!err)
		err = size_map(obj, "kcoh_exits", feed->exits.slots);
	if (!err)
		err = size_map(obj, "kcoh_slots", feed->exits.slots);
	if (!err)
		err = size_map(obj, "kcoh_free", feed->exits.slots);
	if (!err)
		err = size_map(obj, "kcoh_harvests", HARVESTS_PER_CPU * (uint32_t)feed->cpus);
	return err ? err : size_map(obj, "kcoh_exit_ring", exit_ring_size(feed->config.ring_bytes));
}

static int load_object(struct kcoh_feed *feed, char *text, size_t len)
{
	int err = size_maps(feed);

	if (err)
		return fail(err, text, len, "%s does not have the maps of this build: %s",
			    object_name, strerror(-err));
	err = bpf_object__load(feed->obj);
	if (err == -EPERM)
		return fail_rights(text, len);
	if (err)
		return fail(err, text, len,
			    "this kernel refuses %s/%s (%s); --verbose shows its reasons",
			    feed->config.bpf_dir, object_name, strerror(-err));
	return 0;
}

/* --- from there to a feed ----------------------------------------------------------------------------- */

static int check_kernel(const struct btf *vmlinux, int *ret_trampoline_err, char *text, size_t len)
{
	if (!vmlinux)
		return fail(-ENOENT, text, len,
			    "this kernel has no type information (" BTF_PATH
			    "), which kcoh needs: use a kernel with CONFIG_DEBUG_INFO_BTF=y");
	if (btf__find_by_name_kind(vmlinux, "kvm_arch_vcpu_load", BTF_KIND_FUNC) < 0 ||
	    btf__find_by_name_kind(vmlinux, "vcpu_sysreg", BTF_KIND_ENUM) < 0)
		return fail(-EOPNOTSUPP, text, len,
			    "this kernel has no KVM for arm64 built in: there is nothing to watch");
	*ret_trampoline_err = kcoh_trampoline_try(vmlinux, "kvm_arch_vcpu_load");
	return 0;
}

static uint32_t ring_size(uint32_t asked, int cpus)
{
	uint32_t page = sysconf(_SC_PAGESIZE), size = RING_MIN;

	if (asked)
		return asked;
	while (size < RING_MAX && size < RING_PER_CPU * (uint64_t)cpus)
		size *= 2;
	return size > page ? size : page;
}

static void *map_memory(struct kcoh_feed *feed, const char *name, size_t size, int protection)
{
	int fd = bpf_object__find_map_fd_by_name(feed->obj, name);
	void *memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int fill_free_slots(const struct kcoh_feed *feed)
{
	int fd = bpf_object__find_map_fd_by_name(feed->obj, "kcoh_free");
	uint32_t slot;

	/* A stack: the lowest comes out first. Slot 0 is nobody's. */
	for (slot = feed->exits.slots - 1; slot; slot--)
		if (bpf_map_update_elem(fd, NULL, &slot, BPF_ANY))
			return -errno;
	return 0;
}

static int on_record(void *ctx, void *data, size_t len)
{
	struct kcoh_feed *feed = ctx;
	const struct kcoh_ev_hdr *ev = data;

	if (len >= sizeof(*ev) && ev->size == len)
		feed->config.fn(ev, len, feed->config.ctx);
	return ++feed->consumed >= CONSUME_MAX ? -EAGAIN : 0;
}

static int on_exit_record(void *ctx, void *data, size_t len)
{
	struct kcoh_feed *feed = ctx;
	const struct kcoh_ev_hdr *ev = data;

	if (len >= sizeof(*ev) && ev->size == len && feed->config.exit_fn)
		feed->config.exit_fn(ev, len, feed->config.ctx);
	return ++feed->consumed >= CONSUME_MAX ? -EAGAIN : 0;
}

static size_t exits_bytes(const struct kcoh_feed *feed)
{
	return (size_t)feed->exits.slots * sizeof(struct kcoh_exits);
}

static size_t owners_bytes(const struct kcoh_feed *feed)
{
	return (size_t)feed->exits.slots * sizeof(uint64_t);
}

static int set_up_memory(struct kcoh_feed *feed, char *text, size_t len)
{
	int err = fill_free_slots(feed);

	if (err)
		return fail(err, text, len, "the table of exit counters cannot be set up: %s",
			    strerror(-err));
	feed->shared =
		map_memory(feed, "kcoh_shared", sizeof(*feed->shared), PROT_READ | PROT_WRITE);
	feed->exits.owners = map_memory(feed, "kcoh_slots", owners_bytes(feed), PROT_READ);
	feed->exits.exits =
		map_memory(feed, "kcoh_exits", exits_bytes(feed), PROT_READ | PROT_WRITE);
	if (!feed->shared || !feed->exits.owners || !feed->exits.exits)
		return fail(-ENOMEM, text, len,
			    "not enough memory for the tables of the BPF programs");
	feed->ring = ring_buffer__new(bpf_object__find_map_fd_by_name(feed->obj, "kcoh_ring"),
				      on_record, feed, NULL);
	if (!feed->ring)
		return fail(-errno, text, len, "the ring buffer of %u bytes cannot be mapped: %s",
			    feed->config.ring_bytes, strerror(errno));
	feed->exit_ring =
		ring_buffer__new(bpf_object__find_map_fd_by_name(feed->obj, "kcoh_exit_ring"),
				 on_exit_record, feed, NULL);
	if (!feed->exit_ring)
		return fail(-errno, text, len, "the ring buffer of exits cannot be mapped: %s",
			    strerror(errno));
	err = kcoh_feed_smmu_new(feed->obj, &feed->smmu);
	if (!err)
		err = kcoh_feed_unmap_new(feed->obj, &feed->unmap);
	if (err)
		return fail(err, text, len,
			    "the tables of SMMU events and resets cannot be mapped: %s",
			    strerror(-err));
	return 0;
}

static int attach_all(struct kcoh_feed *feed, char *text, size_t len)
{
	size_t i;
	int err;

	for (i = 0; i < kcoh_hooks_count; i++) {
		const struct kcoh_hook *hook = &kcoh_hooks[i];

		if (hook->kind == KCOH_HOOK_MODULE || hook->kind == KCOH_HOOK_WANTED ||
		    hook->kind == KCOH_HOOK_MAPPING || hook->kind == KCOH_HOOK_REFUSE) {
			kcoh_hook_detach(hook, &feed->hooks[i]);
			continue;
		}
		err = kcoh_hook_attach(hook, &feed->hooks[i], feed->obj);
		if (err == -EPERM)
			return fail_rights(text, len);
		if (err && hook->kind == KCOH_HOOK_REQUIRED)
			return fail(err, text, len, "%s cannot be hooked: %s", hook->name,
				    feed->hooks[i].why);
	}
	kcoh_feed_mapping_poll(feed, kcoh_clock_ns(CLOCK_MONOTONIC));
	kcoh_feed_refuse_try(feed);
	return 0;
}

static int bring_up(struct kcoh_feed *feed, const struct btf *vmlinux, char *text, size_t len)
{
	int trampoline_err = 0, err;

	err = check_kernel(vmlinux, &trampoline_err, text, len);
	if (!err)
		err = open_object(feed, text, len);
	if (!err) {
		kcoh_hooks_choose(feed->obj, vmlinux, trampoline_err);
		kcoh_feed_refuse_choose(feed, vmlinux, trampoline_err);
		err = load_object(feed, text, len);
	}
	if (!err)
		err = set_up_memory(feed, text, len);
	if (!err)
		err = attach_all(feed, text, len);
	return err;
}

int kcoh_feed_open(const struct kcoh_feed_config *config, struct kcoh_feed **ret_feed, char *err,
		   size_t err_len)
{
	struct kcoh_feed *feed = calloc(1, sizeof(*feed));
	struct btf *vmlinux;
	int r;

	if (!feed)
		return fail(-ENOMEM, err, err_len, "not enough memory");
	feed->config = *config;
	feed->cpus = libbpf_num_possible_cpus();
	if (feed->cpus < 1)
		feed->cpus = 1;
	feed->config.ring_bytes = ring_size(config->ring_bytes, feed->cpus);
	feed->exits.slots = 1 + (config->exit_vcpus ? config->exit_vcpus : KCOH_EXIT_VCPUS);
	verbose = config->verbose;
	libbpf_set_print(print_libbpf);
	vmlinux = btf__load_vmlinux_btf();
	r = bring_up(feed, vmlinux, err, err_len);
	btf__free(vmlinux);
	if (r) {
		kcoh_feed_close(feed);
		return r;
	}
	*ret_feed = feed;
	return 0;
}

void kcoh_feed_close(struct kcoh_feed *feed)
{
	size_t i;

	if (!feed)
		return;
	for (i = 0; i < kcoh_hooks_count; i++)
		kcoh_hook_detach(&kcoh_hooks[i], &feed->hooks[i]);
	ring_buffer__free(feed->ring);
	ring_buffer__free(feed->exit_ring);
	kcoh_feed_smmu_free(feed->smmu);
	kcoh_feed_unmap_free(feed->unmap);
	if (feed->shared)
		munmap(feed->shared, sizeof(*feed->shared));
	if (feed->exits.owners)
		munmap((void *)feed->exits.owners, owners_bytes(feed));
	if (feed->exits.exits)
		munmap(feed->exits.exits, exits_bytes(feed));
	bpf_object__close(feed->obj);
	free(feed);
}

/* --- the module's hooks ---------------------------------------------------------------------- */

int kcoh_feed_module_attach(struct kcoh_feed *feed)
{
	size_t i;
	int err;

	for (i = 0; i < kcoh_hooks_count; i++) {
		if (kcoh_hooks[i].kind != KCOH_HOOK_MODULE || feed->hooks[i].link)
			continue;
		err = kcoh_hook_attach(&kcoh_hooks[i], &feed->hooks[i], feed->obj);
		if (err) {
			kcoh_feed_module_detach(feed);
			return err;
		}
	}
	if (!feed->shared->module)
		__atomic_store_n(&feed->shared->module, ++feed->attachments, __ATOMIC_SEQ_CST);
	return 0;
}

void kcoh_feed_module_detach(struct kcoh_feed *feed)
{
	size_t i;

	__atomic_store_n(&feed->shared->module, 0, __ATOMIC_SEQ_CST);
	for (i = 0; i < kcoh_hooks_count; i++)
		if (kcoh_hooks[i].kind == KCOH_HOOK_MODULE)
			kcoh_hook_detach(&kcoh_hooks[i], &feed->hooks[i]);
}

/* --- consuming ------------------------------------------------------------------------------- */

/* What a program of this hook did not see is no record lost: it only counts, or acts. */
static bool only_counts(const struct kcoh_hook *hook)
{
	return hook->kind == KCOH_HOOK_MAPPING || hook->kind == KCOH_HOOK_REFUSE;
}

/* Runs of attached programs that the kernel left out, as another one of the same program was under way on that CPU. */
static uint64_t count_misses(const struct kcoh_feed *feed)
{
	struct bpf_prog_info info;
	uint64_t sum = 0;
	size_t i, n;

	for (i = 0; i < kcoh_hooks_count; i++) {
		const struct bpf_program *progs[2] = { feed->hooks[i].prog,
						       feed->hooks[i].entry_prog };

		for (n = 0; n < 2 && !only_counts(&kcoh_hooks[i]); n++) {
			uint32_t len = sizeof(info);

			memset(&info, 0, sizeof(info));
			if (progs[n] &&
			    !bpf_obj_get_info_by_fd(bpf_program__fd(progs[n]), &info, &len))
				sum += info.recursion_misses;
		}
	}
	return sum;
}

static int deliver_gap(struct kcoh_feed *feed)
{
	uint64_t gap = __atomic_exchange_n(&feed->shared->gap, 0, __ATOMIC_SEQ_CST);
	uint64_t now_ns = kcoh_clock_ns(CLOCK_MONOTONIC), misses = feed->misses;
	struct kcoh_ev_hdr ev = {
		.vm = KCOH_VM_NONE,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_EV_NONE,
		.size = sizeof(ev),
	};

	if (now_ns - feed->misses_ns >= MISSES_NS) {
		misses = count_misses(feed);
		feed->misses_ns = now_ns;
	}
	if (misses > feed->misses) {
		gap += misses - feed->misses;
		feed->misses = misses;
	}
	if (!gap)
		return 0;
	ev.ts_ns = now_ns;
	ev.gap = gap > UINT32_MAX ? UINT32_MAX : gap;
	feed->config.fn(&ev, sizeof(ev), feed->config.ctx);
	return 1;
}

int kcoh_feed_consume(struct kcoh_feed *feed)
{
	int r, records;

	feed->consumed = 0;
	r = ring_buffer__consume(feed->ring);
	if (r < 0 && r != -EAGAIN)
		return r;
	records = feed->consumed;
	feed->consumed = 0;
	r = ring_buffer__consume(feed->exit_ring);
	if (r < 0 && r != -EAGAIN)
		return r;
	records += feed->consumed;
	records += kcoh_feed_smmu_poll(feed->smmu, kcoh_clock_ns(CLOCK_MONOTONIC), feed->config.fn,
				       feed->config.ctx);
	records += kcoh_feed_unmap_poll(feed->unmap, kcoh_clock_ns(CLOCK_MONOTONIC),
					feed->config.fn, feed->config.ctx);
	kcoh_feed_mapping_poll(feed, kcoh_clock_ns(CLOCK_MONOTONIC));
	return records + deliver_gap(feed);
}

/* Runs an iterator to its end; returns how many numbers it wrote. */
static int iterate(struct kcoh_feed *feed, const char *hook)
{
	uint32_t ids[64];
	ssize_t len = 0;
	int fd, r = 0, count = 0;
	size_t i;

	for (i = 0; i < kcoh_hooks_count; i++)
		if (!strcmp(kcoh_hooks[i].name, hook))
			break;
	if (i == kcoh_hooks_count || !feed->hooks[i].link)
		return -EOPNOTSUPP;
	fd = bpf_iter_create(bpf_link__fd(feed->hooks[i].link));
	if (fd < 0)
		return -errno;
	do {
		len = read(fd, ids, sizeof(ids));
		if (len > 0)
			count += len / sizeof(ids[0]);
		if (len < 0 && errno != EAGAIN && errno != EINTR)
			r = -errno;
		if (!r)
			r = kcoh_feed_consume(feed);
	} while (r >= 0 && len);
	close(fd);
	return r < 0 ? r : count;
}

int kcoh_feed_scan(struct kcoh_feed *feed)
{
	int vms, r;

	__atomic_add_fetch(&feed->shared->scan, 1, __ATOMIC_SEQ_CST);
	vms = iterate(feed, "task_file");
	r = vms < 0 ? vms : iterate(feed, "task_file:devices"); /* VMs first: devices are theirs */
	return r < 0 && r != -EOPNOTSUPP ? r : vms;
}

/* --- numbers --------------------------------------------------------------------------------- */

int kcoh_feed_each_device(struct kcoh_feed *feed,
			  int (*fn)(const struct kcoh_device_view *device, void *ctx), void *ctx)
{
	return kcoh_feed_smmu_each(feed->smmu, fn, ctx);
}

_Static_assert(KCOH_FEED_LOST_RING == (int)KCOH_LOST_RING &&
		       KCOH_FEED_LOST_VM == (int)KCOH_LOST_VM &&
		       KCOH_FEED_LOST_VCPU == (int)KCOH_LOST_VCPU &&
		       KCOH_FEED_LOST_WHO == (int)KCOH_LOST_WHO &&
		       KCOH_FEED_LOST_SLOTS == (int)KCOH_LOST_SLOTS &&
		       KCOH_FEED_LOST_MISSED == (int)KCOH_LOST_REASONS,
	       "one order");

uint64_t kcoh_feed_lost(struct kcoh_feed *feed, uint64_t ret_by[KCOH_FEED_LOST_REASONS])
{
	uint64_t sum = 0, count;
	int i;

	for (i = 0; i < KCOH_FEED_LOST_REASONS; i++) {
		count = i == KCOH_FEED_LOST_MISSED ?
				count_misses(feed) :
				__atomic_load_n(&feed->shared->lost[i], __ATOMIC_RELAXED);
		if (ret_by)
			ret_by[i] = count;
		sum += count;
	}
	return sum;
}

int kcoh_feed_each_hook(struct kcoh_feed *feed,
			int (*fn)(const struct kcoh_hook_view *hook, void *ctx), void *ctx)
{
	size_t i;
	int r;

	for (i = 0; i < kcoh_hooks_count; i++) {
		const struct kcoh_hook_state *state = &feed->hooks[i];
		struct kcoh_hook_view view = {
			.name = kcoh_hooks[i].name,
			.method = state->method,
			.why = state->method ? NULL : state->why,
			.extra = kcoh_hooks[i].kind == KCOH_HOOK_EXTRA ||
				 kcoh_hooks[i].kind == KCOH_HOOK_MAPPING ||
				 (kcoh_hooks[i].kind == KCOH_HOOK_REFUSE && !feed->refuse_wanted),
		};

		r = fn(&view, ctx);
		if (r)
			return r;
	}
	return 0;
}
