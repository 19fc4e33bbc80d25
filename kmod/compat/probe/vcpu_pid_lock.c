// SPDX-License-Identifier: GPL-2.0-only
/* vcpu->pid is guarded by a lock of its own, not by RCU. */
#include <linux/kvm_host.h>
void probe(struct kvm_vcpu *vcpu);
void probe(struct kvm_vcpu *vcpu)
{
	read_lock(&vcpu->pid_lock);
	read_unlock(&vcpu->pid_lock);
}
