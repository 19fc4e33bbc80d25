// SPDX-License-Identifier: GPL-2.0-only
/*
 * module.c - kcoh.ko comes and goes while kcohd runs.
 *
 * Once a second /dev/kcoh is asked: is it there, does its ABI fit, does it still arm? A change becomes a HOST record,
 * so that the core judges by what there is. A module of another ABI is refused: at the start kcohd ends with both
 * numbers, later it goes on as without a module and says so once.
 *
 * As long as our BPF programs sit on its tracepoints the kernel refuses to unload the module. `kcoh module release`
 * takes them off for 30 s; that is time for an rmmod, and if nobody used it they are put back. The core is told at once
 * that nothing is trapped that we could see, so verdicts of that time are those of a host without the module. A module that
 * comes meanwhile is not the one that was let go, and is picked up within a second: its device node is another.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kcohd/daemon.h"

/* Facts of the machine: as true after the module was unloaded. */
#define HARDWARE (KCOH_HOST_S2FWB | KCOH_HOST_VHE | KCOH_HOST_PKVM)

#define RELEASE_NS (30ull * 1000000000)

static void host_push(struct daemon *daemon, uint32_t features)
{
	struct kcoh_ev_host ev = { .hdr = header_now(KCOH_EV_HOST, sizeof(ev)),
				   .features = features,
				   .page_size = daemon->page_size };

	daemon->host_features = features;
	push(daemon, &ev);
}

/* Each complaint once, until there is another one or none. */
static void complain(struct module *module, const char *sentence)
{
	if (!strcmp(module->told, sentence))
		return;
	snprintf(module->told, sizeof(module->told), "%s", sentence);
	if (*sentence)
		say(LOG_WARNING, "%s", sentence);
}

/* An open file of a VM keeps the module loaded, as our programs on its tracepoints do. */
static void detach(struct daemon *daemon)
{
	arms_close(daemon);
	if (daemon->module.attached)
		kcoh_feed_module_detach(daemon->feed);
	daemon->module.attached = false;
	daemon->unclean = (struct unclean){ 0 };
}

/* True if its tracepoints are read. A module whose events we do not get is as good as none. */
static bool attach(struct daemon *daemon)
{
	char sentence[256];
	int err;

	if (daemon->module.attached)
		return true;
	err = kcoh_feed_module_attach(daemon->feed);
	if (err < 0) {
		snprintf(sentence, sizeof(sentence),
			 "the kcoh module is loaded but its tracepoints cannot be read: %s",
			 strerror(-err));
		complain(&daemon->module, sentence);
		return false;
	}
	daemon->module.attached = true;
	say(LOG_INFO, "the kcoh module is loaded and watched");
	return true;
}

static void hardware_learn(struct module *module)
{
	module->told_hardware = true;
	module->hardware = module->hello.host & HARDWARE;
}

static uint32_t features_alone(const struct daemon *daemon)
{
	return (daemon->pkvm ? KCOH_HOST_PKVM : 0) | daemon->module.hardware;
}

static uint32_t features_of(const struct kcoh_hello *hello)
{
	uint32_t features = hello->host | KCOH_HOST_MODULE;

	if (hello->state != KCOH_MODULE_READY)
		features &= ~(KCOH_HOST_TRAP | KCOH_HOST_CLEAN);
	return features;
}

/* Unloaded and loaded again between two looks: devtmpfs made the node anew. */
static bool is_another(const struct stat *released)
{
	struct stat now;

	return stat(KCOH_DEV, &now) == 0 &&
	       (now.st_ino != released->st_ino || now.st_ctim.tv_sec != released->st_ctim.tv_sec ||
		now.st_ctim.tv_nsec != released->st_ctim.tv_nsec);
}

static bool is_released(struct module *module, int hello_err)
{
	if (hello_err == -ENOENT || now_ns() >= module->released_until_ns ||
	    is_another(&module->released))
		module->released_until_ns = 0;
	return module->released_until_ns;
}

void module_look(struct daemon *daemon)
{
	struct module *module = &daemon->module;
	uint32_t features;
	char sentence[256] = "";
	int err = kcoh_host_hello(KCOH_DEV, &module->hello, sentence, sizeof(sentence));

	module->fits = err == 0;
	if (err == 0)
		hardware_learn(module);
	features = features_alone(daemon);
	if (err < 0 && module->attached && err == -ENOENT)
		say(LOG_WARNING, "the kcoh module was unloaded: windows are not seen reliably");
	if (err < 0)
		detach(daemon);
	if (err < 0 && err != -ENOENT)
		complain(module, sentence);
	if (!is_released(module, err) && err == 0 && attach(daemon)) {
		complain(module, "");
		features = features_of(&module->hello);
	}
	if (features != daemon->host_features)
		host_push(daemon, features);
}

int module_up(struct daemon *daemon)
{
	char sentence[256];
	int err = kcoh_host_hello(KCOH_DEV, &daemon->module.hello, sentence, sizeof(sentence));

	if (err == -EPROTO) {
		say(LOG_ERR, "%s", sentence);
		return err;
	}
	daemon->host_features = ~0u;
	module_look(daemon);
	if (!daemon->module.attached && err == -ENOENT)
		say(LOG_NOTICE, "the kcoh module is not loaded: windows are not seen reliably, and "
				"verdicts say so (load it with: modprobe kcoh)");
	return 0;
}

void module_down(struct daemon *daemon)
{
	detach(daemon);
}

int module_release(struct daemon *daemon, uint64_t *ret_ns, char *err, size_t err_len)
{
	if (!daemon->module.attached) {
		snprintf(err, err_len, "the kcoh module is not in use by kcohd");
		return -ENOENT;
	}
	detach(daemon);
	if (stat(KCOH_DEV, &daemon->module.released) < 0)
		daemon->module.released = (struct stat){ 0 };
	daemon->module.released_until_ns = now_ns() + RELEASE_NS;
	host_push(daemon, features_alone(daemon));
	say(LOG_WARNING, "let go of the kcoh module for %llu s: it can be unloaded now",
	    RELEASE_NS / 1000000000);
	*ret_ns = RELEASE_NS;
	return 0;
}
