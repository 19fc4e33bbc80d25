#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# VMs die at bad moments, the module comes and goes, and nothing is left over: no record, no trap, no VM kept alive.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

debugfs_entries() {
	find /sys/kernel/debug/kvm -maxdepth 1 -name '[0-9]*' | wc -l
}

no_vm() {
	(($(debugfs_entries) == 0))
}

module_load
same "no VM is known" 0 "$(stat_of vms)"

# Killed in each state that a vCPU can be in, armed or arming.
for moment in "on:0" "log-on:0" "log-on:0 spin:0" "spin:0 log-on:0" "wfi:0 log-on:0" "log-on:0 off:0" \
	"log-on:0 write:0:0:300 harvest:0" "log-on:0 stop" "log-on:0 log-off:0" "cpu-on:0:1 log-on:0 spin:1 wfi:0"; do
	vmm_start vm puppet --vcpus 2
	# shellcheck disable=SC2086
	vmm vm run on:0 $moment
	kill -9 "${VMM_PID[vm]}"
	wait "${VMM_PID[vm]}" 2>/dev/null
	unset "VMM_PID[vm]"
	rm -f "$TMP"/vm.*
	wait_for 2 no_vm || fail "kill -9 after '$moment' leaves a VM"
done
check "no VM is left after kill -9 at ten moments" test "$(debugfs_entries)" = 0
same "and no record" '0 0' "$(stat_of vms) $(stat_of vcpus_armed)"

births=${LIFE_BIRTHS:-30}
epochs=$(stat_of epochs) arms=$(stat_of arms)
for ((i = 0; i < births; i++)); do
	"$LAB/kcoh-vmm" --guest "$GUESTS/puppet.bin" run on:0 log-on:0 off:0 >/dev/null || fail "VM $i"
done
same "after $births more VMs nothing is left" '0 0' "$(stat_of vms) $(stat_of vcpus_armed)"
same "each of them had its epoch and its arming" "$births $births" \
	"$(($(stat_of epochs) - epochs)) $(($(stat_of arms) - arms))"

# The module comes and goes while a guest works and its memory is harvested.
vmm_start vm puppet --manual=init
vmm vm run on:0 log-on:0
for ((i = 0; i < 5; i++)); do
	vmm vm write:0:0:200 spin:0
	rmmod kcoh || fail "rmmod $i"
	vmm vm unspin:0 harvest:0 off:0 on:0 noise:0:2
	module_load
	vmm vm log-off:0 log-on:0 off:0 on:0 write:0:0:100 harvest:0
done
pass "the module came and went 5 times under a guest in an epoch"
if ! s2fwb; then
	same "and cleans again" 1 "$(($(stat_of pages_cleaned) > 0))"
fi

# The kill switch.
trace_on kvm/kvm_toggle_cache
echo 0 >/sys/module/kcoh/parameters/enabled
vmm vm noise:0:1
trace_clear
vmm vm noise:0:1
same "enabled=0 gives every trap back at once" '0 0' "$(trace_count kvm_toggle_cache) $(stat_of vcpus_armed)"
echo 1 >/sys/module/kcoh/parameters/enabled
vmm vm noise:0:1
trace_clear
vmm vm noise:0:1
same "enabled=1 sets them again in an epoch that still runs" 11 "$(trace_count kvm_toggle_cache)"
vmm vm log-off:0
vmm_end vm
same "no hook missed, nothing lacked memory, no arming was late" '0 0 0' \
	"$(stat_of hook_misses) $(stat_of no_memory) $(stat_of arm_late)"
