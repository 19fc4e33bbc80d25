# SPDX-License-Identifier: GPL-2.0-only

# Programs around the table of metrics: what makes docs/metrics.md, and a sample scrape for the parser.
build/native/metrics-doc: build/native/obj/scripts/metrics-doc.o build/native/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $^ $(LIBS) -o $@

build/asan/metrics-sample: build/asan/obj/tests/metrics/sample.o build/asan/libkcoh.a
	$(call say,LD,$@)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -o $@

## docs      the pages that are made from the code: docs/metrics.md
docs: build/native/metrics-doc
	@build/native/metrics-doc >docs/metrics.md
.PHONY: docs
