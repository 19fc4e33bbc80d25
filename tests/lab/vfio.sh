#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM with a device of the host dies, and gives everything back within a second, although kcohd watches it and its file of
# the module is open: its debugfs entry and its VFIO group. As long as something keeps the group no other VM can have the
# device, and no driver of the host.
#
# The device is QEMU's `edu`, behind the emulated SMMU.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# The kernel lets nobody open a group twice.
group_free() {
	(exec 3<>"/dev/vfio/$group") 2>/dev/null
}

debugfs_entry() {
	compgen -G "/sys/kernel/debug/kvm/$1-*"
}

# given_back PID: true if all is within a second; sets ms to how long that took.
given_back() {
	local start
	start=$(date +%s%N)
	until ! debugfs_entry "$1" >/dev/null && group_free; do
		ms=$((($(date +%s%N) - start) / 1000000))
		((ms < 1000)) || return 1
		sleep 0.01
	done
	ms=$((($(date +%s%N) - start) / 1000000))
}

edu_bind
group=$EDU_GROUP
check "the VFIO group is there, and free" group_free
module_load
kcohd_start ''
for moment in 'log-on:0' 'log-on:0 write:0:0:300 harvest:0' 'spin:0 log-on:0'; do
	vmm_start vm puppet
	pid=${VMM_PID[vm]}
	# shellcheck disable=SC2086 # words
	vmm vm run on:0 "vfio:$group" $moment
	"$LAB/kcoh-vmfile" "$pid" dead >"$TMP/dead" 2>&1 &
	owner=$!
	wait_for 10 sh -c "! $LAB/kcoh-vmfile $pid status" || fail "the VM's file is held"
	check "'$moment': kcohd knows the VM" kcoh check --vm "pid:$pid"
	if group_free || ! debugfs_entry "$pid" >/dev/null; then
		fail "'$moment': the VM has the group and a debugfs entry"
	fi
	kill -9 "$pid"
	if given_back "$pid"; then
		pass "'$moment': within a second of kill -9 the debugfs entry is gone and the group is free ($ms ms)"
	else
		fail "'$moment': within a second of kill -9 the debugfs entry is gone and the group is free" "$(debugfs_entry "$pid")"
	fi
	wait "$owner"
	same "'$moment': the VM's file is dead" 'dead ENODEV' "$(<"$TMP/dead")"
	wait "$pid" 2>/dev/null
	unset "VMM_PID[vm]"
	rm -f "$TMP"/vm.*
done
vmm_start vm puppet
check "another VM can have the device" vmm vm run "vfio:$group"
vmm_end vm
