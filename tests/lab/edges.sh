#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# A guest that goes off, on, off, on inside one dirty epoch: exactly these 4 edges are seen, with what they were, where
# they happened and what SCTLR_EL1 then held; none is invented, though the guest writes TTBR0_EL1 and nine
# other trapped registers between any two of them, and SCTLR_EL1 too without an edge.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

# The guest was on before; only-c after off is a write of SCTLR_EL1 that is no edge.
EPOCH=(noise:0:2 off:0 noise:0:1 only-c:0 noise:0:1 on:0 noise:0:2 toggle:0:1)

# What the guest did in the epoch, what the module traced, and what `kcoh trace` printed.
run_epoch() {
	vmm vm log-on:0
	vmm_clear vm
	trace_clear
	vmm vm "${EPOCH[@]}"
	made=$(vmm_edges vm)
	seen=$(trace_edges "${VMM_PID[vm]}")
	vmm vm log-off:0
}

trace_ended() {
	traces "$TMP/trace" '.type == "epoch" and .source == "module" and .state == "end"'
}

edges_traced() { # those with a trap as their source
	jq -r 'select(.type == "toggle" and .source == "trap") | "\(.vcpu) \(.was) \(.now) \(.pc) \(.sctlr)"' "$TMP/trace"
}

trace_on kvm/kvm_toggle_cache
vmm_start vm puppet
vmm vm run on:0
vmm vm log-on:0
trace_clear
vmm vm "${EPOCH[@]}" log-off:0
same "without the module KVM sees nothing after the guest first turned its caches on" 0 "$(trace_count kvm_toggle_cache)"
vmm_end vm

module_load
trace_on kcoh/kcoh_toggle
vmm_start vm puppet
vmm vm run
kcohd_start '[defaults]
strategy = observe'
trace_start vm
vmm vm on:0
run_epoch
same "the guest made 4 edges" 4 "$(wc -l <<<"$made")"
same "the module's tracepoint has exactly these 4, with state, pc and SCTLR_EL1" "$made" "$seen"
wait_for 10 trace_ended || give_up "kcoh trace prints the end of the epoch" "$(<"$TMP/trace.err")" "$(tail -n 5 "$TMP/trace")"
same "kcoh trace --json has exactly these 4" "$made" "$(edges_traced)"
same "no record was lost" '' "$(jq -c 'select(.type == "lost")' "$TMP/trace")"
vmm_end vm
