# SPDX-License-Identifier: GPL-2.0-only
#
# The one front door. Everything is built in build/; what is missing is installed or fetched by scripts/.
#
#   build/native/bin/{kcohd,kcoh}          user space for this machine (gcc)
#   build/arm64/bin/{kcohd,kcoh}           the same for arm64
#   build/arm64/bpf/kcoh.bpf.o             all BPF programs
#   build/arm64/kmod/<release>/kcoh.ko     the module, for each of the lab's kernels
#   build/arm64/{guests,lab}/              what the lab tests run
#
# User space is compiled once per variant: a directory of build/ with its own compiler and flags.

KERNELS ?= 6.1 6.12 7

Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-8s %s\n' $(1) $(2))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules
SHELL := /bin/bash

## help      this list
help:
	@printf 'kcoh: coherency guard for KVM live migration on arm64\n\n'
	@sed -n 's/^## /  make /p' $(MAKEFILE_LIST)
	@printf '\nV=1 shows commands; KERNELS="%s" picks kernels; KCOH_CACHE names the download cache.\n' '$(KERNELS)'

## all       everything: native and arm64 user space, BPF objects, modules, guests
all: native arm64 bpf kmod guests

## native    user space for this machine
## arm64     user space for arm64
## bpf       the BPF objects
## kmod      the module, for KERNELS

# --- packages and sysroot ---------------------------------------------------------------------------------

.PHONY: setup sysroot
setup:
	@scripts/setup

# A link that changes only when the sysroot does.
sysroot: setup
	@mkdir -p build/arm64
	@dir=$$(scripts/cache sysroot) && [ "$$(readlink build/arm64/sysroot)" = "$$dir" ] || \
		{ [ -n "$$dir" ] && ln -sfn "$$dir" build/arm64/sysroot; }

# --- user space -------------------------------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
CPPFLAGS_ALL := -D_GNU_SOURCE -Iinclude -Iuser
CFLAGS_ALL := -std=gnu11 -O2 -g $(WARN) -MMD -MP
LIBS := -lbpf -lelf -lz -lsystemd -lmicrohttpd -lgnutls -ljansson -linih -lcurl -lsqlite3
LIBS_kcoh := -lncursesw -ltinfo

PROGRAMS := kcohd kcoh
LIB_SRC := $(filter-out $(foreach p,$(PROGRAMS),user/$(p)/%),$(sort $(wildcard user/*/*.c)))
PROG_SRC = $(sort $(wildcard user/$(1)/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))

# The page and the report, of user/page/, as C.
build/page/page.c: scripts/page $(wildcard user/page/*)
	$(call say,PAGE,$@)
	$(Q)scripts/page $(@D)

# variant NAME, compiler, extra flags, prerequisite
define variant
build/$(1)/obj/%.o: %.c Makefile | $(4)
	$$(call say,CC,"$(1) $$<")
	@mkdir -p $$(@D)
	$$(Q)$(2) $$(CPPFLAGS_ALL) $$(CFLAGS_ALL) $(3) -c $$< -o $$@

$(1)_LIB := $$(LIB_SRC:%.c=build/$(1)/obj/%.o) build/$(1)/obj/build/page/page.o
build/$(1)/libkcoh.a: $$($(1)_LIB)
	@rm -f $$@
	$$(Q)ar rcs $$@ $$^

$(foreach p,$(PROGRAMS),
build/$(1)/bin/$(p): $$(patsubst %.c,build/$(1)/obj/%.o,$$(call PROG_SRC,$(p))) build/$(1)/libkcoh.a
	$$(call say,LD,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(2) $(3) $$^ $$(LIBS) $$(LIBS_$(p)) -o $$@
)
-include $$(shell find build/$(1)/obj -name '*.d' 2>/dev/null)
endef

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
ARM64_CC := aarch64-linux-gnu-gcc --sysroot=build/arm64/sysroot
$(eval $(call variant,native,gcc,-fstack-protector-strong -D_FORTIFY_SOURCE=2,setup))
$(eval $(call variant,clang,clang,,setup))
$(eval $(call variant,asan,gcc,$(SANITIZE),setup))
$(eval $(call variant,arm64,$(ARM64_CC),-fstack-protector-strong -D_FORTIFY_SOURCE=2,sysroot))

native: $(PROGRAMS:%=build/native/bin/%)
arm64: $(PROGRAMS:%=build/arm64/bin/%)
clang: $(PROGRAMS:%=build/clang/bin/%)

# --- BPF --------------------------------------------------------------------------------------------------

# Linked into one: a loader reads the kernel's types once for each object, which is most of the time that a start takes.
BPF_OBJ := $(patsubst bpf/%.bpf.c,build/arm64/obj/bpf/%.bpf.o,$(wildcard bpf/*.bpf.c))
BPF := build/arm64/bpf/kcoh.bpf.o
bpf: $(BPF)
$(BPF): $(BPF_OBJ)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	@rm -f $(@D)/*.bpf.o
	$(Q)bpftool gen object $@ $^
build/arm64/obj/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h include/kcoh/*.h) Makefile | setup
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)clang -target bpf -mcpu=v3 -D__TARGET_ARCH_arm64 -std=gnu11 -O2 -g -Wall -Wextra -Werror -Wno-unused-parameter \
		-Iinclude -Ibpf -c $< -o $@
	$(Q)llvm-strip -g $@

# --- the module -------------------------------------------------------------------------------------------

# scripts/kbuild knows what is up to date.
.PHONY: kmod kmod-abi kmod-fail
kmod: setup
	@for k in $(KERNELS); do printf '  %-8s %s\n' KMOD $$k; \
		scripts/kbuild $${k/-/ } kmod build/arm64/kmod >/dev/null || exit; done
# The same module with another ABI number: what kcohd says of it is a test.
ABI_KERNELS ?= 6.1
kmod-abi: setup
	@for k in $(ABI_KERNELS); do \
		scripts/kbuild $${k/-/ } kmod build/arm64/lab/abi KCOH_DEFINES=-DKCOH_ABI=99 >/dev/null || exit; done

# … and with steps that can be made to fail (kmod/fail.h).
kmod-fail: setup
	@for k in $(KERNELS); do \
		scripts/kbuild $${k/-/ } kmod build/arm64/lab/fail KCOH_DEFINES=-DKCOH_FAIL >/dev/null || exit; done

# --- what the lab tests run -------------------------------------------------------------------------------

-include tests/lab/lab.mk
-include tests/witness/witness.mk
-include tests/bench/bench.mk
-include tests/metrics/metrics.mk
-include tests/page/page.mk
-include tests/fleet/fleet.mk
-include tests/admission/admission.mk
-include tests/sim/sim.mk
-include tests/golden/golden.mk
-include tests/fuzz/fuzz.mk
-include tests/guard/guard.mk
-include tests/libvirt/libvirt.mk
-include scripts/packaging/install.mk

# --- tests ------------------------------------------------------------------------------------------------

UNIT := $(UNIT_SRC:tests/unit/%.c=build/asan/unit/%)
build/asan/unit/%: build/asan/obj/tests/unit/%.o build/asan/libkcoh.a
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -lcmocka -o $@
build/asan/unit/test_cli: | build/asan/bin/kcoh
unit: build/asan/bin/kcoh $(UNIT)

# libbpf with a kernel that says yes to everything.
build/native/relocate: tests/kerneltypes/relocate.c Makefile | setup
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)gcc -D_GNU_SOURCE -std=gnu11 -O2 -g $(WARN) $< -Wl,--wrap=syscall -Wl,--wrap=btf__load_vmlinux_btf \
		-Wl,-Bstatic -lbpf -Wl,-Bdynamic -lelf -lz -o $@

## demo      a real migration of an MMU-off guest, flagged and vetoed, in the emulated arm64 host
demo: KERNELS := 6.1
demo: arm64 bpf kmod guests
	@scripts/demo

## check     format, static checks, unit tests, layouts, lab tests on every kernel
check:
	@scripts/check

## bench     instructions that exits and harvests cost, with and without kcoh (6.1, or KERNELS; 10 minutes a kernel)
bench: KERNELS := 6.1
bench: arm64 bpf kmod guests
	@tests/bench/run $(KERNELS:%=--kernel %)

## mutants   does a test fail when the module is wrong in one of 17 ways
mutants: guests kmod build/native/witness.so
	@tests/lab/mutants/run

## check-matrix   all lab tests on every kernel and CPU, with many seeds, and a table: hours
check-matrix: KERNELS := 6.1 6.12 6.12-16k 7
check-matrix: ABI_KERNELS = $(KERNELS)
check-matrix: arm64 bpf kmod kmod-abi kmod-fail guests
	@tests/lab/run --matrix

## check-drain    an emulated host is evacuated to a second one, for each strategy: 20 minutes
check-drain: KERNELS := 6.1
check-drain: arm64 bpf kmod guests
	@tests/lab/drain

## check-kasan    all lab tests on a kernel with KASAN, lockdep and failing allocations, built when first asked for
check-kasan: KERNELS := debug
check-kasan: ABI_KERNELS = $(KERNELS)
check-kasan: arm64 bpf kmod kmod-abi kmod-fail guests
	@tests/lab/run --matrix --kernel debug --cpu neoverse-n1

## model     the verdict of every policy by exhaustive search (spin)
model: setup
	@tests/model/run

## clean     removes build/ (the download cache stays)
clean:
	rm -rf build

.PHONY: help all native arm64 clang bpf guests unit demo check check-matrix check-drain check-kasan bench mutants model clean
