#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the witness (tests/witness) watches from outside. It judges; here only what it can be judged on is made sure of.
#
#   adversary   a few guests and modes of the adversarial cache (tests/lab/adversary)
#   matrix      all of them
#   qemu        a guest whose MMU is off, migrated from one real QEMU to another with `auto=clean` and no daemon

#: Usage: witness.sh adversary|matrix|qemu…   (by tests/witness/run)

: "${TEST:=witness}" "${LAB_CPU:=neoverse-n1}"
export TEST
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

WITNESS=$LAB/kcoh-witness
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

part_matrix() {
	local run
	module_load
	for run; do
		migrated "${run/:/\/}" "${run%:*}" "${run#*:}"
		((status == 0)) || fail "${run/:/ × }, clean, seed $SEED: arrives unharmed" "$(<"$TMP/out")"
	done
	rmmod kcoh
}

part_adversary() {
	# shellcheck disable=SC2046 # words
	part_matrix $(all_runs | grep -xF "${FEW// /$'\n'}")
}

part_qemu() {
	local before fd
	# shellcheck source-path=SCRIPTDIR source=qemu.sh
	source "$(dirname -- "$0")/qemu.sh"
	trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT
	modprobe kcoh auto=clean || give_up "modprobe kcoh auto=clean"
	"$WITNESS" begin qemu
	qemu_start off off || give_up "QEMU runs the guest" "$(<"$QEMU_DIR/off.log")"
	# shellcheck disable=SC2046 # two words
	qemu_start off-to off $(incoming off-to) || give_up "a second QEMU waits" "$(<"$QEMU_DIR/off-to.log")"
	wait_for 120 printed off 2 || give_up "the guest prints"
	"$WITNESS" pages "${QEMU_PID[off]}" before || give_up "the pages of QEMU are told"
	mkfifo "$TMP/stop"
	"$WITNESS" journal "${QEMU_PID[off]}" <"$TMP/stop" >"$TMP/journal" 2>&1 &
	exec {fd}>"$TMP/stop"
	wait_for 20 grep -q following "$TMP/journal" || give_up "the journal is followed" "$(<"$TMP/journal")"
	migrate off off-to >/dev/null || give_up "QEMU accepts the migration"
	wait_for 200 migration_ended off || give_up "the migration ends" "$(qmp off query-migrate)"
	same "qemu: the migration completes" completed "$(migration_status off)"
	"$WITNESS" pages "${QEMU_PID[off]}" after || give_up "the pages of QEMU are told again"
	exec {fd}>&-
	wait_for 60 grep -q '^protected' "$TMP/journal" || give_up "the module counts" "$(<"$TMP/journal")"
	"$WITNESS" end
	same "qemu: the guest runs at the destination" running "$(run_status off-to)"
	before=$(printed_bytes off-to)
	check "qemu: and prints" wait_for 60 printed off-to "$before"
}

(($#)) || { sed -n 's/^#: //p' "$0" >&2 && exit 2; }
"$WITNESS" symbols || give_up "KVM's functions are found"
for part; do
	# shellcheck disable=SC2046 # words
	"part_$part" $(all_runs)
done
