# SPDX-License-Identifier: GPL-2.0-only

## check-admission   Kubernetes' question whether a VM may be migrated, over TLS, with a real etcd: 1 minute
check-admission: build/asan/bin/kcoh build/native/bin/kcoh build/asan/fleet-publisher build/asan/guard-daemon
	@tests/admission/run

## check-kubernetes   the same by a real kube-apiserver and kubectl, which are built first: 10 minutes, later 1
check-kubernetes: build/asan/bin/kcoh build/asan/fleet-publisher
	@tests/admission/run kubernetes
.PHONY: check-admission check-kubernetes
