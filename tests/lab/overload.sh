#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest that turns its caches off and on in a tight loop, in a dirty epoch and with no budget for its traps, while the feed's reader is stopped
# and its ring of one page overflows: what the kernel could not hand over the reader is told, no edge is missing that is not among that, and what is
# told was so.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

LOG=$TMP/feed
TIMES=100 # an edge costs KVM a walk over all of the guest's RAM: some 20 a second here
AFTER=2

edges_told() { # VCPU WAS NOW PC SCTLR, as vmm_edges has them
	sed -nE 's/.*vcpu=([0-9]+) toggle ([a-z]+)->([a-z]+) source=trap pc=(0x[0-9a-f]+) sctlr=(0x[0-9a-f]+)$/\1 \2 \3 \4 \5/p' "$LOG"
}

reader_is_back() {
	(($(edges_told | wc -l) + $(feed_gaps "$LOG") >= 2 * (TIMES + AFTER)))
}

module_load
echo 0 >/sys/module/kcoh/parameters/trap_budget
vmm_start vm puppet --mem 1M --deadline 120
vmm vm run on:0
"$LAB/kcoh-feed" --module --ring 4096 >"$LOG" 2>&1 &
FEED_PID=$!
wait_for $((2 * KCOHD_WAIT)) grep -q '^feed scan' "$LOG" || give_up "the feed starts" "$(<"$LOG")"
vmm vm log-on:0 noise:0:1
wait_for 10 grep -q 'source=trap' "$LOG" || give_up "the vCPU reports itself" "$(<"$LOG")"

vmm_clear vm
before=$(stat_of toggles)
kill -STOP $FEED_PID
vmm vm toggle:0:$TIMES
same "the module saw each of $((2 * TIMES)) edges" $((2 * TIMES)) $(($(stat_of toggles) - before))
kill -CONT $FEED_PID
wait_for 10 grep -q 'toggle' "$LOG" || give_up "the reader goes on" "$(<"$LOG")"
first=$(edges_told | wc -l)
vmm vm toggle:0:$AFTER # their first record says what was lost before it
wait_for 20 reader_is_back
kill $FEED_PID
wait $FEED_PID

same "the reader is told of each record that the kernel could not hand over" "$(sed -n 's/^feed left:.* lost //p' "$LOG")" "$(feed_gaps "$LOG")"
missing=$((2 * (TIMES + AFTER) - $(edges_told | wc -l)))
check "the $missing edges that are not told are among them ($(feed_gaps "$LOG"): the vCPU's state is sampled, too)" test "$(feed_gaps "$LOG")" -ge $missing
check "most of the edges are" test $missing -gt $TIMES
made=$(vmm_edges vm)
same "those told before are the first that the guest made, as it made them" "$(head -n "$first" <<<"$made")" "$(edges_told | head -n "$first")"
same "those told after are its last" "$(tail -n $((2 * AFTER)) <<<"$made")" "$(edges_told | tail -n +$((first + 1)))"
