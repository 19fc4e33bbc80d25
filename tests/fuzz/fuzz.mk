# SPDX-License-Identifier: GPL-2.0-only
#
# Fuzz targets: libFuzzer, with the address and the undefined-behaviour sanitizer. Read by the top Makefile.

FUZZ_TARGETS := core recording config
FUZZ_SECONDS ?= 600
FUZZ_LIB := $(sort $(wildcard user/core/*.c user/record/*.c user/config/*.c)) user/names/text.c user/serve/tcp.c
FUZZ_FLAGS := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
$(eval $(call variant,fuzz,clang,$(FUZZ_FLAGS) -Itests/fuzz,setup))

build/fuzz/%: build/fuzz/obj/tests/fuzz/%.o $(FUZZ_LIB:%.c=build/fuzz/obj/%.o)
	$(call say,LD,$@)
	$(Q)clang -fsanitize=fuzzer,address,undefined $^ -linih -lz -o $@

## fuzz      core steps, recordings and configurations, each for FUZZ_SECONDS (600); findings stay in build/fuzz
fuzz: $(FUZZ_TARGETS:%=build/fuzz/%)
	@tests/fuzz/run $(FUZZ_SECONDS)

.PHONY: fuzz
