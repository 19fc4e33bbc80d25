/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * qmp.h - a client of QEMU's machine protocol on an sd-event loop.
 *
 * One connection, one command at a time, a deadline on each. Errors are negative errno with a sentence:
 *   -ETIMEDOUT  no greeting, or no answer, in time (another client may hold the socket)
 *   -ECONNRESET QEMU closed the connection, or died
 *   -EPROTO     what came is not QMP
 *   -EREMOTEIO  QEMU answered with an error; the sentence is QEMU's
 */
#ifndef KCOH_QMP_H
#define KCOH_QMP_H

#include <stdint.h>
#include <jansson.h>
#include <systemd/sd-event.h>

struct kcoh_qmp; /* opaque */

struct kcoh_qmp_config {
	sd_event *event;
	const char *path; /* of QEMU's Unix socket */
	uint64_t greeting_ns; /* how long to wait for it: another client may have to leave first */
	uint64_t deadline_ns; /* of each command */
	uint32_t pid; /* whose socket it must be, 0: anybody's */
	/* The connection is ready for commands. */
	void (*ready)(void *ctx);
	/* An event of QEMU's; data may be NULL. May be NULL itself. */
	void (*event_fn)(void *ctx, const char *name, const json_t *data);
	/* It is over, by an error; no callback follows. The client is still to be closed. */
	void (*failed)(void *ctx, int error, const char *sentence);
	void *ctx;
};

/* Connects; what comes of it is told by a callback. Negative errno with a sentence if not even that can be tried. */
int kcoh_qmp_open(const struct kcoh_qmp_config *config, struct kcoh_qmp **ret_qmp, char *err,
		  size_t err_len);

/* May be called from a callback. NULL is allowed. No callback follows. */
void kcoh_qmp_close(struct kcoh_qmp *qmp);

/*
 * Sends a command without arguments. `done` gets 0 and what QEMU returned, or -EREMOTEIO and its error's
 * description. -EBUSY if one is in flight, -ENOTCONN if the connection is not ready.
 */
typedef void (*kcoh_qmp_done_fn)(void *ctx, int error, const json_t *ret_value,
				 const char *sentence);
int kcoh_qmp_execute(struct kcoh_qmp *qmp, const char *command, kcoh_qmp_done_fn done);

/* The same with arguments, which stay the caller's; NULL: none. */
int kcoh_qmp_execute_with(struct kcoh_qmp *qmp, const char *command, json_t *arguments,
			  kcoh_qmp_done_fn done);

#endif
