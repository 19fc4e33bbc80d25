#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# VMs are born and die by the hundred, with the module loaded and kcohd attached, and nobody takes one for another: the kernel
# uses the address of a struct kvm again, and module and BPF both know a VM by that address. kcoh-births asks the module about
# each VM; here kcohd's events are compared with what each VM was, and the kernel with what is left over.
#
# 500 in `make check`, 10,000 in the matrix on 6.1/neoverse-n1, and by hand as many as one likes:
#
#   $ make KERNELS=6.1 arm64 bpf kmod guests && scripts/lab run --timeout 3600 -- /kcoh/tests/lab/births.sh 10000

#: Usage: births.sh [BIRTHS]

births=${1:-$((500 * ${KCOH_SEEDS:-1}))}
: "${TEST:=births}" "${LAB_CPU:=neoverse-n1}"
export TEST
[[ $births =~ ^[1-9][0-9]{0,6}$ ]] || { sed -n 's/^#: //p' "$0" >&2 && exit 2; }
cd "$(dirname -- "$0")" || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
source ./lib.sh

PLACES=4096 IDS=29 PAGES=64 # as kcoh-births has them
DIED="p:births/died kvm_arch_destroy_vm kvm=\$arg1:x64"

debugfs_entries() {
	find /sys/kernel/debug/kvm -maxdepth 1 -name '[0-9]*' | wc -l
}

files_of_kcohd() {
	find "/proc/$KCOHD_PID/fd" -type l | wc -l
}

# One line an event of kcohd: type, VM's id, and what the event says of the VM.
events() {
	jq -r 'select(.type == "vm-new" or .type == "vm-gone" or (.type == "memslot" and .change == "create") or
			(.type == "epoch" and .source == "module") or .type == "lost") |
		[.type, .vm // 0, .slot // "-", .base_gfn // "-", .pages // "-", .state // "-"] | @tsv' "$TMP/trace"
}

# The n-th VM must have its own slot, one start of an epoch, and one end; ids are not used again.
judge_events() {
	awk -F'\t' -v places=$PLACES -v ids=$IDS -v pages=$PAGES -v first=$((0x40000000 / $(getconf PAGESIZE))) '
		function wrong(what) { if (++wrongs <= 5) print what ": " $0 }
		$1 == "lost" { wrong("lost"); next }
		$1 == "vm-new" {
			if ($2 <= last) wrong("an id is used again")
			last = $2; n[$2] = born++; state[$2] = "born"; next
		}
		!($2 in state) { wrong("a VM that was never born"); next }
		state[$2] == "gone" { wrong("a VM that is gone"); next }
		$1 == "memslot" {
			if ($3 != n[$2] % ids || $4 != sprintf("0x%x", first + n[$2] % places * pages) || $5 != pages) wrong("the slot of another VM")
			slots++
		}
		$1 == "epoch" && $6 == "start" { if (state[$2] != "born") wrong("two epochs"); state[$2] = "epoch"; epochs++ }
		$1 == "vm-gone" { state[$2] = "gone"; gone++ }
		END { printf "%d born, %d slots, %d epochs, %d gone, %d wrong\n", born, slots, epochs, gone, wrongs }'
}

all_told() {
	(($(grep -c '"type":"vm-gone"' "$TMP/trace") >= births))
}

if s2fwb; then
	skip "a host with S2FWB cleans nothing"
	exit 0
fi
module_load
kcohd_start ''
files=$(files_of_kcohd)
kcoh trace --json --since 0 >"$TMP/trace" 2>"$TMP/trace.err" &
TRACE_PID=$!
wait_for 20 grep -q '"type":"host"' "$TMP/trace" || give_up "kcohd's events are read"
echo "$DIED" >"$TRACEFS/kprobe_events" || give_up "the ends of VMs can be traced"
trace_on births/died

start=$SECONDS
out=$("$LAB/kcoh-births" "$births" 2>&1) || give_up "each VM began with nothing counted, and had its own harvests and journal" "$out"
pass "$births VMs one after the other: each began with nothing counted, and had its own harvests and journal ($((SECONDS - start)) s)"
same "none of them is left, nor a record, nor a trap" '0 0 0' "$(debugfs_entries) $(stat_of vms) $(stat_of vcpus_armed)"
died=$(trace_lines died | wc -l) addresses=$(trace_lines died | sort -u | wc -l)
same "the kernel tells of the end of each" "$births" "$died"
# Without VHE a struct kvm comes from kmalloc, and its address is used again at once; with VHE from vmalloc, and after some thousand.
if [[ $LAB_CPU == cortex-a72 ]] || ((births >= 5000)); then
	check "their addresses were used again ($died VMs at $addresses addresses)" [ $((died - addresses)) -ge $((died / 10)) ]
fi

wait_for 120 all_told || fail "kcohd tells of all of them"
kill "$TRACE_PID" && TRACE_PID=''
same "kcohd took none for another" "$births born, $births slots, $births epochs, $births gone, 0 wrong" "$(events | judge_events)"
same "and knows none any more" 0 "$(kcoh ps --json | jq '.vms | length')"
same "and has no more files open than before" "$files" "$(files_of_kcohd)"
same "no hook missed, nothing lacked memory" '0 0' "$(stat_of hook_misses) $(stat_of no_memory)"
echo 0 >"$TRACEFS/events/births/enable"
echo '-:births/died' >>"$TRACEFS/kprobe_events"
