# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# For tests with real QEMU that the witness outside may watch (tests/witness, tests/lab/witness.sh). Without WATCHED, the name
# of the run, these do nothing.

# watch_begin: before the VM is made.
watch_begin() {
	[[ -z ${WATCHED:-} ]] || "$LAB/kcoh-witness" begin "$WATCHED"
}

# watch_follow NAME: before its migration: tells which pages QEMU has, and from here on what the module's journal claims.
watch_follow() {
	[[ -n ${WATCHED:-} ]] || return 0
	"$LAB/kcoh-witness" pages "${QEMU_PID[$1]}" before || give_up "the pages of QEMU are told"
	mkfifo "$TMP/watch.stop"
	"$LAB/kcoh-witness" journal "${QEMU_PID[$1]}" <"$TMP/watch.stop" >"$TMP/watch.log" 2>&1 &
	exec {WATCH_STOP}>"$TMP/watch.stop"
	wait_for 20 grep -q following "$TMP/watch.log" || give_up "the journal is followed" "$(<"$TMP/watch.log")"
}

# watch_end NAME: after it: the pages again, and what the module counted.
watch_end() {
	[[ -n ${WATCHED:-} ]] || return 0
	"$LAB/kcoh-witness" pages "${QEMU_PID[$1]}" after || give_up "the pages of QEMU are told again"
	exec {WATCH_STOP}>&-
	wait_for 60 grep -q '^protected' "$TMP/watch.log" || give_up "the module counts" "$(<"$TMP/watch.log")"
	"$LAB/kcoh-witness" end
}
