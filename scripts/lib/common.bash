# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script here shares: how an error reads, where the cache is, and which kernels the lab knows.
#
# An error is one sentence on stderr (what was asked, what stands in the way, what to do) and exit status 2, so that
# a caller can tell "the lab could not start" from "the command in the lab failed". A progress line appears on stderr
# only when something takes longer than two seconds: `say` prints at once and is for steps known to be long.
#
# A kernel has a short name (6.1, 6.12, 7, debug) and a page size (4k, 16k). The table below is the only place that knows
# from which Debian suite each comes and which suite's compiler builds its modules. `debug` is built here
# from Debian's source (lib/debug-kernel.bash). For a page size in brackets modules are compiled and no kernel is there.

# shellcheck disable=SC2034 # for those who source this
KCOH_REPO=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
KCOH_CACHE=${KCOH_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kcoh}
KCOH_SELF=$(basename -- "$0")

#        name  suite               toolchain  page sizes
KERNELS='6.1   bookworm            host       4k
         6.12  bookworm-backports  host       4k 16k
         7     trixie-backports    trixie     4k 16k
         debug bookworm-backports  host       4k (64k)'

die() {
	printf '%s: %s\n' "$KCOH_SELF" "$*" >&2
	exit 2
}

say() {
	printf '%s: %s\n' "$KCOH_SELF" "$*" >&2
}

# space_check DIR MEGABYTES WHAT
space_check() {
	local free
	free=$(($(stat -f -c '%a * %S' "$1") / 1048576))
	((free >= $2)) || die "$3 needs $2 MB of disk space and $1 has $free MB free; make room there${4:+ or $4}"
}

# usage: print the text between the markers `#:` at the head of the script.
usage() {
	sed -n 's/^#: \{0,1\}//p' "$0"
}

kernel_names() {
	awk '{ print $1 }' <<<"$KERNELS"
}

# kernel_field KERNEL suite|toolchain|pages
kernel_field() {
	awk -v k="$1" -v f="$2" '$1 == k {
		if (f == "suite") print $2
		if (f == "toolchain") print $3
		if (f == "pages") { $1 = $2 = $3 = ""; sub(/^ +/, ""); print }
	}' <<<"$KERNELS"
}

# kernel_check KERNEL PAGES: refuse what the lab does not know.
kernel_check() {
	local pages
	pages=$(kernel_field "$1" pages)
	[[ $pages ]] || die "kernel '$1' is unknown; choose one of: $(kernel_names | paste -sd' ')"
	[[ " $pages " == *" $2 "* || " $pages " == *" ($2) "* ]] || die "there is no kernel $1 with $2 pages; choose one of: $pages"
}
