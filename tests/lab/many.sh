#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# 500 VMs: some are there before kcohd, the others appear while it looks on, and all die, every other one by kill -9. None is
# missed, none is left over, in kcohd or in its tables in the kernel; and what kcohd needs for them is told.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

VMS=500 BEFORE=100 BATCH=25 # so many at a time: a birth takes a good part of a second of an emulated CPU

# many_start FROM TO: VMs whose vCPU has run, and waits.
many_start() {
	local i
	for ((i = $1; i <= $2; i++)); do
		"$LAB/kcoh-vmm" -name "many-$i" --guest "$GUESTS/puppet.bin" --mem 2M --deadline 3600 run wait:0 printed:1 \
			>"$TMP/many-$i.log" 2>&1 &
		many[i]=$!
		((i % BATCH)) || wait_for 120 have_run "$i" || give_up "$i VMs run" "$(cat "$TMP"/many-*.log | sort | uniq -c)"
	done
}

have_run() { # have_run COUNT
	(($(cat "$TMP"/many-*.log | grep -c '"step":"wait:0","ok":true') == $1))
}

known() { # name and vCPUs, one VM a line
	kcoh ps --json | jq -r '.vms[] | "\(.name) \(.vcpus | length)"' | sort
}

knows() { # knows COUNT
	(($(known | wc -l) == $1))
}

names() { # names FROM TO: as `known` has them
	seq -f 'many-%g 1' "$1" "$2" | sort
}

resident() {
	awk '/^VmRSS/ { printf "%.1f MB", $2 / 1024 }' "/proc/$KCOHD_PID/status"
}

vms_in_kernel() {
	find /sys/kernel/debug/kvm -maxdepth 1 -name '[0-9]*' | wc -l
}

entries() { # entries MAP: of kcohd's BPF maps
	bpftool map dump name "$1" -j 2>/dev/null | jq length
}

declare -a many=()
many_start 1 $BEFORE
kcohd_start ''
wait_for 60 knows $BEFORE
same "$BEFORE VMs from before kcohd: each by its name, with its vCPU" "$(names 1 $BEFORE)" "$(known)"
before=$(resident)
kcoh trace --json --since 0 >"$TMP/trace" 2>"$TMP/trace.err" &
TRACE_PID=$!
many_start $((BEFORE + 1)) $VMS
wait_for 60 knows $VMS
same "$((VMS - BEFORE)) more that appear: each by its name, with its vCPU" "$(names 1 $VMS)" "$(known)"
pass "kcohd has $before with $BEFORE VMs, $(resident) with $VMS"
same "the kernel has as many" $VMS "$(vms_in_kernel)"

for ((i = 1; i <= VMS; i++)); do
	kill -$((i % 2 ? 9 : 15)) "${many[i]}"
done
wait "${many[@]}" 2>/dev/null
wait_for 120 knows 0
same "all die, every other one by kill -9: none is left over" '' "$(known)"
same "in the kernel neither" 0 "$(vms_in_kernel)"
empty() {
	[[ "$(entries kcoh_vms) $(entries kcoh_vcpus)" == '0 0' ]]
}
wait_for 20 empty # an end that was missed is noticed when two scans have not met the VM
same "nor in the tables of the BPF programs (VMs, vCPUs)" '0 0' "$(entries kcoh_vms) $(entries kcoh_vcpus)"
same "each birth and each end is told, once" "$VMS $VMS" \
	"$(jq -r 'select(.type == "vm-new") | .vm' "$TMP/trace" | sort -u | wc -l) $(jq -r 'select(.type == "vm-gone") | .vm' "$TMP/trace" | sort | wc -l)"
lost=$(curl -s --unix-socket /run/kcoh/kcohd.sock http://kcohd/v1/host | jq -c .records_lost_by)
# A preemptible kernel does not run a program that was preempted on that CPU; on the debug kernel, where all takes longer, that happens.
if [[ ${LAB_KERNEL:-} == debug ]]; then
	same "no record is lost but those that the kernel did not make ($lost)" 0 "$(jq 'del(.missed) | add' <<<"$lost")"
else
	same "no record is lost" 0 "$(jq add <<<"$lost")"
fi
