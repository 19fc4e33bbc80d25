#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The last resort: the kernel refuses what the thread that migrates a VM sends, and nothing else of that process. The VM is one of
# kcoh-sender, which does what QEMU does in a migration, and in other cases something that is none, or may be none: then every send
# goes through, and kcohd says why. Where the kernel cannot do it (6.1) that is said, and nothing is refused either.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

policy() { # policy LAST_RESORT
	printf '%s\n' '[defaults]' 'strategy = veto' 'guard = enforce' "last_resort = $1"
}

# sender LINE…: has kcoh-sender do that; its last answer is in $ANSWER.
sender() {
	local line
	for line; do
		echo "$line" >&"$SENDER_IN"
		IFS= read -r -t 30 ANSWER <&"$SENDER_OUT" || give_up "kcoh-sender does '$line'" "$(<"$TMP/sender.err")"
	done
}

sender_start() {
	coproc SENDER { exec "$LAB/kcoh-sender" -name vm 2>"$TMP/sender.err"; }
	SENDER_IN=${SENDER[1]} SENDER_OUT=${SENDER[0]} SENDER_KEEP=$!
	IFS= read -r -t 30 ANSWER <&"$SENDER_OUT" || give_up "kcoh-sender starts" "$(<"$TMP/sender.err")"
}

sender_end() {
	kill "$SENDER_KEEP"
	wait "$SENDER_KEEP" 2>/dev/null
	return 0
}

# The sentences of such events of the VM so far, one a line: no jq, which takes its time on an emulated CPU.
acts() { # acts ACT OUTCOME
	sed -nE "s/.*\"act\":\"$1\",\"outcome\":\"$2\".*\"sentence\":\"([^\"]*)\".*/\1/p" "$TMP/trace"
}

acts_are() { # acts_are ACT OUTCOME COUNT
	(($(grep -c "\"act\":\"$1\",\"outcome\":\"$2\"" "$TMP/trace") == $3))
}

is_guarded() {
	bpftool -j map dump name kcoh_guarded | jq -e --argjson pid "$SENDER_KEEP" 'any(.[]; .formatted.key == $pid)'
}

hook() { # what kcoh doctor says of it
	kcoh doctor | sed -n 's/^hook *socket_sendmsg: //p'
}

# attempt CASE: one from its beginning to its end, when what came of it was told.
CASES=0
attempt() {
	((++CASES))
	sender "begin $1"
	wait_for 20 acts_are refuse started "$CASES" || give_up "$1: kcohd has its stream refused" "$(tail -n 3 "$TMP/trace")" "$(<"$TMP/kcohd.log")"
	sender send
	wait_for 20 acts_are admit "done" "$CASES" || give_up "$1: its end is told" "$(tail -n 3 "$TMP/trace")"
}

field() { # of the last answer
	[[ ! $ANSWER =~ \"$1\":\"([^\"]*)\" ]] || echo "${BASH_REMATCH[1]}"
}

ALL_STREAM='1000 sent, 0 refused, 0 failed'

# passes CASE SENTENCE: nothing of it is refused, and this is why.
passes() {
	attempt "$1"
	same "$1: every send goes through" "$ALL_STREAM" "$(field stream)"
	same "$1: and the reason is told" 1 "$(acts refuse failed | tail -n 1 | grep -cF "not refused: $2")"
	same "$1: nothing else was refused" '11 sent, 0 refused, 0 failed, 100 sent, 0 refused, 0 failed' "$(field events), $(field main)"
}

sender_start
sender "begin stream" # before kcohd is there
kcohd_start "$(policy yes)"

if [[ $LAB_KERNEL == 6.1 || $LAB_KERNEL == debug ]]; then
	why='this kernel cannot attach BPF programs to LSM hooks'
	[[ $LAB_KERNEL == 6.1 ]] || why='this kernel was built without the BPF LSM'
	check "kcohd says that this kernel cannot refuse a stream, and why" grep -q "last_resort = yes does nothing on this host: $why" "$TMP/kcohd.log"
	same "so does kcoh doctor" 1 "$(hook | grep -c "^not available: $why")"
	trace_start vm
	check "and the VM's history, when it should be done" wait_for 20 acts_are refuse failed 1
	sender send
	same "nothing is refused" "$ALL_STREAM" "$(field stream)"
	sender_end
	exit
fi

same "kcoh doctor: it is attached" 'attached as lsm' "$(hook)"
trace_start vm
wait_for 20 acts_are refuse started 1 || give_up "kcohd has the stream refused" "$(<"$TMP/kcohd.log")"
sender send
wait_for 20 acts_are admit "done" 1 || give_up "its end is told" "$(<"$TMP/trace")"
same "met in mid-migration: every send goes through" "$ALL_STREAM" "$(field stream)"
same "and the reason is told" 1 "$(acts refuse failed | grep -c 'the beginning of its dirty logging was not seen')"
CASES=1
check "the VM is watched" is_guarded

attempt stream
same "stream: after 256 KiB each send is refused" '7 sent, 993 refused, 0 failed' "$(field stream)"
same "stream: nothing else" '11 sent, 0 refused, 0 failed, 100 sent, 0 refused, 0 failed' "$(field events), $(field main)"
same "stream: the thread, the socket, and after how much, are told" 1 \
	"$(acts refuse "done" | grep -cE '^a send of its thread [0-9]+ on socket:\[[0-9]+\] was refused, after [0-9]+ KB in this migration$')"
same "stream: and how many it were" 'its migration stream is refused no more; 993 sends were' "$(acts admit "done" | tail -n 1)"

passes main "no thread of it but the main one takes dirty pages"
passes threads "several of its threads take dirty pages"
passes few "the thread has not taken most of its RAM"
passes little "what went through that socket does not look like RAM"
passes vcpu "the thread runs a vCPU"
passes stopped "no vCPU of it runs"

attempt shared
same "shared: every send goes through" '1001 sent, 0 refused, 0 failed' "$(field stream)"
same "shared: and the reason is told" 1 "$(acts refuse failed | tail -n 1 | grep -c 'not refused: other threads send on that socket, too')"

attempt stream
same "the next migration is another matter: refused" '7 sent, 993 refused, 0 failed' "$(field stream)"
same "a refusal was told for these two only" 2 "$(acts refuse "done" | wc -l)"

# An operator lets it through.
sender "begin stream"
wait_for 20 acts_are refuse started $((CASES + 1)) || give_up "kcohd has its stream refused"
kcoh override --vm vm --for 60s --why "a test" >/dev/null || give_up "kcoh override"
wait_for 20 acts_are admit "done" $((CASES + 1)) || give_up "an override ends it"
sender send
same "with an override every send goes through" "$ALL_STREAM" "$(field stream)"
kcoh override --vm vm --end >/dev/null || give_up "kcoh override --end"

# kcohd hangs: what it said is over by itself.
sender "begin stream"
wait_for 20 acts_are refuse started $((CASES + 2)) || give_up "kcohd has its stream refused"
kill -STOP "$KCOHD_PID"
sleep 4 # it is 3 s that are to pass, not something that is to come
sender send
same "kcohd hangs: after 3 s every send goes through" "$ALL_STREAM" "$(field stream)"
kill -CONT "$KCOHD_PID"
wait_for 20 acts_are admit "done" $((CASES + 2)) || give_up "the end is told"

# Off again.
policy no >"$TMP/kcoh.conf"
kill -HUP "$KCOHD_PID"
check "last_resort = no: the program is detached" wait_for 20 sh -c \
	"kcoh doctor | grep -q '^hook *socket_sendmsg: not available: no policy has last_resort = yes; it was tried, and works'"
sender "begin stream" send
same "last_resort = no: every send goes through" "$ALL_STREAM" "$(field stream)"
sender_end
