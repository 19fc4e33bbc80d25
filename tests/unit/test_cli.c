// SPDX-License-Identifier: GPL-2.0-only
/*
 * kcoh, the program, against a real server: what it prints, to a pipe and to a terminal, and how it ends.
 *
 * The server's loop runs in this process while kcoh runs as a child. Run from the top of the tree.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include "server.h"

#define KCOH "build/asan/bin/kcoh"

struct child {
	pid_t pid;
	int out; /* its standard output, and standard error */
	char text[65536];
	size_t len;
	int status; /* once it has ended */
};

/* width 0: a pipe, else a terminal of that width. */
static struct child *child_start(struct bench *bench, unsigned short width, const char *const *args)
{
	struct child *child = calloc(1, sizeof(*child));
	struct winsize size = { .ws_row = 24, .ws_col = width };
	const char *argv[16] = { KCOH, args[0], "--socket", bench->path };
	int pipes[2] = { -1, -1 };
	size_t i;

	for (i = 1; args[i]; i++)
		argv[3 + i] = args[i];
	argv[3 + i] = NULL;
	if (!width)
		assert_int_equal(pipe(pipes), 0);
	child->pid = width ? forkpty(&child->out, NULL, NULL, &size) : fork();
	assert_true(child->pid >= 0);
	if (!child->pid) {
		if (!width) {
			dup2(pipes[1], STDOUT_FILENO);
			dup2(pipes[1], STDERR_FILENO);
			close(pipes[0]);
			close(pipes[1]);
		}
		setenv("TERM", "xterm", 1);
		execv(KCOH, (char **)argv);
		_exit(127);
	}
	if (!width) {
		child->out = pipes[0];
		close(pipes[1]);
	}
	fcntl(child->out, F_SETFL, O_NONBLOCK);
	return child;
}

static bool child_step(struct bench *bench, struct child *child)
{
	ssize_t n = child->out < 0 ? 0 : 1;

	sd_event_run(bench->event, 1000);
	while (n > 0 && child->len < sizeof(child->text) - 1) {
		n = read(child->out, child->text + child->len,
			 sizeof(child->text) - 1 - child->len);
		child->len += n > 0 ? (size_t)n : 0;
	}
	return waitpid(child->pid, &child->status, WNOHANG) == 0;
}

/* Until it has ended; its exit status. */
static int child_end(struct bench *bench, struct child *child)
{
	uint64_t deadline = deadline_in(20);

	while (child_step(bench, child))
		assert_false(is_late(deadline));
	child_step(bench, child); /* what is left in the pipe */
	assert_true(WIFEXITED(child->status));
	return WEXITSTATUS(child->status);
}

static void child_says(struct bench *bench, struct child *child, const char *text)
{
	uint64_t deadline = deadline_in(20);

	while (!strstr(child->text, text)) {
		if (!child_step(bench, child) || is_late(deadline))
			fail_msg("'%s' expected, '%s' printed", text, child->text);
	}
}

static void child_free(struct child *child)
{
	if (child->out >= 0)
		close(child->out);
	free(child);
}

/* Runs it to its end; what it printed, in a buffer of this function. */
static const char *run(struct bench *bench, unsigned short width, int status,
		       const char *const *args)
{
	static char text[65536];
	struct child *child = child_start(bench, width, args);

	if (child_end(bench, child) != status)
		fail_msg("%s: status %d, printed: %s", args[0], WEXITSTATUS(child->status),
			 child->text);
	strcpy(text, child->text);
	child_free(child);
	return text;
}

#define RUN(width, status, ...)                                                                    \
	run(bench, width, status, (const char *const[]){ __VA_ARGS__, NULL })

static void rates_make(struct bench *bench)
{
	struct kcoh_roster_vm *vm = kcoh_roster_find(bench->roster, 3);
	const struct kcoh_vm_view view = { .epochs = 0 };
	struct kcoh_ev_harvest ev = { .pages = 100 };
	struct kcoh_harvest_sum before;

	vm->exit_rate = (struct kcoh_exit_rate){ .known = true, .per_s = 1234 };
	for (uint64_t second = 1; second <= 3; second++) {
		ev.hdr.ts_ns = second * 1000000000;
		kcoh_harvests_add(&vm->harvests, &ev, &view, &before);
	}
}

/* Columns have the width of their widest cell, and nothing but text goes into a pipe. */
static void ps_in_a_pipe(void **state)
{
	/* clang-format off */
	static const char table[] =
		"ID  NAME    PID  VCPUS                        RAM  EPOCH  WINDOW   VERDICT  REASON            EXITS/S\n"
		" 3  web-1   300  2: 1 cached, 1 uncached  1.0 MiB      -  mmu-off  veto     mmu-off              1234\n"
		" 7  twin    700  0                            0 B      -  -        allow    not-yet-cleaning        -\n"
		" 8  twin    800  0                            0 B      -  -        veto     too-many                -\n"
		" 9  a/b c?  900  0                            0 B      -  -        allow    not-yet-cleaning        -\n";
	/* clang-format on */
	struct bench *bench = *state;

	rates_make(bench);
	assert_string_equal(RUN(0, 0, "ps"), table);
}

static void ps_is_wide_if_asked(void **state)
{
	struct bench *bench = *state;
	const char *text;

	rates_make(bench);
	text = RUN(0, 0, "ps", "--wide");
	assert_non_null(strstr(text, "UUID"));
	assert_non_null(strstr(text, UUID));
	assert_non_null(strstr(text, " 400 KiB "));
	assert_non_null(strstr(text, " 7 "));
}

static void ps_on_a_terminal(void **state)
{
	struct bench *bench = *state;
	const char *text = RUN(80, 0, "ps");

	assert_null(strstr(text, UUID));
	assert_non_null(strstr(text, "\033[31mveto\033[0m"));
	text = RUN(200, 0, "ps");
	assert_non_null(strstr(text, UUID));
	assert_null(strstr(text, "DIRTY/S"));
	setenv("NO_COLOR", "1", 1);
	text = RUN(200, 0, "ps");
	unsetenv("NO_COLOR");
	assert_null(strstr(text, "\033["));
}

static void event_add(struct bench *bench, uint16_t type, uint32_t vm, uint64_t ts_ns)
{
	struct kcoh_roster_vm *known = kcoh_roster_find(bench->roster, vm);
	struct kcoh_entry entry = { .ts_ns = ts_ns,
				    .vm = vm,
				    .vcpu = NONE,
				    .type = type,
				    .ident = known ? known->ident : NULL };

	if (type == KCOH_ENTRY_LOST)
		entry.lost.count = 5;
	kcoh_log_add(bench->log, &entry);
}

/* Younger than all that --since may mean, however slow the machine is. */
static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((uint64_t)ts.tv_sec + 3600) * 1000000000;
}

/* One of each class, by VM 3 and VM 7; the first ones when the machine started. */
static void events_make(struct bench *bench)
{
	event_add(bench, KCOH_EV_VM_GONE, 7, 1);
	event_add(bench, KCOH_EV_MEMSLOT, 3, 1);
	event_add(bench, KCOH_EV_SET_WAY, 3, now());
	event_add(bench, KCOH_ENTRY_LOST, 0, now());
	event_add(bench, KCOH_ENTRY_WINDOW, 3, now());
	event_add(bench, KCOH_EV_SCAN, 0, now());
}

/* The types of what was printed as NDJSON, with blanks between. */
static const char *types_of(const char *text)
{
	static char types[1024];

	*types = '\0';
	for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
		json_t *event = json_loads(line, JSON_DISABLE_EOF_CHECK, NULL);

		assert_non_null(event);
		strcat(types, json_string_value(json_object_get(event, "type")));
		strcat(types, " ");
		json_decref(event);
	}
	return types;
}

#define TRACED(types, count, ...)                                                                  \
	assert_string_equal(types_of(RUN(0, 0, "trace", "--json", "--count", count, __VA_ARGS__)), \
			    types)

static void trace_filters(void **state)
{
	struct bench *bench = *state;

	events_make(bench);
	TRACED("vm-gone memslot set-way ", "3", "--since", "0");
	TRACED("set-way lost ", "2", "--since", "2");
	TRACED("set-way lost window scan ", "4", "--since", "1s");
	TRACED("memslot set-way lost window ", "4", "--since", "0", "--vm", "web-1");
	TRACED("memslot lost ", "2", "--since", "0", "--class", "memory");
	TRACED("vm-gone lost window ", "3", "--since", "0", "--class", "vm,guard");
	TRACED("lost scan ", "2", "--since", "0", "--class", "scan");
	TRACED("set-way lost ", "2", "--since", "1s", "--class", "cache,memory");
}

static void trace_lines(void **state)
{
	struct bench *bench = *state;
	const char *text;

	events_make(bench);
	text = RUN(0, 0, "trace", "--since", "0", "--count", "5");
	assert_non_null(strstr(text, " twin#7       vm-gone()\n"));
	assert_non_null(
		strstr(text, " web-1#3      window(class=mmu-off) = close after 0.000000 s\n"));
	assert_null(strstr(text, "\033["));
	text = RUN(120, 0, "trace", "--since", "0", "--count", "5");
	assert_non_null(strstr(text, "\033[1mvm-gone\033[0m()"));
}

/* Ctrl-C: status 0, and the last line is whole. */
static void trace_is_interrupted(void **state)
{
	struct bench *bench = *state;

	for (int i = 0; i < 2; i++) {
		const int signals[] = { SIGINT, SIGTERM };
		struct child *child = child_start(
			bench, 0, (const char *const[]){ "trace", "--since", "0", NULL });

		event_add(bench, KCOH_EV_VM_GONE, 7, 1);
		child_says(bench, child, "vm-gone");
		kill(child->pid, signals[i]);
		assert_int_equal(child_end(bench, child), 0);
		assert_int_equal(child->text[child->len - 1], '\n');
		child_free(child);
	}
}

/* Whoever reads it goes away: it ends at once, though no event comes. */
static void trace_loses_its_reader(void **state)
{
	struct bench *bench = *state;
	struct child *child = child_start(bench, 0, (const char *const[]){ "trace", NULL });
	uint64_t deadline = deadline_in(10);

	while (kcoh_serve_streams(bench->serve) != 1) {
		child_step(bench, child);
		assert_false(is_late(deadline));
	}
	close(child->out);
	child->out = -1;
	assert_int_equal(child_end(bench, child), 0);
	while (kcoh_serve_streams(bench->serve)) {
		sd_event_run(bench->event, 1000);
		assert_false(is_late(deadline));
	}
	child_free(child);
}

static void wrong_use(void **state)
{
	static const struct {
		const char *args[8];
		const char *sentence;
	} cases[] = {
		{ { "trace", "--class", "vm,foo" }, "'foo' is no class of events" },
		{ { "trace", "--class", "" }, "'' is no class of events" },
		{ { "trace", "--since", "5x" }, "a number or a time like 5m, not '5x'" },
		{ { "trace", "--since", "m" }, "not 'm'" },
		{ { "trace", "--since", "4294967295d" },
		  "not '4294967295d'" }, /* 12 million years */
		{ { "trace", "--count", "0" }, "a number above 0" },
		{ { "trace", "--vm", "nosuch" }, "no VM matches 'nosuch'" },
		{ { "trace", "web-1" }, "'web-1' is too much" },
		{ { "ps", "x" }, "'x' is too much" },
		{ { "check" }, "which VM?" },
		{ { "clean" }, "which VM?" },
		{ { "clean", "web-1" }, "'web-1' is too much" },
		{ { "clean", "--vm", "nosuch" }, "no VM matches 'nosuch'" },
		{ { "override", "--end" }, "of which VM?" },
		{ { "override", "--vm", "3", "--break-glass", "--end" }, "of which VM?" },
		{ { "override", "--vm", "3", "--for", "10m" }, "say --why and --for how long" },
		{ { "override", "--vm", "3", "--for", "0s" }, "like 90s, 10m or 2h" },
		{ { "override", "--vm", "3", "--for", "25h" }, "at most 24h" },
		{ { "override", "--vm", "3", "--end", "--for", "1s" }, "--end takes neither" },
		{ { "override", "--vm", "nosuch", "--end" }, "no VM matches 'nosuch'" },
		{ { "check", "--host", "--vm", "3" }, "which VM?" },
		{ { "check", "--host", "--wait", "soon" }, "--wait takes seconds" },
		{ { "check", "--guard", "--vm", "web" }, "--guard needs --vm with a UUID" },
		{ { "check", "--name", "a", "--vm", "3" }, "--name and --config belong" },
		{ { "evacuate", "--to", "tcp:x:1" }, "which VM?" },
		{ { "evacuate", "--host" }, "where to?" },
		{ { "evacuate", "--host", "--plan", "--pause", "30001" },
		  "--pause takes a number" },
		{ { "policy" }, "what about the policy?" },
		{ { "policy", "show" }, "'show' is not known here" },
		{ { "policy", "explain" }, "which VM?" },
		{ { "policy", "explain", "x" }, "'x' is too much" },
		{ { "policy", "check", "a", "b" }, "'b' is too much" },
		{ { "policy", "check", "--vm", "3" }, "--vm and --json belong to 'explain'" },
		{ { "policy", "explain", "--vm", "nosuch" }, "no VM matches 'nosuch'" },
		{ { "doctor", "x" }, "'x' is too much" },
		{ { "module" }, "there are release, swap and unload" },
		{ { "module", "load" }, "'load' is not known here" },
		{ { "module", "release", "swap" }, "'swap' is not known here" },
		{ { "frobnicate" }, "there is no command 'frobnicate'" },
	};
	struct bench *bench = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *text = run(bench, 0, 2, cases[i].args);

		if (!strstr(text, cases[i].sentence) || strchr(text, '\n')[1])
			fail_msg("%s %s: %s", cases[i].args[0], cases[i].args[1], text);
	}
}

static void checks(void **state)
{
	struct bench *bench = *state;

	assert_string_equal(RUN(0, 20, "check", "--vm", "web-1"),
			    "web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off\n");
	assert_non_null(strstr(RUN(0, 20, "check", "--host"), "web-1: veto: mmu-off: a vCPU runs"));
	assert_non_null(strstr(RUN(0, 20, "check", "--host", "--wait", "60", "--json"),
			       "\"verdict\":\"veto\""));
}

static void cleans(void **state)
{
	struct bench *bench = *state;

	if (geteuid() != 0)
		return;
	assert_string_equal(RUN(0, 1, "clean", "--vm", "web-1"), "web-1: cleaned 60\n");
	assert_non_null(strstr(RUN(0, 1, "clean", "--vm", "3", "--json"), "\"unclean\":1,"));
	bench->clean_err = -EBUSY;
	assert_string_equal(RUN(0, 2, "clean", "--vm", "web-1"), "kcoh: not now\n");
	bench->clean_at_once = true;
	bench->clean_err = -EALREADY;
	assert_string_equal(RUN(0, 0, "clean", "--vm", "web-1"), "web-1: not at all\n");
}

/* "Not now" has a status of its own, so that a service can try again. */
static void no_swap_in_an_epoch(void **state)
{
	struct bench *bench = *state;

	if (geteuid() != 0)
		skip();
	RECORD(MEMSLOT, memslot, 3, NONE, .pages = 256, .change = KCOH_SLOT_FLAGS,
	       .flags = KCOH_SLOT_LOG_DIRTY);
	assert_string_equal(RUN(0, 10, "module", "swap"),
			    "kcoh: VM web-1 is in a dirty epoch: let its migration end first, or "
			    "insist with --force\n");
	assert_non_null(strstr(RUN(0, 10, "module", "unload"), "VM web-1 is in a dirty epoch"));
	assert_non_null(strstr(RUN(0, 2, "module", "release"), "VM 3 (web-1) is in a dirty epoch"));
	assert_non_null(strstr(RUN(0, 0, "module", "release", "--force"), "kcohd has let go"));
}

static void records_and_replays(void **state)
{
	struct bench *bench = *state;

	if (geteuid() == 0)
		assert_string_equal(RUN(0, 0, "record"), "/var/x.rec\n");
	assert_non_null(strstr(RUN(0, 2, "record", "x"), "'x' is too much"));
}

static void policies(void **state)
{
	static const char text[] =
		"SETTING            VALUE          FROM\n"
		"strategy           veto           [vm web-*]  /etc/kcoh/kcoh.conf:7\n"
		"guard              warn           built in\n"
		"\nnot read, because there is a mistake: /etc/kcoh/kcoh.conf:9: no\n";
	struct bench *bench = *state;
	char path[] = "/tmp/kcoh-test-XXXXXX", right[64];
	int fd = mkstemp(path);

	assert_string_equal(RUN(0, 0, "policy", "explain", "--vm", "web-1"), text);
	assert_non_null(
		strstr(RUN(0, 0, "policy", "explain", "--vm", "3", "--json"), "\"line\":7"));
	assert_int_equal(write(fd, "[defaults]\n", 11), 11);
	snprintf(right, sizeof(right), "%s: right\n", path);
	assert_string_equal(RUN(0, 0, "policy", "check", path), right);
	assert_int_equal(write(fd, "gard = warn\n", 12), 12);
	assert_non_null(
		strstr(RUN(0, 2, "policy", "check", path), ":2: unknown key 'gard' in [def"));
	close(fd);
	unlink(path);
	assert_non_null(strstr(RUN(0, 2, "policy", "check", path), "No such file"));
}

/* With kcohd: who lets it through and why is shown wherever the verdict is. */
static void overrides(void **state)
{
	static const char line[] =
		"web-1: allow: override: of mmu-off, by uid 0, for 0 s more: rack 7 burns\n";
	struct bench *bench = *state;

	if (geteuid() != 0)
		skip();
	assert_string_equal(
		RUN(0, 0, "override", "--vm", "web-1", "--for", "10m", "--why", "rack 7 burns"),
		line);
	assert_string_equal(RUN(0, 0, "check", "--vm", "web-1"), line);
	assert_non_null(strstr(RUN(0, 0, "ps"), " override of mmu-off "));
	assert_non_null(strstr(RUN(0, 2, "override", "--break-glass", "--for", "1m", "--why", "x"),
			       "kcohd is there, and is asked first"));
	assert_string_equal(RUN(0, 0, "override", "--vm", "web-1", "--end"),
			    "web-1: veto: mmu-off: a vCPU runs with its MMU or data cache off\n");
	RUN(0, 20, "check", "--vm", "web-1");
	assert_non_null(
		strstr(RUN(0, 2, "override", "--vm", "web-1", "--end"), "web-1 has no override"));
	RECORD(VCPU, vcpu, 3, 2, .state = KCOH_CACHED, .source = KCOH_SRC_SAMPLE);
	assert_non_null(strstr(RUN(0, 0, "override", "--vm", "web-1", "--for", "1h", "--why", "x"),
			       "there is nothing to override now"));
	assert_non_null(strstr(RUN(0, 0, "ps"), " not-yet-cleaning, override "));
}

static void expect_glass(struct bench *bench, int status, const char *text)
{
	const char *printed = RUN(0, status, "check", "--vm", "web-1");

	if (!strstr(printed, text))
		fail_msg("'%s' expected, '%s' printed", text, printed);
}

/* Without: root says what to make of no answer. */
static void glass_is_broken(void **state)
{
	struct bench *bench = *state;
	char path[80];
	json_t *json;

	if (geteuid() != 0)
		skip();
	snprintf(path, sizeof(path), "%s/sub/break-glass", bench->dir);
	kcoh_serve_free(bench->serve);
	kcoh_listen_close(bench->listen);
	bench->serve = NULL;
	bench->listen = NULL;
	assert_int_equal(access(path, F_OK), -1);
	expect_glass(bench, 2, "no kcohd answers at ");
	assert_non_null(strstr(
		RUN(0, 0, "override", "--break-glass", "--for", "10m", "--why", "kcohd died"),
		"for 600 s kcoh check allows all VMs of this host"));
	expect_glass(bench, 0, "web-1: allow: override: no kcohd answers; the glass was broken by");
	expect_glass(bench, 0, " s more: kcohd died\n");
	json = json_loads(strchr(RUN(0, 0, "check", "--json", "--vm", "x"), '{'),
			  JSON_DISABLE_EOF_CHECK, NULL);
	assert_string_equal(json_string_value(json_object_get(json, "verdict")), "allow");
	assert_true(json_is_true(json_object_get(json, "break_glass")));
	json_decref(json);
	assert_int_equal(chmod(path, 0666), 0);
	expect_glass(bench, 2, "is not believed: others than root may have written it");
	assert_non_null(strstr(RUN(0, 0, "override", "--break-glass", "--end"), "taken back"));
	assert_int_equal(access(path, F_OK), -1);
	expect_glass(bench, 2, "no kcohd answers at ");
	assert_non_null(
		strstr(RUN(0, 2, "override", "--break-glass", "--end"), "the glass is not broken"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(ps_in_a_pipe),
		TEST(ps_is_wide_if_asked),
		TEST(ps_on_a_terminal),
		TEST(trace_filters),
		TEST(trace_lines),
		TEST(trace_is_interrupted),
		TEST(trace_loses_its_reader),
		TEST(wrong_use),
		TEST(checks),
		TEST(cleans),
		TEST(overrides),
		TEST(glass_is_broken),
		TEST(policies),
		TEST(records_and_replays),
		TEST(no_swap_in_an_epoch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
