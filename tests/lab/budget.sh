#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The trap has a price, and a budget: a guest that writes trapped registers in a tight loop is disarmed (blind), whatever it
# writes, and armed again later; with a budget that is enough, or without bound, it stays armed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PARAM=/sys/module/kcoh/parameters/trap_budget

file() {
	"$LAB/kcoh-vmfile" "${VMM_PID[vm]}" "$@"
}

over_budget() {
	[[ $(file status | jq .over_budget) == 1 ]]
}

armed_again() {
	[[ $(file status | jq -r '"\(.over_budget) \(.armed)"') == '0 1' ]]
}

module_load
vmm_start vm puppet --vcpus 2
vmm vm run on:0 cpu-on:0:1 on:1 log-on:0
check "there is a bound unless one says otherwise" test "$(<"$PARAM")" -gt 0

echo 0 >"$PARAM"
vmm vm noise:0:200
same "no bound: all 2200 writes are trapped, and it stays armed" "1 1" \
	"$(($(stat_of traps) >= 2200)) $(file status | jq .armed)"

echo 100 >"$PARAM"
before=$(stat_of traps)
vmm vm noise:0:200 toggle:0:20
check "above 100 a second the VM is disarmed" wait_for 3 over_budget
cost=$(($(stat_of traps) - before))
check "2200 writes and 40 edges in a tight loop cost no more traps than two seconds' budget and one of each vCPU ($cost)" \
	test "$cost" -le 202
same "what is not seen counts as a window" 1 "$(file status | jq .tainted)"
check "it is armed again when it has calmed down" wait_for 15 armed_again
before=$(stat_of traps)
vmm vm noise:1:1
same "and then sees every write again" $((before + 11)) "$(stat_of traps)"

vmm vm noise:0:200
check "it can be over its budget again" wait_for 3 over_budget
vmm vm log-off:0
same "the end of the epoch ends that" '0 0' "$(file status | jq -r '"\(.over_budget) \(.armed)"')"
vmm vm log-on:0
same "a new epoch begins armed" 1 "$(file status | jq .armed)"
vmm vm noise:0:200
wait_for 3 over_budget
rmmod kcoh || fail "the module goes while a VM is over its budget"
vmm vm noise:0:1
pass "the guest runs on without it"
