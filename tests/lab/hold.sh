#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A held vCPU runs no guest instruction, whatever user space does with its thread, and is released at once by its deadline,
# the end of the epoch, its owner, or its owner's death.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

releases() { # why the last release was
	trace_lines kcoh_hold | sed -n 's/.* released why=\([a-z-]*\) .*/\1/p' | tail -n 1
}

does_nothing() { # does_nothing NAME: the step that was ordered is not done
	if vmm_answers vm 1; then fail "$1" "$VMM_LINE"; else pass "$1"; fi
}

goes_on() { # goes_on NAME
	check "$1" vmm_answers vm 10
}

module_load
trace_on kcoh/kcoh_hold
vmm_start vm puppet --vcpus 2 --deadline 60
vmm vm run on:0 cpu-on:0:1 on:1
pid=${VMM_PID[vm]}

owner_start "$pid" pause hold:0:600000 status vcpu:0 pause release:0 pause hold:-1:600000 pause hold:0:1500 pause
vmm vm spin:0
owner_goes_on
owner_waits 2
same "a vCPU that loops in the guest is held" '1 1' "$(jq -r '.held' <(grep '^{' "$TMP/owner.out") | paste -sd' ')"
vmm vm write:1:0:8
pass "the other vCPU runs on"
vmm_order vm unspin:0
does_nothing "the held one does nothing"
kill -STOP "$pid"
check "SIGSTOP stops its process" wait_for 5 grep -q '^State:.T' "/proc/$pid/status"
kill -CONT "$pid"
does_nothing "after SIGCONT it is held as before"
check "its sleep was broken by the signal ($(stat_of hold_breaks) times)" test "$(stat_of hold_breaks)" -ge 1
! rmmod kcoh 2>/dev/null || fail "the module goes although somebody holds"
owner_goes_on
owner_waits 3
goes_on "released by its owner it goes on where it was"
same "and the tracepoint says so" released "$(releases)"

owner_goes_on
owner_waits 4
vmm_order vm write:1:0:8
does_nothing "all vCPUs can be held at once"
owner_goes_on
owner_waits 5
vmm_answers vm 1 && fail "vCPU 1 goes on although only vCPU 0 has a new deadline"
owner_end
goes_on "the owner's death by SIGKILL releases what is held"
same "and the tracepoint says so, too" closed "$(releases)"

trace_clear
owner_start "$pid" hold:0:1500 pause
vmm_order vm write:0:0:8
goes_on "a deadline ends a hold by itself"
took=$(trace_lines kcoh_hold | sed -n 's/.* why=deadline ns=//p')
check "after 1.5 s, not before ($took ns)" test "$took" -ge 1500000000
owner_end

if ! s2fwb; then
	# Strategy hold: the toggle itself. This guest turns its caches off all the time.
	vmm_end vm
	vmm_start vm toggle --param 1=65536 --param 2=2000 --deadline 60
	vmm vm run printed:2
	owner_start "${VMM_PID[vm]}" strategy:4:600000 pause status pause
	trace_clear
	vmm vm log-on:0
	check "a vCPU that turns its caches off is held before its next instruction" \
		wait_for 10 grep -q 'held why=toggle' "$TRACEFS/trace"
	vmm_order vm printed:4
	does_nothing "and does not get on"
	kill -STOP "${VMM_PID[vm]}"
	kill -CONT "${VMM_PID[vm]}"
	owner_goes_on
	owner_waits 2
	same "its VM says so" '1 1' "$(grep '^{' "$TMP/owner.out" | jq -r '"\(.held) \(.epoch)"')"
	owner_end
	goes_on "when its owner dies it runs on, in the middle of the epoch"
	vmm vm log-off:0

	owner_start "${VMM_PID[vm]}" strategy:4:600000 pause
	trace_clear
	vmm vm log-on:0
	wait_for 10 grep -q 'held why=toggle' "$TRACEFS/trace"
	vmm vm log-off:0 printed:2
	same "the end of the epoch releases it" epoch-end "$(releases)"
	# A vCPU that is released toggles again at once: the end of the epoch must not leave it held by that.
	for ((epoch = 0; epoch < 10; epoch++)); do
		vmm vm log-on:0
		wait_for 10 grep -q 'held why=toggle' "$TRACEFS/trace"
		vmm vm log-off:0 printed:2
		trace_clear
	done
	pass "and so does the end of ten more"
	vmm vm log-on:0
	wait_for 10 grep -q 'held why=toggle' "$TRACEFS/trace"
	kill -9 "${VMM_PID[vm]}"
	check "kill -9 takes a VM with a held vCPU" wait_for 2 sh -c "! ls -d /sys/kernel/debug/kvm/${VMM_PID[vm]}-*"
	wait "${VMM_PID[vm]}" 2>/dev/null
	unset "VMM_PID[vm]"
	owner_end
fi
