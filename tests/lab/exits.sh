#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Exits are counted, each for its vCPU, class and group: against what the guest did (a known number of hypercalls, MMIO, feature register
# reads and WFIs of two vCPUs, with another VM beside it) and against KVM's own counters in debugfs. Also: times are counted once
# for each exit, and only while somebody asks; each exit is told to a trace, or counted as lost; vCPUs that find the table full are counted
# together, which is said.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

DEBUGFS=/sys/kernel/debug/kvm
N=1000

api() { # api PATH
	curl -s --unix-socket /run/kcoh/kcohd.sock "http://kcohd$1"
}

# of JSON PATH…: numbers, each 0 if it is not there; 0:PATH and 1:PATH are what a vCPU did
of() {
	jq -r "[$(filter '.' "${@:2}")] | map(tostring) | join(\" \")" <<<"$1"
}

filter() { # filter FROM PATH…
	local from=$1 path list=''
	for path in "${@:2}"; do
		path=${path/#0:/.vcpus[0].exits.}
		list+="${list:+,}($from | ${path/#1:/.vcpus[1].exits.} // 0)"
	done
	printf '%s' "$list"
}

# changed NAME STEP PATH…: by how much each number of the VM's JSON grew while it did that
changed() {
	local vm=$1 step=$2 before after
	shift 2
	before=$(api "/v1/vms/$vm")
	vmm "$vm" "$step"
	after=$(api "/v1/vms/$vm")
	jq -rn --argjson a "$before" --argjson b "$after" \
		"[[$(filter "\$a" "$@")], [$(filter "\$b" "$@")]] | transpose | map(.[1] - .[0] | tostring) | join(\" \")"
}

# more NAME STEP COUNT PATH…: how many more exits COUNT of them make than none: an order and its report make some, too
more() {
	local vm=$1 step=$2 count=$3 none some n
	shift 3
	read -ra none <<<"$(changed "$vm" "$step:0" "$@")"
	read -ra some <<<"$(changed "$vm" "$step:$count" "$@")"
	for ((n = 0; n < ${#none[@]}; n++)); do echo $((some[n] - none[n])); done | xargs
}

# KVM's own counter of a VM, by pid
kvm_counts() { # kvm_counts PID COUNTER
	cat "$DEBUGFS/$1"-*/"$2"
}

mountpoint -q /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
kcohd_start '[defaults]
strategy = observe'
vmm_start beside puppet
vmm beside run on:0
vmm_start counted puppet --vcpus 2
vmm counted run on:0 cpu-on:0:1 wait:1 on:1

others=$(of "$(api /v1/vms/beside)" .exits.total)
same "hypercalls of vCPU 0, and none of vCPU 1" "$N $N 0" "$(more counted hvcs:0 $N 0:classes.HVC64 0:calls.psci 1:classes.HVC64)"
same "and the other way round" "0 $N $N" "$(more counted hvcs:1 $N 0:classes.HVC64 1:classes.HVC64 1:calls.psci)"
same "MMIO writes are no reads and no faults" "$N $N 0 0 0" "$(more counted stores:0 $N 0:classes.DABT_LOW '0:aborts."mmio-user-write"' \
	'0:aborts."mmio-user-read"' '0:aborts."memslot-write"' '0:aborts."mmio-kernel-write"')"
same "MMIO reads are no writes" "$N $N 0 0" "$(more counted loads:0 $N 0:classes.DABT_LOW '0:aborts."mmio-user-read"' \
	'0:aborts."mmio-user-write"' '0:aborts."memslot-read"')"
same "feature registers" "$N $N 0" "$(more counted ids:0 $N 0:classes.SYS64 0:sysregs.id 0:sysregs.vm)"
before=$(of "$(api /v1/vms/counted)" 0:classes.WFx 1:classes.WFx)
vmm counted wfi:1 wake:1 wfi:1 wake:1 wfi:1 wake:1
read -r other sleeper <<<"$before"
same "WFIs" "$other $((sleeper + 3))" "$(of "$(api /v1/vms/counted)" 0:classes.WFx 1:classes.WFx)"
read -ra faults <<<"$(changed counted write:0:0x800000:64 '0:aborts."memslot-write"' '0:aborts."memslot-read"')"
if ((faults[0] >= 1 && faults[0] <= 64 && faults[1] == 0)); then
	pass "faults on a memslot are no MMIO"
else
	fail "faults on a memslot are no MMIO" "${faults[*]}"
fi
same "nothing of all that was the other VM's" "$others" "$(of "$(api /v1/vms/beside)" .exits.total)"

# Both puppets wait in user space: nothing moves while the two are read.
pid=${VMM_PID[counted]}
counted=$(api /v1/vms/counted)
same "all exits since the VM's birth, as KVM counts them" "$(kvm_counts "$pid" exits)" "$(of "$counted" .exits.total)"
same "its hypercalls" "$(kvm_counts "$pid" hvc_exit_stat)" "$(of "$counted" .exits.classes.HVC64)"
same "its WFIs" "$(($(kvm_counts "$pid" wfi_exit_stat) + $(kvm_counts "$pid" wfe_exit_stat)))" "$(of "$counted" .exits.classes.WFx)"
same "its MMIO" "$(kvm_counts "$pid" mmio_exit_user) $(kvm_counts "$pid" mmio_exit_kernel)" \
	"$(jq -r '.exits.aborts | "\((.["mmio-user-read"] // 0) + (.["mmio-user-write"] // 0)) \((.["mmio-kernel-read"] // 0) + (.["mmio-kernel-write"] // 0))"' <<<"$counted")"
same "both vCPUs' are the VM's" "$(of "$counted" .exits.total)" "$(jq '[.vcpus[].exits.total] | add' <<<"$counted")"

# --- times ----------------------------------------------------------------------------------------------------------------

same "no times while nobody asks" '{}' "$(jq -c .exits.times <<<"$counted")"
api '/v1/vms?times=1' >/dev/null
timed=$(api /v1/vms/counted)
vmm counted hvcs:0:$N stores:1:$N
after=$(api /v1/vms/counted)
exits=$(($(of "$after" .exits.total) - $(of "$timed" .exits.total)))
hvcs=$(($(of "$after" .exits.classes.HVC64) - $(of "$timed" .exits.classes.HVC64)))
times_of() { # times_of ROW: how many
	jq -r "[.exits.times.$1 // [] | .[][1]] | add // 0" <<<"$after"
}
same "one time outside the guest for each hypercall" "$hvcs" "$(times_of hvc)"
# A stay or an absence that began before is no time; at the end each vCPU is outside.
inside=$(times_of inside) outside=$(jq '[.exits.times | del(.inside)[][][1]] | add' <<<"$after")
if ((inside == exits && outside >= exits - 2 && outside <= exits)); then
	pass "one time inside for each exit, and one outside"
else
	fail "one time inside for each exit, and one outside" "$exits exits, $inside inside, $outside outside"
fi

# --- each one, and an overload ----------------------------------------------------------------------------------------

recording() {
	[[ $(api /v1/host | jq .exits.records) == "$1" ]]
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

total() {
	of "$(api /v1/vms/counted)" .exits.total
}

kcoh trace --exits --vm counted --json >"$TMP/exits" &
TRACE_PID=$!
wait_for 20 recording true || fail "a trace with --exits is recorded for"
before=$(total)
vmm counted hvcs:0:3 ids:0:1
wait_for 10 accounted $(($(total) - before))
same "each exit is told, with its class and what it asked for" '3 HVC64 0x84000000
1 SYS64' "$(jq -r 'select(.class == "HVC64" or .class == "SYS64") | "\(.class) \(.x0 // "")"' "$TMP/exits" | sort | uniq -c | sed 's/^ *//; s/ $//')"
kill -STOP "$KCOHD_PID"
vmm counted hvcs:0:20000 # the ring holds some thousands
kill -CONT "$KCOHD_PID"
vmm counted hvcs:0:1 # says how many were lost before it
made=$(($(total) - before))
wait_for 20 accounted $made
read -r seen lost <<<"$(told)"
same "kcohd stopped, 20000 exits: told and lost are together what there was" $made $((seen + lost))
if ((lost > 1000)); then pass "most were lost"; else fail "most were lost" "told $seen, lost $lost"; fi
same "and nothing else" 0 "$(api /v1/host | jq .records_lost)"
kill $TRACE_PID
TRACE_PID=''
check "when the trace ends, nothing is recorded any more" wait_for 10 recording false
vmm_end beside
kcohd_stop

# --- a table that is too small --------------------------------------------------------------------------------------------

kcohd_start '[kcohd]
exit_vcpus = 1
[defaults]
strategy = observe'
vmm_start many puppet --vcpus 2
vmm many run on:0 cpu-on:0:1 wait:1 hvcs:1:$N
host=$(api /v1/host)
same "one vCPU is counted apart, as configured" '1 1' "$(of "$host" .exits.vcpus .exits.vcpus_max)"
if (($(of "$host" .exits.not_attributed) >= N)); then
	pass "the others together, and that is said"
else
	fail "the others together, and that is said" "$host"
fi
