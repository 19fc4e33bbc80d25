/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * record.h - one record, checked: what kcoh_core_step() trusts afterwards.
 */
#ifndef KCOH_CORE_RECORD_H
#define KCOH_CORE_RECORD_H

#include "core/core.h"

/* What hdr.vm and hdr.vcpu must name. */
enum scope {
	SCOPE_UNKNOWN, /* a type that this build does not know */
	SCOPE_HOST, /* hdr.vm is 0 */
	SCOPE_VM,
	SCOPE_VCPU, /* and hdr.vcpu is an index */
	SCOPE_EITHER, /* a VM, or 0 for the host */
};

/*
 * Copies the record at `ev` (of which `len` bytes are readable) to *ret_ev and checks it. 0 or
 * -EINVAL. Of a record of unknown type only the header is copied.
 */
int kcoh_record_read(const struct kcoh_ev_hdr *ev, size_t len, union kcoh_ev *ret_ev,
		     enum scope *ret_scope);

#endif
