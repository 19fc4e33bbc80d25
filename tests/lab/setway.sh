#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest's set/way operation makes KVM clean its whole stage 2, unless HCR_EL2.TVM is set: KVM takes that for 'cleaned
# already'. So a trap of ours must not be taken for KVM's. The same guest does the same thing without the module, armed,
# and not armed; KVM's own tracepoint counts the cleans, and they must be equal.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# Two operations in a row (one clean), caches used, again (one more), caches off and on, again, and all of every cache.
STEPS=(on:0 set-way:0:1 set-way:0:2 noise:0:1 set-way:0:1 off:0 set-way:0:1 noise:0:1 on:0 set-way:0:3
	toggle:0:2 set-way:0:1 noise:0:2 set-way:0:0)

# cleans [log]: how often KVM cleaned for a set/way operation.
cleans() {
	vmm_start vm puppet
	vmm vm run on:0
	[[ ${1:-} != log ]] || vmm vm log-on:0
	trace_clear
	vmm vm "${STEPS[@]}"
	cleaned=$(trace_count kvm_set_way_flush)
	vmm_end vm
}

trace_on kvm/kvm_set_way_flush
cleans
unloaded=$cleaned
if s2fwb; then
	same "with S2FWB KVM cleans for no set/way operation" 0 "$unloaded"
else
	check "without the module KVM cleans for set/way operations ($unloaded times)" [ "$unloaded" -ge 4 ]
fi
module_load
cleans
same "loaded, no epoch: as many cleans as without the module" "$unloaded" "$cleaned"
cleans log
same "armed in an epoch: as many cleans as without the module" "$unloaded" "$cleaned"
s2fwb || check "armed: the trap stepped back for KVM" [ "$(stat_of set_way_yields)" -gt 0 ]
