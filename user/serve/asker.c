// SPDX-License-Identifier: GPL-2.0-only
/*
 * asker.c - who asks, by SO_PEERCRED: the process that connected, as it was when it did.
 *
 * A pid may be another process's by the time somebody looks at it. So polkit gets the uid of the socket and the start time of the process
 * beside the pid, and finds a process that came later by its start time. Of a TCP connection nobody knows anything.
 */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "names/process.h"
#include "names/text.h"
#include "serve/asker.h"

static bool line_read(uint32_t pid, const char *file, char *text, size_t room)
{
	char path[48];
	size_t len;
	FILE *in;

	snprintf(path, sizeof(path), "/proc/%u/%s", pid, file);
	in = fopen(path, "re");
	if (!in)
		return false;
	len = fread(text, 1, room - 1, in);
	fclose(in);
	text[len] = '\0';
	return len > 0;
}

static void comm_read(uint32_t pid, char comm[KCOH_COMM_LEN])
{
	if (!line_read(pid, "comm", comm, KCOH_COMM_LEN))
		*comm = '\0';
	comm[strcspn(comm, "\n")] = '\0';
	kcoh_text_printable(comm);
}

void kcoh_asker_read(int fd, struct kcoh_asker *ret_asker)
{
	struct ucred who;
	int domain = AF_UNSPEC;
	socklen_t len = sizeof(who), domain_len = sizeof(domain);

	*ret_asker = (struct kcoh_asker){ .uid = UINT32_MAX };
	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) < 0 || domain != AF_UNIX ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0)
		return;
	ret_asker->local = true;
	ret_asker->uid = who.uid;
	ret_asker->pid = (uint32_t)who.pid;
	if (!who.pid)
		return;
	ret_asker->start_time = kcoh_process_start_time(ret_asker->pid);
	comm_read(ret_asker->pid, ret_asker->comm);
}
