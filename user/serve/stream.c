// SPDX-License-Identifier: GPL-2.0-only
/*
 * stream.c - GET /v1/events: the log as NDJSON, live.
 *
 * A stream is a number: the next entry its reader wants. libmicrohttpd asks for bytes when the reader's socket
 * takes some; a stream then hands out lines until the buffer is full, and is suspended when it has caught
 * up, until the log has news. So a slow reader holds up nobody: its socket stays full, the ring moves on, and
 * when it reads again its first line is a `lost` event with the number of entries that went by.
 *
 * Single exits (?exits=1) are in a log of their own, which has nothing to tell but while somebody listens: a stream then has a place in
 * each, and takes the older line first.
 *
 * A suspended connection is not watched by libmicrohttpd, so a reader that goes away while nothing happens
 * would keep its place for hours. The loop watches each stream's socket for that one event.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "serve/event_json.h"
#include "serve/internal.h"
#include "names/text.h"

#define BLOCK_BYTES (32 * 1024)

/* Where a reader is in a log; one without a log is at its end. */
struct cursor {
	const struct kcoh_log *log;
	uint64_t next;
	bool exits; /* the log is that of single exits */
};

struct stream {
	LIST_ENTRY(stream) link;
	struct kcoh_serve *serve;
	struct MHD_Connection *connection;
	sd_event_source *hangup;
	struct cursor events, exits;
	uint32_t vm; /* KCOH_VM_NONE: all */
	bool suspended;
	bool gone; /* the reader hung up */
	char *line; /* being sent */
	size_t line_len, line_sent;
};

/* Of one VM, but for losses and host facts, which concern every VM. */
static bool stream_wants(const struct stream *stream, const struct kcoh_entry *entry)
{
	return stream->vm == KCOH_VM_NONE || entry->vm == stream->vm ||
	       entry->type == KCOH_ENTRY_LOST || entry->type == KCOH_EV_HOST;
}

/* What went by unread: its seq is the last one that did. */
static struct kcoh_entry lost_entry(const struct cursor *cursor, uint64_t first)
{
	const struct kcoh_entry *oldest = kcoh_log_get(cursor->log, first);

	return (struct kcoh_entry){ .seq = first - 1,
				    .ts_ns = oldest->ts_ns,
				    .real_ns = oldest->real_ns,
				    .vcpu = KCOH_VCPU_NONE,
				    .type = KCOH_ENTRY_LOST,
				    .lost = { .count = first - cursor->next,
					      .exits = cursor->exits } };
}

static bool line_set(struct stream *stream, const struct kcoh_entry *entry)
{
	free(stream->line);
	stream->line = kcoh_event_line(entry);
	stream->line_len = stream->line ? strlen(stream->line) : 0;
	stream->line_sent = 0;
	return stream->line;
}

/* Goes to the next entry that is wanted. When it was, ns; 0: entries went by unread; UINT64_MAX: there is none. */
static uint64_t cursor_look(const struct stream *stream, struct cursor *cursor)
{
	if (!cursor->log)
		return UINT64_MAX;
	if (cursor->next < kcoh_log_first(cursor->log))
		return 0;
	for (; cursor->next <= kcoh_log_last(cursor->log); cursor->next++) {
		const struct kcoh_entry *entry = kcoh_log_get(cursor->log, cursor->next);

		if (stream_wants(stream, entry))
			return entry->ts_ns;
	}
	return UINT64_MAX;
}

/* The next line into stream->line, of the log whose next entry is older: 1, 0 if the reader has caught up, -1 without memory. */
static int line_next(struct stream *stream)
{
	uint64_t at = cursor_look(stream, &stream->events), exit_at;
	struct cursor *cursor = &stream->events;
	struct kcoh_entry lost;
	uint64_t first;

	exit_at = cursor_look(stream, &stream->exits);
	if (at == UINT64_MAX && exit_at == UINT64_MAX)
		return 0;
	if (exit_at < at)
		cursor = &stream->exits;
	first = kcoh_log_first(cursor->log);
	if (cursor->next < first) {
		lost = lost_entry(cursor, first);
		cursor->next = first;
		return line_set(stream, &lost) ? 1 : -1;
	}
	return line_set(stream, kcoh_log_get(cursor->log, cursor->next++)) ? 1 : -1;
}

static size_t line_copy(struct stream *stream, char *buffer, size_t room)
{
	size_t n = stream->line_len - stream->line_sent;

	if (n > room)
		n = room;
	memcpy(buffer, stream->line + stream->line_sent, n);
	stream->line_sent += n;
	return n;
}

static ssize_t stream_read(void *cls, uint64_t pos, char *buffer, size_t max)
{
	struct stream *stream = cls;
	size_t filled = 0;

	(void)pos;
	if (stream->gone)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	while (filled < max) {
		if (stream->line_sent == stream->line_len) {
			int more = line_next(stream);

			if (more < 0)
				return MHD_CONTENT_READER_END_WITH_ERROR;
			if (!more)
				break;
		}
		filled += line_copy(stream, buffer + filled, max - filled);
	}
	if (filled)
		return (ssize_t)filled;
	if (stream->serve->closing)
		return MHD_CONTENT_READER_END_OF_STREAM;
	MHD_suspend_connection(stream->connection);
	stream->suspended = true;
	return 0;
}

static void stream_wake(struct stream *stream)
{
	if (!stream->suspended)
		return;
	stream->suspended = false;
	MHD_resume_connection(stream->connection);
	serve_soon(stream->serve);
}

void streams_wake(struct kcoh_serve *serve)
{
	struct stream *stream;

	LIST_FOREACH(stream, &serve->streams, link)
	stream_wake(stream);
}

/* Of which VM single exits are wanted: of one if all streams that want some want it. */
static void exits_tell(const struct kcoh_serve *serve)
{
	const struct stream *stream;
	uint32_t vm = KCOH_VM_NONE;
	bool wanted = false;

	LIST_FOREACH(stream, &serve->streams, link)
	{
		if (!stream->exits.log)
			continue;
		vm = !wanted || vm == stream->vm ? stream->vm : KCOH_VM_NONE;
		wanted = true;
	}
	if (serve->config.exit_records)
		serve->config.exit_records(serve->config.ctx, wanted, vm);
}

static void stream_free(void *cls)
{
	struct stream *stream = cls;

	LIST_REMOVE(stream, link);
	stream->serve->stream_count--;
	if (stream->exits.log)
		exits_tell(stream->serve);
	sd_event_source_disable_unref(stream->hangup);
	free(stream->line);
	free(stream);
}

static int on_hangup(sd_event_source *source, int fd, uint32_t events, void *ctx)
{
	struct stream *stream = ctx;

	(void)fd;
	(void)events;
	stream->gone = true;
	sd_event_source_set_enabled(source, SD_EVENT_OFF);
	stream_wake(stream);
	return 0;
}

static struct stream *stream_new(struct kcoh_serve *serve, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->serve = serve;
	stream->connection = connection;
	if (!info || sd_event_add_io(serve->config.event, &stream->hangup, info->connect_fd,
				     EPOLLHUP | EPOLLET, on_hangup, stream) < 0) {
		free(stream);
		return NULL;
	}
	LIST_INSERT_HEAD(&serve->streams, stream, link);
	serve->stream_count++;
	return stream;
}

/* Reads ?vm= and ?since=; MHD_NO: an error was answered, *ret_answered says how that went. */
static bool query_read(struct kcoh_serve *serve, struct MHD_Connection *connection,
		       uint32_t *ret_vm, uint64_t *ret_next, enum MHD_Result *ret_answered)
{
	const char *selector = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "vm");
	const char *since = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "since");
	uint64_t last = kcoh_log_last(serve->config.log), seq = last;
	struct kcoh_roster_vm *vm;
	unsigned int status;

	if (since && (kcoh_text_u64(since, &seq) < 0 || seq > last)) {
		*ret_answered =
			answer_error(connection, MHD_HTTP_BAD_REQUEST,
				     "since=%s is no sequence number from 0 to %llu, the newest "
				     "(numbers begin anew when kcohd is restarted)",
				     since, (unsigned long long)last);
		return false;
	}
	*ret_next = seq + 1;
	*ret_vm = KCOH_VM_NONE;
	if (!selector)
		return true;
	status = vm_select(serve, connection, selector, &vm, ret_answered);
	if (status != MHD_HTTP_OK)
		return false;
	*ret_vm = vm->ident->id;
	return true;
}

/* Reads ?exits=; as query_read(). */
static bool exits_read(struct kcoh_serve *serve, struct MHD_Connection *connection, bool *ret_exits,
		       enum MHD_Result *ret_answered)
{
	const char *exits = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "exits");

	*ret_exits = exits && serve->config.exits_log;
	if (!exits)
		return true;
	if (!asker_is_local(connection)) {
		*ret_answered = answer_error(connection, MHD_HTTP_FORBIDDEN,
					     "telling each exit costs something: ask for that on "
					     "the Unix socket");
		return false;
	}
	if (!strcmp(exits, "1"))
		return true;
	*ret_answered = answer_error(connection, MHD_HTTP_BAD_REQUEST,
				     "exits=%s makes no sense: exits=1 asks for single exits",
				     exits);
	return false;
}

static enum MHD_Result stream_start(struct stream *stream)
{
	struct MHD_Connection *connection = stream->connection;
	struct MHD_Response *response;
	enum MHD_Result result;

	response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, stream_read,
						     stream, stream_free);
	if (!response) {
		stream_free(stream);
		return MHD_NO;
	}
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-ndjson");
	MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

enum MHD_Result stream_answer(struct kcoh_serve *serve, struct MHD_Connection *connection)
{
	enum MHD_Result answered = MHD_NO;
	struct stream *stream;
	uint64_t next_seq;
	uint32_t vm;
	bool exits;

	if (!query_read(serve, connection, &vm, &next_seq, &answered) ||
	    !exits_read(serve, connection, &exits, &answered))
		return answered;
	if (serve->stream_count >= serve->config.max_streams)
		return answer_error(connection, MHD_HTTP_SERVICE_UNAVAILABLE,
				    "%u streams of events are open, which is the limit: close one",
				    serve->stream_count);
	stream = stream_new(serve, connection);
	if (!stream)
		return MHD_NO;
	stream->events = (struct cursor){ .log = serve->config.log, .next = next_seq };
	stream->vm = vm;
	if (exits) {
		stream->exits = (struct cursor){ .log = serve->config.exits_log,
						 .next = kcoh_log_last(serve->config.exits_log) + 1,
						 .exits = true };
		exits_tell(serve);
	}
	return stream_start(stream);
}
