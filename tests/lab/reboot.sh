#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A Linux guest reboots in the midst of its live migration, with real QEMU on both sides, no daemon, and the module as it is
# loaded (auto=clean). A reboot is all that makes a migration hard: PSCI SYSTEM_RESET, KVM unmaps the whole stage 2, QEMU
# writes kernel and initramfs into guest RAM again through its cached mapping, and the guest boots with its MMU off.
#
# The migration is throttled so far that it cannot end; the guest is told to reboot, and has when its init speaks a second
# time; then the migration gets all the bandwidth there is. A Linux guest that boots twice and is migrated
# takes an emulated host more than a minute on a busy machine, so this is part of the matrix and not of `make check`:
#
#   $ make KERNELS=6.1 arm64 bpf kmod guests && scripts/lab run --qemu --timeout 300 -- /kcoh/tests/lab/reboot.sh
: "${TEST:=reboot}" "${LAB_CPU:=neoverse-n1}"
export TEST
cd "$(dirname -- "$0")" || exit 2
# shellcheck source-path=SCRIPTDIR source=lib.sh
source ./lib.sh
# shellcheck source-path=SCRIPTDIR source=qemu.sh
source ./qemu.sh
# shellcheck source-path=SCRIPTDIR source=watched.sh
source ./watched.sh
# shellcheck source-path=SCRIPTDIR source=linux-guest.sh
source ./linux-guest.sh
trap 'qemu_end "${!QEMU_PID[@]}"; finish' EXIT

# What the guest said since it booted the last time, at the source and then at the destination: whole lines. Where a line was
# cut in two by the switchover, both halves are there.
life() {
	cat "$QEMU_DIR/from.serial" "$QEMU_DIR/to.serial" | tr -d '\r' | sed '/^up$/h; /^up$/!H; $!d; x' | sed '$d'
}

# beats: the number of the last one.
beats() {
	life | sed -n 's/^beat //p' | tail -n 1
}

beat_after() { # beat_after NUMBER
	(($(beats) > $1))
}

epoch_seen() {
	(($(stat_of epochs) > 0))
}

migration_active() {
	[[ $(migration_status from) == active ]]
}

linux_make
module_load
watch_begin
qemu_start from linux "${LINUX[@]}" || give_up "QEMU runs Linux" "$(<"$QEMU_DIR/from.log")"
# shellcheck disable=SC2046 # two words
qemu_start to linux "${LINUX[@]}" $(incoming to) || give_up "a second QEMU waits" "$(<"$QEMU_DIR/to.log")"
wait_for 60 linux_booted from 1 || give_up "the guest boots" "$(<"$QEMU_DIR/from.serial")"
wait_for 20 beat_after 2 || give_up "the guest's heart beats"
same "before the migration nothing was harvested" 0 "$(stat_of pages_protected)"

watch_follow from
qmp from migrate-set-parameters '{"max-bandwidth":1000000,"downtime-limit":1}' >/dev/null || give_up "QEMU takes a limit"
qmp from migrate "{\"uri\":\"unix:$QEMU_DIR/to.migration\"}" >/dev/null || give_up "QEMU accepts the migration"
wait_for 30 migration_active || give_up "the migration starts" "$(qmp from query-migrate)"
wait_for 30 epoch_seen || give_up "its dirty epoch is seen"
linux_tell from reboot
wait_for 60 linux_booted from 2 || give_up "the guest reboots" "$(tail -n 20 "$QEMU_DIR/from.serial")" "$(qmp from query-migrate)"
same "the guest rebooted inside the epoch" 'active running' "$(migration_status from) $(run_status from)"

qmp from migrate-set-parameters "$MIGRATION" >/dev/null || give_up "QEMU takes the other limit"
wait_for 60 migration_ended from || give_up "the migration ends" "$(qmp from query-migrate)"
watch_end from
same "the migration completes" completed "$(migration_status from)"
same "the guest runs at the destination" running "$(run_status to)"
check "its heart beats on there" wait_for 30 beat_after $(($(beats) + 3))
seen=$(life)
same "without having missed a beat" "$(echo up && seq -f 'beat %g' $(($(wc -l <<<"$seen") - 1)))" "$seen"
same "it did not boot there" 0 "$(linux_boots to)"

stats=$("$LAB/kcoh-dev" stats)
check "pages were harvested, and cleaned ($(jq -r '"\(.pages_protected) write-protected, \(.pages_cleaned) cleaned, \(.pages_absent) not populated"' <<<"$stats"))" \
	jq -e '.pages_protected > 10000 and .pages_cleaned > 10000' <<<"$stats"
same "each page that was write-protected was cleaned or was not populated" \
	"$(jq .pages_protected <<<"$stats")" "$(jq '.pages_cleaned + .pages_absent' <<<"$stats")"
same "nothing was left uncleaned, no hook missed, nothing lacked memory" '0 0 0 0' \
	"$(jq -r '"\(.pages_unclean) \(.pages_no_ram) \(.hook_misses) \(.no_memory)"' <<<"$stats")"
