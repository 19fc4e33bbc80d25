#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What cannot be done is said in one sentence, by the program that was asked, with an exit status that scripts can act on.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# refuses NAME STATUS PATTERN COMMAND…: it ends within 20 s with this status, prints nothing on standard output and one
# line on standard error that begins with the program's name and matches.
refuses() {
	local name=$1 status=$2 pattern=$3 out err got
	shift 3
	out=$(timeout $((KCOHD_WAIT / 2)) "$@" 2>"$TMP/err")
	got=$?
	err=$(<"$TMP/err")
	if [[ $got == "$status" && -z $out && $(wc -l <"$TMP/err") == 1 && $err == kcoh*': '* && $err =~ $pattern ]]; then
		pass "$name: status $got: $err"
	else
		fail "$name" "expected status $status and one line that matches '$pattern'" "status $got, standard output:" "$out" \
			"standard error:" "$err"
	fi
}

config() {
	printf '%s\n' "$@" >"$TMP/bad.conf"
}

refuses "kcoh check without a daemon" 2 'kcohd' kcoh check --vm vm
refuses "kcoh ps without a daemon" 2 'kcohd' kcoh ps
refuses "kcoh trace without a daemon" 2 'kcohd' kcoh trace --vm vm

chmod 755 "$TMP"
config '[defaults]'
refuses "kcohd run by a user" 2 'CAP_BPF' setpriv --reuid 65534 --regid 65534 --clear-groups kcohd --config "$TMP/bad.conf"
refuses "kcohd run by root without the right to load BPF" 2 'CAP_BPF' \
	setpriv --bounding-set=-bpf,-sys_admin --inh-caps=-bpf,-sys_admin kcohd --config "$TMP/bad.conf"
refuses "kcohd without its configuration" 2 'no-such' kcohd --config "$TMP/no-such.conf"
config '# one' '[defaults]' 'strategi = veto'
refuses "kcohd with a wrong key" 2 "bad.conf:3: .*strategi" kcohd --config "$TMP/bad.conf"
config '[defaults]' 'strategy = maybe'
refuses "kcohd with a wrong value" 2 "bad.conf:2: .*maybe" kcohd --config "$TMP/bad.conf"
config '[vms]'
refuses "kcohd with a wrong section" 2 "bad.conf:1: .*vms" kcohd --config "$TMP/bad.conf"
config '[defaults]'
refuses "kcohd without its BPF objects" 2 "/nowhere" kcohd --config "$TMP/bad.conf" --bpf-dir /nowhere

other=$LAB/abi/$(uname -r)/kcoh.ko
if [[ -e $other ]]; then
	insmod "$other" || give_up "a module of another ABI loads"
	refuses "kcohd with a module of another ABI" 2 '99' kcohd --config "$TMP/bad.conf"
	rmmod kcoh
else
	skip "kcohd with a module of another ABI: there is none for this kernel (make kmod-abi)"
fi

module_load
kcohd_start '[defaults]'
refuses "kcoh trace of a VM that is not there" 2 'nosuch' kcoh trace --vm nosuch
refuses "kcoh check of a VM that is not there" 2 'nosuch' kcoh check --vm nosuch
refuses "a command that is none" 2 'frobnicate' kcoh frobnicate
refuses "a second kcohd" 2 'kcohd' kcohd --config "$TMP/bad.conf"
for command in kcohd kcoh 'kcoh ps' 'kcoh trace' 'kcoh check'; do
	# shellcheck disable=SC2086 # a command and its argument
	check "$command --help" grep -qi usage <($command --help)
done
