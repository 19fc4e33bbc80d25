#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Real QEMU live migrations under the policy `veto`: that of a guest whose MMU is off is cancelled by kcohd, and the
# guest runs on at the source; that of a guest with MMU and caches on completes, and it runs on at the destination.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source "$(dirname -- "$0")/qemu.sh"
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

CONFIG="[defaults]
strategy = veto
guard = enforce
[vm *]
qmp = $QEMU_DIR/%n.kcoh.qmp"

verdict_of() {
	kcoh check --vm "$1" >"$TMP/verdict" 2>&1
	echo $?
}

# start GUEST: the VM `GUEST` and the one that waits for it.
start() {
	qemu_start "$1" "$1" || give_up "QEMU runs the guest $1" "$(<"$QEMU_DIR/$1.log")"
	# shellcheck disable=SC2046 # two words
	qemu_start "$1-to" "$1" $(incoming "$1-to") || give_up "a second QEMU waits" "$(<"$QEMU_DIR/$1-to.log")"
	wait_for 60 printed "$1" 2 || give_up "the guest $1 prints"
}

module_load
kcohd_start "$CONFIG"

start off
trace_start off
same "MMU off: kcoh check says veto" 20 "$(verdict_of off)"
migrate off off-to >/dev/null || give_up "QEMU accepts the migration"
wait_for 60 migration_ended off || give_up "the migration ends" "$(qmp off query-migrate)" "$(<"$TMP/kcohd.log")"
same "MMU off: the migration is cancelled" cancelled "$(migration_status off)"
check "by kcohd, which says why" wait_for 5 traces "$TMP/trace" '.type == "act" and .outcome == "done" and .reason == "mmu-off"'
same "MMU off: the guest runs on at the source" running "$(run_status off)"
check "and prints" wait_for 20 printed off "$(printed_bytes off)"
same "MMU off: still veto" 20 "$(verdict_of off)"
qemu_end off off-to

start cached
same "caches on: kcoh check says allow" 0 "$(verdict_of cached)"
migrate cached cached-to >/dev/null || give_up "QEMU accepts the migration"
wait_for 90 migration_ended cached || give_up "the migration ends" "$(qmp cached query-migrate)"
same "caches on: the migration completes" completed "$(migration_status cached)"
same "caches on: the source is done" postmigrate "$(run_status cached)"
same "caches on: the guest runs at the destination" running "$(run_status cached-to)"
check "and prints" wait_for 20 printed cached-to "$(printed_bytes cached-to)"
