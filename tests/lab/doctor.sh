#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# kcoh doctor on a real kernel: with the module and without, with kcohd and without, by root and by a user. What it says
# of the host must be what the host is.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# examine STATUS WHAT [COMMAND…]: `kcoh doctor --json` into $TMP/doctor, with this exit status.
examine() {
	local status=$1 what=$2
	shift 2
	"$@" kcoh doctor --json >"$TMP/doctor" 2>"$TMP/doctor.err"
	same "$what: its exit status" "$status" "$?"
}

says() { # says NAME EXPECTED JQ
	same "$1" "$2" "$(jq -r "$3" "$TMP/doctor")"
}

# What does not work, one a line.
broken() {
	jq -r '.abilities[] | select(.works | not) | .name' "$TMP/doctor"
}

hooks_off() {
	jq -r '.hooks[] | select(.method == null and .needed) | .name' "$TMP/doctor"
}

MODULE_ONLY="every incoherent window of a dirty epoch
cleaning at harvest"

examine 1 "nothing runs"
says "the host: machine, kernel, page size" "aarch64 $(uname -r) $(getconf PAGESIZE)" '"\(.machine) \(.kernel) \(.page_size)"'
says "what only the module knows is not known" "null null null" '"\(.s2fwb) \(.vhe) \(.module)"'
same "all but the module's hooks can be attached" '' "$(hooks_off | grep -v '^kcoh_')"
same "without the module it does not trap and clean" "$MODULE_ONLY" "$(broken)"
says "it says what to do" 2 '[.findings[].sentence | select(contains("modprobe kcoh") or contains("start kcohd"))] | length'
fwb=false
! s2fwb || fwb=true
says "Armv8.4, by what programs see of the CPU" $fwb .armv8_4
says "the SMMU" "$(find /sys/class/iommu -name 'smmu3.*' | wc -l)" .smmus

module_load
examine 1 "with the module, without kcohd"
mode=true
[[ $LAB_CPU != cortex-a72 ]] || mode=false
says "S2FWB and VHE, as the CPU has them" "$fwb $mode" '"\(.s2fwb) \(.vhe)"'
same "every hook that is needed can be attached" '' "$(hooks_off)"
s2fwb || same "everything works" '' "$(broken)"
check "and it holds nothing of the module afterwards" rmmod kcoh

module_load
kcohd_start '[defaults]'
wait_for 10 grep -q 'loaded and watched' "$TMP/kcohd.log"
examine 0 "with both the host is ready"
says "and says so" ready .status
same "hooks are those of kcohd, which are attached" '' "$(hooks_off)"
if s2fwb; then
	same "with S2FWB trapping and cleaning are not needed" "$MODULE_ONLY" "$(broken)"
else
	same "everything works" '' "$(broken)"
fi
kcoh doctor >"$TMP/words"
same "for people, the same in words" 'this host is ready' "$(tail -n 1 "$TMP/words")"
check "no line of it is degraded" awk '/^(degraded|unusable)/ { bad = 1 } END { exit bad }' "$TMP/words"
same "each hook and how it is attached" "$(jq -r '.hooks[] | "\(.name): " + if .method then "attached as \(.method)" else "not available: \(.why)" end' "$TMP/doctor")" \
	"$(sed -n 's/^hook *//p' "$TMP/words")"

kcohd_stop
examine 1 "asked by a user" setpriv --reuid 65534 --regid 65534 --clear-groups
check "it says that root should ask" grep -q 'root' "$TMP/doctor"
kcoh doctor --bpf-dir /nowhere >"$TMP/out"
same "without BPF objects the host is unusable" "2 this host is unusable" "$? $(tail -n 1 "$TMP/out")"
other=$LAB/abi/$(uname -r)/kcoh.ko
if [[ -e $other ]]; then
	rmmod kcoh
	insmod "$other" || give_up "a module of another ABI loads"
	examine 2 "with a module of another ABI"
	check "it names both numbers" grep -q "ABI 99 .* ABI $(kcoh version | sed -n 's/.*ABI \([0-9]*\).*/\1/p')" "$TMP/doctor"
	rmmod kcoh
fi
