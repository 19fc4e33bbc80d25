// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics-doc - docs/metrics.md, from the table of metrics (user/metrics/table.c). `make docs` runs it; a test compares.
 */
#include <stdio.h>
#include <string.h>

#include "metrics/metrics.h"

static void section(const char *title, bool vm)
{
	struct kcoh_metric_view metric;

	printf("\n## %s\n| metric | type | labels | meaning |\n|---|---|---|---|\n", title);
	for (size_t i = 0; kcoh_metrics_at(i, &metric); i++) {
		if (!strncmp(metric.name, "kcoh_vm_", 8) != vm)
			continue;
		printf("| `%s%s` | %s | %s | %s |\n", metric.name, kcoh_metric_suffix(metric.type),
		       kcoh_metric_type_name(metric.type), *metric.labels ? metric.labels : "–",
		       metric.help);
	}
}

int main(void)
{
	printf("# Metrics\n\n"
	       "What `GET /metrics` answers, as OpenMetrics 1.0. This page is made by `make docs` "
	       "from user/metrics/table.c.\n\n"
	       "`vm` is kcoh's id of the VM, as `kcoh ps` prints it, and `name` its name. Series "
	       "of a VM that is gone are gone. Nothing is\nkept per vCPU. Module counters are "
	       "absent while the module is not loaded, and begin at 0 when it is loaded again. A "
	       "histogram "
	       "has\n`_bucket` as below and, but for exits, `_count` and `_sum`.\n");
	section("Of the host, the module and kcohd", false);
	section("Of each VM", true);
	return 0;
}
