#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Inside the lab: runs a test with each mutant of the module loaded in place of the real one. inside.sh PLAN; a line of
# it is MUTANT TEST [ARGUMENT…].

export LAB_CPU=neoverse-n1
release=$(uname -r)
cd "$(dirname -- "$0")/.." || exit 2
while read -r mutant name arguments; do
	echo "=== $mutant"
	# The file is in the initramfs, which is RAM: the real module comes back by a copy.
	real=$(modinfo -n kcoh)
	cp "$real" /tmp/real.ko
	cp "/usr/lib/kcoh/mutants/$mutant/$release/kcoh.ko" "$real"
	mkdir -p "/usr/lib/kcoh/lab/fail/$release"
	cp "$real" "/usr/lib/kcoh/lab/fail/$release/kcoh.ko"
	# shellcheck disable=SC2086 # words
	TEST=$name timeout -k 10 200 bash "./$name.sh" $arguments </dev/null 2>&1
	cp /tmp/real.ko "$real"
done <"$1"
