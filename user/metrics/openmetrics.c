// SPDX-License-Identifier: GPL-2.0-only
/*
 * openmetrics.c - OpenMetrics' text format. See openmetrics.h.
 *
 * Nothing of a VM is formatted by printf: a host with 1000 VMs has tens of thousands of samples a scrape.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics/openmetrics.h"

#define FIRST_ROOM 65536

const char *kcoh_metric_type_name(enum kcoh_metric_type type)
{
	static const char *const names[] = { "gauge", "counter", "info", "histogram" };

	return names[type];
}

const char *kcoh_metric_suffix(enum kcoh_metric_type type)
{
	static const char *const suffixes[] = { "", "_total", "_info", "_bucket" };

	return suffixes[type];
}

static bool has_room(struct kcoh_om *text, size_t more)
{
	size_t room = text->room ? text->room : FIRST_ROOM;
	char *data;

	if (text->room - text->len >= more)
		return true;
	while (room - text->len < more)
		room *= 2;
	data = text->failed ? NULL : realloc(text->data, room);
	if (!data) {
		text->failed = true;
		return false;
	}
	text->data = data;
	text->room = room;
	return true;
}

static void put_bytes(struct kcoh_om *text, const char *bytes, size_t len)
{
	if (!has_room(text, len))
		return;
	memcpy(text->data + text->len, bytes, len);
	text->len += len;
}

static void put(struct kcoh_om *text, const char *string)
{
	put_bytes(text, string, strlen(string));
}

/* Length of the character at `p` once escaped; *ret_escaped is what to write instead, or NULL. */
static size_t escape(char c, const char **ret_escaped)
{
	*ret_escaped = c == '\\' ? "\\\\" : c == '"' ? "\\\"" : c == '\n' ? "\\n" : NULL;
	return *ret_escaped ? 2 : 1;
}

static void put_escaped(struct kcoh_om *text, const char *string)
{
	const char *escaped;
	size_t plain, len;

	for (;; string += plain + 1) {
		plain = strcspn(string, "\\\"\n");
		put_bytes(text, string, plain);
		if (!string[plain])
			return;
		len = escape(string[plain], &escaped);
		put_bytes(text, escaped, len);
	}
}

/* At least `width` digits. */
static void put_digits(struct kcoh_om *text, uint64_t number, unsigned int width)
{
	char digits[20];
	unsigned int n = 0;

	do {
		digits[sizeof(digits) - ++n] = (char)('0' + number % 10);
		number /= 10;
	} while (number || n < width);
	put_bytes(text, digits + sizeof(digits) - n, n);
}

static void put_comment(struct kcoh_om *text, const char *what, const char *name, const char *rest)
{
	put(text, what);
	put(text, name);
	put(text, " ");
	put_escaped(text, rest);
	put(text, "\n");
}

void kcoh_om_family(struct kcoh_om *text, const char *name, enum kcoh_metric_type type,
		    const char *unit, const char *help)
{
	put_comment(text, "# TYPE ", name, kcoh_metric_type_name(type));
	if (*unit)
		put_comment(text, "# UNIT ", name, unit);
	put_comment(text, "# HELP ", name, help);
}

static void put_sample(struct kcoh_om *text, const char *name, const char *suffix,
		       const char *labels, const char *more, const char *value)
{
	put(text, name);
	put(text, suffix);
	if (*labels || more) {
		put(text, "{");
		put(text, labels);
		if (more) {
			put(text, *labels ? "," : "");
			put(text, more);
			put(text, "=\"");
			put_escaped(text, value);
			put(text, "\"");
		}
		put(text, "}");
	}
	put(text, " ");
}

static void put_u64(struct kcoh_om *text, uint64_t number)
{
	put_digits(text, number, 1);
	put(text, "\n");
}

static void put_ns(struct kcoh_om *text, uint64_t ns)
{
	put_digits(text, ns / 1000000000, 1);
	put(text, ".");
	put_digits(text, ns % 1000000000, 9);
	put(text, "\n");
}

void kcoh_om_u64(struct kcoh_om *text, const char *name, enum kcoh_metric_type type,
		 const char *labels, const char *more, const char *value, uint64_t number)
{
	put_sample(text, name, kcoh_metric_suffix(type), labels, more, value);
	put_u64(text, number);
}

void kcoh_om_ns(struct kcoh_om *text, const char *name, enum kcoh_metric_type type,
		const char *labels, const char *more, const char *value, uint64_t ns)
{
	put_sample(text, name, kcoh_metric_suffix(type), labels, more, value);
	put_ns(text, ns);
}

/* As the format wants bounds: "1e-05", "0.003", "1.0", "100000.0". */
static void bound_write(char *out, size_t room, const struct kcoh_bounds *bounds, uint32_t i)
{
	double bound = bounds->ns ? (double)bounds->at[i] / 1e9 : (double)bounds->at[i];

	snprintf(out, room, "%.9g", bound);
	if (!strpbrk(out, ".e"))
		strcat(out, ".0");
}

void kcoh_om_histogram(struct kcoh_om *text, const char *name, const char *labels,
		       const struct kcoh_histogram *histogram)
{
	const struct kcoh_bounds *bounds = histogram->bounds;
	char le[32];
	uint64_t count = 0;

	for (uint32_t i = 0; i <= bounds->n; i++) {
		count += histogram->counts[i];
		if (i < bounds->n)
			bound_write(le, sizeof(le) - 2, bounds, i);
		else
			strcpy(le, "+Inf");
		put_sample(text, name, "_bucket", labels, "le", le);
		put_u64(text, count);
	}
	put_sample(text, name, "_count", labels, NULL, NULL);
	put_u64(text, count);
	put_sample(text, name, "_sum", labels, NULL, NULL);
	if (bounds->ns)
		put_ns(text, histogram->sum);
	else
		put_u64(text, histogram->sum);
}

bool kcoh_om_label(char *out, size_t room, const char *name, const char *value)
{
	size_t start = strlen(out), len = start, name_len = strlen(name);
	const char *escaped;

	if (room - len < name_len + 5)
		return false;
	if (len)
		out[len++] = ',';
	memcpy(out + len, name, name_len);
	len += name_len;
	out[len++] = '=';
	out[len++] = '"';
	for (; *value; value++) {
		size_t more = escape(*value, &escaped);

		if (room - len < more + 2) {
			out[start] = '\0';
			return false;
		}
		memcpy(out + len, escaped ? escaped : value, more);
		len += more;
	}
	memcpy(out + len, "\"", 2);
	return true;
}

char *kcoh_om_take(struct kcoh_om *text, size_t *ret_len)
{
	char *data;

	put_bytes(text, "# EOF\n", 7); /* and its NUL */
	data = text->data;
	if (text->failed) {
		free(data);
		data = NULL;
	} else {
		*ret_len = text->len - 1;
	}
	*text = (struct kcoh_om){ 0 };
	return data;
}
