// SPDX-License-Identifier: GPL-2.0-only
/*
 * Cleaning all RAM of a VM: what is read of /proc and of a scan, and the job with a VM that each test makes up.
 *
 * The VM has two slots, 8192 and 16 pages, and two vCPUs, of which the second never ran; its process is a directory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "clean/clean.h"
#include "clean/device.h"
#include "clean/thread.h"

#define VM 3
#define PID ((uint32_t)getpid()) /* QEMU, that is asked, must be this process, too */
#define TID 301
#define PAGE 4096u
#define FIRST_PAGES 8192
#define SECOND_PAGES 16
#define HVA 0x10000000ull

struct rig {
	char dir[32];
	sd_event *event;
	struct kcoh_clean *job;
	struct kcoh_clean_config config;
	/* what the VM does */
	uint64_t exits, exits_a_piece; /* so many more with each piece: it runs */
	uint32_t vcpus;
	unsigned int scans, pieces;
	uint64_t most; /* pages of a piece */
	bool moves; /* its layout is another one by the second scan */
	bool lossy; /* records are lost */
	uint64_t skipped; /* of the pages of the second slot */
	int clean_err, exits_err;
	const char *wakes; /* its thread does that when the first piece is cleaned */
	/* what came of it */
	bool over;
	int result;
	struct kcoh_clean_result sums;
	char sentence[512];
};

static void file_write(const struct rig *rig, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%u/%s", rig->dir, PID, name);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void thread_does(const struct rig *rig, const char *text)
{
	file_write(rig, "task/301/syscall", text);
}

static char in_kvm_run[64], in_another_ioctl[64];
#define IN_FUTEX "98 0xaaaae6c3bc58 0x80 0x0 0x0 0x0 0x0 0xffffd0 0xffffd8\n"

static void record(struct kcoh_inventory *inventory, union kcoh_ev *ev, uint16_t type, uint32_t vm,
		   uint16_t vcpu)
{
	ev->hdr.type = type;
	ev->hdr.vm = vm;
	ev->hdr.vcpu = vcpu;
	kcoh_inventory_take(inventory, ev);
}

static void slot(struct kcoh_inventory *inventory, uint16_t id, uint64_t gfn, uint64_t pages,
		 uint64_t generation, uint8_t change)
{
	union kcoh_ev ev = { .memslot = { .base_gfn = gfn,
					  .pages = pages,
					  .hva = HVA + gfn * PAGE,
					  .generation = generation,
					  .slot_id = id,
					  .change = change } };

	record(inventory, &ev, KCOH_EV_MEMSLOT, VM, KCOH_VCPU_NONE);
}

static void scan_mark(struct kcoh_inventory *inventory, bool done)
{
	union kcoh_ev ev = { .scan = { .done = done } };

	record(inventory, &ev, KCOH_EV_SCAN, KCOH_VM_NONE, KCOH_VCPU_NONE);
}

static void vcpu(struct kcoh_inventory *inventory, uint16_t index, uint32_t tid)
{
	union kcoh_ev ev = { .vcpu = { .tid = tid } };

	record(inventory, &ev, KCOH_EV_VCPU, VM, index);
}

/* --- what is read ----------------------------------------------------------------------------------------- */

static void threads(void **state)
{
	struct rig *rig = *state;
	const struct {
		const char *text;
		int thread;
	} cases[] = {
		{ IN_FUTEX, KCOH_THREAD_ASLEEP },
		{ in_kvm_run, KCOH_THREAD_IN_GUEST },
		{ in_another_ioctl, KCOH_THREAD_ASLEEP },
		{ "-1 0xffffd0 0xaaaa10\n", KCOH_THREAD_ASLEEP },
		{ "running\n", KCOH_THREAD_RUNNING },
		{ "what is this\n", KCOH_THREAD_RUNNING },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		thread_does(rig, cases[i].text);
		if (kcoh_thread_look(rig->dir, PID, TID) != cases[i].thread)
			fail_msg("%s", cases[i].text);
	}
	assert_int_equal(kcoh_thread_look(rig->dir, PID, TID + 1), KCOH_THREAD_GONE);
	assert_int_equal(kcoh_thread_look(rig->dir, PID + 1, TID), KCOH_THREAD_GONE);
}

/* /dev/null stands for a character device, the directory's own file for RAM in a file. */
static void devices(void **state)
{
	struct rig *rig = *state;
	struct kcoh_device_map map;
	char path[128];

	file_write(rig, "maps",
		   "10000000-10002000 rw-p 00000000 00:00 0 \n"
		   "20000000-20004000 rw-s 00000000 00:0c 12 /dev/vfio/7\n"
		   "30000000-30001000 rw-s 00000000 00:0d 34 anon_inode:[vfio-device]\n"
		   "40000000-40001000 rw-s 00000000 00:01 34 /dev/hugepages/ram (deleted)\n"
		   "50000000-50002000 rw-s 00000000 00:15 56 /sys/bus/pci/devices/0/resource0\n"
		   "60000000-60002000 rw-s 00000000 00:0d 34 anon_inode:kvm-vcpu:0\n"
		   "nonsense\n");
	snprintf(path, sizeof(path), "%s/%u/map_files/20000000-20004000", rig->dir, PID);
	assert_int_equal(symlink("/dev/null", path), 0);
	snprintf(path, sizeof(path), "%s/%u/map_files/40000000-40001000", rig->dir, PID);
	assert_int_equal(symlink("../maps", path), 0);
	assert_int_equal(kcoh_device_map_read(rig->dir, PID, &map), 0);
	assert_int_equal(map.ranges, 3);
	assert_int_equal(kcoh_device_map_bytes(&map, 0, UINT64_MAX / 2), 0x7000);
	assert_int_equal(kcoh_device_map_bytes(&map, 0x20003000, 0x2000), 0x1000);
	assert_int_equal(kcoh_device_map_bytes(&map, 0x20001000, 0x1000), 0x1000);
	assert_int_equal(kcoh_device_map_bytes(&map, 0x40000000, 0x1000), 0);
	kcoh_device_map_release(&map);
	assert_int_equal(kcoh_device_map_read(rig->dir, PID + 1, &map), -ENOENT);
	kcoh_device_map_release(&map);
}

static void inventories(void **state)
{
	struct kcoh_inventory a, b;
	union kcoh_ev lost = { .hdr = { .gap = 2 } };
	char err[128];

	(void)state;
	kcoh_inventory_begin(&a, VM);
	kcoh_inventory_begin(&b, VM);
	assert_int_equal(kcoh_inventory_finish(&a, err, sizeof(err)), -EAGAIN);
	slot(&a, 9, 0, 1, 1, KCOH_SLOT_DELETE); /* before the scan: it is no part of it */
	scan_mark(&a, false);
	slot(&a, 5, 0x50000, 7, 10, KCOH_SLOT_FOUND); /* of a walk that was given up */
	slot(&a, 1, 0x80000, 2, 12, KCOH_SLOT_FOUND);
	slot(&a, 0, 0x40000, 4, 12, KCOH_SLOT_FOUND);
	slot(&a, 2, 0x90000, 1, 12, KCOH_SLOT_FOUND);
	vcpu(&a, 1, 11);
	vcpu(&a, 0, 10);
	vcpu(&a, 1, 12); /* another thread took it */
	assert_int_equal(kcoh_inventory_finish(&a, err, sizeof(err)), -EAGAIN);
	scan_mark(&a, true);
	assert_int_equal(kcoh_inventory_finish(&a, err, sizeof(err)), 0);
	assert_int_equal(a.slots, 3);
	assert_int_equal(a.slot[0].gfn, 0x40000);
	assert_int_equal(a.slot[2].gfn, 0x90000);
	assert_int_equal(a.vcpus, 2);
	assert_int_equal(a.vcpu[0].tid, 12);
	assert_true(kcoh_inventory_same(&a, &a));
	assert_false(kcoh_inventory_same(&a, &b));

	scan_mark(&b, false);
	scan_mark(&b, true);
	assert_int_equal(kcoh_inventory_finish(&b, err, sizeof(err)), -ENOENT);
	slot(&b, 0, 0x40000, 4, 12, KCOH_SLOT_FOUND);
	assert_int_equal(kcoh_inventory_finish(&b, err, sizeof(err)), 0);
	slot(&b, 0, 0x40000, 4, 13, KCOH_SLOT_FLAGS);
	assert_int_equal(kcoh_inventory_finish(&b, err, sizeof(err)), -EAGAIN);
	assert_non_null(strstr(err, "being changed"));
	kcoh_inventory_take(&b, &lost);
	assert_int_equal(kcoh_inventory_finish(&b, err, sizeof(err)), -EAGAIN);
	assert_non_null(strstr(err, "could not read"));
	kcoh_inventory_release(&a);
	kcoh_inventory_release(&b);
}

/* --- the job ---------------------------------------------------------------------------------------------- */

static int on_scan(void *ctx, struct kcoh_inventory *inventory, char *err, size_t err_len)
{
	struct rig *rig = ctx;
	union kcoh_ev lost = { .hdr = { .gap = 1 } };

	(void)err;
	(void)err_len;
	rig->scans++;
	scan_mark(inventory, false);
	slot(inventory, 1, 0x80000, SECOND_PAGES + (rig->moves && rig->scans > 1), 1,
	     KCOH_SLOT_FOUND);
	slot(inventory, 0, 0x40000, FIRST_PAGES, 1, KCOH_SLOT_FOUND);
	vcpu(inventory, 0, TID);
	vcpu(inventory, 1, 0);
	if (rig->lossy)
		kcoh_inventory_take(inventory, &lost);
	scan_mark(inventory, true);
	return 0;
}

static int on_vcpus(void *ctx, uint32_t *ret_vcpus, char *err, size_t err_len)
{
	struct rig *rig = ctx;

	(void)err;
	(void)err_len;
	*ret_vcpus = rig->vcpus;
	return 0;
}

static int on_exits(void *ctx, uint64_t *ret_exits)
{
	struct rig *rig = ctx;

	*ret_exits = rig->exits;
	return rig->exits_err;
}

/* A quarter of the first slot is not populated. */
static int on_clean(void *ctx, struct kcoh_vm_range *range, char *err, size_t err_len)
{
	struct rig *rig = ctx;

	rig->pieces++;
	rig->exits += rig->exits_a_piece;
	if (rig->wakes)
		thread_does(rig, rig->wakes);
	snprintf(err, err_len, "no");
	assert_true(range->pages && range->pages <= KCOH_RANGE_MAX_PAGES);
	if (range->pages > rig->most)
		rig->most = range->pages;
	if (range->gfn >= 0x80000)
		range->skipped = rig->skipped;
	else
		range->absent = range->pages / 4;
	range->done = range->pages - range->absent - range->skipped;
	return rig->clean_err;
}

static void on_done(void *ctx, int result, const struct kcoh_clean_result *ret_result,
		    const char *sentence)
{
	struct rig *rig = ctx;

	assert_false(rig->over);
	rig->over = true;
	rig->result = result;
	assert_int_equal(result < 0, !ret_result);
	if (ret_result)
		rig->sums = *ret_result;
	snprintf(rig->sentence, sizeof(rig->sentence), "%s", sentence);
	kcoh_clean_free(rig->job); /* as its owner may */
	rig->job = NULL;
}

static void run(struct rig *rig)
{
	rig->over = false;
	rig->scans = rig->pieces = 0;
	assert_int_equal(kcoh_clean_start(&rig->config, &rig->job), 0);
	assert_false(rig->over);
	for (int i = 0; i < 10000 && !rig->over; i++)
		assert_true(sd_event_run(rig->event, 1000000) >= 0);
	assert_true(rig->over);
}

static void expect_refused(struct rig *rig, int result, const char *words)
{
	run(rig);
	if (rig->result != result || !strstr(rig->sentence, words))
		fail_msg("%d: %s", rig->result, rig->sentence);
}

static void stands_still(void **state)
{
	struct rig *rig = *state;

	run(rig);
	assert_int_equal(rig->result, 0);
	assert_int_equal(rig->scans, 2);
	assert_int_equal(rig->most, 2048); /* 8 MiB */
	assert_int_equal(rig->pieces, 5);
	assert_int_equal(rig->sums.slots, 2);
	assert_int_equal(rig->sums.pages, FIRST_PAGES + SECOND_PAGES);
	assert_int_equal(rig->sums.absent, FIRST_PAGES / 4);
	assert_int_equal(rig->sums.cleaned, FIRST_PAGES * 3 / 4 + SECOND_PAGES);
	assert_int_equal(rig->sums.no_ram + rig->sums.unclean, 0);
	assert_string_equal(rig->sums.run_state, "");
	assert_non_null(strstr(rig->sentence, "cleaned 6160 of 8208 pages (2048 not populated, 0 "
					      "no RAM, 0 could not be cleaned) in "));
}

/* The second slot lies at HVA + 0x80000 pages; three of its pages are a device's, five were not cleaned. */
static void some_are_not_cleaned(void **state)
{
	struct rig *rig = *state;

	file_write(rig, "maps", "90000000-90003000 rw-s 0 00:0d 1 anon_inode:[vfio-device]\n");
	rig->skipped = 5;
	run(rig);
	assert_int_equal(rig->result, 0);
	assert_int_equal(rig->sums.no_ram, 3);
	assert_int_equal(rig->sums.unclean, 2);
	assert_int_equal(rig->sums.cleaned, FIRST_PAGES * 3 / 4 + SECOND_PAGES - 5);
	rig->skipped = 2; /* never more than were skipped */
	run(rig);
	assert_int_equal(rig->sums.no_ram, 2);
	assert_int_equal(rig->sums.unclean, 0);
}

static void runs(void **state)
{
	struct rig *rig = *state;

	thread_does(rig, in_kvm_run); /* also a guest that idles */
	expect_refused(rig, -EBUSY, "vCPU 0 runs: pause the VM first");
	assert_int_equal(rig->pieces, 0);
	thread_does(rig, "running\n");
	expect_refused(rig, -EBUSY, "vCPU 0 runs: pause the VM first");
	assert_int_equal(rig->scans, 1);
	thread_does(rig, IN_FUTEX);
	rig->wakes = in_kvm_run;
	expect_refused(rig, -EBUSY, "vCPU 0 runs: pause the VM first");
	assert_int_equal(rig->pieces, 5);
	rig->wakes = IN_FUTEX; /* it ran, and sleeps again: only its exits tell */
	thread_does(rig, IN_FUTEX);
	rig->exits_a_piece = 1;
	expect_refused(rig, -EBUSY, "it ran meanwhile");
}

static int put_asleep(sd_event_source *source, uint64_t usec, void *ctx)
{
	(void)source;
	(void)usec;
	thread_does(ctx, IN_FUTEX);
	return 0;
}

/* QEMU wakes the thread of a vCPU that is stopped, too. */
static void runs_for_a_moment(void **state)
{
	struct rig *rig = *state;

	thread_does(rig, "running\n");
	sd_event_add_time_relative(rig->event, NULL, CLOCK_MONOTONIC, 30000, 0, put_asleep, rig);
	run(rig);
	assert_int_equal(rig->result, 0);
}

static void what_else_goes_wrong(void **state)
{
	struct rig *rig = *state;

	rig->moves = true;
	expect_refused(rig, -ESTALE, "its memory layout changed meanwhile");
	rig->moves = false;
	rig->lossy = true;
	expect_refused(rig, -EAGAIN, "could not read all of its memory layout");
	rig->lossy = false;
	rig->vcpus = 3;
	expect_refused(rig, -EAGAIN, "kcohd sees 2 of its 3 vCPUs");
	rig->vcpus = 2;
	rig->exits_err = -ENOENT;
	expect_refused(rig, -ENOENT, "its exits are not counted");
	rig->exits_err = 0;
	rig->clean_err = -ENODEV;
	expect_refused(rig, -ENODEV, "no");
	assert_int_equal(rig->pieces, 1);
	rig->clean_err = 0;
	assert_int_equal(kcoh_clean_start(&rig->config, &rig->job), 0);
	kcoh_clean_free(rig->job); /* given up: nobody is told */
	kcoh_clean_free(NULL);
}

/* --- QEMU is asked, too ----------------------------------------------------------------------------------- */

struct qemu {
	int listener;
	const char *answer;
};

static void line_read(int fd)
{
	char c = 0;

	while (c != '}' && read(fd, &c, 1) == 1)
		;
}

static void say_line(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void *qemu_run(void *ctx)
{
	struct qemu *qemu = ctx;
	int fd = accept(qemu->listener, NULL, NULL);

	say_line(fd, "{\"QMP\": {}}\r\n");
	line_read(fd);
	say_line(fd, "{\"return\": {}, \"id\": 1}\r\n");
	line_read(fd);
	say_line(fd, qemu->answer);
	line_read(fd); /* until kcohd closes */
	close(fd);
	return NULL;
}

static void with_qemu(struct rig *rig, const char *answer, int result, const char *words,
		      const char *run_state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct qemu qemu = { .answer = answer };
	pthread_t thread;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/qmp", rig->dir);
	qemu.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(qemu.listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(qemu.listener, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, qemu_run, &qemu), 0);
	rig->config.qmp = address.sun_path;
	expect_refused(rig, result, words);
	assert_string_equal(rig->sums.run_state, run_state);
	pthread_join(thread, NULL);
	close(qemu.listener);
	unlink(address.sun_path);
}

static void qemu_says(void **state)
{
	struct rig *rig = *state;

	with_qemu(rig, "{\"return\": {\"status\": \"running\", \"running\": true}, \"id\": 2}\r\n",
		  -EBUSY, "QEMU says that it runs", "");
	with_qemu(rig, "{\"return\": {\"status\": \"paused\", \"running\": false}, \"id\": 2}\r\n",
		  0, "cleaned", "paused");
	rig->sums = (struct kcoh_clean_result){ 0 };
	with_qemu(rig, "{\"error\": {\"desc\": \"no\"}, \"id\": 2}\r\n", 0, "cleaned", "");
	rig->config.qmp = "/nowhere"; /* no socket, or another client on it: it goes without */
	run(rig);
	assert_int_equal(rig->result, 0);
}

static int set_up(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	static const char *const dirs[] = { "", "task", "task/301", "map_files" };
	char path[64];

	strcpy(rig->dir, "/tmp/kcoh-clean-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s/%u/%s", rig->dir, PID, dirs[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	snprintf(in_kvm_run, sizeof(in_kvm_run), "%d 0x14 0xae80 0x0 0x0 0x0 0x0 0x1 0x2\n",
		 SYS_ioctl);
	snprintf(in_another_ioctl, sizeof(in_another_ioctl),
		 "%d 0x14 0xae81 0x0 0x0 0x0 0x0 0x1 0x2\n", SYS_ioctl);
	thread_does(rig, IN_FUTEX);
	assert_true(sd_event_new(&rig->event) >= 0);
	rig->vcpus = 2;
	rig->config = (struct kcoh_clean_config){ .event = rig->event,
						  .vm = VM,
						  .pid = PID,
						  .page_size = PAGE,
						  .proc = rig->dir,
						  .scan = on_scan,
						  .vcpus = on_vcpus,
						  .exits = on_exits,
						  .clean = on_clean,
						  .done = on_done,
						  .ctx = rig };
	*state = rig;
	return 0;
}

static int tear_down(void **state)
{
	struct rig *rig = *state;
	char command[64];

	sd_event_unref(rig->event);
	snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
	assert_int_equal(system(command), 0);
	free(rig);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(threads),
		TEST(devices),
		TEST(inventories),
		TEST(stands_still),
		TEST(some_are_not_cleaned),
		TEST(runs),
		TEST(runs_for_a_moment),
		TEST(what_else_goes_wrong),
		TEST(qemu_says),
	};

	return cmocka_run_group_tests_name("clean", tests, NULL, NULL);
}
