# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Roots of Debian 12 that have nothing of this machine, of its own architecture or of arm64.
#
# A foreign root's programs run by qemu-user, which the kernel starts because it is told to (binfmt_misc). That is told in a user
# namespace of its own, mapped one to one: nothing changes for the rest of the machine, and it ends with the last process. It
# needs Linux 6.7 and root.

FRESH=$KCOH_REPO/build/fresh
ARM64_ELF='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
ARM64_MASK='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'

pass() {
	echo "PASS fresh: $*"
}

fail() {
	echo "FAIL fresh: $*"
	# shellcheck disable=SC2034 # the exit status of who sources this
	FAILED=1
}

# check NAME COMMAND…: its output only if it fails.
check() {
	local name=$1 out start=$SECONDS
	shift
	if out=$("$@" 2>&1); then
		pass "$name ($((SECONDS - start)) s)"
	else
		printf '%s\n' "$out" | tail -n 40
		fail "$name"
	fi
}

# foreign COMMAND…: in namespaces of its own, where arm64 programs run.
foreign() {
	local go pid
	go=$(mktemp -u "$FRESH/go.XXXXXX")
	mkfifo "$go"
	# shellcheck disable=SC2016 # the inner shell expands these
	unshare --user --mount --pid --fork --kill-child bash -c '
		read -r <"$0" && mount -t proc proc /proc && mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc &&
		printf "%s" "$1" >/proc/sys/fs/binfmt_misc/register && shift && exec "$@"' \
		"$go" ":arm64:M::$ARM64_ELF:$ARM64_MASK:$(command -v qemu-aarch64-static):F" "$@" <&0 &
	pid=$!
	until [[ $(readlink "/proc/$pid/ns/user") != "$(readlink /proc/self/ns/user)" ]]; do
		kill -0 $pid 2>/dev/null || return 2
	done
	echo '0 0 65536' >"/proc/$pid/uid_map"
	echo '0 0 65536' >"/proc/$pid/gid_map"
	echo >"$go"
	rm "$go"
	wait $pid
}

# root_make ARCH DIR: a Debian 12 of its own in DIR. What mmdebstrap made once is unpacked again (build/fresh/ARCH.tar).
root_make() {
	local arch=$1 dir=$2 tar=$FRESH/$1.tar new=$FRESH/$1.partial.tar
	# shellcheck disable=SC2054 # the commas are mmdebstrap's
	local -a make=(mmdebstrap --quiet --mode=root --arch="$arch" --variant=minbase
		--include=systemd,systemd-sysv,dbus,kmod,passwd,ca-certificates bookworm "$new" "$(debian_mirror)")
	if [[ ! -e $tar ]]; then
		say "making a Debian 12 root for $arch with mmdebstrap"
		if [[ $arch == "$(dpkg --print-architecture)" ]]; then
			"${make[@]}" >"$FRESH/mmdebstrap.log" 2>&1
		else
			foreign "${make[@]}" >"$FRESH/mmdebstrap.log" 2>&1
		fi || { tail -n 5 "$FRESH/mmdebstrap.log" >&2 && die "mmdebstrap could not make a root for $arch (above; $FRESH/mmdebstrap.log)"; }
		mv "$new" "$tar"
	fi
	rm -rf "$dir"
	mkdir -p "$dir"
	tar -x -f "$tar" -C "$dir" --numeric-owner --exclude './dev/*' || die "the root $tar is damaged: remove it"
	cp /etc/resolv.conf "$dir/etc/resolv.conf"
}

# inside DIR COMMAND…: in that root, with a proc, a /dev of the usual few nodes and a clean environment.
inside() {
	local dir=$1
	shift
	# shellcheck disable=SC2016 # the inner shell expands these
	foreign bash -c '
		root=$1 && shift && mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount -t tmpfs dev "$root/dev" &&
		for node in null zero full random urandom tty; do : >"$root/dev/$node" && mount --bind "/dev/$node" "$root/dev/$node" || exit; done &&
		ln -s /proc/self/fd "$root/dev/fd" && ln -s fd/0 "$root/dev/stdin" && ln -s fd/1 "$root/dev/stdout" && ln -s fd/2 "$root/dev/stderr" && mkdir -m 1777 "$root/dev/shm" && mkdir "$root/dev/pts" &&
		mount -t devpts -o newinstance,ptmxmode=666 devpts "$root/dev/pts" && ln -s pts/ptmx "$root/dev/ptmx" &&
		exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"' - "$dir" "$@"
}
