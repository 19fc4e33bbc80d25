#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The trap is there in an epoch, on every vCPU however it got there, and nowhere afterwards: a guest pays nothing for a
# migration that is over. KVM's tracepoint kvm_toggle_cache fires for every write that HCR_EL2.TVM trapped, whoever set it.
#
# Four vCPUs: 0 works, 1 sleeps in WFI at both edges of the epoch, 2 loops in the guest at both, 3 is started inside it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname -- "$0")/lib.sh"

WRITES=11 # that one `noise` makes

# traps STEP…: sets $trapped to how many writes were trapped meanwhile.
traps() {
	trace_clear
	vmm vm "$@"
	trapped=$(trace_count kvm_toggle_cache)
}

epoch_line() {
	trace_lines kcoh_epoch | sed -n "s/^vm=[0-9]* $1 .*\(vcpus=.*\)/\1/p"
}

module_load
trace_on kvm/kvm_toggle_cache kcoh/kcoh_epoch kcoh/kcoh_arm

vmm_start vm puppet --vcpus 4
vmm vm run on:0 cpu-on:0:1 on:1 cpu-on:0:2 on:2 asleep:3
traps noise:0:1 noise:1:1 noise:2:1
same "before the epoch nothing is trapped" 0 "$trapped"

vmm vm wfi:1 spin:2
trace_clear
vmm vm log-on:0
armed=$(epoch_line start)
check "the epoch is announced for all 4 vCPUs ($armed)" grep -q '^vcpus=4 armed=[1-4] pending=[0-3]$' <<<"$armed"
check "the vCPU that loops in the guest has the trap when the ioctl returns" grep -q ' vcpu=2 armed ' <(trace_lines kcoh_arm)
traps noise:0:1
same "in the epoch every write of vCPU 0 is trapped" $WRITES "$trapped"
traps wake:1 noise:1:1
same "and of a vCPU that slept when it began" $WRITES "$trapped"
traps unspin:2 noise:2:1
same "and of one that was looping in the guest" $WRITES "$trapped"
traps cpu-on:0:3 noise:3:1
check "and of one that PSCI started inside it ($trapped)" [ "$trapped" -ge $WRITES ]
traps on:3 noise:3:1
same "also after it turned its caches on" $((WRITES + 1)) "$trapped"
traps init:1 cpu-on:0:1 on:1 noise:1:1
check "and of one that was reset inside it ($trapped)" [ "$trapped" -ge $((WRITES + 1)) ]
trace_clear
vmm vm set-sctlr:1:0xc50079 on:1
check "KVM_SET_ONE_REG on SCTLR_EL1 is looked at: uncached" grep -q ' vcpu=1 armed .*state=uncached' <(trace_lines kcoh_arm)

# HCR_EL2 has the trap and the vCPU's interrupt line in one word, which two threads write. With its caches off, because KVM
# itself clears TVM by a plain read, modify and write after a trapped write with caches on (kvm_toggle_cache). Whenever the vCPU's
# thread is scheduled in KVM writes the word like that, too (vcpu_set_wfx_traps), so on a busy machine one may be lost without us.
vmm vm off:0
for _ in 1 2 3; do
	vmm vm irq-race:0:100
	lost=$(vmm_figure vm lost)
	((lost)) || break
done
same "in one run of three no change of the interrupt line is lost while the vCPU sets its trap again (of $(vmm_figure vm changes))" 0 "$lost"

vmm vm on:0 wfi:1 spin:2
trace_clear
vmm vm log-off:0
check "the end is announced" grep -q . <(epoch_line end)
traps noise:0:2
same "after the epoch nothing of vCPU 0 is trapped" 0 "$trapped"
traps wake:1 noise:1:2
same "nor of the vCPU that slept when it ended" 0 "$trapped"
traps unspin:2 noise:2:2
same "nor of the one that looped in the guest" 0 "$trapped"
traps noise:3:2
same "nor of the one that was started in it" 0 "$trapped"
same "no vCPU is armed" 0 "$(stat_of vcpus_armed)"

vmm vm log-on:0 wfi:1 spin:2
check "the module goes while vCPUs are armed, asleep and looping, and waits for none" timeout 30 rmmod kcoh
traps unspin:2 noise:2:2
same "the guest runs on untrapped where it looped" 0 "$trapped"
traps noise:0:1 wake:1 noise:1:1
check "vCPUs that were out of the guest are trapped at most once more each ($trapped)" [ "$trapped" -le 2 ]
traps noise:0:2 noise:1:2
same "and then no more" 0 "$trapped"
vmm_end vm
