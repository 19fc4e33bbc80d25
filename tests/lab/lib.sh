# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every lab test shares. A test is a script that runs inside the lab as root, sources this and reports each thing
# it found out on one line:
#
#   PASS edges: 4 edges inside the epoch, as the guest made them
#
# Nothing sleeps to be synchronised: `wait_for` polls a condition until a deadline, and a VM of the test VMM does one
# step and answers (tests/lab/vmm). Whatever a test leaves behind (VMs, kcohd, the module, trace settings) is taken away when
# it ends. TEST, LAB_KERNEL and LAB_CPU come from inside.sh.

set -uo pipefail

TRACEFS=/sys/kernel/tracing
LAB=/usr/lib/kcoh/lab
GUESTS=/usr/lib/kcoh/guests
TMP=$(mktemp -d "/tmp/${TEST:?}.XXXXXX")
declare -A VMM_IN=() VMM_OUT=() VMM_PID=()
KCOHD_PID='' TRACE_PID='' OWNER_PID=''
KCOHD_WAIT=90 # seconds until it answers: the kernel checks its programs on an emulated CPU
STEP_WAIT=60 # seconds that a step of a VM may take
[[ ${LAB_KERNEL:-} != debug ]] || KCOHD_WAIT=120 STEP_WAIT=240 # KASAN makes the verifier and everything slow

pass() {
	printf 'PASS %s: %s\n' "$TEST" "$1"
}

# fail NAME [DETAIL…]: details are indented under it.
fail() {
	printf 'FAIL %s: %s\n' "$TEST" "$1"
	shift
	(($# == 0)) || printf '%s\n' "$@" | sed 's/^/     | /'
}

skip() {
	printf 'SKIP %s: %s\n' "$TEST" "$1"
}

# check NAME COMMAND…: PASS if it succeeds, else FAIL with its output.
check() {
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then pass "$name"; else fail "$name" "$* gave status $?" "$out"; fi
}

# same NAME EXPECTED SEEN
same() {
	if [[ $2 == "$3" ]]; then
		pass "$1"
	else
		fail "$1" "expected:" "$2" "seen:" "$3"
	fi
}

# give_up WHAT: the rest of the test makes no sense.
give_up() {
	fail "$@"
	exit 1
}

# wait_for SECONDS COMMAND…: until it succeeds; status 1 if it did not in time.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		((SECONDS < deadline)) || return 1
		sleep 0.1
	done
}

s2fwb() {
	[[ $LAB_CPU == max ]]
}

# --- the module -------------------------------------------------------------------------------------------------

# With a CPU that has S2FWB the trap is set on request only.
module_load() {
	local params=()
	! s2fwb || params=(observe=1)
	modprobe kcoh "${params[@]}" || give_up "modprobe kcoh"
}

module_loaded() {
	[[ -d /sys/module/kcoh ]]
}

stat_of() { # stat_of COUNTER
	"$LAB/kcoh-dev" stats | jq -r ".$1"
}

stat_is() { # stat_is COUNTER VALUE: for wait_for, which polls a command, not a value
	[[ $(stat_of "$1") == "$2" ]]
}

# --- the kernel's tracepoints -----------------------------------------------------------------------------------

trace_on() { # trace_on SYSTEM/EVENT…
	local event
	for event in "$@"; do
		echo 1 >"$TRACEFS/events/$event/enable" || give_up "this kernel has no tracepoint $event"
	done
}

trace_clear() {
	echo >"$TRACEFS/trace"
}

# trace_lines EVENT: what was traced of it, without the columns before.
trace_lines() {
	sed -n "s/.*: $1: //p" "$TRACEFS/trace"
}

trace_count() { # trace_count EVENT [PATTERN]
	trace_lines "$1" | grep -c -e "${2:-}"
}

# Edges that the module saw, one a line: vcpu was now pc sctlr, of one VM's pid.
trace_edges() {
	trace_lines kcoh_toggle | sed -nE \
		"s/^vm=$1 vcpu=([0-9]+) pc=(0x[0-9a-f]+) sctlr=(0x[0-9a-f]+) ([a-z]+)->([a-z]+)\$/\1 \4 \5 \2 \3/p"
}

# --- VMs of the test VMM ----------------------------------------------------------------------------------------

# vmm_start NAME GUEST [OPTION…]: a VM that waits for steps.
vmm_start() {
	local name=$1 guest=$2 fd
	shift 2
	mkfifo "$TMP/$name.in" "$TMP/$name.out"
	: >"$TMP/$name.log"
	"$LAB/kcoh-vmm" -name "$name" --guest "$GUESTS/$guest.bin" "$@" \
		<"$TMP/$name.in" >"$TMP/$name.out" 2>"$TMP/$name.err" &
	VMM_PID[$name]=$!
	exec {fd}>"$TMP/$name.in"
	VMM_IN[$name]=$fd
	exec {fd}<"$TMP/$name.out"
	VMM_OUT[$name]=$fd
}

# vmm NAME STEP…: returns when the last one is done. A step that fails ends the test.
vmm() {
	local name=$1 step
	shift
	for step in "$@"; do
		vmm_order "$name" "$step"
		vmm_answers "$name" "$STEP_WAIT" || give_up "VM $name does step $step" "${VMM_LINE-}" "$(<"$TMP/$name.err")"
	done
}

# The two halves of it: vmm_order NAME STEP; vmm_answers NAME SECONDS: true if that step went well within the time.
vmm_order() {
	echo "$2" >&"${VMM_IN[$1]}"
}

vmm_answers() {
	VMM_LINE=''
	while read -r -t "$2" VMM_LINE <&"${VMM_OUT[$1]}"; do
		printf '%s\n' "$VMM_LINE" >>"$TMP/$1.log"
		[[ $VMM_LINE != '{"step":'* ]] || break
	done
	[[ $VMM_LINE == *'"ok":true'* ]]
}

# What the last step of a VM gave: vmm_figure NAME FIGURE
vmm_figure() {
	tail -n 1 "$TMP/$1.log" | jq -r ".$2"
}

# Edges that a VM's guest made since its log was last cleared, one a line: vcpu was now pc sctlr.
vmm_edges() {
	jq -r 'select(.edge) | .edge | "\(.vcpu) \(.was) \(.now) \(.pc) \(.sctlr)"' "$TMP/$1.log"
}

vmm_clear() {
	: >"$TMP/$1.log"
}

vmm_end() {
	local name=$1 fd
	vmm "$name" quit
	wait "${VMM_PID[$name]}"
	fd=${VMM_IN[$name]}
	exec {fd}>&-
	fd=${VMM_OUT[$name]}
	exec {fd}<&-
	unset "VMM_PID[$name]"
	rm -f "$TMP/$name.in" "$TMP/$name.out"
}

# --- the device `edu` -------------------------------------------------------------------------------------------

# edu_bind: hands QEMU's edu to vfio-pci; sets EDU_ADDRESS (0000:00:01.0) and EDU_GROUP.
# shellcheck disable=SC2034 # tests use them
edu_bind() {
	local device
	modprobe vfio-pci || give_up "modprobe vfio-pci"
	for device in /sys/bus/pci/devices/*; do
		[[ "$(<"$device/vendor")$(<"$device/device")" == 0x12340x11e8 ]] || continue
		echo vfio-pci >"$device/driver_override"
		EDU_ADDRESS=${device##*/}
		echo "$EDU_ADDRESS" >/sys/bus/pci/drivers_probe
		EDU_GROUP=$(basename "$(readlink "$device/iommu_group")")
		return
	done
	give_up "the lab has an edu device (scripts/lab --device edu)"
}

# --- a VM's file ------------------------------------------------------------------------------------------------

# owner_start PID ACT…: kcoh-vmfile keeps the file open and waits at each act `pause` for owner_goes_on.
owner_start() {
	rm -f "$TMP/owner.in"
	mkfifo "$TMP/owner.in"
	"$LAB/kcoh-vmfile" "$@" <"$TMP/owner.in" >"$TMP/owner.out" 2>&1 &
	OWNER_PID=$!
	exec {OWNER_IN}>"$TMP/owner.in"
	owner_waits 1
}

# The owner has come to its Nth pause.
owner_waits() {
	wait_for 20 owner_paused "$1" || give_up "the VM's owner comes to pause $1" "$(<"$TMP/owner.out")"
}

owner_paused() {
	(($(grep -c '^paused' "$TMP/owner.out") >= $1))
}

owner_goes_on() {
	echo >&"$OWNER_IN"
}

owner_end() { # by kill -9: its file is closed, whatever it was doing
	kill -9 "$OWNER_PID" 2>/dev/null
	wait "$OWNER_PID" 2>/dev/null
	exec {OWNER_IN}>&-
	OWNER_PID=''
}

# --- kcohd ------------------------------------------------------------------------------------------------------

# kcohd_start CONFIG-TEXT [OPTION…]: returns when it answers.
kcohd_start() {
	printf '%s\n' "$1" >"$TMP/kcoh.conf"
	command -v kcohd kcoh >/dev/null || give_up "kcohd and kcoh are in the lab"
	kcohd --config "$TMP/kcoh.conf" "${@:2}" >"$TMP/kcohd.log" 2>&1 &
	KCOHD_PID=$!
	wait_for "$KCOHD_WAIT" kcoh ps || give_up "kcohd answers within $KCOHD_WAIT s" "$(<"$TMP/kcohd.log")"
}

kcohd_stop() {
	[[ -n $KCOHD_PID ]] || return 0
	kill -CONT "$KCOHD_PID" 2>/dev/null # if a test stopped it and gave up
	kill "$KCOHD_PID" 2>/dev/null
	wait "$KCOHD_PID" 2>/dev/null
	KCOHD_PID=''
}

# What kcohd says of the VM `vm` now: VERDICT/REASON.
verdict() {
	kcoh check --vm vm --json | jq -r '"\(.verdict)/\(.reason)"'
}

verdict_is() {
	[[ $(verdict) == "$1" ]]
}

becomes() { # becomes NAME VERDICT/REASON, of the VM `vm`
	if wait_for 10 verdict_is "$2"; then pass "$1"; else same "$1" "$2" "$(verdict)"; fi
}

# feed_gaps FILE: how many records were lost, as those after them in kcoh-feed's output say.
feed_gaps() {
	awk -F '[= ]' '/^gap=/ { sum += $2 } END { print sum + 0 }' "$1"
}

# trace_start VM: `kcoh trace --vm VM --json` into $TMP/trace, with what kcohd saw before.
trace_start() {
	kcoh trace --vm "$1" --json --since 0 >"$TMP/trace" 2>"$TMP/trace.err" &
	TRACE_PID=$!
}

# traces FILE JQ-CONDITION: true if the trace has such an event.
traces() {
	jq -e -n "first(inputs | select($2)) // empty" "$1"
}

# What kcohd told goes to the host, which holds it against docs/events.schema.json.
events_hand_over() {
	cat "$TMP"/*trace* 2>/dev/null | grep -a '^{"seq".*}$' | sort -u | head -n 2000 | sed 's/^/EVENT /'
}

finish() {
	local name
	events_hand_over
	[[ -z $TRACE_PID ]] || kill "$TRACE_PID" 2>/dev/null
	[[ -z $OWNER_PID ]] || kill -9 "$OWNER_PID" 2>/dev/null
	for name in "${!VMM_PID[@]}"; do
		kill "${VMM_PID[$name]}" 2>/dev/null
	done
	kcohd_stop
	# shellcheck disable=SC2046 # a number each
	kill $(jobs -p) 2>/dev/null
	wait 2>/dev/null
	echo 0 >"$TRACEFS/events/enable"
	trace_clear
	! module_loaded || rmmod kcoh || fail "rmmod kcoh at the end"
	rm -rf "$TMP"
}
trap finish EXIT
