#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A CPU with FEAT_S2FWB needs no help: the module says so and traps nothing, and a guest whose MMU is off may be
# migrated.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

modprobe kcoh || give_up "modprobe kcoh"
check "the module says that it is not needed" grep -q 'kcoh: .*not needed' <(dmesg)
trace_on kvm/kvm_toggle_cache kcoh/kcoh_arm kcoh/kcoh_epoch
kcohd_start '[defaults]
strategy = veto
guard = enforce'
vmm_start vm puppet
vmm vm run on:0 off:0
trace_clear
vmm vm log-on:0 noise:0:1 toggle:0:1 off:0
same "in an epoch nothing is trapped" '0 0' "$(trace_count kvm_toggle_cache) $(stat_of arms)"
verdict=$(kcoh check --json --vm vm)
same "MMU off in an epoch: kcoh check says allow" 0 $?
same "because the hardware is coherent" 'allow hardware-coherent' "$(jq -r '"\(.verdict) \(.reason)"' <<<"$verdict")"
vmm vm log-off:0
