#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What people see of a live host, without the event stream: /metrics over TCP tells what the guest did, and the history keeps it:
# over a kill of kcohd, over a full disk, and says so.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

ADDRESS=127.0.0.1:9754
DISK=$TMP/disk
CONFIG="[kcohd]
listen = $ADDRESS
history = $DISK/history.db
[defaults]
strategy = veto"
trap 'finish; busybox umount "$DISK" 2>/dev/null' EXIT

# metric NAME{LABELS}: its value now; nothing if there is no such series.
metric() {
	curl -s --max-time 10 "http://$ADDRESS/metrics" >"$TMP/metrics"
	awk -v name="$1" '$1 == name { print $2 }' "$TMP/metrics"
}

metric_is() { # metric_is VALUE NAME{LABELS}
	[[ $(metric "$2") == "$1" ]]
}

# The events that a database or kcohd has of the VM, without what differs between two answers: nothing.
kept() { # kept [OPTION…]
	kcoh history --json --vm vm "$@" 2>&1
}

kept_has() { # kept_has JQ-CONDITION [OPTION…]
	kept "${@:2}" | jq -e -n "first(inputs | select($1)) // empty" >/dev/null
}

kcohd_kill() {
	kill -9 "$KCOHD_PID"
	wait "$KCOHD_PID" 2>/dev/null
	KCOHD_PID=''
}

told() {
	grep -q "$1" "$TMP/kcohd.log"
}

mkdir "$DISK"
busybox mount -t tmpfs -o size=4m none "$DISK" || give_up "a small disk"
module_load
kcohd_start "$CONFIG"
vmm_start vm puppet
vmm vm run on:0 log-on:0 off:0 on:0 off:0
id=$(kcoh ps --json | jq '.vms[] | select(.name == "vm") | .id')
labels="vm=\"$id\",name=\"vm\""

check "metrics: its verdict is veto" wait_for 10 metric_is 1 "kcoh_vm_verdict{$labels,verdict=\"veto\"}"
toggles=$(metric "kcoh_vm_toggles_total{$labels}")
check "metrics: its toggles are counted ($toggles)" [ "$toggles" -ge 3 ]
same "metrics: as many as kcoh ps shows" "$(kcoh ps --json | jq '.vms[] | select(.name == "vm") | .toggles')" "$toggles"
same "metrics: and no other" 0 "$(metric "kcoh_vm_verdict{$labels,verdict=\"allow\"}")"
same "metrics: it is in an epoch" 1 "$(metric "kcoh_vm_epoch{$labels}")"
same "metrics: its window is open" 1 "$(metric "kcoh_vm_window_open{$labels,class=\"mmu-off\"}")"
same "metrics: the module's counter is the module's" "$("$LAB/kcoh-dev" stats | jq .toggles)" \
	"$(metric kcoh_module_toggles_total)"
same "metrics: they end as OpenMetrics does" '# EOF' "$(tail -n 1 "$TMP/metrics")"
same "TCP only reads" 403 "$(curl -s -o /dev/null -w '%{http_code}' --max-time 10 -X POST "http://$ADDRESS/v1/module/release")"

# Of each thread: the capability sets (bits 1 DAC_OVERRIDE, 19 SYS_PTRACE, 21 SYS_ADMIN, 38 PERFMON, 39 BPF), and NoNewPrivs.
powers=$(sed -nE 's/^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs):\s*//p' "/proc/$KCOHD_PID/task"/*/status | sort -u | paste -sd' ')
same "kcohd, started by root, let go of all powers but five" '0000000000000000 000000c000280002 1' "$powers"

check "history: it has the window" wait_for 10 kept_has '.type == "window" and .class == "mmu-off" and .state == "open"'
check "history: and the verdict" wait_for 10 kept_has '.type == "verdict" and .verdict == "veto" and .reason == "mmu-off"'
check "history: but not each toggle" [ "$(kept | grep -c '"toggle"')" = 0 ]
check "history: as text, with the date" grep -q '^20..-..-.. .*verdict(reason=mmu-off)' <(kcoh history --vm vm)
before=$(kept)
kcohd_kill
same "history: all of it is there after kill -9" "$before" "$(kept --file "$DISK/history.db")"

dd if=/dev/zero of="$DISK/fill" bs=4k 2>/dev/null
kcohd_start "$CONFIG"
vmm vm on:0 off:0
check "disk full: kcohd says so" wait_for 20 told 'history.*the guard goes on without it'
kcoh check --vm vm >"$TMP/verdict"
same "disk full: and goes on judging" 20 $?
rm "$DISK/fill"
check "disk full: when there is room it writes again" wait_for 90 told 'the history is written again'
check "disk full: what happened meanwhile is kept" wait_for 10 kept_has '.type == "verdict" and .verdict == "veto"' --since 120s
vmm_end vm
