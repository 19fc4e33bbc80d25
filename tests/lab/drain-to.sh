#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The host that tests/lab/drain evacuates to: it does what the other one (drain.sh) says, line by line, over the network of the two:
# each line is run by this shell, and answered by its output and `=== STATUS`. It ends when the other one is gone.
: "${TEST:=drain-to}" "${LAB_CPU:=neoverse-n1}"
export TEST
cd "$(dirname -- "$0")" || exit 2
if [[ ${1:-} != serve ]]; then
	modprobe virtio_net && ip addr add 10.0.0.2/24 dev eth0 && ip link set eth0 mtu 32000 up || exit 2
	exec socat TCP-LISTEN:9,reuseaddr EXEC:'./drain-to.sh serve'
fi
# shellcheck source-path=SCRIPTDIR source=lib.sh
source ./lib.sh
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source ./qemu.sh
# shellcheck source-path=SCRIPTDIR source=linux-guest.sh
source ./linux-guest.sh
trap 'await_end; finish' EXIT

declare -A KEEPER=()

# await NAME QEMU-OPTION…: a QEMU waits for it; and another one if the migration fails, with which it ends.
await() {
	(
		trap 'kill "${QEMU_PID[$1]}"; exit' TERM
		until qemu_launch "$@" && wait "${QEMU_PID[$1]}"; do :; done
	) &
	KEEPER[$1]=$!
	wait_for 60 qmp "$1" query-status
}

await_end() {
	((${#KEEPER[@]} == 0)) || kill "${KEEPER[@]}"
	wait
	KEEPER=()
}

linux_make
while read -r line; do
	eval "$line"
	echo "=== $?"
done
