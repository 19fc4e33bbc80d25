#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Memory that is not to be had, wherever the module asks for some: slabs and pages, in hooks, jobs, ioctls, at load and at
# unload, with failslab and fail_page_alloc of a kernel that has them (the debug kernel). Three claims:
#
#   1. Whatever fails, nothing crashes, hangs, leaks or stays behind: the module goes and comes back, and cleans as ever.
#   2. A page that could not be cleaned is never sent in silence: a migration that arrives corrupted under injected failures
#      finds it in the module's counters.
#   3. The kernel says nothing (inside.sh and scripts/lab look; what the allocator itself says of a failure it was
#      told to make is excused, see scripts/lib/splat.bash).
#
# Those allocations fail that our code makes, or what it calls: with an address of a module on their stack, and this kernel
# has no other module. Failing all of modprobe's or of a VMM's would try the kernel's own error paths, and 6.12's do
# warn: load_module() with its trace events half made ends in event_file_put()'s WARNING, with nothing of ours on the stack.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/splat.bash
source ../../scripts/lib/splat.bash

DEBUGFS=/sys/kernel/debug
FAULTS=(failslab fail_page_alloc)
PLENTY=1000000000
MODULE_AREA=$((2 << 30)) # before the kernel's own text
SEEDS=${KCOH_SEEDS:-1}

set_faults() { # set_faults NAME VALUE
	local fault
	for fault in "${FAULTS[@]}"; do
		echo "$2" >"$DEBUGFS/$fault/$1" || give_up "this kernel's $fault has $1"
	done
}

faults_on() { # faults_on PERCENT
	local text
	text=0x$(grep -m 1 ' _text$' /proc/kallsyms | cut -d' ' -f1)
	set_faults times $PLENTY
	set_faults verbose 0
	set_faults ignore-gfp-wait N
	set_faults task-filter N
	set_faults stacktrace-depth 32
	set_faults require-start "$(printf '%#x' $((text - MODULE_AREA)))"
	set_faults require-end "$text"
	echo 0 >$DEBUGFS/fail_page_alloc/min-order
	echo N >$DEBUGFS/fail_page_alloc/ignore-gfp-highmem
	echo "$FAULTS_FROM from here on" >/dev/kmsg
	set_faults probability "$1"
}

# Sets $slabs and $pages: how many failures were injected since faults_on.
faults_off() {
	set_faults probability 0
	echo "$FAULTS_TO any more" >/dev/kmsg
	slabs=$((PLENTY - $(<$DEBUGFS/failslab/times)))
	pages=$((PLENTY - $(<$DEBUGFS/fail_page_alloc/times)))
}

# Loading and unloading, again and again.
loads() {
	local i loaded=0 refused=0 deadline=$((SECONDS + 300))
	faults_on 3
	for ((i = 0; i < 20; i++)); do
		if modprobe kcoh 2>/dev/null; then loaded=$((loaded + 1)); else refused=$((refused + 1)); fi
		while module_loaded && ! rmmod kcoh; do
			((SECONDS < deadline)) || give_up "rmmod with memory failing ends"
		done
	done
	faults_off
	check "20 loads and unloads while what we allocate fails: $loaded loaded, $refused refused ($slabs slabs, $pages pages failed)" \
		test $((slabs + pages)) -gt 0
	check "then it loads" modprobe kcoh
	check "and goes" rmmod kcoh
}

# What the module counted of memory that it lacked, and of pages that it could not clean.
told() {
	"$LAB/kcoh-dev" stats | jq '.no_memory + .pages_unclean'
}

# migrate_all: sets $arrived, $corrupted, $ended (early), $silent.
migrate_all() {
	local seed guest mode before now
	arrived=0 corrupted=0 ended=0 silent=0
	before=$(told)
	for ((seed = 1; seed <= SEEDS; seed++)); do
		for guest in toggle slots harvesters; do
			for mode in auto manual manual-init ring; do
				"$LAB/kcoh-adversary" --scenario $guest --mode $mode --seed $seed >"$TMP/out" 2>&1
				case $? in
				0) arrived=$((arrived + 1)) ;;
				10)
					corrupted=$((corrupted + 1))
					now=$(told)
					((now > before)) || { silent=$((silent + 1)) && tail -n 1 "$TMP/out"; }
					before=$now
					;;
				*) ended=$((ended + 1)) ;;
				esac
			done
		done
	done
}

migrations() {
	module_load
	faults_on 10
	migrate_all
	faults_off
	check "$((arrived + corrupted + ended)) migrations while what we allocate fails: $arrived arrived whole, $corrupted corrupted and told, $ended ended early ($slabs slabs, $pages pages failed)" \
		test $((slabs + pages)) -gt 0 -a "$arrived" -gt 0
	same "none was corrupted in silence" 0 "$silent"
}

# A VM that is driven, opened as a file and killed, and the module removed under it.
lives() {
	local i opened=0 tries=0
	faults_on 10
	for ((i = 0; i < 12; i++)); do
		vmm_start vm puppet --vcpus 2
		vmm vm run on:0 log-on:0 write:0:0:20 harvest:0
		"$LAB/kcoh-vmfile" "${VMM_PID[vm]}" journal:1024 clean:0x40100:8 vcpu:0 strategy:2 mark:0x40100:3 status >/dev/null 2>&1 &&
			opened=$((opened + 1))
		vmm vm toggle:0:2 cpu-on:0:1 write:0:0:20 harvest:0 log-off:0
		((i % 3)) || rmmod kcoh || fail "rmmod under a VM, with memory failing"
		vmm_end vm
		until module_loaded || modprobe kcoh 2>/dev/null; do ((++tries < 200)) || give_up "modprobe comes through"; done
	done
	faults_off
	check "12 VMs lived through their epoch while what we allocate fails; $opened opened as a file ($slabs slabs, $pages pages failed)" \
		test $((slabs + pages)) -gt 0
	check "no record is left of them" wait_for 10 test "$(stat_of vms)" = 0
}

# Allocations of ours that nobody points to any more.
leaks() {
	local i
	for i in 1 2; do # it wants to see an object unchanged twice
		echo scan >$DEBUGFS/kmemleak || echo "kmemleak does not scan"
	done
	awk '/^unreferenced object/ { object = "" } { object = object $0 "\n" } /\[kcoh\]/ { print object; object = "" }' $DEBUGFS/kmemleak
}

[[ -d $DEBUGFS/failslab && -d $DEBUGFS/fail_page_alloc ]] || { skip "this kernel has no fault injection" && exit; }
trap 'faults_off; finish' EXIT
echo 8 >/proc/sys/vm/nr_hugepages
module_load
check "without failures the module loads and goes" rmmod kcoh
echo clear >$DEBUGFS/kmemleak

loads
migrations
lives

for mode in auto manual-init; do
	check "afterwards a migration arrives byte-exact: four × $mode" "$LAB/kcoh-adversary" --scenario four --mode $mode
done
same "nothing of ours leaked" '' "$(leaks)"
check "the module goes" rmmod kcoh
module_load
check "and comes back, and cleans" "$LAB/kcoh-adversary" --scenario off --mode auto
