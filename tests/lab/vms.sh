#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Which VM is which: one that was there before kcohd is found, with its name, process and state; what one VM does is
# not said of another; and one that goes is forgotten. Also: the module can be replaced while kcohd runs.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

vms() { # one line a VM: name pid vcpus state
	kcoh ps --json | jq -r '.vms[] | "\(.name) \(.pid) \(.vcpus | length) \(.vcpu_states.cached) cached \(.vcpu_states.uncached) uncached"'
}

ps_shows() {
	[[ $(vms | sort) == "$1" ]]
}

sees() { # sees NAME EXPECTED: what kcoh ps shows, as soon as it does
	if wait_for 10 ps_shows "$2"; then pass "$1"; else same "$1" "$2" "$(vms | sort)"; fi
}

edges_of() { # edges_of TRACE: was now
	jq -r 'select(.type == "toggle" and .source == "trap") | "\(.name) \(.vcpu) \(.was) \(.now)"' "$1"
}

repeat() { # repeat N LINE…: the lines N times
	local n
	for ((n = 0; n < $1; n++)); do printf '%s\n' "${@:2}"; done
}

has_ended() {
	traces "$1" '.type == "epoch" and .source == "module" and .state == "end"'
}

taken_up_again() {
	(($(grep -c 'loaded and watched' "$TMP/kcohd.log") == 2))
}

module_load
vmm_start apple puppet
vmm apple run on:0
vmm_start pear puppet
vmm pear run wait:0
kcohd_start '[defaults]
strategy = observe'
both="apple ${VMM_PID[apple]} 1 1 cached 0 uncached
pear ${VMM_PID[pear]} 1 0 cached 1 uncached"
sees "VMs that were there before kcohd: name, pid, vCPUs, state" "$both"
same "kcoh ps prints them" "$(printf 'apple\npear')" "$(kcoh ps | awk '$2 ~ /apple|pear/ { print $2 }' | sort)"
check "a VM is found by its pid" kcoh check --vm "pid:${VMM_PID[apple]}"

kcoh trace --json --since 0 --vm apple >"$TMP/apple.trace" &
apple=$!
kcoh trace --json --since 0 --vm pear >"$TMP/pear.trace" &
pear=$!
vmm pear on:0 log-on:0
vmm apple log-on:0 toggle:0:2
vmm pear toggle:0:1
vmm apple toggle:0:1
vmm pear off:0 log-off:0
vmm apple log-off:0
wait_for 20 has_ended "$TMP/apple.trace" || fail "the trace of apple is complete"
wait_for 20 has_ended "$TMP/pear.trace" || fail "the trace of pear is complete"
kill $apple $pear
same "the trace of one VM has its 6 edges and no other's" \
	"$(repeat 3 'apple 0 cached uncached' 'apple 0 uncached cached')" "$(edges_of "$TMP/apple.trace")"
same "that of the other its 3" "$(repeat 1 'pear 0 cached uncached' 'pear 0 uncached cached' 'pear 0 cached uncached')" \
	"$(edges_of "$TMP/pear.trace")"
same "no event of one has the other's name" '' "$(jq -r 'select(.name == "pear")' "$TMP/apple.trace")"

vmm_start quince puppet --vcpus 2
vmm quince run on:0
sees "a VM that comes later is seen, too" "$both
quince ${VMM_PID[quince]} 2 1 cached 0 uncached"
vmm_end pear
sees "a VM that goes is forgotten" "apple ${VMM_PID[apple]} 1 1 cached 0 uncached
quince ${VMM_PID[quince]} 2 1 cached 0 uncached"

if rmmod kcoh 2>/dev/null; then
	fail "kcohd keeps the module that it reads"
else
	pass "kcohd keeps the module that it reads"
fi
check "kcoh module release" kcoh module release
check "then it can be removed under kcohd" rmmod kcoh
module_load
check "and kcohd takes up the next one" wait_for 40 taken_up_again
