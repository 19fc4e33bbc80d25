#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# While a vCPU is held, QEMU is not: its monitor, a reset, gdb and quit work as ever, and what they put back into KVM_RUN is
# held again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source "$(dirname -- "$0")/qemu.sh"

silent() { # silent NAME: the guest, which prints all the time, prints nothing for a second
	local before
	before=$(printed_bytes vm)
	sleep 1
	same "$1" "$before" "$(printed_bytes vm)"
}

# gdb's remote protocol by hand: a packet, and what came back.
gdb() {
	printf '+$%s#%02x' "$1" $(($(printf %s "$1" | od -An -v -tu1 | xargs | tr ' ' '+') & 255)) |
		socat -t 5 - "UNIX-CONNECT:$QEMU_DIR/vm.gdb" 2>/dev/null
}

module_load
qemu_start vm toggle -gdb "unix:$QEMU_DIR/vm.gdb,server=on,wait=off" || give_up "QEMU starts" "$(<"$QEMU_DIR/vm.log")"
wait_for 60 printed vm 2 || give_up "the guest runs"
owner_start "${QEMU_PID[vm]}" hold:-1:600000 pause release:-1 pause hold:-1:600000 pause
silent "held"
check "query-cpus-fast answers" grep -q thread-id <(qmp vm query-cpus-fast)
check "stop works" qmp vm stop
same "and stops it" paused "$(run_status vm)"
check "so does cont" qmp vm cont
silent "and the vCPU is held as before"
check "system_reset works" qmp vm system_reset
silent "and the vCPU is held as before"
check "gdb connects and is told where it stopped" grep -q 'T0[25]thread' <(gdb '?')
check "gdb reads its registers" grep -qE '\$[0-9a-f]{64}' <(gdb g)
gdb D >/dev/null
check "cont, after gdb" qmp vm cont
silent "and the vCPU is held as before"
before=$(printed_bytes vm)
owner_goes_on
owner_waits 2
check "released, the guest goes on" wait_for 60 printed vm "$before"
owner_goes_on
owner_waits 3
silent "held once more"
check "quit works" qmp vm quit
check "and QEMU is gone" wait_for 10 sh -c "! kill -0 ${QEMU_PID[vm]}"
wait "${QEMU_PID[vm]}" 2>/dev/null
unset "QEMU_PID[vm]"
owner_end
check "and with it the record" wait_for 2 stat_is vms 0
