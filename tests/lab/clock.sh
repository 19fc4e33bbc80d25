#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The wall clock is set while kcohd runs: five hours forward, then ten back. Deadlines do not go by it, times that people read do, and
# the history says that it was set and has nothing lost.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

HOUR=3600
SHIFTED=0 # seconds that the clock is ahead of the right one
CONFIG="[kcohd]
history = $TMP/history.db
history_days = 1
[defaults]
strategy = veto"
trap 'clock_shift $((-SHIFTED)); finish' EXIT

clock_shift() { # clock_shift SECONDS
	(($1 == 0)) || date -s "@$(($(date +%s) + $1))" >/dev/null
	SHIFTED=$((SHIFTED + $1))
}

kept_is() { # kept_is FILE JQ-CONDITION, of all events in it
	jq -e -s "$2" "$TMP/$1" >/dev/null
}

stepped() { # stepped SECONDS: the history has such a step; to a second, as `date -s` has no more
	kept_is all "any(.type == \"clock\" and ((.by_ns / 1e9 - $1) | fabs) < 2)"
}

is_recent() { # the last event of the VM, by the clock as it is
	kcoh history --json --vm vm --limit 1 | jq -e --argjson now "$(date +%s)" \
		'(.time | sub("\\..*"; "Z") | fromdate) as $at | $at >= $now - 10 and $at <= $now + 1' >/dev/null
}

told() { # told forward|back
	grep -q "the wall clock was set $1 by [0-9]* s" "$TMP/kcohd.log"
}

told_both() {
	told forward && told back
}

module_load
kcohd_start "$CONFIG"
vmm_start vm puppet
vmm vm run on:0 log-on:0 off:0
becomes "before: the VM is vetoed" veto/mmu-off
kcoh override --vm vm --why "the clock is set" --for 15s >/dev/null || give_up "an override"
clock_shift $((5 * HOUR))
wait_for 5 told forward
same "five hours forward: an override of 15 s is in force" allow/override "$(verdict)"
clock_shift $((-10 * HOUR))
check "ten hours back: kcohd said both" wait_for 5 told_both
vmm vm on:0 off:0
check "an event has the time of the clock as it is now" wait_for 10 is_recent
kcoh history --json >"$TMP/all"
last=$(jq -s '.[-1].seq' "$TMP/all")
check "the history has the step forward" stepped $((5 * HOUR))
check "and the step back" stepped $((-10 * HOUR))
check "its events are in the order in which they happened" kept_is all 'map(.seq) | . == sort'
check "its youngest event is the last one" [ "$(kcoh history --json --limit 1 | jq .seq)" -ge "$last" ]
check "--since goes by the clock as it is now" [ "$(kcoh history --json --since 60s | jq -s '.[-1].seq')" -ge "$last" ]

check "the override ends" wait_for 60 verdict_is veto/mmu-off
kcoh history --json >"$TMP/all"
check "at its time" kept_is all 'map(select(.type == "override")) | map(.state) == ["given", "expired"] and
	(.[1].ts_ns - .[0].until_ns | . >= 0 and . < 2e9)'
vmm_end vm
