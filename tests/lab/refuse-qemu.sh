#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The last resort against a real QEMU: one process with a VNC client that gets frames all the time, a disk behind NBD that is read all
# the time, QMP (the NBD reads are ordered by it), and a guest whose MMU is off. kcohd has no socket to cancel its migration by, so the kernel refuses the stream:
# the migration fails, the guest runs on, and no other send of that QEMU was refused (the kernel's own record of each that was: the
# tracepoints of system calls). Over a socket of a path and TCP; over a pipe (exec:), which is not covered, and said to be not; and not at all
# without last_resort.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source "$(dirname -- "$0")/qemu.sh"
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

# A QEMU without a machine exports the disk.
qemu-system-aarch64 -M none -nodefaults -display none -blockdev null-co,node-name=disk,size=1048576,read-zeroes=on \
	-qmp "unix:$QEMU_DIR/nbd.qmp,server=on,wait=off" >"$QEMU_DIR/nbd.log" 2>&1 &
QEMU_PID[nbd]=$!
DISK=(-blockdev "nbd,node-name=disk,read-only=on,server.type=unix,server.path=$QEMU_DIR/nbd.disk,export=disk")
DISPLAY_OF=(-device "bochs-display,romfile=")

# The guest has 100 MB to send, and shall run on meanwhile: with qemu.sh's limits QEMU may stop it before anything is sent.
SLOW='{"max-bandwidth":2000000,"downtime-limit":1}'

policy() { # policy LAST_RESORT
	printf '%s\n' '[defaults]' 'strategy = veto' 'guard = enforce' "last_resort = $1"
}

# start VM: it, with what it serves, and one that waits for it.
start() {
	qemu_start "$1" off "${DISK[@]}" "${DISPLAY_OF[@]}" -vnc "unix:$QEMU_DIR/$1.vnc" || give_up "QEMU runs $1" "$(<"$QEMU_DIR/$1.log")"
	wait_for 60 printed "$1" 2 || give_up "the guest prints"
	{
		printf 'RFB 003.008\n\1\1'
		while sleep 0.3; do printf '\3\0\0\0\0\0\0\20\0\20'; done # all of 16 × 16 pixels
	} | socat - "UNIX-CONNECT:$QEMU_DIR/$1.vnc" >"$TMP/vnc" 2>/dev/null &
	wait_for 20 has_frames 3000 || give_up "a VNC client gets frames" "$(od -c "$TMP/vnc" | head)"
	read_disk "$1" &
	wait_for 20 has_reads 1 || give_up "the disk is read" "$(tail -n 3 "$QEMU_DIR/$1.log")"
}

destination() { # destination VM URI
	qemu_start "$1-to" off "${DISK[@]}" "${DISPLAY_OF[@]}" -incoming "$2" || give_up "a second QEMU waits" "$(<"$QEMU_DIR/$1-to.log")"
}

has_frames() { # has_frames BYTES
	(($(stat -c %s "$TMP/vnc") > $1))
}

more_frames() {
	wait_for 20 has_frames $(($(stat -c %s "$TMP/vnc") + 3000))
}

# What is read QEMU prints on its standard output, 78 characters for each 16 bytes. By the monitor that kcohd would use.
reads_disk() { # of VM
	local before
	before=$(stat -c %s "$QEMU_DIR/$1.log")
	qmp "$1.kcoh" human-monitor-command '{"command-line":"qemu-io disk \"read -v 0 8k\""}' >/dev/null &&
		(($(stat -c %s "$QEMU_DIR/$1.log") > before + 20000))
}

# A line for each read; the first one that fails is the last.
read_disk() {
	while reads_disk "$1"; do echo; done >"$TMP/reads"
}

has_reads() { # has_reads COUNT
	(($(wc -l <"$TMP/reads") > $1))
}

more_reads() {
	wait_for 20 has_reads $(($(wc -l <"$TMP/reads") + 1))
}

# The sentences of such events of the VM `vm` so far, one a line.
acts() { # acts ACT OUTCOME
	sed -nE "s/.*\"act\":\"$1\",\"outcome\":\"$2\".*\"sentence\":\"([^\"]*)\".*/\1/p" "$TMP/trace"
}

acts_are() { # acts_are ACT OUTCOME COUNT
	(($(grep -c "\"act\":\"$1\",\"outcome\":\"$2\"" "$TMP/trace") == $3))
}

# Threads of system calls that write and failed with EPERM, each once.
refused_threads() {
	sed -nE 's/^ *[^#]*-([0-9]+) +\[[0-9]+\].*sys_[a-z]+ -> 0xffffffffffffffff$/\1/p' "$TRACEFS/trace" | sort -u
}

trace_sends() {
	local call
	for call in sendmsg sendto write writev; do
		echo 'ret == -1' >"$TRACEFS/events/syscalls/sys_exit_$call/filter" || give_up "this kernel traces system calls"
		trace_on "syscalls/sys_exit_$call"
	done
}

# fails VM URI COUNT: its migration does, for the COUNTth time, and nothing else.
fails() {
	local sentence thread
	trace_clear
	qmp "$1" migrate-set-parameters "$SLOW" >/dev/null
	qmp "$1" migrate "{\"uri\":\"$2\"}" >/dev/null || give_up "QEMU accepts the migration to $2"
	wait_for 60 migration_ended "$1" || give_up "${2%%:*}: the migration ends" "$(qmp "$1" query-migrate)"
	same "${2%%:*}: the migration fails" failed "$(migration_status "$1")"
	wait_for 10 acts_are admit "done" "$3" || give_up "${2%%:*}: its end is told" "$(tail -n 5 "$TMP/trace")" "$(<"$TMP/kcohd.log")"
	sentence=$(acts refuse "done" | tail -n 1)
	thread=$(sed -nE 's/^a send of its thread ([0-9]+) on .*/\1/p' <<<"$sentence")
	printf 'NOTE %s: %s: %s; %s\n' "$TEST" "${2%%:*}" "$sentence" "$(acts admit "done" | tail -n 1)"
	same "${2%%:*}: only its thread was refused anything, on this host" "${thread:-none}" "$(refused_threads)"
	same "${2%%:*}: which is not the main thread" 1 "$((${thread:-0} && thread != ${QEMU_PID[$1]}))"
	same "${2%%:*}: the guest runs on at the source" running "$(run_status "$1")"
	check "${2%%:*}: and prints" wait_for 20 printed "$1" "$(printed_bytes "$1")"
	check "${2%%:*}: VNC's frames go on" more_frames
	check "${2%%:*}: the disk is read on, and no read failed" more_reads
	qemu_end "$1-to"
}

wait_for 20 qmp nbd query-status || give_up "a QEMU without a machine runs" "$(<"$QEMU_DIR/nbd.log")"
qmp nbd nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$QEMU_DIR/nbd.disk\"}},\"max-connections\":0}" >/dev/null || give_up "it serves NBD"
qmp nbd block-export-add '{"type":"nbd","id":"disk","node-name":"disk"}' >/dev/null || give_up "it exports a disk"
kcohd_start "$(policy yes)"
same "kcoh doctor: it is attached" 1 "$(kcoh doctor | grep -c '^hook *socket_sendmsg: attached as lsm')"
trace_sends

start vm
trace_start vm
destination vm "unix:$QEMU_DIR/vm.migration"
fails vm "unix:$QEMU_DIR/vm.migration" 1
destination vm tcp:127.0.0.1:4444
fails vm tcp:127.0.0.1:4444 2

policy no >"$TMP/kcoh.conf"
kill -HUP "$KCOHD_PID"
check "last_resort = no: the program is detached" wait_for 20 sh -c "kcoh doctor | grep -q '^hook *socket_sendmsg: not available: no policy'"
policy yes >"$TMP/kcoh.conf"
kill -HUP "$KCOHD_PID"
check "last_resort = yes: and attached again" wait_for 20 sh -c "kcoh doctor | grep -q '^hook *socket_sendmsg: attached as lsm'"

# A pipe is no socket.
qmp vm migrate-set-parameters "$MIGRATION" >/dev/null
qmp vm migrate '{"uri":"exec:cat >/dev/null"}' >/dev/null || give_up "QEMU accepts the migration to exec:"
wait_for 90 migration_ended vm || give_up "exec: the migration ends" "$(qmp vm query-migrate)"
same "exec: a pipe is not covered: it completes" completed "$(migration_status vm)"
# The migration thread may have sent QMP's events, on sockets that other threads use.
check "exec: which is said" wait_for 10 grep -qE \
	'not refused: (the thread that takes dirty pages sends on no socket|other threads send on that socket|what went through that socket)' "$TMP/trace"
qemu_end vm

policy no >"$TMP/kcoh.conf"
kill -HUP "$KCOHD_PID"
check "last_resort = no: the program is detached again" wait_for 20 sh -c "kcoh doctor | grep -q '^hook *socket_sendmsg: not available: no policy'"
start off
destination off "unix:$QEMU_DIR/off.migration"
qmp off migrate-set-parameters "$MIGRATION" >/dev/null
qmp off migrate "{\"uri\":\"unix:$QEMU_DIR/off.migration\"}" >/dev/null || give_up "QEMU accepts the migration"
wait_for 90 migration_ended off || give_up "the migration ends" "$(qmp off query-migrate)"
same "last_resort = no: the migration completes" completed "$(migration_status off)"
same "and the guest runs at the destination" running "$(run_status off-to)"
