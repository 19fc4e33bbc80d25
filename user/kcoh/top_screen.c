// SPDX-License-Identifier: GPL-2.0-only
/*
 * top_screen.c - kcoh top on a terminal, by ncurses.
 *
 * One loop waits for a key, a signal or the next look at kcohd. Ctrl-C, SIGTERM and a terminal that hangs up end it, and the
 * terminal is put back as it was whatever the end; a kcohd that does not answer ends it with that sentence, after the screen
 * is gone, so that it can be read.
 */
#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "kcoh/top.h"

#define NAME_WIDTH 20
#define CELL_WIDTH 8

/* Keys that sort by a column, in the order of enum kcoh_rate. */
static const char sort_keys[KCOH_RATES + 1] = "ewhsfmio";

struct screen {
	struct top *top;
	size_t first; /* the row on top, when scrolled */
	bool ended;
	int signals; /* a signalfd */
};

/* A line that is cut at the edge of the screen. */
struct line {
	char text[512];
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void line_add(struct line *line, const char *format,
							   ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line->text + line->len, sizeof(line->text) - line->len, format, args);
	va_end(args);
	if (n > 0)
		line->len += (size_t)n;
	if (line->len >= sizeof(line->text))
		line->len = sizeof(line->text) - 1;
}

static void line_draw(int y, const struct line *line)
{
	mvaddnstr(y, 0, line->text, COLS);
}

static int columns_of(const struct top *top)
{
	return top->classes ? 1 : KCOH_RATES;
}

static void head_draw(const struct screen *screen)
{
	const struct top *top = screen->top;
	const json_t *vms = json_object_get(top->now, "vms");
	int sorted = top->classes ? 0 : (int)top->sort;
	struct line what = { .len = 0 }, titles = { .len = 0 };

	line_add(&what, "kcoh top: %zu VMs, every %.1f s", json_array_size(vms), top->interval_s);
	line_draw(0, &what);
	line_add(&titles, "%-*s", NAME_WIDTH, top->classes ? "CLASS" : "VM");
	for (int i = 0; i < columns_of(top); i++)
		line_add(&titles, "%*s", CELL_WIDTH, kcoh_rate_name((enum kcoh_rate)i));
	if (top->latency && !top->classes)
		line_add(&titles, "%*s%*s%*s", CELL_WIDTH, "in p50", CELL_WIDTH, "out p50",
			 CELL_WIDTH, "out p99");
	attron(A_BOLD);
	line_draw(2, &titles);
	attroff(A_BOLD);
	mvchgat(2, NAME_WIDTH + sorted * CELL_WIDTH, CELL_WIDTH, A_BOLD | A_REVERSE, 0, NULL);
}

static void row_draw(const struct top *top, int y, const struct kcoh_rate_row *row)
{
	const uint64_t times[] = { row->inside_p50_ns, row->outside_p50_ns, row->outside_p99_ns };
	struct line line = { .len = 0 };
	char id[16] = "", cell[32];

	if (row->id)
		snprintf(id, sizeof(id), "#%u", row->id);
	line_add(&line, "%.*s%s", NAME_WIDTH - (int)strlen(id), row->name, id);
	line_add(&line, "%*s", line.len < NAME_WIDTH ? NAME_WIDTH - (int)line.len : 0, "");
	for (int i = 0; i < columns_of(top); i++) {
		top_number(cell, sizeof(cell), row->per_s[i]);
		line_add(&line, "%*s", CELL_WIDTH, row->counted ? cell : "-");
	}
	for (size_t i = 0; top->latency && !top->classes && i < 3; i++) {
		top_time(cell, sizeof(cell), times[i]);
		line_add(&line, "%*s", CELL_WIDTH, cell);
	}
	line_draw(y, &line);
}

static void keys_draw(const struct top *top)
{
	struct line keys = { .len = 0 };

	line_add(&keys, " ewhsfmio: sort by column  c: %s  l: times %s  up, down: scroll  q: quit ",
		 top->classes ? "VMs" : "classes", top->latency ? "off" : "on");
	attron(A_REVERSE);
	line_draw(LINES - 1, &keys);
	attroff(A_REVERSE);
}

static void draw(struct screen *screen)
{
	const struct kcoh_rates *rates = screen->top->rates;
	size_t count = rates ? rates->count : 0, room = LINES > 5 ? (size_t)LINES - 5 : 0;

	if (screen->first + room > count)
		screen->first = count > room ? count - room : 0;
	erase();
	head_draw(screen);
	if (!rates)
		mvprintw(3, 0, "looking...");
	for (size_t i = 0; i < room && screen->first + i < count; i++)
		row_draw(screen->top, 3 + (int)i, &rates->rows[screen->first + i]);
	keys_draw(screen->top);
	refresh();
}

static void on_key(struct screen *screen, int key)
{
	struct top *top = screen->top;
	const char *column = key > 0 && key < 128 ? strchr(sort_keys, key) : NULL;

	if (key == 'q')
		screen->ended = true;
	else if (key == 'c')
		top->classes = !top->classes;
	else if (key == 'l')
		top->latency = !top->latency;
	else if (key == KEY_DOWN)
		screen->first++;
	else if (key == KEY_UP && screen->first)
		screen->first--;
	else if (column)
		top->sort = (enum kcoh_rate)(column - sort_keys);
}

/* Waits for what comes first. A terminal that hung up gives no more keys: that is the end. */
static void wait_for(struct screen *screen, int timeout_ms)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = screen->signals, .events = POLLIN } };
	bool typed = false;
	int key;

	if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
		screen->ended = true;
	if (fds[1].revents || fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
		screen->ended = true;
	while (!screen->ended && (key = getch()) != ERR) {
		on_key(screen, key);
		typed = true;
	}
	if (fds[0].revents & POLLIN && !typed)
		screen->ended = true; /* end of input */
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int run(struct screen *screen)
{
	struct top *top = screen->top;
	int64_t next = now_ms();
	int status = STATUS_OK;

	while (!screen->ended && status == STATUS_OK) {
		if (now_ms() >= next) {
			status = top_sample(top);
			next = now_ms() + (int64_t)(top->interval_s * 1000);
		}
		if (status == STATUS_OK)
			status = top_rates(top);
		if (status != STATUS_OK)
			break;
		draw(screen);
		wait_for(screen, (int)(next > now_ms() ? next - now_ms() : 0));
	}
	return status;
}

/* What is said meanwhile is kept, and said when the screen is gone. */
static FILE *errors_keep(int *ret_saved)
{
	FILE *kept = tmpfile();

	fflush(stderr);
	*ret_saved = dup(STDERR_FILENO);
	if (kept && *ret_saved >= 0)
		dup2(fileno(kept), STDERR_FILENO);
	return kept;
}

static void errors_say(FILE *kept, int saved)
{
	char line[512];

	fflush(stderr);
	if (saved >= 0) {
		dup2(saved, STDERR_FILENO);
		close(saved);
	}
	if (!kept)
		return;
	rewind(kept);
	while (fgets(line, sizeof(line), kept))
		fputs(line, stderr);
	fclose(kept);
}

int top_screen(struct top *top)
{
	struct screen screen = { .top = top };
	int status, saved;
	sigset_t set;
	SCREEN *term;
	FILE *kept;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	screen.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen.signals < 0)
		return complain("cannot wait for signals: %s", strerror(errno));
	setlocale(LC_CTYPE, ""); /* names are UTF-8 */
	term = newterm(NULL, stdout, stdin);
	if (!term) {
		close(screen.signals);
		return complain(
			"the terminal '%s' is not known here: kcoh top --once prints a table",
			getenv("TERM") ? getenv("TERM") : "");
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	kept = errors_keep(&saved);
	status = run(&screen);
	endwin();
	delscreen(term);
	errors_say(kept, saved);
	close(screen.signals);
	return status;
}
