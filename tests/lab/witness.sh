#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What the witness (tests/witness) watches from outside. It judges; here only what it can be judged on is made sure of.
#
#   adversary   a few guests and modes of the adversarial cache (tests/lab/adversary)
#   matrix      all of them
#   qemu        a guest whose MMU is off, migrated from one real QEMU to another with `auto=clean` and no daemon
#   linux       the same with a Linux guest, which reboots while it is migrated: its kernel is guests/linux.bin

#: Usage: witness.sh adversary|matrix|qemu|linux…   (by tests/witness/run)

: "${TEST:=witness}" "${LAB_CPU:=neoverse-n1}"
export TEST
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source "$(dirname -- "$0")/qemu.sh"
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

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

# watched NAME OPTION…: a VM of real QEMU and one that waits for it; the witness looks.
watched() {
	local name=$1
	shift
	modprobe kcoh auto=clean || give_up "modprobe kcoh auto=clean"
	"$WITNESS" begin "$name"
	qemu_start "$name" "$name" "$@" || give_up "QEMU runs the guest" "$(<"$QEMU_DIR/$name.log")"
	# shellcheck disable=SC2046 # two words
	qemu_start "$name-to" "$name" "$@" $(incoming "$name-to") ||
		give_up "a second QEMU waits" "$(<"$QEMU_DIR/$name-to.log")"
}

# follow NAME: tells the VM's pages now, and from here on its journal.
follow() {
	"$WITNESS" pages "${QEMU_PID[$1]}" before || give_up "the pages of QEMU are told"
	mkfifo "$TMP/stop"
	"$WITNESS" journal "${QEMU_PID[$1]}" <"$TMP/stop" >"$TMP/journal" 2>&1 &
	exec {stop}>"$TMP/stop"
	wait_for 20 grep -q following "$TMP/journal" || give_up "the journal is followed" "$(<"$TMP/journal")"
}

# arrived NAME: the migration comes to its end; the source's pages are told again, and what the module counted.
arrived() {
	wait_for 200 migration_ended "$1" || give_up "the migration ends" "$(qmp "$1" query-migrate)"
	same "$1: the migration completes" completed "$(migration_status "$1")"
	"$WITNESS" pages "${QEMU_PID[$1]}" after || give_up "the pages of QEMU are told again"
	exec {stop}>&-
	wait_for 60 grep -q '^protected' "$TMP/journal" || give_up "the module counts" "$(<"$TMP/journal")"
	"$WITNESS" end
	same "$1: the guest runs at the destination" running "$(run_status "$1-to")"
}

part_qemu() {
	local stop before
	watched off
	wait_for 120 printed off 2 || give_up "the guest prints"
	follow off
	migrate off off-to >/dev/null || give_up "QEMU accepts the migration"
	arrived off
	before=$(printed_bytes off-to)
	check "off: and prints" wait_for 60 printed off-to "$before"
}

# The Linux guest's only program: it writes 64 MB and boots again.
linux_initrd() {
	local root=$TMP/initrd
	mkdir -p "$root/dev" "$root/bin"
	cp /usr/bin/busybox "$root/bin/"
	mknod "$root/dev/console" c 5 1
	cat >"$root/init" <<-'INIT'
		#!/bin/busybox sh
		echo up
		busybox dd if=/dev/zero of=/x bs=1M count=64 2>/dev/null
		echo down
		busybox reboot -f
	INIT
	chmod 755 "$root/init"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$TMP/linux.cpio"
}

# said NAME WORD MORE-THAN: its guest has said so that often.
said() {
	(($(grep -c "^$2" "$QEMU_DIR/$1.serial") > $3))
}

# The stream is kept too slow to end until the guest has gone down in the midst of it.
part_linux() {
	local stop before
	local slow='{"max-bandwidth":500000,"downtime-limit":1}'
	linux_initrd
	watched linux -initrd "$TMP/linux.cpio" -append 'console=ttyAMA0 quiet panic=-1 cryptomgr.notests nokaslr'
	wait_for 200 said linux up 0 || give_up "the guest boots" "$(tail -n 5 "$QEMU_DIR/linux.serial")"
	follow linux
	before=$(grep -c ^down "$QEMU_DIR/linux.serial")
	MIGRATION=$slow migrate linux linux-to >/dev/null || give_up "QEMU accepts the migration"
	check "linux: the guest reboots while it is migrated" wait_for 200 said linux down "$before"
	same "linux: which goes on" active "$(migration_status linux)"
	qmp linux migrate-set-parameters "$MIGRATION" >/dev/null
	arrived linux
	check "linux: and comes up there" wait_for 200 said linux-to up 0
}

(($#)) || { sed -n 's/^#: //p' "$0" >&2 && exit 2; }
"$WITNESS" symbols || give_up "KVM's functions are found"
for part; do
	# shellcheck disable=SC2046 # words
	"part_$part" $(all_runs)
done
