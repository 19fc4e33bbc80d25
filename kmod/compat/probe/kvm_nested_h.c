// SPDX-License-Identifier: GPL-2.0-only
/* vcpu_has_nv() is there: vCPUs may have EL2. */
#include <linux/kvm_host.h>
#include <asm/kvm_emulate.h>
#include <asm/kvm_nested.h>
bool probe(struct kvm_vcpu *vcpu);
bool probe(struct kvm_vcpu *vcpu)
{
	return vcpu_has_nv(vcpu);
}
