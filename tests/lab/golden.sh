#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The cases that every layer is checked against, as far as a script can make them happen, under a real KVM, module and kcohd; and what
# kcohd recorded of them, for tests/golden (make golden-record). A VM a case, named for it: all of them live until the recording is
# written, so that it has their names. S10 is what a second kcohd records, after the first was killed in mid-epoch.
#
# What this test itself looks at is only that the recordings replay as they went. What each case must come to stands in tests/golden.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

CONFIG="[kcohd]
recordings = $TMP/recordings
[defaults]
strategy = clean"

mkdir "$TMP/recordings"

# hand_over NAME: the recording goes to the host, in lines that its log keeps.
hand_over() {
	local file
	file=$(kcoh record) || give_up "kcoh record"
	wait_for 10 test -s "$file" || give_up "the recording is written"
	check "$1: it replays as it went" kcoh replay "$file"
	printf 'RECORD golden %s kernel %s\n' "$1" "$(uname -r)"
	busybox gzip -9c <"$file" | base64 -w 4000 | sed "s/^/RECORD golden $1 /"
	printf 'RECORD golden %s end\n' "$1"
}

# a_vm NAME OPTIONS -- STEP…
a_vm() {
	local name=$1
	local -a options=()
	shift
	while [[ $1 != -- ]]; do options+=("$1") && shift; done
	vmm_start "$name" puppet "${options[@]}"
	vmm "$name" run "${@:2}"
}

module_load
edu_bind
kcohd_start "$CONFIG"

a_vm s1-boots-off --mem 16M -- wait:0 log-on:0 write:0:0:4 harvest:0 log-off:0
a_vm s2-toggles --mem 16M -- on:0 log-on:0 harvest:0 off:0 write:0:0:4 on:0 harvest:0 log-off:0
a_vm s4-one-off --mem 16M --vcpus 3 -- on:0 cpu-on:0:1 wait:1 log-on:0 on:1 cpu-off:1 asleep:1 harvest:0 log-off:0
a_vm s5-reset --mem 16M --vcpus 2 -- on:0 cpu-on:0:1 wait:1 on:1 cpu-off:1 asleep:1 log-on:0 harvest:0 init:0 on:0 harvest:0 log-off:0
a_vm s6-slots --mem 16M,4M -- on:0 log-on:0 harvest:0 slot-remove:1 slot-add:1 slot-move:1:0x80000000 log-on:1 harvest:0 \
	log-off:1 log-off:0
a_vm s7-set-way --mem 16M -- on:0 log-on:0 set-way:0:3 harvest:0 off:0 on:0 log-off:0
a_vm s8-framebuffer --mem 16M,4M -- on:0 log-on:1 harvest:1 off:0 write:0:0:4 harvest:1 on:0 harvest:1 log-off:1
a_vm s9-device --mem 16M -- on:0 "vfio:$EDU_GROUP" log-on:0 harvest:0 dma-write:0x1000000:4:2 harvest:0 log-off:0
a_vm s11-reboots --mem 16M --vcpus 2 -- on:0 cpu-on:0:1 wait:1 on:1 log-on:0 harvest:0 cpu-off:1 asleep:1 cpu-on:0:1 wait:1 on:1 \
	cpu-off:1 asleep:1 system-reset write:0:0:4 on:0 harvest:0 log-off:0
a_vm s12-again --mem 16M -- on:0 log-on:0 harvest:0 off:0 on:0 log-off:0 log-on:0 harvest:0 log-off:0
a_vm s16-no-migration --mem 16M,4M -- on:0 log-on:1 harvest:1 log-off:1 log-on:0 harvest:0 log-off:0
a_vm s17-tight-loop --mem 16M -- on:0 log-on:0 toggle:0:40 harvest:0 log-off:0
a_vm s10-restart --mem 16M -- on:0 log-on:0 harvest:0
hand_over cases

kill -9 "$KCOHD_PID"
wait "$KCOHD_PID" 2>/dev/null
kcohd_start "$CONFIG"
vmm s10-restart harvest:0 log-off:0 log-on:0 harvest:0 log-off:0
hand_over restart
