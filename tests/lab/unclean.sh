#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Pages that the module cannot clean (a build of it whose steps can be made to fail) reach the verdict: those that a record tells of, and those of
# which there is none, since there was no memory to note them: kcohd learns of these by the module's own count.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

FAIL=/sys/module/kcoh/parameters/fail

unclean_told() { # the pages of each such event
	jq -r 'select(.type == "unclean") | .pages' "$TMP/trace"
}

insmod "$LAB/fail/$(uname -r)/kcoh.ko" fail=set || give_up "insmod of the test build"
vmm_start vm puppet --manual=init
vmm vm run on:0
kcohd_start '[defaults]
strategy = clean'
becomes "its harvests are cleaned" allow/cleaning
kcoh trace --json --since 0 >"$TMP/trace" 2>"$TMP/trace.err" &
TRACE_PID=$!

vmm vm log-on:0 write:0:0:100 harvest:0
becomes "pages cannot be noted, and no record tells of them: the migration is vetoed" veto/unclean
unnoted=$(stat_of pages_unclean)
check "all $unnoted of them are told as an event" test "$unnoted" -ge 100 -a "$(unclean_told)" = "$unnoted"
check "and in the journal" grep -q "could not clean $unnoted pages" "$TMP/kcohd.log"
vmm vm log-off:0
becomes "until it is over" allow/cleaning

kill -STOP "$KCOHD_PID"
vmm vm log-on:0 write:0:0:50 harvest:0 log-off:0
kill -CONT "$KCOHD_PID"
becomes "what is learnt only after it is told, too: that migration may have taken it" veto/unclean
vmm vm log-on:0
becomes "and the next one is another matter" allow/cleaning
vmm vm log-off:0

echo pages >$FAIL
told=$(unclean_told)
vmm vm log-on:0 write:0:0:100 harvest:0
becomes "pages are noted and cannot be cleaned: vetoed" veto/unclean
echo none >$FAIL
vmm vm harvest:0 log-off:0
becomes "until that is over" allow/cleaning
sleep 2 # kcohd looks once a second
same "this the record of the harvest has told" "$told" "$(unclean_told)"
vmm_end vm
kcohd_stop
