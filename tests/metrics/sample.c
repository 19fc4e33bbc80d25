// SPDX-License-Identifier: GPL-2.0-only
/*
 * metrics-sample - a scrape as kcohd would answer it, of VMs that are made up. For the parser that judges the format.
 *
 *   metrics-sample [VMS]       prints it (default 3 VMs; the names need escaping)
 */
#include <stdio.h>
#include <stdlib.h>

#include "made.h"
#include "names/text.h"

int main(int argc, char **argv)
{
	struct kcoh_metrics_source source;
	struct made made;
	uint32_t vms = 3;
	char *text;
	size_t len;

	if (argc > 2 || (argc == 2 && kcoh_text_u32(argv[1], &vms) < 0) || vms > MADE_MAX_VMS) {
		fprintf(stderr, "metrics-sample: how many VMs, up to %d?\n", MADE_MAX_VMS);
		return 2;
	}
	if (made_new(&made, vms) < 0)
		return 2;
	source = (struct kcoh_metrics_source){
		.core = made.core, .roster = made.roster, .host = &made.host, .exits = made_exits
	};
	text = kcoh_metrics_render(&source, &len);
	if (!text || fwrite(text, 1, len, stdout) != len)
		return 1;
	free(text);
	made_free(&made);
	return 0;
}
