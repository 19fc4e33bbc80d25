# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Real QEMU with KVM, inside the lab: start two, migrate one to the other. For lab tests and the demo.
#
# Each QEMU has two QMP sockets in $QEMU_DIR, because a socket serves one client at a time: NAME.qmp is the operator's (ours),
# NAME.kcoh.qmp the one that kcohd's configuration names. What the guest prints goes to NAME.serial; the guest `linux`, the lab's
# own kernel, can be spoken to through NAME.tty, and its kernel wants -initrd and -append.

QEMU_DIR=/run/lab
declare -A QEMU_PID=()
mkdir -p "$QEMU_DIR"

# qemu_launch NAME GUEST [OPTION…]: 256 MB, one vCPU. qemu_start returns when its operator's socket answers.
qemu_launch() {
	local name=$1 guest=$2 serial=(-serial "file:$QEMU_DIR/$1.serial")
	shift 2
	[[ $guest != linux ]] || serial=(-serial chardev:tty -chardev
		"socket,id=tty,path=$QEMU_DIR/$name.tty,server=on,wait=off,logfile=$QEMU_DIR/$name.serial")
	: >"$QEMU_DIR/$name.serial"
	qemu-system-aarch64 -name "$name" -machine virt,accel=kvm,gic-version=3 -cpu host -m 256 -nodefaults -display none \
		-kernel "/usr/lib/kcoh/guests/$guest.bin" "${serial[@]}" \
		-qmp "unix:$QEMU_DIR/$name.qmp,server=on,wait=off" \
		-qmp "unix:$QEMU_DIR/$name.kcoh.qmp,server=on,wait=off" "$@" >"$QEMU_DIR/$name.log" 2>&1 &
	QEMU_PID[$name]=$!
}

qemu_start() {
	qemu_launch "$@"
	wait_for 60 qmp "$1" query-status
}

# qmp NAME COMMAND [ARGUMENTS]: prints what it returned; status 1 if that is an error.
qmp() {
	local name=$1 line fd status=1 pid # no jq here: this is polled, and the emulated CPU is slow
	coproc QMP { exec socat - "UNIX-CONNECT:$QEMU_DIR/$name.qmp" 2>/dev/null; }
	pid=$! fd=${QMP[0]}
	printf '{"execute":"qmp_capabilities"}\n{"execute":"%s","arguments":%s,"id":1}\n' "$2" "${3:-{\}}" >&"${QMP[1]}"
	while IFS= read -r -t 20 line <&"$fd"; do
		line=${line%$'\r'}
		[[ $line == *'"id": 1'* ]] || continue
		[[ $line == '{"error"'* ]] || status=0
		line=${line#*: }
		echo "${line%, \"id\": 1\}}"
		break
	done 2>/dev/null
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	return $status
}

# Guests change 100 MB all the time: after the first pass QEMU shall stop the guest and send what is left, however slow
# the emulated host is.
MIGRATION='{"max-bandwidth":2000000000,"downtime-limit":500000}'

# migrate SOURCE DESTINATION: the destination waits at its socket already (-incoming).
migrate() {
	qmp "$1" migrate-set-parameters "$MIGRATION" >/dev/null && qmp "$1" migrate "{\"uri\":\"unix:$QEMU_DIR/$2.migration\"}"
}

incoming() { # the option that makes a QEMU wait for a migration
	echo "-incoming unix:$QEMU_DIR/$1.migration"
}

# status_in JSON: its "status", or none.
status_in() {
	if [[ $1 =~ \"status\":\ \"([a-z-]+) ]]; then echo "${BASH_REMATCH[1]}"; else echo none; fi
}

migration_status() {
	status_in "$(qmp "$1" query-migrate)"
}

# True if the migration of NAME came to an end of any kind.
migration_ended() {
	[[ $(migration_status "$1") =~ ^(completed|failed|cancelled)$ ]]
}

run_status() {
	status_in "$(qmp "$1" query-status)"
}

printed_bytes() {
	stat -c %s "$QEMU_DIR/$1.serial"
}

# printed NAME BYTES: true if its guest has printed more than so many bytes.
printed() {
	(($(printed_bytes "$1") > $2))
}

# True if its guest prints on.
prints_on() {
	wait_for 60 printed "$1" "$(printed_bytes "$1")"
}

qemu_end() {
	local name
	for name; do
		kill "${QEMU_PID[$name]}" 2>/dev/null
		wait "${QEMU_PID[$name]}" 2>/dev/null
		unset "QEMU_PID[$name]"
	done
}
