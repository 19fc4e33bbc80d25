#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# What tests/bench/run runs in the lab: all measurements, each a line of JSON with its tool, its round and where it was
# taken. Nothing is judged here.
#
#   {"tool":"module","round":1,"at":"outside","kind":"hvc","times":50000,"mean":1553.4,"median":1545,…}
#   {"tool":"clean","round":1,"pages":8192,"calls":128,"ticks":6615688,"cleaning":5129344}
#
# Tools take turns within a round, so that whatever else changes as the machine grows older does so for all of them. A
# tool that counts is asked what it counted: one that counts nothing costs nothing, and must not pass for cheap.

TEST=bench LAB_KERNEL=$1 LAB_CPU=$2
shift 2
export TEST LAB_KERNEL LAB_CPU
# shellcheck source-path=SCRIPTDIR source=../lab/lib.sh
source "$(dirname -- "$0")/../lab/lib.sh"

BENCH=$LAB/kcoh-bench
WARM_UPS=2
TOOLS='none module bare kcohd'
times=50000 warm_times=5000 rounds=5 pages='1024 4096'

while (($#)); do
	case $1 in
	--times) times=$2 ;;
	--rounds) rounds=$2 ;;
	--tools) TOOLS=$2 ;;
	*) give_up "unknown option $1" ;;
	esac
	shift 2
done

# --- tools --------------------------------------------------------------------------------------------------------

tool_start() {
	case $1 in
	none) ;;
	module)
		module_load
		echo 1000000000 >/sys/module/kcoh/parameters/trap_budget # writes a second: counted, and never too many
		;;
	bare)
		mkfifo "$TMP/bare.in" "$TMP/bare.out"
		"$LAB/kcoh-bare" <"$TMP/bare.in" >"$TMP/bare.out" &
		bare=$!
		exec {bare_in}>"$TMP/bare.in" {bare_out}<"$TMP/bare.out"
		read -r before <&"$bare_out" || give_up "the bare counter is attached"
		;;
	kcohd) kcohd_start '' ;;
	bpftrace)
		# its probes are attached in this order: when the second one speaks the first one counts
		bpftrace -e 'tracepoint:kvm:kvm_exit { @[pid] = count(); } interval:s:1 { printf("counts\n"); }' >"$TMP/bpftrace" 2>&1 &
		tracer=$!
		wait_for 120 grep -q '^counts' "$TMP/bpftrace" || give_up "bpftrace attaches" "$(<"$TMP/bpftrace")"
		;;
	perf)
		perf kvm stat record -a -o "$TMP/perf.data" >"$TMP/perf" 2>&1 &
		tracer=$!
		wait_for 60 test -s "$TMP/perf.data" || give_up "perf records" "$(<"$TMP/perf")"
		sleep 2 # from its file's header to its first record
		;;
	kcohd+times) kcohd_start '[kcohd]
exit_times = yes' ;;
	module+kcohd) module_load && kcohd_start '' ;;
	*) give_up "there is no tool $1" ;;
	esac
}

tool_stop() {
	case $1 in
	bare)
		exec {bare_in}>&- {bare_out}<&-
		wait "$bare"
		rm "$TMP"/bare.*
		;;
	bpftrace | perf)
		kill -INT "$tracer"
		wait "$tracer"
		tracer_counted "$1" || give_up "$1 counts the exits" "$(tail -n 20 "$TMP/$1")"
		rm -f "$TMP"/perf* "$TMP"/bpftrace*
		;;
	*kcohd*) kcohd_stop ;;&
	*module*) rmmod kcoh ;;
	esac
}

# tool_counted TOOL: sets counted to the hvc exits that it saw; `bare` knows no kinds, and gives all since it was asked last.
tool_counted() {
	local now
	case $1 in
	bare)
		echo >&"$bare_in"
		read -r now <&"$bare_out"
		counted=$((now - before)) before=$now
		;;
	*kcohd*) counted=$(kcoh ps --json | jq '.vms[0].exits.classes.HVC64') ;;
	esac
}

# True if a tracer that is asked at its end has seen as many exits of some VM as there were, and lost none.
tracer_counted() {
	local most
	if [[ $1 == perf ]]; then
		perf kvm -i "$TMP/perf.data" stat report >"$TMP/perf" 2>&1
		! grep -qi 'lost' "$TMP/perf" || return 1
		most=$(sed -n 's/^ *HVC64  *\([0-9]*\) .*/\1/p' "$TMP/perf")
	else
		! grep -qi 'lost' "$TMP/bpftrace" || return 1
		most=$(sed -n 's/^@\[[0-9]*\]: //p' "$TMP/bpftrace" | sort -n | tail -n 1)
	fi
	((most >= times + WARM_UPS * warm_times))
}

# True if that many hvc exits are what the tool counted; `bare` sees some others, too.
counted_right() {
	case $1 in
	bare) ((counted >= $2 && counted < $2 + $2 / 10)) ;;
	*kcohd*) ((counted == $2)) ;;
	esac
}

# --- exits --------------------------------------------------------------------------------------------------------

# exits TOOL ROUND AT KIND [OPTION…]: the VM stays until it was counted.
exits() {
	local tool=$1 round=$2 at=$3 kind=$4 line in counted expected=$((times + WARM_UPS * warm_times))
	shift 4
	[[ $tool != bare ]] || tool_counted bare
	coproc RIG { exec "$BENCH" exits --kind "$kind" --times "$times" --warm-ups $WARM_UPS --warm-times $warm_times --stay "$@"; }
	in=${RIG[1]}
	read -r line <&"${RIG[0]}" || give_up "$tool, $at, $kind: nothing was measured"
	if [[ $kind == hvc && $tool =~ bare|kcohd ]]; then
		tool_counted "$tool"
		counted_right "$tool" $expected || give_up "$tool counts the exits" "there were $expected, it counted $counted"
	fi
	exec {in}>&-
	wait "$RIG_PID"
	printf '{"tool":"%s","round":%d,"at":"%s",%s\n' "$tool" "$round" "$at" "${line#\{}"
}

# --- harvests -----------------------------------------------------------------------------------------------------

# harvest STRATEGY ROUND PAGES: none, or the module that observes or cleans, with what its tracepoint says of the cleaning itself.
harvest() {
	local strategy=$1 line cleaning=0 options=(--pages "$3" --warm-ups "$WARM_UPS")
	if [[ $strategy != none ]]; then
		options+=(--strategy "$strategy")
		trace_on kcoh/kcoh_harvest
	fi
	line=$("$BENCH" harvest "${options[@]}") || give_up "a harvest is measured"
	if [[ $strategy == clean ]]; then
		cleaning=$(trace_lines kcoh_harvest | sed -n "s/.* protected=$3 cleaned=$3 .* ns=//p" | tail -n 1)
		[[ $cleaning ]] || give_up "the module's tracepoint tells of $3 pages" "$(trace_lines kcoh_harvest)"
		echo 0 >"$TRACEFS/events/enable"
		trace_clear
	fi
	printf '{"tool":"%s","round":%d,"cleaning":%d,%s\n' "$strategy" "$2" "$cleaning" "${line#\{}"
}

harvests() { # harvests ROUND
	local n
	for n in $pages; do harvest none "$1" "$n"; done
	module_load
	for n in $pages; do harvest observe "$1" "$n"; done
	for n in $pages; do harvest clean "$1" "$n"; done
	rmmod kcoh
}

# ------------------------------------------------------------------------------------------------------------------

"$BENCH" entropy || give_up "the random generator is fed"
echo never >/sys/kernel/mm/transparent_hugepage/enabled
sleep 3 # until what starts with the machine is done
for ((round = 1; round <= rounds; round++)); do
	for tool in $TOOLS; do
		tool_start "$tool"
		exits "$tool" $round outside hvc
		[[ $tool == perf ]] || exits "$tool" $round outside mmio
		if [[ $tool == none || $tool == module ]]; then
			exits "$tool" $round outside ttbr0
			exits "$tool" $round epoch ttbr0 --epoch
			exits "$tool" $round epoch hvc --epoch
		fi
		tool_stop "$tool"
	done
	exits none $round caches-off ttbr0 --caches-off
	harvests $round
done
