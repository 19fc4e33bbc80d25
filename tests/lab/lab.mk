# SPDX-License-Identifier: GPL-2.0-only
#
# What the lab tests run inside: bare-metal guests and the test VMM. Read by the top Makefile.

GUESTS := off cached toggle puppet storm bench
GUEST_DIR := tests/lab/guests
GUEST_CFLAGS := -std=gnu11 -O2 -g $(WARN) -march=armv8-a -ffreestanding -fno-builtin -fno-stack-protector \
	-fno-asynchronous-unwind-tables -fno-pic -mgeneral-regs-only -mstrict-align -mno-outline-atomics
GUEST_LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,--no-warn-rwx-segments -T $(GUEST_DIR)/guest.ld
GUEST_COMMON := $(addprefix $(GUEST_DIR)/,start.S fault.c)
VMM_DIR := tests/lab/vmm

guests: $(GUESTS:%=build/arm64/guests/%.bin) build/arm64/lab/kcoh-vmm build/arm64/lab/kcoh-dev \
	build/arm64/lab/kcoh-adversary

build/arm64/obj/guests/%.elf: $(GUEST_DIR)/%.c $(GUEST_COMMON) $(wildcard $(GUEST_DIR)/*.h $(GUEST_DIR)/*.ld) Makefile \
		tests/lab/lab.mk | setup
	$(call say,GUEST,$<)
	@mkdir -p $(@D)
	$(Q)aarch64-linux-gnu-gcc $(GUEST_CFLAGS) $< $(GUEST_COMMON) $(GUEST_LDFLAGS) -o $@

build/arm64/guests/%.bin: build/arm64/obj/guests/%.elf
	@mkdir -p $(@D)
	$(Q)aarch64-linux-gnu-objcopy -O binary $< $@

# Static: it also runs where there is nothing but a kernel.
build/arm64/lab/kcoh-vmm: $(sort $(wildcard $(VMM_DIR)/*.c)) $(wildcard $(VMM_DIR)/*.h $(GUEST_DIR)/doorbell.h) Makefile \
		tests/lab/lab.mk | sysroot
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) -D_GNU_SOURCE -std=gnu11 -O2 -g $(WARN) -static -pthread $(filter %.c,$^) -o $@

# The test VMM without its scripts, and another main().
ADVERSARY_SRC := $(sort $(wildcard tests/lab/adversary/*.c)) $(VMM_DIR)/vm.c tests/lab/witness/tell.c
build/arm64/lab/kcoh-adversary: $(ADVERSARY_SRC) Makefile tests/lab/lab.mk | sysroot
build/arm64/lab/kcoh-adversary: $(wildcard tests/lab/adversary/*.h $(VMM_DIR)/*.h $(GUEST_DIR)/*.h tests/lab/witness/*.h include/kcoh/*.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) -static -pthread $(filter %.c,$^) -o $@

build/arm64/lab/kcoh-dev: tests/lab/tools/dev.c $(wildcard include/kcoh/*.h) Makefile tests/lab/lab.mk | sysroot
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) -static $(filter %.c,$^) -o $@

guests: build/arm64/lab/kcoh-witness
build/arm64/lab/kcoh-witness: $(sort $(wildcard tests/lab/witness/*.c)) Makefile tests/lab/lab.mk | sysroot
build/arm64/lab/kcoh-witness: $(wildcard tests/lab/witness/*.h $(VMM_DIR)/*.h include/kcoh/*.h)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) -static $(filter %.c,$^) -o $@

.PRECIOUS: build/arm64/obj/guests/%.elf

guests: build/arm64/lab/kcoh-vmfile build/arm64/lab/kcoh-births
build/arm64/lab/kcoh-vmfile build/arm64/lab/kcoh-births: build/arm64/lab/kcoh-%: tests/lab/tools/%.c $(wildcard $(VMM_DIR)/*.h include/kcoh/*.h) Makefile tests/lab/lab.mk | sysroot
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) -static $(filter %.c,$^) -o $@

guests: build/arm64/lab/kcoh-feed
build/arm64/lab/kcoh-feed: tests/lab/feed_dump.c build/arm64/libkcoh.a | sysroot
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) $(filter %.c %.a,$^) -lbpf -lelf -lz -o $@

guests: build/arm64/lab/kcoh-sender
build/arm64/lab/kcoh-sender: tests/lab/tools/sender.c $(VMM_DIR)/vm.c $(wildcard $(VMM_DIR)/*.h $(GUEST_DIR)/*.h) Makefile tests/lab/lab.mk | sysroot
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(ARM64_CC) $(CPPFLAGS_ALL) -std=gnu11 -O2 -g $(WARN) -static -pthread $(filter %.c,$^) -o $@
