# SPDX-License-Identifier: GPL-2.0-only

# What tests/fleet/run drives: a publisher as kcohd has it (with sanitizers), and many of them at once.
build/asan/fleet-publisher: build/asan/obj/tests/fleet/publisher.o build/asan/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -o $@

build/native/fleet-load: build/native/obj/tests/fleet/load.o build/native/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $^ $(LIBS) -o $@

## check-fleet    publishing and look-ups with a real etcd: TLS, leases, outages, partition, 200 hosts of 50 VMs; 3 minutes
check-fleet: build/asan/fleet-publisher build/native/fleet-load build/native/bin/kcoh
	@tests/fleet/run
.PHONY: check-fleet
