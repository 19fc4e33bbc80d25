# SPDX-License-Identifier: GPL-2.0-only
#
# The witness: a plugin for the lab's emulator. Read by the top Makefile.

all: build/native/witness.so
build/native/witness.so: tests/witness/witness.c tests/witness/plugin.h tests/lab/witness/mark.h Makefile \
		tests/witness/witness.mk | setup
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)gcc -D_GNU_SOURCE -std=gnu11 -O2 -g $(WARN) -fPIC -shared -fvisibility=hidden -pthread $< -o $@

## witness   what the module claims to have cleaned, against what the emulated host executed
witness: KERNELS := 6.1
witness: build/native/witness.so kmod guests
	@tests/witness/run
.PHONY: witness
