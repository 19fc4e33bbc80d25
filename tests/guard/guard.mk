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
