#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each step of the module that can fail is made to, in turn (kmod/fail.h). What cannot be cleaned is counted and marked dirty
# again, what cannot be set up leaves nothing behind, and the module unloads and loads again as if nothing had been. The
# kernel log stays silent: whoever runs this test looks. failures.sh --only STEP: one of them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

MODULE=$LAB/fail/$(uname -r)/kcoh.ko
PARAMS=/sys/module/kcoh/parameters
PARAMETERS=()
! s2fwb || PARAMETERS=(observe=1)

loads_and_goes() {
	modprobe kcoh && rmmod kcoh 2>&1
}

# each_fails STEP: loads the module with the first, the second … passage of that step failing, until there are no more. Each
# attempt comes further than the one before, so what that one left behind would show.
each_fails() {
	local nth refused=0 passages=1
	for ((nth = 1; nth <= passages; nth++)); do
		if insmod "$MODULE" fail="$1" fail_nth=$nth "${PARAMETERS[@]}" 2>"$TMP/insmod"; then
			passages=$(<$PARAMS/fail_passages) # it can do without that one
			rmmod kcoh
		else
			passages=$((nth + 1)) refused=$((refused + 1))
			! module_loaded || fail "load: step '$1' $nth fails, and the module is there"
		fi
	done
	check "load: step '$1' failed at each of the $refused places that need it; nothing is left" test "$refused" -gt 0
	check "load: and the module loads and goes as if nothing had been" loads_and_goes
}

# with STEP: a VM, and that step fails from now on, each time. with STEP early: from the loading of the module on.
with() {
	insmod "$MODULE" "${PARAMETERS[@]}" ${2:+fail="$1"} || give_up "insmod of the test build"
	vmm_start vm puppet --vcpus 2 --manual=init
	vmm vm run on:0 cpu-on:0:1 on:1
	echo "$1" >$PARAMS/fail
}

ended() { # ended STEP: the module goes, with the VM alive, and comes again
	check "$1: it did fail ($(<$PARAMS/fail_passages) times), the module unloads, and loads again" test "$(<$PARAMS/fail_passages)" -gt 0
	rmmod kcoh || fail "$1: rmmod"
	vmm vm off:0 on:0 noise:1:1 write:0:0:50
	modprobe kcoh || fail "$1: modprobe"
	vmm vm log-off:0 log-on:0 write:0:0:20 harvest:0
	s2fwb || check "$1: and cleans again" test "$(stat_of pages_cleaned)" -ge 20
	vmm_end vm
	rmmod kcoh || fail "$1: rmmod"
}

file() {
	"$LAB/kcoh-vmfile" "${VMM_PID[vm]}" "$@"
}

try_symbol() { each_fails symbol; }
try_hook() { each_fails hook; }
try_tracepoint() { each_fails tracepoint; }
try_dev() { each_fails dev; }

# Without ftrace: kprobes, which somebody can disarm. That is noticed.
try_ftrace() {
	insmod "$MODULE" fail=ftrace "${PARAMETERS[@]}" || give_up "insmod with kprobes"
	vmm_start vm puppet --vcpus 2 --manual=init
	vmm vm run on:0 log-on:0 off:0 on:0 write:0:0:100 harvest:0
	same "ftrace: with kprobes in its place the epoch and all 3 edges are seen, no hook was missed" '1 3 0' \
		"$(stat_of epochs) $(stat_of toggles) $(stat_of hook_misses)"
	s2fwb || check "ftrace: and what was harvested is cleaned" test "$(stat_of pages_cleaned)" -ge 100
	same "ftrace: the module is at work" ready "$("$LAB/kcoh-dev" state)"
	echo 0 >/sys/kernel/debug/kprobes/enabled
	same "ftrace: all kprobes disarmed behind its back: it steps aside" stepped-aside "$("$LAB/kcoh-dev" state)"
	echo 1 >/sys/kernel/debug/kprobes/enabled
	vmm_end vm
	rmmod kcoh
}

try_job() {
	with job
	vmm vm log-on:0
	same "job: no epoch is announced armed that is not" '0 0' "$(stat_of vcpus_armed) $(stat_of arms)"
	vmm vm off:0 on:0
	check "job: counted" test "$(stat_of no_memory)" -gt 0
	ended job
}

record() { # record STEP: no memory for what the module keeps of a VM, a vCPU, a slot
	with "$1"
	vmm vm log-on:0 write:0:0:100 harvest:0 off:0 on:0
	s2fwb || check "$1: what is harvested is cleaned all the same" test "$(stat_of pages_cleaned)" -ge 100
	check "$1: counted" test "$(stat_of no_memory)" -gt 0
	ended "$1"
}

try_vm() { record vm; }
try_vcpu() { record vcpu; }
try_slot() { record slot; }

try_journal() {
	with journal
	same "journal: refused" "kcoh-vmfile: journal:64: Cannot allocate memory" "$(file journal:64 2>&1)"
	vmm vm log-on:0
	ended journal
}

try_seen() {
	with seen
	owner_start "${VMM_PID[vm]}" strategy:3 pause
	vmm vm log-on:0 write:0:0:100 harvest:0 write:0:0:100 harvest:0
	same "seen: without its bits each page counts as tainted" 0 "$(stat_of pages_untainted)"
	owner_end
	ended seen
}

told_unclean() {
	trace_lines kcoh_harvest | sed -n 's/.* unclean=\([0-9]*\) .*/\1/p' | awk '{ sum += $1 } END { print sum + 0 }'
}

try_pages() {
	local unclean protected
	with pages
	trace_clear
	trace_on kcoh/kcoh_harvest
	vmm vm log-on:0 write:0:0:100 harvest:0
	unclean=$(stat_of pages_unclean) protected=$(stat_of pages_protected)
	check "pages: those that cannot be had are counted as unclean ($unclean)" test "$unclean" -ge 100
	same "pages: and told" "$unclean" "$(told_unclean)"
	echo none >$PARAMS/auto
	vmm vm write:0:0:10 harvest:0
	echo clean >$PARAMS/auto
	vmm vm write:0:0:10 harvest:0
	check "pages: so are those of a slot that is to be cleaned whole ($(stat_of pages_unclean))" \
		test "$(stat_of whole_slots) $(stat_of pages_unclean)" = "1 $(told_unclean)"
	check "pages: which are more" test "$(stat_of pages_unclean)" -gt $((unclean + 10))
	echo none >$PARAMS/fail
	vmm vm harvest:0
	check "pages: and the next harvest returns them all once more" test "$(vmm_figure vm dirty)" -ge "$protected"
	check "pages: and cleans them" test "$(stat_of pages_cleaned)" -ge 100
	ended pages
}

try_set() {
	local marked
	with set early
	vmm vm log-on:0 write:0:0:100 harvest:0
	marked=$(stat_of pages_marked)
	check "set: with nowhere to note them, pages are marked dirty again on the spot ($marked)" test "$marked" -ge 100
	echo none >$PARAMS/fail
	vmm vm harvest:0
	check "set: and the next harvest returns them" test "$(vmm_figure vm dirty)" -ge "$marked"
	ended set
}

steps=(symbol hook tracepoint dev ftrace job vm vcpu slot journal)
s2fwb || steps+=(seen pages set)
[[ ${1:-} != --only ]] || steps=("$2")
for step in "${steps[@]}"; do
	"try_$step"
done
