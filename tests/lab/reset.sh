#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What kcohd tells of resets: that KVM unmapped the VM's memory (without S2FWB), once for each vCPU that had run, and how
# many pages the guest faulted in afterwards; the guest's own CPU_OFF and SYSTEM_RESET; and SCTLR_EL1 written from outside.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=$(getconf PAGESIZE)
PAGES=300 # of 4 KiB, which the guest writes

# Events of the trace, one a line: some fields of those for which a condition holds.
told() { # told CONDITION FIELDS
	jq -r "select($1) | $2" "$TMP/trace"
}

# One fault a page: KVM maps no huge ones.
huge=$(sed 's/.*\[\(.*\)\].*/\1/' /sys/kernel/mm/transparent_hugepage/enabled)
echo never >/sys/kernel/mm/transparent_hugepage/enabled

kcohd_start ''
vmm_start vm puppet --vcpus 2 --mem 16M
trace_start "pid:${VMM_PID[vm]}"
vmm vm run on:0 "write:0:0:$PAGES" cpu-on:0:1 wait:1 cpu-off:1 asleep:1
wait_for 10 traces "$TMP/trace" '.type == "psci"'
same "the guest switches a vCPU off" "1 cpu-off 0x84000002" "$(told '.type == "psci"' '"\(.vcpu) \(.call) \(.function)"')"

vmm vm init:0 "write:0:0:$PAGES"
if s2fwb; then
	wait_for 10 traces "$TMP/trace" '.type == "reset" and .kind == "init" and .has_run'
	same "with S2FWB a reset unmaps nothing" '' "$(told '.type == "unmap"' .)"
else
	wait_for 15 traces "$TMP/trace" '.kind == "followed"'
	same "a reset unmaps the VM's memory" "unmapped 1
followed 1" "$(told '.type == "unmap"' '"\(.kind) \(.unmaps)"')"
	faults=$(told '.kind == "followed"' .faults)
	least=$((PAGES * 4096 / PAGE))
	if ((faults >= least && faults <= least + 20)); then
		pass "and the guest's $least pages, and few more, fault in again"
	else
		fail "and the guest's $least pages, and few more, fault in again" "$(told '.type == "unmap"' .)"
	fi
	same "a page each, in a time that is told" "$((faults * PAGE)) true true" \
		"$(told '.kind == "followed"' '"\(.bytes) \(.fault_ns > 0) \(.span_ns > 5000000000)"')"
	vmm vm "write:0:0:$PAGES"
fi

vmm vm on:0 system-reset "write:0:0:50"
wait_for 10 traces "$TMP/trace" '.call == "system-reset"'
same "the guest resets itself" "0 system-reset 0x84000009" \
	"$(told '.type == "psci" and .call != "cpu-off"' '"\(.vcpu) \(.call) \(.function)"')"
if ! s2fwb; then
	wait_for 15 sh -c "[ \$(jq -r 'select(.kind == \"followed\") | .kind' $TMP/trace | wc -l) = 2 ]"
	same "which unmaps its memory again" 2 "$(told '.type == "unmap" and .kind == "unmapped"' .kind | wc -l)"
	same "and what was counted before does not count any more" true \
		"$(told '.kind == "followed"' .faults | tail -n 1 | jq '. >= 12 and . <= 80')"
fi

vmm vm on:0 stop set-sctlr:0:0xc50078 continue "write:0:0:1" on:0 stop set-sctlr:0:0xc5107d continue
wait_for 10 traces "$TMP/trace" '.kind == "set-sctlr"'
same "SCTLR_EL1 that userspace writes is told if it turns the MMU on or off, and then only" 0 \
	"$(told '.type == "reset" and .kind == "set-sctlr"' .vcpu)"
vmm_end vm
echo "$huge" >/sys/kernel/mm/transparent_hugepage/enabled
