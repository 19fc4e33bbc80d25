// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - kcoh-witness: tells the witness outside the lab (tests/witness) about a real VMM, which cannot tell anything.
 *
 *   kcoh-witness symbols             where KVM's functions are: once, before the first VM
 *   kcoh-witness begin NAME          from here on the witness looks
 *   kcoh-witness pages PID WHEN      which pages of its memory a process has, before or after the migration
 *   kcoh-witness journal PID         takes the process's VM (as kcohd does) and tells what the module's journal claims,
 *                                    until its standard input ends; then the module's counts for the VM
 *   kcoh-witness end
 *
 * `journal` asks for no strategy: the VM keeps the one it has (auto=clean). It prints a line when it has begun.
 * Exit status 0, or 2 with one sentence.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../vmm/module.h"
#include "../vmm/say.h"
#include "tell.h"

#define JOURNAL_ENTRIES (1u << 18)

static int must_open_vm(int pid)
{
	struct kcoh_hello hello;
	struct kcoh_vm_open request = { .vm_fd = vm_take(pid) };
	__u32 entries = JOURNAL_ENTRIES;
	int dev, file;

	if (request.vm_fd < 0)
		die("cannot take the VM of process %d: %s", pid, strerror(errno));
	dev = must_open_module(&hello);
	file = ioctl(dev, KCOH_IOC_VM, &request);
	if (file < 0 || fcntl(file, F_SETFL, O_RDWR | O_NONBLOCK) ||
	    ioctl(file, KCOH_VM_JOURNAL, &entries))
		die("the module does not open the VM's journal: %s", strerror(errno));
	close(request.vm_fd);
	close(dev);
	return file;
}

static void must_drain(int file)
{
	struct kcoh_journal_entry entries[256];
	ssize_t got, i;

	while ((got = read(file, entries, sizeof(entries))) > 0)
		for (i = 0; i < got / (ssize_t)sizeof(entries[0]); i++)
			tell_claim(&entries[i]);
	if (got < 0 && errno != EAGAIN)
		die("cannot read the journal: %s", strerror(errno));
}

static void must_follow_journal(int pid)
{
	int file = must_open_vm(pid);
	struct pollfd polls[] = { { .fd = file, .events = POLLIN },
				  { .fd = STDIN_FILENO, .events = POLLIN } };
	struct kcoh_vm_status status;

	say("following");
	do {
		poll(polls, 2, -1);
		must_drain(file);
	} while (!polls[1].revents && !(polls[0].revents & POLLHUP));
	if (ioctl(file, KCOH_VM_STATUS, &status))
		die("the module does not tell the status of the VM: %s", strerror(errno));
	tell_counts(&status);
	say("protected %llu cleaned %llu absent %llu unclean %llu extra %llu lost %llu",
	    status.pages_protected, status.pages_cleaned, status.pages_absent,
	    status.pages_no_ram + status.pages_unclean, status.pages_extra, status.journal_lost);
}

static bool is(int argc, char **argv, const char *verb, int arguments)
{
	return argc == arguments + 2 && !strcmp(argv[1], verb);
}

int main(int argc, char **argv)
{
	if (is(argc, argv, "symbols", 0)) {
		if (tell_symbols())
			die("cannot find KVM's functions in /proc/kallsyms: %s", strerror(errno));
	} else if (is(argc, argv, "begin", 1)) {
		tell_begin(argv[2]);
	} else if (is(argc, argv, "pages", 2)) {
		if (tell_pages(atoi(argv[2]),
			       strcmp(argv[3], "before") ? WITNESS_AFTER : WITNESS_BEFORE))
			die("cannot read the pagemap of process %s: %s", argv[2], strerror(errno));
	} else if (is(argc, argv, "journal", 1)) {
		must_follow_journal(atoi(argv[2]));
	} else if (is(argc, argv, "end", 0)) {
		tell_end();
	} else {
		die("say symbols, begin NAME, pages PID before|after, journal PID or end");
	}
	return 0;
}
