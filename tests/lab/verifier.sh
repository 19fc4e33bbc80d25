#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What each BPF program costs the kernel's verifier, against tests/lab/verifier.txt: a program that has become much harder to
# prove (twice as many instructions gone through, and 1000 more) may be refused by the next kernel, and is a FAIL; any other
# change is shown. tests/lab/verifier-record takes what the labs said last into that file.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

LIMIT=500000 # the kernel's is a million

"$LAB/kcoh-feed" --no-scan >"$TMP/feed" 2>&1 &
wait_for 60 grep -q '^feed ready' "$TMP/feed" || give_up "the feed starts" "$(<"$TMP/feed")"
kill $!
wait $!

# program verified, one a line
sed -nE 's/^feed program ([a-z_0-9]+): [0-9]+ instructions, ([0-9]+) verified$/\1 \2/p' "$TMP/feed" | sort -u >"$TMP/now"
sed "s|^|RECORD $LAB_KERNEL |" "$TMP/now"
column=$(head -n 1 verifier.txt | tr -s ' ' '\n' | grep -nxF "$LAB_KERNEL" | cut -d: -f1)
awk -v column="${column:-0}" 'NR > 1 && column && $column != "-" { print $1, $column }' verifier.txt | sort >"$TMP/then"

count=$(wc -l <"$TMP/now")
if ((count > 10)); then pass "$count programs are accepted"; else fail "programs are accepted" "$(<"$TMP/feed")"; fi
most=$(sort -k2nr "$TMP/now" | head -n 1)
if ((${most#* } < LIMIT)); then pass "the hardest is ${most% *}: ${most#* } instructions"; else fail "${most% *} is too hard: ${most#* }"; fi
if [[ -z $column ]]; then
	pass "there is no record for $LAB_KERNEL to compare with"
	exit
fi
join "$TMP/then" "$TMP/now" | awk '$3 > 2 * $2 && $3 > $2 + 1000 { print $1 ": " $2 " -> " $3 }' >"$TMP/worse"
same "none has become much harder" '' "$(<"$TMP/worse")"
changes=$(join -a 1 -a 2 -e - -o 0,1.2,2.2 "$TMP/then" "$TMP/now" | awk '$2 != $3 { printf "%s%s %s -> %s", n++ ? ", " : "", $1, $2, $3 }')
pass "against tests/lab/verifier.txt: ${changes:-no change}"
