// SPDX-License-Identifier: GPL-2.0-only
/*
 * report.c - compares the destination with guest RAM, and says whether that meant anything.
 *
 * A run in which the guest wrote nothing, nothing was harvested, or the journal lost entries proves nothing, whatever the
 * comparison gave; and so does one under `observe` in which pages were cleaned all the same.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "../vmm/say.h"
#include "report.h"

enum { IDENTICAL = 0, INVALID = 1, CORRUPTED = 10 };

struct comparison {
	uint64_t bytes;
	uint64_t wrong_pages;
	uint64_t wrong_bytes;
	/* of the first one that is wrong */
	unsigned int slot_id;
	uint64_t page; /* of its slot */
	uint64_t byte; /* of its page */
	uint8_t memory, destination;
};

struct figures {
	struct comparison seen;
	struct kcoh_vm_status status;
	uint64_t sent, harvests, writes;
	uint64_t fills; /* during the epoch */
	const char *invalid; /* why, or NULL */
};

static void compare_page(struct migration *m, uint32_t page, struct comparison *c)
{
	const char *memory = ram_memory(&m->ram, page);
	const char *destination = m->destination + page * m->ram.page_bytes;
	size_t i;

	c->bytes += m->ram.page_bytes;
	if (!memcmp(memory, destination, m->ram.page_bytes))
		return;
	for (i = 0; i < m->ram.page_bytes; i++) {
		if (memory[i] == destination[i])
			continue;
		if (!c->wrong_bytes++) {
			c->slot_id = ram_slot_of(&m->ram, page);
			c->page = page - m->ram.first[c->slot_id];
			c->byte = i;
			c->memory = memory[i];
			c->destination = destination[i];
		}
	}
	c->wrong_pages++;
}

static bool cleans(const struct run *run)
{
	return run->strategy == CLEAN || run->strategy == CLEAN_TAINTED;
}

static const char *why_invalid(const struct run *run, const struct migration *m,
			       const struct figures *f)
{
	if (!f->seen.bytes)
		return "nothing was compared";
	if (!f->writes)
		return "the guest wrote nothing during the epoch";
	if (!f->harvests || !f->sent)
		return "nothing was harvested";
	if (!run->happened)
		return "what makes the scenario did not happen";
	if (!m->cache.fills || (cleans(run) && !f->fills))
		return "nothing was prefetched";
	if (f->status.journal_lost)
		return "the journal lost entries";
	if (cleans(run) && !m->guard.pages)
		return "nothing was cleaned";
	if (run->strategy == CLEAN_TAINTED && !m->await_taint && !f->status.pages_untainted)
		return "no page was left alone";
	if (run->strategy == OBSERVE && m->guard.pages)
		return "pages were cleaned although the strategy is observe";
	return NULL;
}

static void figures_get(const struct run *run, struct migration *m, struct figures *f)
{
	uint32_t page;
	unsigned int i;

	for (page = 0; page < m->ram.pages; page++)
		compare_page(m, page, &f->seen);
	for (i = 0; i < m->harvesters; i++) {
		f->sent += m->harvester[i].sent;
		f->harvests += m->harvester[i].harvests;
	}
	f->writes = guest_writes(&m->guest) - m->writes_at_start;
	f->fills = m->cache.fills - m->fills_at_start;
	guard_must_status(&m->guard, &f->status);
	f->invalid = why_invalid(run, m, f);
}

static const char *verdict(const struct figures *f)
{
	if (f->invalid)
		return "invalid";
	return f->seen.wrong_pages ? "corrupted" : "identical";
}

static void print_json(const struct run *run, const struct migration *m, const struct figures *f)
{
	const struct comparison *c = &f->seen;

	printf("{\"scenario\":\"%s\",\"mode\":\"%s\",\"strategy\":\"%s\",\"seed\":%" PRIu64
	       ",\"result\":\"%s\",\"bytes_compared\":%" PRIu64 ",\"pages_sent\":%" PRIu64
	       ",\"harvests\":%" PRIu64 ",\"guest_writes\":%" PRIu64 ",\"prefetched\":%" PRIu64
	       ",\"happened\":%" PRIu64 ",\"journal_entries\":%" PRIu64
	       ",\"journal_pages\":%" PRIu64
	       ",\"journal_lost\":%llu,\"pages_unclean\":%llu,\"pages_untainted\":%llu"
	       ",\"corrupted_pages\":%" PRIu64 ",\"corrupted_bytes\":%" PRIu64,
	       run->scenario->name, run->mode_name, run->strategy_name, run->seed, verdict(f),
	       c->bytes, f->sent, f->harvests, f->writes, f->fills, run->happened, m->guard.entries,
	       m->guard.pages, f->status.journal_lost, f->status.pages_unclean,
	       f->status.pages_untainted, c->wrong_pages, c->wrong_bytes);
	if (c->wrong_pages)
		printf(",\"first\":{\"slot\":%u,\"page\":%" PRIu64 ",\"byte\":%" PRIu64
		       ",\"memory\":%u,\"destination\":%u}",
		       c->slot_id, c->page, c->byte, c->memory, c->destination);
	printf("}\n");
}

static void print_line(const struct run *run, const struct migration *m, const struct figures *f)
{
	const struct comparison *c = &f->seen;

	printf("%s × %s, %s, seed %" PRIu64 ": ", run->scenario->name, run->mode_name,
	       run->strategy_name, run->seed);
	if (f->invalid)
		printf("proves nothing: %s; ", f->invalid);
	else if (c->wrong_pages)
		printf("corrupted: %" PRIu64 " pages, %" PRIu64
		       " bytes, the first in slot %u, page %" PRIu64 ", byte %" PRIu64
		       " (memory has %#04x, the destination %#04x); ",
		       c->wrong_pages, c->wrong_bytes, c->slot_id, c->page, c->byte, c->memory,
		       c->destination);
	else
		printf("identical; ");
	printf("%" PRIu64 " bytes compared, %" PRIu64 " pages sent, %" PRIu64 " harvests, %" PRIu64
	       " guest writes, %" PRIu64 " pages cleaned\n",
	       c->bytes, f->sent, f->harvests, f->writes, m->guard.pages);
}

int report(const struct run *run, struct migration *m)
{
	struct figures f = {};

	figures_get(run, m, &f);
	print_json(run, m, &f);
	print_line(run, m, &f);
	fflush(stdout);
	if (f.invalid)
		return INVALID;
	return f.seen.wrong_pages ? CORRUPTED : IDENTICAL;
}
