#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs tests one after the other inside the lab: inside.sh KERNEL CPU TEST:SECONDS…
#
# Each test is a script of this directory in a process of its own. One that is over its time is ended, after it was said what all processes wait
# for; one that says nothing has failed, and so has one that makes the kernel complain. A line `DONE test seconds` follows each, so that the
# host notices tests that never came to run.

export LAB_KERNEL=$1 LAB_CPU=$2
shift 2
cd "$(dirname -- "$0")" || exit 2
# shellcheck source-path=SCRIPTDIR source=../../scripts/lib/splat.bash
source ../../scripts/lib/splat.bash

run_test() { # run_test TEST SECONDS
	local status=0 log=/tmp/report.$1 before now watch start=$SECONDS
	before=$(dmesg | wc -l)
	(sleep $(($2 - 5)) &>/dev/null && ps --ppid 2 -p 2 --deselect -o pid,ppid,stat,wchan:24,args | sed 's/^/     | /') & watch=$!
	TEST=$1 timeout -k 10 "$2" bash "./$1.sh" 2>&1 | tee "$log"
	status=${PIPESTATUS[0]}
	kill $watch 2>/dev/null
	((status != 124)) || echo "FAIL $1: not done after $2 s" | tee -a "$log"
	((status == 124)) || grep -qE '^(PASS|FAIL|SKIP) ' "$log" || echo "FAIL $1: reported nothing (status $status)"
	((status <= 1 || status == 124)) || echo "FAIL $1: ended with status $status"
	now=$(dmesg | tail -n +$((before + 1)) | splats -) && printf 'FAIL %s: the kernel complained\n%s\n' "$1" "$now"
	echo "DONE $1 $((SECONDS - start))"
}

for arg; do
	run_test "${arg%:*}" "${arg#*:}"
done
