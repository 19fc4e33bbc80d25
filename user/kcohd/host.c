// SPDX-License-Identifier: GPL-2.0-only
/*
 * host.c - may kcohd run here, and what is this host?
 *
 * What is asked of the host, each with one sentence: an arm64 machine, KVM, the right to load BPF programs. As long as
 * the module has not told whether there is S2FWB the core is told 'no', which is the side that vetoes.
 */
#include "kcohd/daemon.h"

int host_up(struct daemon *daemon)
{
	struct kcoh_host_facts facts;
	char sentence[256];
	int err;

	kcoh_host_look("", &facts);
	daemon->page_size = facts.page_size;
	daemon->pkvm = facts.pkvm;
	err = kcoh_host_usable(&facts, sentence, sizeof(sentence));
	if (err < 0)
		say(LOG_ERR, "%s", sentence);
	return err;
}
