# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The guest `linux` of qemu.sh: the lab's own kernel with a shell as init, for lab tests. It says one word a boot (up) and one number a
# beat, and does what it is told through its terminal:
#
#   linux_tell from reboot      reboots
#   linux_tell from dma         QEMU's edu, if the VM was given it, writes to an address that is not RAM: the SMMU stops it

# shellcheck disable=SC2034 # tests use it
LINUX=(-m 128 -initrd "$TMP/initramfs" -append 'console=ttyAMA0 quiet panic=-1 cryptomgr.notests')

# Before the first of them is started.
linux_make() {
	local root=$TMP/guest
	mkdir -p "$root/bin" "$root/dev" "$root/sys"
	cp /usr/bin/busybox "$root/bin/"
	cat >"$root/init" <<-'INIT'
		#!/bin/busybox sh
		/bin/busybox mount -t devtmpfs dev /dev
		exec </dev/ttyAMA0 >/dev/ttyAMA0 2>&1
		echo up
		(n=0; while :; do n=$((n + 1)); echo "beat $n"; /bin/busybox usleep 300000; done) &
		dma() { # registers of edu: from its own memory (offset 0x40000), to where, how much, write
			/bin/busybox mount -t sysfs sys /sys
			cd "$(/bin/busybox dirname "$(/bin/busybox grep -l 0x11e8 /sys/bus/pci/devices/*/device)")" || return
			echo 1 >enable
			printf '\006\004' | /bin/busybox dd of=config bs=1 seek=4 conv=notrunc 2>/dev/null # memory, bus master, no INTx
			read -r bar rest <resource
			/bin/busybox devmem $((bar + 0x80)) 64 0x40000
			/bin/busybox devmem $((bar + 0x88)) 64 0x1000000
			/bin/busybox devmem $((bar + 0x90)) 64 4
			/bin/busybox devmem $((bar + 0x98)) 64 3
		}
		while read -r word; do
			case $word in
			reboot) /bin/busybox reboot -f ;;
			dma) dma ;;
			esac
		done
	INIT
	chmod 755 "$root/init"
	(cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$TMP/initramfs"
}

# linux_tell NAME WORD: QEMU takes a letter when the guest took the one before, and forgets the rest if the line is cut.
linux_tell() {
	echo "$2" | socat -t 20 - "UNIX-CONNECT:$QEMU_DIR/$1.tty" >/dev/null &
}

linux_boots() { # linux_boots NAME: how often its init has spoken
	grep -c '^up' "$QEMU_DIR/$1.serial"
}

linux_booted() { # linux_booted NAME TIMES
	(($(linux_boots "$1") >= $2))
}
