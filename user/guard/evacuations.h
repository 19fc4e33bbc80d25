/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * evacuations.h - all evacuations of a kcohd: begins them, decides at each step by the verdict, and remembers how they ended.
 */
#ifndef KCOH_EVACUATIONS_H
#define KCOH_EVACUATIONS_H

#include <stddef.h>
#include <systemd/sd-event.h>

#include "guard/evacuation.h"
#include "names/roster.h"
#include "serve/log.h"

#define KCOH_EVACUATIONS_RUNNING 64 /* at a time */
#define KCOH_EVACUATIONS_KEPT 256 /* that are over */

struct kcoh_evacuations_config {
	sd_event *event;
	const struct kcoh_core *core;
	struct kcoh_roster *roster;
	struct kcoh_log *log; /* each change of state becomes an entry */
	const char *marks; /* directory of what must outlive kcohd (mark.h); it is made */
	/* Where the VM's QMP socket is: 0, or a negative errno. */
	int (*qmp_path)(void *ctx, const struct kcoh_ident *ident, char *ret_path, size_t len);
	/* QEMU told another phase: for the core. From the loop, never from inside of a call below. */
	void (*phase)(void *ctx, const struct kcoh_ident *ident, enum kcoh_phase phase);
	/* What kcoh_evacuations_veto() asked for has ended: 0 cancelled, or a negative errno, and a sentence. Likewise. */
	void (*vetoed)(void *ctx, const struct kcoh_ident *ident, int result, const char *sentence);
	void *ctx;
};

/* What is asked for. */
struct kcoh_evacuation_order {
	const char *destination; /* tcp:HOST:PORT or unix:PATH */
	uint32_t timeout_ms; /* of all, waiting too; 0: 600 s; at most a day */
	uint32_t pause_ms; /* how long the guest may stand paused while the verdict is `wait`; 0: 2 s; at most 30 s */
};

struct kcoh_evacuations; /* opaque */

/* Evacuations that a kcohd before this one left are taken over as soon as their VMs are known. -ENOMEM, or errno of the directory. */
int kcoh_evacuations_new(const struct kcoh_evacuations_config *config,
			 struct kcoh_evacuations **ret_all);

/* Lets go of all that run as they are: the next kcohd takes them over. NULL is allowed. */
void kcoh_evacuations_free(struct kcoh_evacuations *all);

/* Could one of this VM begin, as far as its verdict is not concerned? 0, or as kcoh_evacuations_start() with a sentence. */
int kcoh_evacuations_can(struct kcoh_evacuations *all, const struct kcoh_ident *ident, char *err,
			 size_t err_len);

/*
 * Begins one: 0 and its number; -EINVAL the order makes no sense, -ENOENT no QMP socket is configured, -EBUSY one of this VM runs,
 * -ENOSPC too many run; with a sentence.
 */
int kcoh_evacuations_start(struct kcoh_evacuations *all, struct kcoh_ident *ident,
			   const struct kcoh_evacuation_order *order, uint32_t *ret_id, char *err,
			   size_t err_len);

/* Somebody wants it cancelled. -ENOENT there is none, -EALREADY it is over, -EBUSY it is switching over; with a sentence. */
int kcoh_evacuations_stop(struct kcoh_evacuations *all, uint32_t id, char *err, size_t err_len);

/* kcohd is to end in order: cancels all that can be. How many are not over; to be called again until none is. */
unsigned int kcoh_evacuations_stop_all(struct kcoh_evacuations *all);

/* The core wants this VM's migration cancelled. False: it is none of ours. */
bool kcoh_evacuations_veto(struct kcoh_evacuations *all, uint32_t vm);

/* Ten times a second: verdicts and deadlines. */
void kcoh_evacuations_tick(struct kcoh_evacuations *all);

/* A VM is gone. */
void kcoh_evacuations_gone(struct kcoh_evacuations *all, const struct kcoh_ident *ident);

/* 0, or -ENOENT. Valid until the loop runs on. */
int kcoh_evacuations_find(const struct kcoh_evacuations *all, uint32_t id,
			  struct kcoh_evacuation_view *ret_view);
/* In ascending number, until fn returns non-zero; returns that. */
int kcoh_evacuations_each(const struct kcoh_evacuations *all,
			  int (*fn)(const struct kcoh_evacuation_view *view, void *ctx), void *ctx);

#endif
