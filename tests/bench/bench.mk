# SPDX-License-Identifier: GPL-2.0-only
#
# What `make bench` runs inside the lab. Read by the top Makefile.

BENCH_DIR := tests/bench

guests: build/arm64/lab/kcoh-bench build/arm64/lab/kcoh-bare build/arm64/lab/bare.bpf.o

# The test VMM without its scripts, and another main().
build/arm64/lab/kcoh-bench: $(sort $(wildcard $(BENCH_DIR)/*.c)) $(VMM_DIR)/vm.c Makefile $(BENCH_DIR)/bench.mk | sysroot
build/arm64/lab/kcoh-bench: $(wildcard $(BENCH_DIR)/*.h $(VMM_DIR)/*.h $(GUEST_DIR)/*.h include/kcoh/*.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) -static -pthread $(filter %.c,$^) -o $@

build/arm64/lab/kcoh-bare: $(BENCH_DIR)/bare/main.c Makefile $(BENCH_DIR)/bench.mk | sysroot
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) -D_GNU_SOURCE -std=gnu11 -O2 -g $(WARN) $(filter %.c,$^) -lbpf -lelf -lz -o $@

build/arm64/lab/bare.bpf.o: $(BENCH_DIR)/bare/bare.bpf.c bpf/kernel.bpf.h Makefile $(BENCH_DIR)/bench.mk | setup
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)clang -target bpf -D__TARGET_ARCH_arm64 -std=gnu11 -O2 -g -Wall -Wextra -Werror -Iinclude -Ibpf -c $< -o $@
	$(Q)llvm-strip -g $@
