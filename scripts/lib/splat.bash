# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What a kernel's log has in it when something is wrong: read by scripts/lab on the host after each run, and by the lab
# tests inside after each test.
#
# One kind of line is excused. When the allocator was told to fail (tests/lab/faults.sh says so in the log, from when to
# when), it may dump a stack to say that it did: 'vmalloc error' or 'page allocation failure', and the one `Call trace:`
# under it. Whatever else comes between is judged as always.

SPLAT='Kernel panic|Internal error|Oops|Unable to handle|kernel BUG|BUG:|KASAN:|WARNING:|Call trace:|UBSAN:|SError'
SPLAT+='|possible (circular|recursive|irq lock|unsafe)|inconsistent lock state|bad unlock balance|held lock freed|lock held when returning'
SPLAT+='|suspicious RCU usage|rcu.*(detected|self-detected) stall|soft lockup|blocked for more than|workqueue lockup'
SPLAT+='|sleeping function called|scheduling while atomic|locking correctness validator|non-static key'
SPLAT+='|ODEBUG:|leak detector disabled|refcount_t:|list_(add|del) corruption'

FAULTS_FROM='kcoh-lab: failures are injected'
FAULTS_TO='kcoh-lab: no failures are injected'

# splats FILE: such lines, each with its number. The file - is standard input.
splats() {
	awk -v from="$FAULTS_FROM" -v to="$FAULTS_TO" '
		index($0, from) { injected = 1 }
		index($0, to) { injected = excused = 0 }
		injected && /(vmalloc error|page allocation failure):/ { excused = 1 }
		excused && /Call trace:/ { excused = 0; print ""; next }
		{ print }' "$1" | grep -nE "$SPLAT"
}
