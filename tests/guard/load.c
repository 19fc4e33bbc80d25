// SPDX-License-Identifier: GPL-2.0-only
/*
 * api-load - verdicts under load: the real server with 1000 VMs beside a bare libmicrohttpd, in one run.
 *
 *   api-load [VMS [ROUNDS]]       default 1000 VMs, 10 rounds
 *
 *   number  the real server, the real core: GET /v1/vms/SEL/verdict, of one VM after the other, by its number
 *   name    the same server, by the VM's name
 *   bare    libmicrohttpd alone, with the same 200 bytes to every request
 *
 * The two servers are processes of their own, each on a Unix socket. In a round each rival is asked for half a second by 8 connections that stay
 * open, each with one request on its way; they take turns, so that whatever else the machine does is the same for all. A rate is the median
 * of all rounds. Latency is from the request's last byte given to the kernel to the answer's last byte read. A busy machine slows all
 * down, so the CPU time that the server used for a request stands beside it, and how busy the machine was with something else.
 *
 * Each answer must be, byte for byte, what jansson's own writer makes of that VM's verdict; else status 1.
 */
#include <microhttpd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../metrics/made.h"
#include "host/clock.h"
#include "names/text.h"
#include "serve/serve.h"
#include "serve/vm_json.h"

#define CONNECTIONS 8
#define ROUND_NS 500000000ull
#define MAX_ROUNDS 1000
#define MAX_SAMPLES 2000000 /* of one rival */
#define BARE_BYTES 200
#define PATIENCE_MS 10000

struct server {
	struct sockaddr_un address;
	pid_t pid;
};

/* Of VM `i + 1`. */
struct question {
	char by_number[64], by_name[192]; /* whole requests */
	char *verdict; /* what the answer's body must be */
};

struct rival {
	const char *name;
	const struct server *server;
	const char *(*request)(const struct question *question);
	const char *(*answer)(const struct question *question);
	uint64_t ns[MAX_SAMPLES]; /* of each request, as long as there is room */
	size_t samples;
	double rates[MAX_ROUNDS]; /* answers a second */
	uint64_t cpu_ns, requests, bytes; /* of all rounds */
};

struct connection {
	int fd;
	const struct question *question;
	uint64_t sent_ns;
	char got[8192];
	size_t len;
};

static struct load {
	struct made made;
	uint32_t vms, rounds;
	struct question *questions;
	char bare[BARE_BYTES + 1];
} load;

static int die(const char *what)
{
	fprintf(stderr, "api-load: %s\n", what);
	exit(2);
}

/* --- questions, and their answers ------------------------------------------------------------------------- */

static void name_encode(const char *name, char *ret_text)
{
	for (; *name; name++)
		ret_text += sprintf(ret_text, "%%%02X", (unsigned char)*name);
}

static char *verdict_of(const struct kcoh_ident *ident)
{
	struct kcoh_vm_view view;
	json_t *json;
	char *text, *line;

	if (kcoh_core_vm(load.made.core, ident->id, &view) < 0)
		die("a VM is missing");
	json = kcoh_verdict_json(ident, &view, NULL);
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	if (!text || asprintf(&line, "%s\n", text) < 0)
		die("no memory");
	json_decref(json);
	free(text);
	return line;
}

static void question_make(struct question *question, const struct kcoh_ident *ident)
{
	static const char format[] = "GET /v1/vms/%s/verdict HTTP/1.1\r\nHost: x\r\n\r\n";
	char name[128], number[16];

	snprintf(number, sizeof(number), "%u", ident->id);
	if (3 * strlen(ident->name) >= sizeof(name))
		die("a name is too long");
	name_encode(ident->name, name);
	snprintf(question->by_number, sizeof(question->by_number), format, number);
	snprintf(question->by_name, sizeof(question->by_name), format, name);
	question->verdict = verdict_of(ident);
}

static void questions_make(void)
{
	load.questions = calloc(load.vms, sizeof(*load.questions));
	if (!load.questions)
		die("no memory");
	for (uint32_t i = 0; i < load.vms; i++)
		question_make(&load.questions[i], kcoh_roster_at(load.made.roster, i)->ident);
	memset(load.bare, 'x', BARE_BYTES);
}

static void questions_free(void)
{
	for (uint32_t i = 0; i < load.vms; i++)
		free(load.questions[i].verdict);
	free(load.questions);
}

static const char *by_number(const struct question *question)
{
	return question->by_number;
}

static const char *by_name(const struct question *question)
{
	return question->by_name;
}

static const char *verdict(const struct question *question)
{
	return question->verdict;
}

static const char *constant(const struct question *question)
{
	(void)question;
	return load.bare;
}

/* --- the servers ------------------------------------------------------------------------------------------ */

static void kcohd_run(int fd)
{
	struct kcoh_serve_config config = { .roster = load.made.roster,
					    .core = load.made.core,
					    .page_size = 4096,
					    .listen_fd = fd };
	struct kcoh_serve *serve;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (sd_event_new(&config.event) < 0 || kcoh_log_new(16, &config.log) < 0 ||
	    sd_event_add_signal(config.event, NULL, SIGTERM, NULL, NULL) < 0 ||
	    kcoh_serve_new(&config, &serve) < 0)
		die("cannot set up the server");
	sd_event_loop(config.event);
	kcoh_serve_free(serve);
	kcoh_log_free(config.log);
	sd_event_unref(config.event);
}

static enum MHD_Result bare_answer(void *cls, struct MHD_Connection *connection, const char *url,
				   const char *method, const char *version, const char *data,
				   size_t *data_len, void **con_cls)
{
	struct MHD_Response *response;
	enum MHD_Result result;

	(void)url, (void)method, (void)version, (void)data, (void)data_len;
	if (!*con_cls) {
		*con_cls = cls; /* an answer at once would close the connection */
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(BARE_BYTES, cls, MHD_RESPMEM_PERSISTENT);
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static void bare_run(int fd)
{
	if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, bare_answer, load.bare,
			      MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END))
		die("cannot start a bare server");
	for (;;)
		pause();
}

/* An abstract name, so that nothing is left behind. */
static void server_start(struct server *server, const char *name, void (*run)(int fd))
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	server->address.sun_family = AF_UNIX;
	snprintf(server->address.sun_path + 1, sizeof(server->address.sun_path) - 1,
		 "api-load-%d-%s", (int)getpid(), name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&server->address, sizeof(server->address)) < 0 ||
	    listen(fd, 64) < 0)
		die("cannot listen");
	server->pid = fork();
	if (server->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(fd);
		questions_free();
		made_free(&load.made);
		exit(0);
	}
	close(fd);
}

static void server_stop(const struct server *server, bool in_order)
{
	int status;

	kill(server->pid, SIGTERM);
	if (waitpid(server->pid, &status, 0) < 0 || (in_order && status))
		die("kcohd's server did not end in order");
}

/* What it has used so far. */
static uint64_t cpu_of(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) == 0 ? kcoh_clock_ns(clock) : 0;
}

/* --- who asks --------------------------------------------------------------------------------------------- */

static void ask(struct rival *rival, struct connection *connection)
{
	const char *request;
	size_t len;

	connection->question = &load.questions[rival->requests++ % load.vms];
	connection->len = 0;
	request = rival->request(connection->question);
	len = strlen(request);
	if (write(connection->fd, request, len) != (ssize_t)len)
		die("cannot send a request");
	connection->sent_ns = kcoh_clock_ns(CLOCK_MONOTONIC);
}

static void is_wrong(const struct rival *rival, const struct connection *connection)
{
	fprintf(stderr, "api-load: %s, asked\n%swas answered\n%s\nand not\n%s\n", rival->name,
		rival->request(connection->question), connection->got,
		rival->answer(connection->question));
	exit(1);
}

/* True if the answer is whole; then it is right. */
static bool is_answered(const struct rival *rival, struct connection *connection)
{
	const char *body = strstr(connection->got, "\r\n\r\n");
	const char *length = strcasestr(connection->got, "\r\nContent-Length: ");
	const char *right = rival->answer(connection->question);

	if (!body)
		return false;
	body += 4;
	if (strncmp(connection->got, "HTTP/1.1 200 ", 13) || !length || length > body ||
	    strtoul(length + 18, NULL, 10) != strlen(right))
		is_wrong(rival, connection);
	if (strlen(body) < strlen(right))
		return false;
	if (strcmp(body, right))
		is_wrong(rival, connection);
	return true;
}

/* True if the answer is whole. */
static bool take(struct rival *rival, struct connection *connection)
{
	ssize_t n = read(connection->fd, connection->got + connection->len,
			 sizeof(connection->got) - 1 - connection->len);

	if (n <= 0)
		die("a server closed a connection");
	connection->len += (size_t)n;
	connection->got[connection->len] = '\0';
	if (!is_answered(rival, connection))
		return false;
	rival->bytes += connection->len;
	if (rival->samples < MAX_SAMPLES)
		rival->ns[rival->samples++] = kcoh_clock_ns(CLOCK_MONOTONIC) - connection->sent_ns;
	return true;
}

static void connections_make(const struct server *server, struct connection *connections,
			     struct pollfd *polls)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		connections[i].fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(connections[i].fd, (const struct sockaddr *)&server->address,
			    sizeof(server->address)) < 0)
			die("cannot connect");
		polls[i] = (struct pollfd){ .fd = connections[i].fd, .events = POLLIN };
	}
}

static void round_run(struct rival *rival, double *ret_rate)
{
	static struct connection connections[CONNECTIONS];
	struct pollfd polls[CONNECTIONS];
	uint64_t cpu = cpu_of(rival->server->pid), requests = rival->requests, began, end;
	unsigned int pending = CONNECTIONS;

	connections_make(rival->server, connections, polls);
	began = kcoh_clock_ns(CLOCK_MONOTONIC);
	for (size_t i = 0; i < CONNECTIONS; i++)
		ask(rival, &connections[i]);
	while (pending) {
		if (poll(polls, CONNECTIONS, PATIENCE_MS) <= 0)
			die("no answer in 10 s");
		for (size_t i = 0; i < CONNECTIONS; i++) {
			if (!polls[i].revents || !take(rival, &connections[i]))
				continue;
			if (kcoh_clock_ns(CLOCK_MONOTONIC) - began < ROUND_NS)
				ask(rival, &connections[i]);
			else
				pending--;
		}
	}
	end = kcoh_clock_ns(CLOCK_MONOTONIC);
	*ret_rate = (double)(rival->requests - requests) * 1e9 / (double)(end - began);
	rival->cpu_ns += cpu_of(rival->server->pid) - cpu;
	for (size_t i = 0; i < CONNECTIONS; i++)
		close(connections[i].fd);
}

/* --- what came of it -------------------------------------------------------------------------------------- */

/* Of all CPUs since boot, in ticks: used by anything, and all there was. */
static void machine_read(double *ret_used, double *ret_all)
{
	unsigned long long t[8] = { 0 };
	FILE *file = fopen("/proc/stat", "re");

	if (!file || fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1],
			    &t[2], &t[3], &t[4], &t[5], &t[6], &t[7]) != 8)
		die("cannot read /proc/stat");
	fclose(file);
	*ret_used = (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]);
	*ret_all = *ret_used + (double)(t[3] + t[4]);
}

static int compare_ns(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

static int compare_rates(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return one < other ? -1 : one > other;
}

static double median_rate(struct rival *rival)
{
	qsort(rival->rates, load.rounds, sizeof(rival->rates[0]), compare_rates);
	return rival->rates[load.rounds / 2];
}

static void rival_tell(struct rival *rival, const struct rival *bare)
{
	double of_bare = bare->rates[load.rounds / 2];

	qsort(rival->ns, rival->samples, sizeof(rival->ns[0]), compare_ns);
	printf("%-7s %6.0f %11.0f %8.0f %% %9.1f %9.3f %9.3f\n", rival->name,
	       (double)rival->bytes / (double)rival->requests, rival->rates[load.rounds / 2],
	       100 * rival->rates[load.rounds / 2] / of_bare,
	       (double)rival->cpu_ns / (double)rival->requests / 1e3,
	       (double)rival->ns[rival->samples / 2] / 1e6,
	       (double)rival->ns[rival->samples * 99 / 100] / 1e6);
}

static void measure(struct rival *rivals, size_t n)
{
	double used[2], all[2], own;

	machine_read(&used[0], &all[0]);
	for (uint32_t i = 0; i < load.rounds; i++) {
		for (size_t j = 0; j < n; j++)
			round_run(&rivals[j], &rivals[j].rates[i]);
	}
	machine_read(&used[1], &all[1]);
	own = (double)kcoh_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (size_t j = 0; j < n; j++) {
		own += (double)rivals[j].cpu_ns;
		median_rate(&rivals[j]);
	}
	own *= (double)sysconf(_SC_CLK_TCK) / 1e9;
	printf("%u VMs, %u rounds of 0.5 s of each, %u connections; the machine was %.0f %% busy "
	       "with something else\n",
	       load.vms, load.rounds, CONNECTIONS,
	       100 * (used[1] - used[0] - own) / (all[1] - all[0]));
	printf("%-7s %6s %11s %10s %9s %9s %9s\n", "", "bytes", "requests/s", "of bare", "CPU us",
	       "median ms", "p99 ms");
	for (size_t j = 0; j < n; j++)
		rival_tell(&rivals[j], &rivals[n - 1]);
}

int main(int argc, char **argv)
{
	static struct server kcohd, bare;
	static struct rival rivals[] = {
		{ .name = "number", .server = &kcohd, .request = by_number, .answer = verdict },
		{ .name = "name", .server = &kcohd, .request = by_name, .answer = verdict },
		{ .name = "bare", .server = &bare, .request = by_number, .answer = constant },
	};

	load.vms = 1000;
	load.rounds = 10;
	if (argc > 3 || (argc > 1 && kcoh_text_u32(argv[1], &load.vms) < 0) ||
	    (argc > 2 && kcoh_text_u32(argv[2], &load.rounds) < 0) || load.vms < 1 ||
	    load.vms > MADE_MAX_VMS || load.rounds < 1 || load.rounds > MAX_ROUNDS)
		die("usage: api-load [VMS, up to 1024 [ROUNDS]]");
	if (made_new(&load.made, load.vms) < 0)
		die("no memory");
	questions_make();
	server_start(&kcohd, "kcohd", kcohd_run);
	server_start(&bare, "bare", bare_run);
	measure(rivals, sizeof(rivals) / sizeof(rivals[0]));
	server_stop(&kcohd, true);
	server_stop(&bare, false);
	questions_free();
	made_free(&load.made);
	return 0;
}
