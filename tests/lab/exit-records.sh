#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Single exits, for who asks: each is told, or counted as lost, also when kcohd is stopped while a guest makes more of them than the ring
# holds, and nothing else is lost with them. And vCPUs that find the table of counters full are counted together, which is said.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

N=1000

api() { # api PATH
	curl -s --unix-socket /run/kcoh/kcohd.sock "http://kcohd$1"
}

host() { # host KEY: of what /v1/host says of exits
	api /v1/host | jq ".exits.$1"
}

total() { # all exits of the VM
	api /v1/vms/counted | jq .exits.total
}

recording() {
	[[ $(host records) == "$1" ]]
}

told() { # how many single exits the trace has, and how many it says were lost
	jq -rn 'reduce inputs as $e ([0, 0]; if $e.type == "exit" then .[0] += 1 elif $e.of == "exits" then .[1] += $e.count else . end) | join(" ")' \
		"$TMP/exits"
}

accounted() { # accounted COUNT: told and lost are together what there was
	local seen lost
	read -r seen lost <<<"$(told)"
	((seen + lost == $1))
}

emptied() { # the ring, of what it holds
	local seen lost
	read -r seen lost <<<"$(told)"
	((seen >= 4096))
}

kcohd_start '[defaults]
strategy = observe'
vmm_start counted puppet --deadline 60
vmm counted run on:0
kcoh trace --exits --vm counted --json >"$TMP/exits" &
TRACE_PID=$!
wait_for 20 recording true || fail "a trace with --exits is recorded for"
before=$(total)
vmm counted hvcs:0:3 ids:0:1
wait_for 10 accounted $(($(total) - before))
same "each exit is told, with its class and what it asked for" '3 HVC64 0x84000000
1 SYS64' "$(jq -r 'select(.class == "HVC64" or .class == "SYS64") | "\(.class) \(.x0 // "")"' "$TMP/exits" | sort | uniq -c | sed 's/^ *//; s/ $//')"
kill -STOP "$KCOHD_PID"
vmm counted hvcs:0:8000 # the ring holds 4096
kill -CONT "$KCOHD_PID"
wait_for 20 emptied || fail "the ring is emptied"
vmm counted hvcs:0:1 # says how many were lost before it
made=$(($(total) - before))
wait_for 20 accounted $made
read -r seen lost <<<"$(told)"
same "kcohd stopped, 8000 exits: told and lost are together what there was" $made $((seen + lost))
if ((lost > 1000)); then pass "most were lost"; else fail "most were lost" "told $seen, lost $lost"; fi
same "and nothing else" 0 "$(api /v1/host | jq .records_lost)"
kill $TRACE_PID
TRACE_PID=''
check "when the trace ends, nothing is recorded any more" wait_for 10 recording false
vmm_end counted
kcohd_stop

# --- a table that is too small --------------------------------------------------------------------------------------------

kcohd_start '[kcohd]
exit_vcpus = 1
[defaults]
strategy = observe'
vmm_start many puppet --vcpus 2
vmm many run on:0 cpu-on:0:1 wait:1 hvcs:1:$N
same "one vCPU is counted apart, as configured" '1 1' "$(host vcpus) $(host vcpus_max)"
if (($(host not_attributed) >= N)); then
	pass "the others together, and that is said"
else
	fail "the others together, and that is said" "$(host not_attributed)"
fi
