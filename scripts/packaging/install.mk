# SPDX-License-Identifier: GPL-2.0-only
#
# make install: where everything lies on a host. Read by the top Makefile.
#
#   make install DESTDIR=/tmp/root PREFIX=/usr VARIANT=arm64
#
# VARIANT picks the programs (native, arm64). What a program looks for has a fixed place whatever PREFIX is: the BPF objects
# (/usr/lib/kcoh/bpf; the configuration may name another), the socket (/run/kcoh) and the configuration (/etc/kcoh). So units,
# group, directories and parameters lie where the system looks for them, too.

PREFIX ?= /usr
VARIANT ?= native
PACKAGING := scripts/packaging
INSTALL := install -D -m 644
INSTALL_PROGRAM := install -D -m 755

KCOH_VERSION := $(shell sed -n 's/^\#define KCOH_VERSION "\(.*\)"/\1/p' include/kcoh/version.h)
DKMS_SRC := $(DESTDIR)/usr/src/kcoh-$(KCOH_VERSION)

# --- manual and completions, made from what the programs say of themselves (scripts/manual) ---

MANUAL := $(patsubst docs/man/%.scd,build/man/%,$(wildcard docs/man/*.scd))
COMPLETIONS := build/completion/bash build/completion/zsh
MANUAL_FROM := scripts/manual include/kcoh/version.h $(PROGRAMS:%=build/native/bin/%)

build/man/%: docs/man/%.scd docs/events.md docs/kcoh.conf.example include/kcoh/reason.h $(MANUAL_FROM)
	$(call say,MAN,$@)
	@mkdir -p $(@D)
	$(Q)scripts/manual page $< >$@.scd
	$(Q)scdoc <$@.scd >$@

$(COMPLETIONS): build/completion/%: $(MANUAL_FROM)
	$(call say,GEN,$@)
	@mkdir -p $(@D)
	$(Q)scripts/manual completion $* >$@

## manual    manual pages and completions for bash and zsh, in build/man and build/completion
manual: $(MANUAL) $(COMPLETIONS)

# --- places ---

## install   programs, BPF objects, manual, units and all else of a host into DESTDIR, for VARIANT (native, arm64)
install: $(VARIANT) bpf manual
	@$(INSTALL_PROGRAM) build/$(VARIANT)/bin/kcoh $(DESTDIR)$(PREFIX)/bin/kcoh
	@$(INSTALL_PROGRAM) build/$(VARIANT)/bin/kcohd $(DESTDIR)$(PREFIX)/sbin/kcohd
	@$(INSTALL) $(BPF) $(DESTDIR)/usr/lib/kcoh/bpf/$(notdir $(BPF))
	@[ -e $(DESTDIR)/etc/kcoh/kcoh.conf ] || $(INSTALL) docs/kcoh.conf.example $(DESTDIR)/etc/kcoh/kcoh.conf
	@for unit in kcohd.service kcohd.socket kcoh-module-swap.service; do \
		$(INSTALL) $(PACKAGING)/system/$$unit $(DESTDIR)/lib/systemd/system/$$unit || exit; done
	@sed -i -e 's|/usr/sbin/kcohd|$(PREFIX)/sbin/kcohd|' -e 's|/usr/bin/kcoh|$(PREFIX)/bin/kcoh|' \
		$(DESTDIR)/lib/systemd/system/kcoh*.service
	@$(INSTALL) $(PACKAGING)/system/sysusers.conf $(DESTDIR)/usr/lib/sysusers.d/kcoh.conf
	@$(INSTALL) $(PACKAGING)/system/tmpfiles.conf $(DESTDIR)/usr/lib/tmpfiles.d/kcoh.conf
	@$(INSTALL) $(PACKAGING)/system/org.kcoh.policy $(DESTDIR)/usr/share/polkit-1/actions/org.kcoh.policy
	@for file in dashboards/*; do $(INSTALL) $$file $(DESTDIR)$(PREFIX)/share/kcoh/$$file || exit; done
	@$(INSTALL_PROGRAM) scripts/integrate/libvirt-qemu-hook $(DESTDIR)$(PREFIX)/share/kcoh/integrate/libvirt-qemu-hook
	@$(INSTALL_PROGRAM) scripts/integrate/libvirt-polkit-check $(DESTDIR)/usr/share/kcoh/integrate/libvirt-polkit-check
	@$(INSTALL) scripts/integrate/50-kcoh-libvirt.rules $(DESTDIR)$(PREFIX)/share/kcoh/integrate/50-kcoh-libvirt.rules
	@$(INSTALL) scripts/integrate/kubevirt.yaml $(DESTDIR)$(PREFIX)/share/kcoh/integrate/kubevirt.yaml
	@for page in $(MANUAL); do \
		$(INSTALL) $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit; done
	@$(INSTALL) build/completion/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kcoh
	@ln -sf kcoh $(DESTDIR)$(PREFIX)/share/bash-completion/completions/kcohd
	@$(INSTALL) build/completion/zsh $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions/_kcoh
	@$(INSTALL) docs/events.schema.json $(DESTDIR)$(PREFIX)/share/kcoh/events.schema.json
	@$(INSTALL) docs/openapi.json $(DESTDIR)$(PREFIX)/share/kcoh/openapi.json

## install-module   the module's source for DKMS, its parameters and its load at boot into DESTDIR
install-module:
	@for file in $$(cd kmod && find . -name '*.[ch]' -o -name Kbuild); do \
		$(INSTALL) kmod/$$file $(DKMS_SRC)/kmod/$$file || exit; done
	@for file in include/kcoh/*.h; do $(INSTALL) $$file $(DKMS_SRC)/$$file || exit; done
	@sed 's/@VERSION@/$(KCOH_VERSION)/g' $(PACKAGING)/dkms.conf >$(DKMS_SRC)/dkms.conf
	@[ -e $(DESTDIR)/etc/modprobe.d/kcoh.conf ] || \
		$(INSTALL) $(PACKAGING)/system/modprobe.conf $(DESTDIR)/etc/modprobe.d/kcoh.conf
	@$(INSTALL) $(PACKAGING)/system/modules-load.conf $(DESTDIR)/usr/lib/modules-load.d/kcoh.conf

## deb       Debian packages: kcoh and kcoh-dkms for arm64, kcoh for amd64; checked by lintian
deb: native arm64 bpf manual
	@scripts/packaging/deb --lint

## check-fresh    a new user's steps in pristine Debian 12 roots: from source, from packages, on an emulated host (40 minutes)
check-fresh: deb
	@tests/fresh/source
	@tests/fresh/packages --keep
	@$(MAKE) -s guests && tests/fresh/boot && tests/fresh/boot --kernel 6.12

.PHONY: check-fresh manual deb install install-module
