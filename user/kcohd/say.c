// SPDX-License-Identifier: GPL-2.0-only
/*
 * say.c - what kcohd tells people.
 *
 * Under systemd, standard error goes to the journal, and $JOURNAL_STREAM says so by device and inode; then
 * messages are sent as entries with fields, so that `journalctl KCOH_VM_NAME=web-1` works. Anywhere else they are
 * lines on standard error.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <systemd/sd-journal.h>

#include "core/core.h"
#include "kcohd/say.h"

static int max_priority = LOG_INFO;

void say_set_verbose(bool verbose)
{
	max_priority = verbose ? LOG_DEBUG : LOG_INFO;
}

static bool to_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void say(int priority, const char *format, ...)
{
	va_list args;

	if (priority > max_priority)
		return;
	va_start(args, format);
	if (to_journal()) {
		sd_journal_printv(priority, format, args);
	} else {
		fputs("kcohd: ", stderr);
		vfprintf(stderr, format, args);
		fputc('\n', stderr);
	}
	va_end(args);
}

void say_vm(int priority, const struct kcoh_ident *ident, enum kcoh_reason reason,
	    const char *format, ...)
{
	char text[512];
	va_list args;

	if (priority > max_priority)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!to_journal()) {
		fprintf(stderr, "kcohd: VM %" PRIu32 " (%s): %s\n", ident->id, ident->name, text);
		return;
	}
	sd_journal_send("MESSAGE=VM %" PRIu32 " (%s): %s", ident->id, ident->name, text,
			"PRIORITY=%d", priority, "KCOH_VM=%" PRIu32, ident->id, "KCOH_VM_NAME=%s",
			ident->name, "KCOH_VM_UUID=%s", ident->uuid, "KCOH_REASON=%s",
			kcoh_reason_name(reason), NULL);
}

void say_audit(const struct kcoh_entry *entry)
{
	const struct kcoh_entry_audit *audit = &entry->audit;
	const char *name = entry->ident ? entry->ident->name : "";
	const char *right = audit->by_polkit ? " by polkit" : "";
	char who[96] = "somebody on TCP", text[256];

	if (audit->local)
		snprintf(who, sizeof(who), "uid %" PRIu32 ", pid %" PRIu32 " (%s)", audit->uid,
			 audit->pid, audit->comm);
	snprintf(text, sizeof(text), "%s%s: %s%s%s: %s", audit->allowed ? "allowed" : "refused",
		 right, audit->what, *name ? " of " : "", name, who);
	if (!to_journal()) {
		fprintf(stderr, "kcohd: %s\n", text);
		return;
	}
	sd_journal_send("MESSAGE=%s", text, "PRIORITY=%d",
			audit->allowed ? LOG_NOTICE : LOG_WARNING, "KCOH_ACT=%s", audit->what,
			"KCOH_ALLOWED=%d", (int)audit->allowed, "KCOH_UID=%" PRId64,
			audit->local ? (int64_t)audit->uid : -1, "KCOH_PID=%" PRIu32, audit->pid,
			"KCOH_VM_NAME=%s", name, NULL);
}
