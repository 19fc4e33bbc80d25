# SPDX-License-Identifier: GPL-2.0-only

# Programs around the table of metrics: what makes docs/metrics.md, and a sample scrape for the parser.
build/native/metrics-doc: build/native/obj/scripts/metrics-doc.o build/native/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $^ $(LIBS) -o $@

build/asan/metrics-sample: $(patsubst %,build/asan/obj/tests/metrics/%.o,sample made) build/asan/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -o $@

build/native/metrics-cost: $(patsubst %,build/native/obj/tests/metrics/%.o,cost made) build/native/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $^ $(LIBS) -o $@

## bench-scrape   what a scrape of 100 and of 1000 VMs costs, beside a bare libmicrohttpd: bytes, ms, p99; half a minute
bench-scrape: build/native/metrics-cost
	@build/native/metrics-cost 100
	@build/native/metrics-cost 1000

## check-live   a real Prometheus scrapes kcohd on an emulated host: all that dashboards and rules ask for, listed; some minutes
check-live: arm64 bpf guests
	@$(MAKE) -s kmod KERNELS=6.1
	@tests/metrics/watch live
.PHONY: check-live

## docs      the pages that are made from the code: docs/metrics.md
docs: build/native/metrics-doc
	@build/native/metrics-doc >docs/metrics.md
.PHONY: docs bench-scrape
