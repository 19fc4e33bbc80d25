# SPDX-License-Identifier: GPL-2.0-only
#
# What asks for real programs of others beside kcohd's own parts. Read by the top Makefile.

# kcohd's parts without a kernel under them, with ASan.
build/asan/guard-daemon: build/asan/obj/tests/guard/daemon.o build/asan/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -o $@

## check-rights   who may act, by a real polkitd on a bus of its own: half a minute
check-rights: build/asan/guard-daemon
	@scripts/setup guard
	@tests/guard/rights
.PHONY: check-rights

build/guard/counts.bin: tests/guard/guest.S | setup
	$(call say,AS,$@)
	@mkdir -p $(@D)
	$(Q)aarch64-linux-gnu-gcc -nostdlib -static -Wl,-Ttext=0x40200000 -Wl,--build-id=none $< -o $@.elf
	$(Q)aarch64-linux-gnu-objcopy -O binary $@.elf $@

## check-api   the API's answers against docs/openapi.json (also a part of make check)
check-api: build/asan/guard-daemon
	@tests/schema/api.py

## check-evacuations   evacuations with pairs of real QEMUs, kcohd killed at 20 random moments: 5 minutes
check-evacuations: build/asan/guard-daemon build/asan/bin/kcoh build/guard/counts.bin
	@tests/guard/evacuate.py
.PHONY: check-api check-evacuations

## check-malformed   10000 malformed HTTP requests and QMP messages, by a seed (KCOH_SEED); make check tries 250
check-malformed: build/asan/unit/test_malformed
	@KCOH_MALFORMED=$${KCOH_MALFORMED:-10000} $<
.PHONY: check-malformed

build/native/api-load: $(patsubst %,build/native/obj/tests/%.o,guard/load metrics/made) build/native/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $^ $(LIBS) -o $@

build/asan/api-load: $(patsubst %,build/asan/obj/tests/%.o,guard/load metrics/made) build/asan/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -o $@

## bench-api   verdicts under load: requests a second and p99 with 1000 VMs, beside a bare libmicrohttpd; 15 seconds
bench-api: build/native/api-load
	@build/native/api-load
.PHONY: bench-api
