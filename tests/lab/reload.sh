#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# SIGHUP and the recorder, with real records of a real VM: another strategy applies at once; a file with a mistake changes nothing, and says so
# in the journal, in /v1/host and by `kcoh policy explain`; and what the core was told meanwhile, policies too, is recorded
# and replays as it went. An operator's override outlives a kcohd that is killed.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

config() { # config STRATEGY-LINE
	printf '[kcohd]\nrecordings = %s\n[defaults]\n%s\n' "$TMP/recordings" "$1"
}

reload() { # reload STRATEGY-LINE
	config "$1" >"$TMP/kcoh.conf"
	kill -HUP "$KCOHD_PID"
}

config_error() {
	curl -s --unix-socket /run/kcoh/kcohd.sock http://kcohd/v1/host | jq -r '.config.error // ""'
}

mkdir "$TMP/recordings"
module_load
vmm_start vm puppet
vmm vm run wait:0
kcohd_start "$(config 'strategy = observe')"
becomes "a vCPU that is off, observed only" allow/observe-only

reload 'strategy = clean'
becomes "SIGHUP: another strategy applies" repair/cleaning
reload 'strategi = veto'
check "a mistake is told with its line" wait_for 10 grep -q "kcoh.conf:4: unknown key 'strategi'.*the policy that was read before stays" "$TMP/kcohd.log"
becomes "and changes nothing" repair/cleaning
check "/v1/host has it" grep -q "unknown key 'strategi'" <(config_error)
check "kcoh policy explain, too" grep -q "not read, because there is a mistake" <(kcoh policy explain --vm vm)
reload 'strategy = veto'
becomes "the next one that is right applies" veto/mmu-off
same "and nothing is wrong any more" '' "$(config_error)"

check "an override" kcoh override --vm vm --for 1h --why 'a test of reload.sh'
becomes "lets it through" allow/override
recording=$(kcoh record)
check "a recording is written" wait_for 10 test -s "$recording"
check "and replays as it went" kcoh replay "$recording"
kcoh replay "$recording" >"$TMP/replayed"
same "with all the policies, and the override" "allow/observe-only
repair/cleaning
veto/mmu-off
allow/override of mmu-off" "$(sed -nE 's/^ *[0-9.]+ vm ([a-z]+\/[a-z-]+( of [a-z-]+)?)( .*)?$/\1/p' "$TMP/replayed" | tail -n 4)"

kill -9 "$KCOHD_PID"
wait "$KCOHD_PID" 2>/dev/null
check "with kcohd dead there is no answer" test "$(kcoh check --vm vm >/dev/null 2>&1; echo $?)" = 2
check "the glass is broken" kcoh override --break-glass --for 1h --why 'kcohd was killed'
check "and kcoh check allows" kcoh check --vm vm
kcohd_start "$(config 'strategy = veto')"
becomes "kcohd is back, and so is the override" allow/override
trace_start vm
check "found again by its process" wait_for 10 traces "$TMP/trace" '.type == "override" and .state == "again" and .why == "a test of reload.sh"'
check "and the broken glass is told" grep -q 'the glass was broken by uid .*kcohd was killed' "$TMP/kcohd.log"
check "taken back" kcoh override --vm vm --end
becomes "it is vetoed" veto/mmu-off
check "and stays so, whatever the glass says" test "$(kcoh check --vm vm >/dev/null; echo $?)" = 20
kcoh override --break-glass --end
