# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The lab's debug kernel: Debian's source of 6.12, built here with every check that finds bugs (debug-kernel.config).
#
# Debian ships no such kernel, and KASAN, lockdep and fault injection cannot be switched on in the ones it ships. Like a
# packaged kernel it is one product, with the tree its modules are built in, which the kernel's own script of `make rpm-pkg`
# puts together (install-extmod-build). A second such tree, 64k/, is configured for 64k pages, and no kernel is
# built for it: Debian has no 64k kernel, so a module can only be compiled against this.
#
# Time: 33 minutes of one CPU, so 17 on 2 idle cores; 4 GB of disk meanwhile, 150 MB afterwards. An interrupted build goes on.

DEBUG_SOURCE=linux-source-6.12

# The kernel's make must not hear what our own Makefile tells its children.
kernel_make() {
	env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL nice make -C "$DEBUG_WORK/source" O="$DEBUG_WORK/$1" \
		ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu- KBUILD_BUILD_USER=kcoh KBUILD_BUILD_HOST=lab "${@:2}" \
		>>"$DEBUG_WORK/log" 2>&1 && return
	tail -n 20 "$DEBUG_WORK/log" >&2
	die "the debug kernel does not build (its last lines are above, all in $DEBUG_WORK/log)"
}

debug_source() {
	local deb
	[[ ! -d $DEBUG_WORK/source ]] || return 0
	apt_open arm64 "$(kernel_field debug suite)"
	fetch alone "$DEBUG_WORK" "$DEBUG_SOURCE"
	say "unpacking the kernel's source"
	deb=$(printf '%s\n' "$DEBUG_WORK"/archives/*.deb | sort -V | tail -n 1)
	rm -rf "$DEBUG_WORK/unpacked"
	mkdir "$DEBUG_WORK/unpacked"
	dpkg-deb --fsys-tarfile "$deb" | tar -xO "./usr/src/$DEBUG_SOURCE.tar.xz" |
		tar -xJ -C "$DEBUG_WORK/unpacked" --strip-components=1
	mv "$DEBUG_WORK/unpacked" "$DEBUG_WORK/source"
}

# debug_configure DIR [LINE…]: the fragment, but for these lines. What Kconfig drops would be a check that is not there.
debug_configure() {
	local to=$DEBUG_WORK/$1 fragment=$DEBUG_WORK/$1.config dropped line
	[[ ! -e $to/configured ]] || return 0
	grep -E '^(CONFIG_|# CONFIG_.* is not set)' "$KCOH_REPO/scripts/lib/debug-kernel.config" >"$fragment"
	for line in "${@:2}"; do
		[[ $line =~ CONFIG_[A-Z0-9_]+ ]]
		sed -i "/${BASH_REMATCH[0]}[= ]/d" "$fragment"
		echo "$line" >>"$fragment"
	done
	kernel_make "$1" tinyconfig
	(cd "$to" && "$DEBUG_WORK/source/scripts/kconfig/merge_config.sh" -m -O "$to" .config "$fragment") >>"$DEBUG_WORK/log"
	kernel_make "$1" olddefconfig
	dropped=$(grep -vxFf "$to/.config" "$fragment") || true
	[[ -z $dropped ]] || die "the debug kernel cannot have $(paste -sd' ' <<<"$dropped"): its Kconfig refuses"
	touch "$to/configured"
}

# debug_tree DIR TO: what a module is built in. CC=HOSTCC: the script shall not rebuild make's helpers for arm64.
debug_tree() {
	(cd "$DEBUG_WORK/$1" && srctree=$DEBUG_WORK/source SRCARCH=arm64 CC=cc HOSTCC=cc MAKE=make \
		sh "$DEBUG_WORK/source/scripts/package/install-extmod-build" "$2") >>"$DEBUG_WORK/log" 2>&1 ||
		die "the tree to build modules in cannot be made (see $DEBUG_WORK/log)"
	cp "$DEBUG_WORK/$1/.config" "$2/"
}

# The kernel has everything built in; modprobe wants to be told so.
debug_modules() {
	local out=$1 release=$2 to=$1/modules/usr/lib/modules/$2
	mkdir -p "$to"
	cp "$DEBUG_WORK"/4k/modules.{order,builtin,builtin.modinfo} "$to/"
	ln -s usr/lib "$out/modules/lib"
	depmod -b "$out/modules" "$release"
	pack "$out/modules" usr >"$out/modules.cpio"
}

make_debug_kernel() {
	local out=$1/out release
	DEBUG_WORK=$1
	: >"$DEBUG_WORK/log"
	debug_source
	debug_configure 4k
	say "building the debug kernel: 17 minutes on 2 idle cores (log: $DEBUG_WORK/log)"
	kernel_make 4k -j"$(nproc)" Image modules
	release=$(<"$DEBUG_WORK/4k/include/config/kernel.release")
	cp "$DEBUG_WORK/4k/arch/arm64/boot/Image" "$out/vmlinuz"
	cp "$DEBUG_WORK/4k/.config" "$out/config"
	echo "$release" >"$out/release"
	python3 "$KCOH_REPO/scripts/lib/cut-btf.py" "$out/vmlinuz" "$out/btf"
	debug_modules "$out" "$release"
	debug_tree 4k "$out/headers/tree"
	cp "$out/btf" "$out/headers/tree/vmlinux" # BTF of a module is based on it

	# The kernel's exports are the same for any page size.
	say "preparing to compile modules for 64k pages"
	debug_configure 64k '# CONFIG_ARM64_4K_PAGES is not set' CONFIG_ARM64_64K_PAGES=y 'CONFIG_LOCALVERSION="-debug-64k"' \
		'# CONFIG_DEBUG_INFO_BTF is not set'
	kernel_make 64k -j"$(nproc)" modules_prepare
	cp "$DEBUG_WORK/4k/Module.symvers" "$DEBUG_WORK/64k/"
	debug_tree 64k "$out/64k/headers/tree"
	cp "$DEBUG_WORK/64k/include/config/kernel.release" "$out/64k/release"
}

# get_debug_kernel 4k|64k: sets PRODUCT.
get_debug_kernel() {
	local recipe
	recipe=$(list_hash "$(<"$KCOH_REPO/scripts/lib/debug-kernel.config")" "$DEBUG_SOURCE" \
		"$(declare -f kernel_make debug_source debug_configure debug_tree debug_modules make_debug_kernel)")
	product "kernel-debug-4k-$recipe" 5000 make_debug_kernel
	[[ $1 == 4k ]] || PRODUCT+=/$1
}
