#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the witness (tests/witness) watches from outside. It judges; here only what it can be judged on is made sure of.
#
#   adversary      a few guests and modes of the adversarial cache (tests/lab/adversary)
#   matrix         all of them
#   mutants NAME…  one of them, with modules in /kcoh/mutants that are broken on purpose (tests/lab/mutants)
#   qemu           a guest whose MMU is off, migrated from one real QEMU to another with `auto=clean` and no daemon
#   linux          the same with a Linux guest, which reboots while it is migrated (reboot.sh)

#: Usage: witness.sh adversary|matrix|mutants|qemu|linux [ARGUMENT…]   (by tests/witness/run)

: "${TEST:=witness}" "${LAB_CPU:=neoverse-n1}"
export TEST LAB_CPU
cd "$(dirname -- "$0")" || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
source ./lib.sh
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source ./qemu.sh
# shellcheck source-path=SCRIPTDIR source=watched.sh
source ./watched.sh
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

SEED=3
FEW='off:auto toggle:manual nc:manual-init harvesters:manual slots:auto hugetlb:manual-init off:ring'

# migrated LABEL GUEST MODE: sets status; 0 identical, 10 not.
migrated() {
	echo 8 >/proc/sys/vm/nr_hugepages
	"$LAB/kcoh-adversary" --scenario "$2" --mode "$3" --seed $SEED --witness "$1" >"$TMP/out" 2>&1
	status=$?
}

# all_runs: GUEST:MODE of all that this kernel has.
all_runs() {
	local guests modes guest mode
	{
		read -r -a guests
		read -r -a modes
	} < <("$LAB/kcoh-adversary" --list)
	for guest in "${guests[@]}"; do
		for mode in "${modes[@]}"; do
			echo "$guest:$mode"
		done
	done
}

runs() { # runs GUEST:MODE…
	local run
	module_load
	for run; do
		migrated "${run/:/\/}" "${run%:*}" "${run#*:}"
		((status == 0)) || fail "${run/:/ × }, clean, seed $SEED: arrives unharmed" "$(<"$TMP/out")"
	done
}

part_adversary() {
	# shellcheck disable=SC2046 # words
	runs $(all_runs | grep -xF "${FEW// /$'\n'}")
}

part_matrix() {
	# shellcheck disable=SC2046 # words
	runs $(all_runs)
}

part_mutants() {
	local name
	for name; do
		insmod "/kcoh/mutants/$name/$(uname -r)/kcoh.ko" || give_up "the mutant $name is loaded"
		migrated "$name" off manual
		((status == 0 || status == 10)) || fail "with the mutant $name a guest is migrated" "$(<"$TMP/out")"
		rmmod kcoh
	done
}

part_qemu() {
	local before WATCHED=qemu
	modprobe kcoh auto=clean || give_up "modprobe kcoh auto=clean"
	watch_begin
	qemu_start off off || give_up "QEMU runs the guest" "$(<"$QEMU_DIR/off.log")"
	# shellcheck disable=SC2046 # two words
	qemu_start off-to off $(incoming off-to) || give_up "a second QEMU waits" "$(<"$QEMU_DIR/off-to.log")"
	wait_for 120 printed off 2 || give_up "the guest prints"
	watch_follow off
	migrate off off-to >/dev/null || give_up "QEMU accepts the migration"
	wait_for 200 migration_ended off || give_up "the migration ends" "$(qmp off query-migrate)"
	watch_end off
	same "qemu: the migration completes" completed "$(migration_status off)"
	same "qemu: the guest runs at the destination" running "$(run_status off-to)"
	before=$(printed_bytes off-to)
	check "qemu: and prints" wait_for 60 printed off-to "$before"
}

part_linux() {
	WATCHED=linux bash ./reboot.sh
}

(($#)) || { sed -n 's/^#: //p' "$0" >&2 && exit 2; }
"$LAB/kcoh-witness" symbols || give_up "KVM's functions are found"
"part_$1" "${@:2}"
