#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Exits are counted, each for its vCPU, class and group: against what the guest did (a known number of hypercalls, MMIO, feature register
# reads and WFIs of two vCPUs, with another VM beside it) and against KVM's own counters in debugfs. Also: times are counted once
# for each exit, and only while somebody asks.
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

# did STEP: has the VM do it, and keeps what was told before and after
did() {
	was=$now
	vmm counted "$@"
	now=$(api /v1/vms/counted)
}

# more PATH…: by how much each number grew while it did that
more() {
	jq -rn --argjson a "$was" --argjson b "$now" \
		"[[$(filter "\$a" "$@")], [$(filter "\$b" "$@")]] | transpose | map(.[1] - .[0] | tostring) | join(\" \")"
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

now=$(api /v1/vms/counted)
others=$(of "$(api /v1/vms/beside)" .exits.total)
did hvcs:0:$N
same "hypercalls of vCPU 0, and none of vCPU 1" "$N $N 0" "$(more 0:classes.HVC64 0:calls.psci 1:classes.HVC64)"
did hvcs:1:$N
same "and the other way round" "0 $N $N" "$(more 0:classes.HVC64 1:classes.HVC64 1:calls.psci)"
did ids:0:$N
same "feature registers" "$N $N 0" "$(more 0:classes.SYS64 0:sysregs.id 0:sysregs.vm)"
mmio=('0:aborts."mmio-user-write"' '0:aborts."mmio-user-read"' '0:aborts."memslot-write"' '0:aborts."memslot-read"'
	'0:aborts."mmio-kernel-write"')
did stores:0:0 # an order and its report make some, too
read -r stores loads rest <<<"$(more "${mmio[@]}")"
did stores:0:$N
same "MMIO writes are no reads and no faults" "$((stores + N)) $loads $rest" "$(more "${mmio[@]}")"
did loads:0:$N
same "MMIO reads are no writes" "$stores $((loads + N)) $rest" "$(more "${mmio[@]}")"
vmm counted log-on:0 # so that it is a fault a page, not one of a huge page
did "write:0:0x800000:$((64 * $(getconf PAGESIZE) / 4096))"
read -r faults <<<"$(more 0:classes.DABT_LOW)"
same "faults on a memslot are no MMIO" "$stores $loads" "$(more "${mmio[@]:0:2}")"
if ((faults >= stores + loads + 64)); then pass "and are counted"; else fail "and are counted" "$faults"; fi
vmm counted log-off:0
did wfi:1 wake:1 wfi:1 wake:1
same "WFIs" "0 2" "$(more 0:classes.WFx 1:classes.WFx)"
same "nothing of all that was the other VM's" "$others" "$(of "$(api /v1/vms/beside)" .exits.total)"

# Both puppets wait in user space: nothing moves while the two are read.
pid=${VMM_PID[counted]} counted=$now
same "all exits since the VM's birth, as KVM counts them" "$(kvm_counts "$pid" exits)" "$(of "$counted" .exits.total)"
same "its hypercalls" "$(kvm_counts "$pid" hvc_exit_stat)" "$(of "$counted" .exits.classes.HVC64)"
same "its WFIs" "$(($(kvm_counts "$pid" wfi_exit_stat) + $(kvm_counts "$pid" wfe_exit_stat)))" "$(of "$counted" .exits.classes.WFx)"
same "its MMIO" "$(kvm_counts "$pid" mmio_exit_user) $(kvm_counts "$pid" mmio_exit_kernel)" \
	"$(jq -r '.exits.aborts | "\((.["mmio-user-read"] // 0) + (.["mmio-user-write"] // 0)) \((.["mmio-kernel-read"] // 0) + (.["mmio-kernel-write"] // 0))"' <<<"$counted")"
same "both vCPUs' are the VM's" "$(of "$counted" .exits.total)" "$(jq '[.vcpus[].exits.total] | add' <<<"$counted")"

# --- times ----------------------------------------------------------------------------------------------------------------

same "no times while nobody asks" '{}' "$(jq -c .exits.times <<<"$counted")"
api '/v1/vms?times=1' >/dev/null
did hvcs:0:$N stores:1:$N
read -r exits hvcs <<<"$(more .exits.total .exits.classes.HVC64)"
times_of() { # times_of ROW: how many
	jq -r "[.exits.times.$1 // [] | .[][1]] | add // 0" <<<"$now"
}
same "one time outside the guest for each hypercall" "$hvcs" "$(times_of hvc)"
# A stay or an absence that began before is no time; at the end each vCPU is outside.
inside=$(times_of inside) outside=$(jq '[.exits.times | del(.inside)[][][1]] | add' <<<"$now")
if ((inside == exits && outside >= exits - 2 && outside <= exits)); then
	pass "one time inside for each exit, and one outside"
else
	fail "one time inside for each exit, and one outside" "$exits exits, $inside inside, $outside outside"
fi
