#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The module loads, answers, and goes, more than once; and it refuses whom it must.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

module_load
check "/dev/kcoh belongs to root alone" [ "$(stat -c '%a %u' /dev/kcoh)" = '600 0' ]
same "handshake: mute until the same ABI was said, noise refused" 'stats-before-hello EPROTO
hello-other-abi EPROTO names-its-own
stats-after-refusal EPROTO
hello-with-noise EINVAL
hello ok
stats ok
unknown-ioctl ENOTTY' "$("$LAB/kcoh-dev" handshake)"
same "nothing is armed, nothing missed" '0 0' "$("$LAB/kcoh-dev" stats | jq -r '"\(.vcpus_armed) \(.hook_misses)"')"
if (exec 3</dev/kcoh) 2>/dev/null && ! setpriv --reuid 65534 --clear-groups bash -c 'exec 3</dev/kcoh' 2>/dev/null; then
	pass "a user who is not root cannot open it"
else
	fail "a user who is not root cannot open it"
fi
check "rmmod" rmmod kcoh
check "and it is gone" test ! -e /dev/kcoh
module_load
check "it loads a second time" test -c /dev/kcoh
check "rmmod a second time" rmmod kcoh
