# SPDX-License-Identifier: GPL-2.0-only
#
# What asks for a real libvirtd. Read by the top Makefile.

# All of kcohd but what needs KVM on arm64: tests/libvirt/feed.c stands in for the kernel. libtirpc, which libvirt's library brings, must be there
# from the start: ASan wraps its functions, and calls those it found then.
build/asan/kcohd-ordered: build/asan/obj/tests/libvirt/feed.o \
		$(patsubst %.c,build/asan/obj/%.o,$(filter-out user/kcohd/host.c,$(call PROG_SRC,kcohd))) build/asan/libkcoh.a
	@scripts/setup guard
	$(call say,LD,$@)
	$(Q)gcc $(SANITIZE) $^ $(LIBS) -Wl,--no-as-needed -l:libtirpc.so.3 -o $@

## check-libvirt   vetoes before and during migrations between two real libvirtd, by polkit, by hook and by abort: 3 minutes
check-libvirt: build/asan/kcohd-ordered build/native/bin/kcoh build/guard/counts.bin
	@tests/libvirt/run
.PHONY: check-libvirt
