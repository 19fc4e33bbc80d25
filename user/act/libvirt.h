/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * libvirt.h - what libvirt knows of this host's VMs, and the end of a migration by libvirt.
 *
 * libvirt's calls wait for libvirtd, so they are made in a thread of their own; no function here waits. The thread keeps one connection, and
 * tells what comes by libvirt's events: which domains run, and what their migrations are at.
 *
 * Which process a domain is: its UUID is on QEMU's command line, but anybody who starts a VM may write any UUID there. So a
 * domain's process is the one that libvirt noted as such, in the file NAME.pid of a directory that only root can write.
 *
 *   0 s     libvirtd is there: it has web-1, UUID d7ec…, and /run/libvirt/qemu/web-1.pid says 4711    VM d7ec… of process 4711 is libvirt's
 *   60 s    virsh migrate: libvirt tells of the first pass over RAM                                    phase: active
 *   60.1 s  the core vetoes: kcoh_libvirt_cancel()                                                     virDomainAbortJob; phase: cancelled
 *   90 s    libvirtd is restarted; tried again after 0.5 s, 1 s, 2 s, … 10 s                           said once, and once that it is back
 *
 * Limits: libvirt's own monitor sockets are never used. What moves a VM without libvirt is not seen. While libvirtd is away, what it knew last
 * counts, since its VMs live on.
 */
#ifndef KCOH_LIBVIRT_H
#define KCOH_LIBVIRT_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "kcoh/event.h"

#define KCOH_LIBVIRT_PIDS "/run/libvirt/qemu" /* where libvirtd and virtqemud note processes */

struct kcoh_libvirt; /* opaque */
struct kcoh_libvirt_cancel; /* opaque */

struct kcoh_libvirt_config {
	sd_event *event;
	const char *uri; /* qemu:///system */
	const char *pids; /* NULL: KCOH_LIBVIRT_PIDS */
	/* It is there, away, or there again: a syslog priority and one sentence. */
	void (*say)(void *ctx, int priority, const char *sentence);
	/* kcoh_libvirt_has() answers otherwise than before, of some VM. May be NULL. */
	void (*changed)(void *ctx);
	/* What the migration of the domain that is this process is at. NONE: that is not known any more. May be NULL. */
	void (*phase)(void *ctx, const char *uuid, uint32_t pid, enum kcoh_phase phase);
	void *ctx;
};

/*
 * Starts the thread; callbacks come from the loop, never from inside of a call. -ENOMEM or another errno. That libvirt is not
 * installed is no error: it is said, and the status shows it. One at a time in a process.
 */
int kcoh_libvirt_new(const struct kcoh_libvirt_config *config, struct kcoh_libvirt **ret_libvirt);

/* Cancels must have been freed. Waits up to 2 s for a call that libvirtd does not answer, and leaves it then. NULL is allowed. */
void kcoh_libvirt_free(struct kcoh_libvirt *libvirt);

/* Is the VM with this UUID, in this process, a domain that libvirt runs? */
bool kcoh_libvirt_has(const struct kcoh_libvirt *libvirt, const char *uuid, uint32_t pid);

struct kcoh_libvirt_cancel_config {
	const char *uuid;
	uint32_t pid;
	uint64_t total_ns; /* of all tries together; 0: 8 s */
	/*
	 * The end, once: 0 if the migration is over without having completed, else a negative errno (-EALREADY it had completed,
	 * -ENOENT there is no such domain or none of its jobs is a migration, -EBUSY postcopy, or another kind of job; -ENOTCONN libvirtd is away;
	 * -EREMOTEIO libvirt refused, in its words; -ETIMEDOUT), and one sentence. The job is still to be freed, also from here.
	 */
	void (*done)(void *ctx, int result, const char *sentence);
	void *ctx;
};

/*
 * Ends the live migration of a domain (virDomainAbortJob), and no other kind of job; not in postcopy, where the guest runs at the
 * destination already. -ENOMEM or another errno of the loop's.
 */
int kcoh_libvirt_cancel(struct kcoh_libvirt *libvirt,
			const struct kcoh_libvirt_cancel_config *config,
			struct kcoh_libvirt_cancel **ret_job);

/* Gives up if it is not over. NULL is allowed. */
void kcoh_libvirt_cancel_free(struct kcoh_libvirt_cancel *job);

struct kcoh_libvirt_status {
	const char *uri;
	bool up; /* connected */
	const char *version; /* of the libvirtd that answered last, "9.0.0"; "": none has */
	const char *error; /* why it is not up; "": it has not been tried yet */
	uint64_t since_ns; /* CLOCK_MONOTONIC: since when it is up, or is not */
	uint32_t domains; /* that run */
	uint32_t unmatched; /* of these, whose process is not known */
	uint64_t connects; /* times that it answered */
	uint64_t cancels; /* asked for, since the start */
	uint64_t cancels_failed;
};
void kcoh_libvirt_status(const struct kcoh_libvirt *libvirt,
			 struct kcoh_libvirt_status *ret_status);

#endif
