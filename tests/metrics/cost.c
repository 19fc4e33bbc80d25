// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics-cost - what a scrape costs: the real server's /metrics beside a bare libmicrohttpd, in one run.
 *
 *   metrics-cost [VMS [SCRAPES]]       default 1000 VMs, 300 scrapes each
 *
 *   kcohd       the real server, the real core with so many VMs: all that kcohd does for a scrape but reading BPF's counters of exits
 *   rendering   libmicrohttpd alone, with as many series: a loop of snprintf(), the least that somebody would write
 *   sending     libmicrohttpd alone, with kcohd's text, ready: what is left is HTTP, the kernel and the reader
 *
 * Each is a process of its own, and is asked over TCP on a connection that stays open, in turn, so that whatever else the machine does
 * is the same for all. Times are from the request to the last byte; CPU is what the server used for one, which a busy machine does not
 * change much. It ends with status 1 if an answer is not what it should be.
 */
#include <curl/curl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/clock.h"
#include "made.h"
#include "names/text.h"
#include "serve/serve.h"
#include "serve/tcp.h"

#define WARM_UP 10
#define MAX_SCRAPES 100000

struct rival {
	const char *name;
	uint16_t port;
	pid_t pid;
	CURL *curl;
	uint64_t *ns; /* of each scrape */
	uint64_t bytes, series;
	uint64_t cpu_ns; /* of its server, for all of them */
};

/* What a bare server answers with. */
struct bare {
	uint64_t series; /* to be rendered; 0: `text` is sent */
	char *text;
	size_t len;
};

static int die(const char *what)
{
	fprintf(stderr, "metrics-cost: %s\n", what);
	exit(2);
}

/* Lines that are samples. */
static uint64_t series_of(const char *text, size_t len)
{
	uint64_t n = 0;

	for (const char *at = text, *end; at < text + len; at = end + 1) {
		end = memchr(at, '\n', (size_t)(text + len - at));
		if (!end)
			break;
		n += *at != '#';
	}
	return n;
}

/* --- the servers ---------------------------------------------------------------------------------------- */

static void metrics(void *ctx, struct kcoh_metrics_host *ret_host)
{
	struct made *made = ctx;

	*ret_host = made->host;
}

static void kcohd_run(struct made *made, int fd)
{
	struct kcoh_serve_config config = { .roster = made->roster,
					    .core = made->core,
					    .page_size = 4096,
					    .exits = made_exits,
					    .metrics = metrics,
					    .tcp_fd = fd,
					    .ctx = made };
	struct kcoh_serve *serve;

	/* The server wants a Unix socket, which nobody asks here. */
	config.listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (config.listen_fd < 0 ||
	    bind(config.listen_fd, &(struct sockaddr){ .sa_family = AF_UNIX },
		 sizeof(sa_family_t)) < 0 ||
	    listen(config.listen_fd, 1) < 0 || sd_event_new(&config.event) < 0 ||
	    kcoh_log_new(16, &config.log) < 0 || kcoh_serve_new(&config, &serve) < 0)
		die("cannot set up the server");
	sd_event_loop(config.event);
}

static char *render(uint64_t series, size_t *ret_len)
{
	size_t room = series * 96 + 64, len = 0;
	char *text = malloc(room);

	for (uint64_t i = 0; text && i < series; i++)
		len += (size_t)snprintf(
			text + len, room - len,
			"bare_metric_total{vm=\"%u\",name=\"web-%u\",state=\"state-%u\"} %llu\n",
			(unsigned int)(i / 50), (unsigned int)(i / 50), (unsigned int)(i % 50),
			(unsigned long long)i * 977);
	*ret_len = len;
	return text;
}

static enum MHD_Result bare_answer(void *cls, struct MHD_Connection *connection, const char *url,
				   const char *method, const char *version, const char *data,
				   size_t *data_len, void **con_cls)
{
	const struct bare *bare = cls;
	struct MHD_Response *response;
	enum MHD_Result result;
	char *text = bare->text;
	size_t len = bare->len;

	(void)url, (void)method, (void)version, (void)data, (void)data_len;
	if (!*con_cls) {
		*con_cls = cls; /* an answer at once would close the connection */
		return MHD_YES;
	}
	if (bare->series)
		text = render(bare->series, &len);
	response = MHD_create_response_from_buffer(
		len, text, bare->series ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

static void bare_run(struct bare *bare, int fd)
{
	if (!MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, bare_answer, bare,
			      MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_END))
		die("cannot start a bare server");
	for (;;)
		pause();
}

/* --- the reader ----------------------------------------------------------------------------------------- */

struct reply {
	char *text;
	size_t len, room;
};

static size_t on_bytes(char *bytes, size_t one, size_t len, void *ctx)
{
	struct reply *reply = ctx;

	(void)one;
	if (reply->len + len > reply->room) {
		reply->room = (reply->len + len) * 2;
		reply->text = realloc(reply->text, reply->room);
		if (!reply->text)
			die("no memory");
	}
	memcpy(reply->text + reply->len, bytes, len);
	reply->len += len;
	return len;
}

static uint64_t scrape(struct rival *rival, struct reply *reply)
{
	uint64_t began = kcoh_clock_ns(CLOCK_MONOTONIC), ns;
	long status = 0;
	CURLcode code;

	reply->len = 0;
	curl_easy_setopt(rival->curl, CURLOPT_WRITEDATA, reply);
	code = curl_easy_perform(rival->curl);
	ns = kcoh_clock_ns(CLOCK_MONOTONIC) - began;
	curl_easy_getinfo(rival->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK || status != 200) {
		fprintf(stderr, "metrics-cost: %s: %s, status %ld\n", rival->name,
			curl_easy_strerror(code), status);
		exit(1);
	}
	return ns;
}

/* A listening socket, and the port that it got. */
static int listen_somewhere(uint16_t *ret_port)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	char sentence[256];
	int fd = kcoh_tcp_open("127.0.0.1:0", sentence, sizeof(sentence));

	if (fd < 0)
		die(sentence);
	getsockname(fd, (struct sockaddr *)&address, &len);
	*ret_port = ntohs(address.sin_port);
	return fd;
}

static void rival_start(struct rival *rival, uint32_t scrapes, struct made *made, struct bare *bare)
{
	int fd = listen_somewhere(&rival->port);
	char url[64];

	rival->pid = fork();
	if (rival->pid == 0) {
		if (made)
			kcohd_run(made, fd);
		else
			bare_run(bare, fd);
		_exit(0);
	}
	close(fd);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/metrics", rival->port);
	rival->curl = curl_easy_init();
	rival->ns = calloc(scrapes, sizeof(*rival->ns));
	if (rival->pid < 0 || !rival->curl || !rival->ns)
		die("no memory");
	curl_easy_setopt(rival->curl, CURLOPT_URL, url);
	curl_easy_setopt(rival->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(rival->curl, CURLOPT_WRITEFUNCTION, on_bytes);
}

static int compare(const void *a, const void *b)
{
	uint64_t one = *(const uint64_t *)a, other = *(const uint64_t *)b;

	return one < other ? -1 : one > other;
}

static void rival_tell(struct rival *rival, uint32_t scrapes)
{
	qsort(rival->ns, scrapes, sizeof(*rival->ns), compare);
	printf("%-10s %8llu %10llu %8.2f %9.2f %9.2f %9.2f\n", rival->name,
	       (unsigned long long)rival->series, (unsigned long long)rival->bytes,
	       (double)rival->cpu_ns / scrapes / 1e6, (double)rival->ns[scrapes / 2] / 1e6,
	       (double)rival->ns[(uint64_t)scrapes * 99 / 100] / 1e6,
	       (double)rival->ns[scrapes - 1] / 1e6);
}

static void rival_stop(struct rival *rival)
{
	kill(rival->pid, SIGTERM);
	waitpid(rival->pid, NULL, 0);
	curl_easy_cleanup(rival->curl);
	free(rival->ns);
}

/* What its server has used so far. */
static uint64_t cpu_of(const struct rival *rival)
{
	clockid_t clock;

	return clock_getcpuclockid(rival->pid, &clock) == 0 ? kcoh_clock_ns(clock) : 0;
}

static void measure(struct rival *rivals, size_t n, uint32_t scrapes)
{
	struct reply reply = { 0 };

	for (uint32_t i = 0; i < scrapes + WARM_UP; i++) {
		for (size_t j = 0; j < n; j++) {
			if (i == WARM_UP)
				rivals[j].cpu_ns = cpu_of(&rivals[j]);
			uint64_t ns = scrape(&rivals[j], &reply);

			rivals[j].bytes = reply.len;
			rivals[j].series = series_of(reply.text, reply.len);
			if (i >= WARM_UP)
				rivals[j].ns[i - WARM_UP] = ns;
		}
	}
	for (size_t j = 0; j < n; j++)
		rivals[j].cpu_ns = cpu_of(&rivals[j]) - rivals[j].cpu_ns;
	free(reply.text);
}

int main(int argc, char **argv)
{
	struct rival rivals[] = { { .name = "kcohd" },
				  { .name = "rendering" },
				  { .name = "sending" } };
	struct bare rendering = { 0 }, sending = { 0 };
	uint32_t vms = 1000, scrapes = 300;
	struct kcoh_metrics_source source;
	struct made made;

	if (argc > 3 || (argc > 1 && kcoh_text_u32(argv[1], &vms) < 0) ||
	    (argc > 2 && kcoh_text_u32(argv[2], &scrapes) < 0) || vms > MADE_MAX_VMS ||
	    scrapes < 1 || scrapes > MAX_SCRAPES)
		die("usage: metrics-cost [VMS, up to 1024 [SCRAPES]]");
	if (made_new(&made, vms) < 0)
		die("no memory");
	made.host.exit_times = false; /* as without the key in the configuration */
	source = (struct kcoh_metrics_source){
		.core = made.core, .roster = made.roster, .host = &made.host, .exits = made_exits
	};
	sending.text = kcoh_metrics_render(&source, &sending.len);
	if (!sending.text)
		die("no memory");
	rendering.series = series_of(sending.text, sending.len);
	rival_start(&rivals[0], scrapes, &made, NULL);
	rival_start(&rivals[1], scrapes, NULL, &rendering);
	rival_start(&rivals[2], scrapes, NULL, &sending);
	measure(rivals, 3, scrapes);
	printf("%u VMs, %u scrapes of each, in turn\n%-10s %8s %10s %8s %9s %9s %9s\n", vms,
	       scrapes, "", "series", "bytes", "CPU ms", "median ms", "p99 ms", "most ms");
	for (size_t i = 0; i < 3; i++) {
		rival_tell(&rivals[i], scrapes);
		rival_stop(&rivals[i]);
	}
	free(sending.text);
	made_free(&made);
	if (rivals[0].series != rivals[1].series || rivals[0].series != rivals[2].series) {
		fprintf(stderr, "metrics-cost: the numbers of series differ\n");
		return 1;
	}
	return 0;
}
