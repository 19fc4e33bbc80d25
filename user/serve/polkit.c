// SPDX-License-Identifier: GPL-2.0-only
/*
 * polkit.c - one method call on the system bus: CheckAuthorization of org.freedesktop.PolicyKit1.
 *
 * The subject is a process: pid, start time and uid. polkit is asked without interaction: a person who would have to type a password is
 * refused, because an API that hangs while a dialogue stands somewhere is worse than a rule that an administrator writes once:
 *
 *   polkit.addRule(function(action, subject) {
 *           if (action.id == "org.kcoh.act" && subject.isInGroup("kcoh-operators"))
 *                   return polkit.Result.YES;
 *   });
 *
 * A bus that went away is connected to again with the next question; without a bus, or without polkit on it, only root acts.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "serve/polkit.h"

#define TIMEOUT_US (5 * 1000 * 1000)

struct kcoh_polkit {
	sd_event *event;
	sd_bus *bus; /* NULL: not connected */
};

struct kcoh_polkit_ask {
	sd_bus_slot *slot;
	kcoh_polkit_fn fn;
	void *ctx;
	uint32_t uid;
};

int kcoh_polkit_new(sd_event *event, struct kcoh_polkit **ret_polkit)
{
	struct kcoh_polkit *polkit = calloc(1, sizeof(*polkit));

	if (!polkit)
		return -ENOMEM;
	polkit->event = event;
	*ret_polkit = polkit;
	return 0;
}

static void bus_close(struct kcoh_polkit *polkit)
{
	if (!polkit->bus)
		return;
	sd_bus_detach_event(polkit->bus);
	polkit->bus = sd_bus_close_unref(polkit->bus);
}

void kcoh_polkit_free(struct kcoh_polkit *polkit)
{
	if (!polkit)
		return;
	bus_close(polkit);
	free(polkit);
}

static int bus_get(struct kcoh_polkit *polkit)
{
	int err;

	if (polkit->bus && sd_bus_is_open(polkit->bus) > 0)
		return 0;
	bus_close(polkit);
	err = sd_bus_open_system(&polkit->bus);
	if (err >= 0)
		err = sd_bus_set_method_call_timeout(polkit->bus, TIMEOUT_US);
	if (err >= 0)
		err = sd_bus_attach_event(polkit->bus, polkit->event, SD_EVENT_PRIORITY_NORMAL);
	if (err < 0)
		bus_close(polkit);
	return err < 0 ? err : 0;
}

static int answer_read(sd_bus_message *reply, bool *ret_yes, bool *ret_challenge)
{
	int yes, challenge, err = sd_bus_message_enter_container(reply, 'r', "bba{ss}");

	if (err >= 0)
		err = sd_bus_message_read(reply, "bb", &yes, &challenge);
	if (err < 0)
		return err;
	*ret_yes = yes;
	*ret_challenge = challenge;
	return 0;
}

static int on_answer(sd_bus_message *reply, void *ctx, sd_bus_error *unused)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	bool yes = false, challenge = false;
	struct kcoh_polkit_ask *ask = ctx;
	char sentence[512] = "";
	int err = error ? -sd_bus_message_get_errno(reply) : answer_read(reply, &yes, &challenge);

	(void)unused;
	if (err < 0)
		snprintf(sentence, sizeof(sentence),
			 "only root may do that, since polkit cannot be asked: %s",
			 error && error->message ? error->message : strerror(-err));
	else if (!yes)
		snprintf(sentence, sizeof(sentence),
			 "polkit does not let user %u do that%s: it needs a rule "
			 "for " KCOH_POLKIT_ACTION,
			 ask->uid, challenge ? " without a password" : "");
	ask->fn(ask->ctx, err < 0 ? err : yes, sentence);
	kcoh_polkit_drop(ask);
	return 0;
}

int kcoh_polkit_ask(struct kcoh_polkit *polkit, const struct kcoh_asker *asker, const char *what,
		    kcoh_polkit_fn fn, void *ctx, struct kcoh_polkit_ask **ret_ask, char *err,
		    size_t err_len)
{
	struct kcoh_polkit_ask *ask = calloc(1, sizeof(*ask));
	int ret = ask ? bus_get(polkit) : -ENOMEM;

	if (ret == 0) {
		*ask = (struct kcoh_polkit_ask){ .fn = fn, .ctx = ctx, .uid = asker->uid };
		ret = sd_bus_call_method_async(
			polkit->bus, &ask->slot, "org.freedesktop.PolicyKit1",
			"/org/freedesktop/PolicyKit1/Authority",
			"org.freedesktop.PolicyKit1.Authority", "CheckAuthorization", on_answer,
			ask, "(sa{sv})sa{ss}us", "unix-process", 3, "pid", "u", asker->pid,
			"start-time", "t", asker->start_time, "uid", "i", (int)asker->uid,
			KCOH_POLKIT_ACTION, 1, "what", what, 0, "");
	}
	if (ret < 0) {
		snprintf(err, err_len, "only root may do that, since polkit cannot be asked: %s",
			 strerror(-ret));
		free(ask);
		return -ENOTCONN;
	}
	*ret_ask = ask;
	return 0;
}

void kcoh_polkit_drop(struct kcoh_polkit_ask *ask)
{
	if (!ask)
		return;
	sd_bus_slot_unref(ask->slot);
	free(ask);
}
