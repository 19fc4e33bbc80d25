// SPDX-License-Identifier: GPL-2.0-only
/*
 * history.c - GET /v1/history?vm=SEL&since=SECONDS&until=SECONDS&limit=N: events of long ago, as NDJSON.
 *
 * The answer is read at once, so it is bounded: the youngest `limit` events that match.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "names/text.h"
#include "serve/internal.h"
#include "store/store.h"

#define LIMIT_DEFAULT 1000
#define LIMIT_MAX 100000
#define NS 1000000000ull

static const char *argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

/* False: it is there and no number up to max; that was answered. */
static bool number_read(struct MHD_Connection *connection, const char *name, uint64_t max,
			uint64_t *ret_number, enum MHD_Result *ret_answered)
{
	const char *text = argument(connection, name);

	if (!text || (kcoh_text_u64(text, ret_number) == 0 && *ret_number <= max))
		return true;
	*ret_answered = answer_error(connection, MHD_HTTP_BAD_REQUEST,
				     "%s=%s is no number from 0 to %llu", name, text,
				     (unsigned long long)max);
	return false;
}

static bool on_row(void *ctx, const char *event)
{
	fputs(event, ctx);
	putc('\n', ctx);
	return !ferror((FILE *)ctx);
}

/* A VM that runs now is meant by its UUID or name, however it was selected; else the text itself is looked for. */
static const char *who(struct kcoh_serve *serve, const char *selector)
{
	struct kcoh_roster_vm *vm;
	char sentence[256];

	if (!selector ||
	    kcoh_roster_select(serve->config.roster, selector, &vm, sentence, sizeof(sentence)) < 0)
		return selector;
	return *vm->ident->uuid ? vm->ident->uuid : vm->ident->name;
}

static enum MHD_Result answer_rows(struct MHD_Connection *connection, const char *path,
				   const struct kcoh_store_query *query)
{
	char sentence[512] = "no memory", *text = NULL;
	size_t len = 0;
	FILE *file = open_memstream(&text, &len);
	int err = file ? kcoh_store_query(path, query, on_row, file, sentence, sizeof(sentence)) :
			 -ENOMEM;

	if (file && fclose(file) == EOF && err == 0)
		err = -ENOMEM;
	if (err == 0)
		return answer_text(connection, MHD_HTTP_OK, "application/x-ndjson", text, NULL);
	free(text);
	return answer_error(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "%s", sentence);
}

enum MHD_Result history_answer(struct kcoh_serve *serve, struct MHD_Connection *connection)
{
	uint64_t since = 0, until = 0, limit = LIMIT_DEFAULT;
	enum MHD_Result answered = MHD_NO;
	struct kcoh_store_query query;

	if (!serve->config.history)
		return answer_error(connection, MHD_HTTP_NOT_FOUND,
				    "this kcohd keeps no history (history = none)");
	if (!number_read(connection, "since", INT64_MAX / NS, &since, &answered) ||
	    !number_read(connection, "until", INT64_MAX / NS - 1, &until, &answered) ||
	    !number_read(connection, "limit", LIMIT_MAX, &limit, &answered))
		return answered;
	query = (struct kcoh_store_query){
		.vm = who(serve, argument(connection, "vm")),
		.since_ns = since * NS,
		.until_ns = until ? until * NS + (NS - 1) : 0, /* to the end of that second */
		.limit = (uint32_t)(limit ? limit : LIMIT_MAX),
	};
	return answer_rows(connection, serve->config.history, &query);
}
