/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * openmetrics.h - a text in OpenMetrics' format, written family by family.
 *
 * What a family begins with is written by kcoh_om_family(); each sample by naming the family again, so that the caller
 * cannot put a sample where it does not belong: the format wants all samples of a family in one piece. Memory that
 * runs out is remembered and told once, by kcoh_om_take().
 *
 * Source: OpenMetrics 1.0.0, "Text format".
 */
#ifndef KCOH_OPENMETRICS_H
#define KCOH_OPENMETRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "relay/histograms.h"

enum kcoh_metric_type {
	KCOH_METRIC_GAUGE,
	KCOH_METRIC_COUNTER, /* samples end in _total */
	KCOH_METRIC_INFO, /* samples end in _info and are 1 */
	KCOH_METRIC_HISTOGRAM, /* samples end in _bucket, their last label is le; each counts those before it, too; _count, _sum */
};

/* "gauge", "counter", "info", "histogram" */
const char *kcoh_metric_type_name(enum kcoh_metric_type type);
/* What the names of its samples end in: "", "_total", "_info", "_bucket". */
const char *kcoh_metric_suffix(enum kcoh_metric_type type);

struct kcoh_om {
	char *data;
	size_t len, room;
	bool failed; /* there was no memory */
};

/* # TYPE, # UNIT (if not empty) and # HELP. `name` is without the suffix of its samples. */
void kcoh_om_family(struct kcoh_om *text, const char *name, enum kcoh_metric_type type,
		    const char *unit, const char *help);

/*
 * A sample; `labels` is what stands between the braces, already escaped, or empty; `more` is one label more: its name
 * and its value as it is, or NULL.
 */
void kcoh_om_u64(struct kcoh_om *text, const char *name, enum kcoh_metric_type type,
		 const char *labels, const char *more, const char *value, uint64_t number);
/* The same for nanoseconds, written as seconds without loss. */
void kcoh_om_ns(struct kcoh_om *text, const char *name, enum kcoh_metric_type type,
		const char *labels, const char *more, const char *value, uint64_t ns);

/* A histogram, whole: buckets by le, _count and _sum. Nanoseconds are written as seconds. */
void kcoh_om_histogram(struct kcoh_om *text, const char *name, const char *labels,
		       const struct kcoh_histogram *histogram);

/* name="value" with the value escaped, into out; a comma before it unless out is empty. False if it does not fit. */
bool kcoh_om_label(char *out, size_t room, const char *name, const char *value);

/* # EOF. Returns the text, which the caller frees, and its length; NULL if there was no memory. */
char *kcoh_om_take(struct kcoh_om *text, size_t *ret_len);

#endif
