#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Each strategy against a real QEMU live migration of a guest that turns its MMU and caches off and on all the time (toggle), or has them off
# (off): what the guest, QEMU and `kcoh check` show. kcohd enforces, and has a socket of each QEMU to cancel by. One line each says it all:
#
#   NOTE strategies-qemu: retry: check before veto/retry (20), QEMU cancelled, source running, destination inmigrate, guest prints at the source
#
# A migration that completes is cleaned (all but observe); that its pages are right the witness and the adversary show elsewhere.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source "$(dirname -- "$0")/qemu.sh"
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

section() { # section VM LINE…
	printf '[vm %s]\n' "$1"
	printf '%s\n' "${@:2}" "qmp = $QEMU_DIR/%n.kcoh.qmp"
}

CONFIG="[defaults]
guard = enforce
$(section observe 'strategy = observe')
$(section clean 'strategy = clean')
$(section clean-tainted 'strategy = clean-tainted')
$(section hold 'strategy = hold' 'hold_deadline_ms = 2000')
$(section defer 'strategy = defer' 'defer_deadline_ms = 60000')
$(section defer-off 'strategy = defer' 'defer_deadline_ms = 3000')
$(section retry 'strategy = retry')
$(section veto 'strategy = veto')"

# One that is to be cancelled takes longer than kcohd needs for that: the guest has 100 MB to send.
SLOW='{"max-bandwidth":2000000,"downtime-limit":1}'

# has_been VM JQ-CONDITION: has its verdict been such?
has_been() {
	traces "$TMP/trace.$1" ".type == \"verdict\" and ($2)"
}

# attempt VM GUEST [PARAMETERS]: starts it and one that waits for it, migrates, and waits for the end. Sets $ended, and says all there is.
attempt() {
	local vm=$1 before status where=source MIGRATION=${3:-$MIGRATION}
	qemu_start "$vm" "$2" || give_up "QEMU runs the guest $2" "$(<"$QEMU_DIR/$vm.log")"
	# shellcheck disable=SC2046 # two words
	qemu_start "$vm-to" "$2" $(incoming "$vm-to") || give_up "a second QEMU waits" "$(<"$QEMU_DIR/$vm-to.log")"
	wait_for 60 printed "$vm" 2 || give_up "the guest $2 prints"
	kcoh trace --vm "$vm" --json --since 0 >"$TMP/trace.$vm" 2>/dev/null &
	before=$(kcoh check --vm "$vm" --json | jq -r '"\(.verdict)/\(.reason)"')
	kcoh check --vm "$vm" >/dev/null
	status=$?
	migrate "$vm" "$vm-to" >/dev/null || give_up "QEMU accepts the migration"
	wait_for 120 migration_ended "$vm" || give_up "$vm: the migration ends" "$(qmp "$vm" query-migrate)" "$(<"$TMP/kcohd.log")"
	ended=$(migration_status "$vm")
	[[ $ended != completed ]] || where=destination
	printf 'NOTE %s: %s: check before %s (%s), QEMU %s, source %s, destination %s, guest prints at the %s\n' "$TEST" "$vm" "$before" \
		"$status" "$ended" "$(run_status "$vm")" "$(run_status "$vm-to")" "$where"
}

# completes VM: it did, and the guest runs at the destination.
completes() {
	same "$1: the migration completes" completed "$ended"
	same "$1: the guest runs at the destination" running "$(run_status "$1-to")"
	check "$1: and prints" wait_for 30 printed "$1-to" "$(printed_bytes "$1-to")"
	qemu_end "$1" "$1-to"
}

# is_cancelled VM REASONS: by kcohd, for one of these, and the guest runs on.
is_cancelled() {
	same "$1: the migration is cancelled" cancelled "$ended"
	check "$1: by kcohd, which says why ($2)" wait_for 10 traces "$TMP/trace.$1" \
		".type == \"act\" and .act == \"cancel\" and .outcome == \"done\" and (.reason | IN($2))"
	same "$1: the guest runs on at the source" running "$(run_status "$1")"
	check "$1: and prints" wait_for 30 printed "$1" "$(printed_bytes "$1")"
	qemu_end "$1" "$1-to"
}

module_load
kcohd_start "$CONFIG"

attempt observe toggle
check "observe: it says that it only observes" has_been observe '.verdict == "allow" and .reason == "observe-only"'
completes observe

attempt clean toggle
check "clean: repair while a window is open, or was" has_been clean '.verdict == "repair" and .reason == "cleaning"'
check "clean: and no wait, no veto" sh -c "! jq -e -n 'first(inputs | select(.type == \"verdict\" and (.verdict | IN(\"wait\", \"veto\"))))' $TMP/trace.clean"
completes clean

attempt clean-tainted toggle
check "clean-tainted: the verdict says what it leaves out" has_been clean-tainted '.reason == "tainted-only"'
completes clean-tainted

attempt hold toggle
check "hold: the vCPU is held" has_been hold '.verdict == "repair" and .reason == "held"'
completes hold

attempt defer toggle
check "defer: it waits while a vCPU is not cached" has_been defer '.verdict == "wait" and .reason == "deferred"'
check "defer: and goes on when it is" has_been defer '.verdict == "repair" and .was == "wait"'
completes defer

attempt defer-off off "$SLOW"
check "defer: a guest that stays off is vetoed at the deadline" has_been defer-off '.verdict == "veto" and .was == "wait" and .reason == "mmu-off"'
is_cancelled defer-off '"mmu-off"'

attempt retry toggle "$SLOW"
check "retry: a window inside the epoch vetoes" has_been retry '.verdict == "veto" and (.reason | IN("retry", "mmu-off"))'
is_cancelled retry '"retry", "mmu-off"'

attempt veto toggle "$SLOW"
is_cancelled veto '"mmu-off", "mmu-off-earlier"'
