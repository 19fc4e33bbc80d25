#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A VM as a file: what its owner can ask, what is refused, and that it holds nothing of the VM.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

RAM_GFN=$((0x40000000 / $(getconf PAGESIZE)))
DATA_GFN=$((0x40100000 / $(getconf PAGESIZE)))

file() { # file ACT…: on the VM's file
	"$LAB/kcoh-vmfile" "${VMM_PID[vm]}" "$@"
}

debugfs_entries() {
	find /sys/kernel/debug/kvm -maxdepth 1 -name "$1-*" | wc -l
}

module_load
vmm_start vm puppet
vmm vm run on:0
vmm vm write:0:0:8

same "what must be refused is" "not-a-vm EBADF
no-fd EBADF
flags EINVAL
second-owner EBUSY
strategy EOPNOTSUPP
strategy-flags EINVAL
strategy-padding EINVAL
hold-without-deadline EINVAL
hold-too-long EINVAL
deadline-without-hold EINVAL
hold-for-nothing EINVAL
release-with-deadline EINVAL
hold-no-vcpu ENOENT
empty-range EINVAL
wrapping-range EINVAL
huge-range EINVAL
noisy-range EINVAL
no-vcpu ENOENT
odd-journal EINVAL
read-nothing EINVAL
unknown-ioctl ENOTTY" "$(file refusals)"

same "a vCPU's state is read while it is out of the guest" 1 "$(file vcpu:0 | jq .state)"
vmm vm off:0
same "and is uncached when it is" 2 "$(file vcpu:0 | jq .state)"
vmm vm on:0

seen=$(file journal:64 clean:"$DATA_GFN":8 read)
same "pages are cleaned by gfn, and journalled" '8 8' "$(jq -s -r '"\(.[0].done) \(.[1].pages)"' <<<"$seen")"
same "what is in no memslot is told" 4 "$(file clean:$((RAM_GFN - 4)):4 | jq .skipped)"
same "without a dirty log nothing can be marked" 2 "$(file mark:"$DATA_GFN":2 | jq .skipped)"

vmm vm log-on:0
same "the epoch is seen" '1 1' "$(file status | jq -r '"\(.epoch) \(.vcpus)"')"
vmm vm harvest:0
same "pages are marked dirty by gfn" 3 "$(file mark:"$DATA_GFN":3 | jq .done)"
vmm vm harvest:0
same "and the next harvest returns them" 3 "$(vmm_figure vm dirty)"

if ! s2fwb; then
	# A file that is closed in an epoch leaves its strategy behind, to the end of the epoch.
	file strategy:0
	vmm vm write:0:0:5 harvest:0
	seen=$(file status)
	same "a strategy outlives its owner within the epoch" 0 "$(jq .cleaning <<<"$seen")"
	vmm vm log-off:0 log-on:0
	same "and not beyond" 1 "$(file status | jq .cleaning)"
	echo none >/sys/module/kcoh/parameters/auto
	same "with auto=none nothing is cleaned that nobody asked for" 0 "$(file status | jq .cleaning)"
	echo clean >/sys/module/kcoh/parameters/auto
	same "with auto=clean everything is" 1 "$(file status | jq .cleaning)"
	# What went uncleaned under `observe` is not forgotten.
	file strategy:0
	vmm vm write:0:0:5 harvest:0
	before=$(stat_of whole_slots)
	file strategy:2
	vmm vm write:0:0:5 harvest:0
	same "after an uncleaned harvest the next cleans the whole slot" $((before + 1)) "$(stat_of whole_slots)"
	vmm vm write:0:0:5 harvest:0
	same "once" $((before + 1)) "$(stat_of whole_slots)"
fi

pid=${VMM_PID[vm]}
same "the VM has its debugfs entry" 1 "$(debugfs_entries "$pid")"
"$LAB/kcoh-vmfile" "$pid" dead >"$TMP/dead" 2>&1 &
owner=$!
wait_for 10 sh -c "! $LAB/kcoh-vmfile $pid status" || fail "the file is held"
kill -9 "$pid"
check "its entry is gone within a second of kill -9, with the file open" wait_for 1 sh -c "! ls -d /sys/kernel/debug/kvm/$pid-*"
wait "$owner"
same "and the file is dead" "dead ENODEV" "$(<"$TMP/dead")"
check "the record goes with the file" wait_for 2 stat_is vms 0
unset "VMM_PID[vm]"
