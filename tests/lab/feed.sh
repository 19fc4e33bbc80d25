#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The feed alone, by its dumper: VMs from before and after its start; whose exits are whose; one record for each
# set/way operation, and whether KVM cleaned for it; what a vCPU goes through from its birth to CPU_ON, CPU_OFF and
# reset; loss is told; and after many small VMs nothing is left in the kernel's tables.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

LOG=$TMP/feed
FEED_PID=''
PAGE=$(getconf PAGESIZE)

feed_start() { # feed_start [OPTION…]
	: >"$LOG"
	"$LAB/kcoh-feed" "$@" >>"$LOG" 2>&1 &
	FEED_PID=$!
	wait_for $((2 * KCOHD_WAIT)) grep -q '^feed scan' "$LOG" || give_up "the feed starts" "$(<"$LOG")"
}

feed_stop() {
	kill "$FEED_PID"
	wait "$FEED_PID"
	FEED_PID=''
}

# The feed's records of one VM, by its number: lines without `vm=N ` (and what a record lost before it says).
records() {
	sed -n "s/^vm=$1 //p" "$LOG"
}

vm_of() { # vm_of NAME: the number that the feed gave it
	sed -n "s/^vm=\([0-9]*\) vm-new pid=${VMM_PID[$1]} .*/\1/p" "$LOG"
}

has() { # has VM PATTERN
	records "$1" | grep -q -e "$2"
}

told() { # told NAME VM PATTERN: the feed says so in time
	if wait_for 10 has "$2" "$3"; then pass "$1"; else fail "$1" "no '$3' in:" "$(records "$2")"; fi
}

printed() { # how often the dumper has printed exits
	grep -c '^exits end' "$LOG"
}

more_printed() {
	(($(printed) > $1))
}

exits_of() { # exits_of VM CLASS
	local line before
	before=$(printed)
	kill -USR1 "$FEED_PID"
	wait_for 10 more_printed "$before"
	line=$(grep "^exits vm=$1 " "$LOG" | tail -n 1)
	[[ $line =~ \ $2=([0-9]+) ]] && echo "${BASH_REMATCH[1]}" || echo 0
}

# --- from before, and side by side --------------------------------------------------------------------------------

vmm_start early puppet --vcpus 2 --mem 64M,32M
vmm early run on:0 log-on:0 spin:0
vmm_start quiet puppet --mem 16M
vmm quiet run wait:0
feed_start
early=$(vm_of early) quiet=$(vm_of quiet)
same "both VMs from before are found, as such" 2 "$(grep -c 'vm-new .* comm=kcoh-vmm existing=1' "$LOG")"
same "with their slots" "$(printf 'slot=0 found base=0x%x logged\nslot=1 found base=0x%x not logged' \
	$((0x40000000 / PAGE)) $((0x44000000 / PAGE)))" "$(records "$early" | sed -nE 's/^(slot=. found base=0x[0-9a-f]+) pages=.* flags=(.) .*/\1 \2/p' |
	sed 's/1$/logged/; s/0$/not logged/' | sort -u)"
vmm early unspin:0
told "a vCPU that was in the guest all the time is known when it leaves" "$early" 'vcpu=0 state cached'
told "one that never ran is off" "$early" 'vcpu=1 state off'
told "one that waits with its MMU off is uncached" "$quiet" 'vcpu=0 state uncached'

before=$(exits_of "$quiet" DABT_LOW)
vmm early noise:0:1 "write:0:0:$((50 * PAGE / 4096))"
same "exits of one VM are not the other's" "$before" "$(exits_of "$quiet" DABT_LOW)"
if (($(exits_of "$early" DABT_LOW) >= 50)); then pass "and are counted"; else fail "and are counted" "$(grep ^exits "$LOG")"; fi
vmm_end quiet
told "the end of a VM" "$quiet" vm-gone
vmm_end early

# --- one VM's life ------------------------------------------------------------------------------------------------

vmm_start life puppet --vcpus 2
vmm life run wait:0 on:0 set-way:0:3 off:0 on:0 cpu-on:0:1 wait:1 on:1 cpu-off:1 asleep:1 cpu-on:0:1 wait:1 init:1
wait_for 10 grep -q "vm-new pid=${VMM_PID[life]} " "$LOG"
life=$(vm_of life)
vmm_end life
told "and its end" "$life" vm-gone
told "a VM is seen at its birth" "$life" 'vm-new .* existing=0'
same "vCPU 1: born, off, started, off, started, reset" "reset init has_run=0
state off
reset cpu-on has_run=1
state uncached
state cached
state off
reset cpu-on has_run=1
state uncached
reset init has_run=1" "$(records "$life" | sed -nE 's/^vcpu=1 (reset .*|state [a-z]+).*/\1/p; s/^vcpu=1 toggle .*->([a-z]+) .*/state \1/p' |
	sed '/reset init has_run=1/q')"
if s2fwb; then
	same "with S2FWB KVM does not trap set/way operations" 0 "$(records "$life" | grep -c set-way)"
else
	same "one record for each of 3 set/way operations; KVM cleaned for the first" "cached=1 cleaned=1
cached=1 cleaned=0
cached=1 cleaned=0" "$(records "$life" | sed -n 's/^vcpu=0 set-way pc=0x[0-9a-f]* //p')"
	same "the edges that KVM's own trap shows: the first, and one pair after set/way" "uncached->cached
cached->uncached
uncached->cached" "$(records "$life" | sed -n 's/^vcpu=0 toggle \([^ ]*\) source=kvm .*/\1/p')"
fi

# --- nothing is left, nothing is lost in silence ------------------------------------------------------------------

rounds=$((${KCOH_SEEDS:-1} > 1 ? 20 : 3)) # the matrix takes its time
for ((round = 0; round < rounds; round++)); do
	for n in 1 2 3 4 5; do # side by side
		"$LAB/kcoh-vmm" --guest "$GUESTS/puppet.bin" --mem 2M run wait:0 quit >/dev/null &
		pids[n]=$!
	done
	wait "${pids[@]}"
done
all_gone() {
	(($(grep -c vm-gone "$LOG") == $(grep -c vm-new "$LOG")))
}
wait_for 20 all_gone

# A VM whose end was missed: its entries, as they stay behind. Its vCPU 3 has a slot of counters.
scans() {
	grep -c '^feed scan' "$LOG"
}

scanned() { # scanned COUNT
	(($(scans) == $1))
}

rescan() {
	local before
	before=$(scans)
	kill -USR2 "$FEED_PID"
	wait_for 30 scanned $((before + 1)) || give_up "the feed scans again" "$(tail -n 3 "$LOG")"
}

ghosts() {
	bpftool map dump name kcoh_vms -j | jq length
}

bpftool map update name kcoh_vms key hex 00 10 20 30 00 80 ff ff value hex 77 77 00 00 00 00 00 00
bpftool map update name kcoh_vcpus key hex 77 77 00 00 03 00 00 00 value hex 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 \
	00 00 00 00 00 00 00 00 64 00 00 00 00 00 00 00
bpftool map update name kcoh_slots key hex 64 00 00 00 value hex 03 00 00 00 77 77 00 00
rescan
rescan
same "a VM that is not met: it may have been born just now, or was missed once" 1 "$(ghosts)"
rescan
same "two scans in a row did not meet it: its end was missed, it is forgotten" 0 "$(ghosts)"
feed_stop
same "$((5 * rounds)) small VMs came and went" $((5 * rounds + 3)) "$(grep -c vm-gone "$LOG")"
same "nothing is left of them" "feed left: vms 0, vcpus 0, exit slots 0, lost 0" "$(tail -n 1 "$LOG")"

# A reader that is stopped while one VM changes its slots 600 times, with a ring of one page (of 4 or 16 KiB).
feed_start --ring 4096
kill -STOP "$FEED_PID"
churn=()
for ((n = 0; n < 300; n++)); do churn+=(slot-remove:1 slot-add:1); done
"$LAB/kcoh-vmm" --guest "$GUESTS/puppet.bin" --mem 2M,2M "${churn[@]}" quit >/dev/null
kill -CONT "$FEED_PID"
wait_for 10 grep -q '^gap=' "$LOG"
feed_stop
lost=$(sed -n 's/^feed left:.* lost //p' "$LOG")
if ((lost > 0)); then pass "a ring too small loses records"; else fail "a ring too small loses records"; fi
same "and the reader is told of each" "$lost" "$(feed_gaps "$LOG")"
