#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A host is drained, for each strategy: `kcoh evacuate --host` moves all its VMs to another one (drain-to.sh), with real QEMU on both, and
# guard = enforce. Its VMs, each of which would be a case of its own:
#
#   cached   changes 100 MB all the time, caches on         off      the same with its MMU off, for ever
#   toggle   turns MMU and caches off and on all the time   linux    Linux, which reboots as the evacuation begins
#   device   Linux with a device of the host's, whose writes the SMMU stops. QEMU cannot migrate it, and says so; but something
#            logs its dirty pages (calc-dirty-rate), and what kcoh says of it comes first
#
# At the end each guest runs at exactly one of the two hosts. Run by tests/lab/drain.

#: Usage: drain.sh STRATEGY…
: "${TEST:=drain}" "${LAB_CPU:=neoverse-n1}"
export TEST
cd "$(dirname -- "$0")" || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
source ./lib.sh
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source ./qemu.sh
# shellcheck source-path=SCRIPTDIR source=linux-guest.sh
source ./linux-guest.sh
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

VMS=(device linux toggle off cached) # in this order they are moved

# far COMMAND…: on the other host; prints what it printed there.
far() {
	local line
	echo "$*" >&"$FAR_IN"
	while IFS= read -r -t 120 line <&"$FAR_OUT"; do
		[[ $line != '=== '* ]] || return "${line#=== }"
		printf '%s\n' "$line"
	done
	give_up "the other host does: $*"
}

far_connect() {
	{ modprobe virtio_net && ip addr add 10.0.0.1/24 dev eth0 && ip link set eth0 mtu 32000 up; } || give_up "this host has a network"
	# shellcheck disable=SC2034 # its descriptors are used
	coproc FAR { exec socat -T 3600 - TCP:10.0.0.2:9,retry=60,interval=1; }
	FAR_OUT=${FAR[0]} FAR_IN=${FAR[1]}
	far true
}

id_of() {
	kcoh ps --json | jq -r --arg name "$1" '.vms[] | select(.name == $name) | .id'
}

known() { # known NAME…: kcohd knows all these
	local name
	for name; do
		[[ $(id_of "$name") ]] || return 1
	done
}

# The VM's second place; that of the device would need a second device, and is never asked for.
destination_start() {
	local guest=$1 options=
	# shellcheck disable=SC2016 # the other host expands it
	[[ $guest != linux ]] || options='"${LINUX[@]}"'
	far await "$guest" "$guest" "$options" -incoming "tcp:0.0.0.0:40$(id_of "$guest")" ||
		give_up "a QEMU waits at the other host for $guest"
}

sources_start() {
	local name
	qemu_start device linux "${LINUX[@]}" -device "vfio-pci,host=$EDU_ADDRESS" ||
		give_up "QEMU runs Linux with a device" "$(<"$QEMU_DIR/device.log")"
	qemu_start linux linux "${LINUX[@]}" || give_up "QEMU runs Linux" "$(<"$QEMU_DIR/linux.log")"
	for name in toggle off cached; do
		qemu_start "$name" "$name" || give_up "QEMU runs the guest $name" "$(<"$QEMU_DIR/$name.log")"
	done
	for name in device linux; do
		wait_for 120 linux_booted "$name" 1 || give_up "the guest $name boots" "$(tail "$QEMU_DIR/$name.serial")"
	done
	for name in toggle off cached; do
		wait_for 60 printed "$name" 2 || give_up "the guest $name prints"
	done
	wait_for 30 known "${VMS[@]}" || give_up "kcohd knows all VMs" "$(kcoh ps)"
}

device_faults() {
	(($(kcoh ps --json | jq '[.vms[] | select(.name == "device") | .devices[]?.smmu_events] | add // 0') > 0))
}

# one_place NAME: says where the guest runs: source, destination, or what else is the case.
one_place() {
	local here there=none
	here=$(run_status "$1")
	[[ $1 == device ]] || there=$(far run_status "$1")
	case $here/$there in
	running/none | running/inmigrate)
		if prints_on "$1"; then echo source; else echo "source, and stands still"; fi ;;
	postmigrate/running)
		if far prints_on "$1"; then echo destination; else echo "destination, and stands still"; fi ;;
	*) echo "$here/$there" ;;
	esac
}

result_of() { # result_of NAME: STATE/CAUSE/REASON of its evacuation
	jq -r --arg name "$1" '.evacuations[] | select(.name == $name) | "\(.state)/\(.cause)/\(.reason)"' "$TMP/result"
}

# The table is for a person; what the test looks at kcohd still knows afterwards.
evacuate() {
	kcoh evacuate --host --to 'tcp:10.0.0.2:40%i' --timeout 90 >"$TMP/table" 2>&1
	status=$?
	sed -n '/^NAME/,$p' "$TMP/table" | sed "s/^/NOTE $TEST: $strategy: /"
	curl -s --unix-socket /run/kcoh/kcohd.sock http://kcoh/v1/evacuations >"$TMP/result"
}

# expected STRATEGY NAME: its place and its evacuation's STATE/CAUSE/REASON, as a pattern. Where a window decides that is open at times, so
# that it may go either way, that is one too.
expected() {
	case $1/$2 in
	observe/device) echo 'source (failed|refused)/qemu/' ;;
	*/device) echo 'source refused/verdict/device' ;;
	*/cached | observe/* | clean/* | clean-tainted/* | hold/*) echo 'destination completed/none/' ;;
	*/off) echo 'source refused/(verdict|time)/mmu-off' ;; # time: retry waits, for ever if it must
	*) echo 'destination completed/none/|source (refused|cancelled)/(verdict|time)/' ;;
	esac
}

drain() {
	local strategy=$1 name status seen
	kcohd_start "[defaults]
guard = enforce
strategy = $strategy
hold_deadline_ms = 2000
defer_deadline_ms = 8000
[vm *]
qmp = $QEMU_DIR/%n.kcoh.qmp"
	sources_start
	for name in "${VMS[@]:1}"; do
		destination_start "$name"
		qmp "$name" migrate-set-parameters "$MIGRATION" >/dev/null
	done
	qmp device calc-dirty-rate '{"calc-time":60,"mode":"dirty-bitmap"}' >/dev/null || give_up "QEMU logs the dirty pages of device"
	linux_tell device dma
	wait_for 30 device_faults || give_up "the SMMU stops a write of the device" "$(tail -n 5 "$QEMU_DIR/device.serial")" "$(kcoh ps)"
	linux_tell linux reboot
	kcoh ps | sed "s/^/NOTE $TEST: $strategy: /"
	evacuate
	printf 'NOTE %s: %s: exit status %s\n' "$TEST" "$strategy" "$status"
	for name in "${VMS[@]}"; do
		seen="$(one_place "$name") $(result_of "$name")"
		if [[ $seen =~ ^($(expected "$strategy" "$name")) ]]; then
			pass "$strategy: $name runs at one place: $seen"
		else
			fail "$strategy: $name runs at one place" "expected:" "$(expected "$strategy" "$name")" "seen:" "$seen" \
				"$(tail -n 5 "$QEMU_DIR/$name.log")"
		fi
	done
	kcohd_stop
	qemu_end "${!QEMU_PID[@]}"
	far await_end
}

far_connect
linux_make
edu_bind
module_load
for strategy; do
	drain "$strategy"
done
