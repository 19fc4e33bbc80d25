#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kcoh clean: every page of a paused VM that is populated is cleaned, each named by the module's tracepoint, and none besides; a VM
# that runs is refused, also one that idles in WFI; and where nothing can be cleaned, that is said.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

PAGE=$(getconf PAGESIZE)
RAM_GFN=$((0x40000000 / PAGE))
RAM_PAGES=$((0x8000000 / PAGE))

# clean NAME STATUS PATTERN: what kcoh clean says, and its exit status
clean() {
	local out status
	out=$(kcoh clean --vm vm 2>&1)
	status=$?
	if ((status == $2)) && [[ $out =~ $3 ]]; then
		pass "$1"
	else
		fail "$1" "status $status, expected $2; said: $out"
	fi
}

refuses() { # refuses WORDS: for wait_for
	[[ $(kcoh clean --vm vm 2>&1) == *"$1"* ]]
}

# The guest's pages that its process has, by /proc/PID/pagemap: a gfn a line.
populated() {
	local hva
	hva=$(kcoh trace --vm vm --class memory --since 0 --count 1 --json | jq -r .hva)
	hva=$((hva / PAGE))
	dd if="/proc/${VMM_PID[vm]}/pagemap" bs=4096 iflag=skip_bytes,count_bytes status=none \
		skip=$((hva * 8)) count=$((RAM_PAGES * 8)) |
		od -An -v -t x8 -w8 | awk -v gfn="$RAM_GFN" 'substr($1, 1, 1) ~ /[89a-f]/ { print gfn + NR - 1 }'
}

# The pages that the module has cleaned, by its tracepoint.
cleaned() {
	local gfn pages
	trace_lines kcoh_clean | sed -nE "s/^vm=${VMM_PID[vm]} .* gfn=(0x[0-9a-f]+) pages=([0-9]+)\$/\1 \2/p" |
		while read -r gfn pages; do seq $((gfn)) $((gfn + pages - 1)); done | sort -n
}

module_load
kcohd_start '[defaults]
strategy = clean'
vmm_start vm puppet
vmm vm run wait:0

# The guest's MMU is off: what it writes goes around the caches.
vmm vm write:0:0:300 write:0:0x1000000:50
populated >"$TMP/populated"
trace_on kcoh/kcoh_clean
out=$(kcoh clean --vm vm --json)
same "a VM that stands still is cleaned" 0 $?
same "every page that is populated, and no other, was cleaned" "$(<"$TMP/populated")" "$(cleaned)"
populated=$(wc -l <"$TMP/populated")
check "they are what the guest wrote, and more" test "$populated" -ge $((350 * 4096 / PAGE))
same "the answer counts them" "true $populated $((RAM_PAGES - populated)) 0 0 $RAM_PAGES" \
	"$(jq -r '"\(.complete) \(.cleaned) \(.absent) \(.no_ram) \(.unclean) \(.pages)"' <<<"$out")"
trace_start vm
check "an event tells of it" wait_for 10 traces "$TMP/trace" '.type == "act" and .act == "clean" and .outcome == "done"'
check "and who asked" traces "$TMP/trace" '.type == "audit" and .what == "clean" and .allowed'
check "kcohd has given the VM's file back" "$LAB/kcoh-vmfile" "${VMM_PID[vm]}" status

vmm vm spin:0
clean "a guest in a loop without an exit is refused" 2 'vCPU 0 runs: pause the VM first'
vmm vm stop
clean "and cleaned when it is taken out of the guest" 0 "cleaned $populated of"
vmm vm continue
clean "and refused when it goes on" 2 'vCPU 0 runs: pause the VM first'
vmm vm unspin:0 wfi:0 asleep:0
clean "so is one that idles: it sleeps inside KVM" 2 'vCPU 0 runs: pause the VM first'
vmm vm wake:0

echo none >/sys/module/kcoh/parameters/auto
clean "with auto=none, too, who asks gets it" 0 "cleaned $populated of"
echo clean >/sys/module/kcoh/parameters/auto
echo 0 >/sys/module/kcoh/parameters/enabled
check "with the module switched off nothing is cleaned" wait_for 10 refuses 'the kcoh module is switched off'
echo 1 >/sys/module/kcoh/parameters/enabled
check "and when it is on again it is" wait_for 10 kcoh clean --vm vm

# A strategy that the module carries for this VM is not disturbed: one file serves both.
printf '[defaults]\nstrategy = clean-tainted\n' >"$TMP/kcoh.conf"
kill -HUP "$KCOHD_PID"
check "the module carries its strategy" wait_for 10 grep -q 'the module carries its strategy: clean-tainted' "$TMP/kcohd.log"
clean "a VM with a strategy of its own is cleaned" 0 "cleaned $populated of"
same "and keeps it: its file is still kcohd's" 1 "$("$LAB/kcoh-vmfile" "${VMM_PID[vm]}" status >/dev/null 2>&1; echo $?)"
kcoh module unload || fail "the module is unloaded"
clean "without the module nothing can be cleaned" 2 'without the kcoh module nothing can be cleaned'
