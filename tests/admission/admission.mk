# SPDX-License-Identifier: GPL-2.0-only

## check-admission   Kubernetes' question whether a VM may be migrated, over TLS, with a real etcd: 1 minute
check-admission: build/asan/bin/kcoh build/native/bin/kcoh build/asan/fleet-publisher build/asan/guard-daemon
	@tests/admission/run
.PHONY: check-admission
