#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The adversarial cache: real KVM guests are migrated by pre-copy under the worst cache that the architecture allows, with
# every kind of dirty log, and compared byte for byte with what arrived (tests/lab/adversary). For each guest and mode
# two things are shown: under `observe` the destination is corrupted, under `clean` it is not. The guest `cached` is the
# control: it arrives unharmed without cleaning, so what harms the others is the cache.
#
# Then the same guests under `clean-tainted`: right for all but the one that maps its RAM Non-cacheable, which no trap shows
# (P7n), and for the guest that stays cached most pages are left alone.
#
# `make check` runs one seed on 6.1, `make check-matrix` 20 there and 5 elsewhere (20 take half an hour on two idle cores).
# By hand, as many as one likes:
#
#   $ make guests kmod && tests/lab/run --matrix --kernel 6.12 --cpu neoverse-n1 --only adversary --seeds 40
#
# One run by hand: /usr/lib/kcoh/lab/kcoh-adversary --scenario toggle --mode auto --strategy clean --seed 7

#: Usage: adversary.sh [--seeds N] [--from SEED] [--guests 'G…'] [--modes 'M…']     (KCOH_SEEDS: the default of N)

: "${TEST:=adversary}" "${LAB_CPU:=neoverse-n1}"
export TEST
cd "$(dirname -- "$0")" || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
source ./lib.sh

ADVERSARY=$LAB/kcoh-adversary
seeds=${KCOH_SEEDS:-1} from=1 guests='' modes=''
while (($#)); do
	case $1 in
	--seeds) seeds=$2 ;;
	--from) from=$2 ;;
	--guests) guests=$2 ;;
	--modes) modes=$2 ;;
	*) sed -n 's/^#: //p' "$0" >&2 && exit 2 ;;
	esac
	shift 2
done

figure() { # figure NAME: of the last run
	[[ $json =~ \"$1\":([0-9]+) ]] && echo "${BASH_REMATCH[1]}"
}

# run GUEST MODE STRATEGY SEED: sets status. A host that is too busy to arm its vCPUs in 100 ms does not watch that epoch, and
# clean-tainted cleans all of it: right, but it shows nothing, so it is run once more, and again.
run() {
	local attempt
	for attempt in 1 2 3; do
		"$ADVERSARY" --scenario "$1" --mode "$2" --strategy "$3" --seed "$4" >"$TMP/out" 2>"$TMP/err"
		status=$?
		grep -q 'no page was left alone' "$TMP/out" || return
		printf '     | %s × %s, %s, seed %d, attempt %d: no page was left alone\n' "$1" "$2" "$3" "$4" "$attempt"
	done
}

# try GUEST MODE STRATEGY STATUS: all seeds; each must give that status. Sets least and most (bytes corrupted of a seed), mb,
# harvests; or says what went wrong.
try() {
	local guest=$1 mode=$2 strategy=$3 expected=$4 seed status wrong
	least=-1 most=0 mb=0 harvests=0
	for ((seed = from; seed < from + seeds; seed++)); do
		run "$guest" "$mode" "$strategy" "$seed"
		if ((status != expected)); then
			fail "$guest × $mode, $strategy, seed $seed" "status $status, expected $expected" \
				"$(tail -n 1 "$TMP/out")" "$(<"$TMP/err")" \
				"again: kcoh-adversary --scenario $guest --mode $mode --strategy $strategy --seed $seed"
			return 1
		fi
		read -r json <"$TMP/out"
		wrong=$(figure corrupted_bytes)
		((least >= 0 && least <= wrong)) || least=$wrong
		((most >= wrong)) || most=$wrong
		mb=$((mb + $(figure bytes_compared) / 1048576))
		harvests=$((harvests + $(figure harvests)))
	done
}

# row GUEST MODE
row() {
	local corrupted
	if [[ $1 == cached ]]; then
		try "$1" "$2" observe 0 && pass "$1 × $2: arrives unharmed without cleaning ($seeds seeds, $mb MB compared)"
		return
	fi
	try "$1" "$2" observe 10 || return
	corrupted=$least
	((least == most)) || corrupted+=" to $most"
	try "$1" "$2" clean 0 || return
	pass "$1 × $2: observe corrupts ($corrupted bytes), clean does not ($seeds seeds, $mb MB compared, $harvests harvests)"
}

# Under clean-tainted, a guest that it does not cover: harm is a matter of luck, but of so many runs it comes in one.
row_uncovered() { # row_uncovered GUEST MODE
	local tries=$((seeds > 5 ? seeds : 5)) seed harmed=0 status
	for ((seed = from; seed < from + tries && !harmed; seed++)); do
		run "$1" "$2" clean-tainted "$seed"
		case $status in
		0) ;;
		10) read -r json <"$TMP/out" && harmed=$(figure corrupted_bytes) ;;
		*) fail "$1 × $2, clean-tainted, seed $seed" "$(<"$TMP/err")" && return ;;
		esac
	done
	if ((harmed)); then
		pass "$1 × $2: clean-tainted does not cover it, as documented ($harmed bytes wrong at seed $((seed - 1)))"
	else
		fail "$1 × $2: clean-tainted does not cover it, as documented" "but none of $tries seeds was harmed"
	fi
}

# Under clean-tainted: row_tainted GUEST MODE
row_tainted() {
	case $1 in
	cached) try "$1" "$2" clean-tainted 0 &&
		pass "$1 × $2: clean-tainted leaves $(figure pages_untainted) pages alone, and is right ($seeds seeds)" ;;
	nc) row_uncovered "$1" "$2" ;;
	*) try "$1" "$2" clean-tainted 0 && pass "$1 × $2: clean-tainted does not corrupt ($seeds seeds, $mb MB compared)" ;;
	esac
}

modprobe kcoh || give_up "modprobe kcoh"
if s2fwb; then
	same "with S2FWB there is nothing to prove, and it says so" "this host has S2FWB: no guest can go around its caches 3" \
		"$("$ADVERSARY" --scenario off --mode auto) $?"
	exit
fi
echo 8 >/proc/sys/vm/nr_hugepages
list=$("$ADVERSARY" --list) || give_up "kcoh-adversary says what there is"
read -r -a guests <<<"${guests:-$(head -n 1 <<<"$list")}"
read -r -a modes <<<"${modes:-$(tail -n 1 <<<"$list")}"
[[ " ${modes[*]} " == *' ring '* ]] || skip "ring: this kernel's KVM has no dirty ring"
for guest in "${guests[@]}"; do
	for mode in "${modes[@]}"; do
		row "$guest" "$mode"
	done
done
for guest in "${guests[@]}"; do
	[[ " ${modes[*]} " != *' manual-init '* ]] || row_tainted "$guest" manual-init
done
