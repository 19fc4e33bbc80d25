// SPDX-License-Identifier: GPL-2.0-only
/* Must compile on every kernel: proves that the probes are run with the right flags. */
#include <linux/kvm_host.h>
struct kvm *probe(struct kvm_vcpu *vcpu);
struct kvm *probe(struct kvm_vcpu *vcpu)
{
	return vcpu->kvm;
}
