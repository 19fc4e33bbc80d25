#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The strategies that the module carries for single VMs, given by kcohd; and one that waits. What a vCPU, the verdict and the
# module's owner see of each.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

status_of_check() {
	kcoh check --vm vm >/dev/null
	echo $?
}

module_load
vmm_start vm puppet
vmm vm run on:0

kcohd_start '[defaults]
strategy = clean-tainted'
becomes "clean-tainted is given to the module, and the verdict says what it leaves out" allow/tainted-only
trace_start vm
check "the act is told" wait_for 10 traces "$TMP/trace" '.type == "act" and .act == "arm" and .outcome == "done"'
kill "$TRACE_PID"
kcohd_stop

echo none >/sys/module/kcoh/parameters/auto
kcohd_start '[defaults]
strategy = clean'
becomes "where the module cleans nothing by itself, it cleans this VM" allow/cleaning
vmm vm log-on:0 write:0:0:8 harvest:0 log-off:0
check "and its harvest is cleaned ($(stat_of pages_cleaned) pages)" test "$(stat_of pages_cleaned)" -ge 8
kcohd_stop
echo clean >/sys/module/kcoh/parameters/auto

kcohd_start '[defaults]
strategy = hold
guard = enforce
hold_deadline_ms = 600000'
check "hold is given to the module" wait_for 10 grep -q 'carries its strategy: hold' "$TMP/kcohd.log"
vmm vm log-on:0
vmm_order vm off:0
if vmm_answers vm 1; then fail "a vCPU that turns its caches off goes on" "$VMM_LINE"; else pass "a vCPU that turns its caches off is held"; fi
becomes "and the verdict says so" repair/held
kill -9 "$KCOHD_PID"
check "when kcohd is killed it runs on" vmm_answers vm 10
wait "$KCOHD_PID" 2>/dev/null
KCOHD_PID=''
vmm vm log-off:0

kcohd_start '[defaults]
strategy = defer
guard = enforce
defer_deadline_ms = 6000'
becomes "a VM that nobody migrates may be off for ever: the wait has ended" veto/mmu-off
vmm vm log-on:0
becomes "a migration has a wait of its own" wait/deferred
same "kcoh check says 10" 10 "$(status_of_check)"
becomes "which ends in a veto" veto/mmu-off
same "kcoh check says 20" 20 "$(status_of_check)"
vmm vm log-off:0 log-on:0
becomes "the next one waits again" wait/deferred
vmm vm on:0
becomes "and goes on when the caches are on: what was written before is cleaned" repair/cleaning
same "kcoh check says 0" 0 "$(status_of_check)"
vmm vm log-off:0
kcohd_stop

kcohd_start '[defaults]
strategy = hold
guard = enforce
[vm *]
qmp = /run/vm.sock' --dry-run
check "--dry-run: what the module would be given is said" wait_for 10 grep -q 'would have given the module its strategy hold, but for --dry-run' "$TMP/kcohd.log"
trace_start vm
check "and told" wait_for 10 traces "$TMP/trace" '.type == "act" and .act == "arm" and .outcome == "dry"'
kill "$TRACE_PID"
vmm vm log-on:0 off:0
pass "a vCPU that turns its caches off goes on"
same "the module has no owner of this VM" 0 "$("$LAB/kcoh-vmfile" "${VMM_PID[vm]}" status | jq .held)"
sed -i 's/hold/veto/' "$TMP/kcoh.conf"
kill -HUP "$KCOHD_PID"
becomes "the verdict is what it would be" veto/mmu-off
check "a cancel is said and not tried" wait_for 10 grep -q 'would have cancelled its migration, but for --dry-run' "$TMP/kcohd.log"
same "evacuations are refused" 'false this kcohd carries out none' \
	"$(curl -s --unix-socket /run/kcoh/kcohd.sock http://kcohd/v1/vms/vm/evacuations | jq -r '"\(.can) \(.why)"')"
vmm vm log-off:0 on:0
kcohd_stop

kcohd_start '[defaults]
strategy = clean-tainted'
becomes "given once more" allow/tainted-only
kcoh module release
check "a VM's open file does not keep the module" rmmod kcoh
finish
