// SPDX-License-Identifier: GPL-2.0-only
/*
 * overrides.c - operators let VMs through: asked for by the API, kept in a file, told to the core, and to people.
 *
 *   POST /v1/vms/web-1/override     entered in the book, written to /run/kcoh/overrides.json, told to the core: `given`
 *   kcohd is killed, and started    web-1 is found again by its process, before it is first judged: `again`
 *   the core ends it                noticed with the next tick: `expired` or `completed`
 *
 * Which ends, the core alone decides (override.c there); the book follows. If the file cannot be written the override holds all the
 * same, for as long as this kcohd lives, and the journal says so.
 *
 * The break-glass (override/glass.h) is nothing to decide by for a kcohd that is there. It is told once, at the start, even if it is over by then.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kcohd/daemon.h"
#include "names/process.h"
#include "override/glass.h"

#define BOOK "overrides.json"

static char *path_of(const struct daemon *daemon, const char *name)
{
	return kcoh_override_path(kcoh_config_socket(daemon->config), name);
}

static void tell(struct daemon *daemon, struct kcoh_ident *ident, enum kcoh_override_state state,
		 uint32_t uid, uint64_t until_ns, const char *why)
{
	struct kcoh_entry entry = {
		.ts_ns = now_ns(),
		.vm = ident ? ident->id : KCOH_VM_NONE,
		.vcpu = KCOH_VCPU_NONE,
		.type = KCOH_ENTRY_OVERRIDE,
		.ident = ident,
		.override = { .state = state, .uid = uid, .until_ns = until_ns, .why = strdup(why) },
	};

	kcoh_log_add(daemon->log, &entry);
}

static void tell_vm(struct daemon *daemon, const struct kcoh_override *override,
		    enum kcoh_override_state state, const char *sentence)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(daemon->roster, override->vm);

	if (!vm)
		return;
	say_vm(LOG_WARNING, vm->ident, KCOH_RSN_OVERRIDE, "%s (uid %" PRIu32 ": %s)", sentence,
	       override->uid, override->why);
	tell(daemon, vm->ident, state, override->uid, override->until_ns, override->why);
}

static void save(struct daemon *daemon)
{
	char sentence[512];

	if (kcoh_book_write(daemon->overrides, sentence, sizeof(sentence)) < 0)
		say(LOG_WARNING, "%s; overrides will not outlive this kcohd", sentence);
}

/* --- the core --------------------------------------------------------------------------------------------- */

static struct kcoh_override_view view_of(const struct daemon *daemon, uint32_t vm)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(daemon->core, vm, &view) < 0)
		return (struct kcoh_override_view){ 0 };
	return view.override;
}

static void core_tell(struct daemon *daemon, uint32_t vm, uint64_t until_ns, uint32_t uid,
		      uint32_t number)
{
	struct kcoh_ev_override ev = { .hdr = header_now(KCOH_EV_OVERRIDE, sizeof(ev)),
				       .until_ns = until_ns,
				       .uid = uid,
				       .number = number };

	ev.hdr.vm = vm;
	push(daemon, &ev);
}

bool override_of(void *ctx, const struct kcoh_ident *ident, struct kcoh_ev_override *ret_ev)
{
	struct daemon *daemon = ctx;
	const struct kcoh_override *override = kcoh_book_find(daemon->overrides, ident->id);

	if (!override) {
		override = kcoh_book_claim(daemon->overrides, ident->id, ident->pid,
					   kcoh_process_start_time(ident->pid));
		if (!override)
			return false;
		tell_vm(daemon, override, KCOH_OVERRIDE_AGAIN,
			"an override of before still lets it be migrated");
	}
	ret_ev->until_ns = override->until_ns;
	ret_ev->uid = override->uid;
	ret_ev->number = override->number;
	return true;
}

static void end_if_over(const struct kcoh_override *override, void *ctx)
{
	struct daemon *daemon = ctx;
	bool expired = now_ns() >= override->until_ns;

	if (view_of(daemon, override->vm).number == override->number)
		return;
	tell_vm(daemon, override, expired ? KCOH_OVERRIDE_EXPIRED : KCOH_OVERRIDE_COMPLETED,
		expired ? "its override is over" :
			  "its override has ended with the migration that it let through");
	kcoh_book_remove(daemon->overrides, override->vm);
	save(daemon);
}

/* --- what is asked for ------------------------------------------------------------------------------------ */

/* Of a process with several VMs it would not be known, after a restart, which one is meant. */
static bool has_sibling(struct daemon *daemon, const struct kcoh_ident *ident)
{
	struct kcoh_roster_vm *vm;

	for (size_t i = 0; (vm = kcoh_roster_at(daemon->roster, i)); i++) {
		if (vm->ident->pid == ident->pid && vm->ident != ident)
			return true;
	}
	return false;
}

static int may_give(struct daemon *daemon, const struct kcoh_ident *ident, uint64_t start_time,
		    char *err, size_t err_len)
{
	struct kcoh_vm_view view;

	if (kcoh_core_vm(daemon->core, ident->id, &view) < 0 || !view.tracked)
		snprintf(err, err_len, "%s is not tracked: kcohd has no room for it", ident->name);
	else if (!start_time)
		snprintf(err, err_len, "%s: its process %" PRIu32 " is gone", ident->name,
			 ident->pid);
	else if (has_sibling(daemon, ident))
		snprintf(err, err_len,
			 "process %" PRIu32
			 " has several VMs, which cannot be told from each other "
			 "after a restart of kcohd",
			 ident->pid);
	else
		return 0;
	return -EBUSY;
}

int override_give(struct daemon *daemon, const struct kcoh_ident *ident, uint32_t uid, uint64_t ns,
		  const char *why, char *err, size_t err_len)
{
	struct kcoh_override asked = { .vm = ident->id,
				       .uid = uid,
				       .pid = ident->pid,
				       .start_time = kcoh_process_start_time(ident->pid),
				       .given_ns = now_ns() };
	const struct kcoh_override *override;
	int ret = may_give(daemon, ident, asked.start_time, err, err_len);

	if (ret < 0)
		return ret;
	asked.until_ns = asked.given_ns + ns;
	snprintf(asked.why, sizeof(asked.why), "%s", why);
	override = kcoh_book_enter(daemon->overrides, &asked);
	if (!override) {
		snprintf(err, err_len, "no memory");
		return -ENOMEM;
	}
	save(daemon);
	tell_vm(daemon, override, KCOH_OVERRIDE_GIVEN, "may be migrated whatever kcoh says of it");
	core_tell(daemon, ident->id, override->until_ns, uid, override->number);
	return 0;
}

int override_end(struct daemon *daemon, const struct kcoh_ident *ident, uint32_t uid, char *err,
		 size_t err_len)
{
	const struct kcoh_override *override = kcoh_book_find(daemon->overrides, ident->id);
	struct kcoh_override ended;

	if (!override) {
		snprintf(err, err_len, "%s has no override", ident->name);
		return -ENOENT;
	}
	ended = *override;
	ended.uid = uid;
	kcoh_book_remove(daemon->overrides, ident->id);
	save(daemon);
	tell_vm(daemon, &ended, KCOH_OVERRIDE_TAKEN_BACK, "its override was taken back");
	core_tell(daemon, ident->id, 0, uid, ended.number);
	return 0;
}

json_t *override_json(const struct daemon *daemon, uint32_t vm)
{
	const struct kcoh_override *override = kcoh_book_find(daemon->overrides, vm);

	if (!override || view_of(daemon, vm).number != override->number)
		return NULL;
	return json_pack("{s:I, s:s, s:I, s:I}", "uid", (json_int_t) override->uid, "why",
			 override->why, "given_ns", (json_int_t) override->given_ns, "until_ns",
			 (json_int_t) override->until_ns);
}

void overrides_forget(struct daemon *daemon, uint32_t vm)
{
	if (!kcoh_book_find(daemon->overrides, vm))
		return;
	kcoh_book_remove(daemon->overrides, vm);
	save(daemon);
}

/* --- the break-glass -------------------------------------------------------------------------------------- */

static void glass_remove(struct daemon *daemon)
{
	char *path = path_of(daemon, KCOH_GLASS);

	if (path)
		unlink(path);
	free(path);
	daemon->glass_until_ns = 0;
}

static void glass_look(struct daemon *daemon)
{
	char *path = path_of(daemon, KCOH_GLASS), sentence[512];
	struct kcoh_glass glass;
	int err = path ? kcoh_glass_read(path, now_ns(), &glass, sentence, sizeof(sentence)) :
			 -ENOENT;

	free(path);
	if (err == -ENOENT)
		return;
	if (err < 0 && err != -ETIME) {
		say(LOG_ERR, "%s", sentence);
		return;
	}
	say(LOG_CRIT,
	    "while no kcohd answered the glass was broken by uid %" PRIu32
	    ", and kcoh check allowed all VMs: %s",
	    glass.uid, glass.why);
	tell(daemon, NULL, KCOH_OVERRIDE_BREAK_GLASS, glass.uid, glass.until_ns, glass.why);
	if (err == -ETIME)
		glass_remove(daemon);
	else
		daemon->glass_until_ns = glass.until_ns;
}

/* --- up, down, now and then ------------------------------------------------------------------------------- */

int overrides_up(struct daemon *daemon)
{
	char *path = path_of(daemon, BOOK), sentence[512];
	int err = path ? kcoh_book_new(path, &daemon->overrides) : -ENOMEM;

	free(path);
	if (err < 0) {
		say(LOG_ERR, "no memory for overrides");
		return err;
	}
	if (kcoh_book_read(daemon->overrides, now_ns(), sentence, sizeof(sentence)) < 0)
		say(LOG_ERR, "%s; what it held is not in force any more", sentence);
	glass_look(daemon);
	return 0;
}

void overrides_down(struct daemon *daemon)
{
	kcoh_book_free(daemon->overrides);
}

void overrides_scanned(struct daemon *daemon)
{
	unsigned int dropped = kcoh_book_drop(daemon->overrides);

	if (dropped)
		say(LOG_INFO, "%u overrides were of virtual machines that are gone", dropped);
	save(daemon);
}

void overrides_look(struct daemon *daemon)
{
	kcoh_book_each(daemon->overrides, end_if_over, daemon);
	if (daemon->glass_until_ns && now_ns() >= daemon->glass_until_ns)
		glass_remove(daemon);
}
